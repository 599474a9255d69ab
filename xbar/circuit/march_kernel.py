"""Compiled passes of the march: bit-line ladders and the sweep of many lanes from the open end to the drivers.

Lanes stand innermost, so that every inner loop runs over contiguous memory and nothing is summed across lanes: the
bits of a lane do not depend on its neighbours. fastmath stays off: contraction and reordering change bits.
"""

from typing import Any, NamedTuple

import numba as nb
import numpy as np

LANES = 128
"""Lanes that are marched at once: their columns stay in the second-level cache; fewer leave the inner loops short."""


class Columns(NamedTuple):
    """An array as the march needs it, column by column; each `(cols, rows)` or `(cols,)`, contiguous, of one type."""

    d: Any
    """Conductances [S]."""
    word: Any
    """Word-line segments left of the cells [ohm]."""
    th: Any
    tr: Any
    """Factors of the bit-line recurrences, filled by `factor_columns`."""
    ladder: Any
    """(3, cols), filled too: weights of the collected current and of the bottom voltage in the voltage of the last
    node, and the admittance seen there."""
    g_top: Any
    """Conductances of the top ends [S]."""


class Results(NamedTuple):
    """What the march fills."""

    total: Any
    """(cols, lanes): sums of the cell currents."""
    near: Any
    """(cols, lanes): currents that leave at the bottom."""
    nodes: Any
    """(2, cols, rows, lanes): node voltages of word and bit lines."""


@nb.njit(nogil=True, error_model="numpy", cache=True)
def factor_columns(columns, bit, ga, ro):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    """Fill the ladder coefficients of every bit line; `bit` (cols, rows): the segments below the cells [ohm]."""
    d = columns.d
    for j in range(d.shape[0]):
        x = d[j, 0] + columns.g_top[j]
        for k in range(d.shape[1] - 1):
            t = 1 / (1 + bit[j, k] * x)
            columns.th[j, k] = t
            columns.tr[j, k] = t * bit[j, k]
            x = d[j, k + 1] + t * x
        total = ga[j] + ro[j] * x
        columns.ladder[0, j] = ro[j] / total if total > 0 else 0 * x
        columns.ladder[1, j] = ga[j] / total if total > 0 else 0 * x
        columns.ladder[2, j] = x


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _collect(d, t, w, f, out):  # type: ignore[no-untyped-def]  # compiled
    for n in range(out.shape[0]):
        out[n] = d * w[n] + t * f[n]


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _collect_two(d, t, w, f, out, place):  # type: ignore[no-untyped-def]  # compiled
    """Collect at nodes `place` and `place + 1`: what passes between them stays in a register."""
    d0, d1, t0, t1 = d[place], d[place + 1], t[place - 1], t[place]
    w0, w1, out0, out1 = w[place], w[place + 1], out[place], out[place + 1]
    for n in range(out0.shape[0]):
        x = d0 * w0[n] + t0 * f[n]
        out0[n] = x
        out1[n] = d1 * w1[n] + t1 * x


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _collect_all(d, th, one, w, start, f):  # type: ignore[no-untyped-def]  # compiled
    rows = d.shape[0]
    _collect(d[0], one, w[0], start, f[0])
    k = 1
    while k + 1 < rows:
        _collect_two(d, th, w, f[k - 1], f, k)
        k += 2
    if k < rows:
        _collect(d[k], th[k - 1], w[k], f[k - 1], f[k])


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _descend(d, t, q, r, b, f, w, c, s):  # type: ignore[no-untyped-def]  # compiled
    for n in range(b.shape[0]):
        x = t * b[n] + q * f[n]
        b[n] = x
        y = d * (w[n] - x)
        s[n] += y
        z = c[n] + y
        c[n] = z
        w[n] += r * z


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _descend_alone(d, t, q, r, b, f, w, c):  # type: ignore[no-untyped-def]  # compiled
    for n in range(b.shape[0]):
        x = t * b[n] + q * f[n]
        b[n] = x
        z = c[n] + d * (w[n] - x)
        c[n] = z
        w[n] += r * z


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _descend_two(d, th, tr, r, k, b, f, w, c):  # type: ignore[no-untyped-def]  # compiled
    """Descend over node `k` and the next one: the voltage between them stays in a register."""
    d0, t0, q0, r0 = d[k], th[k], tr[k], r[k]
    d1, t1, q1, r1 = d[k - 1], th[k - 1], tr[k - 1], r[k - 1]
    f0, w0, c0, f1, w1, c1 = f[k], w[k], c[k], f[k - 1], w[k - 1], c[k - 1]
    for n in range(b.shape[0]):
        x = t0 * b[n] + q0 * f0[n]
        z = c0[n] + d0 * (w0[n] - x)
        c0[n] = z
        w0[n] += r0 * z
        x = t1 * x + q1 * f1[n]
        b[n] = x
        z = c1[n] + d1 * (w1[n] - x)
        c1[n] = z
        w1[n] += r1 * z


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _descend_all(d, factors, ends, r, b, f, w, c):  # type: ignore[no-untyped-def]  # compiled
    th, tr = factors
    one, last = ends
    k = d.shape[0] - 1
    _descend_alone(d[k], one, last, r[k], b, f[k], w[k], c[k])
    k -= 1
    while k >= 1:
        _descend_two(d, th, tr, r, k, b, f, w, c)
        k -= 2
    if k == 0:
        _descend_alone(d[0], th[0], tr[0], r[0], b, f[0], w[0], c[0])


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _load(a, start, n, w):  # type: ignore[no-untyped-def]  # compiled
    """Copy lanes from `start` on into `w`, zeros behind the last: loops compile in a tenth of the time of slices."""
    for k in range(w.shape[0]):
        for m in range(n):
            w[k, m] = a[k, start + m]
        for m in range(n, w.shape[1]):
            w[k, m] = 0


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _store(w, start, n, a):  # type: ignore[no-untyped-def]  # compiled
    for k in range(w.shape[0]):
        for m in range(n):
            a[k, start + m] = w[k, m]


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _descend_kept(columns, j, one, lanes, b, f, w, c, s_nodes):  # type: ignore[no-untyped-def]  # compiled
    """Descend with the sums of the cell currents; `lanes`: the first and how many to keep the node voltages of."""
    d, rw, th, tr, ladder, _ = columns
    s, nodes = s_nodes
    rows = d.shape[1]
    first, count = lanes
    for k in range(rows - 1, -1, -1):
        for m in range(count):
            nodes[0, j, k, first + m] = w[k, m]
        if k == rows - 1:
            _descend(d[j, k], one, ladder[0, j], rw[j, k], b, f[k], w[k], c[k], s)
        else:
            _descend(d[j, k], th[j, k], tr[j, k], rw[j, k], b, f[k], w[k], c[k], s)
        for m in range(count):
            nodes[1, j, k, first + m] = b[m]


