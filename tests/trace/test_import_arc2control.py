"""Files of arc2control become traces: what their own writer made, what is missing, and files that lie."""

import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from xbar.bench.operation import Operation, OperationKind
from xbar.bench.readings import CellReadings
from xbar.cli.errors import reports_errors
from xbar.cli.trace_import import import_
from xbar.errors import FileError, FormatError, InputError
from xbar.execution.open_bench import open_bench
from xbar.figures.trace_figure import trace_figure
from xbar.trace.foreign.arc2control_rows import FIELDS, RowKind, row_kinds, row_operations
from xbar.trace.foreign.importing import import_file
from xbar.trace.foreign.qcodes_parameters import Roles
from xbar.trace.reader import Trace, open_trace

DATA = Path(__file__).resolve().parents[1] / "data" / "foreign"
SMALL, LONG = DATA / "arc2control.h5", DATA / "arc2control_long.h5"
ROW = np.dtype(
    [("current", "<f4"), ("voltage", "<f4"), ("pulse_width", "<f4"), ("read_voltage", "<f4"), ("op_type", "<u4")]
)


def conductance(word: int, bit: int) -> float:
    """Return what `make_arc2control.py` gave a cell [S]."""
    return 1e-6 * (10 + 4 * word + bit)


def cell_readings(operation: Operation) -> CellReadings:
    assert isinstance(operation.readings, CellReadings)
    return operation.readings


@pytest.fixture
def imported(tmp_path: Path) -> Trace:
    import_file(SMALL, tmp_path / "t.h5")
    return open_trace(tmp_path / "t.h5")


@pytest.fixture
def forged(tmp_path: Path) -> Callable[[Callable[[Any], None]], Path]:
    """Return a function that changes a copy of the fixture and returns its path."""

    def forge(change: Callable[[Any], None]) -> Path:
        path = tmp_path / "forged.h5"
        path.write_bytes(SMALL.read_bytes())
        with h5py.File(path, "r+") as file:
            change(file)
        return path

    return forge


def replace_series(file: Any, **options: Any) -> Any:
    """Put another dataset in the place of a cell's history."""
    group = file["crosspoints/W01B02"]
    del group["timeseries"]
    dataset = group.create_dataset("timeseries", **options)
    dataset.attrs["NROWS"] = 1
    return dataset


# ---- what the file holds


def test_history_of_a_cell_in_order(imported: Trace) -> None:
    """Three equal reads are one read, two equal pulses one train, a pulse and read two operations."""
    kinds = [operation.request.kind for operation in imported]
    read, pulse, sweep = OperationKind.READ, OperationKind.PULSE, OperationKind.SWEEP
    assert kinds == [read, pulse, pulse, read, read, sweep, read]
    first = cell_readings(imported[0])
    assert first.current.shape == (1, 3)
    assert np.allclose(first.conductance, conductance(1, 2), rtol=1e-6)
    train = imported[1].request
    assert train.count == 2
    assert train.pulse is not None
    assert train.pulse.voltage == 1.5
    assert train.pulse.width == float(np.float32(1e-4))
    after = imported[3].request.read
    assert after is not None
    assert after.voltage == float(np.float32(0.2))
    assert cell_readings(imported[3]).current[0, 0] == float(np.float32(0.2 * 2e-5))
    for index in range(5):
        cells = imported[index].request.cells
        assert cells is not None
        assert cells.tolist() == [[1, 2]]


def test_staircase_is_a_sweep(imported: Trace) -> None:
    operation = imported[5]
    assert operation.request.voltages is not None
    assert np.allclose(operation.request.voltages, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.4, 0.3, 0.2, 0.1, 0])
    current = cell_readings(operation).current[:, 0]
    assert np.allclose(current, operation.request.voltages * conductance(3, 0))


def test_raster_gives_what_it_alone_knows(imported: Trace) -> None:
    """The raster is indexed by bit, then word; cells whose last reading stands in their history are not read twice."""
    operation = imported[6]
    cells = operation.request.cells
    assert cells is not None
    assert len(cells) == 14
    assert [1, 2] not in cells.tolist()
    assert [3, 0] not in cells.tolist()
    for (word, bit), found in zip(cells, cell_readings(operation).conductance[:, 0], strict=True):
        assert np.isclose(found, conductance(word, bit), rtol=1e-6)


