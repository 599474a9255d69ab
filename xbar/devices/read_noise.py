"""Read noise: white noise of a cell, new in every product and every reading."""

from dataclasses import dataclass
from typing import Literal, Protocol

from xbar.namespace import Array, as_float64, namespace
from xbar.units import show


class ReadNoiseLaw(Protocol):
    """What every law of the white read noise does; conductances in S."""

    @property
    def source(self) -> str:
        """Where the numbers come from."""

    def variance(self, g: Array) -> Array:
        """Return the variance [S^2] of readings of cells of conductance `g`."""

    def sigma(self, g: Array) -> Array:
        """Return the standard deviation of readings of cells of conductance `g`."""

    def describe(self) -> str:
        """Return the law in a few words, for logs."""


@dataclass(frozen=True)
class ReadNoise:
    """White Gaussian noise of the conductance, independent for every cell and every reading.

        sqrt:          sigma^2 = (relative g_max)^2 x,     x = g / g_max
        proportional:  sigma = relative g
        constant:      sigma = relative g_max

    The kind "sqrt" is the short-term noise of phase-change memory in aihwkit (weight noise type PCM_READ): in units of
    g_max, y_i += w_noise sqrt(sum_j |w_ij| x_j^2) N(0, 1), w_noise = 0.0175 in its `StandardHWATrainingPreset`.
    """

    kind: Literal["sqrt", "proportional", "constant"]
    relative: float
    """Standard deviation relative to the cell's conductance ("proportional") or at g_max relative to g_max."""
    g_max: float
    """Largest conductance of the device [S]."""
    source: str = ""

    def variance(self, g: Array) -> Array:
        """Return the variance [S^2] of readings of cells of conductance `g` [S]; linear in g for the kind "sqrt"."""
        xp = namespace(g)
        g = xp.maximum(as_float64(g), 0.0)
        if self.kind == "sqrt":
            return g * (self.relative**2 * self.g_max)
        if self.kind == "proportional":
            return (self.relative * g) ** 2
        return 0.0 * g + (self.relative * self.g_max) ** 2

    def sigma(self, g: Array) -> Array:
        """Return the standard deviation [S] of readings of cells of conductance `g` [S]."""
        return namespace(g).sqrt(self.variance(g))

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        if self.kind == "proportional":
            return f"white, sigma {100 * self.relative:g} % of the conductance"
        shape = ", falling with the square root of g" if self.kind == "sqrt" else ""
        return f"white, sigma {show(self.relative * self.g_max, 'S')} at g_max{shape}"


@dataclass(frozen=True)
class SaturatingReadNoise:
    """White noise whose standard deviation saturates: amplitude (1 - exp(-g / scale)).

    Source of the form: Agrawal et al., IEDM 2022, 21.7, as in CrossSim, `devices/custom/SONOS.py`.
    """

    amplitude: float
    """Standard deviation at large conductance [S]."""
    scale: float
    """Conductance at which 63 % of it is reached [S]."""
    source: str = ""

    def variance(self, g: Array) -> Array:
        """Return the variance [S^2] of readings of cells of conductance `g` [S]."""
        return self.sigma(g) ** 2

    def sigma(self, g: Array) -> Array:
        """Return the standard deviation [S] of readings of cells of conductance `g` [S]."""
        xp = namespace(g)
        return self.amplitude * -xp.expm1(-xp.maximum(as_float64(g), 0.0) / self.scale)

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        return f"white, sigma saturates at {show(self.amplitude, 'S')} above {show(self.scale, 'S')}"
