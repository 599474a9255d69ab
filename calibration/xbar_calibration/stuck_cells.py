"""Stuck cells: cells that stand far from where they were written, at one end or the other."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from xbar.errors import InputError
from xbar.units import show
from xbar_calibration.fit import Bools, Fit, Floats, Ints, Outcome, Parameter, Refusal
from xbar_calibration.intervals import proportion
from xbar_calibration.quantities import conductance_text, number

LAW: Final = "stuck_cells"
FAR: Final = 6.0
"""Standard deviations beyond which a cell is stuck: a normal error does that in 2 of 10^9 cells."""
STILL: Final = 0.25
"""Spreads within which a cell stands still from write to write,"""
APART: Final = 4.5
"""while its targets lie so many spreads apart: by chance one cell of 10 000 does that."""
AT_END: Final = 0.15
"""Share of the range within which such a cell lies at one end."""
FEWEST: Final = 20
"""Cells that a share needs."""
ONE_SIGMA: Final = (0.1587, 0.5, 0.8413)
"""Quantiles of a normal distribution one standard deviation from its middle."""
OUTER: Final = 0.9332
"""Quantile one and a half standard deviations above it."""
MOST_LEVELS: Final = 8
"""States of a device that has few."""
APART_LEVELS: Final = 2.0
"""Gap between states, in widths of the widest group of readings."""
BINS: Final = 16
"""Groups of targets whose spread is measured by itself."""


@dataclass(frozen=True, eq=False)
class StuckMap:
    """Which writes did not take, and of which it could be seen; `(w,)` each."""

    cell: Ints
    """Device of each write."""
    off: Bools
    on: Bools
    seen_off: Bools
    """Writes whose target is so high that a cell stuck off would be noticed."""
    seen_on: Bools

    @property
    def stuck(self) -> Bools:
        """Get the writes that did not take, and all writes of cells of which most did not.

        A stuck cell that was to be written near where it stands looks right, and would count as scatter.
        """
        cell, size = self.cell, int(self.cell.max(initial=-1)) + 1
        found = self.off | self.on
        for missed, noticed in ((self.off, self.seen_off), (self.on, self.seen_on)):
            times = np.bincount(cell, missed, size)
            bad = (times > 0) & (times > 0.5 * np.bincount(cell, noticed, size))
            found = found | bad[cell]
        return np.asarray(found)


def groups(target: Floats) -> Ints:
    """Return the group of each target: one for each level where these are few and repeated, else neighbours."""
    levels, inverse, counts = np.unique(target, return_inverse=True, return_counts=True)
    if len(levels) > BINS or counts.min(initial=0) < 8:
        edges = np.quantile(target, np.linspace(0, 1, max(2, min(BINS, len(target) // 12)) + 1))
        inverse = np.clip(np.searchsorted(edges, target, side="right") - 1, 0, len(edges) - 2)
    return np.asarray(np.unique(inverse, return_inverse=True)[1].ravel(), np.int64)


def robust_spread(target: Floats, error: Floats) -> Floats:
    """Return the standard deviation of errors around the median of their group of targets, outliers without weight.

    Targets near zero are cut off at zero: one side of their errors alone has the whole spread.
    """
    inverse = groups(target)
    spread = np.empty_like(target)
    for group in np.unique(inverse):
        mine = inverse == group
        low, middle, high = np.quantile(error[mine], ONE_SIGMA)
        usual = 1.4826 * np.median(np.abs(error[mine] - middle))
        if low == middle:
            # Most lie where they are cut off: of few on one side the outer ones tell more.
            high = max(high, middle + (np.quantile(error[mine], OUTER) - middle) / 1.5)
        spread[mine] = max(usual, high - middle, middle - low)
    return spread


def find_stuck(cell: Ints, target: Floats, first: Floats) -> StuckMap:
    """Return the stuck cells among writes of devices `cell` to `target` [S], first read as `first` [S]; `(w,)` each.

    Raises `InputError` where most cells do not follow their targets at all.
    """
    if len(target) >= 8 and np.ptp(target) > 0.2 * np.abs(target).max():
        low, high = np.quantile(target, [0.25, 0.75])
        gap = np.median(first[target >= high]) - np.median(first[target <= low])
        wanted = np.median(target[target >= high]) - np.median(target[target <= low])
        if gap < 0.1 * wanted:
            raise InputError(
                f"cells do not follow their targets: between the lower and the upper quarter of targets lie "
                f"{show(float(wanted), 'S')}, of readings {show(float(gap), 'S')}; all cells are stuck, or targets and "
                "readings belong to different cells"
            )
    error = first - target
    spread = robust_spread(target, error)
    floor = 1e-3 * float(np.abs(target).max(initial=0.0))
    limit = FAR * np.maximum(spread, floor)
    middle = np.median(error / np.maximum(spread, floor)) * np.maximum(spread, floor) if len(target) else error
    lowest, highest = float(target.min(initial=np.inf)), float(target.max(initial=-np.inf))
    off, on = error - middle < -limit, error - middle > limit
    still = _still(cell, target, first, np.maximum(spread, floor))
    near = AT_END * (highest - lowest)
    off, on = off | (still & (first < lowest + near)), on | (still & (first > highest - near))
    return StuckMap(cell, off, on, target - lowest > limit, highest - target > limit)


def _still(cell: Ints, target: Floats, first: Floats, spread: Floats) -> Bools:
    """Return the writes of cells that stood still while their targets differed."""
    order = np.argsort(cell, kind="stable")
    own, start = np.unique(cell[order], return_index=True)
    if not len(own):
        return np.zeros(0, np.bool_)

    def span(values: Floats) -> Floats:
        return np.asarray(np.maximum.reduceat(values[order], start) - np.minimum.reduceat(values[order], start))

    usual = np.maximum.reduceat(spread[order], start)
    still = (span(target) > APART * usual) & (span(first) < STILL * usual)
    return np.asarray(still[np.searchsorted(own, cell)])


def few_levels(target: Floats, first: Floats) -> Fit | None:
    """Return the levels of cells that have a few states only, such as two; None where they follow their targets.

    Told where readings lie in a few groups, far apart for their widths, and several targets end in each.
    """
    value, ends = np.sort(first[np.isfinite(first)]), np.unique(target)
    if len(value) < FEWEST:
        return None
    gaps = np.diff(value)
    for count in range(2, MOST_LEVELS + 1):
        if len(ends) < 2 * count:
            break
        cuts = np.sort(np.argsort(-gaps)[: count - 1])
        parts = np.split(value, cuts + 1)
        wide = max(float(np.ptp(part)) for part in parts)
        if min(map(len, parts)) >= max(0.05 * len(value), 5) and gaps[cuts].min() > APART_LEVELS * wide:
            own = []
            for k, part in enumerate(parts):
                middle, reach = float(part.mean()), 1.96 * float(part.std()) / float(np.sqrt(len(part)))
                own.append(Parameter(f"level {k + 1}", middle, middle - reach, middle + reach, "S"))
            note = f"cells take {count} levels whatever their target is: a write ends at the nearest"
            keys = {"conductances": [conductance_text(p.value) for p in own]}
            return Fit("levels", "list", tuple(own), keys, len(value), notes=(note,))
    return None


def fit_stuck_cells(found: StuckMap) -> Outcome:
    """Return the shares of stuck cells with exact binomial intervals, of the cells in which one would be noticed."""
    cell = found.cell
    if len(np.unique(cell)) < FEWEST:
        return Refusal(LAW, f"{len(np.unique(cell))} cells were written and read; {FEWEST} are needed")
    if not found.seen_off.any() and not found.seen_on.any():
        return Refusal(LAW, "every target lies too near to both ends of the range for a stuck cell to be noticed")
    counts = []
    for name, stuck, seen in (("off", found.off, found.seen_off), ("on", found.on, found.seen_on)):
        total = len(np.unique(cell[seen]))
        many = len(np.unique(cell[stuck & seen]))
        counts.append(proportion(name, many, total) if total else proportion(name, 0, 1))
    keys = {p.name: number(p.value) for p in counts}
    total = len(np.unique(cell))
    notes = (
        f"{len(np.unique(cell[found.off]))} cells stuck low, {len(np.unique(cell[found.on]))} stuck high, of {total}",
    )
    return Fit(LAW, "independent", tuple(counts), keys, total, notes=notes, model=found)
