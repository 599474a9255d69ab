"""Cut a weight matrix into equal tiles, each of which fits one array."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.errors import InputError


@dataclass(frozen=True)
class TileGrid:
    """How a matrix of `(inputs, outputs)` is cut: `down` x `across` tiles of `(rows, outputs)` weights.

    Tiles of one matrix are of one size (a matrix of 144 inputs on 128 word lines gives two tiles of 72, not 128 and
    16): they can be driven in one call, and their wires are alike. The last ones are padded with zero weights.
    """

    inputs: int
    outputs: int
    down: int
    across: int

    @property
    def rows(self) -> int:
        """Get the word lines of one tile."""
        return -(-self.inputs // self.down)

    @property
    def weights(self) -> int:
        """Get the outputs of one tile: weights in a row of it."""
        return -(-self.outputs // self.across)

    @property
    def tiles(self) -> int:
        """Get the number of tiles."""
        return self.down * self.across

    def cut(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """Return the tiles `(tiles, rows, weights)` of a matrix `(inputs, outputs)`, padded with 0."""
        padded = np.zeros((self.down * self.rows, self.across * self.weights), matrix.dtype)
        padded[: self.inputs, : self.outputs] = matrix
        blocks = padded.reshape(self.down, self.rows, self.across, self.weights).transpose(0, 2, 1, 3)
        return np.ascontiguousarray(blocks.reshape(self.tiles, self.rows, self.weights))

    def used(self) -> int:
        """Return how many weights of all tiles belong to the matrix: the rest is padding."""
        return self.inputs * self.outputs


def tile_grid(shape: tuple[int, ...], rows: int, weights: int) -> TileGrid:
    """Return the grid of the fewest tiles of at most `rows` word lines and `weights` outputs.

    `shape` is that of the matrix, (inputs, outputs).

    Raises `InputError` for a tile without a row or an output.
    """
    if rows < 1 or weights < 1:
        raise InputError(f"a tile of {rows} word lines and {weights} outputs holds nothing; use at least 1 x 2 cells")
    inputs, outputs = shape
    return TileGrid(inputs, outputs, -(-inputs // rows), -(-outputs // weights))
