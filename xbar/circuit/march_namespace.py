"""MARCH in the array namespace: the effective operators of many tiles at once, where their arrays live.

The compiled march walks along each bit line; on a GPU that would be two launches a cell. Here the bit lines are solved
for unit currents first, all columns of all tiles together, and each column is then one product of matrices: some 10
launches for each row and each column, whatever the number of tiles, for 2 M^3 N operations instead of 10 M^2 N.
`xbar.circuit.gpu_kernels` has the walk as one kernel.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from array_api_compat import device

from xbar.circuit.boundary import Boundary
from xbar.circuit.ends import near_end
from xbar.circuit.march import GROWTH
from xbar.circuit.network import FAR_LEAST, SHORT, Network, network
from xbar.circuit.wires import Wires
from xbar.errors import InputError, Unsupported
from xbar.namespace import Array, namespace

BUDGET = 1 << 25
"""Numbers in the solved bit lines of the columns that are in work at once."""


class Columns(NamedTuple):
    """Tiles as the march needs them, column by column."""

    d: Array
    """Conductances `(tiles, cols, rows)` [S]."""
    word: Array
    """Word-line segments left of the cells `(cols, rows)` [ohm]."""
    th: Array
    tr: Array
    """Factors of the bit-line recurrences `(tiles, cols, rows)`."""
    ladder: Array
    """`(tiles, 2, cols)`: weight of the collected current in the voltage of the last node, and in what leaves below."""


State: TypeAlias = tuple[Array, Array]
"""Voltages [V] and currents [A] of the word lines, each `(tiles, rows, lanes)`."""

March: TypeAlias = Callable[[Columns, int, int, State], tuple[State, Array, Array]]
"""Marches a state from column last-1 to first; returns the state, and `(tiles, last - first, lanes)` [A]: what leaves
at the bottom, and the sums of the cell currents."""


def effective_matrices(
    g: Array, wires: Wires, boundary: Boundary | None = None, *, march: March | None = None
) -> Array:
    """Return the operators of tiles `g` (tiles, rows, cols) [S], on their device and in their type.

    The numbers are those of `effective_operator(g, wires, boundary).matrix` to 1e-12 of the largest, 1e-5 in float32.
    `march`: another way of marching than `march_columns`.

    Raises `InputError` for conductances that cannot be, `Unsupported` for lines that float or are broken, and where
    both the far ends of word lines (right) and of bit lines (top) are connected: the CPU does these.
    """
    xp = namespace(g)
    if g.ndim != 3 or 0 in g.shape or not xp.isdtype(g.dtype, "real floating"):
        raise InputError(f"conductances {g.shape} of type {g.dtype}; give (tiles, rows, cols), floating point")
    if not bool(xp.all(g >= 0)):
        raise InputError("conductances hold negative numbers or NaN; give 0 S or more")
    net = network((g.shape[1], g.shape[2]), wires, boundary)
    turned = _turned(net)
    if turned:
        # As in the compiled march: axes exchanged and reversed, so that the near sides stay the near sides.
        net, g = net.transposed(), xp.permute_dims(xp.flip(g, axis=(1, 2)), (0, 2, 1))
    found = _matrices(net, xp.clip(g, 0.0, SHORT), march or march_columns)
    return xp.flip(xp.permute_dims(found, (0, 2, 1)), axis=(1, 2)) if turned else found


def _turned(net: Network) -> bool:
    """Tell whether to march along the bit lines: those ends must be open where the march begins."""
    if net.floats:
        raise Unsupported("lines that float or are broken: take effective_operator, or --device cpu")
    right, top = (bool(np.isfinite(side.resistance).any()) for side in (net.right, net.top))
    if right and top:
        raise Unsupported("far ends of word and of bit lines are both connected: take effective_operator")
    return right or (net.shape[0] > net.shape[1] and not top)


def _matrices(net: Network, g: Array, march: March) -> Array:
    xp, rows = namespace(g), net.shape[0]

    def put(values: Any) -> Array:
        return xp.asarray(np.ascontiguousarray(values, np.float64), dtype=g.dtype, device=device(g))

    columns = factor_columns(net, xp.permute_dims(g, (0, 2, 1)), put)
    unit = put(np.eye(rows)) + xp.zeros((g.shape[0], rows, rows), dtype=g.dtype, device=device(g))
    source = put(net.left.resistance)[:, None]
    w, c = unit, 0 * unit
    responses, conditions = [], []
    ranges = _ranges(net, float(xp.max(g)), GROWTH["float32" if g.dtype == xp.float32 else "float64"])
    for first, last in ranges:
        (w, c), near, total = march(columns, first, last, (w, c))
        whole = put((net.bottom.port & net.top.port)[first:last])[:, None]
        below, above = (put(side.port[first:last])[:, None] for side in (net.bottom, net.top))
        # Sensed at both ends: the whole sum, which cancels nothing.
        responses.append(whole * total + (1 - whole) * (below * near + above * (total - near)))
        if first == 0:
            conditions.append(w + source * c)
        else:
            # A Riccati step: the next segment starts from the admittance that is seen here.
            conditions.append(w)
            admittance = xp.matrix_transpose(xp.linalg.solve(xp.matrix_transpose(w), xp.matrix_transpose(c)))
            w, c = unit, (admittance + xp.matrix_transpose(admittance)) / 2
    chain = unit * put(net.left.port)
    found = []
    for response, condition in zip(reversed(responses), reversed(conditions), strict=True):
        chain = xp.linalg.solve(condition, chain)
        found.append(response @ chain)
    return xp.permute_dims(xp.concat(found, axis=1), (0, 2, 1))


def _ranges(net: Network, g_max: float, limit: float) -> list[tuple[int, int]]:
    """Return the segments (first, last) of the march from the open end; g_max bounds the growth of all tiles."""
    steps = np.arccosh(1 + 0.5 * net.word.max(axis=0) * min(g_max, SHORT))
    ends, growth = [net.shape[1]], 0.0
    for j in range(net.shape[1] - 1, 0, -1):
        growth += steps[j]
        if growth + steps[j - 1] > limit:
            ends.append(j)
            growth = 0.0
    ends.append(0)
    return list(zip(ends[1:], ends[:-1], strict=True))


def factor_columns(net: Network, d: Array, put: Callable[[Any], Array]) -> Columns:
    """Return columns with the factors of their bit-line ladders; `put` copies a NumPy array to the device of `d`."""
    xp = namespace(d)
    rows = d.shape[2]
    bit = put(net.bit.T)
    x = d[:, :, 0] + put(1 / np.maximum(net.top.resistance, FAR_LEAST))
    th = []
    for k in range(rows - 1):
        t = 1 / (1 + bit[:, k] * x)
        th.append(t)
        x = d[:, :, k + 1] + t * x
    th.append(1 + 0 * x)
    factors = xp.stack(th, axis=2)
    ga, ro = (put(v) for v in near_end(net.bottom.resistance + net.bit[-1]))
    ladder = xp.stack([ro / (ga + ro * x), ga / (ga + ro * x)], axis=1)
    return Columns(d, put(net.word.T), factors, factors * bit, ladder)


def march_columns(columns: Columns, first: int, last: int, state: State) -> tuple[State, Array, Array]:
    """March as `March` says, by products of matrices."""
    xp = namespace(columns.d)
    tiles, _, rows = columns.d.shape
    (w, c), near, total = state, [], []
    size = max(1, BUDGET // (tiles * rows * rows))
    for stop in range(last, first, -size):
        start = max(first, stop - size)
        volts, leaving = _solved_lines(columns, start, stop)
        for j in range(stop - 1, start - 1, -1):
            near.append(leaving[:, j - start, :][:, None, :] @ w)
            y = columns.d[:, j, :][:, :, None] * (w - volts[:, j - start, :, :] @ w)
            total.append(xp.sum(y, axis=1)[:, None, :])
            c = c + y
            w = w + columns.word[j, :][:, None] * c
    return (w, c), xp.concat(near[::-1], axis=1), xp.concat(total[::-1], axis=1)


def _solved_lines(columns: Columns, start: int, stop: int) -> tuple[Array, Array]:
    """Return what word-line voltages make of columns start to stop-1.

    The voltages of their bit nodes (tiles, columns, rows, rows), and the currents out of their bottom ends (tiles,
    columns, rows), for 1 V at one word node after the other: last axis.
    """
    d, th, tr = (a[:, start:stop, :, None] for a in (columns.d, columns.th, columns.tr))
    xp = namespace(d)
    rows = d.shape[2]
    unit = xp.eye(rows, dtype=d.dtype, device=device(d))
    collected = [d[:, :, 0, :] * unit[0, :]]
    for k in range(1, rows):
        collected.append(d[:, :, k, :] * unit[k, :] + th[:, :, k - 1, :] * collected[-1])
    last, below = (columns.ladder[:, m, start:stop][:, :, None] for m in (0, 1))
    b = last * collected[-1]
    volts = [b]
    for k in range(rows - 2, -1, -1):
        b = th[:, :, k, :] * b + tr[:, :, k, :] * collected[k]
        volts.append(b)
    return xp.stack(volts[::-1], axis=2), below * collected[-1]
