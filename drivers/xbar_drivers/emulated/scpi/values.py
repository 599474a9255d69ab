"""Values of SCPI parameters: numbers with suffixes, booleans, strings, channel lists; and how answers write numbers."""

import math
import re

from xbar_drivers.emulated.scpi.program_message import ScpiError, split

_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-z%]*)")
_BASED = re.compile(r"#([HQB])([0-9A-Fa-f]+)", re.IGNORECASE)

# Multipliers of suffixes (IEEE 488.2, 7.7.3): M is milli, MA mega, except in units of hertz and ohm.
_MULTIPLIERS = {"": 1.0, "EX": 1e18, "PE": 1e15, "T": 1e12, "G": 1e9, "MA": 1e6, "K": 1e3, "M": 1e-3, "U": 1e-6,
                "N": 1e-9, "P": 1e-12, "F": 1e-15, "A": 1e-18}  # fmt: skip
_UNITS = ("OHM", "HZ", "V", "A", "S", "W", "PLC")


class Bound(str):
    """MINimum, MAXimum or DEFault as the parameter of a query: it asks what the command would take it for."""

    __slots__ = ()


class BoundFound(Exception):  # no error: it carries the answer out of the command that would set it
    """What such a parameter stands for."""

    def __init__(self, value: float) -> None:
        super().__init__(value)
        self.value = value


BOUNDS = ("MIN", "MINIMUM", "MAX", "MAXIMUM", "DEF", "DEFAULT")


def number(text: str, low: float, high: float, default: float | None = None) -> float:
    """Return a numeric parameter: NRf with an optional suffix, #H, #Q, #B, MINimum, MAXimum, DEFault.

    Raises `ScpiError`: -104 for another type, -131 for an unknown suffix, -222 outside `low` to `high`; `BoundFound`
    for a `Bound`.
    """
    word = text.strip().upper()
    if isinstance(text, Bound):
        raise BoundFound(number(word, low, high, default))
    if word in ("MIN", "MINIMUM"):
        return low
    if word in ("MAX", "MAXIMUM"):
        return high
    if word in ("DEF", "DEFAULT"):
        return low if default is None else default
    if found := _BASED.fullmatch(word):
        value = (
            float(int(found[2], {"H": 16, "Q": 8, "B": 2}[found[1].upper()])) if _fits(found[1], found[2]) else math.nan
        )
    else:
        value = _decimal(word)
    if math.isnan(value):
        raise ScpiError(-104, f"Data type error;{text[:40]}")
    if not low <= value <= high:
        raise ScpiError(-222, f"Parameter data out of range;{text[:40]}")
    return value


def _fits(base: str, digits: str) -> bool:
    return not digits.strip({"H": "0123456789ABCDEFabcdef", "Q": "01234567", "B": "01"}[base.upper()])


def _decimal(word: str) -> float:
    found = _NUMBER.fullmatch(word)
    if found is None:
        return math.nan
    suffix = found[2].upper()
    for unit in ("", *_UNITS):
        if suffix.endswith(unit) and suffix[: len(suffix) - len(unit)] in _MULTIPLIERS and (unit or not suffix):
            scale = _MULTIPLIERS[suffix[: len(suffix) - len(unit)]]
            if unit in ("OHM", "HZ") and suffix.startswith("M"):
                scale = 1e6
            return float(found[1]) * scale
    raise ScpiError(-131, f"Invalid suffix;{suffix[:20]}")


def boolean(text: str) -> bool:
    """Return ON, OFF or a number that is 0 or not.

    Raises `ScpiError`.
    """
    word = text.strip().upper()
    if word in ("ON", "OFF"):
        return word == "ON"
    if isinstance(text, Bound):
        raise ScpiError(-224, f"Illegal parameter value;{text}")
    return round(number(text, -1e9, 1e9)) != 0


def whole(text: str, low: int, high: int) -> int:
    """Return a whole number, rounded.

    Raises `ScpiError`.
    """
    return round(number(text, low, high))


def string(text: str) -> str:
    """Return a string in quotes, a doubled quote inside being one; text without quotes as it is."""
    if len(text) >= 2 and text[0] in "\"'" and text[-1] == text[0]:
        return text[1:-1].replace(text[0] * 2, text[0])
    return text


def channel_list(text: str) -> list[str]:
    """Return the entries of a channel list such as (@00103,00204:00206), ranges as they are written.

    Raises `ScpiError`.
    """
    found = re.fullmatch(r"\(\s*@([^()]*)\)", text.strip())
    if found is None:
        raise ScpiError(-171, f"Invalid expression;{text[:40]}")
    return [part.strip() for part in split(found[1], ",", 10_000) if part.strip()]


def show(value: float, digits: int = 6) -> str:
    """Return a number as an answer writes it: `3.755925E-06`."""
    return f"{value:.{digits}E}"
