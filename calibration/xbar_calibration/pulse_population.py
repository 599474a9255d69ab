"""The population of devices of a pulse response: means and spreads of steps and bounds, and noises."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

from xbar_calibration.fit import LEVEL, Bools, Floats, Parameter
from xbar_calibration.intervals import maximise, profile
from xbar_calibration.pulse_devices import DeviceFit

ROUNDS: Final = 12
"""Steps of Newton's method at first, and while noises are sought."""
BETWEEN: Final = 4
PARABOLAS: Final = 4
WIDE: Final = 2.5
"""Distance of the nine places in standard errors: far enough that what single searches miss does not matter."""
CLEAR: Final = 4.0
"""Curvature of a device's likelihood above which all its numbers are determined: standard errors below a half."""
FEWEST_CLEAR: Final = 4
QUIETEST: Final = 1e-5
"""Smallest noise that is looked for."""
NAMES: Final = (
    "step",
    "step_spread",
    "up_down",
    "up_down_spread",
    "state_min",
    "state_min_spread",
    "state_max",
    "state_max_spread",
)


@dataclass(frozen=True, eq=False)
class Population:
    """What was found of the devices."""

    fit: DeviceFit
    moving: Bools
    values: Floats
    """By `NAMES`."""
    parameters: tuple[Parameter, ...]
    lognormal: bool
    log_likelihood: float


def noises_of(fit: DeviceFit) -> tuple[DeviceFit, tuple[Parameter, ...]]:
    """Return the fit with the likeliest noises, and these with their intervals.

    The likelihood that is left when the devices' own numbers are integrated out is found at nine places around the
    best; a parabola through them gives the next best, and in the end the normal intervals of the logarithms: small
    steps would see how far each search for the devices' numbers came, not the likelihood.
    """
    # What a device does not determine itself jumps from search to search.
    clear = fit.moving() & (np.linalg.eigvalsh(fit.hessian)[:, 0] > CLEAR)
    clear = clear if clear.sum() >= FEWEST_CLEAR else np.ones_like(clear)
    part = DeviceFit(fit.model, fit.trains.of(clear), fit.theta[clear])

    def evidence(p: Floats) -> float:
        return part.with_noise(float(np.exp(p[0])), float(np.exp(p[1]))).climb(BETWEEN).evidence

    middle = np.log(np.maximum([fit.model.steps, fit.model.readings], QUIETEST))
    width, covariance = np.full(2, 0.15), np.full((2, 2), np.inf)
    for _ in range(PARABOLAS):
        grid = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)], np.float64)
        values = np.array([evidence(middle + width * place) for place in grid])
        move, hessian = _parabola(grid, values)
        own = np.linalg.eigvalsh(hessian)
        if own.min() <= 0:
            middle = middle + width * np.clip(grid[values.argmax()], -1, 1)
            covariance = np.full((2, 2), np.inf)
            continue
        covariance = np.linalg.inv(hessian) * np.outer(width, width)
        middle = np.clip(middle + width * np.clip(move, -2, 2), np.log(QUIETEST), 2.0)
        width = np.clip(WIDE * np.sqrt(np.diag(covariance)), 0.08, 0.6)
    steps, readings = (float(v) for v in np.exp(middle))
    reach = float(stats.norm.ppf((1 + LEVEL) / 2)) * np.sqrt(np.diag(covariance))
    found = [
        Parameter(name, float(middle[k]), float(middle[k] - reach[k]), float(middle[k] + reach[k])).exponential()
        for k, name in enumerate(("step_noise", "reading"))
    ]
    return fit.with_noise(steps, readings).climb(ROUNDS), tuple(found)


def _parabola(place: Floats, value: Floats) -> tuple[Floats, Floats]:
    """Return where a parabola through values `(n,)` at places `(n, 2)` is highest, and minus its Hessian."""
    x, y = place.T
    c = np.linalg.lstsq(np.column_stack([np.ones_like(x), x, y, x * x, x * y, y * y]), value, rcond=None)[0]
    hessian = -np.array([[2 * c[3], c[4]], [c[4], 2 * c[5]]])
    return np.asarray(np.linalg.lstsq(hessian, c[1:3], rcond=None)[0]), hessian


