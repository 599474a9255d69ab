"""Pulses from a table: ramps in columns of their own, a row for each pulse, and what writes cost as cells wear."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from xbar.errors import InputError
from xbar_calibration.column_mapping import Mapping, find, resolved
from xbar_calibration.fit import Floats, Ints
from xbar_calibration.observations import Ramps, Wear
from xbar_calibration.table_columns import FEWEST, RAMPS, TableColumns, check_words, siemens
from xbar_calibration.text_table import TextTable

TURN: Final = 0.5
"""Share of its range by which a train must go back on both sides of an extreme to be two trains."""


def ramps_in_columns(tables: Sequence[TextTable], mapping: Mapping, read_voltage: float | None) -> Ramps | None:
    """Return the ramps that stand in columns, rows the value after each pulse; None where none is mapped.

    Raises `InputError` where currents have no read voltage, units differ, or a ramp is too short.
    """
    found: dict[str, list[Floats]] = {name: [] for name in RAMPS}
    units = set[str]()
    for table in tables:
        for column in mapping.of_file(table.path.name):
            if column.quantity not in found:
                continue
            places = find(column, table.heads, table.path)
            for place in places:
                check_words(table, place)
            column = resolved(column, table.heads[places[0]], table.path)
            values = table.values[:, places] * column.factor
            units.add("1" if column.unit == "1" else "S")
            if column.unit == "ohm":
                values = siemens(values)
            if column.unit == "A":
                values = values / _voltage(table, read_voltage)
            found[column.quantity].append(values)
    if not units:
        return None
    if len(units) > 1:
        raise InputError("some ramps are conductances and others states without unit; give all the same unit")
    parts = {name: _joined(blocks) for name, blocks in found.items()}
    for name, block in parts.items():
        if block.size and np.isfinite(block).sum(0).min() < FEWEST:
            short = int(np.isfinite(block).sum(0).argmin()) + 1
            raise InputError(f"ramp {short} ({name}) has fewer than {FEWEST} readings; leave its column out")
    return Ramps(parts["up"], parts["down"], np.nan if units == {"1"} else 1.0)


def _voltage(table: TextTable, read_voltage: float | None) -> float:
    if read_voltage is None:
        raise InputError(f"{table.path}: ramps of currents need the voltage they were read at: --read-voltage '0.1 V'")
    return read_voltage


def _joined(blocks: Sequence[Floats]) -> Floats:
    """Return columns of several lengths beside each other, NaN beyond their ends."""
    longest = max((len(block) for block in blocks), default=0)
    filled = [np.pad(b, ((0, longest - len(b)), (0, 0)), constant_values=np.nan) for b in blocks]
    return np.concatenate(filled, axis=1) if filled else np.zeros((0, 0))


def ramps_in_rows(columns: TableColumns, cell: Ints, g: Floats, scale: float = 1.0) -> Ramps:
    """Return the trains of a table with a row for each pulse: its voltage or direction, or its number, and the value.

    A train ends where the sign of the pulses changes, their number does not rise, or the cell or curve changes. Where
    numbers alone are given the values tell the direction, and where a train turns. The value before a train is that of
    the row above, if that is of the same cell. `g` are the values, `scale` how many siemens one is; NaN for states.

    Raises `InputError` where no train has readings enough.
    """
    pulse = columns["pulse"]
    signed = bool((pulse < 0).any())
    owner = np.unique(np.column_stack([cell, columns.get("curve")]), axis=0, return_inverse=True)[1].ravel()
    apart = np.diff(owner) != 0
    apart |= (np.sign(pulse[1:]) != np.sign(pulse[:-1])) if signed else np.diff(pulse) <= 0
    starts = np.flatnonzero(np.r_[True, apart])
    trains: dict[int, list[tuple[Floats, int]]] = {1: [], -1: []}
    for start, end in zip(starts, np.r_[starts[1:], len(pulse)], strict=True):
        if signed and pulse[start] == 0:
            continue
        before = start - 1 if signed and start and owner[start - 1] == owner[start] else start
        values = g[before:end]
        parts = [values] if signed else _turned(values)
        for part in parts:
            if len(part) >= FEWEST:
                sign = int(np.sign(pulse[start])) if signed else (1 if part[-1] > part[0] else -1)
                trains[sign].append((part, int(cell[start])))
    if not trains[1] and not trains[-1]:
        raise InputError(f"{columns.table.path}: no train of pulses has {FEWEST} readings; check the column for pulse")
    blocks = {sign: _joined([values[:, None] for values, _ in own]) for sign, own in trains.items()}
    owners = {sign: np.array([device for _, device in own], np.int64) for sign, own in trains.items()}
    volts = [
        float(np.median(pulse[pulse * sign > 0])) if signed and (pulse * sign > 0).any() else np.nan for sign in (1, -1)
    ]
    if set(np.abs(pulse[pulse != 0]).tolist()) == {1.0}:
        volts = [np.nan, np.nan]
    devices = (owners[1], owners[-1]) if len(np.unique(cell)) > 1 else None
    return Ramps(blocks[1], blocks[-1], scale, 1, volts[0], volts[1], devices=devices)


def _turned(values: Floats) -> list[Floats]:
    """Return a train, or its two halves where it goes up and comes back, or down and up again."""
    span = float(np.ptp(values))
    for at in (int(values.argmax()), int(values.argmin())):
        if 0 < at < len(values) - 1 and min(abs(values[at] - values[0]), abs(values[at] - values[-1])) > TURN * span:
            return [values[: at + 1], values[at:]]
    return [values]


def wear_of(columns: TableColumns, cell: Ints) -> Wear | None:
    """Return what writes needed and which cells failed, None where no column tells.

    Without a column for the pulses that a cell had before, they are the sum of those of its writes so far.
    """
    if "needed" not in columns and "failed" not in columns:
        return None
    needed, failed = columns.get("needed", np.nan), columns.get("failed", np.nan)
    if "pulses" in columns:
        return Wear(cell, columns["pulses"], needed, failed)
    if "needed" not in columns:
        path = columns.table.path
        raise InputError(f"{path}: failures need the pulses that each cell had had: --column pulses=...")
    before = np.zeros(len(cell))
    for one in np.unique(cell):
        mine = cell == one
        before[mine] = np.r_[0.0, np.cumsum(needed[mine])[:-1]]
    return Wear(cell, before, needed, failed)
