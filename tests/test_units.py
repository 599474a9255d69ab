"""Quantities at the edge: what people write, and what they read."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbar.errors import InputError
from xbar.units import MONTH, PREFIXES, TIMES, YEAR, parse, scale, show

UNITS = ("S", "V", "A", "s", "K", "ohm", "J")


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("25 uS", "S", 25e-6),
        ("25uS", "S", 25e-6),
        (" 25 µS ", "S", 25e-6),
        ("25 μS", "S", 25e-6),
        ("1e-3 uS", "S", 1e-9),
        ("-0.2 V", "V", -0.2),
        (".5 mA", "A", 0.5e-3),
        ("+10 kohm", "ohm", 1e4),
        ("10 kΩ", "ohm", 1e4),
        ("4 Mohm", "ohm", 4e6),
        ("5 ms", "s", 5e-3),
        ("1 Ms", "s", 1e6),
        ("5 min", "s", 300.0),
        ("1.5 hours", "s", 5400.0),
        ("1 day", "s", 86400.0),
        ("1e3 ohm", "ohm", 1000.0),
        ("2 Ohm", "ohm", 2.0),
        ("2 kOhms", "ohm", 2000.0),
        ("2 weeks", "s", 14 * 86400.0),
        ("1 month", "s", 30 * 86400.0),
        ("10 years", "s", 3650 * 86400.0),
        ("0", "S", 0.0),
        ("0.00", "V", 0.0),
        (0, "V", 0.0),
        (0.0, "V", 0.0),
    ],
)
def test_parse(text: str | float, unit: str, value: float) -> None:
    """What people write becomes the nearest float in SI units."""
    assert parse(text, unit) == value


@pytest.mark.parametrize(
    ("text", "unit", "message"),
    [
        ("25", "S", "'25' is not a quantity; write a number and its unit, for example '1 S'"),
        (25, "S", "25 has no unit; write it as text with its unit, for example '25 S'"),
        (2.5, "S", "2.5 has no unit"),
        ("-1e3", "V", "'-1e3' is not a quantity"),
        ("1e-6", "S", "'1e-6' is not a quantity"),
        (True, "S", "not a quantity"),
        (False, "S", "not a quantity"),
        ("uS", "S", "not a quantity"),
        ("", "S", "not a quantity"),
        ("1 2 S", "S", "not a quantity"),
        ("nan S", "S", "not a quantity"),
        ("inf S", "S", "not a quantity"),
        (math.nan, "S", "has no unit"),
        ("25 uV", "S", "unit 'uV' is not a unit of S; write for example '1 S', '1 mS' or '1 uS'"),
        ("1 mS", "s", "unit 'mS' is not a unit of s"),
        ("1 m", "s", "unit 'm' is not a unit of s"),
        ("1 xS", "S", "unit 'xS'"),
        ("1 day", "S", "unit 'day'"),
        ("1 kday", "s", "unit 'kday'"),
        ("1e400 S", "S", "not a finite quantity"),
        ("1e308 GS", "S", "not a finite quantity"),
    ],
)
def test_parse_refuses(text: str | float, unit: str, message: str) -> None:
    """A number without unit, a wrong unit and a value that is not finite are errors that say what to write."""
    with pytest.raises(InputError) as caught:
        parse(text, unit)
    assert message in str(caught.value)


@given(st.decimals(-(10**6), 10**6, places=5), st.sampled_from(sorted(PREFIXES)), st.sampled_from(UNITS))
def test_prefixes_give_the_nearest_float(number: object, prefix: str, unit: str) -> None:
    """A prefix is a decimal exponent: the value is the float nearest to the digits and that exponent."""
    assert parse(f"{number} {prefix}{unit}", unit) == float(f"{number}e{PREFIXES[prefix]}")


def test_scale() -> None:
    """One of a unit in SI units, times included."""
    assert scale("uS", "S") == 1e-6
    assert scale("S", "S") == 1.0
    assert (scale("month", "s"), scale("years", "s")) == (MONTH, YEAR) == (TIMES["month"], TIMES["year"])
    with pytest.raises(InputError, match="unit 'uA' is not a unit of S"):
        scale("uA", "S")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (25e-6, "S", "25 uS"),
        (-3e-6, "S", "-3 uS"),
        (0.0, "S", "0 S"),
        (9.99999e-7, "S", "1 uS"),
        (1.23456e-7, "S", "123.5 nS"),
        (1e12, "ohm", "1000 Gohm"),
        (1e-18, "S", "1e-18 S"),
        (0.2, "V", "200 mV"),
        (1.0, "s", "1 s"),
        (90.0, "s", "1.5 min"),
        (3600.0, "s", "1 h"),
        (86400.0, "s", "1 day"),
        (172800.0, "s", "2 days"),
        (MONTH, "s", "1 month"),
        (10 * YEAR, "s", "10 years"),
        (math.nan, "S", "nan S"),
        (-math.inf, "A", "-inf A"),
    ],
)
def test_show(value: float, unit: str, text: str) -> None:
    """A value is shown with the prefix, or the time, that people use."""
    assert show(value, unit) == text


@given(st.floats(1e-14, 1e11), st.booleans(), st.sampled_from(UNITS))
def test_what_is_shown_can_be_read(size: float, negative: bool, unit: str) -> None:
    """Text of `show` is read by `parse`, to the digits shown."""
    value = -size if negative else size
    assert parse(show(value, unit, digits=9), unit) == pytest.approx(value, rel=1e-8)
