"""Programming error: the spread of what was written about its target, as a law of the target."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from scipy import stats
from scipy.special import log_ndtr

from xbar_calibration.fit import Bools, Fit, Floats, Outcome, Parameter, Refusal, Residuals, held_out, ranked, simplest
from xbar_calibration.intervals import Peak, maximise, profile
from xbar_calibration.quantities import conductance_text, current_text, number
from xbar_calibration.stuck_cells import robust_spread

LAW: Final = "programming_error"
FEWEST: Final = 20
HIGHEST: Final = 3
"""Degree of the longest polynomial."""
PER_LEVEL: Final = 12
"""Cells of one target that a table needs."""
LOG_ROOT: Final = 0.5 * math.log(2 * math.pi)
GRID: Final = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class Form:
    """A form of sigma over the target."""

    kind: str
    sigma: Callable[[Floats, Floats], Floats]
    """By parameters and x = target / g_max; in units of g_max."""
    names: tuple[str, ...]
    start: Callable[[Floats, Floats], list[float]]
    """First parameters from x and a rough sigma, both in units of g_max."""


def forms(levels: int, known_voltage: bool) -> tuple[Form, ...]:
    """Return the competing forms for so many different targets."""
    found = []
    for degree in range(min(HIGHEST, levels - 1) + 1):
        found.append(
            Form(
                "constant" if degree == 0 else f"polynomial of degree {degree}",
                lambda p, x: np.asarray(np.polynomial.polynomial.polyval(x, p), np.float64),
                tuple(f"c{k}" for k in range(degree + 1)),
                partial(_polynomial_start, degree),
            )
        )
    if known_voltage and levels >= 3:
        found.append(
            Form(
                "saturating",
                lambda p, x: p[0] * -np.expm1(-x / np.maximum(p[1], 1e-9)),
                ("amplitude", "scale"),
                lambda x, s: [float(s.max()), float(np.median(x))],
            )
        )
    return tuple(found)


def _polynomial_start(degree: int, x: Floats, sigma: Floats) -> list[float]:
    return [float(c) for c in np.polynomial.polynomial.polyfit(x, sigma, degree)]


def log_density(y: Floats, error: Floats, target: Floats, sigma: Floats) -> Floats:
    """Return the log density of measured P = max(0, target + sigma N), its measuring error beside it.

    A cell at zero has the probability of all that is cut off there.
    """
    total = np.sqrt(sigma**2 + error**2)
    # A law of no spread at zero gives cells no density there, not none that is a number.
    total = np.maximum(total, 1e-150)
    inside = (target * error**2 + y * sigma**2) / total**2
    own = np.maximum(sigma * error / total, 1e-300)
    density = -0.5 * ((y - target) / total) ** 2 - np.log(total) - LOG_ROOT + log_ndtr(inside / own)
    return np.asarray(np.where(y <= 0, log_ndtr(-target / np.maximum(sigma, 1e-300)), density))


def fit_programming_error(
    target: Floats, programmed: Floats, error: Floats, train: Bools, g_max: float, read_voltage: float
) -> Outcome:
    """Return the law of the programming error by maximum likelihood, the best of several forms by AIC.

    Args:
        target: `(w,)` [S].
        programmed: `(w,)` conductance right after each write [S]; 0 for cells that read nothing.
        error: `(w,)` its standard error [S].
        train: `(w,)` which writes the fit may see.
        g_max: largest conductance of the card [S].
        read_voltage: [V], NaN where it is not known.

    """
    if train.sum() < FEWEST:
        return Refusal(LAW, f"{int(train.sum())} written cells were read; {FEWEST} are needed")
    x, y, v = (values[train] / g_max for values in (target, programmed, error))
    levels = len(np.unique(np.round(x, 9)))
    rough = np.maximum(robust_spread(x, y - x), 1e-9)
    peaks: dict[str, Peak] = {}
    known = {form.kind: form for form in forms(levels, bool(np.isfinite(read_voltage)))}
    for kind, form in known.items():
        peaks[kind] = _peak(form, x, y, v, rough)
    scores = {kind: peak.aic for kind, peak in peaks.items()}
    table = _table(x, y, v)
    if table is not None:
        scores["table"] = table[1]
    sizes = {name: len(form.names) for name, form in known.items()} | {"table": 2 * levels}
    kind = simplest(scores, sizes)
    notes = []
    if levels == 1:
        notes.append("one target alone: how the error depends on the conductance is not known")
    if kind == "table" and table is not None:
        return _table_fit(table[0], target, programmed, error, train, g_max, ranked(scores))
    form, peak = known[kind], peaks[kind]
    units = ["S"] * len(form.names)
    found = profile(_likelihood(form, x, y, v), peak, form.names, units)
    if not np.isfinite([(p.low, p.high) for p in found]).all():
        # A sigma that comes near zero somewhere is a kink, at which a gradient leads astray.
        found = profile(_likelihood(form, x, y, v), peak, form.names, units, rough=True)
    parameters = tuple(Parameter(p.name, p.value * g_max, p.low * g_max, p.high * g_max, p.unit) for p in found)
    sigma = form.sigma(peak.values, target / g_max) * g_max
    z = _standardised(target, programmed, error, sigma)
    return Fit(
        LAW,
        kind.split(" ")[0],
        parameters,
        _keys(kind, peak.values * g_max, g_max, read_voltage),
        int(train.sum()),
        ranked(scores),
        held_out(z[~train & (programmed > 0)]),
        _residuals(target, programmed, sigma, z),
        valid=(float(target.min()), float(target.max())),
        notes=tuple(notes),
        model=lambda g: form.sigma(peak.values, g / g_max) * g_max,
    )


def polynomial_fit(
    parameters: tuple[Parameter, ...],
    g_max: float,
    points: int,
    rivals: tuple[tuple[str, float], ...],
    valid: tuple[float, float],
) -> Fit:
    """Return the law of a polynomial whose coefficients another fit found, in units of `g_max` [S]."""
    values = np.array([p.value for p in parameters]) * g_max
    kind = "constant" if len(values) == 1 else "polynomial"
    shown = tuple(Parameter(p.name, p.value * g_max, p.low * g_max, p.high * g_max, "S") for p in parameters)
    note = "fitted together with the spread between devices"
    keys = _keys(kind, values, g_max, float("nan"))
    return Fit(LAW, kind, shown, keys, points, rivals, valid=valid, notes=(note,))


def _standardised(target: Floats, programmed: Floats, error: Floats, sigma: Floats) -> Floats:
    """Return residuals as normals of the same probability: what is cut off at zero has no tail below."""
    total = np.sqrt(sigma**2 + error**2)
    below = stats.norm.cdf(-target / total)
    share = (stats.norm.cdf((programmed - target) / total) - below) / np.maximum(1 - below, 1e-12)
    z = stats.norm.ppf(np.clip(share, 1e-12, 1 - 1e-12))
    return np.where(below > 1e-9, z, (programmed - target) / total)


def _likelihood(form: Form, x: Floats, y: Floats, v: Floats) -> Callable[[Floats], float]:
    ends = np.array([0.0, 1.0]) if form.kind == "saturating" else np.array([x.min(), x.max()])
    between = ends[0] + (ends[1] - ends[0]) * GRID

    def function(p: Floats) -> float:
        if form.kind == "saturating":
            if min(p) <= 0:
                return -np.inf
        elif form.sigma(p, between).min() <= 0:
            return -np.inf
        return float(log_density(y, v, x, form.sigma(p, x)).sum())

    return function


def _peak(form: Form, x: Floats, y: Floats, v: Floats, rough: Floats) -> Peak:
    start = form.start(x, rough)
    function = _likelihood(form, x, y, v)
    if not np.isfinite(function(np.asarray(start))):
        start = [float(rough.max()), *([0.0] * (len(start) - 1))]
        if form.kind == "saturating":
            start[1] = float(np.median(x))
    typical = float(np.median(rough))
    return maximise(function, start, [0.3 * typical] if len(start) == 1 else [typical] * len(start))


def _table(x: Floats, y: Floats, v: Floats) -> tuple[Floats, float] | None:
    """Return (level, mean, sigma) `(3, levels)` in units of g_max and its AIC; None where levels are not repeated."""
    levels, inverse, counts = np.unique(np.round(x, 9), return_inverse=True, return_counts=True)
    if len(levels) < 2 or len(levels) > 256 or counts.min() < PER_LEVEL:
        return None
    mean = np.bincount(inverse, y) / counts
    square = np.bincount(inverse, (y - mean[inverse]) ** 2) / counts
    noise = np.bincount(inverse, v**2) / counts
    sigma = np.sqrt(np.maximum(square - noise, 1e-12))
    score = 4 * len(levels) - 2 * float(log_density(y, v, mean[inverse], sigma[inverse]).sum())
    return np.stack([levels, mean, sigma]), score


def _table_fit(
    table: Floats,
    target: Floats,
    programmed: Floats,
    error: Floats,
    train: Bools,
    g_max: float,
    scores: tuple[tuple[str, float], ...],
) -> Fit:
    levels, means, sigmas = table * g_max
    mean, sigma = np.interp(target, levels, means), np.interp(target, levels, sigmas)
    parameters = []
    for level, middle, spread in zip(levels, means, sigmas, strict=True):
        n = int((np.abs(target[train] - level) < 1e-6 * g_max).sum())
        reach = float(stats.t.ppf(0.975, n - 1)) * spread / np.sqrt(n)
        at = conductance_text(float(level))
        parameters.append(Parameter(f"mean at {at}", float(middle), float(middle - reach), float(middle + reach), "S"))
        ends = spread * np.sqrt((n - 1) / stats.chi2.ppf([0.975, 0.025], n - 1))
        parameters.append(Parameter(f"sigma at {at}", float(spread), float(ends[0]), float(ends[1]), "S"))
    z = (programmed - mean) / np.sqrt(sigma**2 + error**2)
    columns = {"states": levels, "mean": means, "std": sigmas}
    keys: dict[str, Any] = {"unit": "uS"} | {n: [number(float(v * 1e6)) for v in c] for n, c in columns.items()}
    return Fit(
        LAW,
        "table",
        tuple(parameters),
        keys,
        int(train.sum()),
        scores,
        held_out(z[~train]),
        _residuals(target, programmed, sigma, z),
        valid=(float(levels[0]), float(levels[-1])),
        notes=("targets are missed on average, or the spread follows no polynomial: a table",),
        model=lambda g: np.interp(g, levels, sigmas),
    )


def _keys(kind: str, values: Floats, g_max: float, read_voltage: float) -> dict[str, Any]:
    if kind == "constant":
        return {"sigma": conductance_text(float(values[0]))}
    if kind == "saturating":
        return {n: current_text(float(v) * read_voltage) for n, v in zip(("amplitude", "scale"), values, strict=True)}
    return {"coefficients": [conductance_text(float(c)) for c in values], "g_ref": conductance_text(g_max)}


def _residuals(target: Floats, programmed: Floats, sigma: Floats, z: Floats) -> Residuals:
    names = ("target conductance [S]", "programmed − target, sigma [S]")
    return Residuals("programming error", *names, target, programmed - target, sigma, z)
