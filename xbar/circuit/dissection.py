"""Nested dissection with hybrid ports: the more accurate way where wires take nearly the whole signal.

A block of cells is a symmetric matrix K between port values x and their conjugates y = K x: near ends have a voltage
and give a current, far ends have a current and give a voltage, so that neither a wire of 0 ohm nor an open cell is a
special case. Two blocks are joined by eliminating the ports between them; I + Z Y there is never singular, since Z
and Y are positive semidefinite. 77 n^3 operations. An independent way to the same operator: the march's oracle.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.circuit.boundary import SideArrays
from xbar.circuit.dissection_kernel import leaf
from xbar.circuit.network import Network
from xbar.circuit.wires import Floats
from xbar.errors import Unsupported

LEAF = 8
"""Cells along the side of a leaf."""

Matrix = NDArray[Any]


def dissect(net: Network, g: Floats, dtype: np.dtype[Any]) -> tuple[Matrix, Matrix]:
    """Return the operator `(rows, cols)` [S] and the offset `(cols,)` [A] of one array with conductances `g`.

    Raises `Unsupported` for broken segments between two cells: they have no finite port matrix.
    """
    if np.isinf(net.word).any() or np.isinf(net.bit).any():
        raise Unsupported("nested dissection takes no broken line segments; use the method march, which cuts exactly")
    rows, cols = g.shape
    # The blocks count their rows from the sense ends.
    cells = np.ascontiguousarray(g[::-1], dtype)
    word = np.ascontiguousarray(net.word[::-1], dtype)
    bit = np.ascontiguousarray(net.bit[::-1], dtype)
    k = _block(cells, word, bit)
    order = np.r_[np.arange(rows)[::-1], rows + np.arange(cols)]
    order = np.r_[order, rows + cols + order]
    k = k[order[:, None], order[None, :]]
    return _close(net, k.astype(dtype, copy=False), rows, cols)


def _block(g: Matrix, word: Matrix, bit: Matrix) -> Matrix:
    """Return the port matrix of a block: near word, near bit, far word, far bit ports."""
    rows, cols = g.shape
    if rows <= LEAF and cols <= LEAF:
        size = 2 * (rows + cols)
        k = np.empty((size, size), g.dtype)
        leaf(g, word, bit, k)
        return k
    if cols >= rows:
        half = -(-cols // 2)
        near = _block(g[:, :half], word[:, :half], bit[:, :half])
        far = _block(g[:, half:], word[:, half:], bit[:, half:])
        return _join_columns(near, far, rows, half, cols - half)
    half = -(-rows // 2)
    near = _block(g[:half], word[:half], bit[:half])
    far = _block(g[half:], word[half:], bit[half:])
    return _join_rows(near, far, half, rows - half, cols)


def _join_columns(near: Matrix, far: Matrix, rows: int, left: int, right: int) -> Matrix:
    ports_near = _ports(rows, left)
    ports_far = _ports(rows, right)
    joined, place_near, place_far = _join(near, far, ports_near[2], ports_far[0])
    order = np.r_[
        place_near[ports_near[0]],
        place_near[ports_near[1]],
        place_far[ports_far[1]],
        place_far[ports_far[2]],
        place_near[ports_near[3]],
        place_far[ports_far[3]],
    ]
    return np.asarray(joined[order[:, None], order[None, :]])


def _join_rows(near: Matrix, far: Matrix, low: int, high: int, cols: int) -> Matrix:
    ports_near = _ports(low, cols)
    ports_far = _ports(high, cols)
    joined, place_near, place_far = _join(near, far, ports_near[3], ports_far[1])
    order = np.r_[
        place_near[ports_near[0]],
        place_far[ports_far[0]],
        place_near[ports_near[1]],
        place_near[ports_near[2]],
        place_far[ports_far[2]],
        place_far[ports_far[3]],
    ]
    return np.asarray(joined[order[:, None], order[None, :]])


def _ports(rows: int, cols: int) -> list[NDArray[np.intp]]:
    """Return the places of the near word, near bit, far word and far bit ports of a block."""
    ends = np.cumsum([rows, cols, rows, cols])
    return [np.arange(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]


def _join(
    a: Matrix, b: Matrix, out: NDArray[np.intp], into: NDArray[np.intp]
) -> tuple[Matrix, NDArray[np.intp], NDArray[np.intp]]:
    """Join far ports `out` of `a` with near ports `into` of `b`; return K and where the ports of both stand in it."""
    rest_a, rest_b = (np.setdiff1d(np.arange(len(k)), used) for k, used in ((a, out), (b, into)))
    z, y = -a[out[:, None], out[None, :]], b[into[:, None], into[None, :]]
    alpha, beta = a[out[:, None], rest_a[None, :]], b[into[:, None], rest_b[None, :]]
    both = np.linalg.solve(np.eye(len(out), dtype=a.dtype) + z @ y, np.concatenate([alpha, z], axis=1))
    ea, ez = both[:, : len(rest_a)], both[:, len(rest_a) :]
    split, size = len(rest_a), len(rest_a) + len(rest_b)
    joined = np.empty((size, size), a.dtype)
    joined[:split, :split] = a[rest_a[:, None], rest_a[None, :]] + alpha.T @ (y @ ea)
    joined[split:, split:] = b[rest_b[:, None], rest_b[None, :]] - beta.T @ (ez @ beta)
    joined[split:, :split] = beta.T @ ea
    joined[:split, split:] = joined[split:, :split].T
    place_a, place_b = np.full(len(a), -1), np.full(len(b), -1)
    place_a[rest_a] = np.arange(split)
    place_b[rest_b] = split + np.arange(len(rest_b))
    return joined, place_a, place_b


def _close(net: Network, k: Matrix, rows: int, cols: int) -> tuple[Matrix, Matrix]:
    """Close the ports of the whole array: near ends by ga (E - x) = ro y, far ends by R x = y - E; open far ends go."""
    far_word = np.isfinite(net.right.resistance)
    far_bit = np.isfinite(net.top.resistance)
    keep = np.r_[np.ones(rows + cols, bool), far_word, far_bit]
    k = k[keep[:, None] & keep[None, :]].reshape(keep.sum(), -1)
    size = len(k)
    near = np.r_[np.ones(rows + cols, bool), np.zeros(size - rows - cols, bool)]
    resistance = np.r_[
        net.left.resistance, net.bottom.resistance, net.right.resistance[far_word], net.top.resistance[far_bit]
    ].astype(k.dtype)
    loose = np.isinf(resistance)
    ohm = np.where(loose, 1, resistance)
    scale = np.where(near & ~loose, 1, 0).astype(k.dtype)
    system = np.where(near[:, None], ohm[:, None] * k, -k)
    system[np.arange(size), np.arange(size)] += np.where(near, scale, ohm)
    empty = np.flatnonzero(~system.any(axis=1))
    system[empty, empty] = 1
    inputs = np.zeros((size, rows + 1), k.dtype)
    inputs[:, :rows] = _drive(net, rows, cols, far_word, far_bit)
    inputs[:, rows] = np.r_[net.left.volts, -net.bottom.volts, -net.right.volts[far_word], net.top.volts[far_bit]]
    # Rows of open near ends are in siemens, the others without unit: scaled alike, so that pivots are chosen well.
    even = np.ldexp(np.ones(size, k.dtype), -np.frexp(np.abs(system).max(axis=1))[1])[:, None]
    x = np.linalg.solve(even * system, even * np.where(near[:, None], scale[:, None] * inputs, inputs))
    y = k[rows : rows + cols] @ x
    current = np.where(net.bottom.port[:, None], y, 0)
    top = np.zeros_like(current)
    top[far_bit] = -x[size - int(far_bit.sum()) :]
    current = current + np.where(net.top.port[:, None], top, 0)
    return np.ascontiguousarray(current[:, :rows].T), np.ascontiguousarray(current[:, rows])


def _drive(net: Network, rows: int, cols: int, far_word: NDArray[np.bool_], far_bit: NDArray[np.bool_]) -> Matrix:
    """Return the sources of all ports for 1 V at the driven ends of each word line in turn."""
    left, right = _diagonal(net.left), -_diagonal(net.right)
    return np.concatenate([left, np.zeros((cols, rows)), right[far_word], np.zeros((int(far_bit.sum()), rows))])


def _diagonal(side: SideArrays) -> Matrix:
    return np.diag(side.port.astype(float))
