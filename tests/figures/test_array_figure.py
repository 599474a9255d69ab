"""Figures of one array and of sweeps: the numbers behind them."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from xbar.bench.readings import CellReadings
from xbar.errors import InputError
from xbar.figures.array_figure import array_figure, conductance_map, sweep_figure


def _panel(figure: Figure, title: str) -> Axes:
    (panel,) = (a for a in figure.axes if a.get_title().startswith(title))
    return panel


def _heights(panel: Axes) -> list[float]:
    return [float(bar.get_height()) for bar in panel.patches if isinstance(bar, Rectangle)]


def _readings(applied: object, current: object) -> CellReadings:
    volts, amperes = np.atleast_2d(np.asarray(applied, float)), np.atleast_2d(np.asarray(current, float))
    nan = np.full_like(volts, np.nan)
    return CellReadings(np.zeros_like(volts), volts, nan, amperes, np.zeros(volts.shape, np.uint32), nan)


def test_conductance_map_is_the_mean_over_repeats() -> None:
    """Repeats are averaged without those that were not measured; cells that were not read are NaN."""
    readings = _readings([[0.2, 0.2], [0.1, 0.1]], [[2e-6, 4e-6], [3e-6, np.nan]])
    found = conductance_map(readings, np.array([[0, 1], [1, 0]]), (2, 2))
    np.testing.assert_allclose(found, [[np.nan, 15e-6], [30e-6, np.nan]], rtol=1e-12)


@pytest.mark.parametrize("cells", [[[0, 2]], [[-1, 0]], [[0, 0], [0, 1]]])
def test_conductance_map_refuses_cells_that_do_not_fit(cells: list[list[int]]) -> None:
    with pytest.raises(InputError, match="cells"):
        conductance_map(_readings([[0.2]], [[1e-6]]), np.array(cells), (2, 2))


def test_target_and_read_maps_share_their_colours() -> None:
    target = np.array([[1e-6, 5e-6], [np.nan, 2e-6]])
    read = target + 1e-6
    figure = array_figure(read, target, "array 3")
    images = [_panel(figure, f"{name} conductance").images[0] for name in ("target", "read")]
    for image, values in zip(images, (target, read), strict=True):
        shown = np.asarray(np.ma.getdata(np.ma.asanyarray(image.get_array())), np.float64)
        np.testing.assert_allclose(shown, values * 1e6, rtol=1e-12)
        assert image.get_clim() == pytest.approx((1, 6))
    error = _panel(figure, "error: mean 1 µS, standard deviation")
    assert error.get_xlabel() == "read − target conductance [µS]"
    assert sum(_heights(error)) == 3


def test_read_map_without_targets_has_a_distribution() -> None:
    panel = _panel(array_figure(np.array([[1e-6, np.nan, 3e-6]])), "distribution")
    assert sum(_heights(panel)) == 2


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(InputError, match="NaN"):
        array_figure(np.full((2, 2), np.nan))
    with pytest.raises(InputError, match="one shape"):
        array_figure(np.ones((2, 2)), np.ones((2, 3)))
    with pytest.raises(InputError, match="both a target and a reading"):
        array_figure(np.array([[1.0, np.nan]]), np.array([[np.nan, 1.0]]))
    with pytest.raises(InputError, match="no sweep"):
        sweep_figure({})


def test_sweep_keeps_signs_and_says_its_units() -> None:
    """Points are (V, scaled A) with their signs; the label names the scale."""
    figure = sweep_figure({"cell 0, 0": _readings([[-0.2], [0.1]], [[-4e-6], [2e-6]])})
    (panel,) = figure.axes
    (line,) = (one for one in panel.lines if one.get_label() == "cell 0, 0")
    np.testing.assert_allclose(np.asarray(line.get_xydata(), float), [[-0.2, -4], [0.1, 2]], rtol=1e-12)
    assert panel.get_xlabel() == "voltage, row minus column [V]"
    assert panel.get_ylabel() == "current [µA]"


def test_sweep_shows_the_measured_voltage() -> None:
    readings = _readings([[0.2], [0.4]], [[1e-6], [2e-6]])
    figure = sweep_figure({"a": replace(readings, voltage=np.array([[0.19], [np.nan]]))})
    (line,) = (one for one in figure.axes[0].lines if one.get_label() == "a")
    np.testing.assert_allclose(np.asarray(line.get_xdata(), float), [0.19, 0.4])
