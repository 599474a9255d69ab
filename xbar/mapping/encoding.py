"""An encoding: how weights become conductances on the bit lines of a tile, and which currents are subtracted."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.mapping.bit_slices import BitSlices
from xbar.mapping.encoded_tiles import EncodedTiles
from xbar.mapping.line_layout import LineLayout
from xbar.mapping.tiling import TileGrid

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Encoding(ABC):
    """How weights stand on a tile: `lines` bit lines for each of them, in order, then `references` bit lines for all.

    Bit lines are told apart in groups: `group` neighbouring ones that are subtracted from each other and share what
    drift and wires leave of them. A group of one has a factor for its current, a group of two for its difference.
    """

    low: float
    """Smallest conductance of the device [S]."""
    high: float
    """Largest conductance of the device [S]."""
    slices: BitSlices | None = None
    """None: one conductance for the whole weight."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Get the name by which it is chosen."""

    @property
    @abstractmethod
    def lines(self) -> int:
        """Get the bit lines of one weight."""

    @property
    @abstractmethod
    def references(self) -> int:
        """Get the bit lines of a tile that all of its weights share."""

    @property
    @abstractmethod
    def group(self) -> int:
        """Get how many neighbouring bit lines belong together, 1 or 2."""

    @abstractmethod
    def encode(self, tiles: NDArray[Any], keep: float = 1.0) -> EncodedTiles:
        """Return the conductances of weights `(tiles, rows, weights)`; `keep` is that of `relative_weights`."""

    @abstractmethod
    def layout(self, weights: int) -> LineLayout:
        """Return the bit lines of a tile of so many weights in a row."""

    @abstractmethod
    def describe(self) -> str:
        """Return the encoding in a few words."""

    @property
    def count(self) -> int:
        """Get the slices of a weight, 1 where it is not sliced."""
        return 1 if self.slices is None else self.slices.count

    def columns(self, weights: int) -> int:
        """Return the bit lines of a tile of so many weights in a row."""
        return self.lines * weights + self.references

    def weights(self, columns: int) -> int:
        """Return the most weights in a row that so many bit lines hold, 0 where they hold none."""
        return max(0, (columns - self.references) // self.lines)

    def groups(self, weights: int) -> int:
        """Return the groups of bit lines of a tile of so many weights in a row."""
        return self.columns(weights) // self.group

    def totals(self, currents: Floats) -> Floats:
        """Return the summed currents `(..., groups)` of bit lines `(..., columns)`."""
        found: Floats = currents.reshape(*currents.shape[:-1], -1, self.group).sum(axis=-1)
        return found

    def differences(self, values: Floats) -> Floats:
        """Return what groups stand for, `(..., groups)` of bit lines `(..., columns)`: differences of pairs."""
        return values if self.group == 1 else values[..., 0::2] - values[..., 1::2]

    def cells(self, grid: TileGrid) -> int:
        """Return the cells that a matrix takes, those of reference lines included, padding left out."""
        return self.lines * grid.used() + self.references * grid.inputs * grid.across

    def in_use(self, weights: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which cells `(rows, columns)` of a tile are in use, for weights `(rows, weights)` that are."""
        shared = np.repeat(weights.max(axis=1, keepdims=True), self.references, axis=1)
        return np.concatenate([np.repeat(weights, self.lines, axis=1), shared], axis=1)

    def settings(self) -> str | dict[str, Any]:
        """Return what a map file keeps of it: its name, and the slices where there are any."""
        if self.slices is None:
            return self.name
        return {"name": self.name, "slices": self.slices.count, "slice_bits": self.slices.bits}
