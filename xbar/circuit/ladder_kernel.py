"""Compiled LADDER-PCG: conjugate gradients on the word nodes, preconditioned by exact solutions of all lines.

One vector at a time, each with conductances of its own. A line is solved for all lines of its kind at once: the word
lines in arrays (cols, rows), the bit lines in arrays (rows, cols), so that inner loops run over contiguous memory.
fastmath stays off: contraction and reordering change bits.
"""

from typing import Any, NamedTuple

import numba as nb
import numpy as np

BLOCK = 8
"""Side of the squares that are transposed at once: eight numbers are a line of the cache."""


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _transpose(a, out):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    for i0 in range(0, a.shape[0], BLOCK):
        for j0 in range(0, a.shape[1], BLOCK):
            for i in range(i0, min(i0 + BLOCK, a.shape[0])):
                for j in range(j0, min(j0 + BLOCK, a.shape[1])):
                    out[j, i] = a[i, j]


class Lines(NamedTuple):
    """Lines of one kind: arrays `(cells, lines)` of nodes along the lines, and `(lines,)`.

    A segment belongs to the cell at its far side: left of a cell on word lines, below it on bit lines.
    """

    ohm: Any
    """Segments (cells, lines) [ohm]."""
    far: Any
    """Conductances of the far ends (lines,) [S]."""
    ga: Any
    ro: Any
    """Near ends: ga (source - voltage) = ro current; `ro` includes the nearest segment."""
    order: int
    """1: the near end is at the last cell (bit lines), -1: at the first (word lines)."""


class Sources(NamedTuple):
    """What drives a batch of arrays; the first axis is the batch."""

    left: Any
    """(batch, rows): voltages behind the near ends of the word lines [V]."""
    bottom: Any
    """(batch, cols): voltages behind the near ends of the bit lines [V]."""
    word: Any
    """(batch, rows, cols): currents into the word nodes [A]."""
    bit: Any
    """(batch, rows, cols): currents into the bit nodes [A]."""


class Results(NamedTuple):
    """What a solution fills; each `(batch, rows, cols)`."""

    word: Any
    """Voltages of the word nodes [V]."""
    bit: Any
    """Voltages of the bit nodes [V]."""
    short: Any
    """Currents that the word nodes are short of [A]; bit nodes are exact."""
    counts: Any
    """Iterations `(batch,)`."""


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _factor_step(d, r, x, th):  # type: ignore[no-untyped-def]  # compiled
    for n in range(x.shape[0]):
        t = 1 / (1 + r[n] * x[n])
        th[n] = t
        x[n] = d[n] + t * x[n]


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _factor(d, lines, th, x0, xs):  # type: ignore[no-untyped-def]  # compiled
    """Fill the factors `th` (cells, lines), and the weights of current and source in the voltage of the last node."""
    n, order = d.shape[0], lines.order
    at = 0 if order > 0 else n - 1
    x = np.empty_like(x0)
    for m in range(x.shape[0]):
        x[m] = lines.far[m] + d[at, m]
    for _ in range(n - 1):
        _factor_step(d[at + order], lines.ohm[at], x, th[at])
        at += order
    for m in range(x.shape[0]):
        total = lines.ga[m] + lines.ro[m] * x[m]
        x0[m] = lines.ro[m] / total if total > 0 else 0 * x[m]
        xs[m] = lines.ga[m] / total if total > 0 else 0 * x[m]


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _add_scaled(t, a, out):  # type: ignore[no-untyped-def]  # compiled
    for n in range(out.shape[0]):
        out[n] += t[n] * a[n]


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _back_step(t, r, near, out):  # type: ignore[no-untyped-def]  # compiled
    for n in range(out.shape[0]):
        out[n] = t[n] * (near[n] + r[n] * out[n])


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _solve_lines(z, lines, th, x0, source):  # type: ignore[no-untyped-def]  # compiled
    """Solve all lines in place: currents into the nodes in, node voltages out; `source` (lines,): share of sources."""
    n, order = z.shape[0], lines.order
    at = 0 if order > 0 else n - 1
    for _ in range(n - 1):
        _add_scaled(th[at], z[at], z[at + order])
        at += order
    for m in range(x0.shape[0]):
        z[at, m] = z[at, m] * x0[m] + source[m]
    for _ in range(n - 1):
        at -= order
        _back_step(th[at], lines.ohm[at], z[at + order], z[at])


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _product(a, b, out):  # type: ignore[no-untyped-def]  # compiled
    for i in range(a.shape[0]):
        x, y, o = a[i], b[i], out[i]
        for n in range(o.shape[0]):
            o[n] = x[n] * y[n]


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _dot(a, b, work):  # type: ignore[no-untyped-def]  # compiled
    """Return sum(a b), summed in one order whatever the machine's vectors are."""
    for n in range(work.shape[0]):
        work[n] = 0
    for i in range(a.shape[0]):
        x, y = a[i], b[i]
        for n in range(work.shape[0]):
            work[n] += x[n] * y[n]
    total = work[0] * 0
    for n in range(work.shape[0]):
        total += work[n]
    return total


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _step(alpha, p, q, w, r):  # type: ignore[no-untyped-def]  # compiled
    for i in range(w.shape[0]):
        pi, qi, wi, ri = p[i], q[i], w[i], r[i]
        for n in range(wi.shape[0]):
            wi[n] += alpha * pi[n]
            ri[n] -= alpha * qi[n]


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _direction(beta, z, r, p, mp):  # type: ignore[no-untyped-def]  # compiled
    for i in range(z.shape[0]):
        zi, ri, pi, mi = z[i], r[i], p[i], mp[i]
        for n in range(zi.shape[0]):
            pi[n] = zi[n] + beta * pi[n]
            mi[n] = ri[n] + beta * mi[n]


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _subtract(a, b, out):  # type: ignore[no-untyped-def]  # compiled
    for i in range(a.shape[0]):
        x, y, o = a[i], b[i], out[i]
        for n in range(o.shape[0]):
            o[n] = x[n] - y[n]


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _copy(a, out):  # type: ignore[no-untyped-def]  # compiled: in a fifth of the time of a slice
    for i in range(a.shape[0]):
        for n in range(a.shape[1]):
            out[i, n] = a[i, n]


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _share(weight, source, out):  # type: ignore[no-untyped-def]  # compiled
    for n in range(out.shape[0]):
        out[n] = weight[n] * source[n]


