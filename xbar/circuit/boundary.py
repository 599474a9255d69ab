"""Boundary: how the four sides of an array are connected, line by line.

                top
         |      |      |
left  ---+------+------+---  right      word lines, row 0
         |      |      |
      ---+------+------+---             row 1
         |      |      |
               bottom
             bit lines
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbar.circuit.real_numbers import real_numbers
from xbar.circuit.wires import Floats, resistances
from xbar.errors import InputError

Kind: TypeAlias = Literal["driven", "biased", "sensed", "open"]

NAMES = {"grounded": "biased", "floating": "open"}
"""Other names of an end: grounded is biased at 0 V; a line floats where both its ends are open."""


@dataclass(frozen=True, eq=False)
class End:
    """One end of the lines of one side.

    driven: held at the input of its word line. biased: held at `volts`, not part of the result. sensed: held at
    `volts`, and the current that leaves here is the result. open: not connected.
    """

    kind: Kind
    volts: ArrayLike = 0.0
    """Voltage of a biased or sensed end [V]: a number, or one for each line."""
    resistance: ArrayLike | None = None
    """Resistance up to the line's first segment [ohm], a number or one for each line; None: that of the wires
    (`source` of word lines, `sense` of bit lines)."""

    def __post_init__(self) -> None:
        """Raise `InputError` for an unknown kind, or voltages or resistances that cannot be."""
        if self.kind not in get_args(Kind):
            raise InputError(f"end {self.kind!r}; possible: {', '.join([*get_args(Kind), *NAMES])}")
        volts = np.array(real_numbers(self.volts, f"volts of an end {self.kind!r}"))
        if volts.ndim > 1 or not np.isfinite(volts).all():
            raise InputError(f"end {self.kind!r} at {self.volts!r} V; give a finite number, or one for each line")
        if self.kind in ("driven", "open") and volts.any():
            remedy = "give the inputs to the operator" if self.kind == "driven" else "use biased(volts)"
            raise InputError(f"end {self.kind!r} has no voltage of its own; {remedy}")
        volts.flags.writeable = False
        object.__setattr__(self, "volts", volts)
        if self.resistance is not None:
            object.__setattr__(self, "resistance", resistances(self.resistance, "of an end", 1))


Ends: TypeAlias = End | str | Sequence[End | str]
"""One end for all lines of a side, or one for each line."""


def driven(resistance: ArrayLike | None = None) -> End:
    """Return an end that is held at the input of its word line."""
    return End("driven", resistance=resistance)


def biased(volts: ArrayLike, resistance: ArrayLike | None = None) -> End:
    """Return an end that is held at `volts` [V] and is not part of the result."""
    return End("biased", volts, resistance)


def sensed(volts: ArrayLike = 0.0, resistance: ArrayLike | None = None) -> End:
    """Return an end that is held at `volts` [V], 0 V a virtual ground; the current that leaves here is the result."""
    return End("sensed", volts, resistance)


def floating() -> End:
    """Return an end that is not connected; a line whose two ends are such floats."""
    return End("open")


@dataclass(frozen=True, eq=False)
class Boundary:
    """The four sides of an array; by default driven at the left, sensed at the bottom, open elsewhere.

    Each side is an `End`, its name (`"driven"`, `"sensed"`, `"open"`, `"floating"`, `"grounded"`), or a sequence of
    these, one for each line. Word lines are driven, biased or open; bit lines are sensed, biased or open. Raises
    `InputError` otherwise.
    """

    left: Ends = "driven"
    right: Ends = "open"
    top: Ends = "open"
    bottom: Ends = "sensed"

    def __post_init__(self) -> None:
        """Turn names into ends and check the kinds of each side."""
        for side, bad in (("left", "sensed"), ("right", "sensed"), ("top", "driven"), ("bottom", "driven")):
            ends = _ends(getattr(self, side))
            lines, other = ("word", "driven") if bad == "sensed" else ("bit", "sensed")
            if any(end.kind == bad for end in (ends if isinstance(ends, tuple) else (ends,))):
                raise InputError(f"{side} end {bad!r}: {lines} lines are {other}, biased or open")
            object.__setattr__(self, side, ends)


@dataclass(frozen=True, eq=False)
class SideArrays:
    """One side of an array as numbers, one for each of its lines."""

    resistance: Floats
    """[ohm], infinity where open."""
    volts: Floats
    """Constant voltage [V]; 0 for a driven end."""
    port: NDArray[np.bool_]
    """Driven (word lines) or sensed (bit lines)."""

    def reversed(self) -> "SideArrays":
        """Return the side with its lines in the opposite order."""
        return SideArrays(self.resistance[::-1], self.volts[::-1], self.port[::-1])


def side_arrays(ends: Ends, lines: int, resistance: ArrayLike, side: str) -> SideArrays:
    """Return one side of a `Boundary` as arrays for `lines` lines; `resistance`: that of ends without their own.

    Raises `InputError` where ends, voltages or resistances are not as many as the lines.
    """
    found = _ends(ends)
    if isinstance(found, End):
        return _equal_ends(found, lines, resistance, side)
    if len(found) != lines:
        raise InputError(f"{side}: {len(found)} ends for {lines} lines; give one for each, or one for all")
    ohm, volts, port = np.full(lines, np.inf), np.zeros(lines), np.zeros(lines, bool)
    for k, end in enumerate(found):
        one = _equal_ends(end, lines, resistance, side)
        ohm[k], volts[k], port[k] = one.resistance[k], one.volts[k], one.port[k]
    return SideArrays(ohm, volts, port)


def _equal_ends(end: End, lines: int, resistance: ArrayLike, side: str) -> SideArrays:
    """Return a side all of whose lines end alike."""
    if end.kind == "open":
        return SideArrays(np.full(lines, np.inf), np.zeros(lines), np.zeros(lines, bool))
    ohm = _of_lines(resistance if end.resistance is None else end.resistance, lines, side, "resistance")
    port = np.full(lines, end.kind in ("driven", "sensed"))
    return SideArrays(ohm, _of_lines(end.volts, lines, side, "voltage"), port)


def _of_lines(value: ArrayLike, lines: int, side: str, quantity: str) -> Floats:
    array = np.asarray(value, float)
    if array.ndim and array.shape != (lines,):
        raise InputError(f"{side}: {quantity} of {array.size} values for {lines} lines; give one for each")
    return np.asarray(np.zeros(lines) + array)


def _ends(ends: Ends) -> End | tuple[End, ...]:
    if isinstance(ends, str):
        kind = NAMES.get(ends, ends)
        return End(kind)  # type: ignore[arg-type]  # End itself refuses a name that is no kind
    if isinstance(ends, End):
        return ends
    if not isinstance(ends, Sequence | np.ndarray):
        raise InputError(f"ends of one side are {ends!r}; give an end, its name, or one of these for each line")
    found = []
    for end in ends:
        one = _ends(end)
        if isinstance(one, tuple):
            raise InputError("ends of one side are nested sequences; give one flat sequence, an end for each line")
        found.append(one)
    return tuple(found)
