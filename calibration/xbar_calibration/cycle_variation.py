"""Cycle-to-cycle variation: writes of one device that differ by factors, not by an error that is added."""

from typing import Final

import numpy as np
from scipy import stats

from xbar_calibration.fit import Bools, Fit, Floats, Ints, Outcome, Refusal, Residuals, held_out, ranked, simplest
from xbar_calibration.intervals import LogLikelihood, Peak, maximise, profile
from xbar_calibration.quantities import number

LAW: Final = "cycle_variation"
BETWEEN: Final = "device_variation"
FEWEST: Final = 10
"""Devices that were written twice or more."""
FEWEST_WRITES: Final = 20
"""Writes of one device, where there are fewer devices: these are then not told from writes."""
LEAST: Final = 0.01
"""False-alarm level of the test whether devices differ."""
HIGHEST: Final = 3
"""Degree of the polynomial of the error that is added."""

Writes = tuple[Ints, Floats, Floats, Floats]
"""Device of each write, its target, what it became, and the standard error of that [S]; `(w,)` each."""


def fit_cycle_variation(writes: Writes, train: Bools, g_range: tuple[float, float]) -> tuple[Outcome, Outcome | None]:
    """Return the lognormal spread from write to write, and beside it that between devices.

    ln P = ln target + s_d D + s_c N: D one number a device, N one a write; s_d and s_c are lines in resistance from
    g_max ("on") to g_min ("off"), and the same everywhere where g_min is 0 S. Maximum likelihood over devices that were
    written repeatedly. It stands for the same spread as the programming error does, so one of the two is in a card:
    this one where it has the fewest parameters among the forms whose AIC is within 4 of the best, beside P = target +
    sigma(target) N + target s_d D, sigma a polynomial.

    Args:
        writes: what was written; targets above zero alone are used.
        train: which writes the fit may see `(w,)`.
        g_range: g_min and g_max of the card [S].

    """
    cell, target, programmed, error = writes
    repeated = np.bincount(cell, minlength=1)[cell] >= 2 if len(cell) else np.zeros(0, np.bool_)
    pick = repeated & train & (target > 0)
    devices = len(np.unique(cell[pick]))
    few = devices < FEWEST
    if few and (pick.sum() < FEWEST_WRITES or np.bincount(cell[pick]).max() < FEWEST_WRITES):
        reason = f"{devices} devices were written twice or more; {FEWEST} are needed: from write to write is not told"
        return Refusal(LAW, reason), None
    if (programmed[pick] <= 0).any():
        return Refusal(LAW, "some writes end at zero, which no factor does: see programming_error"), None
    low, high = g_range
    sloped = low > 0 and float(np.ptp(target[pick])) > 0.3 * high
    share = (1 / np.clip(target, low, high) - 1 / high) / (1 / low - 1 / high) if sloped else np.zeros_like(target)
    own = np.unique(cell[pick], return_inverse=True)[1]
    part = (own, target[pick] / high, programmed[pick] / high, error[pick] / high, share[pick])
    size = 2 if sloped else 1
    function = _factors(part, size)
    rough = float(np.std(np.log(part[2] / part[1])))
    if few:
        # Devices cannot be told from writes: all of it counts as of writes.
        alone = maximise(lambda p: function(np.r_[p, np.zeros(size)]), [rough] * size, [0.3 * rough] * size)
        peak = _without_devices(alone)
    else:
        peak = maximise(function, [0.7 * rough] * size + [0.4 * rough] * size, [0.3 * rough] * (2 * size))
    added = _added(part, 0 if few else size)
    scores = {"lognormal": peak.aic - (2 * size if few else 0), **added}
    sizes = {"lognormal": size} | {name: degree + 1 for degree, name in enumerate(added)}
    kind = simplest(scores, sizes)
    if kind != "lognormal":
        reason = (
            f"{kind} describes the writes as well, or better: an error that is added and factors are not told apart"
        )
        return Refusal(LAW, reason), None
    alone = maximise(lambda p: function(np.r_[p, np.zeros(size)]), list(peak.values[:size]), [0.3 * rough] * size)
    differ = not few and bool(stats.chi2.sf(2 * (peak.log_likelihood - alone.log_likelihood), size) <= LEAST)
    if not differ:
        peak = _without_devices(alone)
    return _fits(writes, (repeated, train), (function, peak, differ), share, scores)


def _without_devices(alone: Peak) -> Peak:
    """Return a peak of the spread from write to write as one with no spread between devices."""
    return Peak(np.r_[alone.values, 0 * alone.values], alone.log_likelihood, np.r_[alone.scale, alone.scale])


