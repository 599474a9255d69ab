"""Retention: a state that is lost towards a floor with a time constant, a thing of charge traps and floating gates."""

import math
from dataclasses import dataclass

from xbar.errors import InputError
from xbar.namespace import Array, as_float64, namespace
from xbar.units import show


@dataclass(frozen=True)
class Retention:
    """A stretched exponential: G(t) = floor + (G - floor) exp(-(t / tau)^stretch).

    The usual form of retention tests. With a `Temperature` law t is its effective time.
    """

    tau: float
    """Time constant [s]."""
    stretch: float
    """Exponent, above 0; 1 is a plain exponential."""
    floor: float
    """Conductance in the end [S]."""
    source: str = ""

    def conductance(self, g: Array, seconds: float | Array) -> Array:
        """Return the conductances [S] `seconds` after programming, a number or an array.

        Raises `InputError` for a negative time.
        """
        xp = namespace(g)
        if isinstance(seconds, int | float):
            earliest = float(seconds)
            left = math.exp(-((max(float(seconds), 0.0) / self.tau) ** self.stretch))
        else:
            times = as_float64(seconds)
            earliest = float(xp.min(times)) if math.prod(times.shape) else 0.0
            left = xp.exp(-((xp.maximum(times, 0.0) / self.tau) ** self.stretch))
        if earliest < 0:
            raise InputError(f"time since programming is {show(earliest, 's')}; retention needs 0 s or later")
        return self.floor + (as_float64(g) - self.floor) * left

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        return f"to {show(self.floor, 'S')} within {show(self.tau, 's')}, stretch {self.stretch:g}"
