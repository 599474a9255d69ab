"""Verification names the first bad operation and why, in a process of its own that a torn file cannot hold up."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from xbar.errors import FileError, FormatError, InputError
from xbar.trace import frozen_file, verification
from xbar.trace.checksums import sign
from xbar.trace.fault import limit
from xbar.trace.follow import Follower
from xbar.trace.reader import open_trace
from xbar.trace.recorder import TraceRecorder
from xbar.trace.schema import OPERATION
from xbar.trace.verification import examine, open_checked, verify
from xbar.trace.writer_process import Writer

Make = Callable[..., Any]
Edit = Callable[[Any], None]


@pytest.fixture
def trace(make_trace: Make, product: Make, reading: Make) -> Path:
    """Return a trace of eight operations, products and readings in turn."""
    path: Path = make_trace(*(make(n) for n in range(4) for make in (product, reading)))
    return path


@pytest.fixture
def killed(tmp_path: Path, make_header: Make, reading: Make) -> Path:
    """Return a copy of a trace whose writer is at work: what a kill leaves."""
    recorder = TraceRecorder(tmp_path / "live.h5", provenance={}, flush_every=0)
    recorder.start(make_header())
    for n in range(300):
        recorder.record(reading(n))
    path = tmp_path / "killed.h5"
    path.write_bytes((tmp_path / "live.h5").read_bytes())
    recorder.close()
    return path


def torn(path: Path, place: int | None = None) -> Path:
    """Damage an index block of a file that was not closed: HDF5 then waits for it to become right, for good.

    The block begins at `place`, or is the first of the file.
    """
    content = bytearray(path.read_bytes())
    content[(content.find(b"EAIB") if place is None else place) + 8] ^= 1
    path.write_bytes(content)
    return path


def change(path: Path, edit: Edit) -> None:
    with h5py.File(path, "r+") as file:
        edit(file["run"])


def _flip(column: str, place: int) -> Edit:
    def edit(run: Any) -> None:
        values = run[column][:]
        values.view(np.uint8)[place * values.itemsize] ^= 1
        run[column][:] = values

    return edit


def _row(**fields: int) -> Edit:
    """Change fields of row 3 and sign it again, so that the row itself is right."""

    def edit(run: Any) -> None:
        rows = run["operations"][3:4]
        crcs = rows["crcs"].copy()
        for name, value in fields.items():
            rows[name] = value
        sign(rows, {})
        rows["crcs"] = crcs
        rows["crc"] = 0
        from xbar.trace.checksums import row_checksum

        rows["crc"] = row_checksum(rows)
        run["operations"][3:4] = rows

    return edit


def _unsigned(run: Any) -> None:
    rows = run["operations"][3:4]
    rows["ended"] += 1
    run["operations"][3:4] = rows


def _empty(run: Any) -> None:
    run["operations"][3:4] = np.zeros(1, OPERATION)


def _short(run: Any) -> None:
    run["cells/status"].resize((15,))


def _zeros(run: Any) -> None:
    run["data/codes"][160:240] = 0


@pytest.mark.parametrize(
    ("edit", "operation", "reason", "column", "word"),
    [
        (_unsigned, 3, "row", "operations", "checksum of its row"),
        (_empty, 3, "missing row", "operations", "never written"),
        (_row(kind=77), 3, "kind", "operations", "kind 77 is not known"),
        (_flip("data/codes", 100), 2, "data", "data/codes", "checksum of data/codes, 80 values from 80 on"),
        (_flip("cells/range", 7), 3, "data", "cells/range", "6 values from 6 on"),
        (_flip("data/projections", 35), 6, "data", "data/projections", "10 values from 30 on"),
        (_zeros, 4, "data", "data/codes", "all 0"),
        (_short, 5, "missing data", "cells/status", "12 on in cells/status, which has 15"),
        (_row(targets_count=9, targets_start=10**12), 3, "missing data", "data/targets", "which has 0"),
    ],
)
def test_the_first_bad_operation_and_the_reason_are_named(
    trace: Path, edit: Edit, operation: int, reason: str, column: str, word: str
) -> None:
    change(trace, edit)
    found = examine(trace)
    assert found.fault is not None
    assert (found.operations, found.complete, found.damaged) == (operation, False, True)
    assert (found.fault.operation, found.fault.reason, found.fault.column) == (operation, reason, column)
    assert word in found.fault.message


def test_an_unreadable_chunk_is_named(make_trace: Make, reading: Make, tmp_path: Path) -> None:
    """A packed chunk that cannot be unpacked is no reason to end in an error of HDF5."""
    from xbar.trace.pack import pack

    pack(make_trace(*(reading(n) for n in range(9))), tmp_path / "p.h5")
    with h5py.File(tmp_path / "p.h5", "r") as file:
        place = file["run/cells/current"].id.get_chunk_info(0)
    content = bytearray((tmp_path / "p.h5").read_bytes())
    content[place.byte_offset : place.byte_offset + place.size] = bytes(place.size)
    (tmp_path / "p.h5").write_bytes(content)
    found = examine(tmp_path / "p.h5")
    assert found.fault is not None
    assert (found.operations, found.fault.reason) == (0, "unreadable data")
    assert "cannot be read" in found.fault.message


def test_the_child_says_what_this_process_would(trace: Path, killed: Path) -> None:
    """Whole, damaged and unfinished traces: what comes back through the child is the same."""
    assert verify(trace) == examine(trace)
    assert verify(trace).complete
    change(trace, _flip("data/codes", 100))
    assert verify(trace) == examine(trace)
    found = verify(killed)
    assert found == examine(killed)
    assert (found.operations, found.state, found.damaged, found.fault) == (300, "open", False, None)


def test_a_file_that_keeps_its_reader_waiting_is_damage(killed: Path, tmp_path: Path) -> None:
    """HDF5 does not come back from it (measured), in C where Ctrl-C does not reach: the child is ended in time."""
    before = torn(killed).read_bytes()
    found = verify(killed, timeout=2.0)
    assert (found.damaged, found.frozen, found.operations) == (True, True, 0)
    assert found.fault is not None
    assert (found.fault.reason, found.fault.operation, found.fault.column) == ("hang", 0, "data/arrays")
    assert "did not end in 2 s; " in found.fault.message
    assert "data/arrays cannot be read" in found.fault.message
    assert killed.read_bytes() == before


def test_what_stands_before_the_torn_place_is_saved(
    make_header: Make, reading: Make, product: Make, tmp_path: Path
) -> None:
    """Products do not need the index of the cells: they are found and copied although an ordinary reader waits."""
    from xbar.trace.recovery import recover

    recorder = TraceRecorder(tmp_path / "live.h5", provenance={}, flush_every=0)
    recorder.start(make_header())
    made = [product(n) for n in range(9)] + [reading(n) for n in range(20)]
    for operation in made:
        recorder.record(operation)
    path = tmp_path / "killed.h5"
    content = (tmp_path / "live.h5").read_bytes()
    recorder.close()
    place = content.rfind(b"EAIB")
    path.write_bytes(content)
    torn(path, place)
    done = recover(path, tmp_path / "saved.h5", timeout=2.0)
    assert (done.operations, done.complete) == (9, False)
    with open_trace(tmp_path / "saved.h5") as saved:
        for operation, found in zip(made, saved, strict=False):
            assert np.array_equal(operation.readings.codes, found.readings.codes)  # type: ignore[union-attr]  # products


def test_a_frozen_file_shows_what_an_ordinary_reader_sees(killed: Path, trace: Path) -> None:
    """A file that was not closed and is right: all its operations, and not a byte of it is changed."""
    before = killed.read_bytes()
    with open_trace(killed) as one, open_trace(killed, frozen=True) as two:
        assert (len(one), one.state) == (len(two), two.state) == (300, "open")
        assert [o.readings.current.tolist() for o in one] == [o.readings.current.tolist() for o in two]  # type: ignore[union-attr]  # readings
    assert killed.read_bytes() == before
    with pytest.raises(FileError, match="cannot be opened"):
        open_trace(trace, frozen=True)  # it was closed, so nothing can wait


def test_the_checksum_of_a_superblock_is_that_of_hdf5(killed: Path, trace: Path) -> None:
    for path in (killed, trace):
        head = path.read_bytes()[:48]
        assert frozen_file.checksum(head[:44]) == int.from_bytes(head[44:], "little")


CHILDREN = {
    "hang": "print('{\"operations\": 7}', flush=True); import threading; threading.Event().wait()",
    "crash": "print('{\"operations\": 7}', flush=True); import os; os.abort()",
}


@pytest.mark.parametrize("reason", CHILDREN)
def test_how_far_the_check_came_is_told(killed: Path, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found before the reader hung or crashed can be read and copied; nothing behind is looked at."""
    monkeypatch.setattr(verification, "CHILD", (sys.executable, "-c", CHILDREN[reason]))
    found = verify(killed, timeout=0.5)
    assert found.fault is not None
    assert (found.operations, found.fault.operation, found.fault.reason) == (7, 7, reason)
    trace, stop = open_checked(killed, timeout=0.5)
    with trace:
        assert stop == found.fault
        assert (len(trace), trace.complete, trace.damaged) == (7, False, True)


