"""Compiled leaves of nested dissection: the port matrix of a few cells, absorbed one by one."""

import numba as nb
import numpy as np


@nb.njit(nogil=True, error_model="numpy", cache=True)
def leaf(g, rw, rb, k):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    """Fill `k` (2 (m + n), 2 (m + n)) with the port matrix of cells `g` (m, n), row 0 nearest to the sense ends.

    Ports: voltages of the near word ends (m), negative voltages of the near bit ends (n), currents out of the far
    word ends (m), currents into the far bit ends (n). A cell is two diagonal updates and one of rank one.
    """
    m, n = g.shape
    p = 2 * (m + n)
    row = np.empty(p, k.dtype)
    k[:] = 0
    for i in range(m):
        k[i, m + n + i] = 1
        k[m + n + i, i] = 1
    for j in range(n):
        k[m + j, 2 * m + n + j] = 1
        k[2 * m + n + j, m + j] = 1
    for i in range(m):
        a = m + n + i
        for j in range(n):
            c = 2 * m + n + j
            k[a, a] -= rw[i, j]
            k[c, c] -= rb[i, j]
            if g[i, j] == 0:
                continue
            for x in range(p):
                row[x] = k[a, x] + k[c, x]
            f = 1 / (1 / g[i, j] - (row[a] + row[c]))
            for y in range(p):
                h = f * row[y]
                if h != 0:
                    for x in range(p):
                        k[y, x] += h * row[x]
