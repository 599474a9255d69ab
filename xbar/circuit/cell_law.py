"""Laws of cells: the current through a cell as a function of the voltage across it.

`g` is the cell's conductance at 0 V [S]; every law is increasing, so that an array of such cells has exactly one
solution. Beyond `limit`, the largest |voltage| for which a law is meant, it is continued by its tangent: an iteration
may pass through there, and a solution that stays there is reported.
"""

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from xbar.circuit.law import CellLaw as CellLaw
from xbar.circuit.law import Law, require_law
from xbar.errors import InputError
from xbar.namespace import Array, namespace
from xbar.units import show

OVERFLOW = 40.0
"""Exponent up to which exponential laws are evaluated by default: exp(40) is 2e17."""

ITERATIONS = 100
"""Steps of the safeguarded Newton iteration for two elements in series, at most."""


STEP = 1e-9
"""Last step of that iteration, relative to the whole voltage: the error of the current falls with its square."""


@dataclass(frozen=True)
class Ohmic(Law):
    """A resistor: i = g v."""

    limit: float = math.inf

    def evaluate(self, g: Array, v: Array) -> tuple[Array, Array]:
        """Return current and conductance."""
        return g * v, g + 0 * v


@dataclass(frozen=True)
class Resistor(Law):
    """A resistor of its own, whatever `g` is: the access transistor of a cell that is switched on."""

    ohm: float
    limit: float = math.inf

    def __post_init__(self) -> None:
        """Raise `InputError` for a resistance that is not positive."""
        _positive(self.ohm, "resistance of an access device", "ohm")

    def evaluate(self, g: Array, v: Array) -> tuple[Array, Array]:
        """Return current and conductance."""
        return v / self.ohm, 0 * (g + v) + 1 / self.ohm

    def by_g(self, g: Array, v: Array) -> Array:
        """Return 0: the current does not depend on `g`."""
        return 0 * (g + v)


@dataclass(frozen=True)
class Sinh(Law):
    """Tunnelling-like non-linearity: i = g v0 sinh(v / v0)."""

    v0: float
    """Voltage that sets the curvature [V]; measured on SiOx cells 0.18 to 0.78 V."""

    def __post_init__(self) -> None:
        """Raise `InputError` for a voltage that is not positive."""
        _positive(self.v0, "v0 of a sinh law", "V")

    @property
    def limit(self) -> float:
        """Get the voltage beyond which the exponential would overflow: 40 v0."""
        return OVERFLOW * self.v0

    def evaluate(self, g: Array, v: Array) -> tuple[Array, Array]:
        """Return current and conductance."""
        return _sinh(g, self.v0, v)


@dataclass(frozen=True)
class Selector(Law):
    """A bidirectional selector of its own, whatever `g` is: i = i0 sinh(v / v0)."""

    i0: float
    """Current scale [A]."""
    v0: float
    """Voltage scale [V]."""

    def __post_init__(self) -> None:
        """Raise `InputError` for values that are not positive."""
        _positive(self.i0, "i0 of a selector", "A")
        _positive(self.v0, "v0 of a selector", "V")

    @property
    def limit(self) -> float:
        """Get the voltage beyond which the exponential would overflow: 40 v0."""
        return OVERFLOW * self.v0

    def evaluate(self, g: Array, v: Array) -> tuple[Array, Array]:
        """Return current and conductance."""
        return _sinh(0 * g + self.i0 / self.v0, self.v0, v)

    def by_g(self, g: Array, v: Array) -> Array:
        """Return 0: the current does not depend on `g`."""
        return 0 * (g + v)


@dataclass(frozen=True)
class PooleFrenkel(Law):
    """Poole-Frenkel conduction: i = g v exp(b sqrt|v|).

    b = q sqrt(q / (pi d eps)) / (k T); measured on SiOx cells b = 0.455 log10(R / ohm) - 0.877 per sqrt(V), at 0 to
    0.5 V.
    """

    b: float
    """[1/sqrt(V)], not negative."""
    limit: float = 0.5
    """Largest |voltage| of the measurement behind the law [V]."""

    def __post_init__(self) -> None:
        """Raise `InputError` for a negative b, or a limit at which the exponential overflows."""
        _positive(self.limit, "limit of a Poole-Frenkel law", "V")
        if not 0 <= self.b * math.sqrt(self.limit) <= OVERFLOW:
            raise InputError(
                f"Poole-Frenkel law with b = {self.b:g} /sqrt(V) up to {show(self.limit, 'V')}; "
                f"b sqrt(limit) from 0 to {OVERFLOW:g} is possible"
            )

    def evaluate(self, g: Array, v: Array) -> tuple[Array, Array]:
        """Return current and conductance."""
        xp = namespace(g, v)
        inside = xp.clip(v, -self.limit, self.limit)
        s = self.b * xp.sqrt(xp.abs(inside))
        factor = g * xp.exp(s)
        slope = factor * (1 + s / 2)
        return inside * factor + (v - inside) * slope, slope


