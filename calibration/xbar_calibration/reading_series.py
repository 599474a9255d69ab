"""Readings of one cell in a row, kept one by one: what noise does in time."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from xbar_calibration.fit import Floats, Ints

SHORTEST: Final = 32
"""Readings of the shortest series."""
MOST_READINGS: Final = 1_000_000
"""Readings that are kept (24 MB); of longer data the first series."""


@dataclass(frozen=True, eq=False)
class Series:
    """Series of readings; one row a reading, `(n,)` each, those of a series one after the other, in order of time."""

    number: Ints
    """Of the series, rising."""
    cell: Ints
    time: Floats
    """[s]."""
    g: Floats
    """Conductance [S]."""

    def __len__(self) -> int:
        """Return the number of readings."""
        return len(self.g)


@dataclass
class SeriesBuilder:
    """Collects the long series among readings that come in chunks."""

    parts: list[tuple[Ints, Ints, Floats, Floats]] = field(default_factory=list)
    kept: int = 0
    count: int = 0

    def add(self, group: Ints, cell: Ints, time: Floats, g: Floats) -> None:
        """Add readings, `(n,)` each; those of a series follow each other and share `group` and `cell`.

        Shorter ones than `SHORTEST` are left out, as are series whose readings all have one time.
        """
        if not len(g):
            return
        start = np.flatnonzero(np.r_[True, (np.diff(group) != 0) | (np.diff(cell) != 0)])
        length = np.diff(np.r_[start, len(g)])
        span = time[start + length - 1] - time[start]
        long = (length >= SHORTEST) & (span > 0)
        pick = np.repeat(long, length)
        if not pick.any() or self.kept >= MOST_READINGS:
            return
        number = self.count + np.repeat(np.cumsum(long) - 1, length)[pick]
        self.parts.append((number.astype(np.int64), cell[pick], time[pick], g[pick]))
        self.kept, self.count = self.kept + int(pick.sum()), self.count + int(long.sum())

    def finish(self) -> Series | None:
        """Return the series, None where there is none."""
        if not self.parts:
            return None
        number, cell, time, g = (np.concatenate([part[k] for part in self.parts])[:MOST_READINGS] for k in range(4))
        return Series(number.astype(np.int64), cell.astype(np.int64), time, g)
