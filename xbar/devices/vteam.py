"""VTEAM: a state that moves above two voltage thresholds."""

from dataclasses import dataclass

from xbar.namespace import Array, as_float64, namespace
from xbar.units import show


@dataclass(frozen=True)
class Vteam:
    """Voltage threshold adaptive memristor, the state x the place of a boundary between 0 and the thickness.

        dx/dt = k_off (V/v_off - 1)^alpha_off above v_off, k_on (V/v_on - 1)^alpha_on below v_on, else 0
        I = V / (r_on + (r_off - r_on) x / thickness)

    Source of the form and of the numbers of the shipped card: MemTorch, `bh/memristor/VTEAM.py`.
    """

    r_on: float
    """Resistance at x = 0 [ohm]."""
    r_off: float
    """Resistance at x = thickness [ohm]."""
    thickness: float
    """[m]."""
    k_on: float
    """Below zero [m/s]."""
    k_off: float
    """Above zero [m/s]."""
    alpha_on: float
    alpha_off: float
    v_on: float
    """Below zero [V]."""
    v_off: float
    """Above zero [V]."""
    source: str = ""

    @property
    def low(self) -> float:
        """Smallest state [m]."""
        return 0.0

    @property
    def high(self) -> float:
        """Largest state [m]."""
        return self.thickness

    def _resistance(self, state: Array) -> Array:
        return self.r_on + (self.r_off - self.r_on) * as_float64(state) / self.thickness

    def current(self, state: Array, volts: Array) -> Array:
        """Return the currents [A]."""
        return as_float64(volts) / self._resistance(state)

    def voltage(self, state: Array, amps: Array) -> Array:
        """Return the voltages [V] at which currents [A] flow."""
        return as_float64(amps) * self._resistance(state)

    def rate(self, state: Array, volts: Array) -> Array:
        """Return how fast the states move [m/s]."""
        xp = namespace(state, volts)
        v = as_float64(volts) + 0.0 * as_float64(state)
        off = self.k_off * xp.maximum(v / self.v_off - 1.0, 0.0) ** self.alpha_off
        on = self.k_on * xp.maximum(v / self.v_on - 1.0, 0.0) ** self.alpha_on
        return xp.where(v > self.v_off, off, xp.where(v < self.v_on, on, 0.0))

    def describe(self) -> str:
        """Return the model in a few words, for logs."""
        thresholds = f"{show(self.v_on, 'V')} and {show(self.v_off, 'V')}"
        return f"VTEAM, {show(self.r_on, 'ohm')} to {show(self.r_off, 'ohm')}, thresholds {thresholds}"
