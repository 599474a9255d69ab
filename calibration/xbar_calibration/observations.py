"""What was measured, whatever it came from: readings of cells, writes, curves, pulse trains, products."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from xbar.errors import InputError
from xbar_calibration.fit import Bools, Floats, Ints
from xbar_calibration.reading_series import Series

MOST_VISITS: Final = 3_000_000
"""Visits that are kept in memory (about 200 MB); of longer data a share of the cells is taken."""


@dataclass(frozen=True, eq=False)
class Writes:
    """Programmed targets, one row a cell and write; `(w,)` each, ordered by cell and time."""

    cell: Ints
    """Number of the device."""
    target: Floats
    """[S]."""
    time: Floats
    """End of the write [s]."""


@dataclass(frozen=True, eq=False)
class Visits:
    """Readings of one cell that follow each other at one voltage: one row a visit; `(n,)` each."""

    cell: Ints
    write: Ints
    """Row of `Writes` that the cell stands by; -1 where it was never written, or moved by pulses since."""
    age: Floats
    """Time since that write [s]; NaN where it is not known."""
    mean: Floats
    """Mean conductance [S]."""
    count: Ints
    """Readings."""
    squares: Floats
    """Sum of squared deviations from the mean [S^2]."""

    def __len__(self) -> int:
        """Return the number of visits."""
        return len(self.cell)

    def where(self, mask: Bools | Ints) -> "Visits":
        """Return some of the visits."""
        firsts = (self.cell[mask], self.write[mask], self.age[mask])
        return Visits(*firsts, self.mean[mask], self.count[mask], self.squares[mask])


@dataclass(frozen=True, eq=False)
class Curves:
    """I-V curves; one row a point, `(n,)` each."""

    curve: Ints
    """Number of the curve."""
    cell: Ints
    voltage: Floats
    """[V]."""
    current: Floats
    """[A]."""


@dataclass(frozen=True, eq=False)
class Ramps:
    """Values before and after each of a train of equal pulses; `(pulses + 1, trains)`, NaN beyond a train's end."""

    up: Floats
    down: Floats
    scale: float
    """Conductance of one unit of the values [S]; NaN where they are states in a unit of their own."""
    every: int = 1
    """Pulses between two readings."""
    set_voltage: float = float("nan")
    """[V]."""
    reset_voltage: float = float("nan")
    width: float = float("nan")
    """[s]."""
    devices: tuple[Ints, Ints] | None = None
    """Device of each train up and down, where the data tell."""
    reading: float = float("nan")
    """Noise of the mean of the readings after a pulse, in the unit of the values; NaN where each is one reading."""


@dataclass(frozen=True, eq=False)
class Wear:
    """Writes of cells that wear; one row a write, `(n,)` each, in the order of writing."""

    cell: Ints
    pulses: Floats
    """That the cell had had before."""
    needed: Floats
    """Pulses that the write took, or any number that goes with them; NaN where it is not known."""
    failed: Floats
    """1 where the cell did not move any more, 0 where it did; NaN where that is not known."""


@dataclass(frozen=True, eq=False)
class Products:
    """Products of one array whose inputs were kept."""

    array: int
    voltages: Floats
    """`(vectors, rows)` [V]."""
    currents: Floats
    """`(vectors, cols)` [A]."""
    conductances: Floats
    """`(rows, cols)` as read from the cells before and after [S], NaN where they were not."""
    errors: Floats
    """Standard errors of these as conductances of the products `(rows, cols)` [S]."""


