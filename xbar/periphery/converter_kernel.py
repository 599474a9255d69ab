"""Compiled passes of the converters over blocks of NumPy arrays; `converter.py` is their oracle, bit for bit.

Adding and subtracting a large constant rounds half to even at the last bit that the sum keeps, without a call.
fastmath stays off: contraction and reordering change bits.
"""

import numba as nb
import numpy as np

F32, I32 = np.float32, np.int32
ROUND32, ROUND64 = F32(12582912.0), 6755399441055744.0
"""1.5 x 2**23 and 1.5 x 2**52."""


@nb.njit(nogil=True, error_model="numpy", cache=True)
def dac(volts, inverse_step, code_max, codes):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    """Fill `codes` (batch, rows) from float32 `volts`; `inverse_step` and `code_max` float32."""
    for b in range(volts.shape[0]):
        for i in range(volts.shape[1]):
            v = F32(volts[b, i]) * inverse_step
            codes[b, i] = (min(max(v, -code_max), code_max) + ROUND32) - ROUND32


@nb.njit(nogil=True, error_model="numpy", cache=True)
def dac_with_squares(volts, inverse_step, code_max, limit, half, codes, squares, factors):  # type: ignore[no-untyped-def]  # compiled
    """Fill `codes`, and `squares` with `factors` so that the sum of a vector's squares is at most `limit`.

    `half`: half the word lines of the whole array, the most that rounding adds to the sum.
    """
    n = volts.shape[1]
    exact = np.empty(n, np.int64)
    for b in range(volts.shape[0]):
        total = np.int64(0)
        for i in range(n):
            v = F32(volts[b, i]) * inverse_step
            v = (min(max(v, -code_max), code_max) + ROUND32) - ROUND32
            codes[b, i] = v
            k = np.int64(I32(v))
            k = k * k
            exact[i] = k
            total += k
        shift, rounded = np.int64(0), np.int64(0)
        while (total >> shift) + 1 + rounded > limit:
            shift += 1
            rounded = np.int64(half)
        rounding = (np.int64(1) << shift) >> 1
        for i in range(n):
            squares[b, i] = F32(I32((exact[i] + rounding) >> shift))
        factors[b] = F32(np.int64(1) << shift)


@nb.njit(nogil=True, error_model="numpy", cache=True)
def adc(sums, gain, code_max, out):  # type: ignore[no-untyped-def]  # compiled
    """Fill integer `out` (batch, cols) with the codes of `sums`; `gain` (cols,) float64."""
    for b in range(sums.shape[0]):
        for j in range(sums.shape[1]):
            t = np.float64(sums[b, j]) * gain[j]
            out[b, j] = I32((min(max(t, -code_max), code_max) + ROUND64) - ROUND64)


@nb.njit(nogil=True, error_model="numpy", cache=True)
def adc_with_noise(sums, variances, factors, spread, normals, gain, code_max, out):  # type: ignore[no-untyped-def]  # compiled
    """Fill `out` as `adc` does, with noise of standard deviation sqrt(variance * factor) * spread codes added."""
    for b in range(sums.shape[0]):
        factor = factors[b]
        for j in range(sums.shape[1]):
            t = np.float64(sums[b, j]) * gain[j]
            t = t + np.float64((np.sqrt(variances[b, j] * factor) * spread[j]) * normals[b, j])
            out[b, j] = I32((min(max(t, -code_max), code_max) + ROUND64) - ROUND64)
