"""Programming error: how far the written conductance lies from its target, drawn once per write."""

from dataclasses import dataclass

from xbar.namespace import Array, as_float64, namespace
from xbar.units import show


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
