"""Flicker noise: 1/f noise of a cell, accumulated since programming, one draw per read epoch."""

import math
from dataclasses import dataclass

from xbar.errors import InputError
from xbar.namespace import Array, as_float64, namespace
from xbar.units import show


@dataclass(frozen=True)
class FlickerNoise:
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
    """Duration of one reading [s]."""
    t0: float
    """Time between programming and the first reading of the measurement behind the law [s]."""
    g_max: float
    """Largest conductance of the device [S]."""
    source: str = ""

    def amplitude(self, programmed: Array) -> Array:
        """Return Q, without unit, at programmed conductances [S] of zero or more."""
        xp = namespace(programmed)
        x = as_float64(programmed) / self.g_max
        return xp.minimum(self.coefficient / xp.maximum(x**self.exponent, self.floor), self.ceiling)

    def sigma(self, programmed: Array, drifted: Array, seconds: float | Array) -> Array:
        """Return the standard deviation [S] of cells `seconds` after programming, a number or an array [s].

        Raises `InputError` for a negative time.
        """
        xp = namespace(programmed, drifted)
        if isinstance(seconds, int | float):
            earliest, octaves = float(seconds), math.sqrt(math.log(self._bandwidth(max(float(seconds), 0.0))))
        else:
            times = as_float64(seconds)
            earliest = float(xp.min(times)) if math.prod(times.shape) else 0.0
            octaves = xp.sqrt(xp.log(self._bandwidth(xp.maximum(times, 0.0))))
        if earliest < 0:
            raise InputError(f"time since programming is {show(earliest, 's')}; 1/f noise needs 0 s or later")
        return as_float64(drifted) * self.amplitude(programmed) * octaves

    def read(self, programmed: Array, drifted: Array, seconds: float | Array, normals: Array) -> Array:
        """Return the conductances [S] of one read epoch, from as many standard normals; never below zero.

        Raises what `sigma` raises.
        """
        xp = namespace(programmed, drifted, normals)
        sigma = self.sigma(programmed, drifted, seconds)
        return xp.maximum(as_float64(drifted) + sigma * as_float64(normals), 0.0)

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        return f"1/f, Q {self.coefficient:g} at g_max, at most {self.ceiling:g}; one draw per read epoch"

    def _bandwidth(self, seconds: Array) -> Array:
        """Return the ratio of the highest to the lowest frequency that counts."""
        return (seconds + (self.t0 + self.t_read)) / (2 * self.t_read)
