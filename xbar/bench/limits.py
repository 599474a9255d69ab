"""The guard: limits that are checked before the first command of an operation leaves the host."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from xbar.bench.capabilities import Capabilities
from xbar.bench.settings import Pulse, Unselected
from xbar.errors import LimitError
from xbar.units import show

NEIGHBOURS = {Unselected.HALF: 1 / 2, Unselected.THIRD: 1 / 3}
"""Share of a pulse that cells on the selected lines see at most; all of it where lines are grounded or float."""

SLACK = 5e-7
"""Half a part in a million: float32 voltages, and products, of exactly the limit must pass."""


@dataclass(frozen=True)
class Limits:
    """What a bench may do to its arrays."""

    cell_voltage: float
    """Largest |voltage| across a cell, row minus column [V]."""
    current: float
    """Largest compliance that may be asked for [A]."""
    pulse_energy: float | None = None
    """Largest |V| x compliance x time of one pulse [J]."""
    pulses_per_cell: int | None = None
    """Pulses that one cell may see: in its life where a chip file keeps it, else while the bench is open."""
    forming_voltage: float | None = None
    """Largest |voltage| of a pulse on cells of which the chip file does not say that they were formed [V].

    Above `cell_voltage`, which then holds for all other cells; None for no such exception.
    """

    @classmethod
    def of(cls, capabilities: Capabilities) -> "Limits":
        """Return the limits that the driver's own ranges set."""
        return cls(capabilities.voltage_max, capabilities.current_max)

    def check_voltage(self, voltages: ArrayLike, capabilities: Capabilities, what: str) -> None:
        """Raise `LimitError` where a voltage [V] is not finite, above the limit, or above what the sources can give."""
        values = np.asarray(voltages)
        if not values.size:
            return
        worst = float(max(values.max(), -values.min()))
        limit = min(self.cell_voltage, capabilities.voltage_max)
        if not worst <= limit * (1 + SLACK):
            owner = "limit of the bench" if limit == self.cell_voltage else "range of the source"
            raise LimitError(
                f"{what}: {show(worst, 'V')} across a cell is above the {owner}, {show(limit, 'V')};"
                " ask for less, or raise the limit in the bench file if the cells stand it"
            )

    def _check_amplitude(self, pulse: Pulse, capabilities: Capabilities, fresh: bool) -> None:
        """Check the voltage of a pulse, on cells that are not formed against the limit of forming."""
        forming = self.forming_voltage
        if forming is None or not abs(pulse.voltage) > self.cell_voltage * (1 + SLACK):
            self.check_voltage([pulse.voltage], capabilities, "pulse")
        elif not fresh:
            raise LimitError(
                f"pulse: {show(abs(pulse.voltage), 'V')} is above {show(self.cell_voltage, 'V')}, the limit for cells "
                "that are formed, and not all of these are known to be fresh; forming needs a chip file (--chip), and "
                "cells that it does not flag as formed"
            )
        else:
            Limits(forming, self.current).check_voltage([pulse.voltage], capabilities, "pulse that forms")
            others = abs(pulse.voltage) * NEIGHBOURS.get(pulse.unselected, 1.0)
            self.check_voltage([others], capabilities, "other cells on the lines of a pulse that forms")

    def check_current(self, current: float | None, what: str) -> None:
        """Raise `LimitError` where a compliance [A] is not positive or above the limit."""
        if current is not None and not 0 < current <= self.current * (1 + SLACK):
            raise LimitError(
                f"{what}: compliance {show(current, 'A')} must be above 0 and at most the limit of the bench, "
                f"{show(self.current, 'A')}"
            )

    def check_pulse(
        self, pulse: Pulse, capabilities: Capabilities, most_so_far: int, count: int, fresh: bool = False
    ) -> None:
        """Raise `LimitError` where a pulse train passes a limit.

        `most_so_far` is the worst count among its cells; `fresh` tells that a chip file knows them all as not formed.
        """
        self._check_amplitude(pulse, capabilities, fresh)
        self.check_current(pulse.current_limit, "pulse")
        energy = abs(pulse.voltage) * pulse.current_limit * (pulse.rise + pulse.width + pulse.fall)
        if not (0 < pulse.width < np.inf and 0 <= pulse.rise < np.inf and 0 <= pulse.fall < np.inf):
            times = ", ".join(show(t, "s") for t in (pulse.rise, pulse.width, pulse.fall))
            raise LimitError(f"pulse: rise, width, fall are {times}; width must be above 0, all finite, none below 0")
        if pulse.gate is not None and not np.isfinite(pulse.gate):
            raise LimitError(f"pulse: gate voltage {show(pulse.gate, 'V')} must be finite")
        if self.pulse_energy is not None and not energy <= self.pulse_energy * (1 + SLACK):
            raise LimitError(
                f"pulse: energy |V| x I x t = {show(energy, 'J')} is above the limit of the bench, "
                f"{show(self.pulse_energy, 'J')}"
            )
        if self.pulses_per_cell is not None and most_so_far + count > self.pulses_per_cell:
            raise LimitError(
                f"pulse: a cell would have seen {most_so_far + count} pulses; "
                f"the limit of the bench is {self.pulses_per_cell}"
            )
