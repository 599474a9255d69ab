"""How two values of a field differ: the first element, in numbers and units, and how many there are."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNITS = {
    "targets": "S",
    "voltages": "V",
    "projections": "V",
    "seconds": "s",
    "started": "s",
    "ended": "s",
    "time": "s",
    "applied": "V",
    "voltage": "V",
    "gate": "V",
    "current": "A",
    "range": "A",
    "current_limit": "A",
    "current_range": "A",
    "step": "A",
    "offset": "A",
    "input_range": "V",
    "output_range": "A",
    "width": "s",
    "rise": "s",
    "fall": "s",
    "settle": "s",
}
"""Units of the fields of requests and readings; a field that is not here is a pure number."""
LONGEST = 80
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Difference:
    """The first thing in which two operations, or the heads of two traces, are not the same."""

    operation: int | None
    """Number of the operation, from 0; None in the head of the trace."""
    field: str
    """What differs, such as "readings.current"."""
    first: str
    """Its value in the first trace, with its unit."""
    second: str
    """Its value in the second trace."""
    place: tuple[int, ...] | None = None
    """Index of the first element that differs, where the field is an array."""
    differing: int | None = None
    """How many elements differ."""
    largest: float | None = None
    """The largest difference of two numbers, in the field's unit."""

    @property
    def unit(self) -> str:
        """Get the unit of the field, "" for a pure number."""
        return UNITS.get(self.field.rpartition(".")[2], "")

    @property
    def text(self) -> str:
        """Get it in one line."""
        where = "" if self.place is None else f"[{', '.join(map(str, self.place))}]"
        more = f" ({self.differing} elements differ)" if self.differing and self.differing > 1 else ""
        return f"{self.field}{where}: {self.first} | {self.second}{more}"


def difference(operation: int | None, name: str, a: Any, b: Any) -> Difference | None:
    """Return how the values `a` and `b` of a field differ; None where they are the same to the bit, NaN included.

    Arrays are compared as numbers, whatever type they are stored in; `operation` is only carried over.
    """
    unit = UNITS.get(name.rpartition(".")[2], "")
    if not (isinstance(a, np.ndarray) or isinstance(b, np.ndarray)):
        if _same_value(a, b):
            return None
        if isinstance(a, str) and isinstance(b, str):
            a, b = _where_they_part(a, b)
        return Difference(operation, name, show_value(a, unit), show_value(b, unit))
    if a is None or b is None or np.shape(a) != np.shape(b):
        shapes = ["none" if value is None else f"shape {np.shape(value)}" for value in (a, b)]
        return Difference(operation, name, shapes[0], shapes[1])
    x, y = np.asarray(a), np.asarray(b)
    differs = _unequal(x, y)
    if not differs.any():
        return None
    place = tuple(int(i) for i in np.unravel_index(int(differs.argmax()), differs.shape))
    with np.errstate(invalid="ignore", over="ignore"):
        gaps = np.abs(x[differs].astype(np.float64) - y[differs].astype(np.float64))
    gaps = gaps[np.isfinite(gaps)]
    largest = float(gaps.max()) if gaps.size else None
    first, second = (show_value(values[place].item(), unit) for values in (x, y))
    return Difference(operation, name, first, second, place, int(differs.sum()), largest)


def _unequal(x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where numbers differ; NaN equals NaN, and the sign of 0 counts."""
    unequal = x != y
    if x.dtype.kind == "f" and y.dtype.kind == "f":
        unequal &= ~(np.isnan(x) & np.isnan(y))
        unequal |= (x == 0) & (y == 0) & (np.signbit(x) != np.signbit(y))
    return np.asarray(unequal)


def _same_value(a: Any, b: Any) -> bool:
    return bool(a == b or (isinstance(a, float) and isinstance(b, float) and a != a and b != b))


def _where_they_part(a: str, b: str) -> tuple[str, str]:
    """Return two texts without the beginning that is the same, but for a few letters of it."""
    same = next((place for place, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    start = max(0, same - 20)
    return (f"...{a[start:]}", f"...{b[start:]}") if start > LONGEST // 2 else (a, b)


def show_value(value: Any, unit: str) -> str:
    """Return a value and its unit as text, so that floats that differ look different; long ones are cut."""
    if value is None:
        return "none"
    text = getattr(value, "name", None) or (repr(value) if isinstance(value, float) else str(value))
    text = text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
    return f"{text} {unit}" if unit else text
