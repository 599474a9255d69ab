"""Real numbers from what a caller gives: conductances, voltages, resistances, currents."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.errors import InputError


def real_numbers(value: Any, what: str, dtype: Any = np.float64) -> NDArray[Any]:
    """Return `value` as an array of `dtype`, float64 or float32, without a copy where it is one already.

    `what` names it in messages. Raises `InputError` for texts, complex numbers, nested sequences of unequal length, and
    for masked arrays where something is masked: what was not measured would become a number.
    """
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise InputError(f"{what} are masked in {int(np.ma.getmaskarray(value).sum())} places; fill these with numbers")
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "buif":
            array = array.astype(dtype) if array.dtype.kind == "O" else _refuse(array)
        return np.asarray(array, dtype)
    except (TypeError, ValueError) as error:
        text = repr(value)
        short = text if len(text) <= 60 else f"{text[:57]}..."
        raise InputError(f"{what} are {short}; give an array of real numbers") from error


def _refuse(array: NDArray[Any]) -> NDArray[Any]:
    raise TypeError(f"{array.dtype} are no real numbers")
