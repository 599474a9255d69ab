"""The codes of the input converters, by which level full keeps the asked voltages of products.

A converter of `bits` bits, sign included, has the codes -(2**(bits - 1) - 1) to 2**(bits - 1) - 1; its range is the
voltage of the largest. Codes take an eighth to a quarter of the bytes of the voltages, and say what was applied. What
was asked for, finer than a code, is in the projections.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.bench.operation import Header, Request

LARGEST = 16
"""Most bits of a converter that has codes here."""


class InputConverters:
    """Which arrays of a bench have input converters, and of how many bits."""

    def __init__(self, header: Header) -> None:
        self._bits: list[int | None] = []
        self._stops: list[int] = []
        stop = 0
        for driver in header.drivers:
            stop += driver.capabilities.arrays
            bits = driver.capabilities.dac_bits
            self._bits.append(bits if bits is not None and 2 <= bits <= LARGEST else None)
            self._stops.append(stop)

    def bits(self, arrays: Sequence[int]) -> int | None:
        """Return the bits that all these arrays have; None where they differ or one has no converter."""
        found = {self._bits[min(int(np.searchsorted(self._stops, n, "right")), len(self._bits) - 1)] for n in arrays}
        return found.pop() if len(found) == 1 else None

    @property
    def code_type(self) -> str:
        """Get the dtype of `data/input_codes`."""
        return "<i1" if all(bits is not None and bits <= 8 for bits in self._bits) else "<i2"


def input_codes(request: Request, bits: int, dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """Return the nearest codes `(k * batch * rows,)` of a product's finite voltages, as its converters make them.

    None where a range has no codes. Rounding is half to even, as IEEE 754 rounds.
    """
    voltages, vector = request.voltages, request.vector
    if voltages is None or vector is None:
        return None
    largest = (1 << (bits - 1)) - 1
    ranges = np.broadcast_to(np.asarray(vector.input_range, np.float64), (len(voltages),))
    if not all(math.isfinite(value) and 1e-30 < value < 1e30 for value in ranges.tolist()):
        return None
    from xbar.trace.input_code_kernel import codes_of  # compiled: loaded only where codes are kept

    codes = np.empty(voltages.shape, dtype)
    for part, out, value in zip(voltages, codes, ranges.tolist(), strict=True):
        flat = np.ascontiguousarray(part, part.dtype.newbyteorder("=")).reshape(-1)
        codes_of(flat, np.float32(1 / (value / largest)), np.float32(largest), out.reshape(-1))
    return codes.reshape(-1)


def coded_voltages(
    codes: NDArray[Any], shape: tuple[int, int, int], input_range: Any, bits: int, dtype: Any
) -> NDArray[Any]:
    """Return the voltages [V] of codes, in a shape (k, batch, rows)."""
    steps = np.broadcast_to(np.asarray(input_range, np.float64), shape[:1]) / ((1 << (bits - 1)) - 1)
    volts: NDArray[Any] = (codes.reshape(shape) * steps.astype(dtype)[:, None, None]).astype(dtype, copy=False)
    return volts
