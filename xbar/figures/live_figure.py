"""Figure of a running trace: how fast operations come, and what the last of them gave."""

from collections import deque
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from xbar.bench.readings import CellReadings, VectorReadings
from xbar.figures import style
from xbar.trace.follow import Look
from xbar.trace.reader import Trace

POINTS = 2000
"""Points of each line that are kept: the last ones."""
OPERATIONS = 200
"""Operations of one look whose readings are drawn: the last ones."""


class LiveFigure:
    """Keep the last points of a running trace and draw them into a figure.

    Args:
        figure: the figure to draw into; None makes one in memory.

    """

    def __init__(self, figure: Figure | None = None) -> None:
        self.figure = style.new_figure(11, 6.5) if figure is None else figure
        top, bottom = style.two_rows(self.figure, (1.0, 1.6))
        (self._pace,) = style.panels(top, 1, 1)
        self._cells, self._codes = style.panels(bottom, 2, 2)
        self._times: deque[tuple[float, int]] = deque(maxlen=POINTS)
        self._readings: deque[tuple[float, float]] = deque(maxlen=POINTS)
        self._last: tuple[int, NDArray[Any]] | None = None

    def update(self, trace: Trace | None, look: Look) -> None:
        """Take the operations that came with a look, and draw."""
        if trace is not None and look.new:
            rows = trace.rows(max(look.operations - look.new, look.operations - POINTS), min(look.new, POINTS))
            first = look.operations - len(rows)
            self._times.extend((float(wall), first + i + 1) for i, wall in enumerate(rows["wall"]))
            for index in range(max(look.operations - min(look.new, OPERATIONS), 0), look.operations):
                self._take(index, trace.readings(index))
        self._draw(look)

    def _take(self, index: int, readings: CellReadings | VectorReadings | None) -> None:
        if isinstance(readings, CellReadings):
            shape = readings.current.shape
            times = np.broadcast_to(readings.time, shape).ravel()[-POINTS:]
            self._readings.extend(zip(times.tolist(), readings.current.ravel()[-POINTS:].tolist(), strict=True))
        elif isinstance(readings, VectorReadings) and readings.codes.size:
            self._last = (
                index,
                readings.codes[0, : max(1, 65536 // max(1, readings.codes.shape[2]))].astype(np.float64),
            )

    def _draw(self, look: Look) -> None:
        for axes in (self._pace, self._cells, self._codes):
            axes.clear()
        rate = "" if look.rate is None else f", {look.rate:.4g} per second"
        style.headline(self.figure, f"{look.operations} operations{rate}, {look.status}")
        if self._times:
            walls, counts = np.array(self._times).T
            self._pace.plot(walls - walls[-1], counts, color=style.BLUE)
        style.describe(self._pace, "operations", "time of day, before the last [s]", "operations")
        if self._readings:
            times, currents = np.array(self._readings).T
            factor, unit = style.prefix(currents[np.isfinite(currents)], "A")
            self._cells.plot(times, currents * factor, ".", markersize=3, color=style.GREEN)
            style.describe(self._cells, "last readings of cells", "bench clock [s]", f"current [{unit}]")
        else:
            style.describe(self._cells, "no readings of cells yet", "bench clock [s]", "current [A]")
        if self._last is not None:
            index, codes = self._last
            style.histogram(self._codes, codes.ravel())
            style.describe(self._codes, f"output codes of operation {index}", "code", "outputs")
        else:
            style.describe(self._codes, "no products yet", "code", "outputs")