@dataclass(frozen=True)
class Polynomial(Law):
    """An odd or general polynomial: i = g (v + a_2 v^2 + a_3 v^3 + ...), increasing up to `limit`."""

    coefficients: tuple[float, ...]
    """a_2, a_3, ... [1/V, 1/V^2, ...]."""
    limit: float = 1.0
    """Largest |voltage| for which the law is meant [V]."""

    def __post_init__(self) -> None:
        """Raise `InputError` where the current does not increase with the voltage up to the limit."""
        _positive(self.limit, "limit of a polynomial law", "V")
        try:
            object.__setattr__(self, "coefficients", tuple(float(a) for a in self.coefficients))
        except (TypeError, ValueError) as error:
            raise InputError(f"polynomial law {self.coefficients!r}: give coefficients (a_2, a_3, ...)") from error
        slope = np.array([k * a for k, a in enumerate((1.0, *self.coefficients), start=1)])
        if not np.isfinite(slope).all():
            raise InputError(f"polynomial law {self.coefficients}: give finite coefficients")
        roots = np.roots(slope[::-1])
        turns = np.abs(roots.real[np.abs(roots.imag) < 1e-9 * (1 + np.abs(roots.real))])
        if (turns <= self.limit).any():
            least = show(float(turns.min()), "V")
            raise InputError(
                f"polynomial law {self.coefficients}: the current must increase up to the limit of "
                f"{show(self.limit, 'V')}, but turns at {least}; lower the limit"
            )

    def evaluate(self, g: Array, v: Array) -> tuple[Array, Array]:
        """Return current and conductance."""
        xp = namespace(g, v)
        inside = xp.clip(v, -self.limit, self.limit)
        total, slope = 0 * inside, 0 * inside
        for k in range(len(self.coefficients) + 1, 0, -1):
            a = 1.0 if k == 1 else self.coefficients[k - 2]
            total = total * inside + a
            slope = slope * inside + k * a
        return g * (total * inside + slope * (v - inside)), g * slope


@dataclass(frozen=True)
class Series(Law):
    """A device and its access device in series: the same current through both, the voltages add."""

    device: Any
    """Law of the device that has the conductance `g`."""
    access: Any
    """Law of the access device: `Resistor` for a transistor that is switched on, `Selector`, or another law."""

    def __post_init__(self) -> None:
        """Raise `InputError` for what is no law."""
        require_law(self.device, "the device")
        require_law(self.access, "the access device")

    @property
    def limit(self) -> float:
        """Get the sum of both limits [V]."""
        return float(self.device.limit + self.access.limit)

    def evaluate(self, g: Array, v: Array) -> tuple[Array, Array]:
        """Return current and conductance."""
        xp = namespace(g, v)
        x = self.device_voltage(g, v)
        one, slope_one = self.device.evaluate(g, x)
        two, slope_two = self.access.evaluate(g, v - x)
        total = slope_one + slope_two
        # The mean of both currents, weighted so that an error of x cancels to first order.
        weight = slope_two / xp.where(total > 0, total, 1.0)
        return weight * one + (1 - weight) * two, weight * slope_one

    def by_g(self, g: Array, v: Array) -> Array:
        """Return the derivative of the current by `g`: each element's own, as far as it moves the common current."""
        xp = namespace(g, v)
        x = self.device_voltage(g, v)
        slope_one, slope_two = self.device.evaluate(g, x)[1], self.access.evaluate(g, v - x)[1]
        total = slope_one + slope_two
        weight = slope_two / xp.where(total > 0, total, 1.0)
        return weight * self.device.by_g(g, x) + (1 - weight) * self.access.by_g(g, v - x)

    def device_voltage(self, g: Array, v: Array) -> Array:
        """Return the part of the voltages `v` that lies across the device [V].

        By Newton's method from the small-signal divider, kept between 0 and v by bisection, which also steps in where
        steps do not halve: against an exponential they have one length, that of its scale.
        """
        xp = namespace(g, v)
        low, high = xp.minimum(v, 0 * v), xp.maximum(v, 0 * v)
        start_device, start_access = self.device.evaluate(g, 0 * v)[1], self.access.evaluate(g, 0 * v)[1]
        x = start_access / xp.where(start_device + start_access > 0, start_device + start_access, 1.0) * v
        step = xp.abs(v)
        for _ in range(ITERATIONS):
            one, slope_one = self.device.evaluate(g, x)
            two, slope_two = self.access.evaluate(g, v - x)
            f, slope = one - two, slope_one + slope_two
            low, high = xp.where(f < 0, x, low), xp.where(f < 0, high, x)
            new = x - f / xp.where(slope > 0, slope, 1.0)
            newton = (new >= low) & (new <= high) & (2 * xp.abs(new - x) <= step)
            new = xp.where(newton, new, (low + high) / 2)
            # A voltage that is found stays: only rounding would move it, and not by halves.
            found = step <= STEP * xp.abs(v)
            if bool(xp.all(found)):
                break
            step = xp.where(found, step, xp.abs(new - x))
            x = xp.where(found, x, new)
        return x


def _sinh(g: Array, v0: float, v: Array) -> tuple[Array, Array]:
    xp = namespace(g, v)
    limit = OVERFLOW * v0
    inside = xp.clip(v, -limit, limit)
    x = inside / v0
    up = xp.exp(x)
    down = 1 / up
    # Below 1e-2 the difference of the exponentials would lose digits.
    square = x * x
    series = x * (1 + square / 6 * (1 + square / 20 * (1 + square / 42)))
    sinh = xp.where(xp.abs(x) < 1e-2, series, (up - down) / 2)
    slope = g * ((up + down) / 2)
    return g * v0 * sinh + slope * (v - inside), slope


def _positive(value: float, quantity: str, unit: str) -> None:
    if not isinstance(value, Real):
        raise InputError(f"{quantity} is {value!r}; give a number in {unit}")
    if not 0 < value < math.inf:
        raise InputError(f"{quantity} is {value:g} {unit}; it must be positive")
