"""Random telegraph noise: amplitude and dwell times of cells with two levels, and the share of cells that have them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

from xbar.units import show
from xbar_calibration.fit import LEVEL, Fit, Floats, Ints, Outcome, Parameter, Refusal, Residuals, held_out, ranked
from xbar_calibration.intervals import Peak, maximise, profile, proportion
from xbar_calibration.quantities import number, time_text
from xbar_calibration.reading_series import Series
from xbar_calibration.telegraph_cell import CellSeries, Levels, fit_levels, likelihood_of, refined

LAW: Final = "random_telegraph_noise"
FEWEST: Final = 64
"""Readings of a cell that can tell two levels."""
MOVES: Final = 10.0
"""Changes of level, of all cells, that dwell times need."""
TOO_FAST: Final = 0.2
"""Mean time in a level, in times between readings, to which an interval may not reach down."""
MOST_CELLS: Final = 256
MOST_READINGS: Final = 200_000
"""Readings that are used of all cells together."""
MANY: Final = 8
"""Cells with two levels of which some are held out; of fewer the end of each series is."""
DRAWN: Final = 2000
NAMES: Final = ("amplitude", "empty", "full")


@dataclass(frozen=True, eq=False)
class Examined:
    """Numbers of the cells whose series were looked at."""

    trapped: Ints
    """Those with two levels."""
    quiet: Ints
    """The others."""


def fit_telegraph_noise(series: Series | None, hold_out: float, seed: int) -> tuple[Outcome, Examined]:
    """Return the law, and which cells were found to have two levels and which not.

    Maximum likelihood of a two-state Markov chain that is read with white noise (a hidden Markov model), levels and
    noise of each series its own. A cell counts as having two levels where these leave an AIC better by 10 than one
    level does, and than one level with an Ornstein-Uhlenbeck process, which is what 1/f noise looks like.

    Args:
        series: readings in time.
        hold_out: share of the cells with two levels that the numbers are not fitted to; with few such cells, of each
            series.
        seed: of that choice.

    """
    cells = cells_of(series)
    if not cells:
        most = 0 if series is None else int(np.unique(series.cell, return_counts=True)[1].max(initial=0))
        reason = f"the longest series of one cell has {most} readings; read some cells {FEWEST} times or more in a row"
        return Refusal(LAW, reason), Examined(np.zeros(0, np.int64), np.zeros(0, np.int64))
    closely = [cell for cell in cells if cell.strange()]
    found = [levels for levels in map(fit_levels, closely) if levels is not None]
    trapped = [levels for levels in found if levels.trapped]
    mine = np.array([levels.series.cell for levels in trapped], np.int64)
    examined = Examined(mine, np.setdiff1d([cell.cell for cell in cells], mine))
    reason = _vague(trapped) if trapped else _none(cells, found)
    return Refusal(LAW, reason) if reason else _fit(cells, trapped, hold_out, seed), examined


def _vague(trapped: Sequence[Levels]) -> str:
    """Return why the times of the levels cannot be told; empty where they can."""
    moves = sum(levels.moves for levels in trapped)
    if moves < MOVES:
        return f"the levels change {moves:.0f} times in all; {MOVES:g} are needed: read longer"
    return ""


def cells_of(series: Series | None) -> list[CellSeries]:
    """Return the series by cell, of cells that have readings enough; of many readings the first of each cell."""
    if series is None:
        return []
    numbers, counts = np.unique(series.cell, return_counts=True)
    chosen = numbers[counts >= FEWEST]
    if not len(chosen):
        return []
    chosen = chosen[:: max(1, -(-len(chosen) // MOST_CELLS))]
    most, made = max(MOST_READINGS // len(chosen), FEWEST), list[CellSeries]()
    order = np.argsort(series.cell, kind="stable")
    first, last = (np.searchsorted(series.cell[order], chosen, side=side) for side in ("left", "right"))
    for cell, begin, end in zip(chosen, first, last, strict=True):
        mine = order[begin : min(end, begin + most)]
        starts = np.r_[np.flatnonzero(np.r_[True, np.diff(series.number[mine]) != 0]), len(mine)]
        made.append(CellSeries(int(cell), series.time[mine], series.g[mine], starts.astype(np.int64)))
    return [cell for cell in made if len(cell.steps())]


def _none(cells: Sequence[CellSeries], found: Sequence[Levels]) -> str:
    limit = float(proportion("share", 0, len(cells)).high)
    text = f"none of {len(cells)} cells has two levels (with 95 % fewer than {100 * limit:.2g} % have)"
    memory = sum(levels.remembers for levels in found)
    if memory:
        return f"{text}; the noise of {memory} has a memory, but not that of two levels: 1/f noise, or drift"
    return text


def _fit(cells: Sequence[CellSeries], trapped: Sequence[Levels], hold_out: float, seed: int) -> Outcome:
    seen, unseen = _split(trapped, hold_out, seed)
    functions = [likelihood_of(levels.series, levels.level, levels.sigma) for levels in seen]

    def together(p: Floats) -> float:
        return sum(function(p) for function in functions)

    start = np.median([levels.log_law for levels in seen], axis=0)
    if not np.isfinite(together(start)):
        start = seen[0].log_law
    peak = maximise(together, list(start), [0.2, 0.4, 0.4])
    differ = 2 * (sum(levels.log_likelihood for levels in seen) - peak.log_likelihood)
    notes = [f"{len(trapped)} of {len(cells)} cells have two levels, {sum(t.moves for t in trapped):.0f} changes"]
    alike = len(seen) < 3 or stats.chi2.sf(max(differ, 0.0), 3 * (len(seen) - 1)) > 1e-3
    if alike:
        found = [p.exponential() for p in profile(together, peak, NAMES, ("", "s", "s"))]
    else:
        found = _middle(seen)
        peak = Peak(np.log([p.value for p in found]), peak.log_likelihood, peak.scale)
        spread = np.exp(np.std([levels.log_law for levels in seen], axis=0, ddof=1))
        factors = ", ".join(f"{name} {factor:.2g}" for name, factor in zip(NAMES, spread, strict=True))
        notes.append(f"cells differ by factors ({factors}); the card has their geometric mean for all")
    step = min(float(levels.series.steps().min()) for levels in trapped)
    if min(p.low for p in found[1:]) < TOO_FAST * step:
        return Refusal(
            LAW,
            f"{len(trapped)} cells have two levels, which change from one reading to the next, {show(step, 's')} "
            "apart: read faster to tell their times",
        )
    parameters = (*found, proportion("share", len(trapped), len(cells)))
    values = {p.name: p.value for p in parameters}
    keys = {"amplitude": number(values["amplitude"]), "empty": time_text(values["empty"])}
    keys |= {"full": time_text(values["full"]), "share": number(values["share"])}
    sums = np.sum([levels.rivals for levels in seen], axis=0)
    rivals = dict(zip(("two_state", "one level", "one level, noise with a memory"), sums.tolist(), strict=True))
    g = np.concatenate([levels.level for levels in trapped])
    points = sum(len(levels.series.g) for levels in seen)
    told = held_out(np.concatenate([predictions(levels, peak.values) for levels in unseen])) if unseen else None
    return Fit(
        LAW,
        "two_state",
        parameters,
        keys,
        points,
        ranked(rivals),
        told,
        _drawn(max(trapped, key=lambda levels: levels.moves), peak.values),
        valid=(float(g.min()), float(g.max())),
        notes=tuple(notes),
    )


def _split(trapped: Sequence[Levels], hold_out: float, seed: int) -> tuple[list[Levels], list[Levels]]:
    """Return what the numbers are fitted to and what is predicted: other cells, or the ends of the series."""
    if hold_out == 0:
        return list(trapped), []
    if len(trapped) >= MANY:
        kept = np.random.default_rng(seed).random(len(trapped)) >= hold_out
        if kept.sum() >= 3:
            return [t for t, k in zip(trapped, kept, strict=True) if k], [
                t for t, k in zip(trapped, kept, strict=True) if not k
            ]
    firsts, rests = list[Levels](), list[Levels]()
    for levels in trapped:
        first, rest = levels.series.part(1 - hold_out), levels.series.part(1 - hold_out, rest=True)
        own = fit_levels(first) if len(first.steps()) else None
        firsts.append(own if own is not None else levels)
        if own is not None and len(rest.steps()) and len(rest.starts) == len(first.starts):
            rests.append(Levels(rest, own.log_law, 0.0, own.rivals, own.level, own.sigma, own.full, own.moves))
    return firsts, rests


def _middle(seen: Sequence[Levels]) -> list[Parameter]:
    """Return geometric means over cells, with intervals by Student's t of the logarithms."""
    logs = np.array([levels.log_law for levels in seen])
    found = []
    for k, (name, unit) in enumerate(zip(NAMES, ("", "s", "s"), strict=True)):
        error = float(logs[:, k].std(ddof=1)) / np.sqrt(len(logs))
        reach = float(stats.t.ppf((1 + LEVEL) / 2, len(logs) - 1)) * error
        middle = float(logs[:, k].mean())
        found.append(Parameter(name, middle, middle - reach, middle + reach, unit).exponential())
    return found


