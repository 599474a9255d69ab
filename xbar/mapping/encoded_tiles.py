"""What an encoding makes of weights, and the scale that every encoding starts from: one for each column of a tile.

The largest weight of each column takes the whole range of the device. One scale for a whole tensor ruins real networks,
whose columns differ by an order of magnitude (docs/explanation/mapping.md).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EncodedTiles:
    """Conductances of the tiles of one matrix."""

    targets: Floats
    """Target conductances `(tiles, rows, columns)` [S]."""
    scale: Floats
    """Weight of one siemens, in the least significant slice where there are several, `(tiles, weights)` [1/S]."""
    clipped: int
    """Weights cut to the range."""


@dataclass(frozen=True, eq=False)
class RelativeWeights:
    """Weights as shares of what takes the whole range."""

    share: Floats
    """`(tiles, rows, weights)`, -1 to 1."""
    largest: Floats
    """Weight of share 1, `(tiles, weights)`."""
    clipped: int
    """Weights cut to the range."""


def relative_weights(tiles: NDArray[Any], keep: float = 1.0) -> RelativeWeights:
    """Return weights `(tiles, rows, weights)` relative to the largest of each column.

    Args:
        tiles: weights, any real type.
        keep: quantile, above 0 and at most 1, of a column's magnitudes that takes the whole range; larger weights are
            clipped. 1 clips nothing. A column whose quantile is 0 (most of it zeros) keeps its largest weight.

    Raises:
        InputError: a quantile that cannot be meant.

    """
    if not 0 < keep <= 1:
        raise InputError(f"clipping quantile {keep} must be above 0 and at most 1; 1 clips nothing")
    weights = tiles.astype(np.float64)
    size = np.abs(weights)
    largest = size.max(axis=1)
    if keep < 1:
        quantile = np.quantile(size, keep, axis=1, method="higher")
        largest = np.where(quantile > 0, quantile, largest)
    # A column of zeros takes any scale; 1 keeps its output at 0.
    largest = np.where(largest > 0, largest, 1.0)
    # Cut before the division: a weight far beyond a tiny range would overflow in it.
    share = np.clip(weights, -largest[:, None, :], largest[:, None, :]) / largest[:, None, :]
    clipped = int(np.count_nonzero(size > largest[:, None, :] * (1 + 1e-12)))
    return RelativeWeights(share, largest, clipped)
