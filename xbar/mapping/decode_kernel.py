"""Compiled sum of what the tiles of one matrix answered: pairs of bit lines subtracted, scaled, rows of tiles added.

The order of the sum is fixed, so its bits do not depend on batch or threads.
"""

import numba as nb
import numpy as np


@nb.njit(nogil=True, error_model="numpy", cache=True)
def add_pairs(codes, step, offset, scale, factor, out):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    """Fill `out` (batch, weights) float32.

    `codes` (tiles, batch, 2 * weights); `step`, `offset` (tiles, 2 * weights) [A]; `scale` (tiles, weights) [1/S];
    `factor` (batch,) float64 [network units / V], or one number for all.
    """
    for b in range(out.shape[0]):
        f = factor[b] if factor.shape[0] > 1 else factor[0]
        for j in range(out.shape[1]):
            total = 0.0
            for r in range(codes.shape[0]):
                plus = np.float64(codes[r, b, 2 * j]) * step[r, 2 * j] + offset[r, 2 * j]
                minus = np.float64(codes[r, b, 2 * j + 1]) * step[r, 2 * j + 1] + offset[r, 2 * j + 1]
                total += (plus - minus) * scale[r, j]
            out[b, j] = np.float32(total * f)
