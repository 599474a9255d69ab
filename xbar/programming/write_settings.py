"""How cells are written by write-verify: band, amplitudes, readings, rules for giving up."""

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from xbar.bench.settings import ReadConfig, Unselected
from xbar.devices.write_conditions import WriteConditions
from xbar.errors import InputError
from xbar.units import show

Floats = NDArray[np.float64]

FIRST = 0.05
"""First pulse of a staircase, and rise from pulse to pulse, in nominal pulses."""


@dataclass(frozen=True)
class Staircase:
    """Amplitudes of the pulses of one polarity: the first, the rise from pulse to pulse, the last [V]."""

    start: float
    step: float
    """Zero or more, whatever the sign of the voltage."""
    stop: float
    """Of the sign of `start`, and not below it."""

    def voltages(self) -> Floats:
        """Return the amplitudes [V], the last as often as it takes.

        Raises `InputError` for stairs that do not go up.
        """
        first, last = abs(self.start), abs(self.stop)
        if not (self.start * self.stop > 0 and first <= last < np.inf and 0 <= self.step < np.inf):
            raise InputError(
                f"pulses from {show(self.start, 'V')} to {show(self.stop, 'V')} by {show(self.step, 'V')}: give one "
                "sign, a last one not below the first, and a step of 0 V or more"
            )
        count = 1 if self.step == 0 or first == last else int(np.ceil((last - first) / self.step * (1 - 1e-12))) + 1
        return np.asarray(np.sign(self.start) * np.minimum(first + self.step * np.arange(count), last))


@dataclass(frozen=True)
class WriteVerify:
    """How cells are written."""

    band: float
    """Largest distance from the target [S]."""
    set: Staircase
    """Pulses that raise the conductance."""
    reset: Staircase
    """Pulses that lower it."""
    width: float
    """Of every pulse [s]."""
    current_limit: float = 1e-3
    """Compliance of every pulse [A]."""
    read: ReadConfig = field(default_factory=ReadConfig)
    """How a cell is verified; the mean of `repeat` readings counts."""
    max_pulses: int = 100
    """Pulses after which a cell is given up."""
    max_turns: int | None = None
    """Changes of polarity after which a cell is given up; None for any number."""
    max_at_stop: int | None = None
    """Pulses of the last amplitude in a row after which a cell is given up; None for any number."""
    unselected: Unselected = Unselected.HALF
    """What the other lines are tied to during a pulse."""

    @classmethod
    def for_device(cls, write: WriteConditions, band: float, **more: object) -> Self:
        """Return settings for a device's write pulses, from a twentieth of a nominal pulse on; `more` are fields.

        Small first steps: a device whose nominal step is as large as its range is written by weak pulses. The last
        amplitude is the largest that leaves cells on the selected lines below their threshold, or the nominal one.
        """
        share = 3 if more.get("unselected") is Unselected.THIRD else 2
        stairs = []
        for nominal, threshold in (
            (write.set_voltage, write.set_threshold),
            (write.reset_voltage, write.reset_threshold),
        ):
            step = abs(nominal - threshold) * FIRST
            start = threshold + (nominal - threshold) * FIRST
            last = min(write.voltage_max, max(abs(nominal), share * abs(threshold)))
            stairs.append(Staircase(start, step, float(np.copysign(last, nominal))))
        given = cls(band, stairs[0], stairs[1], write.width)
        return replace(given, **more)  # type: ignore[arg-type]  # names and types are those of the fields
