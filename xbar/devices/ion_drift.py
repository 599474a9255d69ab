"""Linear ion drift (Strukov's model): a doped zone that grows with the charge, slowed near its ends by a window."""

from dataclasses import dataclass
from typing import Literal

from xbar.namespace import Array, as_float64, namespace
from xbar.units import show


@dataclass(frozen=True)
class IonDrift:
    """Linear ion drift with thresholds; the state x is the share of the film that is doped, 0 to 1.

        dx/dt = mobility r_on / thickness^2 I window(x),  0 between the thresholds
        I = V / (r_on x + r_off (1 - x))
        joglekar:     1 - (2x - 1)^(2 p)
        biolek:       1 - (x - H(-I))^(2 p)
        prodromakis:  1 - ((x - 1/2)^2 + 3/4)^p

    Source of the forms and numbers: MemTorch, `bh/memristor/LinearIonDrift.py` and `window/`. The windows of Joglekar
    and Prodromakis vanish at both ends: a state that reaches one stays there.
    """

    r_on: float
    """Resistance at x = 1 [ohm]."""
    r_off: float
    """Resistance at x = 0 [ohm]."""
    thickness: float
    """[m]."""
    mobility: float
    """[m^2 / (V s)]."""
    threshold: float
    """Voltage below which, either sign, nothing moves [V]."""
    window: Literal["none", "joglekar", "biolek", "prodromakis"]
    p: float
    """Exponent of the window, a whole number for the first two."""
    source: str = ""

    @property
    def low(self) -> float:
        """Smallest state."""
        return 0.0

    @property
    def high(self) -> float:
        """Largest state."""
        return 1.0

    def _resistance(self, state: Array) -> Array:
        return self.r_off + (self.r_on - self.r_off) * as_float64(state)

    def current(self, state: Array, volts: Array) -> Array:
        """Return the currents [A]."""
        return as_float64(volts) / self._resistance(state)

    def voltage(self, state: Array, amps: Array) -> Array:
        """Return the voltages [V] at which currents [A] flow."""
        return as_float64(amps) * self._resistance(state)

    def rate(self, state: Array, volts: Array) -> Array:
        """Return how fast the states move [1/s]."""
        xp = namespace(state, volts)
        amps = self.current(state, volts)
        moving = xp.abs(as_float64(volts)) > self.threshold
        speed = self.mobility * self.r_on / self.thickness**2 * amps * self._window(as_float64(state), amps)
        return xp.where(moving, speed, 0.0)

    def _window(self, x: Array, amps: Array) -> Array:
        xp = namespace(x, amps)
        if self.window == "joglekar":
            return 1.0 - ((2.0 * x - 1.0) ** 2) ** self.p
        if self.window == "biolek":
            return 1.0 - (xp.where(amps < 0, x - 1.0, x) ** 2) ** self.p
        if self.window == "prodromakis":
            return 1.0 - ((x - 0.5) ** 2 + 0.75) ** self.p
        return x * 0.0 + 1.0

    def describe(self) -> str:
        """Return the model in a few words, for logs."""
        return f"ion drift, {show(self.r_on, 'ohm')} to {show(self.r_off, 'ohm')}, window {self.window}"
