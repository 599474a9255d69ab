"""Products bit by bit: no rack has a source for each row, so the rows of one bit are driven together, planes added up.

The input code of row i is the sum of its bits 2^b; a plane ties the rows with bit b to the source that drives, at the
whole input range V, and all others to 0 V. The current of the code is then (sum over b of 2^b I_b) / largest code:
exact for cells whose current is proportional to the voltage. Rows with negative codes have planes of their own at -V.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.bench.status import Status
from xbar.periphery.converter import Converter, dac_codes


@dataclass(frozen=True)
class Plane:
    """Rows of one input vector that are driven together."""

    vector: int
    rows: tuple[int, ...]
    volts: float
    """Drive level [V]."""
    weight: float
    """Share of the plane's current in the result."""


def input_codes(volts: NDArray[Any], input_range: float, bits: int) -> NDArray[np.int64]:
    """Return the codes nearest to volts (any shape), as the simulated DAC of `bits` bits, sign included, makes them."""
    largest = Converter(bits).code_max
    nearest = dac_codes(np.asarray(volts, np.float32), largest / input_range, largest)
    return np.asarray(nearest).astype(np.int64)


def planes_of(codes: NDArray[np.int64], input_range: float, bits: int) -> list[Plane]:
    """Return the planes of the vectors `(batch, rows)` of codes, vector by vector; planes without rows are left out."""
    largest = Converter(bits).code_max
    found = []
    for vector, row_codes in enumerate(codes):
        for sign in (1, -1):
            part = np.where(row_codes * sign > 0, np.abs(row_codes), 0)
            for bit in range(bits - 1):
                rows = np.flatnonzero(part >> bit & 1)
                if rows.size:
                    found.append(Plane(vector, tuple(map(int, rows)), sign * input_range, 2.0**bit / largest))
    return found


def readings_per_vector(bits: int, cols: int, signed: bool) -> int:
    """Return the most readings that one input vector takes; half of them where no input is negative."""
    return (bits - 1) * (2 if signed else 1) * cols


def added_up(
    planes: list[Plane], shape: tuple[int, int], found: NDArray[np.float64], status: NDArray[np.uint32]
) -> tuple[NDArray[np.float64], NDArray[np.uint32]]:
    """Return currents `(batch, cols)` [A] and flags from the readings of all planes, column by column.

    Readings that are missing at the end make their results NaN with the flag ABORTED.
    """
    batch, cols = shape
    missing = len(planes) * cols - len(found)
    values = np.concatenate([found, np.full(missing, np.nan)]).reshape(len(planes), cols)
    flags = np.concatenate([status, np.full(missing, np.uint32(Status.ABORTED))]).reshape(len(planes), cols)
    current, flagged = np.zeros((batch, cols)), np.zeros((batch, cols), np.uint32)
    for plane, row, flag in zip(planes, values, flags, strict=True):
        current[plane.vector] += plane.weight * row
        flagged[plane.vector] |= flag
    return current, flagged
