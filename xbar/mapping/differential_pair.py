"""Differential pair: a weight is the difference of two cells on neighbouring bit lines.

w = (g_plus - g_minus) * scale. One of the two cells carries the magnitude, the other stands at g_min. Bit line 2j is
the plus line of output j, bit line 2j + 1 its minus line; both are converted, and subtracted digitally.

Conductances are scaled per column: the largest weight of each column of a tile takes the whole range. One scale for a
whole tensor ruins real networks, whose columns differ by an order of magnitude (docs/explanation/mapping.md).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.errors import InputError

COLUMNS = 2
"""Bit lines of one output."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EncodedTiles:
    """Conductances of the tiles of one matrix."""

    targets: Floats
    """Target conductances `(tiles, rows, 2 * weights)` [S]."""
    scale: Floats
    """Weight of one siemens of difference `(tiles, weights)` [1/S]."""
    clipped: int
    """Weights cut to the range."""


def encode(tiles: NDArray[Any], g_min: float, g_max: float, keep: float = 1.0) -> EncodedTiles:
    """Return the conductances of weights `(tiles, rows, weights)`.

    Args:
        tiles: weights, any real type.
        g_min: conductance of an unused cell [S].
        g_max: conductance of the largest weight of a column [S].
        keep: quantile, above 0 and at most 1, of a column's magnitudes that takes the whole range; larger weights are
            clipped. 1 clips nothing. A column whose quantile is 0 (most of it zeros) keeps its largest weight.

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
    relative = np.clip(weights, -largest[:, None, :], largest[:, None, :]) / largest[:, None, :]
    clipped = int(np.count_nonzero(size > largest[:, None, :] * (1 + 1e-12)))
    span = g_max - g_min
    plus, minus = g_min + span * np.maximum(relative, 0.0), g_min + span * np.maximum(-relative, 0.0)
    targets = np.stack([plus, minus], axis=-1).reshape(*weights.shape[:2], COLUMNS * weights.shape[2])
    return EncodedTiles(np.clip(targets, g_min, g_max), largest / span, clipped)


def decode(targets: Floats, scale: Floats) -> Floats:
    """Return the weights `(tiles, rows, weights)` that conductances `(tiles, rows, 2 * weights)` [S] stand for."""
    return (targets[..., 0::2] - targets[..., 1::2]) * scale[:, None, :]
