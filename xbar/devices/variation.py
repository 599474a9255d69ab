"""Variation: lognormal spread of the conductance, from device to device or from one write to the next."""

from dataclasses import dataclass

from xbar.namespace import Array, as_float64, namespace


@dataclass(frozen=True)
class Variation:
    """ln G spreads around ln of what was written; its standard deviation is a line in resistance.

        G = g exp(s N(0, 1)),  s = s_on + (s_off - s_on) (R - R_on) / (R_off - R_on),  R = 1 / g

    R_on and R_off belong to g_max and g_min; a card whose g_min is 0 S takes `on` alone. Normals drawn once per cell
    make device-to-device variation, once per write cycle-to-cycle variation. Source of the form: `D2DLognormal` of
    the package awarememristor.
    """

    on: float
    """Standard deviation of ln R at g_max."""
    off: float
    """Standard deviation of ln R at g_min."""
    g_min: float
    """Smallest conductance of the device [S]."""
    g_max: float
    """Largest conductance of the device [S]."""
    source: str = ""

    def sigma(self, g: Array) -> Array:
        """Return the standard deviation of ln R at conductances [S]; beyond the range the value at its end."""
        xp = namespace(g)
        g = xp.clip(as_float64(g), self.g_min, self.g_max)
        if self.g_min <= 0:
            return g * 0.0 + self.on
        low, high = 1 / self.g_max, 1 / self.g_min
        return self.on + (self.off - self.on) * (1 / g - low) / (high - low)

    def apply(self, g: Array, normals: Array) -> Array:
        """Return conductances [S] with their variation, from as many standard normals."""
        xp = namespace(g, normals)
        return as_float64(g) * xp.exp(self.sigma(g) * as_float64(normals))

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        return f"lognormal, sigma of ln R {self.on:g} at g_max, {self.off:g} at g_min"