@nb.njit(nogil=True, error_model="numpy", cache=True)
def _add(a, out):  # type: ignore[no-untyped-def]  # compiled
    for i in range(a.shape[0]):
        x, o = a[i], out[i]
        for n in range(o.shape[0]):
            o[n] += x[n]


@nb.njit(nogil=True, error_model="numpy", cache=True)
def pcg(d, words, bits, sources, tolerance, most, results):  # type: ignore[no-untyped-def]  # compiled
    """Solve a batch of linear arrays with conductances `d` (batch, rows, cols), each with sources of its own.

    Each vector stops by itself: where r M^-1 r <= tolerance^2 sum d (w0^2 + b0^2), or after `most` iterations.
    """
    rows, cols = d.shape[1], d.shape[2]
    kind = d.dtype
    across = (cols, rows)
    dt, th_w, w, r = np.empty(across, kind), np.empty(across, kind), np.empty(across, kind), np.empty(across, kind)
    z, p, mp, q = np.empty(across, kind), np.empty(across, kind), np.empty(across, kind), np.empty(across, kind)
    along = (rows, cols)
    th_b, t, b, work = np.empty(along, kind), np.empty(along, kind), np.empty(along, kind), np.empty(rows, kind)
    x0_w, xs_w, x0_b, xs_b = np.empty(rows, kind), np.empty(rows, kind), np.empty(cols, kind), np.empty(cols, kind)
    none_w, none_b, sums = np.zeros(rows, kind), np.zeros(cols, kind), np.empty(cols, kind)
    from_w, from_b = np.empty(rows, kind), np.empty(cols, kind)
    for v in range(d.shape[0]):
        dv = d[v]
        _transpose(dv, dt)
        _factor(dt, words, th_w, x0_w, xs_w)
        _factor(dv, bits, th_b, x0_b, xs_b)
        _share(xs_w, sources.left[v], from_w)
        _share(xs_b, sources.bottom[v], from_b)
        _transpose(sources.word[v], w)
        _solve_lines(w, words, th_w, x0_w, from_w)
        _product(dt, w, q)
        scale = _dot(q, w, work)
        _transpose(q, b)
        _add(sources.bit[v], b)
        _solve_lines(b, bits, th_b, x0_b, from_b)
        _product(dv, b, t)
        scale += _dot(t, b, sums)
        _transpose(t, r)
        _copy(r, z)
        _solve_lines(z, words, th_w, x0_w, none_w)
        _copy(z, p)
        _copy(r, mp)
        rz = _dot(r, z, work)
        k = 0
        while k < most and rz > tolerance * tolerance * scale:
            _product(dt, p, q)
            _transpose(q, t)
            _solve_lines(t, bits, th_b, x0_b, none_b)
            _product(dv, t, t)
            _transpose(t, q)
            _subtract(mp, q, q)
            pq = _dot(p, q, work)
            if not pq > 0:
                break
            _step(rz / pq, p, q, w, r)
            _copy(r, z)
            _solve_lines(z, words, th_w, x0_w, none_w)
            new = _dot(r, z, work)
            _direction(new / rz, z, r, p, mp)
            rz = new
            k += 1
        # One more step of the line iteration: it costs a solution of the bit lines, no new direction.
        _product(dt, w, q)
        _transpose(q, b)
        _add(sources.bit[v], b)
        _solve_lines(b, bits, th_b, x0_b, from_b)
        _product(dt, z, q)
        _transpose(q, t)
        _solve_lines(t, bits, th_b, x0_b, none_b)
        _add(t, b)
        _add(z, w)
        _product(dv, t, results.short[v])
        _copy(b, results.bit[v])
        _transpose(w, results.word[v])
        results.counts[v] = k
