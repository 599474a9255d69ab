"""Where a law holds: ranges of conductance, time, temperature and voltage, and what happens outside."""

import math
import warnings
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from xbar.errors import InputError
from xbar.namespace import Array, as_float64, namespace
from xbar.units import show

Range: TypeAlias = tuple[float, float]
Outside: TypeAlias = Literal["refuse", "warn"]
"""What a caller wants outside the valid range: an error, or a warning and the law as it stands."""

UNITS: Final = {"conductance": "S", "time": "s", "temperature": "K", "voltage": "V"}
"""Quantities that a range may limit, and their SI units."""

ROUNDING: Final = 1e-9
"""How far, relative to the upper end, a value may lie outside: rounding, no physics."""


class ExtrapolationWarning(UserWarning):
    """A law was used outside the range that it was fitted on, as its caller asked."""


@dataclass(frozen=True)
class Validity:
    """Ranges that a law was fitted on, ends included; None where the source gives none."""

    conductance: Range | None = None
    """[S]."""
    time: Range | None = None
    """Time since programming [s]."""
    temperature: Range | None = None
    """[K]."""
    voltage: Range | None = None
    """Voltage across the cell [V]."""

    def covers(self, **values: float | Array | None) -> bool:
        """Return whether all of some values lie inside; None and quantities without a range do."""
        return self._outside(values) is None

    def check(self, law: str, outside: Outside = "refuse", **values: float | Array | None) -> None:
        """Check values named as the fields are, in SI units, numbers or arrays; `law` names the law in messages.

        Raises `InputError` for a value outside its range, NaN excepted; with `outside="warn"` an
        `ExtrapolationWarning` is given instead.
        """
        found = self._outside(values)
        if found is None:
            return
        name, worst = found
        low, high = getattr(self, name)
        unit = UNITS[name]
        text = f"{law}: {name} {show(worst, unit)} lies outside {show(low, unit)} to {show(high, unit)}, where it holds"
        if outside == "warn":
            warnings.warn(f"{text}; extrapolated", ExtrapolationWarning, stacklevel=2)
        else:
            raise InputError(f"{text}; stay inside, or use another card")

    def describe(self) -> str:
        """Return the ranges in a few words; empty where there are none."""
        ranges = ((name, getattr(self, name)) for name in UNITS)
        return ", ".join(
            f"{name} {show(r[0], UNITS[name])} to {show(r[1], UNITS[name])}" for name, r in ranges if r is not None
        )

    def _outside(self, values: dict[str, float | Array | None]) -> tuple[str, float] | None:
        for name, value in values.items():
            if name not in UNITS:
                raise InputError(f"{name!r} is no quantity of a valid range; there are {', '.join(UNITS)}")
            limits = getattr(self, name)
            if value is None or limits is None:
                continue
            slack = ROUNDING * max(abs(limits[0]), abs(limits[1]))
            for end in _ends(value):
                if end < limits[0] - slack or end > limits[1] + slack:
                    return name, end
        return None


def _ends(value: float | Array) -> tuple[float, ...]:
    if isinstance(value, int | float):
        return () if math.isnan(value) else (float(value),)
    if math.prod(value.shape) == 0:
        return ()
    xp, value = namespace(value), as_float64(value)
    missing = xp.isnan(value)
    low, high = xp.min(xp.where(missing, math.inf, value)), xp.max(xp.where(missing, -math.inf, value))
    return (float(low), float(high)) if float(low) <= float(high) else ()
