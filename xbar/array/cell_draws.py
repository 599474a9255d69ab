"""Random numbers of the cells of one array: of all at one event, or of some, each at an event of its own."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbar.random import Purpose, cell_normals, cell_uniforms, normals, uniforms

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CellDraws:
    """What is random is a function of (seed, array, cell, event), so that it depends on no other cell."""

    seed: int
    array: int
    shape: tuple[int, int]

    def normals(self, event: int, purpose: Purpose) -> NDArray[np.float32]:
        """Return a standard normal for each cell `(rows, cols)`."""
        drawn = normals(np.array([event], np.uint64), self.array, self._size, self.seed, purpose)
        return np.asarray(drawn.reshape(self.shape))

    def uniforms(self, event: int, purpose: Purpose) -> Floats:
        """Return a number in [0, 1) for each cell `(rows, cols)`."""
        drawn = uniforms(np.array([event], np.uint64), self.array, self._size, self.seed, purpose)
        return np.asarray(drawn.reshape(self.shape))

    def cell_normals(self, events: NDArray[np.uint64], cells: NDArray[np.int64], purpose: Purpose) -> Floats:
        """Return a standard normal for each cell `(n,)`, numbered along the rows, at its own event `(n,)`."""
        return cell_normals(events, cells, self.array, self.seed, purpose).astype(np.float64)

    def cell_uniforms(self, events: NDArray[np.uint64], cells: NDArray[np.int64], purpose: Purpose) -> Floats:
        """Return a number in [0, 1) for each cell `(n,)`, numbered along the rows, at its own event `(n,)`."""
        return cell_uniforms(events, cells, self.array, self.seed, purpose)

    def lines(self, purpose: Purpose) -> tuple[Floats, Floats]:
        """Return a number in [0, 1) for each word line `(rows,)` and each bit line `(cols,)`."""
        found = [
            uniforms(np.array([event], np.uint64), self.array, count, self.seed, purpose)[0]
            for event, count in enumerate(self.shape)
        ]
        return found[0], found[1]

    @property
    def _size(self) -> int:
        return self.shape[0] * self.shape[1]
