"""A trace as tables: the rows are those of its operations, filters choose among them, memory stays bounded."""

import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import xbar
from xbar.bench.operation import Operation, OperationKind, Request
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.errors import FormatError, InputError, UnknownNameError, Unsupported
from xbar.trace import frames
from xbar.trace.checksums import row_checksum, sign
from xbar.trace.reader import Trace
from xbar.trace.recorder import TraceRecorder
from xbar.trace.selection import Filters, Selection
from xbar.trace.tables import OPERATIONS, READS, TABLES, TARGETS, VECTORS, Table

Make = Callable[..., Any]


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Return a trace of two written arrays: reads, a sweep, products with and without events."""
    path = tmp_path / "t.h5"
    with xbar.open_bench("sim", card="pcm", rows=4, cols=3, arrays=2, record=path) as bench:
        for array in (0, 1):
            bench.program(array, np.full((4, 3), 1e-5))
        bench.read(1, [[0, 1], [3, 2]], xbar.ReadConfig(repeat=2))
        bench.sweep(0, (2, 1), [-0.1, 0.0, 0.1])
        config = xbar.VectorConfig(output_range=2e-5, columns=2)
        bench.mvm((1, 0), np.full((2, 5, 4), 0.1), config, np.arange(5) + 7)
        bench.mvm((0,), np.full((1, 2, 4), 0.1), config)
    return path


def joined(parts: list[Table], name: str) -> Any:
    return np.concatenate([part[name] for part in parts])


# ---- what the rows are


def test_reads_are_those_of_the_operations(trace: Path) -> None:
    with xbar.open_trace(trace) as opened:
        found = opened.reads()
        operation = opened[2]
        assert isinstance(operation.readings, CellReadings)
        wanted = operation.readings
        assert found.columns == tuple(READS)
        assert len(found) == 4 + 3
        np.testing.assert_array_equal(found["current"][:4], wanted.current.ravel())
        np.testing.assert_array_equal(found["time"][:4], wanted.time.ravel())
        assert found["operation"].tolist() == [2, 2, 2, 2, 3, 3, 3]
        assert found["row"].tolist() == [0, 0, 3, 3, 2, 2, 2]
        assert found["col"].tolist() == [1, 1, 2, 2, 1, 1, 1]
        assert found["array"].tolist() == [1, 1, 1, 1, 0, 0, 0]
        assert found["applied"].tolist() == [0.2] * 4 + [-0.1, 0.0, 0.1]
        assert found.units["current"] == "A"
        with pytest.raises(UnknownNameError, match="current"):
            found["colour"]


def test_vectors_are_codes_and_currents(trace: Path) -> None:
    with xbar.open_trace(trace) as opened:
        found, only = opened.vectors(), opened.vectors(array=1)
        answer = opened[4].readings
        assert isinstance(answer, VectorReadings)
        assert found.columns == tuple(VECTORS)
        assert len(found) == 2 * 5 * 2 + 2 * 2
        assert found["array"].tolist() == [1] * 10 + [0] * 14
        assert found["vector"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4] * 2 + [0, 0, 1, 1]
        assert found["event"].tolist() == np.repeat(np.arange(5) + 7, 2).tolist() * 2 + [0] * 4
        assert found["col"].tolist() == [0, 1] * 12
        assert found["code"].dtype == answer.codes.dtype
        np.testing.assert_array_equal(found["code"][:20], answer.codes.ravel())
        np.testing.assert_array_equal(found["current"][:20], answer.current.ravel())
        np.testing.assert_array_equal(only["current"], answer.current[0].ravel())
        np.testing.assert_array_equal(found["time"], [opened[4].ended] * 20 + [opened[5].ended] * 4)


@pytest.mark.parametrize("shape", [(), (8,), (5, 1), (2, 1, 8), (2, 5, 1), (1, 5, 8), (2, 5, 8)])
def test_status_of_vectors_is_that_of_each_code(make_trace: Make, product: Make, shape: tuple[int, ...]) -> None:
    """The flags have any shape that broadcasts to the codes."""
    operation = product(1)
    flags = np.arange(np.prod(shape, dtype=int), dtype=np.uint32).reshape(shape)
    object.__setattr__(operation.readings, "status", flags)
    with xbar.open_trace(make_trace(product(0), operation)) as opened:
        wanted = np.broadcast_to(flags, (2, 5, 8)).ravel()
        np.testing.assert_array_equal(opened.vectors()["status"][80:], wanted)
        parts = list(opened.vectors().chunks(7, ["status"]))
        np.testing.assert_array_equal(joined(parts, "status")[80:], wanted)


def test_codes_that_are_no_integers_make_the_column_a_float(make_trace: Make, product: Make) -> None:
    """Benches that give amperes stand beside converters; every code is kept exactly."""
    amperes = product(1)
    object.__setattr__(amperes.readings, "codes", np.linspace(0, 1e-5, 80).reshape(2, 5, 8))
    with xbar.open_trace(make_trace(product(0), amperes, product(2))) as opened:
        wanted = np.concatenate([opened[i].readings.codes.ravel() for i in range(3)])  # type: ignore[union-attr]  # all products
        codes = opened.vectors()["code"]
        assert codes.dtype == np.float64
        np.testing.assert_array_equal(codes, wanted)
        np.testing.assert_array_equal(joined(list(opened.vectors().chunks(33)), "code"), wanted)


def test_targets_leave_out_cells_that_stay_as_they_are(make_trace: Make) -> None:
    targets = np.array([[1e-6, np.nan, 3e-6], [np.nan, 5e-6, 6e-6]])
    write = Operation(Request(OperationKind.PROGRAM, (2,), targets=targets), 1.0, 2.0)
    with xbar.open_trace(make_trace(write, write)) as opened:
        found, one = opened.targets(), opened.targets(cell=(0, 2))
        assert found.columns == tuple(TARGETS)
        assert len(found) == 8
        assert found["row"].tolist() == [0, 0, 1, 1] * 2
        assert found["col"].tolist() == [0, 2, 1, 2] * 2
        assert found["target"].tolist() == [1e-6, 3e-6, 5e-6, 6e-6] * 2
        assert found["operation"].tolist() == [0] * 4 + [1] * 4
        assert set(found["array"].tolist()) == {2}
        assert found.units["target"] == "S"
        assert one["target"].tolist() == [3e-6, 3e-6]


def test_operations_tell_kinds_and_times(trace: Path) -> None:
    with xbar.open_trace(trace) as opened:
        found = opened.select("operations")
        assert found.columns == tuple(OPERATIONS)
        assert found["kind"].tolist() == ["program", "program", "read", "sweep", "mvm", "mvm"]
        assert found["arrays"].tolist() == ["0", "1", "1", "0", "1 0", "0"]
        assert found["failed"].tolist() == [False] * 6
        assert (np.diff(found["started"].astype(float)) >= 0).all()
        assert opened.select("operations", Filters(array=1))["operation"].tolist() == [1, 2, 4]
        start = opened[3].started
        assert opened.select("operations", Filters(time=(start, None)))["operation"].tolist() == [3, 4, 5]


def test_operations_without_readings_have_no_rows(make_trace: Make, reading: Make) -> None:
    """Pulses name cells, a failed read does too; neither is a reading."""
    failed = reading(1)
    failed = Operation(failed.request, 1.0, 2.0, error=RuntimeError("open loop"))
    cells = np.array([[1, 2]])
    pulse = xbar.Pulse(0.1, 1e-6)
    pulses = Operation(Request(OperationKind.PULSE, (0,), cells=cells, pulse=pulse, count=3), 2.0, 3.0)
    with xbar.open_trace(make_trace(failed, pulses, reading(2))) as opened:
        assert set(opened.reads()["operation"].tolist()) == {2}
        assert opened.select("operations")["failed"].tolist() == [True, False, False]


@pytest.mark.parametrize("name", TABLES)
def test_empty_tables_have_the_right_types(make_trace: Make, name: str) -> None:
    with xbar.open_trace(make_trace()) as opened:
        found = opened.select(name)
        assert len(found) == 0
        assert list(found.chunks()) == []
        for column, kind in TABLES[name].items():
            wanted = np.dtype("<i1") if column == "code" else np.dtype(kind.dtype)
            assert found[column].dtype == wanted
            assert found[column].shape == (0,)
            assert found.dtype(column) == wanted
        assert len(found.to_pandas()) == 0
        assert found.to_xarray().attrs["table"] == name


# ---- filters


@settings(max_examples=20, deadline=None)
@given(
    array=st.none() | st.integers(0, 3),
    cell=st.none() | st.tuples(st.integers(0, 7), st.integers(0, 7)),
    time=st.none() | st.tuples(st.none() | st.integers(0, 9), st.none() | st.integers(9, 20)),
    rows=st.integers(10, 500),
    finished=st.booleans(),
)
def test_filters_choose_what_masks_would(
    many: tuple[Path, Path],
    tables: dict[str, Table],
    array: Any,
    cell: Any,
    time: Any,
    rows: int,
    finished: bool,
) -> None:
    """For any filters: the rows are those that a mask over the whole table leaves, whole or in chunks."""
    with xbar.open_trace(many[0 if finished else 1]) as opened:
        for name, whole in tables.items():
            filters = Filters(array, None if name == "vectors" else cell, time)
            found = opened.select(name, filters)
            mask = np.ones(len(whole), bool)
            if array is not None:
                mask &= whole["array"] == array
            if filters.cell is not None:
                mask &= (whole["row"] == cell[0]) & (whole["col"] == cell[1])
            if time is not None:
                start, end = filters.window
                times = whole["time"].astype(float)
                mask &= (times >= start) & (times < end)
            assert len(found) == mask.sum()
            parts = list(found.chunks(rows))
            assert all(0 < len(part) <= rows for part in parts)
            for column in found.columns:
                np.testing.assert_array_equal(found[column], whole[column][mask])
                if parts:
                    np.testing.assert_array_equal(joined(parts, column), whole[column][mask])


@pytest.fixture(scope="module")
def tables(many: tuple[Path, Path]) -> dict[str, Table]:
    with xbar.open_trace(many[0]) as opened:
        return {name: opened.select(name).table() for name in ("reads", "targets", "vectors")}


@pytest.fixture(scope="module")
def many(
    tmp_path_factory: pytest.TempPathFactory, make_header: Make, product: Make, reading: Make
) -> tuple[Path, Path]:
    """Return a finished trace and one whose writer still runs, of the same operations of every kind and many sizes."""
    paths = (tmp_path_factory.mktemp("many") / "closed.h5", tmp_path_factory.mktemp("many") / "open.h5")
    recorders = [TraceRecorder(path, provenance={}, flush_every=0.0) for path in paths]
    targets = np.where(np.arange(12) % 5 == 0, np.nan, np.arange(12) * 1e-6).reshape(3, 4)
    for recorder in recorders:
        recorder.start(make_header())
        for i in range(20):
            recorder.record(reading(i, cells=1 + 7 * (i % 4), repeat=1 + i % 3))
            recorder.record(product(i, batch=1 + i % 5, k=1 + i % 3, cols=1 + i % 7))
            if i % 4 == 0:
                recorder.record(Operation(Request(OperationKind.PROGRAM, (i % 3,), targets=targets), i, i + 0.5))
    recorders[1].flush()
    shutil.copy(paths[1], paths[1].with_name("copy.h5"))  # what a kill would leave
    for recorder in recorders:
        recorder.close()
    return paths[0], paths[1].with_name("copy.h5")


def test_an_event_is_found(trace: Path) -> None:
    """Outputs of products without event numbers are not taken for those of event 0."""
    with xbar.open_trace(trace) as opened:
        assert opened.vectors(event=9)["vector"].tolist() == [2, 2, 2, 2]
        assert opened.vectors(event=9, array=0)["array"].tolist() == [0, 0]
        assert len(opened.vectors(event=0)) == 0


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("reads", {"array": -1}, "from 0"),
        ("reads", {"cell": (1,)}, "word line and a bit line"),
        ("reads", {"array": 0.5}, "from 0"),
        ("reads", {"cell": 5}, "word line and a bit line"),
        ("reads", {"cell": ("a", "b")}, "from 0"),
        ("reads", {"time": 5.0}, "time 5.0 is not a start and an end"),
        ("reads", {"time": ("a", None)}, "not a start and an end"),
        ("reads", {"time": (2.0, 1.0)}, "earlier time first"),
        ("reads", {"time": (float("nan"), 1.0)}, "earlier time first"),
        ("vectors", {"cell": (1, 1)}, "cannot be selected by cell"),
        ("reads", {"event": 1}, "cannot be selected by event"),
    ],
)
def test_filters_that_cannot_be_meant(trace: Path, name: str, values: dict[str, Any], message: str) -> None:
    with xbar.open_trace(trace) as opened, pytest.raises(InputError, match=message):
        opened.select(name, Filters(**values))


def test_unknown_tables_and_closed_traces_are_said(trace: Path) -> None:
    with xbar.open_trace(trace) as opened:
        with pytest.raises(UnknownNameError, match="operations, reads, vectors, targets"):
            opened.select("pulses")
        with pytest.raises(InputError, match="at least 1"):
            list(opened.reads().chunks(0))
        found, counted = opened.reads(), opened.reads()
        assert len(counted) == 7
    for selection in (found, counted):
        with pytest.raises(InputError, match="is closed"):
            selection["current"]


# ---- large and damaged files


def test_chunks_of_one_huge_operation_are_bounded(make_trace: Make, reading: Make, product: Make) -> None:
    """A read of 200 000 values and a product of 300 000 codes come in tables of 10 000 rows, in little memory."""
    path = make_trace(reading(0, cells=1000, repeat=200), product(1, batch=1500, k=2, cols=100))
    with xbar.open_trace(path) as opened:
        for found, wanted in ((opened.reads(), 200_000), (opened.vectors(), 300_000)):
            tracemalloc.start()
            sizes = [len(part) for part in found.chunks(10_000)]
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert sum(sizes) == wanted
            assert max(sizes) == 10_000
            assert peak < 6e6  # the tables are 12 and 16 MB
        np.testing.assert_array_equal(
            joined(list(opened.vectors().chunks(9_999, ["current"])), "current"), opened.vectors()["current"]
        )


def test_a_column_reads_no_other(make_trace: Make, reading: Make) -> None:
    """Damage is found where it is read, and named; the other columns are still there."""
    path = make_trace(*(reading(i) for i in range(5)))
    with h5py.File(path, "r+") as file:
        file["run/cells/voltage"][14] = 1.0  # the third operation has readings 12 to 17
    with xbar.open_trace(path) as opened:
        assert len(opened.reads()["current"]) == 30
        for read in (lambda: opened.reads()["voltage"], lambda: list(opened.reads().chunks(4))):
            with pytest.raises(FormatError, match=r"voltage of operation 2 is damaged.*xbar trace recover"):
                read()
        assert len(opened) == 2
        with pytest.raises(FormatError, match="operation 2"):
            opened.reads()["voltage"]


@pytest.mark.parametrize("field", ["cells_count", "started", "kind"])
def test_a_damaged_row_of_a_finished_trace_is_said(make_trace: Make, reading: Make, field: str) -> None:
    path = make_trace(*(reading(i) for i in range(5)))
    with h5py.File(path, "r+") as file:
        rows = file["run/operations"][:]
        rows[field][3] += 1
        file["run/operations"][:] = rows
    with xbar.open_trace(path) as opened, pytest.raises(FormatError, match="operation 3 is damaged"):
        opened.reads()["current"]


def test_a_trace_without_an_end_gives_what_is_whole(make_trace: Make, reading: Make) -> None:
    """As after a full disk: a last row without its data does not count, and nothing is an error."""
    path = make_trace(*(reading(i) for i in range(5)))
    with h5py.File(path, "r+") as file:
        file["run/operations"].resize((5,))
        file["run/cells/range"].resize((26,))
    with xbar.open_trace(path) as opened:
        assert len(opened.reads()) == 24
        assert len(opened.reads()["range"]) == 24
        assert opened.select("operations")["operation"].tolist() == [0, 1, 2, 3]


def _forge(path: Path, changes: dict[str, Any]) -> None:
    """Change fields of the first row and sign it anew, as somebody would who wants to do harm."""
    with h5py.File(path, "r+") as file:
        rows = file["run/operations"][:]
        row = rows[:1].copy()
        kept = row["crcs"].copy()
        for name, value in changes.items():
            row[name] = value
        sign(row, {})
        row["crcs"] = kept
        sign_again(row)
        rows[:1] = row
        file["run/operations"][:] = rows


def sign_again(row: Any) -> None:
    row["crc"] = row_checksum(row)


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"codes_count": 2**32 - 1, "k": 1, "batch": 1, "cols": 2**32 - 1}, "code"),
        ({"codes_start": 2**64 - 1}, "code"),
        ({"cols": 9}, "code"),
        ({"k": 3}, "array"),
        ({"arrays_count": 1}, "array"),
        ({"arrays_start": 2**63}, "array"),
        ({"ranges_count": 3}, "current"),
        ({"ranges_count": 0}, "current"),
        ({"events_count": 1}, "event"),
        ({"status_shape": (7, 7, 7)}, "status"),
        ({"status_axes": 200}, "status"),
        ({"status_count": 0}, "status"),
    ],
)
def test_forged_rows_are_refused(make_trace: Make, product: Make, changes: dict[str, Any], column: str) -> None:
    """Rows with a right checksum that name other values than there are: an error, and nothing large is allocated."""
    path = make_trace(product(0), product(1))
    _forge(path, changes)
    with xbar.open_trace(path) as opened:
        tracemalloc.start()
        with pytest.raises(FormatError, match="operation 0 is damaged"):
            opened.vectors()[column]
        assert tracemalloc.get_traced_memory()[1] < 50e6
        tracemalloc.stop()


def test_rows_that_share_readings_are_refused(make_trace: Make, reading: Make) -> None:
    """A thousand small rows could name the same gigabyte: no more readings are counted than the file holds."""
    path = make_trace(reading(0), reading(0), reading(0))
    with h5py.File(path, "r+") as file:
        rows = file["run/operations"][:]
        for name in ("row", "col", "time", "applied", "voltage", "current", "status", "range"):
            file[f"run/cells/{name}"].resize((6,))
        rows["cells_start"] = 0
        for i in range(3):
            sign_again(rows[i : i + 1])
        file["run/operations"][:] = rows
    with xbar.open_trace(path) as opened, pytest.raises(FormatError, match="18 values; 6 are there"):
        opened.reads()["current"]


def test_blocks_that_do_not_follow_each_other_are_read(make_trace: Make, reading: Make) -> None:
    """Reads of two arrays in turn: each array's own stand far apart in the columns."""
    operations = [reading(i, cells=3000, repeat=3) for i in range(24)]
    for i, operation in enumerate(operations):
        object.__setattr__(operation.request, "arrays", (0 if i % 8 else 1,))
    with xbar.open_trace(make_trace(*operations)) as opened:
        found = opened.reads(array=1)["current"]
        wanted = [operations[i].readings.current.ravel() for i in (0, 8, 16)]
        np.testing.assert_array_equal(found, np.concatenate(wanted))


