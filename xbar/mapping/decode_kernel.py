"""Compiled sum of what the tiles of one matrix answered: bit lines subtracted, scaled, slices and rows of tiles added.

The order of the sum is fixed, so its bits do not depend on batch or threads.
"""

import numba as nb
import numpy as np


@nb.njit(nogil=True, error_model="numpy", cache=True)
def add_lines(readings, gain, digital, lines, weight, factor, out):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    """Fill `out` (batch, weights) float32.

    `readings`: codes (tiles, batch, columns), step and offset (tiles, columns) [A]; `gain` (tiles, columns) of the
    currents; `digital`: conductances (slices,) [S], which times the summed inputs (tiles, batch) [V] are further lines
    behind the columns, or none of them; `lines`: plus and minus (weights * slices); `weight` (tiles, weights * slices)
    [1/S]; `factor` (batch,) float64 [network units / V], or one number for all.
    """
    codes, step, offset = readings
    base, inputs = digital
    plus, minus = lines
    columns, weights = codes.shape[2], out.shape[1]
    slices = plus.shape[0] // weights
    currents, totals = np.empty(columns + base.shape[0]), np.empty(weights)
    for b in range(out.shape[0]):
        f = factor[b] if factor.shape[0] > 1 else factor[0]
        totals[:] = 0.0
        for r in range(codes.shape[0]):
            for c in range(columns):
                currents[c] = (np.float64(codes[r, b, c]) * step[r, c] + offset[r, c]) * gain[r, c]
            for k in range(base.shape[0]):
                currents[columns + k] = inputs[r, b] * base[k]
            if slices == 1:
                for j in range(weights):
                    totals[j] += (currents[plus[j]] - currents[minus[j]]) * weight[r, j]
            else:
                for j in range(weights):
                    for i in range(j * slices, (j + 1) * slices):
                        totals[j] += (currents[plus[i]] - currents[minus[i]]) * weight[r, i]
        for j in range(weights):
            out[b, j] = np.float32(totals[j] * f)
