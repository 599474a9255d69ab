"""Drift: the conductance falls with the time since programming."""

import math
from dataclasses import dataclass
from typing import Protocol

from xbar.errors import InputError
from xbar.namespace import Array, as_float64, namespace
from xbar.units import show

SMALLEST = 1e-7
"""Floor of x = g / g_max in the logarithm (aihwkit, `inference/noise/pcm.py`)."""


class Fit(Protocol):
    """A number without unit as a function of x = g / g_max."""

    @property
    def low(self) -> float:
        """Smallest value, 0 <= x <= 1."""

    @property
    def high(self) -> float:
        """Largest value, 0 <= x <= 1."""

    def __call__(self, x: Array) -> Array:
        """Return the fit at x."""


@dataclass(frozen=True)
class LogFit:
    """A line in ln x between two limits: clip(slope ln x + offset, low, high)."""

    slope: float
    offset: float
    low: float
    high: float

    def __call__(self, x: Array) -> Array:
        """Return the fit at x = g / g_max; x is floored at 1e-7."""
        xp = namespace(x)
        line = self.slope * xp.log(xp.maximum(x, SMALLEST)) + self.offset
        return xp.minimum(xp.maximum(line, self.low), self.high)


@dataclass(frozen=True)
class PiecewiseFit:
    """A `LogFit` below a limit in x, a polynomial of x from there on; never below zero.

    Source of the form: aihwkit, `inference/noise/hermes.py`.
    """

    limit: float
    """Smallest x of the polynomial."""
    below: LogFit
    above: tuple[float, ...]
    """Coefficients of powers of x from 0 on."""

    def __call__(self, x: Array) -> Array:
        """Return the fit at x = g / g_max."""
        xp = namespace(x)
        return xp.where(x < self.limit, self.below(x), self._polynomial(x))

    def _polynomial(self, x: Array) -> Array:
        value = x * 0.0
        for coefficient in reversed(self.above):
            value = value * x + coefficient
        return namespace(x).maximum(value, 0.0)

    @property
    def low(self) -> float:
        """Smallest value, 0 <= x <= 1."""
        return min(self._values())

    @property
    def high(self) -> float:
        """Largest value, 0 <= x <= 1."""
        return max(self._values())

    def _values(self) -> tuple[float, ...]:
        steps = [self.limit + (1 - self.limit) * k / 200 for k in range(201)]
        powers = (sum(c * x**k for k, c in enumerate(self.above)) for x in steps)
        ends = (
            min(max(self.below.slope * math.log(x) + self.below.offset, self.below.low), self.below.high)
            for x in (SMALLEST, self.limit)
        )
        return (*(max(p, 0.0) for p in powers), *ends)


@dataclass(frozen=True)
class Drift:
    """Power law with an exponent of its own for every device.

        g(t) = g_prog ((t + t0) / t0)^(-nu),  nu = |mean(x) + spread(x) N(0, 1)|,  x = g_target / g_max

    t counts from the end of programming. nu is drawn once per device, from the *target* conductance: so does aihwkit
    (`inference/noise/pcm.py`, `generate_drift_coefficients(g_target)`). Source of the law: Nandakumar et al.,
    ICECS 2019, and Joshi et al., Nat. Commun. 11, 2473 (2020).
    """

    mean: Fit
    """Mean of nu before the absolute value, as a function of x."""
    spread: Fit
    """Standard deviation of nu before the absolute value, as a function of x."""
    t0: float
    """Time between programming and the first reading of the measurement behind the law [s]."""
    g_max: float
    """Largest conductance of the device [S]."""
    source: str = ""

    def exponents(self, target: Array, normals: Array) -> Array:
        """Return the drift exponents nu >= 0 of cells with these targets [S], from as many standard normals."""
        xp = namespace(target, normals)
        x = as_float64(target) / self.g_max
        return xp.abs(self.mean(x) + self.spread(x) * as_float64(normals))

    def factor(self, nu: Array, seconds: float | Array) -> Array:
        """Return g(t) / g_prog, 1 to 0, for exponents `nu` and the time since programming [s], a number or an array.

        Raises `InputError` for a negative time.
        """
        xp = namespace(nu)
        if isinstance(seconds, int | float):
            earliest, log_time = float(seconds), math.log1p(max(float(seconds), 0.0) / self.t0)
        else:
            times = as_float64(seconds)
            earliest = float(xp.min(times)) if math.prod(times.shape) else 0.0
            log_time = xp.log1p(xp.maximum(times, 0.0) / self.t0)
        if earliest < 0:
            raise InputError(f"time since programming is {show(earliest, 's')}; drift needs a time of 0 s or later")
        return xp.exp(-as_float64(nu) * log_time)

    def conductance(self, programmed: Array, nu: Array, seconds: float | Array) -> Array:
        """Return the drifted conductances [S] of programmed ones [S]; raises what `factor` raises."""
        return as_float64(programmed) * self.factor(nu, seconds)

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        return f"power law, t0 {show(self.t0, 's')}, exponent {self.mean.low:g} to {self.mean.high:g} by target"
