"""One array of a map as it stands on a bench: the tile from its first cell, the other cells unwritten."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbar.errors import InputError
from xbar.mapping.mapped_network import MappedNetwork


@dataclass(frozen=True, eq=False)
class ArrayTargets:
    """The cells of one array."""

    layer: str
    """First layer that uses the tile's matrix."""
    conductances: NDArray[np.float64]
    """`(rows, cols)` of the whole array [S]; cells beyond the tile at the lower end of the card's range."""
    rows: int
    """Word lines of the tile: those that are driven; the others stand at 0 V."""
    cols: int
    """Bit lines of the tile: those that are read."""


def array_targets(mapped: MappedNetwork, array: int) -> ArrayTargets:
    """Return the target conductances of one array. Raises `InputError` where the map has no such array."""
    for number, matrix in enumerate(mapped.matrices):
        if array in matrix.arrays:
            names = [layer.name for layer in mapped.layers if layer.matrix == number]
            tile = matrix.targets[array - matrix.first_array]
            whole = np.full(mapped.tile, mapped.card.g_min)
            whole[: tile.shape[0], : tile.shape[1]] = tile
            return ArrayTargets(names[0] if names else f"matrix {number}", whole, *tile.shape)
    raise InputError(f"array {array} does not exist; the map has arrays 0 to {mapped.arrays - 1}")