def _spread(p: Floats, share: Floats) -> Floats:
    return np.asarray(p[0] + (p[-1] - p[0]) * share)


def _grouped(own: Ints, y: Floats, variance: Floats, u: Floats) -> float:
    """Return the log density of normals with covariance diag(variance) + u u^T in each group, by Sherman-Morrison."""
    uu, uy, yy = (np.bincount(own, part / variance) for part in (u * u, u * y, y * y))
    return float(-0.5 * ((yy - uy**2 / (1 + uu) + np.log1p(uu)).sum() + np.log(variance).sum()))


def _factors(part: tuple[Ints, Floats, Floats, Floats, Floats], size: int) -> LogLikelihood:
    """Return the log-likelihood of factors; parameters are those from write to write, then between devices."""
    own, x, y, v, share = part
    logs, errors = np.log(y / x), v / y
    # Density of P itself, so that it compares with an error that is added.
    jacobian = float(np.log(y).sum())

    def function(p: Floats) -> float:
        if p.min() < 0 or p[:size].min() <= 0:
            return -np.inf
        variance = _spread(p[:size], share) ** 2 + errors**2
        return _grouped(own, logs, variance, _spread(p[size:], share)) - jacobian

    return function


def _added(part: tuple[Ints, Floats, Floats, Floats, Floats], size: int) -> dict[str, float]:
    """Return the AIC of polynomials of an error that is added, devices differing by factors beside it."""
    own, x, y, v, share = part
    rest, found = y - x, {}
    wide, rough = float(rest.std()), float(np.std(rest / x))
    for degree in range(HIGHEST + 1):

        def function(p: Floats, degree: int = degree) -> float:
            sigma = np.polynomial.polynomial.polyval(x, p[: degree + 1])
            if sigma.min() <= 0 or p[degree + 1 :].min(initial=0.0) < 0:
                return -np.inf
            between = x * _spread(p[degree + 1 :], share) if size else 0 * x
            return _grouped(own, rest, sigma**2 + v**2, between)

        start = [0.7 * wide, *([0.0] * degree), *([0.4 * rough] * size)]
        peak = maximise(function, start, [0.3 * wide, *([0.3 * wide] * degree), *([0.3 * rough] * size)])
        found[f"programming error, polynomial of degree {degree}"] = peak.aic
    return found


def _fits(
    writes: Writes,
    masks: tuple[Bools, Bools],
    found: tuple[LogLikelihood, Peak, bool],
    share: Floats,
    scores: dict[str, float],
) -> tuple[Fit, Outcome]:
    cell, target, programmed, error = writes
    repeated, train = masks
    function, peak, differ = found
    size = len(peak.values) // 2
    names = ["on", "off"][:size]
    if differ:
        all_of = profile(function, peak, names * 2, [""] * (2 * size))
    else:
        part = Peak(peak.values[:size], peak.log_likelihood, peak.scale[:size])
        all_of = profile(lambda p: function(np.r_[p, np.zeros(size)]), part, names, [""] * size)
    usable = repeated & (target > 0) & (programmed > 0)
    safe = np.where(usable, programmed, 1.0) / np.where(usable, target, 1.0)
    own = _spread(peak.values[:size], share)
    total = np.sqrt(own**2 + _spread(peak.values[size:], share) ** 2 + (error / np.where(usable, programmed, 1.0)) ** 2)
    logs = np.where(usable, np.log(safe), np.nan)
    z = logs / total
    valid = (float(target[usable].min()), float(target[usable].max()))
    count = int((usable & train).sum())
    axes = ("target conductance [S]", "ln of written over target, sigma")
    shown = Residuals("variation of writes", *axes, target[usable], logs[usable], total[usable], z[usable], log_x=True)
    unseen = np.flatnonzero(usable & ~train)
    # One write of each device: those of one are not independent.
    unseen = unseen[np.unique(cell[unseen], return_index=True)[1]]
    told = held_out(z[unseen])
    keys = {
        name: number(float(v)) for name, v in zip(("on", "off"), (peak.values[0], peak.values[size - 1]), strict=True)
    }
    note = "stands for the programming error: writes differ by factors"
    first = Fit(LAW, "lognormal", all_of[:size], keys, count, ranked(scores), told, shown, valid=valid, notes=(note,))
    if not differ:
        return first, Refusal(BETWEEN, "devices do not differ beyond what their writes do")
    ends = (peak.values[size], peak.values[-1])
    keys = {name: number(float(v)) for name, v in zip(("on", "off"), ends, strict=True)}
    return first, Fit(BETWEEN, "lognormal", all_of[size:], keys, count, (), told, valid=valid)