def test_rows_beyond_nrows_are_no_data(tmp_path: Path) -> None:
    """The file has room for 4000 rows, 1500 were written."""
    done = import_file(LONG, tmp_path / "t.h5")
    assert (done.operations, done.readings, done.shape) == (1, 1500, (2, 2))
    with open_trace(tmp_path / "t.h5") as trace:
        current = cell_readings(trace[0]).current
        assert current.shape == (1, 1500)
        assert np.allclose(current[0], 1e-6 * (1 - 1e-4 * np.arange(1500)))


def test_nothing_is_made_up(imported: Trace) -> None:
    """Times, measured voltages and ranges are NaN; the provenance names file, hash and what was missing."""
    for operation in imported:
        if operation.readings is not None:
            readings = cell_readings(operation)
            assert np.isnan(readings.time).all()
            assert np.isnan(readings.voltage).all()
            assert np.isnan(readings.range).all()
    said = imported.provenance
    assert said["import"]["file"] == "arc2control.h5"
    assert said["import"]["sha256"] == hashlib.sha256(SMALL.read_bytes()).hexdigest()
    assert said["import"]["title"] == "wafer 3"
    assert said["import"]["experiments"] == [
        {"name": "crosspoints/W03B00/experiments/CT_1700000000000000000", "time_ns": 1700000000000000000}
    ]
    missing = {item["what"] for item in said["missing"]}
    assert {"time of readings", "units", "status flags", "compliance", "history", "tables of modules"} <= missing
    assert imported.header.identity.model == "imported:arc2control"
    assert not imported.header.capabilities.hardware
    assert (imported.header.capabilities.rows, imported.header.capabilities.cols) == (4, 4)


def test_replays_strictly(imported: Trace) -> None:
    """What was measured is asked for again, in order, and answered bit for bit."""
    with open_bench(f"replay:{imported.path}") as bench:
        assert bench.identity.model == "replay:imported:arc2control"
        assert len(imported) == 7
        for operation in imported:
            asked = operation.request
            assert asked.cells is not None
            if asked.pulse is not None:
                bench.pulse(0, asked.cells, asked.pulse, asked.count or 1)
                continue
            if asked.voltages is not None:
                cell = (int(asked.cells[0, 0]), int(asked.cells[0, 1]))
                answer = bench.sweep(0, cell, asked.voltages, asked.read)
            else:
                answer = bench.read(0, asked.cells, asked.read)
            assert answer.current.tobytes() == cell_readings(operation).current.tobytes()


def test_tables_and_figure_of_an_import(imported: Trace, tmp_path: Path) -> None:
    """It is a trace like any other: columns for analysis, and a figure."""
    reads = imported.reads(cell=(1, 2))
    assert len(reads) == 5
    assert np.isnan(reads["time"]).all()
    assert np.allclose(reads["current"][:3] / reads["applied"][:3], conductance(1, 2), rtol=1e-6)
    titles = [axes.get_title() for axes in trace_figure(imported).axes]
    assert any("read conductance" in title for title in titles)
    assert any("I-V sweeps" in title for title in titles)


rows_of_cells = st.lists(
    st.tuples(
        st.floats(-0.5, 0.5, width=32),
        st.sampled_from([0.0, 0.5, -1.5, float("nan")]),
        st.sampled_from([0.0, 1.0, float("nan")]),
        st.sampled_from([0.25, 0.5, float("inf")]),
        st.sampled_from([0, 1, 2, 3, 7]),
    ),
    max_size=30,
)


@given(rows_of_cells)
def test_every_row_is_kept_or_counted(rows: list[tuple[float, float, float, float, int]]) -> None:
    """Readings come out in order with their currents; a row is left out only if it cannot have happened."""
    table = np.array(rows, ROW)
    kinds = row_kinds(table)
    found = list(row_operations((0, 0), table, 1e-3))
    currents = [cell_readings(part).current.reshape(-1) for part in found if part.readings is not None]
    read = np.isin(kinds, [RowKind.READ, RowKind.PULSE_READ, RowKind.SWEEP])
    assert np.array_equal(np.concatenate([*currents, []]), table["current"][read].astype(np.float64))
    pulses = sum(part.request.count or 0 for part in found if part.request.kind is OperationKind.PULSE)
    assert pulses == int(np.isin(kinds, [RowKind.PULSE, RowKind.PULSE_READ]).sum())
    for kind, row in zip(kinds, table, strict=True):
        if kind == RowKind.LEFT_OUT:
            assert (
                row["op_type"] not in (1, 2, 3)
                or not np.isfinite([row[n] for n in FIELDS[1:4]]).all()
                or (row["op_type"] == 2 and row["pulse_width"] == 0)
            )


