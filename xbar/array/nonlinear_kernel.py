"""Compiled sums of the currents of non-linear cells, taken from tables; one order for every batch, so one result.

fastmath stays off: contraction and reordering change bits.
"""

import numba as nb


@nb.njit(nogil=True, error_model="numpy", cache=True)
def add_currents(tables, places, sums):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    """Add to `sums` (batch, cols) the currents `tables[i, places[b, i]]` of all word lines i, one after the other."""
    for b in range(places.shape[0]):
        for i in range(places.shape[1]):
            k = places[b, i]
            for j in range(sums.shape[1]):
                sums[b, j] += tables[i, k, j]


@nb.njit(nogil=True, error_model="numpy", cache=True)
def add_currents_with_noise(tables, places, relative, sums, variances):  # type: ignore[no-untyped-def]  # compiled
    """Add the variances of their noise too; `relative` (rows, cols) is its standard deviation over the current."""
    for b in range(places.shape[0]):
        for i in range(places.shape[1]):
            k = places[b, i]
            for j in range(sums.shape[1]):
                current = tables[i, k, j]
                sums[b, j] += current
                noise = current * relative[i, j]
                variances[b, j] += noise * noise
