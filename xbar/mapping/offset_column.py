"""Offset: a weight is one cell, and what a cell of weight 0 would carry is subtracted digitally.

w = (g - g_mid) * scale. What is subtracted is measured on a reference bit line of the tile, whose cells all stand at
g_mid, or computed: g_mid times the sum of the inputs, as the input converters give them. The reference line takes part
in what happens to the array (drift, wires, noise of its own, which all outputs share); the computed one knows nothing
of it. Sources: ISAAC (A. Shafiee et al., ISCA 2016, doi 10.1109/ISCA.2016.12) stores weights with a bias and subtracts
it digitally; CrossSim 3 has both ways (cores/offset_core.py, bitsliced_core.py: digital offset, unit column).

In slices a weight is a whole number and 2^(n-1) is added to it, n the bits of all slices: the digits of that are 0, but
for the most significant one, which is half of 2^b. So one reference line at digit 0 serves all slices but the last,
and another serves that; both stand at states of the device.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.mapping.encoded_tiles import EncodedTiles, relative_weights
from xbar.mapping.encoding import Encoding
from xbar.mapping.line_layout import DIGITAL, LineLayout

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OffsetColumn(Encoding):
    """One cell for each weight, or for each slice of it, and reference lines that a tile's weights share."""

    digital: bool = False
    """The reference is computed from the inputs, not measured."""

    @property
    def name(self) -> str:
        """Get the name by which it is chosen."""
        return ("digital-" if self.digital else "") + ("offset" if self.slices is None else "offset-slices")

    @property
    def lines(self) -> int:
        """Get the bit lines of one weight."""
        return self.count

    @property
    def references(self) -> int:
        """Get the bit lines of a tile that all of its weights share."""
        return 0 if self.digital else min(self.count, 2)

    @property
    def group(self) -> int:
        """Get how many neighbouring bit lines belong together: each stands alone."""
        return 1

    @property
    def zero(self) -> Floats:
        """Get the conductances `(slices,)` [S] of a weight of 0."""
        if self.slices is None:
            return np.array([(self.low + self.high) / 2])
        return self.slices.conductances(np.array(self._middle))

    @property
    def _middle(self) -> int:
        return 0 if self.slices is None else (self.slices.largest + 1) // 2

    def encode(self, tiles: NDArray[Any], keep: float = 1.0) -> EncodedTiles:
        """Return the conductances of weights `(tiles, rows, weights)`; `keep` is that of `relative_weights`."""
        w = relative_weights(tiles, keep)
        rows = w.share.shape[:2]
        if self.slices is None:
            half = (self.high - self.low) / 2
            scale, targets = w.largest / half, self.zero + half * w.share
        else:
            # The smallest number is left out: as many steps below zero as above.
            most = self._middle - 1
            number = np.rint(w.share * most).astype(np.int64) + self._middle
            scale = w.largest / (most * self.slices.step)
            targets = self.slices.conductances(number).reshape(*rows, -1)
        shared = np.broadcast_to(self.zero[-self.references :] if self.references else (), (*rows, self.references))
        targets = np.concatenate([targets, shared], axis=-1)
        return EncodedTiles(np.clip(targets, self.low, self.high), scale, w.clipped)

    def layout(self, weights: int) -> LineLayout:
        """Return the bit lines of a tile of so many weights in a row."""
        plus = np.arange(weights * self.count).reshape(weights, self.count)
        minus = np.full_like(plus, DIGITAL if self.digital else weights * self.count)
        if self.references == 2:
            minus[:, -1] += 1
        significance = np.ones(1) if self.slices is None else self.slices.significance
        return LineLayout(plus, minus, significance, self.zero if self.digital else np.zeros(self.count))

    def describe(self) -> str:
        """Return the encoding in a few words."""
        sliced = "" if self.slices is None else f" in {self.count} slices of {self.slices.bits} bits"
        lines = f"{self.references} reference line{'s' * (self.references > 1)} a tile"
        return f"offset cells{sliced}, {'subtracted digitally' if self.digital else lines}"
