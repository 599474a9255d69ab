"""Write conditions: the pulse that a device is written with, what it stands at most, and what weaker pulses do."""

from dataclasses import dataclass

from xbar.errors import LimitError
from xbar.namespace import Array, as_float64, namespace
from xbar.units import show


@dataclass(frozen=True)
class WriteConditions:
    """Nominal SET and RESET pulses, limits, and thresholds.

    A pulse counts as so many nominal ones: none below the threshold of its polarity, one at the nominal voltage, linear
    in voltage between and beyond, and in proportion to its width. So a half-selected cell moves where half the write
    voltage passes the threshold. The line is this emulator's own: sources give the nominal pulse alone.
    """

    set_voltage: float
    """Voltage of the pulse that raises the conductance [V]; the sign is the polarity of SET."""
    reset_voltage: float
    """Voltage of the pulse that lowers it, of the other sign [V]."""
    width: float
    """Nominal width [s]."""
    voltage_max: float
    """Largest voltage across the cell, either sign [V]."""
    width_max: float
    """Longest pulse [s]."""
    set_threshold: float
    """Voltage below which SET does nothing, of the sign of `set_voltage` [V]."""
    reset_threshold: float
    """Voltage below which RESET does nothing, of the sign of `reset_voltage` [V]."""
    source: str = ""

    def check(self, voltage: float, width: float) -> None:
        """Raise `LimitError` for a pulse that the device is not made for."""
        if not abs(voltage) <= self.voltage_max:
            raise LimitError(
                f"pulse of {show(voltage, 'V')} is above {show(self.voltage_max, 'V')}, what the card allows across a "
                "cell; lower it"
            )
        if not 0 < width <= self.width_max:
            raise LimitError(
                f"pulse width {show(width, 's')} must be above 0 s and at most {show(self.width_max, 's')}, what the "
                "card allows"
            )

    def nominal_pulses(self, voltage: Array, width: float) -> Array:
        """Return as how many nominal pulses one of these voltages across the cell [V] counts: > 0 SET, < 0 RESET."""
        xp = namespace(voltage)
        v = as_float64(voltage)
        strength = v * 0.0
        for sign, nominal, threshold in (
            (1.0, self.set_voltage, self.set_threshold),
            (-1.0, self.reset_voltage, self.reset_threshold),
        ):
            part = (v - threshold) / (nominal - threshold)
            same = (v * nominal > 0) & (part > 0)
            strength = xp.where(same, sign * part, strength)
        return strength * (width / self.width)

    def describe(self) -> str:
        """Return the conditions in a few words, for logs."""
        pulses = f"SET {show(self.set_voltage, 'V')}, RESET {show(self.reset_voltage, 'V')}, {show(self.width, 's')}"
        half = f"thresholds {show(self.set_threshold, 'V')} and {show(self.reset_threshold, 'V')}"
        return f"{pulses}, at most {show(self.voltage_max, 'V')}; {half}"
