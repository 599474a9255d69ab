"""A running trace is followed: only new operations are looked at, and its end is seen, however it comes."""

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from xbar.errors import FileError, FormatError
from xbar.trace import row_verifier
from xbar.trace.follow import SETUP_LOOKS, Follower, follow
from xbar.trace.writer_process import boot_id, writer_of

Make = Callable[..., Any]

WRITER = Path(__file__).with_name("crash_writer.py")

SCRIPT = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("crash_writer", sys.argv[1])
writer = importlib.util.module_from_spec(spec)
spec.loader.exec_module(writer)
from xbar.trace.recorder import TraceRecorder

recorder = TraceRecorder(sys.argv[2], provenance={}, flush_every=0)
done = 0
for line in sys.stdin:
    word = line.split()
    if word[0] == "start":
        recorder.start(writer.HEADER)
    elif word[0] == "record":
        for _ in range(int(word[1])):
            recorder.record(writer.operation(done))
            done += 1
    elif word[0] == "close":
        recorder.close(word[1])
    print("done", flush=True)
"""


class Writer:
    """A process that records when it is told to."""

    def __init__(self, path: Path) -> None:
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", SCRIPT, str(WRITER), str(path)]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def do(self, text: str) -> None:
        """Return when the process has done it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    """Give a process that records into t.h5 when it is told to."""
    made = Writer(tmp_path / "t.h5")
    yield made
    made.end()


def test_a_run_is_followed_until_its_writer_closes_it(tmp_path: Path, writer: Writer) -> None:
    """Every look says what came since the last one; the wait is the test's, so nothing sleeps."""
    script = iter(["record 5", None, "record 40", "record 1", "close ok"])
    writer.do("start")

    def wait() -> bool:
        if (text := next(script, "over")) == "over":
            return False
        if text is not None:
            writer.do(text)
        return True

    with Follower(tmp_path / "t.h5") as follower:
        looks = list(follow(follower, wait))
    assert [look.operations for look in looks] == [0, 5, 5, 45, 46, 46]
    assert [look.new for look in looks] == [0, 5, 0, 40, 1, 0]
    assert [look.status for look in looks] == ["running"] * 5 + ["ok"]
    assert [look.ended for look in looks] == [False] * 5 + [True]
    kinds = {look.kind for look in looks[1:]}
    assert looks[0].kind is None
    assert kinds <= {"read", "mvm"}
    assert looks[3].rate is not None
    assert looks[3].rate > 0
    assert looks[2].rate is None


