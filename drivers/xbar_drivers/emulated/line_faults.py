"""What must not happen at the terminals of a bench: noted in its audit."""

from collections.abc import Mapping, Sequence, Set

import numpy as np
from numpy.typing import NDArray

from xbar_drivers.emulated.audit import Audit, FaultKind
from xbar_drivers.emulated.clock import BenchClock
from xbar_drivers.emulated.nodal import Source

HOT = 1e-3
"""A relay that moves with more than this on it is hot [V]; a source that gives current counts as hot, too."""

SLACK = 1e-9
"""Share of a limit by which rounding may pass it."""


class LineFaults:
    """Notes faults of sources, relays and cells.

    Args:
        audit: where they are noted.
        clock: the bench's time.
        cell_voltage: largest voltage across a cell that the rack file allows [V]; None for no limit.
        current: largest current limit that it allows a source that drives [A]; None for no limit.
        known: voltages between which the card's I-V law holds [V]; None for no limit.

    """

    def __init__(
        self,
        audit: Audit,
        clock: BenchClock,
        cell_voltage: float | None,
        current: float | None,
        known: tuple[float, float] | None = None,
    ) -> None:
        self.audit, self._clock, self.cell_voltage, self._current = audit, clock, cell_voltage, current
        self._known = known

    def note(self, kind: FaultKind, text: str) -> None:
        """Note a fault now."""
        self.audit.note(self._clock.now(), kind, text)

    def source(self, terminal: str, source: Source) -> None:
        """Note a source that could give more current than the rack file allows, or more than the card's law knows."""
        largest = source.limit if source.voltage else abs(source.level)
        if self._current is not None and source.level and largest > self._current * (1 + SLACK):
            self.note(FaultKind.OVER_LIMIT, f"{terminal} may give {largest:g} A, limit {self._current:g} A")
        if self._known is not None and source.voltage and not self._known[0] <= source.level <= self._known[1]:
            low, high = self._known
            self.note(
                FaultKind.OVER_LIMIT,
                f"{terminal} at {source.level:g} V: the I-V law of the card holds from {low:g} to {high:g} V; it goes "
                "on as it is (told once)",
            )
            self._known = None

    def shorts(self, levels: Mapping[int, float], net: NDArray[np.intp], names: Sequence[str]) -> None:
        """Note voltage sources of different levels on one net: they fight within their limits."""
        first: dict[int, int] = {}
        for place in sorted(levels):
            other = first.setdefault(int(net[place]), place)
            if abs(levels[place] - levels[other]) > HOT:
                text = (
                    f"{names[other]} at {levels[other]:g} V and {names[place]} at {levels[place]:g} V are tied together"
                )
                self.note(FaultKind.SHORTED, text)

    def hot(self, relays: Set[tuple[int, int]], new: Set[tuple[int, int]], hot: Set[int], names: Sequence[str]) -> None:
        """Note relays that moved on a net that a source drives."""
        for a, b in sorted(relays):
            if a in hot or b in hot:
                did = "closed" if (a, b) in new else "opened"
                self.note(FaultKind.HOT_SWITCHING, f"{names[a]} to {names[b]} {did} while its source was on")

    def cells(self, word: NDArray[np.float64], bit: NDArray[np.float64]) -> None:
        """Note more voltage between two lines than the rack file allows a cell, from the voltages of all lines [V]."""
        worst = np.abs(word[:, None] - bit[None, :])
        row, col = np.unravel_index(int(worst.argmax()), worst.shape)
        if self.cell_voltage is not None and worst[row, col] > self.cell_voltage * (1 + SLACK):
            text = f"{worst[row, col]:.4g} V across cell ({row}, {col}), limit {self.cell_voltage:g} V"
            self.note(FaultKind.OVER_LIMIT, text)
