"""Observations from tables: what the mapped columns say together."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from xbar.errors import InputError
from xbar_calibration.column_mapping import Mapping
from xbar_calibration.fit import Floats, Ints
from xbar_calibration.observations import Curves, Observations
from xbar_calibration.read_table import read_table
from xbar_calibration.table_columns import FEWEST, TableColumns, columns_of, usable
from xbar_calibration.table_pulses import ramps_in_columns, ramps_in_rows, wear_of
from xbar_calibration.table_readings import conductances, devices_of, no_visits, no_writes, readings
from xbar_calibration.trace_observations import file_date, file_hash


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
    ramps = ramps_in_columns(tables, mapping, read_voltage)
    hashes = [file_hash(path) for path in files]
    sha256 = hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
    date = max(file_date(path) for path in files)
    plain = [part for part in (columns_of(table, mapping) for table in tables) if part.values]
    if len(plain) > 1:
        raise InputError(f"{', '.join(map(str, files))}: several files are for ramps (up, down) alone; join the others")
    names = tuple(path.name for path in files)
    voltage = np.nan if read_voltage is None else read_voltage
    if plain:
        found = _rows(usable(plain[0], array), (names, sha256, date), voltage)
        return found if ramps is None else replace(found, ramps=ramps)
    places = np.zeros((ramps.up.shape[1] + ramps.down.shape[1] if ramps else 1, 3), np.int64)
    return Observations(names, sha256, date, places, voltage, no_writes(), no_visits(), ramps=ramps)


def _rows(columns: TableColumns, origin: tuple[tuple[str, ...], str, str], voltage: float) -> Observations:
    """Return what rows tell: deviations alone, pulses, curves, wear alone, or readings."""
    cell, places = devices_of(columns)
    empty = Observations(*origin, places, voltage, no_writes(), no_visits(), dropped=columns.dropped)
    if "deviation" in columns:
        return replace(empty, deviations=columns["deviation"])
    wear = wear_of(columns, cell)
    if wear is not None and "conductance" not in columns and "current" not in columns:
        return replace(empty, wear=wear)
    if "pulse" in columns:
        plain = "state_value" in columns
        g = columns["state_value"] if plain else conductances(columns, voltage)[0]
        return replace(empty, ramps=ramps_in_rows(columns, cell, g, np.nan if plain else 1.0), wear=wear)
    if "state_value" in columns:
        raise InputError(
            f"{columns.table.path}: conductances without a unit are for values after pulses (--column pulse=...) "
            "alone; give their unit, such as uS"
        )
    alone = "voltage" not in columns and np.isfinite(voltage)
    if "curve" in columns and ("conductance" in columns or ("current" in columns and alone)):
        # Cycles of cells that were written again and again, not sweeps.
        columns = replace(columns, values=_as_writes(columns))
    if "curve" in columns or ("voltage" in columns and "current" in columns and _sweeps(columns, cell)):
        curves = _curves(columns, cell)
        if not any(name in columns for name in ("cell", "row", "col")):
            # Nothing tells whose curves they are: each counts as a device, so that some can be held out.
            own = np.zeros((int(curves.curve.max()) + 1, 3), np.int64)
            own[:, 0], own[:, 2] = places[0, 0], np.arange(len(own))
            return replace(empty, curves=replace(curves, cell=curves.curve), places=own)
        return replace(empty, curves=curves)
    return readings(columns, origin, voltage, wear)


def _as_writes(columns: TableColumns) -> dict[str, Floats]:
    """Return the columns with the number of the curve as that of the write."""
    rest = {name: values for name, values in columns.values.items() if name != "curve"}
    return {"write": columns["curve"]} | rest


def _sweeps(columns: TableColumns, cell: Ints) -> bool:
    """Tell whether voltages are swept, not one read voltage: many different ones in each cell."""
    first = cell == cell[0]
    return len(np.unique(columns["voltage"][first])) >= FEWEST and "target" not in columns


def _curves(columns: TableColumns, cell: Ints) -> Curves:
    missing = [name for name in ("voltage", "current") if name not in columns]
    if missing:
        raise InputError(
            f"{columns.table.path}: curves need voltages and currents: --column {missing[0]}=...; readings of states "
            "are told apart by write=, not by curve="
        )
    _, curve = np.unique(np.column_stack([cell, columns.get("curve")]), axis=0, return_inverse=True)
    return Curves(curve.ravel().astype(np.int64), cell, columns["voltage"], columns["current"])
