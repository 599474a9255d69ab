"""The phase-change memory of the card `pcm`: the values to test against, and its law integrated without xbar's code.

Formulas and constants: Nandakumar et al., ICECS 2019; Joshi et al., Nat. Commun. 11, 2473 (2020); aihwkit,
`inference/noise/pcm.py`. Conductances here are in units of g_max.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]

G_MAX = 25e-6
T0, T_READ = 20.0, 250e-9
TIMES = (25.0, 3600.0, 86400.0, 30 * 86400.0, 365 * 86400.0, 3650 * 86400.0)
"""25 s, an hour, a day, a month of 30 days, a year of 365 days, ten years [s]."""

STANDARD_ERRORS = 5.0
"""Allowed distance between a sample and the law: one false alarm in 1.7 million comparisons."""


@dataclass(frozen=True)
class Row:
    """One line of the table; `factors` and `noises` at each of `TIMES`."""

    x: float
    """Target conductance."""
    error_uS: float
    """Standard deviation of the programming error [uS]."""
    mean: float
    """Mean of the drift exponent."""
    spread: float
    """Standard deviation of the drift exponent."""
    q: float
    """Amplitude of the 1/f noise."""
    factors: tuple[float, ...]
    """Mean of g(t) / g_prog, by the closed form exp(-mean L + spread^2 L^2 / 2), L = ln((t + t0) / t0)."""
    noises: tuple[float, ...]
    """Standard deviation of the 1/f noise relative to the conductance."""


TABLE = (
    Row(0.02, 0.3023, 0.0850, 0.0430, 0.1119,
        (0.934, 0.659, 0.524, 0.418, 0.359, 0.315), (0.479, 0.533, 0.569, 0.605, 0.631, 0.653)),
    Row(0.05, 0.3588, 0.0708, 0.0315, 0.0617,
        (0.944, 0.701, 0.572, 0.465, 0.403, 0.354), (0.264, 0.294, 0.314, 0.334, 0.348, 0.360)),
    Row(0.10, 0.4482, 0.0601, 0.0229, 0.0393,
        (0.953, 0.737, 0.616, 0.511, 0.447, 0.397), (0.168, 0.187, 0.200, 0.213, 0.222, 0.229)),
    Row(0.25, 0.6814, 0.0490, 0.0114, 0.0217,
        (0.961, 0.776, 0.667, 0.567, 0.504, 0.452), (0.093, 0.103, 0.110, 0.117, 0.122, 0.126)),
    Row(0.50, 0.9527, 0.0490, 0.0080, 0.0138,
        (0.961, 0.776, 0.665, 0.564, 0.500, 0.448), (0.059, 0.066, 0.070, 0.075, 0.078, 0.081)),
    Row(0.75, 1.0774, 0.0490, 0.0080, 0.0106,
        (0.961, 0.776, 0.665, 0.564, 0.500, 0.448), (0.045, 0.051, 0.054, 0.057, 0.060, 0.062)),
    Row(1.00, 1.0554, 0.0490, 0.0080, 0.0088,
        (0.961, 0.776, 0.665, 0.564, 0.500, 0.448), (0.038, 0.042, 0.045, 0.048, 0.050, 0.051)),
)  # fmt: skip


@dataclass(frozen=True)
class Moments:
    """What a law says of a sample."""

    mean: float
    sd: float
    fourth: float
    """Fourth central moment."""

    def check(self, sample: Floats, what: str) -> None:
        """Assert that mean and standard deviation of `sample` lie within `STANDARD_ERRORS` of the law."""
        n = sample.size
        mean_error = self.sd / n**0.5
        sd_error = (max(self.fourth - self.sd**4, 0.0) / n) ** 0.5 / (2 * self.sd)
        mean, sd = float(sample.mean()), float(sample.std())
        off = (abs(mean - self.mean) / mean_error, abs(sd - self.sd) / sd_error)
        text = f"mean {mean:.6g}, law {self.mean:.6g}, {off[0]:.1f} SE; sd {sd:.6g}, law {self.sd:.6g}, {off[1]:.1f} SE"
        assert max(off) < STANDARD_ERRORS, f"{what}: {text}"


def expectation(function: Callable[[Floats], Floats], breaks: tuple[float, ...] = (), low: float = -10.0) -> float:
    """Integrate `function` of a standard normal number from `low` to 10, smooth between `breaks` (Gauss-Legendre)."""
    nodes, weights = np.polynomial.legendre.leggauss(20)
    edges = np.unique(np.clip([low, *breaks, *np.linspace(low, 10.0, 81)], low, 10.0))
    half = np.diff(edges)[:, None] / 2
    z = edges[:-1, None] + half * (1 + nodes)
    return float(np.sum(half * weights * function(z) * np.exp(-z * z / 2)) / np.sqrt(2 * np.pi))


def _moments(raw: tuple[float, float, float, float]) -> Moments:
    m1, m2, m3, m4 = raw
    fourth = m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
    return Moments(m1, (m2 - m1**2) ** 0.5, fourth)


def error(x: float) -> float:
    """Return the standard deviation of the programming error."""
    return (0.26348 + 1.9650 * x - 1.1731 * x * x) / 25


def programmed_law(x: float) -> Moments:
    """Integrate max(0, x + sigma N)."""
    sigma = error(x)

    def raw(power: int) -> float:
        return expectation(lambda z: np.maximum(0.0, x + sigma * z) ** power, (-x / sigma,))

    return _moments((raw(1), raw(2), raw(3), raw(4)))


def drift_law(x: float, seconds: float) -> Moments:
    """Integrate ((t + t0) / t0)^(-|mean + spread N|); it does not depend on what was programmed."""
    mean = float(np.clip(-0.0155 * np.log(x) + 0.0244, 0.049, 0.1))
    spread = float(np.clip(-0.0125 * np.log(x) - 0.0059, 0.008, 0.045))
    base = (seconds + T0) / T0

    def raw(power: int) -> float:
        return expectation(lambda z: np.asarray(base ** (-power * np.abs(mean + spread * z))), (-mean / spread,))

    return _moments((raw(1), raw(2), raw(3), raw(4)))


def flicker_law(x: float, seconds: float) -> Moments:
    """Integrate max(0, 1 + Q(g_prog) S N) over the programming error and N, for cells with g_prog above zero."""
    sigma = error(x)
    lowest = -x / sigma
    octaves = np.log((seconds + T0 + T_READ) / (2 * T_READ)) ** 0.5
    kinks = tuple((g - x) / sigma for g in (0.001 ** (1 / 0.65), (0.0088 / 0.2) ** (1 / 0.65)))
    share = expectation(np.ones_like, (), max(lowest, -10.0))

    def clamped(z: Floats, power: int) -> Floats:
        q = np.minimum(0.0088 / np.maximum((x + sigma * z) ** 0.65, 1e-3), 0.2)
        return _clamped_power(q * octaves, power)

    def raw(power: int) -> float:
        return expectation(lambda z: clamped(z, power), kinks, max(lowest, -10.0)) / share

    return _moments((raw(1), raw(2), raw(3), raw(4)))


def _clamped_power(a: Floats, power: int) -> Floats:
    """Return E[max(0, 1 + a N)^power]: by parts, J_k = c J_(k-1) + (k - 1) J_(k-2) with c = 1 / a."""
    c = 1 / a
    before, j = ndtr(c), np.exp(-c * c / 2) / np.sqrt(2 * np.pi) + c * ndtr(c)
    for k in range(2, power + 1):
        before, j = j, c * j + (k - 1) * before
    return np.asarray(a**power * j)


def check_cells(row: Row, programmed: Any, drifted: Mapping[float, Any], read: Mapping[float, Any]) -> None:
    """Assert that cells written to `row.x` follow the law, and the table where its closed form holds.

    `programmed` are conductances [S]; `drifted` and `read`, without and with 1/f noise, by the time since programming
    [s], in the same order of cells. No cell may be stuck.
    """
    g = np.asarray(programmed, np.float64).ravel()
    programmed_law(row.x).check(g / G_MAX, f"programmed at x = {row.x}")
    above = g > 0
    for seconds, conductance in drifted.items():
        d = np.asarray(conductance, np.float64).ravel()[above]
        factor = d / g[above]
        where = f"at x = {row.x}, {seconds:g} s"
        drift_law(row.x, seconds).check(factor, f"drift {where}")
        if seconds in TIMES and row.x >= 0.05:
            expected = row.factors[TIMES.index(seconds)]
            allowed = 0.001 if row.x >= 0.25 else 0.02 * expected
            assert abs(factor.mean() - expected) <= allowed, f"drift {where}: {factor.mean():.4f}, table {expected}"
        ratio = np.asarray(read[seconds], np.float64).ravel()[above] / d
        flicker_law(row.x, seconds).check(ratio, f"1/f noise {where}")
