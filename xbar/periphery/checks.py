"""Checks of the numbers that describe converters."""

from collections.abc import Mapping
from math import isfinite

from xbar.errors import InputError


def check_numbers(where: str, settings: object, largest: Mapping[str, float]) -> None:
    """Raise `InputError` for a field of `settings` that is not a number from 0 to its largest; None is let through."""
    for name, most in largest.items():
        value = getattr(settings, name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"{where}: {name} {value!r} is not a number")
        if not (isfinite(value) and 0 <= value <= most):
            upper = "" if most == float("inf") else f" and at most {most:g}"
            raise InputError(f"{where}: {name} {value:g} must be finite, not below 0{upper}")
