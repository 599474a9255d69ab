"""Binary grids on which a product has one answer, whatever the order of its sums.

With whole-number codes |c| <= C and conductances on a grid of 2**k with max|g| <= 2**(k+p), every partial sum is a
whole number of grid steps below 2**53 if C * rows * 2**p <= 2**53, so float64 adds without rounding in any order. A
power-of-two step keeps g in siemens. Measurements: docs/explanation/exact-products.md.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.errors import InputError
from xbar.random import Purpose, uniforms

VARIANCE_BITS = 9
"""Bits of one read-noise variance, relative to the largest of its column."""

SQUARES_LIMIT = 2 ** (24 - VARIANCE_BITS)
"""Largest sum of one vector's squares: times the largest variance it is 2**24, so float32 sums are exact."""

Floats = NDArray[np.float64]


def mean_bits(code_max: int, rows: int) -> int:
    """Return the largest p with `code_max * rows * 2**p <= 2**53`, at most 52.

    Raises `InputError` where fewer than 20 bits would be left for the conductances.
    """
    bits = min(53 - (max(1, code_max) * rows - 1).bit_length(), 52)
    if bits < 20:
        raise InputError(
            f"{rows} rows with codes up to {code_max} leave {bits} bits for exact conductances; "
            "use smaller tiles or fewer DAC bits"
        )
    return bits


def grid_step(largest: Any, bits: int) -> Floats:
    """Return the finest power of two with `largest <= step * 2**bits`; frexp, not log2: the same on every machine."""
    fraction, exponent = np.frexp(np.asarray(largest, np.float64))
    step: Floats = np.ldexp(1.0, np.where(fraction == 0.5, exponent - 1, exponent) - bits)
    return step


def snap(values: Floats, bits: int) -> Floats:
    """Return `values` rounded to one grid of `bits` bits below the largest magnitude, still in their own unit."""
    largest = np.abs(values).max(initial=0.0)
    if largest == 0:
        return np.zeros_like(values)
    step = grid_step(largest, bits)
    snapped: Floats = np.rint(values / step) * step
    return snapped


def snap_variance(variance: Floats, seed: int, array: int) -> tuple[NDArray[np.float32], Floats]:
    """Return variances (rows, cols) as whole float32 numbers up to 2**9, and each column's step (cols,).

    A fixed dither per cell keeps small variances on average; it belongs to the chip, not to the product.
    """
    step = grid_step(np.maximum(variance.max(axis=0), 1e-300), VARIANCE_BITS)
    dither = uniforms(np.zeros(1, np.uint64), array, variance.size, seed, Purpose.VARIANCE_DITHER)[0].reshape(
        variance.shape
    )
    return np.minimum(np.floor(variance / step + dither), 2.0**VARIANCE_BITS).astype(np.float32), step
