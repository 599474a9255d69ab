"""Recovery copies every committed operation into a new trace, and leaves the original as it is."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from xbar.bench.operation import Operation
from xbar.errors import FileError
from xbar.trace.reader import open_trace
from xbar.trace.recorder import TraceRecorder
from xbar.trace.recovery import recover

Make = Callable[..., Any]


def assert_equal(one: Operation, two: Operation) -> None:
    """Assert that two operations are the same, bit for bit."""
    assert one.request.kind == two.request.kind
    assert one.request.arrays == two.request.arrays
    assert (one.started, one.ended) == (two.started, two.ended)
    assert type(one.readings) is type(two.readings)
    if one.readings is not None and two.readings is not None:
        for field in dataclasses.fields(one.readings):
            np.testing.assert_array_equal(getattr(one.readings, field.name), getattr(two.readings, field.name))


def operations(product: Make, reading: Make, count: int) -> list[Operation]:
    return [(product if n % 3 else reading)(n) for n in range(count)]


def test_a_whole_trace_is_copied(make_trace: Make, product: Make, reading: Make, tmp_path: Path) -> None:
    source = make_trace(*operations(product, reading, 12))
    before = source.read_bytes()
    done = recover(source, tmp_path / "copy.h5")
    assert (done.operations, done.complete) == (12, True)
    assert source.read_bytes() == before
    with open_trace(source) as old, open_trace(tmp_path / "copy.h5") as new:
        assert new.complete
        assert new.status == "ok"
        assert new.state == "closed"
        assert new.header == old.header
        assert new.provenance["recovered_from"] == {"file": "t.h5", "status": "ok"}
        for index, (one, two) in enumerate(zip(old, new, strict=True)):
            assert_equal(one, two)
            np.testing.assert_equal(old.projections(index), new.projections(index))


def test_a_trace_that_did_not_end(make_header: Make, product: Make, reading: Make, tmp_path: Path) -> None:
    """What was flushed before the writer went away is there, and the copy is an ordinary trace."""
    recorder = TraceRecorder(tmp_path / "live.h5", provenance={"note": "x"}, flush_every=0, embedded={"a": b"abc"})
    recorder.start(make_header())
    wanted = operations(product, reading, 7)
    for operation in wanted:
        recorder.record(operation)
    done = recover(tmp_path / "live.h5", tmp_path / "copy.h5")
    recorder.close()
    assert (done.operations, done.complete) == (7, False)
    with open_trace(tmp_path / "copy.h5") as new:
        assert new.complete
        assert new.status == "recovered"
        assert new.embedded == {"a": b"abc"}
        assert new.provenance["note"] == "x"
        for one, two in zip(wanted, new, strict=True):
            assert_equal(one, two)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_a_file_that_was_cut_off(make_trace: Make, product: Make, reading: Make, tmp_path: Path, share: float) -> None:
    """Whatever still checks is kept; a file too short to tell anything is an error, not a wrong copy."""
    source = make_trace(*operations(product, reading, 40))
    whole = source.read_bytes()
    source.write_bytes(whole[: int(len(whole) * share)])
    try:
        done = recover(source, tmp_path / "copy.h5")
    except FileError:
        assert not (tmp_path / "copy.h5").exists()
        return
    with open_trace(tmp_path / "copy.h5") as new:
        assert len(new) == done.operations
        assert new.complete


def test_rows_after_a_damaged_one_are_left_out(make_trace: Make, product: Make, reading: Make, tmp_path: Path) -> None:
    source = make_trace(*operations(product, reading, 9))
    with h5py.File(source, "r+") as file:
        row = file["run/operations"][5]
        row["started"] += 1
        file["run/operations"][5] = row
    done = recover(source, tmp_path / "copy.h5")
    assert (done.operations, done.complete) == (5, False)
    with open_trace(tmp_path / "copy.h5") as new:
        assert new.status == "recovered"
        assert len(new) == 5


def test_damage_is_told_from_a_run_that_did_not_end(
    make_header: Make, make_trace: Make, product: Make, reading: Make, tmp_path: Path
) -> None:
    """A killed run is whole as far as it goes; a bad row before good ones, or a file cut off, is damage."""
    live = tmp_path / "live.h5"
    recorder = TraceRecorder(live, provenance={}, flush_every=0)
    recorder.start(make_header())
    for operation in operations(product, reading, 9):
        recorder.record(operation)
    killed = tmp_path / "killed.h5"
    killed.write_bytes(live.read_bytes())
    recorder.close()
    with open_trace(killed) as trace:
        assert (len(trace), trace.complete, trace.damaged) == (9, False, False)
        place = trace.row(4)["started"].tobytes()
    content = bytearray(killed.read_bytes())
    assert content.count(place) == 1
    content[content.find(place)] ^= 1
    killed.write_bytes(content)
    with open_trace(killed) as trace:
        assert (len(trace), trace.damaged) == (4, True)
    whole = make_trace(*operations(product, reading, 40))
    whole.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.9)])
    with open_trace(whole) as trace:
        assert trace.cut_off
        assert trace.damaged


def test_an_existing_file_is_kept(make_trace: Make, product: Make, tmp_path: Path) -> None:
    source = make_trace(product())
    (tmp_path / "copy.h5").write_text("mine", encoding="utf-8")
    with pytest.raises(FileError, match="--force"):
        recover(source, tmp_path / "copy.h5")
    recover(source, tmp_path / "copy.h5", force=True)
    assert (tmp_path / "copy.1.h5").read_text(encoding="utf-8") == "mine"
