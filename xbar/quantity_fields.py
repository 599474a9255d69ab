"""Quantities in files that people write, as pydantic fields: text with its unit in, a number in SI units out."""

from collections.abc import Callable
from typing import Annotated

from pydantic import BeforeValidator, Field

from xbar.errors import InputError
from xbar.units import parse

LONGEST_QUANTITY = 40
"""Characters of the longest quantity that is read: longer text is no number, and would be slow to refuse."""


def quantity(unit: str, example: str) -> Callable[[object], float]:
    """Return what reads a quantity of a unit, for a pydantic field; it raises `InputError` naming the example."""

    def read(value: object) -> float:
        if isinstance(value, str) and len(value) <= LONGEST_QUANTITY:
            if _number(value):
                raise InputError(f"{value!r} has no unit; write it behind the number, for example {example!r}")
            return parse(value, unit)
        if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
            if value == 0:
                return 0.0
            raise InputError(f"a number without unit; write text with a number and its unit, for example {example!r}")
        raise InputError(f"not a quantity; write text with a number and its unit, for example {example!r}")

    return read


def _share(value: object) -> float:
    if isinstance(value, str) and len(value) <= LONGEST_QUANTITY and value.rstrip().endswith("%"):
        percent = _number(value.rstrip()[:-1])
        value = None if percent is None else percent / 100
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError("not a share; write a number from 0 to 1 or a percentage, for example '0.1 %'")
    return float(value)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


Conductance = Annotated[float, BeforeValidator(quantity("S", "25 uS"))]
Voltage = Annotated[float, BeforeValidator(quantity("V", "0.2 V"))]
Current = Annotated[float, BeforeValidator(quantity("A", "1 mA"))]
Energy = Annotated[float, BeforeValidator(quantity("J", "1 nJ"))]
Resistance = Annotated[float, BeforeValidator(quantity("ohm", "1 ohm"))]
Seconds = Annotated[float, BeforeValidator(quantity("s", "20 s"))]
Share = Annotated[float, BeforeValidator(_share)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A number without unit."""