# ---- the command


def command(*arguments: str) -> Any:
    app = typer.Typer()
    app.command()(reports_errors(import_))
    return CliRunner().invoke(app, list(arguments))


def test_command_tells_what_was_missing(tmp_path: Path) -> None:
    result = command(str(SMALL), "-o", str(tmp_path / "t.h5"))
    assert result.exit_code == 0, result.output
    assert "7 operations, 30 readings, 4 x 4 cells" in result.stdout
    assert "what was missing" in result.stdout
    assert "time of readings" in result.stdout


def test_command_gives_json(tmp_path: Path) -> None:
    result = command(str(SMALL), "-o", str(tmp_path / "t.h5"), "--json")
    told = json.loads(result.stdout)
    assert told["format"] == "arc2control H5DS 0.2"
    assert told["readings"] == 30
    with open_trace(tmp_path / "t.h5") as trace:
        assert trace.provenance["missing"] == told["missing"]


# ---- what is refused


def test_existing_trace_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "t.h5"
    target.write_bytes(b"mine")
    with pytest.raises(FileError, match="--force"):
        import_file(SMALL, target)
    assert target.read_bytes() == b"mine"
    import_file(SMALL, target, force=True)
    assert (tmp_path / "t.1.h5").read_bytes() == b"mine"


def test_a_file_is_not_imported_into_itself(tmp_path: Path) -> None:
    path = tmp_path / "t.h5"
    path.write_bytes(SMALL.read_bytes())
    with pytest.raises(InputError, match="another name"):
        import_file(path, path, force=True)
    assert path.read_bytes() == SMALL.read_bytes()


def test_roles_are_for_qcodes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="says itself"):
        import_file(SMALL, tmp_path / "t.h5", roles=Roles(voltage="v"))


def _another_version(file: Any) -> None:
    file.attrs["H5DS_VERSION_MINOR"] = 3


def _rows_beyond_the_file(file: Any) -> None:
    file["crosspoints/W01B02/timeseries"].attrs["NROWS"] = 5000


def _vast(file: Any) -> None:
    dataset = replace_series(file, shape=(10**12,), dtype=ROW, chunks=(1000,))
    dataset.attrs["NROWS"] = 10**9


def _other_fields(file: Any) -> None:
    replace_series(file, shape=(4,), dtype=np.dtype([("current", "<f4"), ("voltage", "<f4")]))


def _no_table(file: Any) -> None:
    replace_series(file, shape=(4,), dtype="<f8")


def _external_link(file: Any) -> None:
    del file["crosspoints/W01B02"]
    file["crosspoints/W01B02"] = h5py.ExternalLink("other.h5", "/")


def _external_experiments(file: Any) -> None:
    del file["crosspoints/W03B00/experiments"]
    file["crosspoints/W03B00/experiments"] = h5py.ExternalLink("other.h5", "/")


def _virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((4,), ROW)
    layout[:] = h5py.VirtualSource("other.h5", "data", (4,), ROW)
    del file["crosspoints/W01B02/timeseries"]
    file["crosspoints/W01B02"].create_virtual_dataset("timeseries", layout)


def _circle(file: Any) -> None:
    del file["crosspoints/W01B02"]
    file["crosspoints/W01B02"] = h5py.SoftLink("/crosspoints/W01B02")


def _cell_beyond(file: Any) -> None:
    file.move("crosspoints/W01B02", "crosspoints/W09B02")


def _strange_name(file: Any) -> None:
    file["crosspoints"].create_group("notes")


def _too_many_words(file: Any) -> None:
    file.attrs["words"] = 10**12


