"""The network of an array as numbers: segments and sides, its transpose, and cells that no source reaches.

The equations (solver of a cross-point array, modified nodal analysis): cell (i, j) of conductance G joins word node w
and bit node b; the current of every segment is the sum of the currents of the cells behind it. Only resistances
appear, never their inverse, so that a wire of 0 ohm is no special case.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from xbar.circuit.boundary import Boundary, SideArrays, side_arrays
from xbar.circuit.memory import require_memory
from xbar.circuit.real_numbers import real_numbers
from xbar.circuit.wires import Floats, Wires
from xbar.errors import InputError

SHORT = 1e4
"""Conductance of a shorted cell [S]: larger ones, infinity among them, are set to it."""

BROKEN = 1e15
"""Segments of this resistance or more [ohm] are taken as broken: exactly no current flows."""

COPIES = 4 * 8.0
"""Memory that every use of an array takes at least, for each cell [bytes]."""

FAR_LEAST = 1e-15
"""Least resistance of a connected top end in the bit-line ladders [ohm]: 0 would give 0/0, this no error."""


@dataclass(frozen=True, eq=False)
class Network:
    """Segments and sides of an array, in ohm and volt; infinity is open."""

    word: Floats
    """`(rows, cols)`: segment left of each cell; none is infinite in column 0."""
    bit: Floats
    """`(rows, cols)`: segment below each cell; none is infinite in the last row."""
    left: SideArrays
    right: SideArrays
    """Its resistances include the segments right of the last cells."""
    top: SideArrays
    """Its resistances include the segments above the first cells."""
    bottom: SideArrays

    @property
    def shape(self) -> tuple[int, int]:
        """Get the number of word and bit lines."""
        return self.word.shape[0], self.word.shape[1]

    def transposed(self) -> "Network":
        """Return the network with word and bit lines exchanged; the near sides (left, bottom) stay the near sides."""
        flip = (slice(None, None, -1), slice(None, None, -1))
        return Network(
            self.bit[flip].T,
            self.word[flip].T,
            self.bottom.reversed(),
            self.top.reversed(),
            self.right.reversed(),
            self.left.reversed(),
        )

    @property
    def floats(self) -> bool:
        """Tell whether some piece of a line has no connected end of its own."""
        lines = (self.left, self.right), (self.bottom, self.top)
        loose = any((np.isinf(a.resistance) & np.isinf(b.resistance)).any() for a, b in lines)
        return loose or bool(np.isinf(self.word).any() or np.isinf(self.bit).any())


def network(shape: tuple[int, int], wires: Wires, boundary: Boundary | None = None) -> Network:
    """Return the network of an array of `shape` (rows, cols).

    Raises `InputError` where arrays do not fit the shape, or where a line without resistance is held at two voltages.
    """
    rows, cols = shape
    boundary = Boundary() if boundary is None else boundary
    for name, given, kind in (("wires", wires, Wires), ("boundary", boundary, Boundary)):
        if not isinstance(given, kind):
            raise InputError(f"{name} are {given!r}; give a {kind.__name__}")
    left = side_arrays(boundary.left, rows, wires.source, "left")
    right = side_arrays(boundary.right, rows, wires.source, "right")
    top = side_arrays(boundary.top, cols, wires.sense, "top")
    bottom = side_arrays(boundary.bottom, cols, wires.sense, "bottom")
    word = np.array(wires.word_segments(rows, cols, bool(np.isfinite(right.resistance).any())))
    bit = np.array(wires.bit_segments(rows, cols, bool(np.isfinite(top.resistance).any())))
    word[word >= BROKEN] = np.inf
    bit[bit >= BROKEN] = np.inf
    right = replace(right, resistance=right.resistance + word[:, -1])
    top = replace(top, resistance=top.resistance + bit[0])
    word, bit = word[:, :-1].copy(), bit[1:].copy()
    left = replace(left, resistance=np.where(np.isinf(word[:, 0]), np.inf, left.resistance))
    bottom = replace(bottom, resistance=np.where(np.isinf(bit[-1]), np.inf, bottom.resistance))
    left, right, top, bottom = (
        replace(side, port=side.port & np.isfinite(side.resistance)) for side in (left, right, top, bottom)
    )
    word[np.isinf(word[:, 0]), 0] = 0
    bit[-1, np.isinf(bit[-1])] = 0
    right = _without_loops(left, right, left.resistance + word.sum(1), "word line", "left and right")
    top = _without_loops(bottom, top, bottom.resistance + bit.sum(0), "bit line", "bottom and top")
    return Network(word, bit, left, right, top, bottom)


def _without_loops(near: SideArrays, far: SideArrays, ohm: Floats, line: str, sides: str) -> SideArrays:
    """Open the far end of lines of 0 ohm whose two ends are held alike; refuse those held at two voltages."""
    loop = ohm + far.resistance == 0
    same = near.port & far.port & (near.volts == far.volts)
    if line == "word line":
        same |= ~near.port & ~far.port & (near.volts == far.volts)
    if (loop & ~same).any():
        k = int(np.flatnonzero(loop & ~same)[0])
        raise InputError(
            f"{line} {k} has 0 ohm between its {sides} ends, and these are held by different sources: its current is "
            "not determined; open one end or give the wires a resistance"
        )
    return replace(far, resistance=np.where(loop, np.inf, far.resistance))


def conductances(g: ArrayLike, axes: tuple[int, ...] = (2, 3)) -> Floats:
    """Return the conductances of cells [S] in float64, shorted ones limited to `SHORT`.

    Raises `InputError` for NaN, negative values, another number of axes, an array without cells, or more of them than
    the memory of this machine takes.
    """
    array = real_numbers(g, "conductances")
    if array.ndim not in axes or 0 in array.shape:
        shapes = " or ".join({2: "(rows, cols)", 3: "(tiles, rows, cols)"}[k] for k in axes)
        raise InputError(f"conductances have the shape {array.shape}; give {shapes} with one cell or more")
    require_memory(COPIES * array.size, f"arrays of {array.size:.3g} cells")
    bad = ~(array >= 0)
    if bad.any():
        place = tuple(int(k) for k in np.argwhere(bad)[0])
        raise InputError(
            f"conductance of cell {place} is {array[place]:g} S; 0 (open) to infinity (shorted) is possible, and a "
            "cell that was not measured needs a value"
        )
    limited: Floats = np.minimum(array, SHORT)
    return limited


@dataclass(frozen=True, eq=False)
class Reached:
    """Which nodes a source reaches; the others carry no current and stand at 0 V by definition."""

    word: NDArray[np.bool_]
    """`(rows, cols)`"""
    bit: NDArray[np.bool_]
    """`(rows, cols)`"""

    @property
    def cells(self) -> NDArray[np.bool_]:
        """Get the cells whose two nodes are reached; a current flows through these alone."""
        return self.word & self.bit


def reached(net: Network, conducts: NDArray[np.bool_]) -> Reached | None:
    """Return which nodes are joined to a held end through wires and cells that conduct; None: all lines are held.

    Pieces of lines are the nodes of a graph; a set of pieces without a held end has no determined voltage, and would
    make the equations singular.
    """
    if not net.floats:
        return None
    rows, cols = net.shape
    cut_word, cut_bit = np.isinf(net.word), np.isinf(net.bit)
    # Pieces are numbered along each line: a new one begins behind every broken segment.
    word = np.cumsum(cut_word.ravel()).reshape(rows, cols) + np.arange(rows)[:, None]
    below = np.concatenate([np.zeros((1, cols), bool), cut_bit[:-1]]).T
    bit = (np.cumsum(below.ravel()).reshape(cols, rows) + np.arange(cols)[:, None]).T
    words, bits = int(word[-1, -1]) + 1, int(bit[-1, -1]) + 1
    held = words + bits
    one, two = [word[conducts]], [words + bit[conducts]]
    for side, pieces in (
        (net.left, word[:, 0]),
        (net.right, word[:, -1]),
        (net.top, words + bit[0]),
        (net.bottom, words + bit[-1]),
    ):
        ends = pieces[np.isfinite(side.resistance)]
        one.append(ends)
        two.append(np.full(ends.size, held))
    i, j = np.concatenate(one), np.concatenate(two)
    graph = coo_array((np.ones(i.size, np.int8), (i, j)), shape=(held + 1, held + 1))
    label = connected_components(graph, directed=False)[1]
    alive = label == label[held]
    return Reached(alive[word], alive[words + bit])
