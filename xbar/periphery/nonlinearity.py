"""Integral and differential non-linearity: how far the levels or transitions of a converter lie from a straight line.

Both count in steps of the ideal converter (LSB). DNL is the width of a step less 1; INL the deviation of a level or a
transition, the sum of the DNL below it. Source of the definitions: IEEE Std 1241-2010, "Terminology and Test Methods
for Analog-to-Digital Converters".
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xbar.errors import InputError

Floats = NDArray[np.float64]


def inl_of_dnl(dnl: Floats) -> Floats:
    """Return the INL `(..., n + 1)` [LSB] of widths `(..., n)` [LSB]: 0 at the first, then sums of the DNL below."""
    sums = np.cumsum(dnl, axis=-1)
    return np.concatenate([np.zeros_like(sums[..., :1]), sums], axis=-1)


def ladder_inl(dnl: Floats) -> Floats:
    """Return the INL `(..., n + 1)` [LSB] of a ladder of `n` unit elements whose widths err by `dnl` `(..., n)` [LSB].

    The line goes through both ends, so they are 0. Elements with independent errors of deviation s give an INL of
    deviation s sqrt(k (n - k) / n) after k of them (a Brownian bridge), the most in the middle: s sqrt(n) / 2.
    """
    inl = inl_of_dnl(dnl)
    along = np.arange(inl.shape[-1]) / max(inl.shape[-1] - 1, 1)
    return np.asarray(inl - along * inl[..., -1:])


def table_inl(
    inl: Sequence[float] | None, dnl: Sequence[float] | None, count: int, where: str
) -> NDArray[np.float64] | None:
    """Return the INL `(count,)` [LSB] that a table says; None where there is none.

    Args:
        inl: INL [LSB] of each level or transition, `count` numbers, or None.
        dnl: DNL [LSB] of each step between them, one number less, or None.
        count: levels or transitions of the converter.
        where: the converter, for errors.

    Raises `InputError` for both at once, a wrong count or a number that is not finite.

    """
    if inl is not None and dnl is not None:
        raise InputError(f"{where}: inl and dnl say the same; give one of them")
    for name, table, length in (("inl", inl, count), ("dnl", dnl, count - 1)):
        if table is None:
            continue
        values = np.array(table, np.float64)
        if values.shape != (length,):
            raise InputError(f"{where}: {name} has {values.size} values; a converter of these bits has {length}")
        if not np.isfinite(values).all():
            raise InputError(f"{where}: {name} holds numbers that are not finite; give LSB")
        return values if name == "inl" else inl_of_dnl(values)
    return None
