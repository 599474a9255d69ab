"""Attributes of foreign HDF5 files: single numbers and texts, never anything that would have to be unpickled."""

from typing import Any

import h5py
import numpy as np

from xbar.errors import FormatError

SHORT = 65536
"""Largest name, unit or remark that is read [bytes]."""
LONG = 32 * 2**20
"""Largest text that travels with a trace as a file [bytes]."""


def read_number(item: Any, name: str) -> float | None:
    """Return an attribute that is one number, alone or in an array of one; None where there is none.

    Raises `FormatError` for anything else.
    """
    attribute = _attribute(item, name)
    if attribute is None:
        return None
    if attribute.shape not in ((), (1,)) or attribute.dtype.kind not in "iuf":
        raise FormatError(f"{_place(item, name)} is {attribute.dtype} of shape {attribute.shape}, not one number")
    return float(np.asarray(_value(item, name)).reshape(-1)[0])


def read_whole(item: Any, name: str, low: int, high: int) -> int:
    """Return an attribute that is a whole number from `low` to `high`. Raises `FormatError` otherwise."""
    number = read_number(item, name)
    if number is None or not low <= number <= high or number != int(number):
        found = "missing" if number is None else f"{number:g}"
        raise FormatError(f"{_place(item, name)} is {found}; expected is a whole number from {low} to {high}")
    return int(number)


def read_text(item: Any, name: str, limit: int = SHORT) -> str:
    """Return an attribute that is one text of at most `limit` bytes, "" where there is none.

    A text of variable length takes no more memory than the file has bytes. Raises `FormatError` for anything else.
    """
    attribute = _attribute(item, name)
    if attribute is None:
        return ""
    kind = attribute.dtype.kind
    text = kind == "S" or (kind == "O" and h5py.check_string_dtype(attribute.dtype) is not None)
    if attribute.shape not in ((), (1,)) or not text or attribute.dtype.itemsize > limit:
        raise FormatError(f"{_place(item, name)} is {attribute.dtype} of shape {attribute.shape}, not one text")
    value = np.asarray(_value(item, name)).reshape(-1)[0]
    data = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
    if len(data) > limit:
        raise FormatError(f"{_place(item, name)} holds {len(data)} bytes of text; at most {limit} are read")
    return bytes(data).decode("utf-8", "replace")


def read_names(item: Any, name: str) -> tuple[str, ...]:
    """Return an attribute that is a list of texts; empty where it is another kind or is not there."""
    attribute = _attribute(item, name)
    if attribute is None or len(attribute.shape) != 1 or h5py.check_string_dtype(attribute.dtype) is None:
        return ()
    values = _value(item, name)
    return tuple(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values)


def has(item: Any, name: str) -> bool:
    """Return whether a group or dataset has an attribute; a damaged one counts as none."""
    try:
        return name in item.attrs
    except (OSError, RuntimeError):
        return False


def _attribute(item: Any, name: str) -> Any:
    """Return the attribute's description, None where there is none."""
    if not has(item, name):
        return None
    try:
        attribute = item.attrs.get_id(name)
        attribute.dtype  # noqa: B018  # a type that h5py cannot name raises here
    except (KeyError, OSError, RuntimeError, TypeError, ValueError):
        raise FormatError(f"{_place(item, name)} cannot be read; the file is damaged") from None
    return attribute


def _value(item: Any, name: str) -> Any:
    try:
        return item.attrs[name]
    except (KeyError, OSError, RuntimeError, TypeError, ValueError):
        raise FormatError(f"{_place(item, name)} cannot be read; the file is damaged") from None


def _place(item: Any, name: str) -> str:
    return f"{item.file.filename}: attribute {name} of {item.name}"
