"""Data-driven model: the resistance goes towards a boundary that depends on the voltage, at a measured speed."""

from dataclasses import dataclass

from xbar.namespace import Array, as_float64, namespace
from xbar.units import show


@dataclass(frozen=True)
class DataDriven:
    """The resistance R [ohm] as state.

        V > 0:  dR/dt = s(V) (r(V) - R)^2 while R > r(V);   V < 0:  dR/dt = s(V) (R - r(V))^2 while R < r(V)
        s = a (exp(|V| / t) - 1),  r = r0 + r1 V,  of their own for each polarity
        I = scale / R sinh(slope V)

    Source of the form and of the numbers of the shipped card: MemTorch, `bh/memristor/Data_Driven2021.py`, after
    arXiv 2012.02267.
    """

    a: tuple[float, float]
    """For V > 0 and V < 0 [1/(ohm s)]."""
    t: tuple[float, float]
    """[V]."""
    r0: tuple[float, float]
    """[ohm]."""
    r1: tuple[float, float]
    """[ohm/V]."""
    scale: float
    """[V]."""
    slope: float
    """[1/V]."""
    r_on: float
    """Smallest resistance [ohm]."""
    r_off: float
    """Largest resistance [ohm]."""
    source: str = ""

    @property
    def low(self) -> float:
        """Smallest state [ohm]."""
        return self.r_on

    @property
    def high(self) -> float:
        """Largest state [ohm]."""
        return self.r_off

    def current(self, state: Array, volts: Array) -> Array:
        """Return the currents [A]."""
        xp = namespace(state, volts)
        return self.scale / as_float64(state) * xp.sinh(self.slope * as_float64(volts))

    def voltage(self, state: Array, amps: Array) -> Array:
        """Return the voltages [V] at which currents [A] flow."""
        xp = namespace(state, amps)
        return xp.asinh(as_float64(amps) * as_float64(state) / self.scale) / self.slope

    def rate(self, state: Array, volts: Array) -> Array:
        """Return how fast the resistance moves [ohm/s]: a positive voltage lowers it."""
        xp = namespace(state, volts)
        r, v = as_float64(state), as_float64(volts)

        def speed(side: int) -> Array:
            beyond = r - (self.r0[side] + self.r1[side] * v)
            # Only towards the boundary: from above for V > 0, from below for V < 0.
            beyond = xp.maximum(beyond, 0.0) if side == 0 else xp.minimum(beyond, 0.0)
            return self.a[side] * xp.expm1(xp.abs(v) / self.t[side]) * beyond**2

        return xp.where(v > 0, speed(0), speed(1))

    def describe(self) -> str:
        """Return the model in a few words, for logs."""
        return f"data-driven, {show(self.r_on, 'ohm')} to {show(self.r_off, 'ohm')}"
