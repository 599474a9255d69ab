"""Differential pair: a weight is the difference of two cells on neighbouring bit lines.

w = (g_plus - g_minus) * scale. One of the two cells carries the magnitude, the other stands at g_min. Bit line 2j is
the plus line of output j, bit line 2j + 1 its minus line; both are converted, and subtracted digitally. In slices, each
slice has a pair of its own, the least significant first.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.mapping.encoded_tiles import EncodedTiles, relative_weights
from xbar.mapping.encoding import Encoding
from xbar.mapping.line_layout import LineLayout


@dataclass(frozen=True)
class DifferentialPair(Encoding):
    """Two cells for each weight, or for each slice of it."""

    @property
    def name(self) -> str:
        """Get the name by which it is chosen."""
        return "differential" if self.slices is None else "slices"

    @property
    def lines(self) -> int:
        """Get the bit lines of one weight."""
        return 2 * self.count

    @property
    def references(self) -> int:
        """Get the bit lines of a tile that all of its weights share: none."""
        return 0

    @property
    def group(self) -> int:
        """Get how many neighbouring bit lines belong together."""
        return 2

    def encode(self, tiles: NDArray[Any], keep: float = 1.0) -> EncodedTiles:
        """Return the conductances of weights `(tiles, rows, weights)`; `keep` is that of `relative_weights`."""
        w = relative_weights(tiles, keep)
        low, span = self.low, self.high - self.low
        if self.slices is None:
            scale = w.largest / span
            plus, minus = low + span * np.maximum(w.share, 0.0), low + span * np.maximum(-w.share, 0.0)
            pairs = np.stack([plus, minus], axis=-1)
        else:
            number = np.rint(w.share * self.slices.largest).astype(np.int64)
            scale = w.largest / (self.slices.largest * self.slices.step)
            plus, minus = (self.slices.conductances(np.maximum(n, 0)) for n in (number, -number))
            pairs = np.stack([plus, minus], axis=-1)
        targets = pairs.reshape(*w.share.shape[:2], self.columns(w.share.shape[2]))
        return EncodedTiles(np.clip(targets, low, self.high), scale, w.clipped)

    def layout(self, weights: int) -> LineLayout:
        """Return the bit lines of a tile of so many weights in a row."""
        plus = 2 * np.arange(weights * self.count).reshape(weights, self.count)
        significance = np.ones(1) if self.slices is None else self.slices.significance
        return LineLayout(plus, plus + 1, significance, np.zeros(self.count))

    def describe(self) -> str:
        """Return the encoding in a few words."""
        if self.slices is None:
            return "differential pairs"
        return f"differential pairs in {self.count} slices of {self.slices.bits} bits"
