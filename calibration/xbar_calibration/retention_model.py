"""Stretched exponentials of many cells at once, and the other laws of time that they must beat."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from xbar.devices.temperature import BOLTZMANN
from xbar.errors import InputError
from xbar_calibration.decay import Histories, Variance, solve
from xbar_calibration.fit import Bools, Floats
from xbar_calibration.intervals import LogLikelihood, Peak, maximise

ROUGH: Final = 0.005
"""Noise beside the white one, relative to the conductance, to begin with."""
SHARP: Final = (-2.0, 2.0)
"""Logarithms of the smallest and the largest stretch that are sought."""
LEAST: Final = 1e-4
"""Share of a state, squared and averaged over the visits of its write, that must be left of it."""


@dataclass(frozen=True, eq=False)
class Data:
    """Visits of the writes that are fitted."""

    seconds: Floats
    """`(w, k)`."""
    inverse: Floats | None
    """`(w, 1)` 1/T0 - 1/T [1/K] of each write; None where there is one temperature."""
    g: Floats
    """`(w, k)` [S], 0 where there is none."""
    weight: Floats
    """`(w, k)` inverse variance but for a common factor, 0 where there is no visit."""

    def where(self, mask: Bools) -> "Data":
        """Return some of the writes."""
        inverse = None if self.inverse is None else self.inverse[mask]
        return Data(self.seconds[mask], inverse, self.g[mask], self.weight[mask])

    def weighted(self, typical: Floats, h: Histories, white: Variance | None) -> "Data":
        """Return the data with weights of noise relative to conductances `(w, k)` [S], and no less than the white one.

        The size of the relative noise is found by the fit.
        """
        least = np.maximum(typical, 1e-3 * h.largest)
        variance = (ROUGH * least) ** 2
        if white is not None:
            variance = np.maximum(variance, white(least) / np.where(np.isfinite(h.count), h.count, 1.0))
        return replace(self, weight=np.where(self.weight > 0, 1 / variance, 0.0))

    @property
    def visits(self) -> int:
        """Get the number of visits."""
        return int((self.weight > 0).sum())


def data_of(h: Histories, kelvin: Floats | None, white: Variance | None, reference: float) -> tuple[Data, Bools]:
    """Return the data, and which writes stood at one temperature."""
    seen = np.isfinite(h.g) & np.isfinite(h.age) & (h.age >= 0)
    g = np.where(seen, h.g, 0.0)
    steady, inverse = np.ones(len(h), np.bool_), None
    if kelvin is not None:
        low, high = np.nanmin(kelvin, axis=1), np.nanmax(kelvin, axis=1)
        steady = high - low < 0.5
        if np.nanmax(high) - np.nanmin(low) > 1:
            inverse = (1 / reference - 1 / low)[:, None]
    seconds = np.where(seen, h.age, 0.0)
    typical = np.nanmean(np.where(seen, h.g, np.nan), axis=1, keepdims=True) + np.zeros_like(g)
    return Data(seconds, inverse, g, np.where(seen, 1.0, 0.0)).weighted(typical, h, white), steady


def warm(data: Data) -> bool:
    """Tell whether writes were kept at several temperatures."""
    return data.inverse is not None and bool(np.ptp(data.inverse) > 0)


def energy_of(data: Data, p: Floats) -> float:
    """Return the activation energy among parameters [eV]; 0 where there is one temperature."""
    return float(p[-1]) if warm(data) else 0.0


def effective(data: Data, energy: float) -> Floats:
    """Return the times at the reference temperature [s]."""
    if data.inverse is None:
        return data.seconds
    return np.asarray(data.seconds * np.exp(np.clip(energy / BOLTZMANN * data.inverse, -80, 80)))


def model_of(data: Data, p: Floats, with_floor: bool) -> tuple[Floats, Floats, Floats]:
    """Return P `(w,)`, the sum of weights that tells it, and the model `(w, k)`."""
    floor = float(p[2]) if with_floor else 0.0
    left = np.exp(-((effective(data, energy_of(data, p)) / np.exp(p[0])) ** np.exp(p[1])))
    known = (data.weight * left**2).sum(1)
    programmed = (data.weight * left * (data.g - floor * (1 - left))).sum(1) / np.maximum(known, 1e-300)
    return programmed, known, floor + (programmed[:, None] - floor) * left


def likelihood_of(data: Data, with_floor: bool) -> LogLikelihood:
    """Return the log-likelihood of (ln tau, ln stretch, floor, activation energy), the last two where there are any."""
    free = data.visits - len(data.g)
    times = data.seconds[data.seconds > 0]
    # Far before the first reading, or with a vanishing exponent, the law is another power law.
    first, last = np.log(times.min() / 30), np.log(times.max() * 1e4)

    def function(p: Floats) -> float:
        if not (first < p[0] < last and SHARP[0] < p[1] < SHARP[1]) or (with_floor and p[2] < 0):
            return -np.inf
        _, known, model = model_of(data, p, with_floor)
        square = float((data.weight * (data.g - model) ** 2).sum())
        own = data.weight.sum(1)
        # A P of which nothing is left in any visit can be anything.
        if not ((known / own).min() > LEAST and square > 0):
            return -np.inf
        return -0.5 * free * float(np.log(square))

    return function


def peak_of(data: Data, with_floor: bool) -> tuple[Peak, LogLikelihood]:
    """Return the best parameters and their likelihood; raises `InputError` where none are possible."""
    function = likelihood_of(data, with_floor)
    longest = float(np.log(max(data.seconds.max(), 1e-9)))
    typical = float(np.median(data.g[data.weight > 0]))
    best: Peak | None = None
    for tau in (longest - 3.0, longest - 0.5, longest + 2.0):
        start, scale = [tau, -0.3], [1.0, 0.4]
        if with_floor:
            start, scale = [*start, 0.2 * typical], [*scale, 0.2 * typical]
        if warm(data):
            start, scale = [*start, 0.5], [*scale, 0.3]
        if not np.isfinite(function(np.array(start))):
            continue
        peak = maximise(function, start, scale)
        best = peak if best is None or peak.log_likelihood > best.log_likelihood else best
    if best is None:
        raise InputError("no stretched exponential is possible with these readings; check units and times")
    return best, function


def rivals_of(h: Histories, data: Data) -> dict[str, float]:
    """Return twice minus the restricted log-likelihood, with parameters counted, of the other laws of time."""
    free = data.visits - len(data.g)
    w = data.weight

    def score(columns: Callable[[Floats], Floats], parameters: int) -> float:
        """`columns` is the shape of a cell's decay, which its P multiplies."""
        shape = columns(data.seconds)
        known = np.maximum((w * shape**2).sum(1), 1e-300)
        p = (w * shape * data.g).sum(1) / known
        square = float((w * (data.g - p[:, None] * shape) ** 2).sum())
        return free * float(np.log(max(square, 1e-300))) + 2 * parameters

    found = {"no change": score(np.ones_like, 0)}
    t0s = np.geomspace(
        max(float(data.seconds[data.seconds > 0].min(initial=np.inf)), 1e-9), data.seconds.max() + 1e-9, 5
    )
    common = [
        score(lambda t, nu=nu, t0=t0: np.exp(-nu * np.log1p(t / t0)), 2)  # type: ignore[misc]  # bound in the loop
        for t0 in t0s
        for nu in np.geomspace(0.002, 1.0, 25)
    ]
    found["a power law of all cells"] = float(min(common))
    each = [solve(h, lambda p, model: np.maximum(1 / np.maximum(w, 1e-300), 0.0) + 0 * model, float(t0)) for t0 in t0s]
    number_of = len(data.g)
    squares = [float(np.nansum(one.residual**2)) for one in each]
    # A slope of each cell is a parameter of each: of the residuals as many fewer are free.
    left = max(free - number_of, 1)
    for name, square in (("a power law", min(squares)), ("a line in ln t", _lines(data))):
        found[f"{name} of each cell"] = free * float(np.log(max(square * free / left, 1e-300))) + number_of
    return found


def _lines(data: Data) -> float:
    """Return the weighted sum of squares about a line in ln t through the visits of each write."""
    there = (data.weight > 0) & (data.seconds > 0)
    w, x = np.where(there, data.weight, 0.0), np.log(np.where(there, data.seconds, 1.0))
    total = np.maximum(w.sum(1), 1e-300)
    dx, dy = (v - ((w * v).sum(1) / total)[:, None] for v in (x, data.g))
    xx, xy, yy = (w * dx * dx).sum(1), (w * dx * dy).sum(1), (w * dy * dy).sum(1)
    return float((yy - xy**2 / np.maximum(xx, 1e-300)).sum())
