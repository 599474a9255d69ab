"""Read noise: what readings of one visit scatter by, as a law of the conductance."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

from xbar_calibration.fit import Bools, Fit, Floats, Outcome, Parameter, Refusal, Residuals, held_out, ranked, simplest
from xbar_calibration.intervals import Peak, maximise, profile
from xbar_calibration.observations import Observations
from xbar_calibration.quantities import conductance_text, current_text, number

FEWEST: Final = 20
"""Visits of two readings or more that a fit needs."""
LAW: Final = "read_noise"


ROUNDING: Final = 1e-12
"""Relative difference of readings that is no noise."""


@dataclass(frozen=True)
class Candidate:
    """A form of the noise; its parameters are logarithms, so that every number is allowed."""

    kind: str
    sigma: Callable[[Floats, Floats], Floats]
    """Standard deviation [S] by parameters and conductance [S]."""
    names: tuple[str, ...]
    units: tuple[str, ...]


def candidates(g_max: float, read_voltage: float) -> tuple[Candidate, ...]:
    """Return the kinds that a card knows, for a range up to `g_max` [S]."""
    known = np.isfinite(read_voltage)
    saturating = Candidate(
        "saturating",
        lambda p, g: np.exp(p[0]) * -np.expm1(-np.maximum(g, 0) / np.exp(p[1])),
        ("amplitude", "scale"),
        ("S", "S"),
    )
    return (
        Candidate("constant", lambda p, g: np.exp(p[0]) + 0 * g, ("sigma",), ("S",)),
        Candidate("proportional", lambda p, g: np.exp(p[0]) * np.maximum(g, 0), ("relative",), ("",)),
        Candidate("sqrt", lambda p, g: np.exp(p[0]) * np.sqrt(np.maximum(g, 0) * g_max), ("relative",), ("",)),
        *((saturating,) if known else ()),
    )


def fit_read_noise(observed: Observations, train: Bools, g_max: float) -> Outcome:
    """Return the white noise of readings by maximum likelihood, from visits of two readings or more.

    The scatter of n readings about their mean is sigma^2 chi^2 with n - 1 degrees of freedom. What changes from visit
    to visit, drift and 1/f noise, is not in it. Where deviations were measured alone, their standard deviation counts.

    Args:
        observed: the data.
        train: which devices the fit may see, `(devices,)`.
        g_max: largest conductance of the card [S].

    """
    if observed.deviations is not None:
        return _deviations(observed.deviations)
    visits = observed.visits
    # Readings that differ by the rounding of a number alone do not scatter.
    least = visits.count * (ROUNDING * visits.mean) ** 2
    pick = (visits.count >= 2) & (visits.squares > least) & (visits.mean > 1e-4 * g_max)
    if int(pick.sum()) < FEWEST:
        repeated = int((visits.count >= 2).sum())
        return Refusal(
            LAW,
            f"{repeated} visits have two readings or more, {int(pick.sum())} of them scatter; {FEWEST} are needed: "
            "read each cell repeatedly",
        )
    g, dof = visits.mean[pick], (visits.count[pick] - 1).astype(np.float64)
    squares, mine = visits.squares[pick], train[visits.cell[pick]]
    if mine.sum() < FEWEST // 2:
        return Refusal(LAW, f"{int(mine.sum())} visits of the fitted share have two readings; hold out fewer cells")
    forms = {form.kind: form for form in candidates(g_max, observed.read_voltage)}
    peaks = {kind: _peak(form, g[mine], dof[mine], squares[mine]) for kind, form in forms.items()}
    scores = {kind: found.aic for kind, found in peaks.items()}
    kind = simplest(scores, {name: len(form.names) for name, form in forms.items()})
    form, peak = forms[kind], peaks[kind]
    parameters = _exponentials(
        profile(_likelihood(form, g[mine], dof[mine], squares[mine]), peak, form.names, form.units)
    )
    spread = form.sigma(peak.values, g)
    share = np.clip(stats.chi2.cdf(squares / spread**2, dof), 1e-12, 1 - 1e-12)
    z = stats.norm.ppf(share)
    return Fit(
        LAW,
        kind,
        parameters,
        _keys(kind, {p.name: p.value for p in parameters}, observed.read_voltage),
        int(mine.sum()),
        ranked(scores),
        held_out(z[~mine]),
        _residuals(g, np.sqrt(squares / dof), spread, z),
        valid=(float(g.min()), float(g.max())),
        model=lambda x: form.sigma(peak.values, x) ** 2,
    )


def _likelihood(form: Candidate, g: Floats, dof: Floats, squares: Floats) -> Callable[[Floats], float]:
    def function(p: Floats) -> float:
        variance = form.sigma(p, g) ** 2
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            return float(-0.5 * (dof * np.log(variance) + squares / variance).sum())

    return function


def _peak(form: Candidate, g: Floats, dof: Floats, squares: Floats) -> Peak:
    start = [float(np.log(np.sqrt(squares.sum() / dof.sum())))]
    if form.kind in ("proportional", "sqrt"):
        unit = form.sigma(np.zeros(1), g)
        start = [float(0.5 * np.log((squares / np.maximum(unit, 1e-300) ** 2).sum() / dof.sum()))]
    if form.kind == "saturating":
        start.append(float(np.log(np.median(g))))
    return maximise(_likelihood(form, g, dof, squares), start, [0.3] * len(start))


def _exponentials(parameters: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
    return tuple(p.exponential() for p in parameters)


def _keys(kind: str, values: Mapping[str, float], read_voltage: float) -> dict[str, object]:
    if kind == "constant":
        return {"sigma": conductance_text(values["sigma"])}
    if kind == "saturating":
        return {name: current_text(values[name] * read_voltage) for name in ("amplitude", "scale")}
    return {"relative": number(values["relative"])}


def _residuals(g: Floats, measured: Floats, fitted: Floats, z: Floats) -> Residuals:
    names = ("conductance [S]", "sigma of a reading [S]")
    return Residuals("white read noise", *names, g, measured, fitted, z, log_x=True)


def _deviations(values: Floats) -> Outcome:
    """Return the constant noise of deviations whose conductance is not known; three of ten are held out."""
    if len(values) < FEWEST:
        return Refusal(LAW, f"{len(values)} deviations; {FEWEST} are needed")
    mine = np.random.default_rng(0).random(len(values)) >= 0.3
    form = candidates(1.0, float("nan"))[0]
    dof, squares = np.ones(int(mine.sum())), (values[mine] - values[mine].mean()) ** 2
    # One degree of freedom went into the mean.
    dof *= 1 - 1 / len(dof)
    peak = _peak(form, np.ones(len(dof)), dof, squares)
    parameters = _exponentials(
        profile(_likelihood(form, np.ones(len(dof)), dof, squares), peak, form.names, form.units)
    )
    sigma = parameters[0].value
    z = (values - values[mine].mean()) / sigma
    notes = (
        f"mean {values.mean():.3g} S, skewness {stats.skew(values):.3f}, excess kurtosis {stats.kurtosis(values):.3f}",
        f"neighbours correlate by {np.corrcoef(values[1:], values[:-1])[0, 1]:.3f}",
    )
    order = np.sort(values)
    expected = sigma * stats.norm.ppf((np.arange(len(order)) + 0.5) / len(order))
    shown = Residuals("read noise", "normal quantile [S]", "deviation [S]", expected, order, expected, np.sort(z))
    keys = _keys("constant", {"sigma": sigma}, float("nan"))
    return Fit(LAW, "constant", parameters, keys, int(mine.sum()), (), held_out(z[~mine]), shown, notes=notes)
