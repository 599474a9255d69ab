"""Compare two traces, or a trace and a card: distances between distributions, law by law, and the worst cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import stats

from xbar.devices.card import DeviceCard
from xbar.errors import InputError
from xbar_calibration.decay import histories
from xbar_calibration.fit import Floats, Ints, Residuals
from xbar_calibration.observations import Observations, Visits
from xbar_calibration.report import Shown

if TYPE_CHECKING:
    from xbar.array.cell_array import CellArray

FEWEST: Final = 10
"""Values of a quantity that a comparison needs on each side."""
WORST: Final = 20
"""Worst cells that are listed."""
DRAWS: Final = 50
"""Simulated values for each measured one, where one side is a card."""


@dataclass(frozen=True)
class Distance:
    """How far two samples of one quantity lie apart."""

    quantity: str
    unit: str
    counts: tuple[int, int]
    means: tuple[float, float]
    spreads: tuple[float, float]
    wasserstein: float
    """Mean distance by which one distribution must be moved to be the other, in the quantity's unit."""
    kolmogorov: float
    """Largest difference of the cumulative distributions, 0 to 1."""
    p_value: float
    """Probability of such a difference or a larger one where both are the same (two-sample Kolmogorov-Smirnov)."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `xbar compare` found."""

    names: tuple[str, str]
    distances: tuple[Distance, ...]
    worst: tuple[tuple[int, int, int, float, float, float], ...]
    """(array, row, col, value of the first, value of the second [S], difference in standard deviations)."""
    panels: tuple[Residuals, ...]
    notes: tuple[str, ...] = ()

    def tables(self) -> list[Shown]:
        """Return what to print."""
        rows = [
            [
                f"{d.quantity} [{d.unit}]" if d.unit else d.quantity,
                f"{d.counts[0]} / {d.counts[1]}",
                f"{d.means[0]:.4g} / {d.means[1]:.4g}",
                f"{d.spreads[0]:.4g} / {d.spreads[1]:.4g}",
                f"{d.wasserstein:.3g}",
                f"{d.kolmogorov:.3f}",
                f"{d.p_value:.3g}",
            ]
            for d in self.distances
        ]
        heads = ["quantity", "values", "mean", "spread", "Wasserstein", "Kolmogorov", "p"]
        shown: list[Shown] = [(f"{self.names[0]} / {self.names[1]}", heads, rows)]
        cells = [
            [f"{a}", f"({r}, {c})", f"{x * 1e6:.4g}", f"{y * 1e6:.4g}", f"{z:.2f}"] for a, r, c, x, y, z in self.worst
        ]
        if cells:
            columns = ["array", "cell", "first [uS]", "second [uS]", "standard deviations"]
            shown.append(("worst cells, first reading after the write", columns, cells))
        if self.notes:
            shown.append(("notes", ["note"], [[note] for note in self.notes]))
        return shown

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        keys = ("array", "row", "col", "first", "second", "standard_deviations")
        return {
            "names": list(self.names),
            "distances": [vars(d) | {"counts": list(d.counts)} for d in self.distances],
            "worst": [dict(zip(keys, cell, strict=True)) for cell in self.worst],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, eq=False)
class Sample:
    """The quantities of one side, each `(n,)`, and the first reading of each cell."""

    quantities: dict[str, tuple[str, Floats]]
    """(unit, values) by name."""
    cell: Ints
    first: Floats
    target: Floats


def sample_of(observed: Observations) -> Sample:
    """Return what a trace says of each law: error of writes, change with time, noise of readings."""
    found: dict[str, tuple[str, Floats]] = {}
    visits = observed.visits
    ends = visits.where(_first_and_last(visits))
    noisy = (ends.count >= 2) & (ends.mean > 0)
    if noisy.any():
        relative = np.sqrt(ends.squares[noisy] / (ends.count[noisy] - 1)) / ends.mean[noisy]
        found["noise of a reading, relative"] = ("", relative)
    if not len(observed.writes.cell):
        found["conductance"] = ("S", visits.mean)
        return Sample(found, visits.cell, visits.mean, visits.mean)
    h = histories(observed)
    if len(h):
        first = h.g[:, 0]
        found["error of a write"] = ("S", first - h.target)
        positive = (h.g[:, 0] > 0) & (np.isfinite(h.g).sum(1) >= 2)
        if positive.any():
            last = np.array([row[np.isfinite(row)][-1] for row in h.g[positive]])
            found["last over first reading"] = ("", last / h.g[positive, 0])
        return Sample(found, h.cell, first, h.target)
    found["conductance"] = ("S", visits.mean)
    return Sample(found, visits.cell, visits.mean, visits.mean)


def _first_and_last(visits: Visits) -> Ints:
    """Return the first and the last visit of each write, and all those that belong to none."""
    written = np.flatnonzero((visits.write >= 0) & np.isfinite(visits.age))
    order = written[np.lexsort((visits.age[written], visits.write[written]))]
    change = np.flatnonzero(np.diff(visits.write[order]))
    ends = order[np.r_[0, change + 1, change, len(order) - 1]] if len(order) else order
    rest = np.flatnonzero(~((visits.write >= 0) & np.isfinite(visits.age)))
    return np.asarray(np.unique(ends) if len(ends) else rest, np.int64)


