"""Wires: the resistance of line segments, from what cells far from source and sensing lose against near ones."""

from collections.abc import Callable
from typing import Final

import numpy as np
from scipy import stats

from xbar.array.wired_array import WiredArray
from xbar.circuit.wires import Wires
from xbar_calibration.decay import Histories
from xbar_calibration.fit import Bools, Fit, Floats, Ints, Outcome, Refusal, Residuals
from xbar_calibration.intervals import maximise, profile
from xbar_calibration.stuck_cells import groups

LAW: Final = "wires"
FEWEST: Final = 8
"""Lines of each kind that an array needs."""
LEAST: Final = 1e-3
"""False-alarm level of the test whether there is a loss along the lines."""
MOST_PATTERNS: Final = 3
"""Writes of whole arrays that the fit uses."""
MOST_COMPUTED: Final = 64
MOST_CELLS: Final = 128 * 128


def fit_wires(h: Histories, places: Ints, stuck: Bools) -> tuple[Outcome, Floats | None]:
    """Return the resistance of a segment of word and of bit lines, and what the wires leave of each write `(w,)`.

    Cells are read alone, all other lines at 0 V. The model is the exact circuit (`xbar.circuit.operator`) of an array
    whose cells stand at their targets, each word line driven at its first cell and each bit line sensed at its last.
    Maximum likelihood of the first readings after each write of a whole array. For each group of targets their spread
    is free, and the factor by which all miss their targets: where cells stand tells wires, not that they stand low.
    What a device keeps from write to write counts once. Resistances of sources and sensing are not told apart from the
    cells'.

    Args:
        h: visits by write.
        places: (array, row, col) of each device `(devices, 3)`.
        stuck: writes that did not take `(w,)`.

    """
    patterns = _patterns(h, places)
    if not patterns:
        return Refusal(LAW, f"no array of {FEWEST} x {FEWEST} cells or more was written and read as a whole"), None
    used = _heaviest(h, patterns)
    chosen = np.concatenate([cells.ravel() for cells in used])
    target, first, good = h.target[chosen], h.g[chosen, 0], ~stuck[chosen]
    group = groups(target)
    # A stuck cell loads its lines with what it is, not with what it should be.
    load = np.where(stuck, np.maximum(h.g[:, 0], 0.0), h.target)

    def shares(p: Floats) -> Floats:
        return np.concatenate([_share(p, load[cells]).ravel() for cells in used])

    again = all(np.array_equal(h.cell[cells], h.cell[used[0]]) for cells in used)
    many = len(used) if again else 1
    independent = _independent((first - target).reshape(many, -1), group.reshape(many, -1))
    function = _likelihood(shares, target, first, (good, independent), group)
    start = 0.01 / float(np.mean([load[cells].sum(axis=0).max() for cells in used]))
    peak = maximise(function, [start, start], [start, start])
    if stats.chi2.sf(2 * (peak.log_likelihood - function(np.zeros(2))), 2) > LEAST:
        return Refusal(LAW, "cells far along the lines lose no more than near ones: ideal wires"), None
    left = _left(h, patterns, lambda cells: _share(peak.values, load[cells]))
    z = (first - target * left[chosen])[good]
    z = z / np.sqrt(np.bincount(group[good], z**2) / np.maximum(np.bincount(group[good]), 1))[group[good]]
    distance = np.concatenate([np.add.outer(np.arange(c.shape[0])[::-1], np.arange(c.shape[1])).ravel() for c in used])
    x, ratio = distance[good].astype(np.float64), first[good] / np.maximum(target[good], 1e-15)
    shown = Residuals("wires", "segments to source and sensing", "reading / target", x, ratio, left[chosen][good], z)
    fit = Fit(
        LAW,
        "segments",
        profile(function, peak, ["word", "bit"], ["ohm", "ohm"]),
        {},
        int(good.sum()),
        residuals=shown,
        notes=("not in the card: give them to the bench, --wires 'word=..., bit=...'",),
    )
    return fit, left


