"""The reader: believes what checks, refuses what is hostile, needs little memory."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from xbar.bench.operation import Operation, OperationKind, Request
from xbar.bench.readings import CellReadings
from xbar.errors import FileError, FormatError
from xbar.trace.checksums import sign
from xbar.trace.global_heap import HEAP
from xbar.trace.header_text import decode_header
from xbar.trace.pack import pack
from xbar.trace.reader import open_trace
from xbar.trace.recorder import TraceRecorder
from xbar.trace.schema import OPERATION, SLOTS


def test_a_trace_is_a_sequence(make_trace: Any, reading: Any, product: Any) -> None:
    with open_trace(make_trace(reading(0), product(1), reading(2))) as trace:
        assert len(trace) == 3
        assert trace[-1].started == 2.0
        assert [operation.request.kind for operation in trace] == [3, 2, 3]
        assert [operation.started for operation in trace[1:]] == [1.0, 2.0]
        assert trace.operations["kind"].tolist() == [3, 2, 3]
        for beyond in (3, -4):
            with pytest.raises(IndexError):
                trace[beyond]


def test_has_verifies_no_more_than_it_must(make_trace: Any, reading: Any) -> None:
    """A replay begins before the whole file was read."""
    with open_trace(make_trace(*(reading(i) for i in range(9)))) as trace:
        assert trace.has(2)
        assert trace._rows.verified == 3
        assert not trace.has(9)


# The columns that an operation of `reading` or `product` fills, one for each kind of data.
@pytest.mark.parametrize(
    "column", ["data/codes", "data/ranges", "data/text", "data/events", "cells/current", "cells/row"]
)
def test_one_flipped_bit_is_noticed(make_trace: Any, product: Any, reading: Any, column: str) -> None:
    """A damaged value hides its operation and those after it, nothing before."""
    path = make_trace(*(f(i) for i in range(3) for f in (product, reading)))
    with open_trace(path) as trace:
        slot = next(slot for slot, paths in SLOTS.items() if column in paths)
        rows = trace.operations
        hit = int(np.flatnonzero(rows[f"{slot}_count"])[-1])
        place = int(rows[f"{slot}_start"][hit])
        first = int(np.flatnonzero((rows[f"{slot}_start"] == place) & (rows[f"{slot}_count"] > 0))[0])
    with h5py.File(path, "r+") as file:
        values = file[f"run/{column}"][:]
        values.view(np.uint8)[place * values.itemsize] ^= 4
        file[f"run/{column}"][:] = values
    with open_trace(path) as trace:
        assert len(trace) == first
        assert not trace.complete


@pytest.mark.parametrize("field", ["ended", "batch", "wall", "codes_count", "kind"])
def test_a_changed_row_is_noticed(make_trace: Any, product: Any, field: str) -> None:
    path = make_trace(*(product(i) for i in range(4)))
    with h5py.File(path, "r+") as file:
        rows = file["run/operations"][:]
        rows[field][2] += 1
        file["run/operations"][:] = rows
    with open_trace(path) as trace:
        assert len(trace) == 2


def test_a_short_column_ends_the_trace(make_trace: Any, reading: Any) -> None:
    """Rows whose data are missing do not count, whatever the table says."""
    path = make_trace(*(reading(i) for i in range(4)))
    with h5py.File(path, "r+") as file:
        file["run/cells/current"].resize((3 * 6 - 1,))
    with open_trace(path) as trace:
        assert len(trace) == 2


def test_a_cut_file_gives_what_still_checks(make_trace: Any, reading: Any) -> None:
    """Cut anywhere, a trace opens as one that was not finished, or is refused; what it gives is right, and no wait."""
    operations = [reading(i) for i in range(600)]
    whole = make_trace(*operations).read_bytes()
    found = []
    for part in range(1, 20):
        path = make_trace(name=f"cut{part}.h5")
        path.write_bytes(whole[: len(whole) * part // 20])
        try:
            trace = open_trace(path)
        except (FileError, FormatError):
            found.append(0)
            continue
        with trace:
            assert trace.state == "open"
            found.append(len(trace))
            for expected, given in zip(operations, trace, strict=False):
                assert isinstance(given.readings, CellReadings)
                assert np.array_equal(expected.readings.current, given.readings.current)
    assert found == sorted(found)
    assert found[0] == 0
    assert 0 < found[-1] <= 600


def edit(path: Path, change: Callable[[Any], None]) -> None:
    with h5py.File(path, "r+") as file:
        change(file)


def _version(text: str) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        file.attrs["xbar_schema"] = text

    return change


def _no_version(file: Any) -> None:
    del file.attrs["xbar_schema"]


def _external(file: Any) -> None:
    del file["run/data/codes"]
    file["run/data/codes"] = h5py.ExternalLink("/etc/passwd", "/x")


def _huge(file: Any) -> None:
    del file["run/provenance"]
    file["run"].create_dataset("provenance", (10**12,), "S8", chunks=(1,))


def _other_type(file: Any) -> None:
    del file["run/data/codes"]
    file["run/data"].create_dataset("codes", (0,), "f8", chunks=(4,), maxshape=(None,))


def _other_rows(file: Any) -> None:
    del file["run/operations"]
    file["run"].create_dataset("operations", (0,), np.dtype([("kind", "u1")]), chunks=(4,), maxshape=(None,))


def _circle(file: Any) -> None:
    del file["run/header"]
    file["run/header"] = h5py.SoftLink("/run/header")


def _deep_json(file: Any) -> None:
    del file["run/header"]
    file["run"].create_dataset("header", data=np.bytes_(b"[" * 100000), dtype="S100000")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_version("xbar-trace/2"), "install a matching version"),
        (_version("other/1"), "no trace of xbar"),
        (_no_version, "no trace of xbar"),
        (_external, "links to the outside"),
        (_huge, "provenance"),
        (_other_type, "data/codes is float64"),
        (_other_rows, "other fields"),
        (_circle, "soft links"),
        (_deep_json, "header"),
    ],
)
def test_foreign_and_hostile_files_are_refused(
    make_trace: Any, reading: Any, change: Callable[[Any], None], message: str
) -> None:
    path = make_trace(reading())
    edit(path, change)
    with pytest.raises(FormatError, match=message):
        open_trace(path)


def test_a_row_that_names_too_much_does_not_count(make_trace: Any, reading: Any) -> None:
    """A column may declare 10^12 values in no space: a row that names them is not believed, and nothing allocated."""
    path = make_trace(reading())

    def change(file: Any) -> None:
        file["run/data/targets"].resize((10**12,))
        row = file["run/operations"][:1]
        row["targets_count"] = 2**31
        sign(row, {})
        file["run/operations"][:1] = row

    edit(path, change)
    with open_trace(path) as trace:
        assert len(trace) == 0


def test_a_row_with_a_right_checksum_and_wrong_sizes_is_an_error(make_trace: Any) -> None:
    """A forged row passes its checksum; its sizes do not fit its data, and that is said."""
    path = make_trace(Operation(Request(OperationKind.WAIT, seconds=1.0), 0.0, 1.0))

    def change(file: Any) -> None:
        row = np.zeros(1, OPERATION)
        row["kind"], row["flags"], row["rows"], row["cols"] = 1, 1, 3, 3
        sign(row, {})
        file["run/operations"][:1] = row

    edit(path, change)
    with open_trace(path) as trace:
        assert len(trace) == 1
        with pytest.raises(FormatError, match="damaged"):
            trace[0]


@pytest.mark.parametrize("part", ["arrays", "native", "conductance_range"])
def test_a_header_with_wrong_parts_is_refused(make_trace: Any, part: str) -> None:
    with h5py.File(make_trace(), "r") as file:
        values = json.loads(file["run/header"][()])
    values["drivers"][0]["capabilities"][part] = -1
    with pytest.raises(FormatError, match="header"):
        decode_header(json.dumps(values))


def test_what_is_no_trace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="does not exist"):
        open_trace(tmp_path / "none.h5")
    (tmp_path / "a.h5").write_text("no HDF5 at all")
    with pytest.raises(FileError, match="not an HDF5 file"):
        open_trace(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w", libver="latest") as file:
        file["x"] = np.zeros(1000)
    (tmp_path / "b.h5").write_bytes((tmp_path / "b.h5").read_bytes()[:60])
    with pytest.raises((FileError, FormatError), match="damaged"):
        open_trace(tmp_path / "b.h5")


def damaged_heaps(data: bytes) -> Iterator[bytes]:
    """Give copies of a file in each of which one heap of texts cannot be walked: its free object takes no bytes."""
    start = data.find(HEAP)
    assert start >= 0
    while start >= 0:
        place, end = start + 16, start + int.from_bytes(data[start + 8 : start + 16], "little")
        while place < end and int.from_bytes(data[place : place + 2], "little"):
            place += 16 + -(-int.from_bytes(data[place + 8 : place + 16], "little") // 8) * 8
        if place < end:
            yield data[: place + 8] + bytes(8) + data[place + 16 :]
        start = data.find(HEAP, start + 1)


@pytest.mark.parametrize("state", ["closed", "killed", "packed"])
def test_a_damaged_heap_of_texts_is_refused_at_once(
    make_trace: Any, product: Any, make_header: Any, tmp_path: Path, state: str
) -> None:
    """HDF5 would walk it for ever; the file as it was opens."""
    path = make_trace(product(0))
    if state == "packed":
        pack(path, tmp_path / "packed.h5")
        path = tmp_path / "packed.h5"
    data = path.read_bytes()
    if state == "killed":
        recorder = TraceRecorder(tmp_path / "k.h5", provenance={}, flush_every=0)
        recorder.start(make_header())
        recorder.record(product(0))
        data = (tmp_path / "k.h5").read_bytes()
        recorder.close("ok")
    copy = tmp_path / "copy.h5"
    copy.write_bytes(data)
    with open_trace(copy) as trace:
        assert len(trace) == 1
    for damaged in damaged_heaps(data):
        copy.write_bytes(damaged)
        with pytest.raises(FormatError, match="heap of texts"):
            open_trace(copy)
