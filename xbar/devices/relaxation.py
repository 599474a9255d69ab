"""Relaxation: cells of one target spread, and may shift, in the time after programming."""

import math
from dataclasses import dataclass
from typing import Literal, Protocol

from xbar.devices.interpolation import constants
from xbar.errors import InputError
from xbar.namespace import Array, as_float64, namespace
from xbar.units import show


class RelaxationLaw(Protocol):
    """What every law of relaxation does; conductances in S, times since programming in s, a number or an array."""

    @property
    def source(self) -> str:
        """Where the numbers come from."""

    @property
    def last(self) -> float:
        """Latest time of the measurement [s]."""

    def shift(self, target: Array, seconds: float | Array) -> Array:
        """Return the mean shift since programming."""

    def sigma(self, target: Array, seconds: float | Array) -> Array:
        """Return the standard deviation that has come on top of the programming error."""

    def describe(self) -> str:
        """Return the law in a few words, for logs."""


def relaxed(law: RelaxationLaw, programmed: Array, target: Array, seconds: float | Array, normals: Array) -> Array:
    """Return relaxed conductances [S], never below zero: programmed + shift + sigma N.

    `normals` are drawn once per write, so that a cell moves on and not to and fro; the published fits give the spread
    at each time, not how the times hang together.
    """
    xp = namespace(programmed, target, normals)
    moved = law.shift(target, seconds) + law.sigma(target, seconds) * as_float64(normals)
    return xp.maximum(as_float64(programmed) + moved, 0.0)


def _times(target: Array, seconds: float | Array) -> Array:
    """Return times [s] as an array on the library of `target`; raises `InputError` for a negative one."""
    xp = namespace(target)
    times = constants([float(seconds)], target) if isinstance(seconds, int | float) else as_float64(seconds)
    if math.prod(times.shape) and float(xp.min(times)) < 0:
        raise InputError(f"time since programming is {show(float(xp.min(times)), 's')}; relaxation needs 0 s or later")
    return times


@dataclass(frozen=True)
class LogTimeRelaxation:
    """Mean and spread that go with the logarithm of time, the same for every conductance.

        shift = mean_slope ln t,  sigma = spread_slope ln t + spread,  t in seconds

    From `first` on; before it the values at `first` hold, and nothing has happened at t = 0, the write itself. Source
    of the form: aihwkit, `ReRamCMONoiseModel` (`inference/noise/reram.py`), after Falcone et al.
    """

    mean_slope: float
    """[S] for each factor e of time."""
    spread_slope: float
    """[S] for each factor e of time."""
    spread: float
    """Standard deviation at 1 s [S]."""
    first: float
    """Earliest time of the fit [s]."""
    last: float
    source: str = ""

    def shift(self, target: Array, seconds: float | Array) -> Array:
        """Return the mean shift since programming [S]."""
        return self._line(target, seconds, self.mean_slope, 0.0)

    def sigma(self, target: Array, seconds: float | Array) -> Array:
        """Return the standard deviation that has come on top of the programming error [S]."""
        return self._line(target, seconds, self.spread_slope, self.spread)

    def _line(self, target: Array, seconds: float | Array, slope: float, offset: float) -> Array:
        xp = namespace(target)
        times = _times(target, seconds)
        line = slope * xp.log(xp.maximum(times, self.first)) + offset
        return as_float64(target) * 0.0 + xp.where(times > 0, line, 0.0)

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        return f"mean {show(self.mean_slope, 'S')} and sigma {show(self.spread_slope, 'S')} for each factor e of time"


@dataclass(frozen=True)
class TabulatedRelaxation:
    """Measured spreads around the target at some times, as curves of the target.

        polynomial:  sigma = (g_max / g_ref) sum_k c_k x^k,  x = g / g_max
        saturating:  sigma = c_0 (1 - exp(-g / c_1))

    The coefficients are interpolated between the times, in ln t or in t. The spread at the first time is that of the
    programming error, which is another block of the card: what comes on top of it here is the rest,
    sqrt(sigma(t)^2 - sigma(first)^2), so that the whole spread is the published one. Before the first time nothing has
    happened. There is no mean shift.
    """

    form: Literal["polynomial", "saturating"]
    times: tuple[float, ...]
    """Times of the measurement, ascending [s]."""
    coefficients: tuple[tuple[float, ...], ...]
    """One row a time, of equal length [S]."""
    scale: Literal["log", "linear"]
    """Whether coefficients are interpolated in ln t or in t."""
    g_max: float
    """Largest conductance of the device [S]."""
    g_ref: float
    """Largest conductance of the device that was fitted [S]."""
    source: str = ""

    @property
    def last(self) -> float:
        """Latest time of the measurement [s]."""
        return self.times[-1]

    def shift(self, target: Array, seconds: float | Array) -> Array:
        """Return zero: the fits have no mean shift."""
        return as_float64(target) * 0.0 + 0.0 * _times(target, seconds)

    def whole(self, target: Array, seconds: float | Array) -> Array:
        """Return the published standard deviation around the target [S]: programming error and relaxation together."""
        xp = namespace(target)
        g, times = as_float64(target), _times(target, seconds)
        rows = [self._coefficient(times, k) for k in range(len(self.coefficients[0]))]
        if self.form == "saturating":
            return xp.maximum(rows[0] * -xp.expm1(-xp.maximum(g, 0.0) / rows[1]), 0.0)
        x = g / self.g_max
        value = x * 0.0
        for row in reversed(rows):
            value = value * x + row * (self.g_max / self.g_ref)
        return xp.maximum(value, 0.0)

    def sigma(self, target: Array, seconds: float | Array) -> Array:
        """Return the standard deviation that has come on top of the programming error [S]."""
        xp = namespace(target)
        first = self.whole(target, self.times[0])
        return xp.sqrt(xp.maximum(self.whole(target, seconds) ** 2 - first**2, 0.0))

    def _coefficient(self, times: Array, column: int) -> Array:
        """Return one coefficient at some times, held at both ends."""
        xp = namespace(times)
        at = [math.log(t) for t in self.times] if self.scale == "log" else list(self.times)
        u = xp.log(xp.maximum(times, self.times[0])) if self.scale == "log" else times
        values = [row[column] for row in self.coefficients]
        found = u * 0.0 + values[0]
        for k in range(len(at) - 1):
            found = found + (values[k + 1] - values[k]) * xp.clip((u - at[k]) / (at[k + 1] - at[k]), 0.0, 1.0)
        return found

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        listed = ", ".join(show(t, "s") for t in self.times)
        return f"spread around the target, measured after {listed}"
