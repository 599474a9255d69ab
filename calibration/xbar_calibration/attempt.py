"""A fit whose numbers cannot be had is a refusal."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from xbar.errors import InputError
from xbar_calibration.fit import Outcome, Refusal

T = TypeVar("T")


def attempt(law: str, fit: Callable[[], Outcome]) -> Outcome:
    """Return the outcome of a fit; where its numbers cannot be had that is a refusal, not the end of the rest."""
    try:
        return fit()
    except (InputError, np.linalg.LinAlgError) as error:
        return Refusal(law, str(error))


def attempt_both(law: str, fit: Callable[[], tuple[Outcome, T | None]]) -> tuple[Outcome, T | None]:
    """Return the outcome of a fit and what comes with it; see `attempt`."""
    try:
        return fit()
    except (InputError, np.linalg.LinAlgError) as error:
        return Refusal(law, str(error)), None