def _share(p: Floats, load: Floats) -> Floats:
    """Return what wires of these resistances leave of each cell `(rows, cols)`."""
    return np.asarray(WiredArray(Wires(float(p[0]), float(p[1]))).operator(load).share)


def _patterns(h: Histories, places: Ints) -> list[Ints]:
    """Return the write of each cell `(rows, cols)`, for every array and every turn in which all of it was written."""
    # Writes are ordered by cell and time.
    _, start, count = np.unique(h.cell, return_index=True, return_counts=True)
    turn = np.arange(len(h)) - np.repeat(start, count)
    place, found = places[h.cell], list[Ints]()
    for array in np.unique(place[:, 0]):
        mine = np.flatnonzero(place[:, 0] == array)
        rows, cols = (int(place[mine, k].max()) + 1 for k in (1, 2))
        if min(rows, cols) < FEWEST or rows * cols > MOST_CELLS:
            continue
        for k in range(int(turn[mine].max()) + 1):
            own = mine[turn[mine] == k]
            if len(own) == rows * cols:
                table = np.empty((rows, cols), np.int64)
                table[place[own, 1], place[own, 2]] = own
                found.append(table)
    return found


def _heaviest(h: Histories, patterns: list[Ints]) -> list[Ints]:
    """Return the patterns that load the lines most: they tell most of the wires."""
    order = sorted(range(len(patterns)), key=lambda k: -float(h.target[patterns[k]].sum()))
    return [patterns[k] for k in sorted(order[:MOST_PATTERNS])]


def _left(h: Histories, patterns: list[Ints], share: Callable[[Ints], Floats]) -> Floats:
    """Return what the wires leave of each write; of one that was no part of a whole array, what they leave on average.

    Of many writes of an array the last patterns are computed, and the mean of these stands for the others.
    """
    left = np.full(len(h), np.nan)
    for cells in patterns[-MOST_COMPUTED:]:
        left[cells] = share(cells)
    cell = h.cell
    sums, seen = np.bincount(cell, np.nan_to_num(left)), np.bincount(cell, np.isfinite(left))
    mean = np.where(seen > 0, sums / np.maximum(seen, 1), 1.0)
    return np.where(np.isfinite(left), left, mean[cell])


def _independent(error: Floats, group: Ints) -> float:
    """Return the share of the readings that are independent of each other, by what cells repeat from write to write.

    `error` [S] and `group` of targets are those of writes of the same cells `(writes, cells)`.
    """
    patterns = len(error)
    if patterns < 2:
        return 1.0
    z = np.empty_like(error)
    for one in np.unique(group):
        mine = group == one
        values = error[mine] - np.median(error[mine])
        spread = 1.4826 * float(np.median(np.abs(values)))
        z[mine] = np.clip(values / max(spread, 1e-300), -3.0, 3.0)
    pairs = [float(np.mean(z[a] * z[b])) for a in range(patterns) for b in range(a)]
    together = float(np.mean(pairs)) / max(float(np.mean(z**2)), 1e-300)
    return 1 / (1 + (patterns - 1) * max(together, 0.0))


def _likelihood(
    shares: Callable[[Floats], Floats], target: Floats, first: Floats, told: tuple[Bools, float], group: Ints
) -> Callable[[Floats], float]:
    """Return the log-likelihood of two resistances; `told` are the readings that count, and their independent share."""
    good, independent = told
    own = group[good]
    counts = np.bincount(own)

    def function(p: Floats) -> float:
        if p.min() < 0:
            return -np.inf
        model, read = (target * shares(p))[good], first[good]
        square = np.bincount(own, model**2)
        factor = np.where(square > 0, np.bincount(own, model * read) / np.where(square > 0, square, 1.0), 1.0)
        rest = read - factor[own] * model
        variance = np.bincount(own, rest**2) / np.maximum(counts, 1)
        return float(-0.5 * independent * (counts * np.log(np.maximum(variance, 1e-300)))[counts > 0].sum())

    return function
