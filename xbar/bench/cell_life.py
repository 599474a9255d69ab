"""What the cells of one array went through: pulses, flags, last reading."""

from dataclasses import dataclass
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray


class CellFlag(IntFlag):
    """What is known of a cell; the numbers stand in chip files and never change."""

    FORMED = 1
    """It was formed."""
    GAVE_UP = 2
    """Programming gave it up: it does not reach its target."""
    STUCK = 4
    """It was seen not to move."""


@dataclass(frozen=True, eq=False)
class CellLife:
    """The life of the cells of one array; all `(rows, cols)`."""

    pulses: NDArray[np.int64]
    """Pulses that were given, or may have been."""
    flags: NDArray[np.uint32]
    """Sums of `CellFlag`."""
    last_read: NDArray[np.float64]
    """When each cell was last read [s since 1970-01-01T00:00:00Z]; NaN where never."""

    @classmethod
    def new(cls, rows: int, cols: int) -> "CellLife":
        """Return the life of cells that nothing happened to."""
        shape = (rows, cols)
        return cls(np.zeros(shape, np.int64), np.zeros(shape, np.uint32), np.full(shape, np.nan))