def population_of(fit: DeviceFit, moving: Bools, seen: Bools) -> Population:
    """Return means and spreads of the population by maximum likelihood, normal or lognormal in the steps."""
    pick = moving & seen
    tried = []
    for lognormal in (True, False):
        function = _likelihood(fit, pick, lognormal)
        start, scale = _start(fit, pick)
        peak = maximise(function, start, scale)
        tried.append((peak.log_likelihood, lognormal, peak, function))
    best, lognormal, peak, function = max(tried, key=lambda item: item[0])
    # A spread enters by its square: its sign means nothing, and an interval that crosses zero begins there.
    parameters = [_positive(p) if "spread" in p.name else p for p in profile(function, peak, NAMES, [""] * len(NAMES))]
    values = np.array([p.value for p in parameters])
    return Population(fit, moving, values, tuple(parameters), lognormal, best)


def _positive(p: Parameter) -> Parameter:
    low, high = (p.low, p.high) if p.value >= 0 else (-p.high, -p.low)
    return Parameter(p.name, abs(p.value), max(low, 0.0), high)


def _start(fit: DeviceFit, pick: Bools) -> tuple[list[float], list[float]]:
    up, down = np.exp(fit.theta[pick, :2]).T
    low, high = fit.theta[pick, 2:].T
    step = float(max(np.median(up), np.median(down)))
    tilt = (up - down) / step
    rough = [1.4826 * float(np.median(np.abs(v - np.median(v)))) + 1e-3 for v in (np.log(up * down) / 2, tilt / 2)]
    start = [step, rough[0], float(np.median(tilt)), rough[1]]
    start += [float(np.median(low)), float(low.std()) + 1e-3, float(np.median(high)), float(high.std()) + 1e-3]
    size = max(np.sqrt(pick.sum()), 2.0)
    scale = [step * rough[0], rough[0], rough[1] + 0.1 * rough[0], rough[1], start[5], start[5], start[7], start[7]]
    return start, [2 * s / size for s in scale]


def _likelihood(fit: DeviceFit, pick: Bools, lognormal: bool) -> Callable[[Floats], float]:
    """Return the log-likelihood of `NAMES`."""
    measured = measured_of(fit, pick)

    def function(p: Floats) -> float:
        found = standardised(p, measured, lognormal)
        return -np.inf if found is None else found[1]

    return function


def measured_of(fit: DeviceFit, pick: Bools) -> tuple[Floats, Floats]:
    """Return A, B, lower and upper bound of some devices `(n, 4)`, and the covariances of their errors `(n, 4, 4)`.

    A = (up + down) / 2 and B = (up - down) / 2.
    """
    up, down = np.exp(fit.theta[pick, :2]).T
    turn = np.zeros((len(up), 4, 4))
    turn[:, 0, 0], turn[:, 0, 1], turn[:, 1, 0], turn[:, 1, 1] = up / 2, down / 2, up / 2, -down / 2
    turn[:, 2, 2] = turn[:, 3, 3] = 1
    values = np.column_stack([(up + down) / 2, (up - down) / 2, fit.theta[pick, 2:]])
    return values, turn @ fit.covariance[pick] @ turn.transpose(0, 2, 1)


def standardised(p: Floats, measured: tuple[Floats, Floats], lognormal: bool) -> tuple[Floats, float] | None:
    """Return standardised values of devices `(n, 4)` and their log density; None where the parameters cannot be.

    A = step (gain - |up_down| / 2), B = step (up_down / 2 + up_down_spread N), gain = exp(step_spread N) or 1 +
    step_spread N (`xbar.devices.pulse_response`); errors of measuring lie beside the spread.
    """
    step, spread, up_down, tilt, low, low_spread, high, high_spread = p
    values, error = measured
    if min(step, -low, high) <= 0:
        return None
    x = values.copy()
    x[:, 0] = x[:, 0] / step + abs(up_down) / 2
    if x[:, 0].min() <= 0:
        return None
    mean = np.array([1.0, step * up_down / 2, low, high])
    scale = np.ones_like(x)
    scale[:, 0] = 1 / step
    if lognormal:
        scale[:, 0] /= x[:, 0]
        x[:, 0], mean[0] = np.log(x[:, 0]), 0.0
    spreads = np.array([spread, step * tilt, -low * low_spread, high * high_spread])
    root = np.linalg.cholesky(error * scale[:, :, None] * scale[:, None, :] + np.diag(spreads**2))
    z = np.linalg.solve(root, (x - mean)[..., None])[..., 0]
    log_root = np.log(np.diagonal(root, axis1=1, axis2=2)).sum()
    return z, float(np.log(scale[:, 0]).sum() - 0.5 * (z**2).sum() - log_root)
