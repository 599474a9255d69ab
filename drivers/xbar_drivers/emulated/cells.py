"""The cells behind the lines of a served bench, as conductances at a moment of the bench's time."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from xbar.array.simulated_arrays import SimulatedArrays
from xbar.random import Purpose, normals

Floats = NDArray[np.float64]


class Cells(Protocol):
    """What the lines need to know of an array."""

    shape: tuple[int, int]
    """Word lines and bit lines."""

    def conductances(self, time: float) -> Floats:
        """Return what one reading at `time` [s] sees (rows, cols) [S]: a new draw of noise at every call."""
        ...

    def noiseless(self, time: float) -> Floats:
        """Return the conductances at `time` [s] without read noise (rows, cols) [S]."""
        ...


class ArrayCells:
    """One array of `SimulatedArrays`: drift goes on with the bench's time, every reading draws its noise.

    Args:
        arrays: the simulated arrays; their clock follows the bench's.
        array: number of the array.

    """

    def __init__(self, arrays: SimulatedArrays, array: int = 0) -> None:
        self.arrays, self.array = arrays, array
        self.shape = (arrays.shape[1], arrays.shape[2])
        self._start = arrays.clock
        self._reads = 0

    def noiseless(self, time: float) -> Floats:
        """Return drifted conductances, faulty cells and lines in place."""
        cells = self.arrays.cells(self.array)
        return cells.faulty(cells.drifted(self._moment(time)))

    def conductances(self, time: float) -> Floats:
        """Return drifted conductances with 1/f noise and white read noise of one reading."""
        cells, card = self.arrays.cells(self.array), self.arrays.card
        if card.read_noise is None and card.flicker_noise is None:
            return self.noiseless(time)
        moment = self._moment(time)
        g = cells.with_flicker(cells.drifted(moment), moment, self._reads, Purpose.CELL_FLICKER_NOISE)
        sigma = cells.sigma(g)
        if sigma is not None:
            event = np.array([self._reads], np.uint64)
            seed = self.arrays.periphery.seed
            z = normals(event, self.array, g.size, seed, Purpose.CELL_READ_NOISE).reshape(g.shape)
            # A conductance below 0 would feed the network: the tail of the noise is cut at an open cell.
            g = np.maximum(g + sigma * z, 0.0)
        self._reads += 1
        return np.asarray(g, np.float64)

    def _moment(self, time: float) -> float:
        self.arrays.clock = max(self.arrays.clock, self._start + time)
        return self._start + time