def test_only_new_rows_are_verified(tmp_path: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    writer.do("start")
    writer.do("record 30")
    with Follower(tmp_path / "t.h5") as follower:
        assert follower.look().operations == 30
        trace = follower.trace
        assert trace is not None
        asked: list[int] = []
        original = trace._operations.read

        def read(start: int, count: int) -> Any:
            asked.append(start)
            return original(start, count)

        monkeypatch.setattr(trace._operations, "read", read)
        writer.do("record 3")
        assert follower.look().new == 3
        assert min(asked) == 30


def test_a_killed_writer_ends_it(tmp_path: Path, writer: Writer) -> None:
    """What it flushed before is told; that it is gone shows by host, boot and process number."""
    writer.do("start")
    writer.do("record 7")
    with Follower(tmp_path / "t.h5") as follower:
        assert follower.look().status == "running"
        writer.do("record 2")
        writer.end()
        look = follower.look()
    assert (look.operations, look.new, look.status, look.ended) == (9, 2, "killed", True)


def test_a_writer_that_is_waited_for_by_nobody_is_gone(tmp_path: Path, writer: Writer) -> None:
    """A zombie still has its number."""
    writer.do("start")
    with Follower(tmp_path / "t.h5") as follower:
        assert follower.look().status == "running"
        writer.process.kill()
        assert writer.process.stdout is not None
        assert writer.process.stdout.read() == ""  # returns when the process has ended
        if os.name != "nt":
            os.waitid(os.P_PID, writer.process.pid, os.WEXITED | os.WNOWAIT)
        assert follower.look().status == "killed"


@pytest.mark.parametrize("status", ["ok", "aborted", "failed"])
def test_the_status_of_the_end_is_told(tmp_path: Path, writer: Writer, status: str) -> None:
    writer.do("start")
    with Follower(tmp_path / "t.h5") as follower:
        follower.look()
        writer.do("record 2")
        writer.do(f"close {status}")
        look = follower.look()
        assert (look.operations, look.status) == (2, status)
    with Follower(tmp_path / "t.h5") as follower:
        assert (follower.look().status, follower.look().new) == (status, 0)


def test_a_writer_of_another_host_is_waited_for(tmp_path: Path, writer: Writer) -> None:
    """Nobody can tell whether it runs: only closing the file ends it then."""
    writer.do("start")
    with Follower(tmp_path / "t.h5", writer=lambda provenance: "unknown") as follower:
        writer.end()
        assert follower.look().status == "running"


def test_a_file_that_is_being_set_up_is_waited_for(tmp_path: Path, writer: Writer) -> None:
    """HDF5 makes the file empty first; what never becomes a trace is an error in the end."""
    path = tmp_path / "t.h5"
    path.write_bytes(b"")
    with Follower(path) as follower:
        assert follower.look().status == "setting up"
        path.unlink()
        writer.do("start")
        writer.do("record 1")
        assert follower.look().operations == 1
    path2 = tmp_path / "u.h5"
    path2.write_bytes(b"")
    with Follower(path2) as follower:
        for _ in range(SETUP_LOOKS):
            assert not follower.look().ended
        with pytest.raises(FileError):
            follower.look()


def test_a_long_file_is_caught_up_with_in_several_looks(
    make_trace: Make, reading: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look takes half a second at most, by its clock; the rest is for the next one."""
    monkeypatch.setattr(row_verifier, "WINDOW", 1)
    path = make_trace(*(reading(n) for n in range(20)))
    now = iter(np.arange(0.0, 1e3, 0.1))
    with Follower(path, clock=lambda: float(next(now))) as follower:
        looks = [follower.look()]
        while looks[-1].behind:
            assert looks[-1].status == "running"
            looks.append(follower.look())
    assert len(looks) > 2
    assert all(0 < look.new <= 10 for look in looks[:-1])
    assert sum(look.new for look in looks) == looks[-1].operations == 20
    assert looks[-1].status == "ok"


def test_damage_is_told(make_trace: Make, reading: Make) -> None:
    path = make_trace(*(reading(n) for n in range(5)))
    with h5py.File(path, "r+") as file:
        file["run/cells/current"][13] = 1.0
    with Follower(path) as follower:
        look = follower.look()
    assert (look.operations, look.status, look.ended) == (2, "damaged", True)


def test_what_is_no_trace_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1.0
    with Follower(tmp_path / "other.h5") as follower, pytest.raises(FormatError, match="no trace"):
        follower.look()
    with Follower(tmp_path / "none.h5") as follower, pytest.raises(FileError, match="does not exist"):
        follower.look()


def process(**changes: object) -> dict[str, object]:
    said = {"host": platform.node(), "pid": os.getpid(), "boot": boot_id()}
    return {"process": said | changes}


@pytest.mark.parametrize(
    ("provenance", "writer"),
    [
        (process(), "running"),
        (process(boot=None), "running"),
        (process(host="another"), "unknown"),
        (process(pid="1"), "unknown"),
        (process(pid=True), "unknown"),
        (process(pid=-1), "unknown"),
        (process(pid=2**40), "unknown"),
        ({}, "unknown"),
        ({"process": 3}, "unknown"),
    ],
)
def test_the_provenance_tells_whether_the_writer_runs(provenance: dict[str, object], writer: str) -> None:
    """What a file says of its writer may be anything, and is never believed beyond asking whether it runs."""
    assert writer_of(provenance) == writer


@pytest.mark.skipif(boot_id() is None, reason="this system has no number of its start")
def test_a_writer_from_before_the_machine_started_is_gone() -> None:
    assert writer_of(process(boot="00000000-0000-0000-0000-000000000000")) == "gone"
