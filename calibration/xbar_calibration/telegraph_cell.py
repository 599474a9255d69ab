"""Telegraph noise of one cell: two levels with noise, against one level, and against noise with a memory."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import ndimage, stats
from scipy.cluster import vq

from xbar_calibration.fit import Bools, Floats, Ints
from xbar_calibration.intervals import LogLikelihood, maximise
from xbar_calibration.telegraph_kernel import LOG_2PI, two_levels, with_memory

MARGIN: Final = 10.0
"""AIC by which two levels must be better than one, and than noise with a memory."""
FEWEST_MOVES: Final = 3.0
"""Changes of level below which a cell may as well have jumped for another reason."""
FEWEST_READINGS: Final = 5.0
"""Readings in the level where the cell is less."""
SWEEPS: Final = 5
WIDTHS: Final = (1, 5, 15)
"""Readings over which a first guess smooths."""
ROUNDING: Final = 1e-12
"""Relative spread of readings that is that of numbers, not of a cell."""
STRANGE: Final = 4.0
"""Standard errors of correlation or flatness beyond which a cell is looked at closely (1 of 16,000 by chance)."""


@dataclass(frozen=True, eq=False)
class CellSeries:
    """The series of one cell, one after the other."""

    cell: int
    time: Floats
    g: Floats
    starts: Ints

    def part(self, share: float, rest: bool = False) -> "CellSeries":
        """Return the first `share` of each series, or the rest of each."""
        pick = np.zeros(len(self.g), np.bool_)
        lengths = np.diff(self.starts)
        cut = np.maximum((share * lengths).astype(np.int64), 2)
        for start, at, length in zip(self.starts[:-1], cut, lengths, strict=True):
            pick[start + (at if rest else 0) : start + (length if rest else at)] = True
        counts = np.maximum(lengths - cut, 0) if rest else cut
        kept = counts > 0
        return CellSeries(self.cell, self.time[pick], self.g[pick], np.r_[0, np.cumsum(counts[kept])])

    @property
    def owner(self) -> Ints:
        """Get the number of the series of each reading."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def means(self) -> Floats:
        """Return the mean of each series [S]."""
        return np.asarray(np.add.reduceat(self.g, self.starts[:-1]) / np.diff(self.starts))

    def deviations(self) -> Floats:
        """Return what readings deviate from the mean of their series [S]."""
        return np.asarray(self.g - self.means()[self.owner])

    def strange(self) -> bool:
        """Tell whether readings correlate in time, or are spread too evenly or too unevenly for white noise."""
        rest = self.deviations()
        scale = np.sqrt(np.add.reduceat(rest**2, self.starts[:-1]) / np.diff(self.starts))
        if float(scale.max(initial=0.0)) <= ROUNDING * float(np.abs(self.g).max(initial=0.0)):
            return False
        z = rest / np.maximum(scale, 1e-300)[self.owner]
        if abs(float(stats.kurtosis(z))) > STRANGE * np.sqrt(24 / len(z)):
            return True
        for lag in (1, 3, 10):
            same = self.owner[lag:] == self.owner[:-lag]
            if same.sum() > 20 and float((z[lag:] * z[:-lag])[same].mean()) > STRANGE / np.sqrt(same.sum()):
                return True
        return False

    def steps(self) -> Floats:
        """Return the times between neighbouring readings [s]."""
        step: Floats = np.diff(self.time)[self.owner[1:] == self.owner[:-1]]
        return step[step > 0]


@dataclass(frozen=True, eq=False)
class Levels:
    """Two levels of a cell."""

    series: CellSeries
    log_law: Floats
    """ln of amplitude, time empty [s], time full [s]."""
    log_likelihood: float
    rivals: tuple[float, float, float]
    """AIC of two levels, of one, of one level and noise with a memory."""
    level: Floats
    """Of the empty state, by series [S]."""
    sigma: Floats
    """White noise by series [S]."""
    full: float
    """Expected number of readings in the full state."""
    moves: float

    @property
    def trapped(self) -> bool:
        """Tell whether the cell has two levels beyond doubt."""
        least = min(self.full, len(self.series.g) - self.full)
        clear = self.rivals[0] + MARGIN < min(self.rivals[1:])
        return clear and least >= FEWEST_READINGS and self.moves >= FEWEST_MOVES

    @property
    def remembers(self) -> bool:
        """Tell whether its noise has a memory at all."""
        return min(self.rivals[0], self.rivals[2]) + MARGIN < self.rivals[1]


