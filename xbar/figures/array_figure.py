"""Figures of one array: target and read conductance maps with their difference, and I-V sweeps of cells."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from xbar.bench.readings import CellReadings
from xbar.errors import InputError
from xbar.figures import style

Floats = NDArray[np.float64]


def conductance_map(readings: CellReadings, cells: NDArray[np.int64], shape: tuple[int, int]) -> Floats:
    """Return read conductances (rows, cols) [S], the mean over the repeats of each cell; NaN where nothing was read.

    `cells` are the (row, column) `(n, 2)` that were read. Raises `InputError` where they are not of this shape.
    """
    cells = np.asarray(cells)
    if cells.ndim != 2 or cells.shape[1] != 2 or len(cells) != len(readings.current):
        raise InputError(f"cells {cells.shape} are not those of {len(readings.current)} readings; give (row, column)")
    if cells.size and ((cells < 0) | (cells >= np.asarray(shape))).any():
        raise InputError(f"cells go up to {tuple(cells.max(axis=0))}; the array has {shape[0]} x {shape[1]} cells")
    found = np.full(shape, np.nan)
    found[cells[:, 0], cells[:, 1]] = mean_of_repeats(readings.conductance)
    return found


def mean_of_repeats(values: Floats) -> Floats:
    """Return the mean `(n,)` of values `(n, repeat)` that are not NaN; NaN where all are."""
    known = np.isfinite(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def array_figure(read: Floats, target: Floats | None = None, title: str = "") -> Figure:
    """Draw read conductances (rows, cols) [S], beside their targets and with their error where targets are given.

    NaN cells (not read, no target) stay grey. Raises `InputError` where shapes differ or nothing was read.
    """
    if read.ndim != 2 or (target is not None and target.shape != read.shape):
        other = None if target is None else target.shape
        raise InputError(f"read conductances {read.shape} and targets {other} must be of one shape (rows, cols)")
    style.check_finite(read, "read conductances")
    if target is None:
        figure = style.new_figure(9.5, 4.2)
        left, right = style.panels(figure, 2, 2, (1, 1.1))
        _draw_map(left, read, style.extent(read), "read conductance")
        style.histogram(right, _known(read) * style.MICRO)
        style.describe(right, "distribution", "read conductance [µS]", "cells")
    else:
        figure = style.new_figure(13.5, 4.2)
        panels = style.panels(figure, 3, 3)
        span = style.extent(target, read)
        _draw_map(panels[0], target, span, "target conductance")
        _draw_map(panels[1], read, span, "read conductance")
        draw_error(panels[2], read, target)
    if title:
        style.headline(figure, title)
    return figure


def _known(values: Floats) -> Floats:
    return np.asarray(values[np.isfinite(values)])


def _draw_map(panel: Axes, values: Floats, span: tuple[float, float], name: str) -> None:
    image = style.conductance_image(panel, values, *span)
    style.describe(panel, name, "bit line", "word line")
    style.colour_bar(image, panel, f"{name} [µS]")


def draw_error(panel: Axes, read: Floats, target: Floats) -> None:
    """Draw the histogram of read minus target conductance, its mean and standard deviation in the title."""
    error = _known(read - target) * style.MICRO
    if not error.size:
        raise InputError("no cell has both a target and a reading; there is no error to draw")
    style.histogram(panel, error)
    panel.axvline(0.0, color=style.GREY, linewidth=1, linestyle="--")
    title = f"error: mean {error.mean():.3g} µS, standard deviation {error.std():.3g} µS"
    style.describe(panel, title, "read − target conductance [µS]", "cells")


def sweep_figure(sweeps: Mapping[str, CellReadings], title: str = "") -> Figure:
    """Draw I-V sweeps: one curve a sweep, named by its key; signs are kept, repeats are dots about their mean.

    Raises `InputError` where there is no sweep or nothing was measured.
    """
    if not sweeps:
        raise InputError("no sweep to draw; measure one with `xbar sweep`")
    figure = style.new_figure(6.4, 4.6)
    draw_sweeps(figure.subplots(), sweeps, title or "I-V sweep")
    return figure


def draw_sweeps(panel: Axes, sweeps: Mapping[str, CellReadings], title: str) -> None:
    """Draw I-V sweeps into a panel."""
    currents = np.concatenate([r.current.ravel() for r in sweeps.values()])
    style.check_finite(currents, "currents of the sweep")
    factor, unit = style.prefix(currents, "A")
    panel.axhline(0.0, color=style.UNUSED, linewidth=1)
    panel.axvline(0.0, color=style.UNUSED, linewidth=1)
    for number, (name, readings) in enumerate(sweeps.items()):
        colour = style.PALETTE[number % len(style.PALETTE)]
        # What stood across the cell where that was measured, else what was asked for.
        volts = np.where(np.isnan(readings.voltage), readings.applied, readings.voltage)
        mean = (mean_of_repeats(volts), mean_of_repeats(readings.current) * factor)
        panel.plot(*mean, "-", color=colour, linewidth=1.2, label=name)
        panel.plot(volts.ravel(), readings.current.ravel() * factor, ".", color=colour, markersize=4, alpha=0.7)
    style.describe(panel, title, "voltage, row minus column [V]", f"current [{unit}]")
    if len(sweeps) <= 12:
        style.legend(panel)
