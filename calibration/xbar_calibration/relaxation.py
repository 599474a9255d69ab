"""Relaxation: cells of one target spread and shift with the logarithm of the time since the write."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy import stats

from xbar_calibration.decay import Histories, Variance
from xbar_calibration.fit import Bools, Fit, Floats, Outcome, Parameter, Refusal, Residuals, held_out
from xbar_calibration.intervals import LogLikelihood, Peak, maximise, profile
from xbar_calibration.quantities import conductance_text

LAW: Final = "relaxation"
FEWEST: Final = 20
LEAST: Final = 1e-4
"""False-alarm level of the test whether cells relax."""


@dataclass(frozen=True, eq=False)
class LogLines:
    """A line in ln t through the visits of each write: value at 1 s and slope [S], with their covariance; `(w,)`."""

    value: Floats
    slope: Floats
    value_variance: Floats
    slope_variance: Floats
    covariance: Floats
    rest: float
    """Weighted sum of squares of the residuals."""


def log_lines(h: Histories, white: Variance) -> LogLines:
    """Return the weighted lines; the weights are those of the white noise."""
    seen = np.isfinite(h.g) & (h.age > 0)
    x = np.where(seen, np.log(np.where(seen, h.age, 1.0)), 0.0)
    y = np.where(seen, h.g, 0.0)
    mean = np.nanmean(h.g, axis=1, keepdims=True)
    variance = white(np.maximum(mean, 0.0) + 0 * x) / np.where(np.isfinite(h.count), h.count, 1.0)
    w = np.where(seen, 1 / np.maximum(variance, (1e-7 * h.largest) ** 2), 0.0)
    s, sx, sy, sxx, sxy = w.sum(1), (w * x).sum(1), (w * y).sum(1), (w * x * x).sum(1), (w * x * y).sum(1)
    determinant = s * sxx - sx**2
    good = determinant > 1e-9 * s * sxx
    safe = np.where(good, determinant, 1.0)
    slope = np.where(good, (s * sxy - sx * sy) / safe, np.nan)
    value = np.where(good, (sxx * sy - sx * sxy) / safe, np.nan)
    rest = float(np.nansum(w * (y - value[:, None] - slope[:, None] * x) ** 2))
    return LogLines(value, slope, sxx / safe, s / safe, -sx / safe, rest)


def fit_relaxation(h: Histories, train: Bools, white: Variance) -> tuple[Outcome, tuple[Floats, Floats] | None]:
    """Return the law, and the conductance at the write as far as it can be told, with its error `(w,)` [S].

    shift = mean_slope ln t, sigma = spread_slope ln t + spread: a cell's line in ln t has the slope mean_slope +
    spread_slope N and, at 1 s, the value P + spread N with the same N. Their joint distribution tells all numbers.
    """
    lines = log_lines(h, white)
    good = np.isfinite(lines.slope) & (np.isfinite(h.g).sum(1) >= 3)
    mine = good & train
    if mine.sum() < FEWEST:
        return Refusal(LAW, f"{int(mine.sum())} writes were read at three times or more; {FEWEST} are needed"), None
    scale = float(np.nanstd(lines.slope[mine])) + 1e-12
    error = lines.value - h.target
    # Cells that scatter more than the white noise about their lines have larger errors than it says.
    excess = max(lines.rest / max(int((np.isfinite(h.g).sum(1) - 2)[good].sum()), 1), 1.0)
    vs, vv, cov = lines.slope_variance * excess, lines.value_variance * excess, lines.covariance * excess
    function = _likelihood(lines.slope[mine], error[mine], vs[mine], vv[mine], cov[mine])
    wide = float(np.std(error[mine]))
    peak = maximise(
        function, [float(lines.slope[mine].mean()), 0.7 * scale, wide / 3, wide / 2], [scale, scale, wide, wide]
    )
    still = maximise(lambda p: function(np.r_[0.0, 0.0, 0.0, p]), [wide], [0.3 * wide])
    if stats.chi2.sf(2 * (peak.log_likelihood - still.log_likelihood), 3) > LEAST:
        return Refusal(LAW, "cells neither shift nor spread with time"), None
    peak, parameters = _intervals(function, peak)
    shift, spread_slope, spread, sigma = (float(v) for v in peak.values)
    total = np.sqrt(spread_slope**2 + vs)
    z = (lines.slope - shift) / total
    # What each cell's N must have been tells what of its value at 1 s is relaxation.
    n = (lines.slope - shift) * spread_slope / total**2 if spread_slope > 0 else np.zeros_like(z)
    ages = h.age[np.isfinite(h.age) & (h.age > 0)]
    first, last = float(ages.min()), float(ages.max())
    if spread + spread_slope * np.log(first) < 0:
        first = float(np.exp(-spread / spread_slope)) * (1 + 1e-6)
    keys = {
        "mean_slope": conductance_text(shift),
        "spread_slope": conductance_text(spread_slope),
        "spread": conductance_text(spread),
    }
    shown = Residuals(
        "relaxation",
        "target conductance [S]",
        "slope over ln t [S]",
        h.target[good],
        lines.slope[good],
        0 * z[good] + shift,
        z[good],
    )
    fit = Fit(
        LAW,
        "log_time",
        parameters,
        keys,
        int(mine.sum()),
        (),
        held_out(z[good & ~train]),
        shown,
        valid=(float(h.target.min()), float(h.target.max())),
        valid_time=(first, last),
        notes=(f"programming error beside it {sigma * 1e6:.4g} uS, of all targets",),
        model=sigma,
    )
    # Of writes that were read once, the law tells how far their reading may have moved since.
    age = np.log(np.maximum(np.where(h.age[:, 0] > 0, h.age[:, 0], first), first))
    moved = np.hypot(spread_slope * age + spread, np.sqrt(white(np.maximum(h.g[:, 0], 0.0))))
    told = good & np.isfinite(lines.value)
    at_write = np.where(told, lines.value - spread * n, h.g[:, 0] - shift * age)
    return fit, (at_write, np.where(told, 0.0, moved))


def _intervals(function: LogLikelihood, peak: Peak) -> tuple[Peak, tuple[Parameter, ...]]:
    """Return the peak and the parameters with their intervals; a spread at 1 s that would be negative is zero."""
    names, units = ["mean_slope", "spread_slope", "spread", "programming_error"], ["S"] * 4
    found = profile(function, peak, names, units)
    if peak.values[2] >= 0:
        return peak, tuple(replace(p, low=max(p.low, 0.0)) if p.name == "spread" else p for p in found)
    rest = [0, 1, 3]

    def without(p: Floats) -> float:
        return function(np.r_[p[:2], 0.0, p[2]])

    edge = maximise(without, [float(v) for v in peak.values[rest]], [float(v) for v in peak.scale[rest]])
    others = profile(without, edge, [names[k] for k in rest], ["S"] * 3)
    none = Parameter(names[2], 0.0, 0.0, max(found[2].high, 0.0), "S")
    values = np.r_[edge.values[:2], 0.0, edge.values[2]]
    return Peak(values, edge.log_likelihood, peak.scale), (*others[:2], none, others[2])


def _likelihood(slope: Floats, error: Floats, vs: Floats, vv: Floats, cov: Floats) -> Callable[[Floats], float]:
    def function(p: Floats) -> float:
        shift, a, b, sigma = p
        # A negative spread at 1 s is no law, but where the likelihood is as smooth as elsewhere.
        if a < 0 or sigma <= 0:
            return -np.inf
        ss, ee, se = vs + a * a, vv + b * b + sigma * sigma, cov + a * b
        determinant = ss * ee - se * se
        if determinant.min() <= 0:
            return -np.inf
        d = slope - shift
        chi = (ee * d * d - 2 * se * d * error + ss * error * error) / determinant
        return float(-0.5 * (chi + np.log(determinant)).sum())

    return function
