"""What input converters do wrong: each word line has its own, drawn with the chip or told by a table."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbar.errors import InputError
from xbar.periphery.checks import check_numbers
from xbar.periphery.nonlinearity import ladder_inl, table_inl

Floats = NDArray[np.float64]

LEVEL_BITS = 20
"""Levels are whole numbers below 2**20, twice the range, in fractions of a step: so products stay exact."""

TABLE_BITS = 12
"""Bits of the largest converter with errors: its levels are kept for each word line."""


@dataclass(frozen=True)
class DacErrors:
    """Errors of the input converters. All zero, or None: ideal steps.

    A code c drives c (1 + gain) + offset + INL(c) steps: word lines of a tile whose input is 0 see the offset, word
    lines beyond the tile stand at 0 V.
    """

    gain_sigma: float = 0.0
    """Deviation of the relative gain error between word lines, 0 to 0.2."""
    offset_sigma: float = 0.0
    """Deviation of the offset between word lines [LSB]."""
    dnl_sigma: float = 0.0
    """Deviation of the width of a step [LSB]: a ladder of unit elements, another one for each word line."""
    inl: tuple[float, ...] | None = None
    """Deviation [LSB] of the level of each code, from the smallest code to the largest; the same on each word line."""
    dnl: tuple[float, ...] | None = None
    """Or the deviations of the steps between them [LSB]."""

    def __post_init__(self) -> None:
        """Raise `InputError` for numbers that cannot be meant."""
        check_numbers("input converters", self, {"gain_sigma": 0.2, "offset_sigma": np.inf, "dnl_sigma": np.inf})

    def levels(self, code_max: int, normals: tuple[Floats, Floats, Floats]) -> tuple[Floats, int]:
        """Return whole-number levels (rows, 2 * code_max + 1) of the codes, and the levels of one step, a power of two.

        Args:
            code_max: largest code.
            normals: standard normals for gain (rows,), offset (rows,) and steps (rows, 2 * code_max).

        Raises `InputError` for more bits than are kept, tables of a wrong length, and levels beyond twice the range.

        """
        codes = np.arange(-code_max, code_max + 1)
        if code_max >= 1 << (TABLE_BITS - 1):
            raise InputError(
                f"input converters with errors have at most {TABLE_BITS} bits; take fewer, or leave their errors out"
            )
        gain, offset, steps = normals
        table = table_inl(self.inl, self.dnl, len(codes), "input converters")
        level = codes * (1 + self.gain_sigma * gain[:, None]) + self.offset_sigma * offset[:, None]
        if table is not None:
            level = level + table
        if self.dnl_sigma:
            level = level + self.dnl_sigma * ladder_inl(steps)
        parts: int = 1 << (LEVEL_BITS - 1 - (code_max).bit_length())
        whole = np.rint(level * parts)
        if np.abs(whole).max(initial=0.0) >= 1 << LEVEL_BITS:
            worst = float(np.abs(level).max() / code_max)
            raise InputError(f"an input converter would give {worst:.2g} times its range; make its errors smaller")
        return np.asarray(whole), parts
