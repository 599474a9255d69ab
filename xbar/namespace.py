"""The array namespace: laws are written once and run where their arrays live (NumPy, CuPy, any array-API library)."""

from typing import Any, TypeAlias

from array_api_compat import array_namespace

from xbar.errors import InputError

Array: TypeAlias = Any
"""An array of any library that follows the Python array API standard."""


def namespace(*arrays: Array) -> Any:
    """Return the array-API namespace that all `arrays` share; Python scalars and None are skipped.

    There is no global backend: ask again wherever arrays come in. Raises `InputError` where no argument is an array,
    or where they belong to different libraries.
    """
    try:
        return array_namespace(*arrays)
    except TypeError as error:
        kinds = ", ".join(sorted({f"{type(a).__module__}.{type(a).__qualname__}" for a in arrays})) or "nothing"
        raise InputError(f"arrays of one library are needed, got {kinds}; convert them to one of them first") from error


def as_float64(array: Array) -> Array:
    """Return `array` in double precision on its own device; the array itself where it has that type already."""
    xp = namespace(array)
    return xp.astype(array, xp.float64, copy=False)
