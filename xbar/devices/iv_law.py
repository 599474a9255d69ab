"""I-V laws: the current through a cell of a given conductance at any voltage, and its derivative."""

import math
from dataclasses import dataclass
from typing import Final, Protocol

from xbar.namespace import Array, as_float64, namespace
from xbar.units import show

READ_ITERATIONS: Final = 40
"""Iterations from a conductance at the read voltage to that at zero; each gains a digit or more."""


class IvLaw(Protocol):
    """Current and differential conductance; volts [V] and g [S] are arrays of one shape, or broadcast to one.

    g is the parameter of the law: the conductance at small voltages, but for `PooleFrenkelIv`, whose g was measured at
    its read voltage. `at_read` finds the g of a cell from its conductance at another voltage.
    """

    @property
    def source(self) -> str:
        """Where the numbers come from."""

    def current(self, volts: Array, g: Array) -> Array:
        """Return the currents [A]; 0 A at 0 V."""

    def conductance(self, volts: Array, g: Array) -> Array:
        """Return dI/dV [S]."""

    def describe(self) -> str:
        """Return the law in a few words, for logs."""


def at_read(law: IvLaw, g: Array, read_voltage: float) -> Array:
    """Return the parameters g [S] of cells whose I / V at `read_voltage` [V] is `g` [S]."""
    wanted = as_float64(g)
    found = wanted + 0.0
    volts = wanted * 0.0 + read_voltage
    xp = namespace(g)
    for _ in range(READ_ITERATIONS):
        got = law.current(volts, found) / read_voltage
        found = xp.where(got > 0, found * wanted / xp.where(got > 0, got, 1.0), found)
    return found


@dataclass(frozen=True)
class LinearIv:
    """Ohm's law."""

    source: str = ""

    def current(self, volts: Array, g: Array) -> Array:
        """Return the currents [A]."""
        return as_float64(volts) * as_float64(g)

    def conductance(self, volts: Array, g: Array) -> Array:
        """Return dI/dV [S]."""
        return as_float64(g) + 0.0 * as_float64(volts)

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        return "linear"


@dataclass(frozen=True)
class SinhIv:
    """I = g v0 sinh(V / v0)."""

    v0: float
    """[V]."""
    source: str = ""

    def current(self, volts: Array, g: Array) -> Array:
        """Return the currents [A]."""
        xp = namespace(volts, g)
        return as_float64(g) * (self.v0 * xp.sinh(as_float64(volts) / self.v0))

    def conductance(self, volts: Array, g: Array) -> Array:
        """Return dI/dV [S]."""
        xp = namespace(volts, g)
        return as_float64(g) * xp.cosh(as_float64(volts) / self.v0)

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        return f"sinh, v0 {show(self.v0, 'V')}"


@dataclass(frozen=True)
class CubicIv:
    """I = g V (1 + c V^2); a negative c is CrossSim's toy device, valid up to where the current turns round."""

    c: float
    """[1/V^2]."""
    source: str = ""

    def current(self, volts: Array, g: Array) -> Array:
        """Return the currents [A]."""
        v = as_float64(volts)
        return as_float64(g) * (v + self.c * v**3)

    def conductance(self, volts: Array, g: Array) -> Array:
        """Return dI/dV [S]."""
        return as_float64(g) * (1.0 + 3.0 * self.c * as_float64(volts) ** 2)

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        return f"cubic, {self.c:g} per V^2"


@dataclass(frozen=True)
class PolynomialIv:
    """I = g V + n2 V^2 + n3 V^3 with n2 and n3 polynomials of log10(g / 1 S).

    For V < 0 the current is that of the opposite polarity. Source of the form: CrossSim, `RRAM_Milo.py`, after Milo et
    al., IRPS 2021.
    """

    square: tuple[float, ...]
    """Coefficients of n2 [A/V^2], powers of log10 g from 0 on."""
    cube: tuple[float, ...]
    """Coefficients of n3 [A/V^3], powers of log10 g from 0 on."""
    source: str = ""

    def _numbers(self, g: Array) -> tuple[Array, Array]:
        xp = namespace(g)
        log = xp.log10(xp.maximum(g, 1e-12))
        found = []
        for coefficients in (self.square, self.cube):
            value = log * 0.0
            for c in reversed(coefficients):
                value = value * log + c
            found.append(value)
        return found[0], found[1]

    def current(self, volts: Array, g: Array) -> Array:
        """Return the currents [A]."""
        xp = namespace(volts, g)
        v, g = as_float64(volts), as_float64(g)
        n2, n3 = self._numbers(g)
        return v * (g + xp.abs(v) * n2 + v**2 * n3)

    def conductance(self, volts: Array, g: Array) -> Array:
        """Return dI/dV [S]."""
        xp = namespace(volts, g)
        v, g = as_float64(volts), as_float64(g)
        n2, n3 = self._numbers(g)
        return g + 2.0 * xp.abs(v) * n2 + 3.0 * v**2 * n3

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        return "g V + n2 V^2 + n3 V^3, n2 and n3 polynomials of log10 g"


@dataclass(frozen=True)
class PooleFrenkelIv:
    """I = c V exp(b sqrt|V|), ln c = c1 ln R + c0, b = b1 log10 R + b0, R = 1 / g as measured at a read voltage.

    The prefactor comes from the measured fit, so that I / V at the read voltage is g to within that fit. b is zero
    where its line falls below zero. Source of the form: awarememristor; the numbers of a card are a fit of measured
    SiOx cells.
    """

    c1: float
    c0: float
    b1: float
    """[1/sqrt(V)]."""
    b0: float
    """[1/sqrt(V)]."""
    source: str = ""

    def _numbers(self, g: Array) -> tuple[Array, Array]:
        xp = namespace(g)
        log = -xp.log(xp.maximum(g, 1e-15))
        c = xp.exp(self.c1 * log + self.c0)
        return c, xp.maximum(self.b1 * log / math.log(10) + self.b0, 0.0)

    def current(self, volts: Array, g: Array) -> Array:
        """Return the currents [A]."""
        xp = namespace(volts, g)
        v = as_float64(volts)
        c, b = self._numbers(as_float64(g))
        return c * v * xp.exp(b * xp.sqrt(xp.abs(v)))

    def conductance(self, volts: Array, g: Array) -> Array:
        """Return dI/dV [S]."""
        xp = namespace(volts, g)
        v = as_float64(volts)
        c, b = self._numbers(as_float64(g))
        root = b * xp.sqrt(xp.abs(v))
        return c * xp.exp(root) * (1.0 + root / 2)

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        return "Poole-Frenkel, prefactor and slope by the resistance"
