"""Units as instruments and people spell them: in a flag, and in the head of a column."""

import re
from typing import Final

from xbar.errors import InputError
from xbar.units import scale

CELSIUS: Final = 273.15
"""0 degrees Celsius [K]."""

UNITS: Final = {
    "time": ("s",),
    "voltage": ("V",),
    "current": ("A",),
    "conductance": ("S", "ohm", "A", "1"),
    "target": ("S", "ohm"),
    "temperature": ("K",),
    "array": ("",),
    "row": ("",),
    "col": ("",),
    "cell": ("",),
    "write": ("",),
    "curve": ("",),
    "pulse": ("V", ""),
    "pulses": ("",),
    "needed": ("",),
    "failed": ("",),
    "compliance": ("A", ""),
    "up": ("S", "ohm", "A", "1"),
    "down": ("S", "ohm", "A", "1"),
    "deviation": ("S",),
}
"""Quantities that a column may be, and the units that each may have; "" stands for a plain number, "1" for a state,
such as a normalised conductance."""
_WORDS: Final = {
    "volt": "V",
    "volts": "V",
    "amp": "A",
    "amps": "A",
    "ampere": "A",
    "amperes": "A",
    "siemens": "S",
    "mho": "S",
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "msec": "ms",
    "usec": "us",
    "hr": "h",
    "hrs": "h",
    "hours": "h",
    "mins": "min",
    "minutes": "min",
    "kelvin": "K",
}
_CELSIUS: Final = ("degc", "°c", "c", "celsius", "deg c", "deg. c")
_HEAD: Final = re.compile(
    r"^(.*?)\s*(?:[(\[{<]\s*([^)\]}>]*?)\s*[)\]}>]|/\s*([^\s/]+)|_([A-Za-zµμΩΩ%]+)|,\s*([^\s,]+))\s*$"
)
"""A name and its unit in brackets, after a slash, an underscore or a comma."""


def spelled(unit: str) -> str:
    """Return a unit as `xbar.units` spells it: "kΩ", "KOhm", "ohms" and "Amps" among others are understood."""
    text = unit.strip().strip("[](){}").strip()
    text = text.replace("Ω", "ohm").replace("Ω", "ohm").replace("micro", "u").replace("µ", "u").replace("μ", "u")
    ohms = re.fullmatch(r"([a-zA-Z]?)\s*[oO][hH][mM][sS]?", text)
    if ohms:
        prefix = ohms[1]
        return {"K": "k", "g": "G"}.get(prefix, prefix) + "ohm"
    return _WORDS.get(text.lower(), text)


def factor_of(quantity: str, unit: str) -> tuple[str, float, float] | None:
    """Return (SI unit, factor, offset) of a unit of a quantity, None where the quantity does not come in it."""
    text = spelled(unit)
    if quantity == "temperature" and unit.strip().lower() in _CELSIUS:
        return "K", 1.0, CELSIUS
    for known in UNITS[quantity]:
        if known in ("", "1"):
            # A conductance without a unit may have lost it: that it has none must be said.
            if text == known or (text == "" and quantity != "conductance"):
                return known, 1.0, 0.0
            continue
        try:
            return known, scale(text, known), 0.0
        except InputError:
            continue
    return None


def in_head(head: str) -> tuple[str, str]:
    """Return name and unit of the head of a column; the unit is empty where it names none."""
    match = _HEAD.match(head.strip())
    if match is None:
        return head.strip(), ""
    return match[1].strip(), next((part for part in match.groups()[1:] if part is not None), "").strip()