def predictions(levels: Levels, log_law: Floats) -> Floats:
    """Return how readings differ from what those before them predict, as normals of the same probability."""
    series = levels.series
    level, sigma, _, _, full = refined(series, log_law, levels.level, levels.sigma, 0)
    high, scale = level[series.owner], sigma[series.owner]
    low = high * (1 - float(np.exp(log_law[0])))
    share = (1 - full) * stats.norm.cdf((series.g - high) / scale) + full * stats.norm.cdf((series.g - low) / scale)
    return np.asarray(stats.norm.ppf(np.clip(share, 1e-9, 1 - 1e-9)))


def _drawn(levels: Levels, log_law: Floats) -> Residuals:
    """Return the readings of the series of one cell that changes most, and the level that each most likely has."""
    series = levels.series
    own = levels.log_law if np.isfinite(levels.log_law).all() else log_law
    level, sigma, _, _, full = refined(series, own, levels.level, levels.sigma, 0)
    high, scale = level[series.owner], sigma[series.owner]
    low = high * (1 - float(np.exp(own[0])))
    odds = np.log(np.maximum(full, 1e-300) / np.maximum(1 - full, 1e-300))
    odds += 0.5 * ((series.g - high) ** 2 - (series.g - low) ** 2) / scale**2
    parts = [slice(first, last) for first, last in zip(series.starts[:-1], series.starts[1:], strict=True)]
    part = max(parts, key=lambda own: int((np.diff(np.sign(odds[own])) != 0).sum()))
    part = slice(part.start, min(part.stop, part.start + DRAWN))
    names = (f"telegraph noise of device {series.cell}", "time in the series [s]", "conductance [S]")
    fitted = np.where(odds > 0, low, high)[part]
    return Residuals(
        *names, series.time[part] - series.time[part.start], series.g[part], fitted, predictions(levels, own)
    )
