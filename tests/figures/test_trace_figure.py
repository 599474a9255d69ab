"""Figure of a trace: the numbers behind it, and only panels that have data."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

import xbar
from xbar.bench.operation import Operation, OperationKind, Request
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.bench.settings import Pulse, ReadConfig, VectorConfig
from xbar.errors import DriverError, FormatError, InputError
from xbar.execution.results import RunResult
from xbar.figures.cell_panels import drift_lines
from xbar.figures.saving import save
from xbar.figures.time_line import time_line
from xbar.figures.trace_data import BINS, TraceData, collect
from xbar.figures.trace_figure import trace_figure

CellTrace = tuple[Path, NDArray[np.float64], CellReadings]


def _figure(path: Path, array: int | None = None) -> Figure:
    with xbar.open_trace(path) as trace:
        return trace_figure(trace, array)


def _titles(figure: Figure) -> list[str]:
    return [a.get_title() for a in figure.axes if a.get_title()]


def _panel(figure: Figure, title: str) -> Axes:
    (panel,) = (a for a in figure.axes if a.get_title().startswith(title))
    return panel


def _shown(panel: Axes) -> NDArray[np.float64]:
    return np.asarray(np.ma.getdata(np.ma.asanyarray(panel.images[0].get_array())), np.float64)


def _operation(kind: OperationKind, at: float, *, seconds: float = 1.0, **request: Any) -> Operation:
    readings, error = request.pop("readings", None), request.pop("error", None)
    return Operation(Request(kind, **request), at, at + seconds, readings, error)


def _read(at: float, cells: list[list[int]], siemens: list[float], status: int = 0) -> Operation:
    current = 0.2 * np.array(siemens)[:, None]
    time, volts = np.full_like(current, at), np.full_like(current, 0.2)
    flags = np.full(current.shape, status, np.uint32)
    readings = CellReadings(time, volts, volts, current, flags, volts)
    return _operation(OperationKind.READ, at, arrays=(0,), cells=np.array(cells), read=ReadConfig(), readings=readings)


def _program(at: float, siemens: list[list[float]], **more: Any) -> Operation:
    return _operation(OperationKind.PROGRAM, at, arrays=(0,), targets=np.array(siemens), **more)


# ---- the figure


def test_maps_show_targets_and_first_readings_in_microsiemens(cell_trace: CellTrace) -> None:
    """The read map holds the mean of the three repeats of the first reading; the row without targets stays empty."""
    path, target, first = cell_trace
    figure = _figure(path)
    read = np.full(target.shape, np.nan)
    read[np.isfinite(target)] = first.conductance.mean(axis=1)
    np.testing.assert_allclose(_shown(_panel(figure, "target conductance")), target * 1e6, rtol=1e-12)
    np.testing.assert_allclose(_shown(_panel(figure, "read conductance")), read * 1e6, rtol=1e-12)
    against = _panel(figure, "programmed against target")
    np.testing.assert_allclose(
        np.asarray(against.lines[0].get_xdata(), float), target[np.isfinite(target)] * 1e6, rtol=1e-12
    )
    np.testing.assert_allclose(
        np.asarray(against.lines[0].get_ydata(), float), first.conductance.mean(axis=1) * 1e6, rtol=1e-12
    )


def test_a_trace_of_everything_has_all_panels_with_units(cell_trace: CellTrace, tmp_path: Path) -> None:
    figure = _figure(cell_trace[0])
    assert [title.split(":")[0].split("\n")[0].split(",")[0] for title in _titles(figure)] == [
        "target conductance",
        "read conductance",
        "programmed against target",
        "error",
        "drift",
        "I-V sweeps",
        "output currents of the array",
        "output codes of all products",
        "output codes at the ends of the converter",
        "time line",
    ]
    named = {"word line", "bit line", "cells", "array", "code / largest code", "product, in the order of time", ""}
    labels = {label for a in figure.axes for label in (a.get_xlabel(), a.get_ylabel())} - named
    assert all("[" in label for label in labels), labels
    assert len(labels) >= 8
    assert save(figure, tmp_path / "t.png").stat().st_size > 10_000


def test_drift_is_on_a_logarithmic_time_axis(cell_trace: CellTrace) -> None:
    """Three readings: within milliseconds, after 100 s and after a day; conductance falls."""
    panel = _panel(_figure(cell_trace[0]), "drift")
    assert panel.get_xscale() == "log"
    for line in panel.lines:
        assert np.log10(np.asarray(line.get_xdata())).round().tolist()[1:] == [2, 5]
        assert float(np.asarray(line.get_ydata())[2]) < float(np.asarray(line.get_ydata())[0])


def test_codes_at_the_ends_are_counted(cell_trace: CellTrace) -> None:
    """The bars are the share of codes at the largest magnitude."""
    with xbar.open_trace(cell_trace[0]) as trace:
        (codes,) = (r.codes for r in (op.readings for op in trace) if isinstance(r, VectorReadings))
    panel = _panel(_figure(cell_trace[0]), "output codes at the ends")
    share = 100 * float((np.abs(codes.astype(int)) == 127).mean())
    assert share > 0
    assert [float(bar.get_height()) for bar in panel.patches if isinstance(bar, Rectangle)] == pytest.approx([share])


def test_a_run_has_no_panels_about_readings(run: tuple[RunResult, Path]) -> None:
    """A trace of products shows targets, currents, codes and the time line, and nothing empty."""
    figure = _figure(run[1])
    titles = [title.split(",")[0] for title in _titles(figure)]
    assert titles[:3] == ["target conductance", "output currents of the array", "output codes of all products"]
    assert not any(title.startswith(("read", "programmed", "drift", "I-V")) for title in titles)
    assert "1 wait cut out" in _panel(figure, "time line").get_title()
    assert [text.get_text().strip() for text in _panel(figure, "time line").texts] == ["wait 1 h"]


def test_another_array(run: tuple[RunResult, Path]) -> None:
    assert "array 0," in _figure(run[1], 0).get_suptitle()


def test_an_array_without_data_names_those_that_have_some(cell_trace: CellTrace) -> None:
    with pytest.raises(InputError, match=r"nothing of array 0; it holds arrays 1\."):
        _figure(cell_trace[0], 0)


def test_an_empty_trace_says_what_to_record(tmp_path: Path) -> None:
    with xbar.open_bench("sim", rows=2, cols=2, record=tmp_path / "t.h5") as bench:
        bench.wait(1.0)
    with pytest.raises(InputError, match="nothing to draw; record some"):
        _figure(tmp_path / "t.h5")


def test_a_trace_without_a_number_says_what_to_record(tmp_path: Path) -> None:
    """A write that leaves every cell as it is gives nothing to draw."""
    with xbar.open_bench("sim", rows=2, cols=2, record=tmp_path / "t.h5") as bench:
        bench[0].program(np.full((2, 2), np.nan))
    with pytest.raises(InputError, match="record readings of cells"):
        _figure(tmp_path / "t.h5")


def test_an_ideal_array_has_a_figure(tmp_path: Path) -> None:
    """Readings that equal their targets but for rounding, many products and many waits can be drawn and saved."""
    with xbar.open_bench("sim", card="ideal", rows=2, cols=2, record=tmp_path / "t.h5") as bench:
        bench[0].program(np.full((2, 2), 33e-6))
        for _ in range(10):
            bench.wait(1.0)
            bench[0].read_all()
        for _ in range(50):
            bench[0].mvm(np.full((1, 2), 0.2), VectorConfig(output_range=1e-4))
    figure = _figure(tmp_path / "t.h5")
    assert "none at an end" in _panel(figure, "output codes").get_title()
    assert "10 waits cut out" in _panel(figure, "time line").get_title()
    assert len(_panel(figure, "drift").lines) == 1
    assert save(figure, tmp_path / "t.svg").stat().st_size > 10_000


# ---- what is collected


def test_a_write_makes_earlier_readings_stale() -> None:
    """Only readings after the last write of a cell count; readings with a status do not."""
    operations = [
        _program(0, [[1e-6, 2e-6]]),
        _read(2, [[0, 0], [0, 1]], [1.1e-6, 2.1e-6]),
        _program(3, [[5e-6, np.nan]]),
        _read(5, [[0, 0]], [9e-6], status=1),
        _read(6, [[0, 0], [0, 1]], [5.1e-6, 2.2e-6]),
        _read(7, [[0, 0]], [5.2e-6]),
    ]
    history = collect(operations, (1, 2), 8).cells[0]
    first, age = history.first_reads()
    np.testing.assert_allclose(history.target, [[5e-6, 2e-6]])
    np.testing.assert_allclose(first, [[5.1e-6, 2.1e-6]])
    np.testing.assert_allclose(age, [[2, 1]])


def test_a_pulse_starts_time_anew() -> None:
    pulse = _operation(OperationKind.PULSE, 5, arrays=(0,), cells=np.array([[0, 0]]), pulse=Pulse(1.0, 1e-6), count=1)
    history = collect([_program(0, [[1e-6]]), _read(2, [[0, 0]], [1e-6]), pulse], (1, 1), 8).cells[0]
    assert history.written[0, 0] == 6
    assert np.isnan(history.first_reads()[0][0, 0])


def test_a_failed_write_gives_no_target() -> None:
    """An operation that ended in an error stands in the time line and nowhere else."""
    data = collect([_program(0, [[1e-6]], error=DriverError("no"))], (1, 1), 8)
    assert data.times == [(OperationKind.PROGRAM, 0, 1)]
    assert data.arrays == []


def test_readings_without_a_write_have_no_age() -> None:
    first, age = collect([_read(2, [[0, 0]], [1e-6])], (1, 1), 8).cells[0].first_reads()
    assert first[0, 0] == pytest.approx(1e-6)
    assert np.isnan(age[0, 0])


def test_drift_needs_two_times() -> None:
    """One reading is no drift; two give the mean of each group of cells."""
    one = [_program(0, [[1e-6, 9e-6]]), _read(2, [[0, 0], [0, 1]], [1e-6, 9e-6])]
    assert drift_lines(collect(one, (1, 2), 8).cells[0]) == []
    lines = drift_lines(collect([*one, _read(11, [[0, 0], [0, 1]], [0.5e-6, 8e-6])], (1, 2), 8).cells[0])
    assert [line.age.tolist() for line in lines] == [[1, 10], [1, 10]]
    np.testing.assert_allclose([line.mean for line in lines], [[1e-6, 0.5e-6], [9e-6, 8e-6]])


def test_products_are_binned_over_the_range() -> None:
    """Codes 0 fall into the middle bin, codes at the ends into the outer ones; currents are codes times step."""
    codes = np.array([[[-127, 0, 0, 127]]], np.int8)
    readings = VectorReadings(codes, np.full((1, 4), 1e-9), np.zeros((1, 4)), np.zeros((1, 1, 1), np.uint32))
    request: dict[str, Any] = {"arrays": (3,), "vector": VectorConfig(), "readings": readings}
    products = collect([_operation(OperationKind.MVM, 0, **request)], (1, 4), 8).products[3]
    assert np.flatnonzero(products.bins).tolist() == [0, BINS // 2, BINS - 1]
    assert (products.at_end, products.codes) == (2, 4)
    assert products.quantiles[0][1] == 0
    amperes = collect([_operation(OperationKind.MVM, 0, **request)], (1, 4), None).products[3]
    assert (amperes.at_end, amperes.bins.sum()) == (0, 0)


def test_the_array_with_most_readings_is_chosen() -> None:
    data = collect([_program(0, [[1e-6]]), _read(1, [[0, 0]], [1e-6])], (1, 1), 8)
    assert data.most_told() == 0
    assert TraceData((1, 1), 127).most_told() is None


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        (_program(0, [[1e-6, 1e-6]]), "do not fit"),
        (_read(0, [[0, 1]], [1e-6]), "beyond the array"),
        (_read(0, [[-1, 0]], [1e-6]), "beyond the array"),
    ],
)
def test_operations_beyond_the_array_are_refused(operation: Operation, says: str) -> None:
    with pytest.raises(FormatError, match=says):
        collect([operation], (1, 1), 8)


def test_an_array_that_no_memory_holds_is_refused() -> None:
    with pytest.raises(FormatError, match="too large"):
        collect([], (2**30, 2**30), 8)


def test_time_line_cuts_waits_out() -> None:
    """Operations of a kind that follow each other are one bar, across a wait too; the clock stands still in a wait."""
    wait = _operation(OperationKind.WAIT, 2, seconds=100)
    steps = [_program(0, [[1e-6]]), _read(1, [[0, 0]], [1e-6]), wait, _read(102, [[0, 0]], [1e-6])]
    data = collect([*steps, _program(103, [[1e-6]])], (1, 1), 8)
    bars, cuts = time_line(data)
    assert bars == {OperationKind.PROGRAM: [(0, 1), (3, 4)], OperationKind.READ: [(1, 3)]}
    assert cuts == [(2, 100)]
