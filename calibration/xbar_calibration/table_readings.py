"""Readings of cells from a table: writes, visits, series, temperatures, wear."""

from dataclasses import replace
from typing import Final

import numpy as np

from xbar.errors import InputError
from xbar_calibration.fit import Bools, Floats, Ints
from xbar_calibration.observations import Observations, VisitBuilder, Visits, Wear, Writes, assign, check_rising
from xbar_calibration.reading_series import SHORTEST, SeriesBuilder
from xbar_calibration.table_columns import TableColumns

BURST: Final = 8
"""Neighbouring readings of a long series that count as one visit: what is slower is no white noise."""
CLOCK: Final = 1e7
"""Times [s], all of them above, that are no ages of cells."""
LIVES: Final = 3
"""Times of a cell that make its readings a history, where no target is given."""
MEDIANS: Final = "no column tells targets: the median of all writes of a column stands for what was asked"
NO_TARGETS: Final = "no column tells targets: the first reading of each cell stands for what was written"


def devices_of(columns: TableColumns) -> tuple[Ints, Ints]:
    """Return the device of each row, and (array, row, col) of each device; a device without place stands in row 0."""
    zero = np.zeros(len(columns))
    placed = any(name in columns for name in ("cell", "row", "col"))
    if "target" in columns and not placed and "time" not in columns and "write" not in columns:
        # Targets beside what was read of them: each row is a cell of its own.
        own = np.arange(len(columns), dtype=np.int64)
        return own, np.column_stack([columns.get("array").astype(np.int64), 0 * own, own])
    if "cell" in columns:
        keys = np.column_stack([columns.get("array"), zero, columns["cell"]])
    else:
        keys = np.column_stack([columns.get(name) for name in ("array", "row", "col")])
    places, cell = np.unique(keys.astype(np.int64), axis=0, return_inverse=True)
    return cell.ravel().astype(np.int64), places.astype(np.int64)


def conductances(columns: TableColumns, voltage: float) -> tuple[Floats, float]:
    """Return conductances of rows [S] and the read voltage [V], NaN where it is not known.

    Raises `InputError` where nothing tells them.
    """
    path = columns.table.path
    if "conductance" in columns:
        return columns["conductance"], voltage
    if "current" not in columns:
        raise InputError(f"{path}: no column for conductance, nor for current; map one of them")
    if "voltage" in columns:
        volts = columns["voltage"]
        if (volts == 0).any():
            at = columns.line(int(np.flatnonzero(volts == 0)[0]))
            raise InputError(
                f"{path}, row {at}: read at 0 V; leave such rows out, or give --column curve=... for sweeps"
            )
        return columns["current"] / volts, float(np.median(np.abs(volts)))
    if not np.isfinite(voltage):
        raise InputError(f"{path}: currents need the voltage they were read at: --column voltage=... or --read-voltage")
    return columns["current"] / voltage, voltage


def readings(
    columns: TableColumns, origin: tuple[tuple[str, ...], str, str], voltage: float, wear: Wear | None
) -> Observations:
    """Return the observations of rows that are readings; `origin` is names, hash and date of the data."""
    cell, places = devices_of(columns)
    g, voltage = conductances(columns, voltage)
    _check_times(columns, cell)
    told = "target" in columns
    columns, known, even = _with_targets(columns, cell, g)
    time = columns.get("time")
    if "target" in columns and "time" in columns:
        _check_ages(columns, ~even)
    writes, age, write = _writes(columns, cell, time)
    life = columns.get("write")
    order = np.lexsort((np.arange(len(g)), time, life, write, cell))
    # One visit for readings of a cell at one time and temperature; without times, for all readings after one write; of
    # long series a few neighbours are one.
    moment = np.where(even, _bursts(cell, life, order), time)
    keys = np.column_stack([write[order], life[order], moment[order], columns.get("temperature")[order]])
    group = np.unique(keys, axis=0, return_inverse=True)[1].ravel().astype(np.int64)
    builder, series = VisitBuilder(), SeriesBuilder()
    builder.add(group, cell[order], time[order], g[order])
    _, cells, times, mean, count, squares = builder.finish()
    first = np.r_[True, (np.diff(group) != 0) | (np.diff(cell[order]) != 0)]
    if "write" in columns:
        visit_write, visit_age = write[order][first], age[order][first]
    else:
        visit_write, visit_age = assign(cells, times, writes)
    if "time" in columns:
        own = np.unique(np.column_stack([write[order], life[order]]), axis=0, return_inverse=True)[1].ravel()
        series.add(own.astype(np.int64), cell[order], time[order], g[order])
    kelvin = columns["temperature"][order][first] if "temperature" in columns else None
    names, sha256, date = origin
    return Observations(
        names,
        sha256,
        date,
        places,
        voltage,
        writes,
        Visits(cells, visit_write, visit_age, mean, count, squares),
        dropped=columns.dropped,
        notes=_notes(told, known, len(writes.cell)),
        series=series.finish(),
        kelvin=kelvin,
        wear=wear,
        targets_known=known,
    )