@dataclass(frozen=True, eq=False)
class Observations:
    """All that one or several files hold."""

    names: tuple[str, ...]
    """Names of the files."""
    sha256: str
    """Of the file's bytes; of several, of their hashes in order."""
    date: str
    """When it was measured, or when the file was last changed; ISO 8601."""
    places: Ints
    """(array, row, col) of each device, `(devices, 3)`."""
    read_voltage: float
    """[V], NaN where unknown."""
    writes: Writes
    visits: Visits
    curves: Curves | None = None
    ramps: Ramps | None = None
    deviations: Floats | None = None
    """Deviations of readings whose conductance is not known [S]."""
    products: tuple[Products, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = float("nan")
    """Duration of one reading, where the data tell [s]."""
    dropped: int = 0
    """Readings left out: in compliance, out of range, aborted, missing."""
    series: Series | None = None
    """Long series of readings of one cell, one by one."""
    kelvin: Floats | None = None
    """Temperature of each visit [K], where the data tell."""
    wear: Wear | None = None
    targets_known: bool = True
    """Whether targets were asked of the cells; else they are what was read first."""

    def place(self, cell: int) -> str:
        """Return where a device is, for messages."""
        array, row, col = (int(v) for v in self.places[cell])
        return f"array {array}, cell ({row}, {col})"


@dataclass
class VisitBuilder:
    """Collects readings into visits, chunk by chunk: memory holds visits, never readings."""

    keys: list[Ints] = field(default_factory=list)
    """(group, cell) of each visit, `(n, 2)`; a group is an operation at one voltage."""
    sums: list[Floats] = field(default_factory=list)
    """(time sum, mean, squares, count) of each visit, `(n, 4)`."""

    def add(self, group: Ints, cell: Ints, time: Floats, g: Floats) -> None:
        """Add readings in the order in which they were taken, `(n,)` each; those of one visit follow each other."""
        if not len(g):
            return
        start = np.flatnonzero(np.r_[True, (np.diff(group) != 0) | (np.diff(cell) != 0)])
        count = np.diff(np.r_[start, len(g)]).astype(np.float64)
        mean = np.add.reduceat(g, start) / count
        deviation = g - np.repeat(mean, count.astype(np.int64))
        squares = np.add.reduceat(deviation**2, start)
        self.keys.append(np.column_stack([group[start], cell[start]]))
        self.sums.append(np.column_stack([np.add.reduceat(time, start), mean, squares, count]))

    def finish(self) -> tuple[Ints, Ints, Floats, Floats, Ints, Floats]:
        """Return (group, cell, time, mean, count, squares) of the visits; those that a chunk cut in two are joined."""
        if not self.keys:
            empty, none = np.zeros(0, np.int64), np.zeros(0)
            return empty, empty, none, none, empty, none
        keys, sums = np.concatenate(self.keys), np.concatenate(self.sums)
        same = np.r_[False, (np.diff(keys, axis=0) == 0).all(axis=1)]
        start = np.flatnonzero(~same)
        count = np.add.reduceat(sums[:, 3], start)
        mean = np.add.reduceat(sums[:, 1] * sums[:, 3], start) / count
        lengths = np.diff(np.r_[start, len(sums)])
        between = sums[:, 3] * (sums[:, 1] - np.repeat(mean, lengths)) ** 2
        squares = np.add.reduceat(sums[:, 2] + between, start)
        time = np.add.reduceat(sums[:, 0], start) / count
        return keys[start, 0], keys[start, 1], time, mean, count.astype(np.int64), squares


def assign(cell: Ints, time: Floats, writes: Writes, moved: Sequence[tuple[Ints, Floats]] = ()) -> tuple[Ints, Floats]:
    """Return (write, age [s]) of visits of `cell` at `time`: the last write of the cell before each.

    `moved` are (cells, times) at which pulses moved cells: a visit after one belongs to no write.
    """
    write = np.full(len(cell), -1, np.int64)
    age = np.full(len(cell), np.nan)
    if len(writes.cell):
        place = _last_before(cell, time, writes.cell, writes.time)
        write = place
        age = np.where(place >= 0, time - writes.time[np.maximum(place, 0)], np.nan)
    for cells, times in moved:
        order = np.lexsort((times, cells))
        place = _last_before(cell, time, cells[order], times[order])
        last = np.where(place >= 0, times[order][np.maximum(place, 0)], -np.inf)
        gone = (place >= 0) & (write >= 0) & (last > time - age)
        write, age = np.where(gone, -1, write), np.where(gone, np.nan, age)
    return write, age


def _last_before(cell: Ints, time: Floats, cells: Ints, times: Floats) -> Ints:
    """Return for each (cell, time) the row of the last entry of that cell not later, -1 where there is none.

    `cells`, `times` are ordered by cell, then time.
    """
    found = np.full(len(cell), -1, np.int64)
    # Entries stand before visits of the same time: the sort is stable and they come first.
    order = np.lexsort((np.r_[times, time], np.r_[cells, cell]))
    is_entry = order < len(cells)
    last = np.maximum.accumulate(np.where(is_entry, np.arange(len(order)), -1))
    at = np.flatnonzero(~is_entry)
    source = last[at]
    entry = np.where(source >= 0, order[np.maximum(source, 0)], -1)
    visit = order[at] - len(cells)
    good = (entry >= 0) & (cells[np.maximum(entry, 0)] == cell[visit])
    found[visit] = np.where(good, entry, -1)
    return found


def check_rising(time: Floats, group: Ints, row: Ints, what: str) -> None:
    """Raise `InputError` naming the rows where times fall within a group; `row` are the numbers of the rows, from 1."""
    falls = np.flatnonzero((np.diff(time) < 0) & (np.diff(group) == 0))
    if len(falls):
        listed = ", ".join(f"{row[k]} to {row[k + 1]} ({time[k]:g} s to {time[k + 1]:g} s)" for k in falls[:5])
        raise InputError(
            f"{what}: times fall from row {listed}{' and more' if len(falls) > 5 else ''}; "
            "sort the rows by time, correct the time column, or say what begins anew: --column cell=... or write=..."
        )
