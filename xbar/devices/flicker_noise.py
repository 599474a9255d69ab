"""Flicker noise: 1/f noise of a cell, accumulated since programming, one draw per read epoch."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from xbar.devices.drift import Fit
from xbar.errors import InputError
from xbar.namespace import Array, as_float64, namespace
from xbar.units import show

MICRO = 1e-6
"""A microsiemens [S]."""


class FlickerLaw(ABC):
    """1/f noise between the frequencies of one reading and of the time since programming.

    sigma = amplitude sqrt(ln((t + t0 + t_read) / (2 t_read)))
    reading = max(0, g_drift + sigma N(0, 1))
    """

    t_read: float
    """Duration of one reading [s]."""
    t0: float
    """Time between programming and the first reading of the measurement behind the law [s]."""
    source: str

    @abstractmethod
    def absolute(self, programmed: Array, drifted: Array) -> Array:
        """Return the amplitude [S] of cells with these programmed and present conductances [S]."""

    @abstractmethod
    def describe(self) -> str:
        """Return the law in a few words, for logs."""

    def sigma(self, programmed: Array, drifted: Array, seconds: float | Array) -> Array:
        """Return the standard deviation [S] of cells `seconds` after programming, a number or an array [s].

        Raises `InputError` for a negative time.
        """
        xp = namespace(programmed, drifted)
        if isinstance(seconds, int | float):
            earliest, octaves = float(seconds), math.sqrt(max(math.log(self._bandwidth(max(float(seconds), 0.0))), 0.0))
        else:
            times = as_float64(seconds)
            earliest = float(xp.min(times)) if math.prod(times.shape) else 0.0
            octaves = xp.sqrt(xp.maximum(xp.log(self._bandwidth(xp.maximum(times, 0.0))), 0.0))
        if earliest < 0:
            raise InputError(f"time since programming is {show(earliest, 's')}; 1/f noise needs 0 s or later")
        return self.absolute(programmed, drifted) * octaves

    def read(self, programmed: Array, drifted: Array, seconds: float | Array, normals: Array) -> Array:
        """Return the conductances [S] of one read epoch, from as many standard normals; never below zero.

        Raises what `sigma` raises.
        """
        xp = namespace(programmed, drifted, normals)
        sigma = self.sigma(programmed, drifted, seconds)
        return xp.maximum(as_float64(drifted) + sigma * as_float64(normals), 0.0)

    def _bandwidth(self, seconds: Array) -> Array:
        """Return the ratio of the highest to the lowest frequency that counts."""
        return (seconds + (self.t0 + self.t_read)) / (2 * self.t_read)


@dataclass(frozen=True)
class FlickerNoise(FlickerLaw):
    """1/f noise with spectrum S_G / G^2 = Q / f, integrated from the time of one reading to the time since programming.

        sigma = g_drift Q sqrt(ln((t + t0 + t_read) / (2 t_read)))
        Q = min(coefficient / max(x^exponent, floor), ceiling),  x = g_prog / g_max
        reading = max(0, g_drift + sigma N(0, 1))

    x follows the *programmed* conductance. Source: Nandakumar et al., ICECS 2019, and Joshi et al., Nat. Commun. 11,
    2473 (2020); as in aihwkit, `inference/noise/pcm.py`.
    """

    coefficient: float
    exponent: float
    floor: float
    """Lower limit of x^exponent."""
    ceiling: float
    """Upper limit of Q."""
    t_read: float
    t0: float
    g_max: float
    """Largest conductance of the device [S]."""
    source: str = ""

    def amplitude(self, programmed: Array) -> Array:
        """Return Q, without unit, at programmed conductances [S] of zero or more."""
        xp = namespace(programmed)
        x = as_float64(programmed) / self.g_max
        return xp.minimum(self.coefficient / xp.maximum(x**self.exponent, self.floor), self.ceiling)

    def absolute(self, programmed: Array, drifted: Array) -> Array:
        """Return g Q [S]."""
        return as_float64(drifted) * self.amplitude(programmed)

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        return f"1/f, Q {self.coefficient:g} at g_max, at most {self.ceiling:g}; one draw per read epoch"


@dataclass(frozen=True)
class FittedFlickerNoise(FlickerLaw):
    """The law of `FlickerNoise` with another fit of Q, as a function of x = g_prog / g_max.

    Source of the form: aihwkit, `inference/noise/hermes.py`.
    """

    fit: Fit
    t_read: float
    t0: float
    g_max: float
    """Largest conductance of the device [S]."""
    source: str = ""

    def amplitude(self, programmed: Array) -> Array:
        """Return Q, without unit, at programmed conductances [S] of zero or more."""
        return self.fit(as_float64(programmed) / self.g_max)

    def absolute(self, programmed: Array, drifted: Array) -> Array:
        """Return g Q [S]."""
        return as_float64(drifted) * self.amplitude(programmed)

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        return f"1/f, Q {self.fit.low:.3g} to {self.fit.high:.3g} by conductance; one draw per read epoch"


@dataclass(frozen=True)
class LogFlickerNoise(FlickerLaw):
    """1/f noise whose amplitude is coefficient * log10(g in uS), in uS; zero below 1 uS.

    x follows the *present* conductance. Source of the form: aihwkit, `ReRamCMONoiseModel` (`inference/noise/reram.py`),
    after Falcone et al. and Lombardo et al., DRC 2024.
    """

    coefficient: float
    """Amplitude at 10 uS [S]."""
    t_read: float
    t0: float
    source: str = ""

    def absolute(self, programmed: Array, drifted: Array) -> Array:
        """Return the amplitude [S]."""
        xp = namespace(programmed, drifted)
        return self.coefficient * xp.log10(xp.maximum(as_float64(drifted) / MICRO, 1.0))

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        return f"1/f, amplitude {show(self.coefficient, 'S')} at 10 uS, by the logarithm of g; one draw per read epoch"
