"""A trace that cannot be written: outputs off, one clear error, a process that ends as its program says, a whole file.

Each case runs in a process of its own: HDF5 crashed some of them when it was unloaded.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import xbar
from xbar.errors import ExitCode, FileError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the size of a file")
GLIBC = sys.platform == "linux" and hasattr(os, "confstr") and "CS_GNU_LIBC_VERSION" in os.confstr_names

PROGRAM = """
import atexit, os, resource, sys
import numpy as np
import xbar
from xbar.bench.bench import Bench
from xbar.bench.capabilities import Capabilities, Identity
from xbar.bench.driver import Driver
from xbar.bench.limits import Limits
from xbar.bench.readings import CellReadings
from xbar.trace.recorder import TraceRecorder

def say(*words):
    print(*words, flush=True)

class Board(Driver):
    hardware = True
    capabilities = Capabilities(1, 8, 8, 1.0, 1.0, hardware=True)
    @classmethod
    def from_address(cls, rest, options): return cls()
    def open(self): return Identity("board", "emulated:board")
    def close(self): say("closed")
    def safe_off(self):
        say("off")
        return ()
    def read(self, array, cells, config):
        v = np.full((len(cells), 1), 0.1)
        return CellReadings(v, v, v, v, np.zeros_like(v, np.uint32), v)

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

def descriptor(recorder):
    return recorder._trace.file.id.get_vfd_handle()

def fail_all_writes(recorder):
    '''As after a remount for reading only: the descriptor takes no writes any more.'''
    os.dup2(os.open(sys.argv[1], os.O_RDONLY), descriptor(recorder))

def board(flush=None):
    recorder = TraceRecorder(sys.argv[1], provenance={}, flush_every=flush)
    return recorder, Bench(Board(), recorder=recorder, limits=Limits(1.0, 1.0))

def read_on(bench, recorder, count=1_000_000):
    for _ in range(count):
        try:
            bench.read(0, [[1, 2]] * 50)
        finally:
            acknowledged = recorder.acknowledged
            if acknowledged != recorder.recorded or sys.exc_info()[0]:
                say("acknowledged", acknowledged)

atexit.register(say, "exit handler")
"""


def run(folder: Path, lines: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", PROGRAM + lines, str(folder / "t.h5")]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def acknowledged(done: "subprocess.CompletedProcess[str]") -> int:
    """Return what the program said last."""
    said = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("acknowledged")]
    return int(said[-1])


def check_file(folder: Path, done: "subprocess.CompletedProcess[str]") -> None:
    """Check that the file holds what was acknowledged and that the message told so."""
    with xbar.open_trace(folder / "t.h5") as trace:
        assert len(trace) >= acknowledged(done)
    assert "t.h5 cannot be written any further" in done.stderr + done.stdout
    assert f"it holds {acknowledged(done)} operations" in done.stderr + done.stdout


def test_the_error_of_a_script_is_what_ends_it(tmp_path: Path) -> None:
    """Outputs go off before anything else; Python's own code 1 and traceback stay, and exit handlers run."""
    done = run(tmp_path, "limit(1_500_000)\nrecorder, bench = board()\nwith bench:\n    read_on(bench, recorder)\n")
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("xbar.errors.TraceWriteError") >= 1
    assert "Exception ignored" not in done.stderr
    words = done.stdout.split("\n")
    assert words[0] == "off"
    assert words[-2] == "exit handler"
    assert acknowledged(done) > 50
    check_file(tmp_path, done)


HANDLED = """
try:
    with bench:
        read_on(bench, recorder)
except xbar.errors.TraceWriteError as error:
    say(error)
sys.exit(5)
"""


@pytest.mark.skipif(not GLIBC, reason="the exit code is kept by the C library of GNU/Linux")
@pytest.mark.parametrize("trouble", ["limit(700_000)", "read_on(bench, recorder, 20)\nfail_all_writes(recorder)"])
def test_a_script_that_handles_the_error_keeps_its_exit_code(tmp_path: Path, trouble: str) -> None:
    done = run(tmp_path, f"recorder, bench = board()\n{trouble}\n{HANDLED}")
    assert done.returncode == 5, done.stderr
    assert done.stderr == ""
    assert done.stdout.endswith("exit handler\n")
    check_file(tmp_path, done)


def test_elsewhere_the_process_ends_with_the_code_of_the_trace(tmp_path: Path) -> None:
    """Where the C library does not tell the exit code, that of `ExitCode.TRACE` takes its place; no crash."""
    other = "import xbar.trace.process_end as end\nend._end_after_python = lambda: False\n"
    done = run(tmp_path, f"{other}recorder, bench = board()\nlimit(700_000)\n{HANDLED}")
    assert done.returncode == ExitCode.TRACE, done.stderr
    assert done.stderr == ""
    assert "exit handler" in done.stdout
    check_file(tmp_path, done)


@pytest.mark.parametrize("trouble", ["limit(700_000)", "read_on(bench, recorder, 20)\nfail_all_writes(recorder)"])
def test_a_bench_that_nobody_closes_does_not_crash_either(tmp_path: Path, trouble: str) -> None:
    done = run(tmp_path, f"recorder, bench = board()\n{trouble}\nread_on(bench, recorder)\n")
    assert done.returncode == (1 if GLIBC else ExitCode.TRACE), done.stderr
    assert "xbar.errors.TraceWriteError" in done.stderr
    check_file(tmp_path, done)


def test_an_error_that_shows_at_the_end_alone_is_raised_there(tmp_path: Path) -> None:
    """Nothing was flushed before: the message says that nothing is held."""
    lines = "recorder, bench = board(100.0)\nwith bench:\n    read_on(bench, recorder, 20)\n"
    done = run(tmp_path, f"{lines}    fail_all_writes(recorder)\n")
    assert done.returncode == (1 if GLIBC else ExitCode.TRACE), done.stderr
    assert done.stdout.split("\n")[-4:] == ["off", "closed", "exit handler", ""]
    check_file(tmp_path, done)


@pytest.mark.parametrize("size", [0, 20_000, 60_000, 100_000])
def test_no_room_for_a_new_trace(tmp_path: Path, size: int) -> None:
    """It is refused before HDF5 is asked, which crashes here; no file is left, and outputs are off."""
    done = run(tmp_path, f"limit({size})\nboard()\n")
    assert done.returncode == 1, done.stderr
    assert "xbar.errors.FileError" in done.stderr
    assert "t.h5 cannot be made" in done.stderr
    assert "File too large" in done.stderr
    assert done.stdout == "off\nclosed\nexit handler\n"
    assert list(tmp_path.iterdir()) == []


def test_a_bench_that_nobody_closes_leaves_a_closed_trace(tmp_path: Path) -> None:
    """What was recorded and not flushed yet is not lost when the program just ends."""
    lines = (
        'bench = xbar.open_bench("sim", rows=4, cols=4, record=sys.argv[1], flush=1000.0)\nbench.read(0, [[1, 1]])\n'
    )
    done = run(tmp_path, lines)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    with xbar.open_trace(tmp_path / "t.h5") as trace:
        assert (len(trace), trace.status, trace.state, trace.complete) == (1, "aborted", "closed", True)


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a disk that is mounted for reading only; root may write everywhere, so the answer of the system is set."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(FileError, match="not writable"):
        xbar.open_bench("sim", rows=4, cols=4, record=tmp_path / "t.h5")
    assert list(tmp_path.iterdir()) == []
