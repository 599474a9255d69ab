"""Device-to-device variation: what writes of one device have in common, beyond the error of each."""

from collections.abc import Callable
from typing import Final

import numpy as np
from scipy import stats

from xbar_calibration.fit import Bools, Fit, Floats, Ints, Outcome, Refusal, Residuals, held_out, ranked, simplest
from xbar_calibration.intervals import Peak, maximise, profile
from xbar_calibration.programming_error import polynomial_fit
from xbar_calibration.quantities import number

LAW: Final = "device_variation"
FEWEST: Final = 10
"""Devices that were written twice or more."""
LEAST: Final = 0.01
"""False-alarm level of the test whether devices differ."""
HIGHEST: Final = 2
"""Degree of the polynomial of the programming error beside it."""


def fit_device_variation(
    cell: Ints, target: Floats, programmed: Floats, error: Floats, train: Bools, g_range: tuple[float, float]
) -> tuple[Outcome, Fit | None]:
    """Return the lognormal spread between devices, and the programming error that is left of each write.

    P = target + sigma N + target s(target) D: D is one number a device, N one a write. The errors of a device have the
    covariance diag(sigma^2) + u u^T, u = target s. sigma is a polynomial of the target, s a line in resistance between
    g_max ("on") and g_min ("off"), and the same everywhere where g_min is 0 S. Maximum likelihood over devices that
    were written repeatedly, all numbers together.

    Args:
        cell: device of each write `(w,)`.
        target: [S].
        programmed: [S].
        error: standard error of `programmed` [S].
        train: which writes the fit may see.
        g_range: g_min and g_max of the card [S].

    """
    repeated = np.bincount(cell)[cell] >= 2
    pick = repeated & train & (target > 0)
    devices = len(np.unique(cell[pick]))
    if devices < FEWEST:
        reason = f"{devices} devices were written twice or more; {FEWEST} are needed to tell devices from writes"
        return Refusal(LAW, reason), None
    low, high = g_range
    own = np.unique(cell[pick], return_inverse=True)[1]
    slope = low > 0 and float(np.ptp(target[pick])) > 0.3 * high
    share = _share(target, low, high) if slope else np.zeros_like(target)
    x, y, v = target[pick] / high, (programmed - target)[pick] / high, error[pick] / high
    size = 2 if slope else 1
    functions = {d: _likelihood(own, (x, y, v), share[pick], d + 1) for d in range(HIGHEST + 1)}
    peaks = {degree: _peak(function, degree, size, (x, y)) for degree, function in functions.items()}
    scores = {f"polynomial of degree {d}": peak.aic for d, peak in peaks.items()}
    degree = int(simplest(scores, {name: k for k, name in enumerate(scores)})[-1])
    peak, function = peaks[degree], functions[degree]
    alone = maximise(
        lambda p: function(np.r_[p, np.zeros(size)]), list(peak.values[: degree + 1]), [0.1 * y.std()] * (degree + 1)
    )
    if stats.chi2.sf(2 * (peak.log_likelihood - alone.log_likelihood), size) > LEAST:
        return Refusal(LAW, "devices do not differ beyond the error of their writes"), None
    names = [*(f"c{k}" for k in range(degree + 1)), "on", "off"][: degree + 1 + size]
    parameters = profile(function, peak, names, ["S"] * (degree + 1) + [""] * size)
    on, off = float(peak.values[degree + 1]), float(peak.values[-1])
    sigma = np.polynomial.polynomial.polyval(target / high, peak.values[: degree + 1]) * high
    total = np.sqrt(sigma**2 + error**2 + (target * (on + (off - on) * share)) ** 2)
    z = (programmed - target) / total
    names_of = ("target conductance [S]", "programmed − target [S]")
    columns = (target[repeated], (programmed - target)[repeated], total[repeated], z[repeated])
    valid = (float(target.min()), float(target.max()))
    fit = Fit(
        LAW,
        "lognormal",
        parameters[degree + 1 :],
        {"on": number(on), "off": number(off)},
        int(pick.sum()),
        (),
        held_out(z[_first(cell, repeated & ~train)]),
        Residuals("device-to-device variation", *names_of, *columns),
        valid=valid,
        notes=("spread from one write to the next of a device is the programming error",),
    )
    return fit, polynomial_fit(parameters[: degree + 1], high, int(pick.sum()), ranked(scores), valid)


def _first(cell: Ints, mask: Bools) -> Ints:
    """Return one write of each device: those of one are not independent."""
    mine = np.flatnonzero(mask)
    return np.asarray(mine[np.unique(cell[mine], return_index=True)[1]])


def _share(target: Floats, low: float, high: float) -> Floats:
    """Return where a conductance stands between g_max (0) and g_min (1), as a line in resistance."""
    return np.asarray((1 / np.clip(target, low, high) - 1 / high) / (1 / low - 1 / high))


def _likelihood(
    own: Ints, writes: tuple[Floats, Floats, Floats], share: Floats, size: int
) -> Callable[[Floats], float]:
    x, y, v = writes

    def function(p: Floats) -> float:
        sigma = np.asarray(np.polynomial.polynomial.polyval(x, p[:size]), np.float64)
        if p[size:].min() < 0 or sigma.min() <= 0:
            return -np.inf
        variance = sigma**2 + v**2
        u = x * (p[size] + (p[-1] - p[size]) * share)
        # Sherman and Morrison for a diagonal matrix and one product of a vector with itself.
        uu, uy, yy = (np.bincount(own, part / variance) for part in (u * u, u * y, y * y))
        return float(-0.5 * ((yy - uy**2 / (1 + uu) + np.log1p(uu)).sum() + np.log(variance).sum()))

    return function


def _peak(function: Callable[[Floats], float], degree: int, size: int, data: tuple[Floats, Floats]) -> Peak:
    x, y = data
    wide, rough = float(y.std()), float(np.sqrt(np.mean((y / x) ** 2)))
    start = [0.7 * wide, *([0.0] * degree), *([0.5 * rough] * size)]
    return maximise(function, start, [0.3 * wide, *([0.3 * wide] * degree), *([0.3 * rough] * size)])
