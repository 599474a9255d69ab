"""Drift: the exponents of the power law of all devices, their mean and spread by target."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.special import log_ndtr

from xbar_calibration.decay import Decays, Histories
from xbar_calibration.fit import Bools, Fit, Floats, Outcome, Parameter, Refusal, Residuals, held_out, ranked, simplest
from xbar_calibration.intervals import Peak, maximise, profile
from xbar_calibration.quantities import number, time_text

LAW: Final = "drift"
FEWEST: Final = 20
SMALLEST: Final = 1e-7
LOG_ROOT: Final = 0.5 * math.log(2 * math.pi)
NOISIEST: Final = 0.25
RISING: Final = 0.01
"""Share of cells that may rise with time beyond their error."""
NO_DRIFT: Final = 4.0
"""Standard errors by which the mean exponent must differ from zero (false-alarm level 6e-5)."""


@dataclass(frozen=True)
class Shape:
    """What mean or spread of nu do with ln x: stand still, follow a line, or a line down to a floor."""

    name: str
    size: int

    def __call__(self, p: Floats, log_x: Floats) -> Floats:
        """Return the values; `p` are offset, slope, floor, as many as there are."""
        if self.size == 1:
            return np.asarray(p[0] + 0 * log_x)
        line = p[0] + p[1] * log_x
        return np.asarray(line if self.size == 2 else np.maximum(line, p[2]))


FLAT, LINE, FLOOR = Shape("constant", 1), Shape("line", 2), Shape("line with a floor", 3)
PAIRS: Final = ((FLAT, FLAT), (FLAT, LINE), (LINE, LINE), (FLOOR, LINE), (FLOOR, FLOOR))
"""Shapes of mean and spread that compete."""


def drifts(found: Decays) -> tuple[bool, float, float]:
    """Tell whether conductances drift at all; also the weighted mean exponent and its standard error."""
    good = np.isfinite(found.exponent_error) & (found.exponent_error > 0)
    if good.sum() < FEWEST:
        return False, 0.0, np.inf
    nu, error = found.exponent[good], found.exponent_error[good]
    scatter = max(float(np.median(np.abs(nu - np.median(nu)))) * 1.4826, 1e-12)
    weight = 1 / (error**2 + scatter**2)
    mean = float((weight * nu).sum() / weight.sum())
    error_of_mean = float(weight.sum() ** -0.5)
    return abs(mean) > NO_DRIFT * error_of_mean, mean, error_of_mean


def log_density(nu: Floats, error: Floats, mean: Floats, spread: Floats) -> Floats:
    """Return the log density of a measured exponent: |mean + spread N| and its measuring error."""
    total = error**2 + spread**2
    root = np.sqrt(total)
    own = spread * error / root
    found = []
    for sign in (1.0, -1.0):
        inside = (sign * mean * error**2 + nu * spread**2) / total
        z = (nu - sign * mean) / root
        found.append(-0.5 * z * z - np.log(root) - LOG_ROOT + log_ndtr(inside / np.maximum(own, 1e-12)))
    return np.asarray(np.logaddexp(*found))


def fit_drift(h: Histories, found: Decays, train: Bools, noise: Floats, t0: float, g_max: float) -> Outcome:
    """Return mean and spread of the drift exponent over the target, by maximum likelihood over devices.

    Args:
        h: visits by write.
        found: the fits of the writes, with `t0`.
        train: which writes the fit may see.
        noise: relative noise of a visit of each write; noisy cells are left out, since they are cut off at zero.
        t0: constant of the power law [s].
        g_max: largest conductance of the card [S].

    """
    good = np.isfinite(found.exponent_error) & (found.exponent_error < 1.0) & (h.target > 0)
    good &= noise < NOISIEST
    # nu belongs to the device: of several writes of one the last is taken, since they are not independent.
    last = np.zeros(len(h), np.bool_)
    last[len(h) - 1 - np.unique(h.cell[::-1], return_index=True)[1]] = True
    good &= last
    mine = good & train
    if mine.sum() < FEWEST:
        return Refusal(LAW, f"{int(mine.sum())} devices were read at two times or more; {FEWEST} are needed")
    there, mean, error = drifts(_some(found, mine))
    if not there:
        reach = float(np.nanmax(h.age))
        return Refusal(LAW, f"no drift up to {reach:g} s: mean exponent {mean:.2g} ± {2 * error:.2g}")
    if (found.exponent[mine] < -5 * found.exponent_error[mine]).mean() > RISING:
        share = 100 * float((found.exponent[mine] < -5 * found.exponent_error[mine]).mean())
        return Refusal(LAW, f"{share:.2g} % of the conductances rise with time; the power law of a card only falls")
    mine &= found.exponent > -5 * found.exponent_error
    log_x = np.log(np.maximum(h.target / g_max, SMALLEST))
    data = (found.exponent[mine], found.exponent_error[mine], log_x[mine])
    wide = np.ptp(data[2]) > 0.7
    pairs = PAIRS if wide else PAIRS[:1]
    peaks = {pair: _peak(pair, *data) for pair in pairs}
    named = {_name(q): q for q in pairs}
    scores = {name: peaks[q].aic for name, q in named.items()}
    pair = named[simplest(scores, {name: q[0].size + q[1].size for name, q in named.items()})]
    peak = peaks[pair]
    names = [f"{part}_{p}" for part, s in zip(("mean", "spread"), pair, strict=True) for p in NAMES[: s.size]]
    parameters = profile(_likelihood(pair, *data), peak, names, [""] * len(names), rough=FLOOR in pair)
    return _fit(h, found, good, train, pair, peak, parameters, (t0, g_max), scores)


NAMES: Final = ("offset", "slope", "floor")


def _name(pair: tuple[Shape, Shape]) -> str:
    return f"mean {pair[0].name}, spread {pair[1].name}"


def _some(found: Decays, mask: Bools) -> Decays:
    p, nu, errors = found.programmed[mask], found.exponent[mask], (found.programmed_error, found.exponent_error)
    return Decays(p, nu, errors[0][mask], errors[1][mask], found.residual[mask], 0.0)


def _likelihood(pair: tuple[Shape, Shape], nu: Floats, error: Floats, log_x: Floats) -> Callable[[Floats], float]:
    size = pair[0].size

    def function(p: Floats) -> float:
        mean, spread = pair[0](p[:size], log_x), pair[1](p[size:], log_x)
        if spread.min() <= 0 or mean.min() < 0 or (pair[1].size == 3 and p[-1] <= 0):
            return -np.inf
        return float(log_density(nu, error, mean, spread).sum())

    return function


def _peak(pair: tuple[Shape, Shape], nu: Floats, error: Floats, log_x: Floats) -> Peak:
    weight = 1 / (error**2 + np.var(nu) / 4)
    line = np.polyfit(log_x, nu, 1, w=np.sqrt(weight)) if np.ptp(log_x) > 0.1 else np.array([0.0, np.average(nu)])
    center = float(np.average(nu, weights=weight))
    rest = nu - (line[0] * log_x + line[1])
    extra = float(np.sqrt(max(np.average(rest**2 - error**2, weights=weight), (0.1 * center) ** 2, 1e-8)))
    middle = float(np.average(log_x, weights=weight))
    best: Peak | None = None
    for knee in (np.quantile(log_x, q) for q in ((0.4, 0.7) if FLOOR in pair else (0.5,))):
        start: list[float] = []
        for shape, level, slope in ((pair[0], center, float(line[0])), (pair[1], extra, -0.3 * extra)):
            if shape.size == 1:
                start += [level]
            elif shape.size == 2:
                slope = float(
                    np.clip(slope, -0.4 * level / (np.ptp(log_x) + 1e-9), 0.4 * level / (np.ptp(log_x) + 1e-9))
                )
                start += [level - slope * middle, slope]
            else:
                steep = -0.5 * level
                start += [level * 0.8 - steep * float(knee), steep, level * 0.8]
        scale = [0.3 * center if k < pair[0].size else 0.5 * extra for k in range(len(start))]
        peak = maximise(_likelihood(pair, nu, error, log_x), start, scale)
        best = peak if best is None or peak.log_likelihood > best.log_likelihood else best
    assert best is not None
    return best


def _fit(
    h: Histories,
    found: Decays,
    good: Bools,
    train: Bools,
    pair: tuple[Shape, Shape],
    peak: Peak,
    parameters: tuple[Parameter, ...],
    constants: tuple[float, float],
    scores: dict[str, float],
) -> Fit:
    t0, g_max = constants
    log_x = np.log(np.maximum(h.target / g_max, SMALLEST))
    size = pair[0].size
    mean, spread = pair[0](peak.values[:size], log_x), pair[1](peak.values[size:], log_x)
    z = (found.exponent - mean) / np.sqrt(found.exponent_error**2 + spread**2)
    ends = np.array([log_x[good].min(), log_x[good].max()])
    keys: dict[str, Any] = {"t0": time_text(t0)}
    keys |= {
        name: _log_fit(shape, values, ends)
        for name, shape, values in (
            ("exponent_mean", pair[0], peak.values[:size]),
            ("exponent_spread", pair[1], peak.values[size:]),
        )
    }
    shown = Residuals(
        "drift exponent",
        "target conductance [S]",
        "exponent",
        h.target[good],
        found.exponent[good],
        mean[good],
        z[good],
        True,
    )
    return Fit(
        LAW,
        "power_law",
        parameters,
        keys,
        int((good & train).sum()),
        ranked(scores),
        held_out(z[good & ~train]),
        shown,
        valid=(float(h.target.min()), float(h.target.max())),
        valid_time=(0.0, float(np.nanmax(h.age))),
        model=lambda target: pair[0](peak.values[:size], np.log(np.maximum(target / g_max, SMALLEST))),
    )


def _log_fit(shape: Shape, p: Floats, ends: Floats) -> dict[str, float]:
    values = shape(p, ends)
    slope = float(p[1]) if shape.size > 1 else 0.0
    low, high = float(values.min()), float(values.max())
    return {"slope": number(slope), "offset": number(float(p[0])), "low": number(max(low, 0.0)), "high": number(high)}
