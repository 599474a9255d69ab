"""Recovery copies every committed operation into a new trace, and leaves the original as it is."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from xbar.bench.operation import Operation
from xbar.errors import FileError, FormatError, InputError
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
        origin = {"file": "t.h5", "path": str(source), "uuid": old.uuid, "status": "ok", "operations": 12}
        assert new.provenance["recovered_from"] == origin
        assert new.provenance["run"] == {"seed": 3}
        assert new.uuid != old.uuid
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


def test_a_file_that_is_cut_off_early_is_named(make_trace: Make, reading: Make, tmp_path: Path) -> None:
    """It is read through a file that answers zeros beyond its end; the message names the trace all the same."""
    source = make_trace(*(reading(k) for k in range(4)))
    source.write_bytes(source.read_bytes()[: 5 * 4096])
    with pytest.raises((FileError, FormatError)) as told:
        recover(source, tmp_path / "copy.h5")
    assert source.name in str(told.value)
    assert "object at" not in str(told.value)


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


def test_a_copy_is_never_the_original(make_trace: Make, product: Make, tmp_path: Path) -> None:
    """Neither by its own name with force, nor by a link to it."""
    source = make_trace(product())
    before = source.read_bytes()
    (tmp_path / "hard.h5").hardlink_to(source)
    for name in (source, tmp_path / "hard.h5"):
        with pytest.raises(InputError, match="never written to"):
            recover(source, name, force=True)
    assert source.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hard.h5", "t.h5"]


def test_the_result_and_the_files_of_a_run_come_along(make_header: Make, product: Make, tmp_path: Path) -> None:
    recorder = TraceRecorder(tmp_path / "t.h5", provenance={}, embedded={"map.h5": b"map", "data.npz": b"data"})
    recorder.start(make_header())
    recorder.record(product())
    recorder.conclude({"accuracy": 0.5})
    recorder.close()
    recover(tmp_path / "t.h5", tmp_path / "copy.h5")
    with open_trace(tmp_path / "copy.h5") as new:
        assert new.embedded == {"map.h5": b"map", "data.npz": b"data"}
        assert new.result == {"accuracy": 0.5}


def test_what_a_killed_copy_left_is_no_hindrance(make_trace: Make, product: Make, tmp_path: Path) -> None:
    (tmp_path / "copy.h5.partial").write_bytes(b"half")
    recover(make_trace(product()), tmp_path / "copy.h5")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.h5", "t.h5"]


def test_nothing_is_renamed_where_nothing_can_be_copied(make_trace: Make, product: Make, tmp_path: Path) -> None:
    """With force, a file at the target stays where it is until the copy is whole."""
    (tmp_path / "copy.h5").write_text("mine", encoding="utf-8")
    source = make_trace(product())
    with h5py.File(source, "r+") as file:
        del file["run/header"]
    with pytest.raises(ValueError, match="header"):
        recover(source, tmp_path / "copy.h5", force=True)
    assert (tmp_path / "copy.h5").read_text(encoding="utf-8") == "mine"
    assert len(list(tmp_path.iterdir())) == 2


def test_any_damage_leaves_a_right_beginning(make_trace: Make, product: Make, reading: Make, tmp_path: Path) -> None:
    """Whatever byte is changed, a copy holds a beginning of what was recorded, bit for bit, or there is none."""
    source = make_trace(*operations(product, reading, 6), name="whole.h5")
    whole = source.read_bytes()

    @settings(max_examples=40)
    @given(place=st.integers(0, len(whole) - 1), mask=st.integers(1, 255))
    def check(place: int, mask: int) -> None:
        damaged = bytearray(whole)
        damaged[place] ^= mask
        damaged[11] = whole[11]  # a file that is marked as open is verified in a process of its own: other tests do
        (tmp_path / "d.h5").write_bytes(damaged)
        try:
            recover(tmp_path / "d.h5", tmp_path / "c.h5", force=True)
        except (FileError, ValueError):
            return
        finally:
            for left in tmp_path.glob("c.*.h5"):
                left.unlink()
        with open_trace(source) as old, open_trace(tmp_path / "c.h5") as new:
            assert new.complete
            for index, found in enumerate(new):
                assert_equal(old[index], found)

    check()
