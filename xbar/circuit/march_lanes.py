"""The march without sources in one pass a column: vectors of lanes whose state stays in registers and caches.

A bit line is eliminated from one end and its voltages found from the other. Where the next column is eliminated from
that other end, both are one pass over the nodes: downwards in Norton form (the current collected above, the admittance
seen), upwards in Thevenin form (the voltage behind, the resistance below). So a state is read and written once a
column, where two sweeps in one direction touch it almost twice. It needs a bit line that leaves at its bottom alone.

The pass is written in the intermediate language of LLVM, over vectors of one cache line: compiled loops over lanes
test the overlap of their arrays at every node, and scalars kept across nodes are not made vectors. No operation is
contracted or reordered, and nothing is summed across lanes: the bits are those of the same pass in scalars.
"""

from typing import Any

import numba as nb
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

VECTOR = 64
"""Bytes of a vector: one cache line, one register of AVX-512; other machines take it in parts."""
PARTS = 6
"""Coefficients of a node in a pass: d, t, q, r of the column that is finished, d, t of the one that is eliminated."""
STATES = 3
"""Vectors of a node: word-line voltages, word-line currents, what the elimination left."""
CACHED = 2**18
"""Bytes of states that go through all columns together: they stay in the second-level cache."""


@intrinsic
def _sweep(typing, states, first, step, nodes, at, count, sums):  # type: ignore[no-untyped-def]  # compiled
    """Pass over `count` nodes, from vector `first` of `states` on, `step` vectors a node; fill `sums`, one vector.

    `nodes[at:]` has the coefficients in the order of the pass. With b, s and e, voltage, sum of cell currents and
    elimination, 0 at the start:  b = t b + q f;  y = d (w - b);  s += y;  c += y;  w += r c;  f = e = D w + T e.
    """
    number = states.dtype
    signature = types.void(states, types.intp, types.intp, nodes, types.intp, types.intp, sums)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        scalar, word = context.get_value_type(number), context.get_value_type(types.intp)
        lanes = VECTOR * 8 // number.bitwidth
        vector = ir.VectorType(scalar, lanes)
        arrays = {
            name: context.make_array(signature.args[k])(context, builder, args[k]).data
            for name, k in (("states", 0), ("nodes", 3), ("sums", 6))
        }

        def place(name: str, index: Any) -> Any:
            pointer = builder.gep(arrays[name], [builder.mul(index, ir.Constant(word, lanes))])
            return builder.bitcast(pointer, vector.as_pointer())

        def splat(index: Any) -> Any:
            value = builder.load(builder.gep(arrays["nodes"], [index]))
            one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
            mask = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
            return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), mask)

        def load(pointer: Any) -> Any:
            return builder.load(pointer, align=number.bitwidth // 8)

        def store(value: Any, pointer: Any) -> None:
            builder.store(value, pointer, align=number.bitwidth // 8)

        zero = ir.Constant(vector, [0.0] * lanes)
        b, s, e = (cgutils.alloca_once_value(builder, zero) for _ in range(3))
        for pointer in (b, s, e):
            builder.store(zero, pointer)
        add, mul = builder.fadd, builder.fmul
        with cgutils.for_range(builder, args[5]) as loop:
            at = builder.add(args[4], builder.mul(loop.index, ir.Constant(word, PARTS)))
            d, t, q, r, next_d, next_t = (splat(builder.add(at, ir.Constant(word, i))) for i in range(PARTS))
            here = builder.add(args[1], builder.mul(loop.index, args[2]))
            w_at, c_at, f_at = (place("states", builder.add(here, ir.Constant(word, i))) for i in range(STATES))
            w = load(w_at)
            voltage = add(mul(t, builder.load(b)), mul(q, load(f_at)))
            builder.store(voltage, b)
            cell = mul(d, builder.fsub(w, voltage))
            builder.store(add(builder.load(s), cell), s)
            current = add(load(c_at), cell)
            store(current, c_at)
            w = add(w, mul(r, current))
            store(w, w_at)
            left = add(mul(next_d, w), mul(next_t, builder.load(e)))
            builder.store(left, e)
            store(left, f_at)
        store(builder.load(s), place("sums", ir.Constant(word, 0)))
        return context.get_dummy_value()

    return signature, generate


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _finish_upwards(d, word, th, tr, last, nodes):  # type: ignore[no-untyped-def]  # compiled
    """Fill the finishing coefficients of a column that was eliminated downwards, from its last node on."""
    rows = d.shape[0]
    for n in range(rows):
        k = rows - 1 - n
        nodes[n, 0], nodes[n, 3] = d[k], word[k]
        nodes[n, 1], nodes[n, 2] = (0, last) if n == 0 else (th[k], tr[k])


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _eliminate_downwards(d, th, nodes):  # type: ignore[no-untyped-def]  # compiled
    for k in range(d.shape[0]):
        nodes[k, 4], nodes[k, 5] = d[k], 0 if k == 0 else th[k - 1]


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _thevenin(d, word, bit, z, up, down):  # type: ignore[no-untyped-def]  # compiled
    """Fill the coefficients of a column that is eliminated upwards and finished downwards, `z` [ohm] at its bottom."""
    rows = d.shape[0]
    one = d.dtype.type(1)
    for n in range(rows):
        k = rows - 1 - n
        t = one / (one + z * d[k])
        up[n, 4], up[n, 5] = z * d[k] * t, t
        z = z * t
        down[k, 0], down[k, 3] = d[k], word[k]
        if k == 0:
            down[k, 1], down[k, 2] = 0, one
        else:
            whole = z + bit[k - 1]
            share = z / whole if whole > 0 else 0 * z
            down[k, 1], down[k, 2] = share, one - share if share < 0.5 else bit[k - 1] / whole
            z = whole


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _passes(columns, bit, z, first, last, nodes):  # type: ignore[no-untyped-def]  # compiled
    """Fill the coefficients `(passes, rows, PARTS)` of columns last-1 to first, zeros where they have no part."""
    nodes[0, :, :4] = 0
    nodes[last - first, :, 4:] = 0
    for p in range(last - first):
        j = last - 1 - p
        if p % 2 == 0:
            _eliminate_downwards(columns.d[j], columns.th[j], nodes[p])
            _finish_upwards(
                columns.d[j], columns.word[j], columns.th[j], columns.tr[j], columns.ladder[0, j], nodes[p + 1]
            )
        else:
            _thevenin(columns.d[j], columns.word[j], bit[j], z[j], nodes[p], nodes[p + 1])


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _exchange(a, start, states, which, back):  # type: ignore[no-untyped-def]  # compiled
    """Copy lanes of `a` (rows, lanes) from `start` on into a state of `states` (groups, rows, 3, lanes), or back."""
    lanes = states.shape[3]
    for g in range(states.shape[0]):
        for k in range(states.shape[1]):
            for m in range(lanes):
                lane = start + g * lanes + m
                if back and lane < a.shape[1]:
                    a[k, lane] = states[g, k, which, m]
                elif not back:
                    states[g, k, which, m] = a[k, lane] if lane < a.shape[1] else 0


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _march(nodes, states, first, last, start, totals):  # type: ignore[no-untyped-def]  # compiled
    """March the lanes of `states`, and put the sums of the cell currents from lane `start` of `totals` on."""
    groups, rows, _, lanes = states.shape
    flat, coefficients = states.reshape(-1), nodes.reshape(-1)
    sums = np.empty(lanes, states.dtype)
    for p in range(last - first + 1):
        down = p % 2 == 0
        for g in range(groups):
            place = g * rows * STATES + (0 if down else (rows - 1) * STATES)
            _sweep(flat, place, STATES if down else -STATES, coefficients, p * rows * PARTS, rows, sums)
            if p > 0:
                for m in range(min(lanes, totals.shape[1] - start - g * lanes)):
                    totals[last - p, start + g * lanes + m] = sums[m]


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _aligned(groups, rows, width, like):  # type: ignore[no-untyped-def]  # compiled
    """Return states, zero, that begin with a cache line: vectors across two lines cost a third more."""
    size = groups * rows * STATES * width
    raw = np.zeros(size + width, like.dtype)
    skipped = (-raw.ctypes.data) % VECTOR // like.itemsize
    return raw[skipped : skipped + size].reshape(groups, rows, STATES, width)


@nb.njit(nogil=True, error_model="numpy", cache=True)
def march_lanes(columns, bit, z, first, last, a, c, totals):  # type: ignore[no-untyped-def]  # compiled
    """March the lanes (columns of `a` and `c`, (rows, lanes), changed in place) from column last-1 to first.

    `bit` (cols, rows): the segments below the cells; `z` (cols,): the resistances below the last cells [ohm], none of
    them infinite. `totals` (cols, lanes) gets the sums of the cell currents.
    """
    rows, lanes = a.shape
    width = VECTOR // a.itemsize
    nodes = np.empty((last - first + 1, rows, PARTS), a.dtype)
    _passes(columns, bit, z, first, last, nodes)
    groups = max(1, min(-(-lanes // width), CACHED // (VECTOR * STATES * rows)))
    states = _aligned(groups, rows, width, a)
    for start in range(0, lanes, groups * width):
        _exchange(a, start, states, 0, False)
        _exchange(c, start, states, 1, False)
        _march(nodes, states, first, last, start, totals)
        _exchange(a, start, states, 0, True)
        _exchange(c, start, states, 1, True)
