"""Runs of QCoDeS become traces: real exports, units at the edge, roles of parameters, and files that lie."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from typer.testing import CliRunner

from xbar.bench.operation import Operation, OperationKind
from xbar.bench.readings import CellReadings
from xbar.cli.errors import reports_errors
from xbar.cli.trace_import import import_
from xbar.errors import FormatError, InputError
from xbar.execution.open_bench import open_bench
from xbar.trace.foreign.importing import import_file
from xbar.trace.foreign.operations import runs
from xbar.trace.foreign.qcodes_parameters import Roles
from xbar.trace.reader import Trace, open_trace

DATA = Path(__file__).resolve().parents[1] / "data" / "foreign"
SWEEP, LOOP, GATES = DATA / "qcodes_sweep.nc", DATA / "qcodes_loop.nc", DATA / "qcodes_gates.nc"
CELLS, STOPPED = DATA / "qcodes_cells.nc", DATA / "qcodes_stopped.nc"
BIAS = Roles(voltage="smu_bias")


def current_of(volts: NDArray[Any], gate: float = 0.0, word: int = 0, bit: int = 0) -> NDArray[np.float64]:
    """Return the current of the cell in `make_qcodes.py` [A]."""
    siemens = (25e-6 + 1e-6 * gate) * np.where(np.abs(volts) > 0.1, 2.0, 1.0) + 1e-7 * (4 * word + bit)
    return np.asarray(volts * siemens)


def cell_readings(operation: Operation) -> CellReadings:
    assert isinstance(operation.readings, CellReadings)
    return operation.readings


@pytest.fixture
def brought(tmp_path: Path) -> Callable[..., Trace]:
    """Return a function that imports a run and opens the trace."""

    def bring(path: Path, roles: Roles | None = None) -> Trace:
        import_file(path, tmp_path / "t.h5", roles=roles)
        return open_trace(tmp_path / "t.h5")

    return bring


@pytest.fixture
def forged(tmp_path: Path) -> Callable[[Path, Callable[[Any], None]], Path]:
    """Return a function that changes a copy of a run and returns its path."""

    def forge(source: Path, change: Callable[[Any], None]) -> Path:
        path = tmp_path / "forged.nc"
        path.write_bytes(source.read_bytes())
        with h5py.File(path, "r+") as file:
            change(file)
        return path

    return forge


# ---- what runs hold


def test_sweep_in_si_units(brought: Callable[..., Trace]) -> None:
    """Millivolts and nanoamperes of the file are volts and amperes in the trace."""
    with brought(SWEEP) as trace:
        assert len(trace) == 1
        operation = trace[0]
        assert operation.request.kind is OperationKind.SWEEP
        assert operation.request.cells is not None
        assert operation.request.cells.tolist() == [[0, 0]]
        assert operation.request.voltages is not None
        assert np.allclose(operation.request.voltages, np.linspace(-0.2, 0.2, 21))
        readings = cell_readings(operation)
        assert np.allclose(readings.current[:, 0], current_of(operation.request.voltages), atol=1e-15)
        assert np.isnan(readings.time).all()
        assert np.isnan(readings.voltage).all()


def test_loop_keeps_its_order(brought: Callable[..., Trace]) -> None:
    """Up and down again: the dimension is an index, the voltages come as they were."""
    with brought(LOOP) as trace:
        assert len(trace) == 1
        voltages = trace[0].request.voltages
        assert voltages is not None
        assert np.allclose(voltages, [0, 0.05, 0.1, 0.15, 0.2, 0.15, 0.1, 0.05, 0])


def test_loop_of_two_set_points_is_a_sweep_for_each(brought: Callable[..., Trace]) -> None:
    """The other set point of each operation travels with the trace."""
    with brought(GATES, BIAS) as trace:
        assert [operation.request.kind for operation in trace] == [OperationKind.SWEEP] * 3
        for gate, operation in enumerate(trace):
            volts = np.linspace(0, 0.2, 5)
            assert np.allclose(cell_readings(operation).applied[:, 0], volts)
            assert np.allclose(cell_readings(operation).current[:, 0], current_of(volts, gate))
        table = trace.embedded["set_points.csv"].decode()
        assert table == "operation,smu_gate [V]\n0,0.0\n1,1.0\n2,2.0\n"


def test_part_of_a_grid(brought: Callable[..., Trace]) -> None:
    """A run that was stopped is exported with a compressed index."""
    with brought(STOPPED, BIAS) as trace:
        volts = [operation.request.voltages for operation in trace]
        assert len(volts) == 2
        assert volts[0] is not None
        assert volts[1] is not None
        assert np.allclose(volts[0], [0, 0.1, 0.2])
        assert np.allclose(volts[1], [0, 0.1])
        assert np.allclose(cell_readings(trace[1]).current[:, 0], current_of(np.array([0, 0.1]), 1.0))


def test_cells_that_are_read_alike_are_one_read(brought: Callable[..., Trace]) -> None:
    with brought(CELLS, Roles(row="smu_word", col="smu_bit")) as trace:
        assert len(trace) == 1
        operation = trace[0]
        assert operation.request.kind is OperationKind.READ
        assert operation.request.cells is not None
        assert operation.request.cells.tolist() == [[w, b] for w in range(3) for b in range(4)]
        found = cell_readings(operation).current[:, 0]
        for (word, bit), current in zip(operation.request.cells.tolist(), found, strict=True):
            assert np.isclose(current, current_of(np.array(0.1), 0.0, word, bit))
        assert (trace.header.capabilities.rows, trace.header.capabilities.cols) == (3, 4)
        # The bias is a measured parameter of this run.
        assert np.allclose(cell_readings(operation).voltage, 0.1)
        assert "asked voltage" in {item["what"] for item in trace.provenance["missing"]}


def test_time_and_measured_voltage_are_taken_where_named(
    forged: Callable[[Path, Callable[[Any], None]], Path], brought: Callable[..., Trace]
) -> None:
    """A parameter in ms becomes the time of the readings, and that of the operation."""

    def change(file: Any) -> None:
        for name, unit, values in (("when", "ms", np.arange(21) * 10.0 + 5), ("sense", "mV", np.arange(21.0))):
            file.copy("smu_current", name)
            file[name][:] = values
            file[name].attrs["unit"] = unit

    roles = Roles(voltage="smu_bias", time="when", measured="sense")
    with brought(forged(SWEEP, change), roles) as trace:
        assert np.allclose(cell_readings(trace[0]).time[:, 0], np.arange(21) * 0.01 + 0.005)
        assert np.allclose(cell_readings(trace[0]).voltage[:, 0], np.arange(21) * 1e-3)
        assert np.allclose([trace[0].started, trace[0].ended], [0.005, 0.205])


def test_points_without_a_number_are_left_out_and_counted(
    forged: Callable[[Path, Callable[[Any], None]], Path], brought: Callable[..., Trace]
) -> None:
    def change(file: Any) -> None:
        file["smu_current"][15:] = np.nan

    with brought(forged(SWEEP, change)) as trace:
        assert cell_readings(trace[0]).current.shape == (15, 1)
        told = {item["what"]: item["file"] for item in trace.provenance["missing"]}
        assert told["readings"] == "6 of 21 points without a number"


def test_origin_is_kept(brought: Callable[..., Trace]) -> None:
    """Ids and time stamps stand as the file has them, with the remark that they name no time zone."""
    with h5py.File(SWEEP) as file, brought(SWEEP, Roles(cell=(2, 1))) as trace:
        said = trace.provenance["import"]
        for name in ("guid", "run_timestamp", "completed_timestamp", "exp_name", "sample_name"):
            assert said[name] == file.attrs[name]
        assert said["run_id"] == 1
        assert said["parameters"]["current"]["unit"] == "nA"
        assert trace.provenance["sample"] == {"name": "wafer 3, die 7"}
        assert json.loads(trace.embedded["snapshot.json"])["station"]["instruments"]["smu"]
        assert trace.embedded["run_description.json"].decode() == file.attrs["run_description"]
        told = {item["what"]: item["trace"] for item in trace.provenance["missing"]}
        assert "as given" in told["time zone of the run"]
        assert told["cell"] == "cell (2, 1), as told"
        assert trace.request(0).cells is not None
        assert trace.header.capabilities.rows == 3
        assert trace.header.identity.model == "imported:qcodes"


@pytest.mark.parametrize(
    ("path", "roles"), [(SWEEP, None), (LOOP, None), (GATES, BIAS), (STOPPED, BIAS), (CELLS, None)]
)
def test_replays_strictly(path: Path, roles: Roles | None, brought: Callable[..., Trace]) -> None:
    with brought(path, roles) as trace, open_bench(f"replay:{trace.path}") as bench:
        assert len(trace) > 0
        for operation in trace:
            asked = operation.request
            assert asked.cells is not None
            if asked.voltages is not None:
                cell = (int(asked.cells[0, 0]), int(asked.cells[0, 1]))
                answer = bench.sweep(0, cell, asked.voltages, asked.read)
            else:
                answer = bench.read(0, asked.cells, asked.read)
            assert answer.current.tobytes() == cell_readings(operation).current.tobytes()


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=40), st.integers(1, 5))
def test_stretches_cover_everything_once(keys: list[tuple[int, int]], longest: int) -> None:
    """Stretches follow each other, each of equal keys; neighbours differ or are at the longest."""
    first, second = (np.array([key[i] for key in keys]) for i in (0, 1))
    found = runs(first, second, longest=longest)
    assert [n for start, end in found for n in range(start, end)] == list(range(len(keys)))
    for start, end in found:
        assert len(set(keys[start:end])) == 1
        assert end - start <= longest
    for (_, end), (start, _) in pairwise(found):
        assert keys[end - 1] != keys[start] or start % longest == 0


# ---- roles


def test_two_voltages_are_an_error_that_lists_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"2 parameters are in V; name it with --voltage") as caught:
        import_file(GATES, tmp_path / "t.h5")
    for told in ("smu_gate [V]", "smu_bias [mV]", "smu_current [nA]"):
        assert told in str(caught.value)
    assert not (tmp_path / "t.h5").exists()


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        (Roles(voltage="nothing"), "no parameter 'nothing'"),
        (Roles(voltage="smu_current"), "none of V"),
        (Roles(voltage="smu_bias=furlong"), "none of V"),
        (Roles(row="smu_bias"), "both --row and --col"),
        (Roles(row="smu_bias", col="smu_bias", cell=(0, 0)), "given twice"),
    ],
)
def test_roles_that_do_not_fit(roles: Roles, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        import_file(SWEEP, tmp_path / "t.h5", roles=roles)


def test_lines_must_be_whole_numbers(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="whole numbers"):
        import_file(SWEEP, tmp_path / "t.h5", roles=Roles(row="smu_bias", col="smu_bias"))


def test_unit_that_is_told_wins_and_is_remarked(brought: Callable[..., Trace]) -> None:
    with brought(SWEEP, Roles(voltage="smu_bias=uV")) as trace:
        voltages = trace[0].request.voltages
        assert voltages is not None
        assert np.allclose(voltages, np.linspace(-2e-4, 2e-4, 21))
        assert "unit of the voltage" in {item["what"] for item in trace.provenance["missing"]}


# ---- the command


def command(*arguments: str) -> Any:
    app = typer.Typer()
    app.command()(reports_errors(import_))
    return CliRunner().invoke(app, list(arguments))


def test_command_with_roles(tmp_path: Path) -> None:
    target = tmp_path / "t.h5"
    result = command(str(CELLS), "-o", str(target), "--row", "smu_word", "--col", "smu_bit", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["operations"], told["readings"], told["rows"], told["cols"]) == (1, 12, 3, 4)


def test_command_names_the_exit_codes(tmp_path: Path) -> None:
    """2 for roles that are not clear, 3 for a file of another kind."""
    assert command(str(GATES), "-o", str(tmp_path / "t.h5")).exit_code == 2
    assert command(str(SWEEP), "-o", str(tmp_path / "t.h5"), "--cell", "1;2").exit_code == 2
    assert command(str(DATA / "README.md"), "-o", str(tmp_path / "t.h5")).exit_code == 3


# ---- files that lie


def test_netcdf_3_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "old.nc"
    path.write_bytes(b"CDF\x01" + bytes(100))
    with pytest.raises(FormatError, match=r"netCDF-3.*nccopy"):
        import_file(path, tmp_path / "t.h5")


def _external_link(file: Any) -> None:
    file["aside"] = h5py.ExternalLink("other.nc", "/x")


def _virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((21,), "<f8")
    layout[:] = h5py.VirtualSource("other.nc", "x", (21,), "<f8")
    file.create_virtual_dataset("aside", layout)


def _vast(file: Any) -> None:
    del file["smu_current"]
    dataset = file.create_dataset("smu_current", (10**12,), "<f8", chunks=(10,))
    dataset.attrs["unit"] = dataset.attrs["paramtype"] = "A"


def _wrong_dimension(file: Any) -> None:
    del file["smu_current"].attrs["DIMENSION_LIST"]
    kind = h5py.vlen_dtype(h5py.ref_dtype)
    file["aside"] = np.arange(3.0)
    value = np.empty(1, object)
    value[0] = np.array([file["aside"].ref], h5py.ref_dtype)
    file["smu_current"].attrs.create("DIMENSION_LIST", value, dtype=kind)


def _dimension_of_another_kind(file: Any) -> None:
    file["smu_current"].attrs["DIMENSION_LIST"] = 7


def _text_for_values(file: Any) -> None:
    attributes = {name: file["smu_current"].attrs[name] for name in ("unit", "paramtype")}
    del file["smu_current"]
    file["smu_current"] = np.array([b"x"] * 21)
    file["smu_current"].attrs.update(attributes)


def _unit_of_another_kind(file: Any) -> None:
    file["smu_current"].attrs["unit"] = [1, 2]


def _vast_name(file: Any) -> None:
    file.attrs["guid"] = "x" * 100_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_vast_name, "100000 bytes of text"),
        (_external_link, "not followed"),
        (_virtual, "virtual"),
        (_vast, "at most"),
        (_wrong_dimension, "dimension aside"),
        (_dimension_of_another_kind, "dimensions is of another kind"),
        (_text_for_values, "no parameter is in A"),
        (_unit_of_another_kind, "not one text"),
    ],
)
def test_runs_that_lie_are_refused(
    change: Callable[[Any], None],
    message: str,
    forged: Callable[[Path, Callable[[Any], None]], Path],
    tmp_path: Path,
) -> None:
    with pytest.raises((FormatError, InputError), match=message):
        import_file(forged(SWEEP, change), tmp_path / "t.h5")
    assert not (tmp_path / "t.h5").exists()


def test_index_beyond_its_levels_is_refused(
    forged: Callable[[Path, Callable[[Any], None]], Path], tmp_path: Path
) -> None:
    def change(file: Any) -> None:
        file["multi_index"][4] = 6

    with pytest.raises(FormatError, match="beyond its levels"):
        import_file(forged(STOPPED, change), tmp_path / "t.h5", roles=BIAS)


def test_run_without_a_number_is_an_error(
    forged: Callable[[Path, Callable[[Any], None]], Path], tmp_path: Path
) -> None:
    def change(file: Any) -> None:
        file["smu_current"][:] = np.nan

    with pytest.raises(FormatError, match="nothing to import"):
        import_file(forged(SWEEP, change), tmp_path / "t.h5")
