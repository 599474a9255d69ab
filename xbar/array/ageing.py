"""What time does to written cells: relaxation, drift, retention; and what the temperature does, to time and at once."""

from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from xbar.devices.card import DeviceCard
from xbar.devices.relaxation import relaxed
from xbar.devices.validity import Outside

Floats = NDArray[np.float64]


ROOM_TEMPERATURE: Final = 300.0
"""[K]."""


@dataclass(frozen=True)
class Conditions:
    """Under which conditions the cells are simulated."""

    temperature: float = ROOM_TEMPERATURE
    """[K]."""
    outside: Outside = "refuse"
    """What happens outside the valid range of a law: an error before the operation, or a warning."""


@dataclass(frozen=True, eq=False)
class Written:
    """What was written to some cells; arrays of one shape, or that broadcast to the shape of the times."""

    programmed: Floats
    """Conductances right after the write [S]."""
    target: Floats
    """What the write was to give [S]; NaN for a cell that was never written."""
    exponent: Floats
    """Drift exponents."""
    relaxation: Floats
    """Standard normals of the last write."""

    def at(self, index: Any) -> Self:
        """Return some of the cells."""
        parts = (self.programmed, self.target, self.exponent, self.relaxation)
        return replace(self, **dict(zip(NAMES, (part[index] for part in parts), strict=True)))


NAMES = ("programmed", "target", "exponent", "relaxation")


@dataclass(frozen=True)
class Ageing:
    """The laws of time of a card under some conditions."""

    card: DeviceCard
    conditions: Conditions

    def seconds(self, age: Floats) -> Floats:
        """Return the times at the reference temperature that age a cell as these do [s]."""
        law = self.card.temperature
        return age if law is None else np.asarray(law.effective_time(age, self.conditions.temperature))

    def conductances(self, cells: Written, age: Floats) -> Floats:
        """Return the conductances [S] of cells `age` after the write [s], at the temperature."""
        g = self._at_reference(cells, age)
        law = self.card.temperature
        return g if law is None else np.asarray(law.conductance(g, self.conditions.temperature))

    def _at_reference(self, cells: Written, age: Floats) -> Floats:
        """Return the conductances [S] before what the temperature does at once. Cells never written do not age."""
        g, law = cells.programmed, self.card.relaxation
        if law is not None:
            never = np.isnan(cells.target)
            target = np.where(never, g, cells.target)
            g = np.where(never, g, relaxed(law, g, target, self.seconds(age), cells.relaxation))
        return self._decayed(g, cells, age)

    def decay(self, cells: Written, age: Floats) -> Floats:
        """Return what drift and retention alone have done to the conductances [S]: where the next pulse begins.

        Relaxation is what comes after a write, and comes anew after the next one.
        """
        return self._decayed(cells.programmed, cells, age) - cells.programmed

    def _decayed(self, g: Floats, cells: Written, age: Floats) -> Floats:
        card = self.card
        if card.drift is not None:
            g = np.asarray(card.drift.conductance(g, cells.exponent, self.seconds(age)))
        if card.retention is not None:
            g = np.where(np.isnan(cells.target), g, card.retention.conductance(g, self.seconds(age)))
        return g

    def check(self, age: float) -> None:
        """Check that the laws of the card hold so long after a write [s], where they have a latest time.

        Before the earliest time of a law nothing has happened yet: that is no extrapolation. Raises `InputError`, or
        warns where the conditions say so.
        """
        seconds = float(self.seconds(np.array(age)))
        for name, _ in self.card.laws():
            valid = self.card.validity(name)
            if valid.time is not None:
                valid.check(
                    f"{name} of card {self.card.name!r}", self.conditions.outside, time=max(seconds, valid.time[0])
                )
