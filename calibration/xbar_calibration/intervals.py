"""Maximum likelihood and 95 % intervals: by the profile of the likelihood, or by bootstrap; the work is scipy's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import optimize, stats

from xbar.errors import InputError
from xbar_calibration.fit import LEVEL, Floats, Parameter

LogLikelihood = Callable[[Floats], float]
"""Log-likelihood of a vector of parameters; minus infinity where they are impossible."""

FAR: Final = 40.0
"""How far an end of an interval is looked for, in standard errors; an end beyond it is open."""
WORST: Final = 1e100


@dataclass(frozen=True, eq=False)
class Peak:
    """The largest likelihood."""

    values: Floats
    log_likelihood: float
    scale: Floats
    """Size of a step in each parameter that matters."""

    @property
    def aic(self) -> float:
        """Get Akaike's criterion: 2 (number of parameters) - 2 ln L."""
        return 2 * len(self.values) - 2 * self.log_likelihood


def maximise(function: LogLikelihood, start: Sequence[float], scale: Sequence[float]) -> Peak:
    """Return the peak of a log-likelihood near `start`; `scale` is how far each parameter may be off, above 0.

    Raises `InputError` where the likelihood is zero at the start.
    """
    first, size = np.asarray(start, np.float64), np.abs(np.asarray(scale, np.float64))
    if not np.isfinite(function(first)):
        raise InputError("the likelihood of the data is zero where the search begins; check units and outliers")

    def cost(u: Floats) -> float:
        value = function(first + size * u)
        return -value if np.isfinite(value) else WORST

    u = np.zeros(len(first))
    for width in (0.5, 0.1):
        # A simplex that has collapsed goes on from where it stopped with a new one.
        options: dict[str, Any] = {"xatol": 1e-5, "fatol": 1e-6, "maxfev": 1000 * len(first), "adaptive": True}
        options["initial_simplex"] = simplex(u, width)
        u = optimize.minimize(cost, u, method="Nelder-Mead", options=options).x
    return Peak(first + size * u, -cost(u), size)


def simplex(middle: Floats, width: float) -> Floats:
    """Return a simplex `(n + 1, n)` to begin with; scipy's own is 0.00025 wide around zero."""
    return np.vstack([middle, middle + width * np.eye(len(middle))])


def curvature(function: LogLikelihood, peak: Peak) -> Floats:
    """Return the Hessian of minus the log-likelihood at its peak, by differences of a standard error's size."""
    n, best = len(peak.values), peak.values
    step = np.empty(n)
    for k in range(n):
        # The step that costs about a tenth: differences of it see the parabola, neither rounding nor far tails.
        size = peak.scale[k] * 1e-3
        for _ in range(40):
            shifted = best.copy()
            shifted[k] += size
            loss = peak.log_likelihood - function(shifted)
            if not np.isfinite(loss) or loss > 0.2:
                size /= 1.7
            elif loss < 0.02:
                size *= 1.9
            else:
                break
        step[k] = size
    hessian = np.empty((n, n))
    for i in range(n):
        for j in range(i + 1):
            total = 0.0
            for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                shifted = best.copy()
                shifted[i] += a * step[i] * (0.5 if i == j else 1.0)
                shifted[j] += b * step[j] * (0.5 if i == j else 1.0)
                total -= a * b * function(shifted)
            hessian[i, j] = hessian[j, i] = total / (step[i] * step[j] * (1.0 if i == j else 4.0))
    return hessian


def profile(
    function: LogLikelihood, peak: Peak, names: Sequence[str], units: Sequence[str], rough: bool = False
) -> tuple[Parameter, ...]:
    """Return the parameters with their profile-likelihood intervals of 95 %.

    The ends are where twice the loss of log-likelihood, the other parameters at their best, is the 95 % point of chi^2
    with one degree of freedom (Venzon and Moolgavkar, Appl. Stat. 37, 87 (1988)). `rough` says that the likelihood has
    kinks: the other parameters are then sought by simplex instead of by gradient.
    """
    hessian = curvature(function, peak)
    error = np.sqrt(np.maximum(np.diag(_inverse(hessian)), 0.0))
    error = np.where(np.isfinite(error) & (error > 0), error, peak.scale)
    found = []
    for k in range(len(peak.values)):
        low, high = (_end(function, peak, hessian, (k, sign * float(error[k])), rough) for sign in (-1, 1))
        value = float(peak.values[k])
        found.append(Parameter(names[k], value, value + low, value + high, units[k]))
    return tuple(found)