def _notes(told: bool, known: bool, writes: int) -> tuple[str, ...]:
    if told or not writes:
        return ()
    return (MEDIANS if known else NO_TARGETS,)


def _check_times(columns: TableColumns, cell: Ints) -> None:
    """Raise `InputError` that names the rows where times of one cell and write fall."""
    if "time" not in columns:
        return
    order = np.argsort(cell, kind="stable")
    keys = np.column_stack([cell, columns.get("write"), columns.get("temperature")])
    group = np.unique(keys, axis=0, return_inverse=True)[1].ravel()
    lines = np.array([columns.line(k) for k in order.tolist()], np.int64)
    check_rising(columns["time"][order], group[order], lines, str(columns.table.path))


def _check_ages(columns: TableColumns, counts: Bools) -> None:
    """Raise `InputError` that names the rows whose times cannot count from the write of their target."""
    time, path = columns["time"], columns.table.path
    rows = np.flatnonzero(counts & (time < 0))
    if len(rows):
        listed = ", ".join(f"row {columns.line(int(k))} ({time[k]:g} s)" for k in rows[:5])
        more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
        raise InputError(
            f"{path}: times are below zero: {listed}{more}; times count from the write of the row's target"
        )
    used = time[counts]
    if len(used) and used.min() > CLOCK and np.ptp(used) < 0.1 * used.min():
        first = int(np.flatnonzero(counts)[0])
        raise InputError(
            f"{path}: times begin at {used.min():g} s (row {columns.line(first)}), as those of a clock do; times count "
            "from the write of the row's target: subtract its time, or give dates"
        )


def _usual(columns: TableColumns, g: Floats) -> Floats:
    """Return the median of all writes of a row's state [S], 0 where it is negative."""
    state = columns.get("state")
    target = np.empty(len(g))
    for one in np.unique(state):
        target[state == one] = max(float(np.median(g[state == one])), 0.0)
    return target


def _bursts(cell: Ints, life: Floats, order: Ints) -> Floats:
    """Return which few readings in a row each belongs to, by cell and write."""
    own = np.unique(np.column_stack([cell, life]), axis=0, return_inverse=True)[1].ravel()[order]
    start = np.flatnonzero(np.r_[True, np.diff(own) != 0])
    place = np.arange(len(own)) - np.repeat(start, np.diff(np.r_[start, len(own)]))
    found = np.empty(len(own))
    found[order] = place // BURST
    return found


def _with_targets(columns: TableColumns, cell: Ints, g: Floats) -> tuple[TableColumns, bool, Bools]:
    """Return the columns with targets, whether they were told (else a cell's first reading is its target), and rows.

    The rows are those of long series of one cell at even times, which are noise, not a history: they get no target.
    """
    none = np.zeros(len(g), np.bool_)
    if "target" not in columns and "write" in columns and "time" not in columns:
        return replace(columns, values=columns.values | {"target": _usual(columns, g)}), True, none
    if "target" in columns or "time" not in columns:
        return columns, True, none
    life = np.unique(np.column_stack([cell, columns.get("write")]), axis=0, return_inverse=True)[1].ravel()
    time = columns["time"]
    order = np.lexsort((time, life))
    start = np.flatnonzero(np.r_[True, np.diff(life[order]) != 0])
    count = np.diff(np.r_[start, len(order)])
    last, begin = time[order][start + count - 1], time[order][start]
    second = time[order][np.minimum(start + 1, len(order) - 1)]
    even = (count >= SHORTEST) & (last - begin < 2.5 * count * np.maximum(second - begin, 1e-300))
    rows = none.copy()
    rows[order] = np.repeat(even, count)
    if not ((count >= LIVES) & (last > begin) & ~even).any():
        return columns, True, rows
    target = np.empty(len(g))
    target[order] = np.repeat(g[order][start], count)
    values = columns.values | {"target": np.maximum(target, 0.0), "write": columns.get("write")}
    return TableColumns(columns.table, values, columns.rows, columns.dropped), False, none


def _writes(columns: TableColumns, cell: Ints, time: Floats) -> tuple[Writes, Floats, Ints]:
    """Return the writes, and age [s] and write of each row; times count from the write where a target is given."""
    if "target" not in columns:
        return no_writes(), np.full(len(cell), np.nan), np.full(len(cell), -1)
    life = columns.get("write")
    keys = np.column_stack([cell, life, columns["target"]])
    found, write = np.unique(keys, axis=0, return_inverse=True)
    columns.values.setdefault("write", life)
    writes = Writes(found[:, 0].astype(np.int64), found[:, 2], np.zeros(len(found)))
    return writes, time, write.ravel().astype(np.int64)


def no_writes() -> Writes:
    """Return no writes."""
    return Writes(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))


def no_visits() -> Visits:
    """Return no visits."""
    empty, none = np.zeros(0, np.int64), np.zeros(0)
    return Visits(empty, empty, none, none, empty, none)
