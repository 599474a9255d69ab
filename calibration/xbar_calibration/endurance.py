"""Endurance: how pulses move cells less the more they have had, and after how many they fail."""

from typing import Any, Final

import numpy as np
from scipy import stats

from xbar_calibration.fit import (
    LEVEL,
    Fit,
    Floats,
    HeldOut,
    Ints,
    Outcome,
    Parameter,
    Refusal,
    Residuals,
    held_out,
    ranked,
)
from xbar_calibration.intervals import LogLikelihood, maximise, profile
from xbar_calibration.observations import Ramps, Wear
from xbar_calibration.quantities import number

LAW: Final = "endurance"
FEWEST: Final = 10
"""Writes, or trains of pulses, that tell fatigue."""
FEWEST_FAILURES: Final = 4
LEAST: Final = 1e-3
"""False-alarm level of the test whether cells tire."""
BINS: Final = 8


def fit_endurance(wear: Wear, hold_out: float, seed: int) -> Outcome:
    """Return the law: needed pulses grow as 1 + fatigue n; cells fail after exp(ln median + spread N) pulses.

    Fatigue: least squares of the logarithms of what writes needed, each cell with a number of its own. Failures:
    maximum likelihood of a lognormal law, in which cells that still work count as lasting longer.

    Args:
        wear: the writes.
        hold_out: share of the writes that is predicted.
        seed: of that choice.

    """
    fatigue, why = _fatigue(wear, hold_out, seed)
    lifetimes, and_why = _lifetimes(wear)
    if fatigue is None and lifetimes is None:
        return Refusal(LAW, "; ".join(text for text in (why, and_why) if text))
    parameters = (*(fatigue[0] if fatigue else ()), *(lifetimes or ()))
    keys: dict[str, Any] = {p.name: number(p.value) for p in parameters}
    keys.setdefault("fatigue", 0.0)
    notes = tuple(text for text in (why, and_why) if text)
    told: tuple[HeldOut | None, Residuals | None] = (None, None) if fatigue is None else (fatigue[1], fatigue[2])
    rivals = () if fatigue is None else ranked(fatigue[3])
    return Fit(LAW, "pulses", parameters, keys, len(wear.cell), rivals, told[0], told[1], notes=notes)


Fatigue = tuple[tuple[Parameter, ...], HeldOut | None, Residuals, dict[str, float]]


def _fatigue(wear: Wear, hold_out: float, seed: int) -> tuple[Fatigue | None, str]:
    good = np.isfinite(wear.needed) & (wear.needed > 0) & np.isfinite(wear.pulses)
    cells, counts = np.unique(wear.cell[good], return_counts=True)
    good &= np.isin(wear.cell, cells[counts >= 2])
    if good.sum() < FEWEST:
        return None, f"{int(good.sum())} writes of cells with two or more; {FEWEST} are needed to tell fatigue"
    own = np.unique(wear.cell[good], return_inverse=True)[1].ravel()
    n, y = wear.pulses[good], np.log(wear.needed[good])
    mine = np.random.default_rng(seed).random(len(y)) >= hold_out
    usual = 1 / max(float(n.max()), 1.0)
    function = _likelihood(own[mine], n[mine], y[mine], usual)
    peaks = [maximise(function, [start], [0.5 * start]) for start in (0.03, 1.0)]
    peak = max(peaks, key=lambda found: found.log_likelihood)
    none = function(np.zeros(1))
    scores = {"fatigue": peak.aic, "none": -2 * none}
    if stats.chi2.sf(2 * (peak.log_likelihood - none), 1) > LEAST:
        return None, f"no fatigue up to {n.max():.3g} pulses: less than {_most(function) * usual:.2g} a pulse"
    parameter = profile(function, peak, ["fatigue"], [""])[0]
    value, low, high = (v * usual for v in (parameter.value, parameter.low, parameter.high))
    found = Parameter("fatigue", value, low, high)
    growth = np.log1p(found.value * n)
    level = np.bincount(own[mine], (y - growth)[mine], minlength=own.max() + 1)
    count = np.bincount(own[mine], minlength=own.max() + 1)
    known = count[own] >= 2
    rest = y - growth - (level / np.maximum(count, 1))[own]
    size = float(np.sqrt((rest[mine] ** 2).sum() / max(mine.sum() - len(np.unique(own[mine])), 1)))
    # A write that was seen is part of the mean of its cell, one that was not is not.
    z = rest / (size * np.sqrt(np.where(mine, 1 - 1 / np.maximum(count[own], 2), 1 + 1 / np.maximum(count[own], 1))))
    axes = ("pulses before", "pulses of a write, over the cell's first")
    shown = Residuals("fatigue", *axes, n, np.exp(rest + growth), np.exp(growth), z)
    return ((found,), held_out(z[~mine & known]), shown, scores), ""


