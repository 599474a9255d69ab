"""Written cells over time: whether they drift, relax or stand still, and how much they scatter from visit to visit."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np

from xbar_calibration.attempt import attempt_both
from xbar_calibration.decay import Decays, Histories, Variance, solve
from xbar_calibration.drift import FEWEST, drifts
from xbar_calibration.fit import Bools, Fit, Floats, Outcome, Refusal
from xbar_calibration.flicker_noise import fit_flicker_noise, octaves, visit_variance
from xbar_calibration.relaxation import fit_relaxation, log_lines
from xbar_calibration.settings import Settings
from xbar_calibration.stuck_cells import groups

LINES: Final = 0.9
"""Sum of squares about lines in ln t, over that about power laws, below which cells relax instead of drifting."""
NO_BEGIN: Final = 1e-3
"""t0 in ages of the first visit below which a power law is a line in ln t."""
CLEAR: Final = 0.1
"""Share of the card's range above which conductances tell power laws from lines."""


def over_time(
    told: tuple[Settings, float], h: Histories, seen: Bools, white: Any, g_max: float, tell: Callable[[str], None]
) -> tuple[Decays, Floats, float | None, list[Outcome]]:
    """Return the writes over time, the relative noise of their visits, t0 [s] where they drift, and what was fitted.

    Args:
        told: the settings, and the duration of a reading [s].
        h: visits of the writes that took.
        seen: which of them the fits may see `(w,)`.
        white: variance of a reading by conductance, None where unknown.
        g_max: largest conductance of the card [S].
        tell: called with the name of each law before it is fitted.

    """
    settings, seconds = told
    outcomes = list[Outcome]()
    t_read = settings.t_read or (seconds if np.isfinite(seconds) else 1e-6)
    ages = h.age[np.isfinite(h.age)]
    span = (float(ages.min()), float(ages.max())) if len(ages) else (0.0, 0.0)
    start = settings.t0 or min(20.0, max(span[1] / 4, 1e-6))
    moving, rough, reason = moves(h, white, start, span, g_max)
    if reason:
        outcomes.append(Refusal("drift", reason))
    quiet = np.zeros(len(h))
    if not moving and white is not None and h.age.shape[1] >= 3 and span[1] > 2 * span[0]:
        tell("relaxation")
        outcome, at_write = attempt_both("relaxation", lambda: fit_relaxation(h, seen, white))
        outcomes.append(outcome)
        if at_write is not None:
            outcomes.append(Refusal("flicker_noise", "not told from relaxation"))
            value, error = at_write
            error = np.where(error > 0, error, rough.programmed_error)
            return replace(rough, programmed=np.maximum(value, 0.0), programmed_error=error), quiet, None, outcomes
    tell("flicker_noise")
    fit_t0 = moving and settings.t0 is None and h.age.shape[1] >= 4
    law = (start if moving else np.inf, fit_t0)
    outcome, t0 = attempt_both("flicker_noise", lambda: fit_flicker_noise(h, seen, white, law, t_read, g_max))
    if fit_t0 and t0 is not None and t0 < NO_BEGIN * span[0] and white is not None:
        # A power law that began long before the first reading is a line in ln t.
        relaxed, at_write = attempt_both("relaxation", lambda: fit_relaxation(h, seen, white))
        if at_write is not None:
            outcomes.append(Refusal("drift", "no beginning of a power law: lines in ln t, see relaxation"))
            outcomes += [relaxed, Refusal("flicker_noise", "not told from relaxation")]
            value, error = at_write
            error = np.where(error > 0, error, rough.programmed_error)
            return replace(rough, programmed=np.maximum(value, 0.0), programmed_error=error), quiet, None, outcomes
    outcomes.append(outcome)
    t0 = t0 or start
    amplitude = outcome.model if isinstance(outcome, Fit) else np.zeros_like
    if white is None and not isinstance(outcome, Fit):
        # Nothing tells the noise of readings: it stays in the programming error.
        return replace(rough, programmed_error=np.zeros(len(h))), quiet, start if moving else None, outcomes
    roots = octaves(h.age, t0, t_read)
    decays = solve(h, visit_variance(h, white, amplitude, roots), t0 if moving else None)
    # By the target: P and nu of a cell err together, and a limit that followed P would prefer large exponents.
    last = np.nanmax(roots, axis=1)
    noise, own = (amplitude(np.maximum(g, 1e-12)) * last for g in (h.target, decays.programmed))
    if moving and isinstance(outcome, Fit):
        group, safe = groups(h.target), np.maximum(own, 1e-300)
        usual = np.sqrt(np.bincount(group, own**2) / np.bincount(group))[group]
        decays = replace(decays, exponent_error=decays.exponent_error * usual / safe)
    return decays, noise, t0 if moving else None, outcomes


def moves(
    h: Histories, white: Variance | None, t0: float, span: tuple[float, float], g_max: float
) -> tuple[bool, Decays, str]:
    """Return whether cells drift by a power law, a first fit with equal relative weights, and why not."""
    if h.age.shape[1] < 2 or span[1] <= 2 * span[0] + 1e-9:
        rough = solve(h, lambda p, model: np.maximum(model, 1e-3 * g_max) ** 2 * 1e-4, None)
        return False, rough, f"ages of the readings span {span[0]:g} s to {span[1]:g} s; read cells again later"
    rough = solve(h, lambda p, model: np.maximum(model, 1e-3 * g_max) ** 2 * 1e-4, t0)
    # Errors from what readings scatter by about their own lines.
    count = np.isfinite(h.g).sum(1)
    scale = np.sqrt(np.nansum(rough.residual**2, axis=1) / np.maximum(count - 2, 1))
    usual = float(np.median(scale[count > 2])) if (count > 2).any() else 1.0
    known = np.isfinite(rough.exponent_error)
    own = np.where(known, np.where(known, rough.exponent_error, 0.0) * usual, np.inf)
    there, mean, error = drifts(replace(rough, exponent_error=own))
    still = solve(h, lambda p, model: np.maximum(model, 1e-3 * g_max) ** 2 * 1e-4, None)
    if not there and not np.isfinite(error):
        return False, still, f"{len(h)} writes were read over time; {FEWEST} of different devices are needed"
    if not there:
        return False, still, f"no drift up to {span[1]:g} s: mean exponent {mean:.2g} ± {2 * error:.2g}"
    if white is not None:
        # Near zero lines may go below it, where no conductance can: there they win whatever the cells do.
        high = rough.programmed > CLEAR * g_max
        high = high if high.sum() >= FEWEST else np.ones_like(high)
        part, start = h.where(high), (rough.programmed[high], rough.exponent[high])
        noise = visit_variance(part, white, np.zeros_like, np.zeros_like(part.age))
        tried = [solve(part, noise, t, start) for t in (t0 / 20, t0, 20 * t0)]
        power = min(float(np.nansum(found.residual**2)) for found in tried)
        if log_lines(part, white).rest < LINES * power:
            return False, still, "lines in ln t fit better than a power law: see relaxation"
    return True, rough, ""
