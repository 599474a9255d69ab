"""Each written cell over time: its conductance after the write and its drift exponent, with their errors.

Weighted least squares of g(t) = P ((t + t0) / t0)^(-nu) for all writes at once, the weights from the noise laws; where
noise parameters are to be found, the restricted likelihood of all writes (Patterson and Thompson, Biometrika 58, 545
(1971)).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from xbar_calibration.fit import Bools, Floats, Ints
from xbar_calibration.observations import Observations

MOST_TIMES: Final = 256
"""Visits of one write that are used: of more, as many spread over their order."""
FLOOR: Final = 1e-7
"""Noise that every reading has, relative to the largest conductance: rounding."""

Variance = Callable[[Floats], Floats]
"""Variance of a single reading [S^2] by conductance [S]."""


@dataclass(frozen=True, eq=False)
class Histories:
    """Visits of each write, padded with NaN; `(w, k)` or `(w,)`."""

    write: Ints
    """Row of `Writes`."""
    cell: Ints
    target: Floats
    """[S]."""
    age: Floats
    """`(w, k)` time since the write [s]."""
    g: Floats
    """`(w, k)` mean of the visit [S]."""
    count: Floats
    """`(w, k)` readings of the visit."""

    def __len__(self) -> int:
        """Return the number of writes."""
        return len(self.write)

    def where(self, mask: Bools | Ints) -> "Histories":
        """Return some of the writes."""
        return Histories(*(getattr(self, n)[mask] for n in ("write", "cell", "target", "age", "g", "count")))

    @property
    def largest(self) -> float:
        """Get the largest conductance [S]."""
        return float(np.nanmax(np.abs(self.g)))


def histories(observed: Observations) -> Histories:
    """Return the visits by write, in the order of time."""
    visits, writes = observed.visits, observed.writes
    pick = np.flatnonzero((visits.write >= 0) & np.isfinite(visits.age))
    order = pick[np.lexsort((visits.age[pick], visits.write[pick]))]
    write, start, count = np.unique(visits.write[order], return_index=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(start, count)
    owner = np.repeat(np.arange(len(write)), count)
    most = int(count.max(initial=0))
    if most > MOST_TIMES:
        step = np.maximum(count / MOST_TIMES, 1.0)[owner]
        kept = np.floor(rank / step) != np.floor((rank - 1) / step)
        order, owner = order[kept], owner[kept]
        rank = np.floor(rank[kept] / step[kept]).astype(np.int64)
        most = MOST_TIMES
    shape = (len(write), most)
    age, g, readings = (np.full(shape, np.nan) for _ in range(3))
    age[owner, rank], g[owner, rank] = visits.age[order], visits.mean[order]
    readings[owner, rank] = visits.count[order]
    return Histories(write.astype(np.int64), writes.cell[write], writes.target[write], age, g, readings)


@dataclass(frozen=True, eq=False)
class Decays:
    """What each write became; `(w,)` each."""

    programmed: Floats
    """P [S]."""
    exponent: Floats
    """nu; 0 where no drift was fitted."""
    programmed_error: Floats
    """Standard error of P [S]."""
    exponent_error: Floats
    """Standard error of nu, infinite where the times do not tell."""
    residual: Floats
    """`(w, k)` measured - fitted, in standard deviations of the noise."""
    log_likelihood: float
    """Restricted, of all writes."""


def solve(
    h: Histories,
    variance: Callable[[Floats, Floats], Floats],
    t0: float | None,
    start: tuple[Floats, Floats] | None = None,
    iterations: int = 5,
) -> Decays:
    """Return the weighted fit of every write.

    Args:
        h: the visits.
        variance: variance of a visit's mean `(w, k)` [S^2] from P `(w, 1)` and the model's conductances `(w, k)` [S].
        t0: constant of the power law [s]; None fits a constant conductance.
        start: P and nu to begin with.
        iterations: steps of Gauss and Newton.

    """
    seen = np.isfinite(h.g)
    log_time = np.zeros_like(h.age) if t0 is None else np.log1p(np.where(seen, h.age, 0.0) / t0)
    g = np.where(seen, h.g, 0.0)
    least = (FLOOR * h.largest) ** 2
    p, nu = _first_guess(g, seen, log_time, t0 is not None) if start is None else start
    for step in range(iterations + 1):
        decay = np.exp(-nu[:, None] * log_time)
        model = p[:, None] * decay
        w = np.where(seen, 1.0 / (variance(p[:, None], model) + least), 0.0)
        # Derivatives by P, and by nu over P, so that a P near zero does no harm.
        slope = -log_time * decay
        a, b, c = (w * decay**2).sum(1), (w * decay * slope).sum(1), (w * slope**2).sum(1)
        determinant = a * c - b * b
        free = (t0 is not None) & (determinant > 1e-9 * a * c) & (p > 1e-4 * h.largest)
        safe = np.where(free, determinant, 1.0)
        if step == iterations:
            break
        r = g - model
        u, v = (w * decay * r).sum(1), (w * slope * r).sum(1)
        dp = np.where(free, (c * u - b * v) / safe, u / np.maximum(a, 1e-300))
        dq = np.where(free, (a * v - b * u) / safe, 0.0)
        p_new = np.maximum(p + dp, 0.0)
        nu = np.where(free, np.clip(nu + dq / np.maximum(p, 1e-300), -2.0, 5.0), nu)
        p = p_new
    count = seen.sum(1)
    z = np.where(seen, (g - model) * np.sqrt(w), np.nan)
    # Information on ln P and nu, without the part that t0 alone makes of the scale of nu: it would pull t0 upwards.
    n = np.maximum(count, 1)
    scale = n * (log_time**2 * seen).sum(1) - (log_time * seen).sum(1) ** 2
    own = np.log(np.maximum(safe, 1e-300)) + 4 * np.log(np.maximum(p, 1e-300)) - np.log(np.maximum(scale, 1e-300))
    information = np.where(free, own, np.log(np.maximum(a, 1e-300)))
    used = count > np.where(free, 2, 1)
    with np.errstate(divide="ignore"):
        log_w = np.where(seen, np.log(np.where(seen, w, 1.0)), 0.0)
    each = 0.5 * (log_w.sum(1) - np.nansum(z**2, axis=1) - information)
    error = np.sqrt(np.where(free, c / safe, 1.0 / np.maximum(a, 1e-300)))
    with np.errstate(divide="ignore", invalid="ignore"):
        exponent_error = np.where(free, np.sqrt(a / safe) / np.where(free, p, 1.0), np.inf)
    return Decays(p, nu, error, exponent_error, z, float(each[used].sum()))


def _first_guess(g: Floats, seen: Bools, log_time: Floats, drift: bool) -> tuple[Floats, Floats]:
    """Return P and nu by unweighted lines through ln g, or the mean where there is no drift."""
    count = np.maximum(seen.sum(1), 1)
    mean = g.sum(1) / count
    if not drift:
        return np.maximum(mean, 0.0), np.zeros(len(g))
    positive = seen & (g > 0) & (g > 0.05 * mean[:, None])
    n = np.maximum(positive.sum(1), 1)
    log_g = np.where(positive, np.log(np.where(positive, g, 1.0)), 0.0)
    x = np.where(positive, log_time, 0.0)
    mean_x, mean_y = x.sum(1) / n, log_g.sum(1) / n
    sxx = (x * x).sum(1) - n * mean_x**2
    sxy = (x * log_g).sum(1) - n * mean_x * mean_y
    nu = np.where(sxx > 1e-12, -sxy / np.where(sxx > 1e-12, sxx, 1.0), 0.0)
    nu = np.clip(nu, -0.5, 2.0)
    return np.where(mean > 0, np.exp(np.clip(mean_y + nu * mean_x, -80, 10)), 0.0), nu