@nb.njit(nogil=True, error_model="numpy", cache=True)
def march(columns, v_bit, v_top, first, last, a, c_in, results, keep):  # type: ignore[no-untyped-def]  # compiled
    """March the lanes (columns of `a` and `c_in`, (rows, lanes), changed in place) from column last-1 to first.

    `v_bit`, `v_top` (cols, lanes): voltages behind the two ends of the bit lines; no lanes: all 0 V. `keep`: fill the
    node voltages too. Where no top end is connected the sums of the cell currents are the currents at the bottom.
    """
    d, rw, th, tr, ladder, g_top = columns
    total, near, nodes = results
    rows = d.shape[1]
    lanes = a.shape[1]
    sources = v_bit.shape[1] > 0
    sums = False
    for j in range(g_top.shape[0]):
        sums = sums or g_top[j] > 0
    width = min(LANES, lanes)
    w = np.empty((rows, width), a.dtype)
    c = np.empty((rows, width), a.dtype)
    f = np.empty((rows, width), a.dtype)
    # A literal 1 would turn single into double precision.
    one = np.ones(1, a.dtype)[0]
    b = np.zeros(width, a.dtype)
    s = np.zeros(width, a.dtype)
    z = np.zeros(width, a.dtype)
    for start in range(0, lanes, width):
        n = min(width, lanes - start)
        _load(a, start, n, w)
        _load(c_in, start, n, c)
        for j in range(last - 1, first - 1, -1):
            for m in range(width):
                b[m] = 0
                s[m] = 0
                z[m] = 0
            if sources:
                for m in range(n):
                    z[m] = g_top[j] * v_top[j, start + m]
                    b[m] = ladder[1, j] * v_bit[j, start + m]
            _collect_all(d[j], th[j], one, w, z, f)
            if keep or sums:
                _descend_kept(columns, j, one, (start, n if keep else 0), b, f, w, c, (s, nodes))
            else:
                _descend_all(d[j], (th[j], tr[j]), (one, ladder[0, j]), rw[j], b, f, w, c)
            for m in range(n):
                near[j, start + m] = ladder[1, j] * f[rows - 1, m]
            if sources:
                for m in range(n):
                    near[j, start + m] -= ladder[1, j] * ladder[2, j] * v_bit[j, start + m]
            for m in range(n):
                total[j, start + m] = s[m] if sums else near[j, start + m]
        _store(w, start, n, a)
        _store(c, start, n, c_in)
