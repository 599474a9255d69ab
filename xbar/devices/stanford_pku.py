"""Stanford-PKU: a filament whose gap grows and shrinks by thermally activated hopping in the field."""

from dataclasses import dataclass
from typing import Final

from xbar.devices.temperature import BOLTZMANN
from xbar.namespace import Array, as_float64, namespace
from xbar.units import show

NANOMETRE: Final = 1e-9
"""Unit of the gap in the field enhancement [m]."""


@dataclass(frozen=True)
class StanfordPku:
    """The gap g of a filament [m] as state.

        I = i0 exp(-g / g0) sinh(V / v0)
        dg/dt = -velocity exp(-Ea / kT) sinh(gamma a0 V / (t_ox kT))   (energies in eV)
        gamma = gamma0 - beta (g / 1 nm)^3, 0 where gamma |V| / t_ox < field_min;  T = T0 + r_th |V I|

    Source of the form and of the numbers of the shipped card: MemTorch, `bh/memristor/Stanford_PKU.py`, after the
    Stanford RRAM model. Its random part is left out.
    """

    i0: float
    """[A]."""
    g0: float
    """[m]."""
    v0: float
    """[V]."""
    velocity: float
    """[m/s]."""
    activation: float
    """Ea [eV]."""
    gamma0: float
    beta: float
    a0: float
    """Distance between atoms [m]."""
    t_ox: float
    """Thickness of the oxide [m]."""
    field_min: float
    """[V/m]."""
    r_th: float
    """Thermal resistance [K/W]."""
    temperature: float
    """T0 [K]."""
    gap_min: float
    """[m]."""
    gap_max: float
    """[m]."""
    source: str = ""

    @property
    def low(self) -> float:
        """Smallest state [m]."""
        return self.gap_min

    @property
    def high(self) -> float:
        """Largest state [m]."""
        return self.gap_max

    def current(self, state: Array, volts: Array) -> Array:
        """Return the currents [A]."""
        xp = namespace(state, volts)
        return self.i0 * xp.exp(-as_float64(state) / self.g0) * xp.sinh(as_float64(volts) / self.v0)

    def voltage(self, state: Array, amps: Array) -> Array:
        """Return the voltages [V] at which currents [A] flow."""
        xp = namespace(state, amps)
        return self.v0 * xp.asinh(as_float64(amps) * xp.exp(as_float64(state) / self.g0) / self.i0)

    def rate(self, state: Array, volts: Array) -> Array:
        """Return how fast the gap moves [m/s]: a positive voltage closes it."""
        xp = namespace(state, volts)
        gap, v = as_float64(state), as_float64(volts)
        kt = BOLTZMANN * (self.temperature + self.r_th * xp.abs(v * self.current(gap, v)))
        gamma = self.gamma0 - self.beta * (gap / NANOMETRE) ** 3
        gamma = xp.where(gamma * xp.abs(v) / self.t_ox < self.field_min, 0.0, gamma)
        return -self.velocity * xp.exp(-self.activation / kt) * xp.sinh(gamma * self.a0 / self.t_ox * v / kt)

    def describe(self) -> str:
        """Return the model in a few words, for logs."""
        return f"Stanford-PKU, gap {show(self.gap_min, 'm')} to {show(self.gap_max, 'm')}, Ea {self.activation:g} eV"