def _inverse(hessian: Floats) -> Floats:
    """Return the covariance of a Hessian; one of parameters by themselves where a kink makes it no peak."""
    finite = np.where(np.isfinite(hessian), hessian, 0.0)
    size = np.sqrt(np.maximum(np.abs(np.diag(finite)), 1e-300))
    values, vectors = np.linalg.eigh(finite / np.outer(size, size))
    if len(values) and values.min() < 1e-9:
        return np.diag(1 / size**2)
    return np.asarray((vectors / values) @ vectors.T / np.outer(size, size))


def _end(function: LogLikelihood, peak: Peak, hessian: Floats, step: tuple[int, float], rough: bool) -> float:
    """Return how far one end of an interval lies from the peak; infinite where it is open."""
    k, error = step
    limit = float(stats.chi2.ppf(LEVEL, 1))
    rest = [j for j in range(len(peak.values)) if j != k]
    own = _inverse(hessian[np.ix_(rest, rest)]) if rest else np.zeros((0, 0))
    pull = -own @ hessian[rest, k]
    # In these coordinates the other parameters' Hessian is the unit matrix, which is where BFGS begins.
    axes = np.linalg.cholesky(own + 1e-12 * np.diag(np.diag(own) + 1e-300)) if rest else own

    def excess(multiple: float) -> float:
        point = peak.values.copy()
        point[k] += multiple * error
        if not rest:
            return 2 * (peak.log_likelihood - _finite(function(point))) - limit
        near = peak.values[rest] + pull * multiple * error

        def cost(u: Floats) -> float:
            point[rest] = near + axes @ u
            return -_finite(function(point))

        start = np.zeros(len(rest))
        if rough:
            options: dict[str, Any] = {"xatol": 1e-2, "fatol": 1e-3, "maxfev": 120 * len(rest), "adaptive": True}
            options["initial_simplex"] = simplex(start, 0.7)
            found = optimize.minimize(cost, start, method="Nelder-Mead", options=options)
        else:
            found = optimize.minimize(cost, start, method="BFGS", options={"gtol": 0.03, "eps": 1e-3, "maxiter": 12})
        return 2 * (peak.log_likelihood + min(cost(start), float(found.fun))) - limit

    if not excess(0.0) < 0:
        return float(np.copysign(np.inf, error))
    reach = 2.0
    while excess(reach) < 0:
        reach *= 1.7
        if reach > FAR:
            return float(np.copysign(np.inf, error))
    return float(optimize.brentq(excess, 0.0, reach, xtol=0.02, rtol=1e-3)) * error


def _finite(value: float) -> float:
    return value if np.isfinite(value) else -WORST


def proportion(name: str, count: int, total: int) -> Parameter:
    """Return a share with its exact (Clopper-Pearson) interval."""
    found = stats.binomtest(count, total).proportion_ci(LEVEL, method="exact")
    return Parameter(name, count / total, float(found.low), float(found.high))


def bootstrap(name: str, values: Floats, statistic: Callable[..., Floats], unit: str = "") -> Parameter:
    """Return a statistic of `(n,)` values with its bias-corrected bootstrap interval; the resampling has a fixed seed.

    `statistic(values, axis)` works along an axis.
    """
    found = stats.bootstrap(
        (values,),
        statistic,
        confidence_level=LEVEL,
        n_resamples=999,
        batch=64,
        method="BCa",
        rng=np.random.default_rng(0),
    )
    low, high = found.confidence_interval
    return Parameter(name, float(statistic(values, axis=0)), float(low), float(high), unit)
