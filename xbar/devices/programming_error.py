"""Programming error: how far the written conductance lies from its target, drawn once per write."""

from dataclasses import dataclass
from typing import Protocol

from xbar.devices.interpolation import interpolate
from xbar.namespace import Array, as_float64, namespace
from xbar.units import show


class ErrorLaw(Protocol):
    """What every law of the programming error does; conductances in S."""

    @property
    def source(self) -> str:
        """Where the numbers come from."""

    def mean(self, target: Array) -> Array:
        """Return the mean of the programmed conductance, before negative ones are cut off."""

    def sigma(self, target: Array) -> Array:
        """Return the standard deviation of the programmed conductance."""

    def program(self, target: Array, normals: Array) -> Array:
        """Return programmed conductances for targets and as many standard normals; never below zero."""

    def describe(self) -> str:
        """Return the law in a few words, for logs."""


@dataclass(frozen=True)
class ProgrammingError:
    """A Gaussian error around the target, its standard deviation a polynomial of the target.

        sigma(g) = (g_max / g_ref) * sum_k c_k x^k,  x = g / g_max
        programmed = max(0, target + sigma N(0, 1))

    A single coefficient is a constant error. Form and scaling with `g_max`: Nandakumar et al., ICECS 2019,
    doi 10.1109/ICECS46596.2019.8964852, and Joshi et al., Nat. Commun. 11, 2473 (2020); as in aihwkit,
    `inference/noise/pcm.py`.
    """

    coefficients: tuple[float, ...]
    """Powers of x from 0 on [S], as fitted on a device whose largest conductance is `g_ref`."""
    g_max: float
    """Largest conductance of the device [S]."""
    g_ref: float
    """Largest conductance of the device that was fitted [S]."""
    source: str = ""

    def mean(self, target: Array) -> Array:
        """Return the target: the error has no bias."""
        return as_float64(target) + 0.0

    def sigma(self, target: Array) -> Array:
        """Return the standard deviation [S] at target conductances [S]."""
        x = as_float64(target) / self.g_max
        sigma = x * 0.0
        for coefficient in reversed(self.coefficients):
            sigma = sigma * x + coefficient * (self.g_max / self.g_ref)
        return sigma

    def program(self, target: Array, normals: Array) -> Array:
        """Return programmed conductances [S] for targets [S] and as many standard normals; never below zero."""
        xp = namespace(target, normals)
        return xp.maximum(as_float64(target) + self.sigma(target) * as_float64(normals), 0.0)

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        scale = self.g_max / self.g_ref
        if len(self.coefficients) == 1:
            return f"Gaussian, sigma {show(self.coefficients[0] * scale, 'S')}"
        low, high = self.coefficients[0] * scale, sum(self.coefficients) * scale
        return f"Gaussian, sigma {show(low, 'S')} at zero, {show(high, 'S')} at g_max"


@dataclass(frozen=True)
class SaturatingError:
    """A Gaussian error whose standard deviation saturates: amplitude (1 - exp(-g / scale)).

    Source of the form: Agrawal et al., IEDM 2022, 21.7, as in CrossSim, `devices/custom/SONOS.py`.
    """

    amplitude: float
    """Standard deviation at large conductance [S]."""
    scale: float
    """Conductance at which 63 % of it is reached [S]."""
    source: str = ""

    def mean(self, target: Array) -> Array:
        """Return the target: the error has no bias."""
        return as_float64(target) + 0.0

    def sigma(self, target: Array) -> Array:
        """Return the standard deviation [S] at target conductances [S]; zero at and below zero."""
        xp = namespace(target)
        return self.amplitude * -xp.expm1(-xp.maximum(as_float64(target), 0.0) / self.scale)

    def program(self, target: Array, normals: Array) -> Array:
        """Return programmed conductances [S] for targets [S] and as many standard normals; never below zero."""
        xp = namespace(target, normals)
        return xp.maximum(as_float64(target) + self.sigma(target) * as_float64(normals), 0.0)

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        return f"Gaussian, sigma saturates at {show(self.amplitude, 'S')} above {show(self.scale, 'S')}"


@dataclass(frozen=True)
class TableError:
    """A measured table: mean and standard deviation of the programmed conductance for some targets, linear between."""

    states: tuple[float, ...]
    """Targets, ascending [S]."""
    means: tuple[float, ...]
    """Mean programmed conductance of each [S]."""
    sigmas: tuple[float, ...]
    """Standard deviation of each [S]."""
    source: str = ""

    def mean(self, target: Array) -> Array:
        """Return the mean programmed conductance [S] at target conductances [S]."""
        return interpolate(target, self.states, self.means)

    def sigma(self, target: Array) -> Array:
        """Return the standard deviation [S] at target conductances [S]."""
        return interpolate(target, self.states, self.sigmas)

    def program(self, target: Array, normals: Array) -> Array:
        """Return programmed conductances [S] for targets [S] and as many standard normals; never below zero."""
        xp = namespace(target, normals)
        return xp.maximum(self.mean(target) + self.sigma(target) * as_float64(normals), 0.0)

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        return (
            f"table of {len(self.states)} states, sigma {show(min(self.sigmas), 'S')} to {show(max(self.sigmas), 'S')}"
        )