def test_columns_are_read_once_for_many_operations(
    make_trace: Make, reading: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand small operations are no thousand reads of the file."""
    path = make_trace(*(reading(i, cells=1, repeat=1) for i in range(1000)))
    calls: list[Any] = []
    plain = h5py.Dataset.read_direct

    def counted(*arguments: Any) -> None:
        calls.append(arguments)
        plain(*arguments)

    monkeypatch.setattr(h5py.Dataset, "read_direct", counted)
    with xbar.open_trace(path) as opened:
        assert len(opened.reads()["current"]) == 1000
    assert len(calls) == 1


def test_a_selection_stays_as_long_as_it_was(many: tuple[Path, Path]) -> None:
    """Operations that a writer adds between two columns do not make the second one longer."""
    with xbar.open_trace(many[0]) as opened:
        committed = [5]
        found = Selection(
            "reads",
            lambda start, count: opened.trusted_rows(start, min(count, committed[0] - start)),
            opened._checked,
            Filters(),
        )
        first = found["current"]
        committed[0] = 40
        assert len(first) == len(found) == len(found["time"]) > 0
        assert sum(len(part) for part in found.chunks(10)) == len(first)


# ---- frames


def test_pandas_has_columns_and_units(trace: Path) -> None:
    with xbar.open_trace(trace) as opened:
        frame = opened.reads().to_pandas()
        current = opened.reads()["current"]
        kinds = opened.select("operations").to_pandas()["kind"]
    assert list(frame.columns) == list(READS)
    assert frame.attrs["units"]["current"] == "A"
    np.testing.assert_array_equal(frame["current"], current)
    assert kinds.tolist()[:3] == ["program", "program", "read"]


def test_xarray_has_dimensions_units_and_names(trace: Path) -> None:
    with xbar.open_trace(trace) as opened:
        reads, vectors = opened.reads().to_xarray(), opened.vectors().to_xarray()
        operations, targets = opened.select("operations").to_xarray(), opened.targets().to_xarray()
        answer = opened[4].readings
    assert dict(reads.sizes) == {"reading": 7}
    assert reads["current"].attrs == {"units": "A", "long_name": "Current"}
    assert set(reads.coords) == {"operation", "time", "array", "row", "col"}
    assert dict(vectors.sizes) == {"product": 12, "col": 2}
    assert isinstance(answer, VectorReadings)
    np.testing.assert_array_equal(vectors["current"][:10], answer.current.reshape(10, 2))
    assert vectors["event"].values.tolist() == [*range(7, 12)] * 2 + [0, 0]
    assert vectors["code"].dtype == answer.codes.dtype
    assert operations.sel(operation=4)["kind"].item() == "mvm"
    assert dict(targets.sizes) == {"cell": 24}


def test_xarray_fills_products_of_fewer_bit_lines(make_trace: Make, product: Make) -> None:
    with xbar.open_trace(make_trace(product(0, k=1, batch=2, cols=3), product(1, k=2, batch=1, cols=5))) as opened:
        found, flat = opened.vectors().to_xarray(), opened.vectors()["code"]
    assert dict(found.sizes) == {"product": 4, "col": 5}
    assert np.isnan(found["code"].values).sum() == np.isnan(found["current"].values).sum() == 4
    np.testing.assert_array_equal(found["code"].values[~np.isnan(found["code"].values)], flat)


def test_a_missing_package_is_said(trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", absent)
    with pytest.raises(Unsupported, match=r"xbar-emulator\[analysis\]"):
        frames.needed("pandas")


def test_a_trace_that_did_not_end_has_its_tables(many: tuple[Path, Path]) -> None:
    """A file that is still written, or whose writer was killed, gives the operations that are committed."""
    with xbar.open_trace(many[1]) as growing, xbar.open_trace(many[0]) as whole:
        assert isinstance(growing, Trace)
        assert growing.state == "open"
        np.testing.assert_array_equal(growing.reads()["current"], whole.reads()["current"])
