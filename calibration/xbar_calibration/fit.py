"""What a fit of one law gives: parameters with their intervals, rivals, residuals, and what it predicts unseen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xbar.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LEVEL: Final = 0.95
"""Confidence of every interval."""


@dataclass(frozen=True)
class Parameter:
    """A fitted number and its 95 % interval, in SI units; an open end of an interval is infinite."""

    name: str
    value: float
    low: float
    high: float
    unit: str = ""

    def exponential(self) -> "Parameter":
        """Return the parameter whose logarithm this is."""
        value, low, high = (float(np.exp(v)) for v in (self.value, self.low, self.high))
        return Parameter(self.name, value, low, high, self.unit)

    def covers(self, truth: float) -> bool:
        """Return whether a value lies inside the interval."""
        return bool(self.low <= truth <= self.high)


@dataclass(frozen=True, eq=False)
class Residuals:
    """Measured and fitted values of one law over one quantity, for figures; `(n,)` each."""

    title: str
    x_name: str
    """Name and unit, such as "target conductance [S]"."""
    y_name: str
    x: Floats
    measured: Floats
    fitted: Floats
    standardised: Floats
    """(measured − fitted) in standard deviations of the law; may be more values than are drawn beside."""
    log_x: bool = False


@dataclass(frozen=True)
class HeldOut:
    """How well a law predicts the share of the data that it was not fitted to."""

    points: int
    spread: float
    """Standard deviation of the standardised residuals; 1 where the law holds."""
    low: float
    """Lower end of what 95 % of samples of this size give where the law holds."""
    high: float

    @property
    def agrees(self) -> bool:
        """Tell whether the spread lies inside."""
        return self.low <= self.spread <= self.high


@dataclass(frozen=True, eq=False)
class Fit:
    """One fitted law of a card."""

    law: str
    """Name of the block."""
    kind: str
    parameters: tuple[Parameter, ...]
    keys: Mapping[str, Any]
    """Keys of the card's block, without kind, source and valid ranges; values as TOML has them."""
    points: int
    """Measured values behind the fit."""
    rivals: tuple[tuple[str, float], ...] = ()
    """Competing kinds and their AIC above the best one's."""
    held_out: HeldOut | None = None
    residuals: Residuals | None = None
    valid: tuple[float, float] | None = None
    """Range of conductances in the data [S]."""
    valid_time: tuple[float, float] | None = None
    valid_voltage: tuple[float, float] | None = None
    valid_temperature: tuple[float, float] | None = None
    """[K]."""
    notes: tuple[str, ...] = ()
    model: Any = field(default=None, repr=False)
    """The law as an object that other fits use."""

    def parameter(self, name: str) -> Parameter:
        """Return a parameter by name; raises `InputError` that lists them."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise InputError(f"{self.law} has no parameter {name!r}; it has {', '.join(p.name for p in self.parameters)}")


@dataclass(frozen=True)
class Refusal:
    """A law that the data cannot support, and why."""

    law: str
    reason: str


Outcome = Fit | Refusal


def held_out(standardised: Floats) -> HeldOut | None:
    """Return how standardised residuals of unseen data spread, None where there are fewer than ten.

    The limits are those of the standard deviation of normal residuals, wider where the fourth moment tells of tails.
    """
    from scipy import stats

    z = standardised[np.isfinite(standardised)]
    if len(z) < 10:
        return None
    spread = float(z.std())
    # Not scipy's kurtosis, which warns of values that are all but the same.
    excess = max(float(np.mean((z - z.mean()) ** 4)) / max(spread**4, 1e-300) - 3.0, 0.0)
    error = float(np.sqrt((2.0 + excess) / (4.0 * len(z))))
    reach = float(stats.norm.ppf((1 + LEVEL) / 2)) * error
    return HeldOut(len(z), spread, 1 - reach, 1 + reach)


def ranked(scores: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """Return kinds and their AIC above the best, the best first."""
    best = min(scores.values())
    return tuple((kind, score - best) for kind, score in sorted(scores.items(), key=lambda item: item[1]))


NEAR: Final = 4.0
"""Difference of AIC within which the law with fewer parameters is taken."""


def simplest(scores: Mapping[str, float], sizes: Mapping[str, int]) -> str:
    """Return the kind with the fewest parameters among those whose AIC is near the best; of equals the best.

    The lowest AIC alone would take a needless parameter in one of six fits.
    """
    best = min(scores.values())
    near = [kind for kind, score in scores.items() if score <= best + NEAR]
    return min(near, key=lambda kind: (sizes[kind], scores[kind]))