def _dataset_for_a_group(file: Any) -> None:
    del file["crosspoints"]
    file["crosspoints"] = 1.0


def _vast_raster(file: Any) -> None:
    del file["crossbar/current"]
    file.create_dataset("crossbar/current", shape=(10**6, 10**6), dtype="<f4", chunks=(10, 10))


def _list_for_a_number(file: Any) -> None:
    file.attrs["words"] = [4, 4]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_another_version, r"H5DS 0\.3"),
        (_rows_beyond_the_file, "NROWS"),
        (_vast, "has room for fewer"),
        (_other_fields, "expected are the fields"),
        (_no_table, "expected is one of the kinds"),
        (_external_link, "not followed"),
        (_external_experiments, "not followed"),
        (_virtual, "virtual"),
        (_circle, "soft links"),
        (_cell_beyond, "beyond the crossbar"),
        (_strange_name, "no name of a cell"),
        (_too_many_words, "words"),
        (_dataset_for_a_group, "is not a group"),
        (_vast_raster, "declares"),
        (_list_for_a_number, "not one number"),
    ],
)
def test_files_that_lie_are_refused(
    change: Callable[[Any], None], message: str, forged: Callable[[Callable[[Any], None]], Path], tmp_path: Path
) -> None:
    """Each is an error that names the place; nothing is written, and the file stays as it is."""
    path = forged(change)
    before = path.read_bytes()
    with pytest.raises(FormatError, match=message):
        import_file(path, tmp_path / "t.h5")
    assert not (tmp_path / "t.h5").exists()
    assert path.read_bytes() == before


class _Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("an attribute was unpickled",))


def test_pickles_of_pytables_are_not_opened(forged: Callable[[Callable[[Any], None]], Path], tmp_path: Path) -> None:
    """PyTables keeps Python objects as pickles in attributes; here they are text like any other."""

    def change(file: Any) -> None:
        file.attrs["TITLE"] = np.bytes_(pickle.dumps(_Trap(), 0))
        file["crosspoints/W01B02/timeseries"].attrs["FIELD_0_NAME"] = np.bytes_(pickle.dumps(_Trap(), 0))

    import_file(forged(change), tmp_path / "t.h5")


def test_file_without_readings_is_an_error(forged: Callable[[Callable[[Any], None]], Path], tmp_path: Path) -> None:
    def change(file: Any) -> None:
        del file["crosspoints/W01B02"]
        del file["crosspoints/W03B00"]
        file["crossbar/voltage"][:] = 0

    with pytest.raises(FormatError, match="nothing to import"):
        import_file(forged(change), tmp_path / "t.h5")


def test_other_files_are_named_as_what_they_are(imported: Trace, tmp_path: Path) -> None:
    """A trace, another HDF5 file, a text: the message says what is expected."""
    with pytest.raises(FormatError, match="file of xbar already"):
        import_file(imported.path, tmp_path / "u.h5")
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = 1
    with pytest.raises(FormatError, match=r"arc2control .* QCoDeS"):
        import_file(other, tmp_path / "u.h5")
    with pytest.raises(FileError, match="not an HDF5 file"):
        import_file(DATA / "README.md", tmp_path / "u.h5")
    with pytest.raises(FileError, match="does not exist"):
        import_file(tmp_path / "none.h5", tmp_path / "u.h5")


def test_heap_that_hdf5_would_walk_for_ever_is_refused(tmp_path: Path) -> None:
    """The free rest of the heap of texts claims 0 bytes: reading any text of the file would not end."""
    data = bytearray(SMALL.read_bytes())
    place = data.index(b"GCOL") + 16
    while number := int.from_bytes(data[place : place + 2], "little"):
        place += 16 + -(-int.from_bytes(data[place + 8 : place + 16], "little") // 8) * 8
    assert number == 0
    data[place + 8 : place + 16] = bytes(8)
    path = tmp_path / "heap.h5"
    path.write_bytes(data)
    with pytest.raises(FormatError, match="heap of texts"):
        import_file(path, tmp_path / "t.h5")


def test_cut_off_copy_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.h5"
    path.write_bytes(SMALL.read_bytes()[:20_000])
    with pytest.raises(FileError, match="damaged or cut off"):
        import_file(path, tmp_path / "t.h5")
