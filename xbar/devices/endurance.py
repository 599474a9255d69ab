"""Endurance: what many writes do to a cell. Pulses move it less and less, and in the end not at all."""

import math
from dataclasses import dataclass

from xbar.namespace import Array, as_float64, namespace


@dataclass(frozen=True)
class Endurance:
    """Fatigue and failure by the number of pulses that a cell has had.

        step(n) = step(0) / (1 + fatigue n)
        failure after exp(ln median + spread N(0, 1)) pulses: the cell stays as it is

    The number of pulses is the cell's counter, forming left out.
    """

    fatigue: float
    """Growth, for each pulse, of the number of pulses that a write takes."""
    median: float
    """Pulses after which half of the cells have failed; infinity where none fails."""
    spread: float
    """Standard deviation of the logarithm of that number."""
    source: str = ""

    def step_scale(self, pulses: Array) -> Array:
        """Return the factor on the step of cells that have had so many pulses."""
        return 1.0 / (1.0 + self.fatigue * _numbers(pulses))

    def lifetimes(self, normals: Array) -> Array:
        """Return the pulses after which each cell fails, from as many standard normals; drawn once per cell."""
        xp = namespace(normals)
        if math.isinf(self.median):
            return as_float64(normals) * 0.0 + math.inf
        return self.median * xp.exp(self.spread * as_float64(normals))

    def failed(self, pulses: Array, lifetimes: Array) -> Array:
        """Return which cells no pulse moves any more (bool)."""
        return _numbers(pulses) >= as_float64(lifetimes)

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        failure = "no failure" if math.isinf(self.median) else f"half of the cells fail by {self.median:g} pulses"
        return f"pulses for a write grow by {100 * self.fatigue:.3g} % a pulse; {failure}"


def _numbers(pulses: Array) -> Array:
    return namespace(pulses).astype(pulses, namespace(pulses).float64, copy=False)
