"""Forming: a fresh cell conducts next to nothing until a voltage beyond its forming voltage has made its filament."""

import math
from dataclasses import dataclass

from xbar.namespace import Array, as_float64, namespace
from xbar.units import show


@dataclass(frozen=True)
class Forming:
    """Cells that must be formed before they can be written.

        |V_form| = |voltage| exp(spread N(0, 1)), drawn once per cell
        G after forming = formed, or I_limit / hold_voltage where that is smaller

    Until then a cell stands at `pristine`, and no write moves it. A pulse or a reading forms it whose voltage across
    the cell reaches its V_form, whatever its duration. The form of the law is this emulator's own, and no shipped card
    has it: no numbers of a published device were at hand. A card of one's own takes them from its own measurements.
    """

    voltage: float
    """Median forming voltage [V]; its sign is the polarity."""
    spread: float
    """Standard deviation of ln |V_form| from cell to cell, 0 or more."""
    pristine: float
    """Conductance before forming [S]."""
    formed: float
    """Conductance after forming without a compliance [S]."""
    hold_voltage: float | None = None
    """Voltage that stands across a formed cell at the compliance [V]; None where the compliance does not matter."""
    source: str = ""

    def voltages(self, normals: Array) -> Array:
        """Return the forming voltage of each cell [V], with its sign, from as many standard normals."""
        xp = namespace(normals)
        return self.voltage * xp.exp(self.spread * as_float64(normals))

    def conductance(self, current_limit: float | None) -> float:
        """Return what a cell has become that was formed under a compliance [A]; None and infinity for none."""
        if self.hold_voltage is None or current_limit is None or math.isinf(current_limit):
            return self.formed
        return min(self.formed, current_limit / self.hold_voltage)

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        limited = "" if self.hold_voltage is None else f", at most the compliance over {show(self.hold_voltage, 'V')}"
        return (
            f"median {show(self.voltage, 'V')}, spread of ln V {self.spread:g}; from {show(self.pristine, 'S')} to "
            f"{show(self.formed, 'S')}{limited}"
        )
