"""Panels of a trace about the cells of one array: conductance maps, errors, drift, I-V sweeps."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from xbar.figures import style
from xbar.figures.array_figure import draw_error, draw_sweeps
from xbar.figures.trace_data import CellHistory, TraceData
from xbar.units import show

Floats = NDArray[np.float64]

LEVELS = 4
"""Groups of cells, by conductance, whose drift is drawn."""
CURVES = 8
"""Sweeps that are drawn at most."""


@dataclass(frozen=True, eq=False)
class _Cells:
    """Cells of the drawn array."""

    history: CellHistory
    read: Floats
    """First reading after the last write (rows, cols) [S]."""
    age: Floats
    """Time since that write (rows, cols) [s]."""

    @property
    def span(self) -> tuple[float, float]:
        return style.extent(self.history.target, self.read)

    @property
    def both(self) -> NDArray[np.bool_]:
        return np.isfinite(self.history.target) & np.isfinite(self.read)


def cell_panels(data: TraceData, array: int) -> list[style.Draw]:
    """Return the panels about the cells of an array that the trace has data for."""
    if array not in data.cells:
        return []
    history = data.cells[array]
    cells = _Cells(history, *history.first_reads())
    panels: list[style.Draw] = []
    if np.isfinite(history.target).any():
        panels.append(lambda axes: _draw_map(axes, cells, history.target, "target conductance", ""))
    if np.isfinite(cells.read).any():
        panels.append(lambda axes: _draw_map(axes, cells, cells.read, "read conductance", _when(cells)))
    if cells.both.any():
        panels.append(lambda axes: _draw_against(axes, cells))
        panels.append(lambda axes: draw_error(axes, cells.read, history.target))
    lines = drift_lines(history)
    if lines:
        panels.append(lambda axes: _draw_drift(axes, lines))
    if history.sweeps:
        panels.append(lambda axes: _draw_sweeps(axes, history))
    return panels


def _when(cells: _Cells) -> str:
    age = cells.age[np.isfinite(cells.age)]
    if not age.size:
        return "first reading"
    return f"first reading, {show(float(np.median(age)), 's', 3)} after the write"


def _draw_map(axes: Axes, cells: _Cells, values: Floats, name: str, note: str) -> None:
    image = style.conductance_image(axes, values, *cells.span)
    style.describe(axes, f"{name}\n{note}" if note else name, "bit line", "word line")
    style.colour_bar(image, axes, f"{name} [µS]")


def _draw_against(axes: Axes, cells: _Cells) -> None:
    target, read = cells.history.target[cells.both] * style.MICRO, cells.read[cells.both] * style.MICRO
    many = target.size > 2000
    axes.plot(
        target, read, ".", color=style.BLUE, markersize=3, alpha=0.2 if many else 0.5, rasterized=True, label="cells"
    )
    style.identity(axes, *style.extent(target, read))
    style.describe(axes, "programmed against target", "target conductance [µS]", "read conductance [µS]")
    style.legend(axes, loc="upper left")


@dataclass(frozen=True, eq=False)
class DriftLine:
    """Mean conductance of a group of cells at each read operation."""

    name: str
    age: Floats
    """Mean time since the write [s]."""
    mean: Floats
    """Mean read conductance [S]."""
    spread: Floats
    """Standard deviation over cells [S]."""


def drift_lines(history: CellHistory) -> list[DriftLine]:
    """Return the drift of cells that were read at two or more times after their last write, in groups by conductance.

    Cells are grouped by their target, or by their first reading where they have none. Empty where no cell was read
    twice at different times since a write that the trace holds.
    """
    level = np.where(np.isnan(history.target), history.first_reads()[0], history.target)
    fresh = []
    for reads in history.reads:
        since, good = history.since_write(reads)
        good &= since > 0
        if good.any():
            fresh.append((reads.row[good], reads.column[good], since[good], reads.conductance[good]))
    times = np.zeros(history.shape, np.int64)
    for row, column, _, _ in fresh:
        times[row, column] += 1
    followed = times >= 2
    if not followed.any():
        return []
    low, high = style.extent(level[followed])
    lines = []
    for edge, end in zip(*(np.linspace(low, high, LEVELS + 1)[s] for s in (slice(-1), slice(1, None))), strict=True):
        inside = followed & (level >= edge) & ((level < end) | (end == high))
        points = []
        for row, column, since, g in fresh:
            chosen = inside[row, column]
            if chosen.any():
                points.append((since[chosen].mean(), g[chosen].mean(), g[chosen].std()))
        if points:
            name = f"{edge * style.MICRO:.3g} to {end * style.MICRO:.3g} µS"
            lines.append(DriftLine(name, *np.array(sorted(points)).T))
    return lines


def _draw_drift(axes: Axes, lines: list[DriftLine]) -> None:
    for line, colour in zip(reversed(lines), style.PALETTE, strict=False):
        mean, spread = line.mean * style.MICRO, line.spread * style.MICRO
        axes.plot(line.age, mean, "o-", color=colour, markersize=3, linewidth=1.2, label=line.name)
        axes.fill_between(line.age, mean - spread, mean + spread, color=colour, alpha=0.15, linewidth=0)
    axes.set_xscale("log")
    title = "drift: mean ± standard deviation of the cells"
    style.describe(axes, title, "time since the write [s]", "read conductance [µS]")
    axes.set_ylim(top=axes.get_ylim()[1] * 1.25)
    style.legend(axes, loc="upper right", ncols=2)


def _draw_sweeps(axes: Axes, history: CellHistory) -> None:
    shown = history.sweeps[:CURVES]
    curves = {f"{n + 1}: cell {cell[0]}, {cell[1]}": readings for n, (cell, readings) in enumerate(shown)}
    more = f" ({len(shown)} of {len(history.sweeps)})" if len(history.sweeps) > CURVES else ""
    draw_sweeps(axes, curves, f"I-V sweeps{more}")
