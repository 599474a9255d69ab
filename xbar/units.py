"""Quantities with units, read and written at the edge: inside xbar every number is in SI units (S, V, A, s, K, ohm, J).

`parse("25 uS", "S")` gives 2.5e-05; `show(2.5e-05, "S")` gives "25 uS". A number without its unit is an error.
"""

import math
import re

from xbar.errors import InputError

PREFIXES = {"f": -15, "p": -12, "n": -9, "u": -6, "µ": -6, "μ": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9}
"""Decimal exponents of the SI prefixes that are accepted."""

MONTH = 30 * 86400.0
"""A month of the retention tables: 30 days [s]."""

YEAR = 365 * 86400.0
"""A year of the retention tables: 365 days [s]."""

TIMES = {
    "min": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
    "week": 7 * 86400.0,
    "month": MONTH,
    "year": YEAR,
}

LONGEST = 100
"""Characters of the longest quantity that is read; the pattern takes time with the cube of its length."""

_NUMBER = re.compile(r"^\s*[+-]?(?:\d+\.?\d*|\.\d+)[eE][+-]?\d+\s*$")
"""A number alone, whose exponent would pass for a unit."""

_QUANTITY = re.compile(r"^\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\s\d.+-][^\s]*)\s*$")


def scale(text: str, unit: str) -> float:
    """Return how many `unit` one unit named `text` is: `scale("uS", "S")` is 1e-06.

    Raises `InputError` for a name that is not `unit` with an SI prefix (for seconds also min, h, day, week, month of
    30 days, year of 365 days).
    """
    if unit == "s":
        # Plurals of words alone: "ds" and "hs" would be taken for days and hours.
        singular = text.removesuffix("s") if len(text) > 2 else text
        if singular in TIMES:
            return TIMES[singular]
    # OMEGA, and the OHM SIGN of older keyboards.
    name = text.replace("\N{GREEK CAPITAL LETTER OMEGA}", "ohm").replace("\N{OHM SIGN}", "ohm")
    if unit == "ohm":
        name = name.removesuffix("s").replace("Ohm", "ohm")
    if name.endswith(unit) and name[: len(name) - len(unit)] in PREFIXES:
        # A decimal string, not a power: 10.0**-6 is not the float nearest to 1e-06 on every C library.
        return float(f"1e{PREFIXES[name[: len(name) - len(unit)]]}")
    raise InputError(f"unit {text!r} is not a unit of {unit}; write for example '1 {unit}', '1 m{unit}' or '1 u{unit}'")


def parse(text: str | float, unit: str) -> float:
    """Return the value of a quantity such as "25 uS" or "1 day" in SI units `unit`.

    A zero may stand without a unit. Raises `InputError` for a number without a unit, an unknown unit or a value that
    is not finite.
    """
    if isinstance(text, int | float) and not isinstance(text, bool):
        if text == 0:
            return 0.0
        raise InputError(f"value {text!r} has no unit; write it as text with its unit, for example '{text} {unit}'")
    if len(str(text)) > LONGEST:
        raise InputError(f"{str(text)[:20]!r}... is no quantity: more than {LONGEST} characters")
    match = None if _NUMBER.match(str(text)) else _QUANTITY.match(str(text))
    if match is None:
        if re.fullmatch(r"\s*[+-]?0+(\.0*)?\s*", str(text)):
            return 0.0
        raise InputError(f"{text!r} is not a quantity; write a number and its unit, for example '1 {unit}'")
    exponent = scale(match[2], unit)
    # Digits and prefix are joined before the conversion, so that "25 uS" is the float nearest to 25e-6.
    power = round(math.log10(exponent))
    joined = float(f"1e{power}") == exponent and "e" not in match[1].lower()
    value = float(f"{match[1]}e{power}") if joined else float(match[1]) * exponent
    if not math.isfinite(value):
        raise InputError(f"{text!r} is not a finite quantity in {unit}")
    return value


def show(value: float, unit: str, digits: int = 4) -> str:
    """Return a quantity as text with an SI prefix, or in minutes, hours, days for long times: "25 uS", "1 day"."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g} {unit}"
    if unit == "s" and abs(value) >= 60:
        name, size = next((n, TIMES[n]) for n in ("year", "month", "day", "h", "min") if abs(value) >= TIMES[n])
        count = f"{value / size:.{digits}g}"
        return f"{count} {name}{'s' if name in ('day', 'month', 'year') and count != '1' else ''}"
    for prefix in ("G", "M", "k", "", "m", "u", "n", "p", "f"):
        size = float(f"1e{PREFIXES[prefix]}")
        if abs(value) >= size * (1 - 0.5 * 10.0**-digits):
            return f"{value / size:.{digits}g} {prefix}{unit}"
    return f"{value:.{digits}g} {unit}"
