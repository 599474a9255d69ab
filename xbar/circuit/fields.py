"""Fields of one array: node voltages and the currents at its ends, for any sources, marched along the shorter way."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.circuit.march import March
from xbar.circuit.network import Network, reached
from xbar.circuit.sources import Sources
from xbar.circuit.wires import Floats


@dataclass(frozen=True, eq=False)
class ArrayFields:
    """Solution of one array for a batch of sources."""

    word: NDArray[Any]
    """`(batch, rows, cols)`: voltages of the word nodes [V]; nothing without `keep`."""
    bit: NDArray[Any]
    """`(batch, rows, cols)`: voltages of the bit nodes [V]."""
    right: NDArray[Any]
    """`(batch, rows)`: currents that leave at the right ends [A]."""
    bottom: NDArray[Any]
    """`(batch, cols)`: currents that leave at the bottom ends [A]."""
    top: NDArray[Any]
    """`(batch, cols)`: currents that leave at the top ends [A]."""
    total: NDArray[Any]
    """`(batch, cols)`: currents of the cells of each bit line [A]: those of both ends together, also where a current
    from end to end is so large that its rounding would hide them."""


class ArrayMarch:
    """One array, marched with its word and bit lines exchanged where it has more rows than columns."""

    def __init__(self, net: Network, g: Floats, dtype: Any = np.float64) -> None:
        """March `g` (rows, cols) [S]; cells that no source reaches carry no current."""
        self.net = net
        self.found = reached(net, g > 0)
        cells = self.cells = g if self.found is None else np.where(self.found.cells, g, 0.0)
        self.turned = g.shape[0] > g.shape[1]
        if self.turned:
            # Both axes are reversed too: the near sides stay the near sides.
            self._march = March(net.transposed(), np.ascontiguousarray(cells[::-1, ::-1].T), dtype)
        else:
            self._march = March(net, cells, dtype)

    def matrix(self) -> NDArray[Any]:
        """Return the operator `(rows, cols)` [S]; exchanging sources and sensing changes nothing (reciprocity)."""
        found = self._march.matrix()
        return np.ascontiguousarray(found[::-1, ::-1].T) if self.turned else found

    def fields(self, sources: Sources, keep: bool) -> ArrayFields:
        """Return the solution for a batch of sources; `keep`: with all node voltages."""
        if not self.turned:
            found = self._march.fields(sources, keep)
            word, bit = (found.nodes[k].transpose(2, 1, 0) for k in (0, 1)) if found.nodes is not None else (None, None)
            right, bottom, top, total = found.right, found.near, found.total - found.near, found.total
        else:
            turned = Sources(sources.bottom[::-1], sources.top[::-1], sources.right[::-1], sources.left[::-1])
            found = self._march.fields(turned, keep)
            flipped = found.nodes[:, ::-1, ::-1] if found.nodes is not None else None
            word, bit = (flipped[k].transpose(2, 0, 1) for k in (1, 0)) if flipped is not None else (None, None)
            right, bottom, top = (found.total - found.near)[::-1], -found.left[::-1], found.right[::-1]
            total = bottom + top
        none = np.empty((0, *self.net.shape), self._march.dtype)
        return ArrayFields(
            none if word is None else self._grounded(word, 0),
            none if bit is None else self._grounded(bit, 1),
            np.ascontiguousarray(right.T),
            np.ascontiguousarray(bottom.T),
            np.ascontiguousarray(top.T),
            np.ascontiguousarray(total.T),
        )

    def _grounded(self, nodes: NDArray[Any], kind: int) -> NDArray[Any]:
        """Return node voltages with 0 V where no source reaches a node."""
        if self.found is None:
            return np.ascontiguousarray(nodes)
        return np.where((self.found.word, self.found.bit)[kind], nodes, 0)
