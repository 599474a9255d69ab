"""1/f noise: what visits of one cell scatter by beyond its white noise, growing with the time since the write."""

from collections.abc import Callable
from typing import Final

import numpy as np
from scipy import stats

from xbar.units import show
from xbar_calibration.decay import Decays, Histories, Variance, solve
from xbar_calibration.fit import Bools, Fit, Floats, Outcome, Parameter, Refusal, Residuals, held_out
from xbar_calibration.intervals import LogLikelihood, Peak, maximise, profile
from xbar_calibration.quantities import number, time_text

LAW: Final = "flicker_noise"
FEWEST: Final = 3
"""Visits of one write that tell its scatter from its drift."""
NOISIEST: Final = 0.2
"""Relative noise of a visit above which a cell is left out: there readings are cut off at zero."""
ROUNDING: Final = 1e-9
"""Relative noise that is none."""
EDGE: Final = 0.1
"""ln(t0 / t_read) below which t0 lies at its least."""
LEAST: Final = 0.01
"""False-alarm level of the test whether there is noise beyond the white one."""


def octaves(age: Floats, t0: float, t_read: float) -> Floats:
    """Return sqrt(ln((t + t0 + t_read) / (2 t_read))), of which the law's standard deviation is a multiple."""
    with np.errstate(invalid="ignore"):
        return np.sqrt(np.maximum(np.log((age + t0 + t_read) / (2 * t_read)), 0.0))


def visit_variance(
    h: Histories, white: Variance | None, amplitude: Callable[[Floats], Floats], roots: Floats
) -> Callable[[Floats, Floats], Floats]:
    """Return the variance of a visit's mean by P and present conductance: white noise over readings, and 1/f noise."""
    count = np.where(np.isfinite(h.count), h.count, 1.0)
    growth = np.where(np.isfinite(roots), roots, 0.0)

    def variance(p: Floats, model: Floats) -> Floats:
        found = (model * growth * amplitude(p)) ** 2
        return found if white is None else found + white(model) / count

    return variance


def power(p: Floats, log_q: float, exponent: float, g_max: float) -> Floats:
    """Return Q = exp(log_q) / x^exponent, x = P / g_max."""
    return np.asarray(np.exp(log_q - exponent * np.log(np.maximum(p / g_max, 1e-4))))


def fit_flicker_noise(
    h: Histories,
    train: Bools,
    white: Variance | None,
    drift: tuple[float, bool],
    t_read: float,
    g_max: float,
) -> tuple[Outcome, float | None]:
    """Return the law of 1/f noise by restricted maximum likelihood, and t0 [s] where it was fitted along.

    Args:
        h: visits by write; those of stuck cells left out.
        train: which writes the fit may see, `(w,)`.
        white: variance of one reading by conductance [S^2].
        drift: t0 of the power law [s], and whether it is to be fitted; t0 = inf is no drift.
        t_read: duration of one reading [s].
        g_max: largest conductance of the card [S].

    """
    t0, free = drift
    moving = np.isfinite(t0)
    enough = np.isfinite(h.g).sum(1) >= FEWEST + moving
    first = np.nanmean(h.g, axis=1)
    enough &= first > 1e-3 * g_max
    if int((enough & train).sum()) < 20:
        reason = f"{int(enough.sum())} writes were read {FEWEST + moving} times or more; 20 are needed"
        return Refusal(LAW, reason), None
    chosen = np.flatnonzero(enough & train)
    part = h.where(chosen)
    start_t0 = t0 if moving else 20.0
    guess = _guess(part, white, t0 if moving else None, start_t0, t_read)
    quiet = _quiet(part, guess, start_t0, t_read, g_max)
    if quiet.sum() < 20:
        return Refusal(LAW, f"{int(quiet.sum())} cells scatter by less than {100 * NOISIEST:g} %; 20 are needed"), None
    level = float(np.log(np.sqrt(np.mean(guess[quiet] ** 2)) + 1e-9))
    names, units = ["coefficient", "exponent"], ["", ""]
    begin, scale = _line(part.where(quiet), guess[quiet], g_max, level), [0.3, 0.2]
    if free:
        names, units, begin, scale = [*names, "t0"], [*units, "s"], [*begin, float(np.log(start_t0))], [*scale, 0.4]
    function = _likelihood(part.where(quiet), white, (start_t0 if moving else None, free), t_read, g_max)
    peak = maximise(function, begin, scale)
    none = function(np.r_[-60.0, 0.0, peak.values[2:]])
    # The amplitude lies on the edge of what is possible where there is none: half of chi^2 with two degrees.
    if stats.chi2.sf(2 * (peak.log_likelihood - none), 2) > LEAST and white is not None:
        return Refusal(LAW, "visits of a cell scatter by no more than its white noise"), None
    if peak.values[0] < np.log(ROUNDING):
        return Refusal(LAW, "visits of a cell differ by no more than the rounding of numbers"), None
    found = _intervals(function, peak, (names, units), free, t_read)
    logs = {"coefficient", "t0"}
    parameters = tuple(p.exponential() if p.name in logs else p for p in found)
    fitted_t0 = float(np.exp(peak.values[2])) if free else None
    return _fit(h, enough, train, white, parameters, (fitted_t0 or start_t0, moving), t_read, g_max), fitted_t0


def _intervals(
    function: LogLikelihood, peak: Peak, labels: tuple[list[str], list[str]], free: bool, t_read: float
) -> tuple[Parameter, ...]:
    """Return the parameters with their intervals; a t0 as short as a reading is not told, but for an upper end."""
    names, units = labels
    if not free or peak.values[2] > np.log(t_read) + EDGE:
        return profile(function, peak, names, units)
    edge = Peak(peak.values[:2], peak.log_likelihood, peak.scale[:2])
    found = profile(lambda p: function(np.r_[p, peak.values[2]]), edge, names[:2], units[:2])
    return (*found, Parameter(names[2], float(peak.values[2]), -np.inf, np.inf, units[2]))


