"""Observations from tables: what the mapped columns say together."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from xbar.errors import InputError
from xbar_calibration.column_mapping import Mapping, find
from xbar_calibration.compliance import plateaus
from xbar_calibration.fit import Bools, Floats, Ints
from xbar_calibration.observations import (
    Curves,
    Observations,
    Ramps,
    VisitBuilder,
    Visits,
    Writes,
    assign,
    check_rising,
)
from xbar_calibration.text_table import TextTable, read_table
from xbar_calibration.trace_observations import file_date, file_hash

FEWEST: Final = 5
"""Rows of the shortest table."""
Columns = dict[str, Floats]


def table_observations(
    files: Sequence[Path], mapping: Mapping, read_voltage: float | None = None, array: int | None = None
) -> Observations:
    """Return what tables hold.

    Ramps (`up`, `down`) may stand in several files; all else in one.

    Args:
        files: the tables.
        mapping: which column is what.
        read_voltage: at which currents were read [V], where no column tells.
        array: the array to take, where a column tells several.

    Raises `InputError` naming columns or rows where the data cannot be meant, `FormatError` where a file is no table.

    """
    tables = [read_table(path) for path in files]
    ramps = _ramps(tables, mapping, read_voltage)
    hashes = [file_hash(path) for path in files]
    sha256 = hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
    date = max(file_date(path) for path in files)
    plain = [(table, _columns(table, mapping)) for table in tables]
    plain = [(table, columns) for table, columns in plain if columns]
    if len(plain) > 1:
        raise InputError(f"{', '.join(map(str, files))}: several files are for ramps (up, down) alone; join the others")
    names = tuple(path.name for path in files)
    voltage = np.nan if read_voltage is None else read_voltage
    if not plain:
        places = np.zeros((ramps.up.shape[1] + ramps.down.shape[1] if ramps else 1, 3), np.int64)
        return Observations(names, sha256, date, places, voltage, _no_writes(), _no_visits(), ramps=ramps)
    return _rows(*plain[0], (names, sha256, date), ramps, voltage, array)


def _ramps(tables: list[TextTable], mapping: Mapping, read_voltage: float | None) -> Ramps | None:
    found: dict[str, list[Floats]] = {"up": [], "down": []}
    units = set()
    for table in tables:
        for column in mapping.of_file(table.path.name):
            if column.quantity not in found:
                continue
            values = table.values[:, find(column, table.heads, table.path)] * column.factor
            units.add(column.unit)
            if column.unit == "ohm":
                with np.errstate(divide="ignore"):
                    values = np.where(values > 0, 1 / np.where(values > 0, values, 1.0), np.nan)
            if column.unit == "A":
                if read_voltage is None:
                    raise InputError(
                        f"{table.path}: ramps of currents need the voltage they were read at: --read-voltage '0.1 V'"
                    )
                values = values / read_voltage
            found[column.quantity].append(values)
    if not units:
        return None
    if "1" in units and len(units) > 1:
        raise InputError("some ramps are conductances and others states without unit; give all the same unit")
    parts = {}
    for name, blocks in found.items():
        longest = max((len(block) for block in blocks), default=0)
        filled = [np.pad(b, ((0, longest - len(b)), (0, 0)), constant_values=np.nan) for b in blocks]
        parts[name] = np.concatenate(filled, axis=1) if filled else np.zeros((0, 0))
    for name, block in parts.items():
        if block.size and np.isfinite(block).sum(0).min() < FEWEST:
            short = int(np.isfinite(block).sum(0).argmin()) + 1
            raise InputError(f"ramp {short} ({name}) has fewer than {FEWEST} readings; leave its column out")
    return Ramps(parts["up"], parts["down"], np.nan if units == {"1"} else 1.0)


def _columns(table: TextTable, mapping: Mapping) -> Columns:
    found: Columns = {}
    for column in mapping.of_file(table.path.name):
        if column.quantity in ("up", "down"):
            continue
        values = table.values[:, find(column, table.heads, table.path)[0]] * column.factor
        if column.unit == "ohm":
            with np.errstate(divide="ignore"):
                values = np.where(values > 0, 1 / np.where(values > 0, values, 1.0), np.nan)
        name = column.quantity
        if name == "conductance" and column.unit == "A":
            name = "current"
        if name in found:
            raise InputError(f"{table.path}: two columns for {name}; give one")
        found[name] = values
    return found


def _rows(
    table: TextTable,
    columns: Columns,
    origin: tuple[tuple[str, ...], str, str],
    ramps: Ramps | None,
    voltage: float,
    array: int | None,
) -> Observations:
    good = _present(table, columns)
    good &= ~_limited(table, columns, good)
    if good.sum() < FEWEST:
        raise InputError(f"{table.path}: {int(good.sum())} rows with all columns; at least {FEWEST} are needed")
    good = _one_array(table, columns, good, array)
    row = np.array([table.row(k) for k in np.flatnonzero(good).tolist()], np.int64)
    part = {name: values[good] for name, values in columns.items()}
    names, sha256, date = origin
    dropped = int((~good).sum())
    if "deviation" in part:
        empty = np.zeros((1, 3), np.int64)
        return Observations(
            names,
            sha256,
            date,
            empty,
            voltage,
            _no_writes(),
            _no_visits(),
            deviations=part["deviation"],
            dropped=dropped,
        )
    cell, places = _devices(part, len(row))
    if "curve" in part or ("voltage" in part and "current" in part and _sweeps(part, cell)):
        curves = _curves(part, cell)
        return Observations(
            names, sha256, date, places, voltage, _no_writes(), _no_visits(), curves, ramps, dropped=dropped
        )
    return _readings(table, part, (cell, places, row), origin, voltage, dropped)


def _present(table: TextTable, columns: Columns) -> Bools:
    """Return the rows in which every mapped column has a number."""
    good = np.ones(len(table.values), np.bool_)
    for values in columns.values():
        good &= np.isfinite(values)
    return good


def _limited(table: TextTable, columns: Columns, good: Bools) -> Bools:
    """Return the rows in compliance: as a column says, or where the current stands still while the voltage goes on.

    Raises `InputError` where all rows are.
    """
    limited = np.zeros(len(good), np.bool_)
    if "compliance" in columns and "current" in columns:
        limit = np.abs(columns["compliance"])
        flag = np.isin(limit, (0.0, 1.0)).all()
        limited = limit == 1.0 if flag else np.abs(columns["current"]) >= 0.999 * limit
    elif "current" in columns and "voltage" in columns:
        limited = plateaus(columns["voltage"], columns["current"], good)
    limited &= good
    if good.any() and limited[good].all():
        rows = np.flatnonzero(limited)
        raise InputError(
            f"{table.path}: all readings are in compliance, rows {table.row(int(rows[0]))} to "
            f"{table.row(int(rows[-1]))}; measure with a larger current limit"
        )
    return limited


def _one_array(table: TextTable, columns: Columns, good: Bools, array: int | None) -> Bools:
    if "array" not in columns:
        return good
    numbers: Floats = columns["array"]
    if array is not None:
        kept = good & (numbers == array)
        if not kept.any():
            raise InputError(
                f"{table.path} holds nothing of array {array}; it holds {sorted(set(numbers[good].astype(int)))}"
            )
        return np.asarray(kept)
    present = np.unique(numbers[good])
    if len(present) > 1:
        mine = np.flatnonzero(good)
        change = mine[1:][np.diff(numbers[mine]) != 0][:5]
        listed = ", ".join(f"row {table.row(int(k))} (array {numbers[k]:g})" for k in change)
        raise InputError(f"{table.path} mixes {len(present)} arrays: {listed}; choose one with --array N")
    return good


def _devices(part: Columns, rows: int) -> tuple[Ints, Ints]:
    """Return the device of each row, and (array, row, col) of each device; a device without place stands in row 0."""
    zero = np.zeros(rows)
    if "cell" in part:
        keys = np.column_stack([zero, zero, part["cell"]])
    else:
        keys = np.column_stack([part.get(name, zero) for name in ("array", "row", "col")])
    places, cell = np.unique(keys.astype(np.int64), axis=0, return_inverse=True)
    return cell.ravel().astype(np.int64), places.astype(np.int64)


def _sweeps(part: Columns, cell: Ints) -> bool:
    """Tell whether voltages are swept, not one read voltage: many different ones in each cell."""
    first = cell == cell[0]
    return len(np.unique(part["voltage"][first])) >= FEWEST and "target" not in part


def _curves(part: Columns, cell: Ints) -> Curves:
    number = part.get("curve", np.zeros(len(cell)))
    _, curve = np.unique(np.column_stack([cell, number]), axis=0, return_inverse=True)
    return Curves(curve.ravel().astype(np.int64), cell, part["voltage"], part["current"])


def _readings(
    table: TextTable,
    part: Columns,
    where: tuple[Ints, Ints, Ints],
    origin: tuple[tuple[str, ...], str, str],
    voltage: float,
    dropped: int,
) -> Observations:
    cell, places, row = where
    names, sha256, date = origin
    g, voltage = _conductance(table, part, voltage)
    if "time" in part:
        order = np.argsort(cell, kind="stable")
        life = part.get("write", np.zeros(len(cell)))
        group = np.unique(np.column_stack([cell, life]), axis=0, return_inverse=True)[1].ravel()
        check_rising(part["time"][order], group[order], row[order], str(table.path))
    time = part.get("time", np.zeros(len(g)))
    writes, age, write = _writes(part, cell, time)
    order = np.lexsort((np.arange(len(g)), time, write, cell))
    builder = VisitBuilder()
    # One visit for readings of a cell at one time; without times, for all readings after one write.
    group = np.unique(np.column_stack([write[order], time[order]]), axis=0, return_inverse=True)[1].ravel()
    builder.add(group.astype(np.int64), cell[order], time[order], g[order])
    keys, cells, times, mean, count, squares = builder.finish()
    del keys
    if "write" in part:
        first = np.r_[True, (np.diff(group) != 0) | (np.diff(cell[order]) != 0)]
        visit_write, visit_age = write[order][first], age[order][first]
    else:
        visit_write, visit_age = assign(cells, times, writes)
    visits = Visits(cells, visit_write, visit_age, mean, count, squares)
    return Observations(names, sha256, date, places, voltage, writes, visits, dropped=dropped)


def _conductance(table: TextTable, part: Columns, voltage: float) -> tuple[Floats, float]:
    if "conductance" in part:
        return part["conductance"], voltage
    if "current" not in part:
        raise InputError(f"{table.path}: no column for conductance, nor for current; map one of them")
    if "voltage" in part:
        volts = part["voltage"]
        if (volts == 0).any():
            at = table.row(int(np.flatnonzero(volts == 0)[0]))
            raise InputError(
                f"{table.path}, row {at}: read at 0 V; leave such rows out, or give --column curve=... for sweeps"
            )
        return part["current"] / volts, float(np.median(np.abs(volts)))
    if not np.isfinite(voltage):
        raise InputError(
            f"{table.path}: currents need the voltage they were read at: --column voltage=... or --read-voltage"
        )
    return part["current"] / voltage, voltage


def _writes(part: Columns, cell: Ints, time: Floats) -> tuple[Writes, Floats, Ints]:
    """Return the writes, and age [s] and write of each row; times count from the write where a target is given."""
    if "target" not in part:
        return _no_writes(), np.full(len(cell), np.nan), np.full(len(cell), -1)
    life = part.get("write", np.zeros(len(cell)))
    keys = np.column_stack([cell, life, part["target"]])
    found, first, write = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    del first
    writes = Writes(found[:, 0].astype(np.int64), found[:, 2], np.zeros(len(found)))
    part.setdefault("write", life)
    return writes, time, write.ravel().astype(np.int64)


def _no_writes() -> Writes:
    return Writes(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))


def _no_visits() -> Visits:
    empty, none = np.zeros(0, np.int64), np.zeros(0)
    return Visits(empty, empty, none, none, empty, none)
