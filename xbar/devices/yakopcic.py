"""Yakopcic's generalised memristor: sinh currents, thresholds, and windows near the ends."""

from dataclasses import dataclass
from typing import Final

from xbar.namespace import Array, as_float64, namespace
from xbar.units import show

NEWTON: Final = 12
"""Newton steps to the voltage of a current; from above, on a convex curve, half of them reach the last bit."""


@dataclass(frozen=True)
class Yakopcic:
    """The state x goes from 0 (off) to 1 (on).

        I = x on sinh(b_on V) + (1 - x) off sinh(b_off V), each of its own for V >= 0 and V < 0
        dx/dt = g(V) f(x);  g = Ap (exp(V) - exp(Vp)) above Vp, -An (exp(-V) - exp(Vn)) below -Vn, else 0
        f, V > 0:  exp(-alpha_p (x - xp)) ((xp - x) / (1 - xp) + 1) from xp on, else 1
        f, V < 0:  exp(alpha_n (x + xn - 1)) x / (1 - xn) up to 1 - xn, else 1

    With `off` 0 it is the classical model, I = a1 x sinh(b V) or a2 x sinh(b V). Source of the forms and of the Nb:STO
    numbers of the shipped card: `backend/models.py` of thomastiotto's memristor models.
    """

    on: tuple[float, float]
    """Currents of the on state for V >= 0 and V < 0 [A]."""
    b_on: tuple[float, float]
    """[1/V]."""
    off: tuple[float, float]
    """Currents of the off state [A]."""
    b_off: tuple[float, float]
    """[1/V]."""
    ap: float
    """[1/s]."""
    an: float
    """[1/s]."""
    vp: float
    """Threshold of SET [V]."""
    vn: float
    """Threshold of RESET, above zero [V]."""
    xp: float
    xn: float
    alpha_p: float = 1.0
    alpha_n: float = 1.0
    source: str = ""

    @property
    def low(self) -> float:
        """Smallest state."""
        return 0.0

    @property
    def high(self) -> float:
        """Largest state."""
        return 1.0

    def current(self, state: Array, volts: Array) -> Array:
        """Return the currents [A]."""
        xp = namespace(state, volts)
        x, v = as_float64(state), as_float64(volts)

        def branch(side: int) -> Array:
            on = self.on[side] * xp.sinh(self.b_on[side] * v)
            return x * on + (1.0 - x) * self.off[side] * xp.sinh(self.b_off[side] * v)

        return xp.where(v >= 0, branch(0), branch(1))

    def voltage(self, state: Array, amps: Array) -> Array:
        """Return the voltages [V] at which currents [A] flow, by Newton's method."""
        xp = namespace(state, amps)
        x, amps = as_float64(state), as_float64(amps) + 0.0 * as_float64(state)

        def branch(side: int) -> Array:
            parts = ((x * self.on[side], self.b_on[side]), ((1.0 - x) * self.off[side], self.b_off[side]))
            wanted = xp.abs(amps)
            # One of the two currents alone needs a larger voltage than both together.
            alone = [xp.asinh(wanted / xp.maximum(i, 1e-300)) / b for i, b in parts]
            v = xp.minimum(alone[0], alone[1])
            for _ in range(NEWTON):
                (i1, b1), (i2, b2) = parts
                excess = i1 * xp.sinh(b1 * v) + i2 * xp.sinh(b2 * v) - wanted
                v = v - excess / xp.maximum(i1 * b1 * xp.cosh(b1 * v) + i2 * b2 * xp.cosh(b2 * v), 1e-300)
            return v

        return xp.where(amps >= 0, branch(0), -branch(1))

    def rate(self, state: Array, volts: Array) -> Array:
        """Return how fast the states move [1/s]."""
        xp = namespace(state, volts)
        x, v = as_float64(state), as_float64(volts)
        rise = self.ap * (xp.exp(xp.maximum(v, self.vp)) - xp.exp(v * 0.0 + self.vp))
        fall = -self.an * (xp.exp(xp.maximum(-v, self.vn)) - xp.exp(v * 0.0 + self.vn))
        high = xp.exp(-self.alpha_p * (x - self.xp)) * ((self.xp - x) / (1 - self.xp) + 1.0)
        low = xp.exp(self.alpha_n * (x + self.xn - 1.0)) * x / (1 - self.xn)
        f_rise = xp.where(x >= self.xp, high, 1.0)
        f_fall = xp.where(x <= 1 - self.xn, low, 1.0)
        return xp.where(v > 0, rise * f_rise, fall * f_fall)

    def describe(self) -> str:
        """Return the model in a few words, for logs."""
        return f"Yakopcic, thresholds {show(-self.vn, 'V')} and {show(self.vp, 'V')}"
