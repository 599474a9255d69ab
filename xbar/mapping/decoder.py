"""Codes of a column of tiles back to products: bit lines subtracted, shifted, scaled and added, all of it digital."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from xbar.mapping.encoding import Encoding
from xbar.mapping.line_layout import DIGITAL, LineLayout
from xbar.mapping.mapped_network import MappedMatrix

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Decoder:
    """What the currents of some tiles are multiplied with."""

    layout: LineLayout
    gain: Floats
    """Of the current of each bit line `(tiles, columns)`."""
    weight: Floats
    """Of the difference of each slice `(tiles, weights * slices)` [1/S]."""

    @classmethod
    def of(cls, encoding: Encoding, matrix: MappedMatrix, gains: Floats | None = None) -> "Decoder":
        """Return the decoder of a matrix.

        `gains` (tiles, groups) is what drift compensation multiplies the groups of bit lines with.
        """
        layout = encoding.layout(matrix.grid.weights)
        weight = (matrix.scale[:, :, None] * layout.significance).reshape(len(matrix.scale), -1)
        gain = np.ones(matrix.targets.shape[::2])
        # Two lines that are subtracted have one factor, for their difference; a line that stands alone has its own.
        if gains is not None:
            gain, weight = (gain * gains, weight) if encoding.group == 1 else (gain, weight * gains)
        if matrix.left is not None:
            gain, weight = (gain / matrix.left, weight) if encoding.group == 1 else (gain, weight / matrix.left)
        return cls(layout, gain, weight)

    def of_tiles(self, tiles: Sequence[int]) -> Self:
        """Return the decoder of some tiles of the matrix."""
        return replace(self, gain=self.gain[tiles], weight=self.weight[tiles])

    def __call__(
        self,
        codes: NDArray[Any],
        step: Floats,
        offset: Floats,
        inputs: Floats,
        factor: Floats,
        out: NDArray[np.float32],
    ) -> None:
        """Fill `out` (batch, weights) [network units] with the summed products of the tiles.

        Args:
            codes: of the bit lines `(tiles, batch, columns)`.
            step: current of one code `(tiles, columns)` [A].
            offset: current of code 0 `(tiles, columns)` [A].
            inputs: summed inputs `(tiles, batch)` [V], looked at where the layout is digital.
            factor: what a volt is worth `(batch,)`, or `(1,)` for all [network units / V].
            out: products.

        """
        from xbar.mapping.decode_kernel import add_lines

        where = self.layout
        # What is computed stands behind the bit lines, one for each slice.
        minus = np.where(where.minus == DIGITAL, codes.shape[2] + np.arange(where.minus.shape[1]), where.minus)
        digital = (where.base if where.digital else where.base[:0], inputs)
        lines = (where.plus.ravel(), minus.ravel())
        add_lines((codes, step, offset), self.gain, digital, lines, self.weight, factor, out)
