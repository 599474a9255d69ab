"""DAC and ADC: symmetric signed codes, ideal but for their resolution and range.

A converter of `bits` bits, sign included, has the codes -(2**(bits-1) - 1) to 2**(bits-1) - 1; its range is the value
of the largest code. Rounding is half to even, as IEEE 754 rounds. The functions here are plain array operations: the
oracle of the compiled kernels in `converter_kernel.py`, and the way on a GPU.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from xbar.errors import InputError
from xbar.namespace import namespace

CONTINUOUS_BITS = 16
"""Bits that stand for a DAC that is switched off: steps of 3e-5 of the range keep the products exact."""


@dataclass(frozen=True)
class Converter:
    """A converter with `bits` bits (2 to 16, sign included)."""

    bits: int

    def __post_init__(self) -> None:
        """Raise `InputError` for a number of bits outside 2 to 16."""
        if not 2 <= self.bits <= 16:
            raise InputError(f"converter with {self.bits} bits; 2 to 16 bits, sign included, are possible")

    @property
    def code_max(self) -> int:
        """Get the largest code."""
        return (1 << (self.bits - 1)) - 1

    @property
    def code_type(self) -> type[np.signedinteger[Any]]:
        """Get the smallest integer type that holds the codes."""
        return np.int8 if self.bits <= 8 else np.int16


def dac_codes(volts: Any, inverse_step: float, code_max: int) -> Any:
    """Return the codes nearest to float32 `volts` (any shape) as float32 whole numbers, clipped to the range.

    `inverse_step` is 1 / step [1/V], rounded to float32.
    """
    xp = namespace(volts)
    scaled = volts * float(np.float32(inverse_step))
    return xp.round(xp.clip(scaled, -float(code_max), float(code_max)))


def squares(codes: Any, limit: int, half: int) -> tuple[Any, Any]:
    """Return the squares of codes `(batch, rows)` as float32 whole numbers `q`, and float32 factors `(batch,)`.

    code**2 is q * factor but for rounding. The factor is the least power of two for which the sum of a vector's `q`
    stays at or below `limit`: it depends on the vector alone. `half` is half the word lines of the whole array, the
    most that rounding adds to the sum; word lines at 0 V may be left out of `codes`.
    """
    xp = namespace(codes)
    square = xp.astype(codes, xp.int64) ** 2
    total = xp.sum(square, axis=1)
    shift = total * 0
    while True:
        over = (total >> shift) + 1 + xp.where(shift > 0, total * 0 + half, total * 0) > limit
        if not bool(xp.any(over)):
            break
        shift = shift + xp.astype(over, xp.int64)
    rounding = ((total * 0 + 1) << shift) >> 1
    q = (square + rounding[:, None]) >> shift[:, None]
    return xp.astype(q, xp.float32), xp.astype((total * 0 + 1) << shift, xp.float32)


def adc_codes(sums: Any, gain: Any, code_max: int, noise: Any = None) -> Any:
    """Return float64 whole-number codes of `sums` (batch, cols) in DAC units, `gain` (cols,) codes per unit.

    `noise` (batch, cols) float32 is added in codes, before clipping.
    """
    xp = namespace(sums)
    codes = xp.astype(sums, xp.float64) * gain
    if noise is not None:
        codes = codes + xp.astype(noise, xp.float64)
    return xp.round(xp.clip(codes, -float(code_max), float(code_max)))