def test_nothing_that_was_reached_is_an_error(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "CHILD", (sys.executable, "-c", "import os; os._exit(9)"))
    with pytest.raises(FormatError, match=r"crashed \(exit code 9\); no operation"):
        open_checked(killed)


def test_closed_files_are_opened_at_once(trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They cannot keep their reader waiting, so no process is started for them."""
    monkeypatch.setattr(verification, "CHILD", ("no such program",))
    opened, stop = open_checked(trace)
    with opened:
        assert (len(opened), stop) == (8, None)


def test_ctrl_c_ends_the_child(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    children: list[Any] = []

    class Interrupted(subprocess.Popen[bytes]):
        def communicate(self, input: Any = None, timeout: float | None = None) -> Any:
            children.append(self)
            raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    monkeypatch.setattr(verification, "CHILD", (sys.executable, "-c", CHILDREN["hang"]))
    with pytest.raises(KeyboardInterrupt):
        verify(killed)
    assert children[0].poll() is not None


def test_a_stop_ends_the_child(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Ctrl-C only sets an event, as in watch, the check of a file that keeps its reader waiting ends too."""
    monkeypatch.setattr(verification, "CHILD", (sys.executable, "-c", CHILDREN["hang"]))
    stop = threading.Event()
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        verify(killed, 600.0, stop=stop)


def test_a_torn_file_is_followed_without_waiting(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its writer is gone: it is checked by a process that is ended, first; a right one is followed to its end."""
    monkeypatch.setattr(verification, "limit", lambda size: 2.0)
    with Follower(killed, writer=lambda provenance: "gone") as follower:
        look = follower.look()
        assert (look.operations, look.status, look.ended) == (300, "killed", True)
    torn(killed)
    with Follower(killed, writer=lambda provenance: "gone") as follower, pytest.raises(FormatError, match="waiting"):
        follower.look()


def test_a_writer_that_goes_meanwhile_is_noticed(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was seen is kept, and what the check cannot reach is not looked at."""
    state: list[Writer] = ["running"]
    with Follower(killed, writer=lambda provenance: state[0]) as follower:
        assert (follower.look().operations, follower.look().status) == (300, "running")
        child = CHILDREN["hang"].replace("7", "299")
        monkeypatch.setattr(verification, "CHILD", (sys.executable, "-c", child))
        monkeypatch.setattr(verification, "limit", lambda size: 0.5)
        state[0] = "gone"
        look = follower.look()
        assert (look.new, look.status, look.ended) == (0, "damaged", True)
        assert follower.trace is not None
        assert len(follower.trace) == 299


def test_a_module_beside_the_trace_is_not_run(trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child is started where the user stands, which may be a folder that somebody else filled."""
    (trace.parent / "h5py.py").write_text("raise SystemExit(5)")
    monkeypatch.chdir(trace.parent)
    assert verify("t.h5").complete


def test_what_cannot_be_checked(trace: Path, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="does not exist"):
        verify(tmp_path / "none.h5")
    with pytest.raises(FileError, match="folder"):
        verify(tmp_path)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1.0
    with pytest.raises(FormatError, match="no trace of xbar"):
        verify(tmp_path / "other.h5")
    for seconds in (0.0, -1.0, float("nan"), 1e10):
        with pytest.raises(InputError, match="timeout"):
            verify(trace, seconds)


def test_the_time_limit_grows_with_the_file() -> None:
    assert limit(0) == 60
    assert limit(4 * 10**9) == 1060


def test_a_run_that_could_not_write_its_end_is_not_damaged(trace: Path) -> None:
    """A full disk: the file is closed as failed with what it holds, without the row of the end."""

    def edit(run: Any) -> None:
        run["operations"].resize((8,))
        run["status"][()] = np.bytes_("failed".ljust(24))

    change(trace, edit)
    found = examine(trace)
    assert (found.operations, found.complete, found.damaged, found.status) == (8, False, False, "failed")
    change(trace, lambda run: run["status"].write_direct(np.array("ok".ljust(24), "S24")))
    assert examine(trace).damaged


def test_rows_that_are_declared_and_not_there_take_no_time(trace: Path) -> None:
    """10^12 declared rows in a file that says it is open: neither memory nor time go with them."""
    change(trace, lambda run: run["operations"].resize((10**12,)))
    with open_trace(trace) as opened:
        opened.state = "open"
        assert (len(opened), opened.complete, opened.damaged) == (8, False, False)


def test_the_result_of_the_child_is_json(trace: Path) -> None:
    done = subprocess.run([*verification.CHILD, str(trace)], capture_output=True, text=True, check=True)
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["found"]["operations"] == 8