def _most(function: LogLikelihood) -> float:
    """Return the largest fatigue that the data allow: the 95 % point of the likelihood above zero."""
    tried = np.geomspace(1e-4, 1e4, 400)
    loss = np.array([function(np.array([f])) for f in tried])
    best = max(float(loss.max()), function(np.zeros(1)))
    allowed = tried[loss > best - float(stats.chi2.ppf(LEVEL, 1)) / 2]
    return float(allowed.max()) if len(allowed) else float(tried[0])


def _likelihood(own: Ints, n: Floats, y: Floats, usual: float) -> LogLikelihood:
    count = np.bincount(own)
    free = len(y) - int((count > 0).sum())

    def function(p: Floats) -> float:
        if p[0] < 0:
            return -np.inf
        rest = y - np.log1p(p[0] * usual * n)
        rest = rest - (np.bincount(own, rest) / np.maximum(count, 1))[own]
        return -0.5 * free * float(np.log(max(float(rest @ rest), 1e-300)))

    return function


def _lifetimes(wear: Wear) -> tuple[tuple[Parameter, ...] | None, str]:
    known = np.isfinite(wear.failed) & np.isfinite(wear.pulses) & (wear.pulses > 0)
    if not known.any():
        return None, "nothing tells of failures: no cell fails in the card"
    order = np.flatnonzero(known)[np.lexsort((wear.pulses[known], wear.cell[known]))]
    cell, pulses, failed = wear.cell[order], wear.pulses[order], wear.failed[order] > 0
    log_n, ended = list[float](), list[bool]()
    for mine in np.split(np.arange(len(cell)), np.flatnonzero(np.diff(cell)) + 1):
        at = np.flatnonzero(failed[mine])
        log_n.append(float(np.log(pulses[mine][at[0] if len(at) else -1])))
        ended.append(bool(len(at)))
    x, dead = np.array(log_n), np.array(ended)
    if dead.sum() < FEWEST_FAILURES:
        return None, f"{int(dead.sum())} of {len(x)} cells failed; {FEWEST_FAILURES} are needed to tell lifetimes"

    def function(p: Floats) -> float:
        if abs(p[1]) > 6:
            return -np.inf
        scale = float(np.exp(p[1]))
        found = stats.norm.logpdf(x[dead], p[0], scale).sum() + stats.norm.logsf(x[~dead], p[0], scale).sum()
        return float(found)

    rough = max(float(x.std()), 0.05)
    peak = maximise(function, [float(np.median(x)), float(np.log(rough))], [rough, 0.4])
    return tuple(p.exponential() for p in profile(function, peak, ["median", "spread"], ["", ""])), ""


def wear_of_ramps(ramps: Ramps) -> Wear | None:
    """Return what trains of the same devices tell of their wear; None where no device had two trains of a kind.

    "Needed" is how much less a train moved the device than its trains do on average from the same states. Trains up and
    down are taken to alternate; pulses before the first of them are not known, and count as none.
    """
    if ramps.devices is None:
        return None
    cells, pulses, needed = list[int](), list[float](), list[float]()
    had: dict[int, float] = {}
    sides = [(block, owner) for block, owner in zip((ramps.up, ramps.down), ramps.devices, strict=True) if len(owner)]
    for side, (block, owner) in enumerate(sides):
        for device in np.unique(owner):
            mine = np.flatnonzero(owner == device)
            if len(mine) < 2:
                continue
            trains = [block[np.isfinite(block[:, k]), k] for k in mine]
            for k, ratio in enumerate(_ratios(trains)):
                each = ramps.every * (len(trains[k]) - 1) * len(sides)
                had[int(device)] = k * each
                if np.isfinite(ratio) and ratio > 0:
                    cells.append(2 * int(device) + side)
                    pulses.append(had[int(device)])
                    needed.append(1 / ratio)
    if not cells:
        return None
    unknown = np.full(len(cells), np.nan)
    return Wear(np.array(cells, np.int64), np.array(pulses), np.array(needed), unknown)


def _ratios(trains: list[Floats]) -> list[float]:
    """Return how far each train moves over what all of them do from the same states."""
    start = np.concatenate([train[:-1] for train in trains])
    step = np.concatenate([np.diff(train) for train in trains])
    edges = np.unique(np.quantile(start, np.linspace(0, 1, BINS + 1)))
    if len(edges) < 3:
        return [np.nan] * len(trains)
    place = np.clip(np.searchsorted(edges, start, side="right") - 1, 0, len(edges) - 2)
    mean = np.bincount(place, step, len(edges) - 1) / np.maximum(np.bincount(place, minlength=len(edges) - 1), 1)
    ends = np.cumsum([len(train) - 1 for train in trains])
    parts = [
        (s.sum(), e.sum()) for s, e in zip(np.split(step, ends[:-1]), np.split(mean[place], ends[:-1]), strict=True)
    ]
    return [float(moved / expected) if expected else np.nan for moved, expected in parts]