def likelihood_of(series: CellSeries, level: Floats, sigma: Floats, sweeps: int = SWEEPS) -> LogLikelihood:
    """Return the log-likelihood of (ln amplitude, ln empty, ln full), levels and noise at their best near those given.

    Amplitudes of 1 and more, and times far beyond those of the readings, are impossible.
    """
    step = series.steps()
    shortest, longest = float(step.min()) / 30, 100 * float(step.sum())
    predicted = np.empty(len(series.g))

    def function(p: Floats) -> float:
        amplitude, empty, full = (float(v) for v in np.exp(np.clip(p, -100, 100)))
        if not (amplitude < 0.999 and shortest < empty < longest and shortest < full < longest):
            return -np.inf
        own = (level.copy(), sigma.copy())
        law = (amplitude, empty, full)
        return float(two_levels(law, series.time, series.g, series.starts, *own, sweeps, predicted)[0])

    return function


def refined(
    series: CellSeries, log_law: Floats, level: Floats, sigma: Floats, sweeps: int = 40
) -> tuple[Floats, Floats, float, float, Floats]:
    """Return levels, noise, readings in the full state, moves, and what each reading was predicted to be."""
    level, sigma, predicted = level.copy(), sigma.copy(), np.empty(len(series.g))
    law = (float(np.exp(log_law[0])), float(np.exp(log_law[1])), float(np.exp(log_law[2])))
    _, full, moves = two_levels(law, series.time, series.g, series.starts, level, sigma, sweeps, predicted)
    return level, sigma, float(full), float(moves), predicted


def fit_levels(series: CellSeries) -> Levels | None:
    """Return the two levels of a cell and their rivals; None where its readings do not tell two groups."""
    guesses = [guess for guess in (_guess(series, width) for width in WIDTHS) if guess is not None]
    functions = [likelihood_of(series, level, sigma) for _, level, sigma in guesses]
    heights = [function(guess[0]) for function, guess in zip(functions, guesses, strict=True)]
    if not heights or not np.isfinite(max(heights)):
        return None
    first = int(np.argmax(heights))
    start, level, sigma = guesses[first]
    values = maximise(functions[first], list(start), [0.3, 0.7, 0.7]).values
    level, sigma, full, moves, _ = refined(series, values, level, sigma)
    two = likelihood_of(series, level, sigma)(values)
    numbers = 2 * (len(series.starts) - 1)
    rivals = (2 * (3 + numbers) - 2 * two, *single_level(series))
    return Levels(series, values, two, rivals, level, sigma, full, moves)


def single_level(series: CellSeries) -> tuple[float, float]:
    """Return the AIC of one level with white noise, and of one level with white noise and noise with a memory."""
    count = np.diff(series.starts)
    square = np.maximum(np.add.reduceat(series.deviations() ** 2, series.starts[:-1]) / count, 1e-40)
    white = 4 * len(count) + float((count * (LOG_2PI + 1 + np.log(square))).sum())
    step = series.steps()

    def function(p: Floats) -> float:
        if not (abs(p[0]) < 12 and np.log(step.min() / 30) < p[1] < np.log(100 * step.sum())):
            return -np.inf
        return float(with_memory(float(np.exp(p[0])), float(np.exp(p[1])), series.time, series.g, series.starts))

    peaks = [maximise(function, [0.0, float(np.log(t))], [0.7, 1.0]) for t in (5 * step.min(), step.sum() / 10)]
    best = max(peak.log_likelihood for peak in peaks)
    return white, 2 * (2 + 2 * len(count)) - 2 * best


def _guess(series: CellSeries, width: int) -> tuple[Floats, Floats, Floats] | None:
    """Return ln of a law, levels and noise, from readings that, smoothed over `width`, fall in two groups."""
    rest = series.deviations()
    smooth = ndimage.median_filter(rest, size=width) if width > 1 else rest
    ends = np.quantile(smooth, [0.05, 0.95])
    if not ends[1] > ends[0]:
        return None
    middles, _ = vq.kmeans2(smooth, ends, minit="matrix")
    low, high = sorted(float(v) for v in middles)
    full: Bools = smooth < (low + high) / 2
    if not np.isfinite([low, high]).all() or not 0 < full.sum() < len(full):
        return None
    means = series.means()
    typical = float(np.median(means)) + high
    if typical <= 0:
        return None
    amplitude = float(np.clip((high - low) / typical, 1e-6, 0.9))
    moved = max(int((np.diff(full.astype(np.int8)) != 0).sum()), 2)
    span = float(series.steps().sum())
    share = float(np.clip(full.mean(), 0.02, 0.98))
    times = [2 * span * (1 - share) / moved, 2 * span * share / moved]
    noise = float(np.std(rest - np.where(full, low, high)))
    level = np.maximum(means + high, 1e-3 * typical)
    return np.log([amplitude, *times]), level, np.full(len(means), max(noise, 1e-6 * typical))
