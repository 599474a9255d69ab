"""Ctrl-C and SIGTERM end a run with code 130, outputs off, and a valid trace of what was done."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import xbar
from xbar.errors import XbarError


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM for other processes")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_stopped_run_leaves_a_valid_trace(digits_file: Path, tmp_path: Path, number: signal.Signals) -> None:
    trace = tmp_path / "t.h5"
    # A run that would take minutes: many samples, each a batch of its own.
    np.savez(tmp_path / "d.npz", x=np.zeros((200_000, 64), np.float32))
    command = [sys.executable, "-m", "xbar", "run", str(digits_file), "--data", str(tmp_path / "d.npz")]
    options = ["--batch", "1", "--error-samples", "0", "--trace", str(trace)]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        wait_for_operations(trace, running)
        running.send_signal(number)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    with xbar.open_trace(trace) as kept:
        assert kept.state == "closed"
        assert kept.status == "aborted"
        assert kept.complete
        assert len(kept) > 10
    check_prefix_is_refused(digits_file, tmp_path)


def check_prefix_is_refused(digits_file: Path, folder: Path) -> None:
    """Replay the trace of the run that was stopped: refused where it ends, in words."""
    for arguments, code, word in (
        (["run", str(digits_file), "--data", "d.npz", "--bench", "replay:t.h5", "--error-samples", "0"], 6, "t.h5"),
        (["replay", "t.h5"], 3, "did not end"),
    ):
        command = [sys.executable, "-m", "xbar", *arguments]
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert ended.returncode == code, ended.stderr
        assert ended.stdout == ""
        assert word in ended.stderr
        assert "Traceback" not in ended.stderr


def wait_for_operations(trace: Path, running: "subprocess.Popen[str]") -> None:
    """Return when the trace, read while it grows, holds a dozen operations."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and running.poll() is None:
        try:
            with xbar.open_trace(trace) as growing:
                if len(growing) > 12:
                    return
        except XbarError:
            pass  # not there yet, or still being set up
        time.sleep(0.05)
    pytest.fail("the run recorded nothing in a minute")


PROGRAM = """
import sys
import numpy as np
import xbar
from xbar_drivers.simulated import SimulatedDriver

mapped = xbar.load_map(sys.argv[1])
x = np.zeros((40, 64), np.float32)

def run(**settings):
    xbar.run_network(mapped, x, batch=1, error_samples=0, threads=1, trace=sys.argv[2], **settings)
"""


def ended(digits_file: Path, trace: Path, lines: str) -> "subprocess.CompletedProcess[str]":
    """Run a program that records the digits network."""
    command = [sys.executable, "-c", PROGRAM + lines, str(digits_file), str(trace)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def check_closed(trace: Path, status: str, least: int) -> None:
    """Check that a trace was closed with a status and holds at least some operations."""
    with xbar.open_trace(trace) as kept:
        assert (kept.state, kept.status, kept.complete) == ("closed", status, True)
        assert len(kept) >= least


def test_a_callback_that_raises_leaves_a_valid_trace(digits_file: Path, tmp_path: Path) -> None:
    """Its error is what the caller sees; what was measured before is in the trace."""
    lines = """
def shown(what, done, total):
    if done == 20:
        raise ZeroDivisionError("in the callback")
run(progress=shown)
"""
    done = ended(digits_file, tmp_path / "t.h5", lines)
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("ZeroDivisionError: in the callback")
    check_closed(tmp_path / "t.h5", "failed", 40)


def test_a_driver_that_raises_leaves_a_valid_trace(digits_file: Path, tmp_path: Path) -> None:
    """Its error is an operation of the trace too."""
    lines = """
whole, calls = SimulatedDriver.mvm, []
def broken(self, *arguments):
    calls.append(1)
    if len(calls) > 30:
        raise OSError("cable off")
    return whole(self, *arguments)
SimulatedDriver.mvm = broken
run()
"""
    done = ended(digits_file, tmp_path / "t.h5", lines)
    assert done.returncode == 1
    assert "xbar.errors.DriverError" in done.stderr
    check_closed(tmp_path / "t.h5", "failed", 31)
    with xbar.open_trace(tmp_path / "t.h5") as kept:
        assert "cable off" in str(kept.error(len(kept) - 1))
        assert kept.error(len(kept) - 2) is None


def test_a_second_ctrl_c_while_the_trace_is_closed_does_not_cut_it(digits_file: Path, tmp_path: Path) -> None:
    """Both come in the middle of HDF5's work: the first while an operation is written, the second at the end."""
    lines = """
import os, signal
from xbar.trace.column import GrowingColumn
from xbar.trace.layout import TraceFile
append, set_end = GrowingColumn.append, TraceFile.set_end
def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
def interrupted(self, values):
    interrupt()
    return append(self, values)
def end(self, status):
    GrowingColumn.append = append
    interrupt()
    set_end(self, status)
    interrupt()
def shown(what, done, total):
    if done == 20:
        GrowingColumn.append = interrupted
TraceFile.set_end = end
run(progress=shown)
"""
    done = ended(digits_file, tmp_path / "t.h5", lines)
    assert done.returncode != 0
    assert "KeyboardInterrupt" in done.stderr
    check_closed(tmp_path / "t.h5", "aborted", 41)


COMMAND = """
import os, signal, sys
from xbar.bench.bench import Bench
from xbar.trace.column import GrowingColumn
from xbar.trace.layout import TraceFile
append, set_end, record, calls = GrowingColumn.append, TraceFile.set_end, Bench._record, []
def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
def interrupted(self, values):
    GrowingColumn.append = append
    interrupt()
    return append(self, values)
def recorded(self, operation):
    calls.append(1)
    if len(calls) == 30:
        GrowingColumn.append = interrupted
    record(self, operation)
def end(self, status):
    interrupt()
    set_end(self, status)
    interrupt()
Bench._record, TraceFile.set_end = recorded, end
from xbar.cli import main
sys.argv = ["xbar", "run", sys.argv[1], "--data", sys.argv[2], "--batch", "1", "--error-samples", "0"]
sys.argv += ["--trace", TRACE]
main()
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT that a process sends to itself alone")
def test_a_second_ctrl_c_at_the_command_line_leaves_a_valid_trace(digits_file: Path, tmp_path: Path) -> None:
    """The first comes while an operation is written, the next two while the bench is closed: code 130, no traceback."""
    np.savez(tmp_path / "d.npz", x=np.zeros((60, 64), np.float32))
    program = COMMAND.replace("TRACE", repr(str(tmp_path / "t.h5")))
    command = [sys.executable, "-c", program, str(digits_file), str(tmp_path / "d.npz")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    check_closed(tmp_path / "t.h5", "aborted", 30)
