"""One calibration on its way: its data, what it was told, and what was found so far."""

from collections.abc import Callable
from dataclasses import dataclass, field

from xbar_calibration.fit import Outcome
from xbar_calibration.observations import Observations
from xbar_calibration.settings import Settings


def silent(law: str) -> None:
    """Tell nobody which law is fitted."""


@dataclass
class Run:
    """One calibration on its way."""

    observed: Observations
    settings: Settings
    outcomes: list[Outcome] = field(default_factory=list)
    tell: Callable[[str], None] = silent
    """Called with the name of each law before it is fitted."""

    def keep(self, outcome: Outcome) -> Outcome:
        """Add an outcome, and return it."""
        self.outcomes.append(outcome)
        return outcome
