"""Random telegraph noise: a trap that is empty or full, and a conductance with two levels."""

import math
from dataclasses import dataclass

from xbar.errors import InputError
from xbar.namespace import Array, as_float64, namespace
from xbar.units import show


@dataclass(frozen=True)
class TelegraphNoise:
    """A two-state Markov process: exponential dwell times, a conductance that is smaller while the trap is full.

        G = G0 (1 - amplitude) where full;  share of time full: full / (full + empty)
        S(f) = 4 dG^2 / ((full + empty) ((1/full + 1/empty)^2 + (2 pi f)^2)),  dG = amplitude G0

    The Fourier transform of its exponential autocorrelation. State and traps are int8, 1 where full.
    """

    amplitude: float
    """dG / G, 0 to 1."""
    empty: float
    """Mean dwell time in the state of large conductance: the capture time [s]."""
    full: float
    """Mean dwell time in the state of small conductance: the emission time [s]."""
    share: float
    """Share of cells that have such a trap, 0 to 1."""
    source: str = ""

    @property
    def occupancy(self) -> float:
        """Share of time that a trap is full."""
        return self.full / (self.full + self.empty)

    def traps(self, uniforms: Array) -> Array:
        """Return which cells have a trap (int8), from as many uniform numbers in [0, 1); drawn once per cell."""
        xp = namespace(uniforms)
        return xp.astype(as_float64(uniforms) < self.share, xp.int8)

    def start(self, uniforms: Array) -> Array:
        """Return a stationary state (int8), from as many uniform numbers."""
        xp = namespace(uniforms)
        return xp.astype(as_float64(uniforms) < self.occupancy, xp.int8)

    def advance(self, state: Array, seconds: float | Array, uniforms: Array) -> Array:
        """Return the state `seconds` later, exact for any step, from as many uniform numbers.

        Raises `InputError` for a negative time step.
        """
        xp = namespace(state, uniforms)
        rate = 1 / self.full + 1 / self.empty
        if isinstance(seconds, int | float):
            if seconds < 0:
                raise InputError(f"time step {show(seconds, 's')} must be 0 s or longer")
            kept = math.exp(-rate * seconds)
        else:
            kept = xp.exp(-rate * as_float64(seconds))
        probability = self.occupancy + (xp.astype(state, xp.float64) - self.occupancy) * kept
        return xp.astype(as_float64(uniforms) < probability, xp.int8)

    def conductance(self, g: Array, state: Array, traps: Array) -> Array:
        """Return the conductances [S] of cells of `g` [S] when empty."""
        xp = namespace(g, state, traps)
        full = xp.astype(state, xp.float64) * xp.astype(traps, xp.float64)
        return as_float64(g) * (1 - self.amplitude * full)

    def spectrum(self, frequency: Array) -> Array:
        """Return the one-sided spectrum S_G / G0^2 [1/Hz] of a cell with a trap at frequencies [Hz]."""
        rate = 1 / self.full + 1 / self.empty
        omega = 2 * math.pi * as_float64(frequency)
        return 4 * self.amplitude**2 / ((self.full + self.empty) * (rate**2 + omega**2))

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        times = f"{show(self.empty, 's')} empty and {show(self.full, 's')} full"
        return f"two levels, dG / G {100 * self.amplitude:g} %, {times}, in {100 * self.share:g} % of the cells"
