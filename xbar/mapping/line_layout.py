"""Which bit lines of a tile make up a weight: each slice of it is the difference of two currents."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Lines = NDArray[np.int64]

DIGITAL = -1
"""In place of a minus line: nothing is measured, a conductance times the summed inputs is subtracted."""


@dataclass(frozen=True, eq=False)
class LineLayout:
    """The bit lines of a tile's weights.

    weight = scale * sum over slices of significance * (current of plus - current of minus) / input
    """

    plus: Lines
    """Bit line that carries a slice of a weight `(weights, slices)`, the least significant slice first."""
    minus: Lines
    """Bit line that is subtracted `(weights, slices)`, or `DIGITAL`."""
    significance: Floats
    """What a slice counts `(slices,)`: 1, 2^b, 4^b, ... for slices of b bits."""
    base: Floats
    """Conductance `(slices,)` [S] whose product with the summed inputs is subtracted where `minus` is `DIGITAL`."""

    @property
    def digital(self) -> bool:
        """Get whether the sum of the inputs is needed to decode."""
        return bool((self.minus == DIGITAL).any())

    def decode(self, conductances: Floats, scale: Floats) -> Floats:
        """Return the weights `(tiles, rows, weights)` that conductances `(tiles, rows, columns)` [S] stand for.

        `scale` is that of the encoded tiles, `(tiles, weights)` [1/S].
        """
        minus = np.where(self.minus == DIGITAL, self.base, conductances[..., self.minus])
        found: Floats = ((conductances[..., self.plus] - minus) * self.significance).sum(axis=-1)
        return found * scale[:, None, :]