def sample_of_card(card: DeviceCard, observed: Observations, seed: int = 0) -> Sample:
    """Return what arrays of a card give that are written and read as the trace was: same targets, ages, repeats.

    Raises `InputError` where the trace has no targets, or none inside the range of the card.
    """
    from xbar.array.cell_array import CellArray

    h = histories(observed)
    inside = (h.target >= card.g_min) & (h.target <= card.g_max) if len(h) else np.zeros(0, np.bool_)
    if not inside.any():
        raise InputError(
            f"{', '.join(observed.names)} holds no reading after a write to a target inside the range of card "
            f"{card.name!r}; a card is compared with written cells"
        )
    h = h.where(inside)
    rng = np.random.default_rng(seed)
    last = np.isfinite(h.g).sum(1) - 1
    rows = np.arange(len(h))
    # Writes that were read first and last at the same ages and as often are simulated together.
    when = np.column_stack([h.age[:, 0], h.age[rows, last], h.count[:, 0], h.count[rows, last]])
    key = np.column_stack([np.round(np.log(np.maximum(when[:, :2], 1e-9)), 1), when[:, 2:]])
    _, group = np.unique(key, axis=0, return_inverse=True)
    firsts, lasts = np.empty((len(h), DRAWS)), np.empty((len(h), DRAWS))
    noise = list[Floats]()
    for k in range(int(group.max()) + 1):
        mine = np.flatnonzero(group.ravel() == k)
        cells = CellArray(len(mine), DRAWS, card, seed, k)
        cells.program(np.repeat(h.target[mine, None], DRAWS, axis=1), 0.0)
        own = np.median(when[mine], axis=0)
        again = bool((last[mine] > 0).any())
        firsts[mine] = lasts[mine] = _visit(cells, (own[0], int(own[2])), 1, rng, noise)
        if again:
            lasts[mine] = _visit(cells, (own[1], int(own[3])), 2, rng, noise)
    found: dict[str, tuple[str, Floats]] = {"error of a write": ("S", (firsts - h.target[:, None]).ravel())}
    if noise:
        found["noise of a reading, relative"] = ("", np.concatenate(noise))
    good = (firsts > 0) & (last > 0)[:, None]
    if good.any():
        found["last over first reading"] = ("", lasts[good] / firsts[good])
    return Sample(found, h.cell, np.median(firsts, axis=1), h.target)


def _visit(
    cells: "CellArray", how: tuple[float, int], event: int, rng: np.random.Generator, noise: list[Floats]
) -> Floats:
    """Return the means of a visit at an age [s] of so many readings; their relative scatter is added to `noise`."""
    age, repeats = how
    g = cells.conductances(age, event)
    sigma = cells.sigma(g)
    spread = np.zeros_like(g) if sigma is None else sigma
    seen = g[..., None] + spread[..., None] * rng.standard_normal((*g.shape, repeats))
    mean = np.asarray(seen.mean(axis=-1))
    if repeats >= 2:
        good = mean > 0
        noise.append((seen.std(axis=-1, ddof=1)[good] / mean[good]).ravel())
    return mean


def compare(
    names: tuple[str, str], first: Sample, second: Sample, places: Ints, notes: Sequence[str] = ()
) -> Comparison:
    """Return the distances of every quantity that both sides have, and the worst cells.

    Raises `InputError` where they have none in common.
    """
    common = [name for name in first.quantities if name in second.quantities]
    usable = [n for n in common if min(len(first.quantities[n][1]), len(second.quantities[n][1])) >= FEWEST]
    if not usable:
        raise InputError(
            f"{names[0]} and {names[1]} have nothing in common to compare: the first has "
            f"{', '.join(first.quantities) or 'nothing'}, the second {', '.join(second.quantities) or 'nothing'}"
        )
    distances = tuple(_distance(n, first.quantities[n], second.quantities[n][1]) for n in usable)
    panels = tuple(_panel(n, first.quantities[n], second.quantities[n][1], names) for n in usable)
    return Comparison(names, distances, _worst(first, second, places), panels, tuple(notes))


def _distance(name: str, first: tuple[str, Floats], second: Floats) -> Distance:
    unit, a = first
    a, b = a[np.isfinite(a)], second[np.isfinite(second)]
    test = stats.ks_2samp(a, b)
    return Distance(
        name,
        unit,
        (len(a), len(b)),
        (float(a.mean()), float(b.mean())),
        (float(a.std()), float(b.std())),
        float(stats.wasserstein_distance(a, b)),
        float(test.statistic),
        float(test.pvalue),
    )


def _worst(first: Sample, second: Sample, places: Ints) -> tuple[tuple[int, int, int, float, float, float], ...]:
    """Return the cells whose first readings differ most, in robust standard deviations of the differences."""
    cells, a, b = np.intersect1d(first.cell, second.cell, return_indices=True)
    if len(cells) < FEWEST:
        return ()
    x = first.first[a] - first.target[a]
    y = second.first[b] - second.target[b]
    difference = x - y
    middle = np.median(difference)
    scale = 1.4826 * float(np.median(np.abs(difference - middle)))
    z = (difference - middle) / max(scale, 1e-15)
    order = np.argsort(-np.abs(z), kind="stable")[:WORST]
    found = []
    for k in order:
        array, row, col = (int(v) for v in places[cells[k]])
        found.append((array, row, col, float(first.first[a[k]]), float(second.first[b[k]]), float(z[k])))
    return tuple(found)


def _panel(name: str, first: tuple[str, Floats], second: Floats, names: tuple[str, str]) -> Residuals:
    """Return quantiles of one side over those of the other."""
    share = (np.arange(400) + 0.5) / 400
    a, b = (np.quantile(v[np.isfinite(v)], share) for v in (first[1], second))
    unit = f" [{first[0]}]" if first[0] else ""
    spread = float(np.std(b)) or 1.0
    return Residuals(name, f"quantiles of {names[1]}{unit}", f"of {names[0]}{unit}", b, a, b, (a - b) / spread)
