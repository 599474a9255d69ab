"""Helpers that figures share."""

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from xbar.figures import style


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([-4e-6, 1e-6], (1e6, "µA")),
        ([1e-3], (1e3, "mA")),
        ([0.5e-3], (1e6, "µA")),
        ([2.0], (1.0, "A")),
        ([3e-16], (1e15, "fA")),
        ([np.nan], (1.0, "A")),
    ],
)
def test_prefix_makes_the_largest_a_readable_number(values: list[float], expected: tuple[float, str]) -> None:
    factor, unit = style.prefix(values, "A")
    assert factor == pytest.approx(expected[0])
    assert unit == expected[1]


def test_extent_ignores_nan_and_is_never_empty() -> None:
    assert style.extent([np.nan, 1.0], [[3.0]]) == (1.0, 3.0)
    assert style.extent([2.0, 2.0]) == (1.0, 3.0)
    assert style.extent([0.0]) == (-0.5, 0.5)
    assert style.extent([np.nan]) == (0.0, 1.0)


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0 + 2e-16], [0.0, 0.0], [3.0, 5.0, 4.0], [1.0, np.nextafter(1, 2)]])
def test_histogram_counts_every_value(values: list[float]) -> None:
    """Values that differ in their last bit, as readings of an ideal card do, have a histogram too."""
    panel = style.new_figure(2, 2).subplots()
    style.histogram(panel, np.array(values))
    assert sum(bar.get_height() for bar in panel.patches if isinstance(bar, Rectangle)) == len(values)


def test_shorten_keeps_both_ends() -> None:
    """A name of the limit's length stays; a longer one keeps its beginning and end."""
    assert style.shorten("a" * 26) == "a" * 26
    short = style.shorten("/encoder/layer.11/attention/self/query/MatMul")
    assert len(short) == 26
    assert short.startswith("/encoder")
    assert short.endswith("/query/MatMul")


@pytest.mark.parametrize(("low", "high"), [(0.002, 0.08), (3.0, 4.0), (1e-8, 1e-2), (5.0, 5.0)])
def test_log_scale_has_readable_ticks(low: float, high: float) -> None:
    """Between one and a dozen labels, over part of a decade and over many."""
    figure = style.new_figure(4, 2)
    panel = figure.subplots()
    style.log_scale(panel.xaxis, low, high)
    figure.draw_without_rendering()
    left, right = panel.get_xlim()
    ticks = [t for t in panel.xaxis.get_majorticklocs() if left <= t <= right]
    assert left < low <= high < right
    assert 1 <= len(ticks) <= 12


def test_long_arrays_do_not_become_a_thread() -> None:
    """Cells are square unless the array is more than four times as long as wide."""
    figure = style.new_figure(4, 4)
    square, long = style.panels(figure, 2, 2)
    style.conductance_image(square, np.ones((4, 8)), 0, 1)
    style.conductance_image(long, np.ones((2, 90)), 0, 1)
    assert square.get_aspect() == 1
    assert long.get_aspect() == "auto"


def test_panels_leave_no_empty_frame() -> None:
    figure = style.new_figure(4, 4)
    assert len(style.panels(figure, 5, 3)) == 5 == len(figure.axes)