def _guess(part: Histories, white: Variance | None, t0: float | None, t0_law: float, t_read: float) -> Floats:
    """Return a first amplitude Q of each write, from what it scatters by about a fit with equal weights."""
    flat = solve(part, lambda p, model: np.maximum(model, 1e-3 * part.largest) ** 2, t0, iterations=6)
    dof = np.maximum(np.isfinite(part.g).sum(1) - (2 if t0 else 1), 1)
    scatter = np.nansum(flat.residual**2, axis=1) / dof
    extra = 0.0 if white is None else white(flat.programmed) / np.maximum(flat.programmed, 1e-12) ** 2
    rest = np.maximum(scatter - extra / np.nanmean(part.count), 0.0)
    return np.asarray(np.sqrt(rest) / np.nanmean(octaves(part.age, t0_law, t_read), axis=1))


def _quiet(part: Histories, guess: Floats, t0: float, t_read: float, g_max: float) -> Bools:
    """Return which writes are quiet enough, by a line through the noise of all: its own chooses the lucky."""
    begin = _line(part, guess, g_max, float(np.log(np.sqrt(np.mean(guess**2)) + 1e-9)))
    amplitude = power(np.nanmean(part.g, axis=1), begin[0], begin[1], g_max)
    return np.asarray(amplitude * octaves(np.nanmax(part.age, axis=1), t0, t_read) < NOISIEST)


def _line(part: Histories, guess: Floats, g_max: float, level: float) -> list[float]:
    x = np.log(np.maximum(np.nanmean(part.g, axis=1) / g_max, 1e-4))
    if np.ptp(x) < 0.1:
        return [level, 0.0]
    slope, offset = np.polyfit(x, np.log(np.maximum(guess, 1e-9)), 1, w=np.sqrt(np.maximum(guess, 1e-9)))
    # The logarithm of a scattering amplitude lies below that of its mean square.
    return [float(offset) + 0.1, float(-slope)]


def _likelihood(
    part: Histories, white: Variance | None, drift: tuple[float | None, bool], t_read: float, g_max: float
) -> Callable[[Floats], float]:
    t0, free = drift
    state: dict[str, Decays] = {}

    def function(p: Floats) -> float:
        # The law of a card holds from the duration of a reading on.
        if not (abs(p[0]) < 80 and abs(p[1]) < 6 and (not free or np.log(t_read) + 1e-3 < p[2] < 25)):
            return -np.inf
        own = float(np.exp(p[2])) if free else t0
        roots = octaves(part.age, 20.0 if own is None else own, t_read)
        variance = visit_variance(part, white, lambda g: power(g, float(p[0]), float(p[1]), g_max), roots)
        last = state.get("last")
        start = None if last is None else (last.programmed, last.exponent)
        found = solve(part, variance, own, start, iterations=5 if start is None else 3)
        if np.isfinite(found.log_likelihood):
            state.setdefault("last", found)
        return found.log_likelihood

    return function


def _fit(
    h: Histories,
    enough: Bools,
    train: Bools,
    white: Variance | None,
    parameters: tuple[Parameter, ...],
    drift: tuple[float, bool],
    t_read: float,
    g_max: float,
) -> Fit:
    values = {p.name: p.value for p in parameters}
    t0, moving = drift

    def amplitude(p: Floats) -> Floats:
        return power(p, float(np.log(values["coefficient"])), values["exponent"], g_max)

    roots = octaves(h.age, t0, t_read)
    found = solve(h, visit_variance(h, white, amplitude, roots), t0 if moving else None)
    count = np.isfinite(h.g).sum(1)
    # Residuals of a fit are smaller than the noise by the parameters that it took.
    z = found.residual * np.sqrt(count / np.maximum(count - 1 - moving, 1))[:, None]
    used = enough & (amplitude(np.maximum(found.programmed, 1e-12)) * np.nanmax(roots, axis=1) < NOISIEST)
    unseen = z[used & ~train]
    g = found.programmed[used]
    scatter = np.sqrt(np.nanmean(z[used] ** 2, axis=1))
    lowest = max(float(h.target.min()), 1e-3 * g_max)
    begin = float(h.target[used].min()) if used.any() else lowest
    notes = (
        ()
        if begin <= lowest
        else (f"fitted above {show(begin, 'S')}: cells below scatter too much; the power goes on",)
    )
    keys = {
        "coefficient": number(values["coefficient"]),
        "exponent": number(max(values["exponent"], 0.0)),
        "floor": 1e-3,
        "ceiling": number(float(amplitude(np.array([lowest]))[0]) if values["exponent"] > 0 else values["coefficient"]),
        "t_read": time_text(t_read),
        "t0": time_text(t0),
    }
    at = amplitude(g) * np.nanmean(roots[used], axis=1)
    names = ("noise between visits", "conductance [S]", "relative noise of a visit")
    seen = z[used]
    shown = Residuals(*names, g, at * scatter, at, seen[np.isfinite(seen)], log_x=True)
    return Fit(
        LAW,
        "accumulated",
        parameters,
        keys,
        int(np.isfinite(h.g[used & train]).sum()),
        (),
        held_out(unseen[np.isfinite(unseen)]),
        shown,
        valid=(float(h.target.min()), float(h.target.max())),
        notes=notes,
        model=amplitude,
    )
