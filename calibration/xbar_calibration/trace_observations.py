"""Observations from a trace, read in chunks."""

import hashlib
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from xbar.bench.operation import OperationKind
from xbar.bench.status import Status
from xbar.errors import InputError, Unsupported
from xbar.trace.reader import Trace, open_trace
from xbar_calibration.fit import Bools, Floats, Ints
from xbar_calibration.observations import (
    MOST_VISITS,
    Curves,
    Observations,
    Products,
    VisitBuilder,
    Visits,
    Writes,
    assign,
)
from xbar_calibration.reading_series import SeriesBuilder
from xbar_calibration.trace_pulses import PulseEvents, pulse_events, ramps_of

BAD: Final = int(
    Status.COMPLIANCE
    | Status.OVERRANGE
    | Status.OTHER_COMPLIANCE
    | Status.OSCILLATION
    | Status.INTERLOCK
    | Status.ABORTED
)
"""Flags of readings that say nothing about the cell."""
MOST_CURVE_POINTS: Final = 1_000_000
MOST_VECTORS: Final = 20_000
"""Input vectors of one array that are used."""
COLUMNS: Final = ["operation", "time", "array", "row", "col", "applied", "current", "status"]


def trace_observations(path: Path, array: int | None = None) -> Observations:
    """Return what a trace holds; `array` takes one array alone.

    Raises `FileError`, `FormatError` where it cannot be read, `InputError` where it holds no readings, only readings in
    compliance, or arrays of several drivers without `array`.
    """
    with open_trace(path) as trace:
        header = trace.header
        if len(header.drivers) > 1 and array is None:
            names = ", ".join(part.name for part in header.drivers)
            raise InputError(f"{path} holds arrays of {len(header.drivers)} drivers ({names}); choose one: --array N")
        shape = (header.capabilities.rows, header.capabilities.cols)
        total = max((part.capabilities.arrays for part in header.drivers), default=1) * len(header.drivers)
        events = pulse_events(trace, array, shape)
        writes = _writes(trace, array, shape)
        series = SeriesBuilder()
        visits, curves, dropped, voltage = _readings(trace, array, shape, writes, events, series)
        products = _products(trace, array, shape, visits)
        started = str(trace.provenance.get("start_time", ""))
        seconds = min((part.capabilities.timings.read for part in header.drivers), default=math.nan)
        numbers = np.arange(total * shape[0] * shape[1])
        places = np.column_stack(np.unravel_index(numbers, (total, *shape))).astype(np.int64)
        notes = [] if trace.status in ("ok", "open") else [f"the run ended {trace.status!r}"]
    ramps = ramps_of(visits[1], events, visits[0]) if len(events.cell) else None
    return Observations(
        names=(path.name,),
        sha256=file_hash(path),
        date=started or file_date(path),
        places=places,
        read_voltage=voltage,
        writes=writes,
        visits=visits[0],
        curves=curves,
        ramps=ramps,
        products=products,
        notes=tuple(notes),
        seconds=seconds,
        dropped=dropped,
        series=series.finish(),
    )


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def file_date(path: Path) -> str:
    """Return when a file was last changed."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")


def _writes(trace: Trace, array: int | None, shape: tuple[int, int]) -> Writes:
    cells, targets, times = [np.zeros(0, np.int64)], [np.zeros(0)], [np.zeros(0)]
    for part in trace.targets(array=array).chunks(columns=["time", "array", "row", "col", "target"]):
        cells.append(_cell(part, shape))
        targets.append(np.asarray(part["target"], np.float64))
        times.append(np.asarray(part["time"], np.float64))
    cell, target, time = np.concatenate(cells), np.concatenate(targets), np.concatenate(times)
    order = np.lexsort((time, cell))
    return Writes(cell[order], target[order], time[order])


def _cell(part: Any, shape: tuple[int, int]) -> Ints:
    array, row, col = (np.asarray(part[name], np.int64) for name in ("array", "row", "col"))
    return np.asarray((array * shape[0] + row) * shape[1] + col)


def _readings(
    trace: Trace,
    array: int | None,
    shape: tuple[int, int],
    writes: Writes,
    events: PulseEvents,
    series: SeriesBuilder,
) -> tuple[tuple[Visits, Floats], Curves | None, int, float]:
    reads = trace.reads(array=array)
    rows = len(reads)
    if not rows:
        return (_no_visits(), np.zeros(0)), None, 0, math.nan
    operations = trace.operations
    # Repeats of a cell are one visit.
    expected = float((operations["cells_count"] / np.maximum(operations["repeat"], 1)).sum())
    keep = min(1.0, MOST_VISITS / max(expected, 1.0))
    sweeps = np.flatnonzero(operations["kind"] == OperationKind.SWEEP)
    builder, curves, dropped, volts = VisitBuilder(), list[Floats](), 0, list[Floats]()
    for part in reads.chunks(columns=COLUMNS):
        operation, time = np.asarray(part["operation"], np.int64), np.asarray(part["time"], np.float64)
        applied, current = np.asarray(part["applied"], np.float64), np.asarray(part["current"], np.float64)
        good = (np.asarray(part["status"], np.int64) & BAD) == 0
        good &= np.isfinite(applied) & np.isfinite(current) & np.isfinite(time)
        dropped += int((~good).sum())
        cell = _cell(part, shape)
        swept = np.isin(operation, sweeps)
        pick = good & swept
        if pick.any() and sum(map(len, curves)) < MOST_CURVE_POINTS:
            curves.append(np.column_stack([operation, cell, applied, current])[pick])
        pick = good & ~swept & (applied != 0) & _chosen(cell, keep)
        if pick.any():
            volts.append(np.unique(np.abs(applied[pick])))
            # One group for each operation and voltage; a voltage that changes within an operation begins a new visit.
            change = np.cumsum(np.r_[0, np.diff(applied[pick]) != 0])
            group = operation[pick] * 4096 + change % 4096
            taken = (group, cell[pick], time[pick], current[pick] / applied[pick])
            builder.add(*taken)
            series.add(*taken)
    if dropped == rows:
        raise InputError(f"all {rows} readings are in compliance, out of range or aborted (rows 0 to {rows - 1})")
    _, cell, time, mean, count, squares = builder.finish()
    moved = [(events.cell, events.time)] if len(events.cell) else []
    write, age = assign(cell, time, writes, moved)
    visits = Visits(cell, write, age, mean, count, squares)
    return (visits, time), _curves(curves), dropped, _voltage(volts)


def _no_visits() -> Visits:
    empty, none = np.zeros(0, np.int64), np.zeros(0)
    return Visits(empty, empty, none, none, empty, none)


def _chosen(cell: Ints, keep: float) -> Bools:
    """Return which cells are taken where there are too many readings: a share spread over the arrays."""
    if keep >= 1:
        return np.ones(len(cell), np.bool_)
    return np.asarray((cell * 2654435761 % 2**32) < keep * 2**32)


def _voltage(volts: list[Floats]) -> float:
    if not volts:
        return math.nan
    values, counts = np.unique(np.concatenate(volts), return_counts=True)
    return float(values[counts.argmax()])


def _curves(parts: list[Floats]) -> Curves | None:
    if not parts:
        return None
    found = np.concatenate(parts)
    curve, cell = found[:, 0].astype(np.int64), found[:, 1].astype(np.int64)
    return Curves(np.unique(curve, return_inverse=True)[1].astype(np.int64), cell, found[:, 2], found[:, 3])


def _products(
    trace: Trace, array: int | None, shape: tuple[int, int], visits: tuple[Visits, Floats]
) -> tuple[Products, ...]:
    """Return products whose inputs were kept, with the conductances that cells had in the visit nearest in time."""
    rows = trace.operations
    found: dict[int, list[tuple[Floats, Floats]]] = {}
    when: dict[int, float] = {}
    counts: dict[int, int] = {}
    for index in np.flatnonzero(rows["kind"] == OperationKind.MVM):
        try:
            operation = trace[int(index)]
            asked = operation.request.voltages
        except Unsupported:
            continue
        readings: Any = operation.readings
        if asked is None or readings is None:
            continue
        for k, number in enumerate(operation.request.arrays):
            if (array is None or number == array) and counts.get(number, 0) < MOST_VECTORS:
                volts = np.zeros((asked.shape[1], shape[0]))
                volts[:, : asked.shape[2]] = asked[k]
                found.setdefault(number, []).append((volts, np.asarray(readings.current[k])))
                counts[number] = counts.get(number, 0) + len(volts)
                when[number] = operation.ended
    made = []
    for number, parts in sorted(found.items()):
        wide = max(part[1].shape[1] for part in parts)
        parts = [part for part in parts if part[1].shape[1] == wide]
        g, error = _nearest(visits, number, shape, when[number])
        volts, currents = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
        made.append(Products(number, volts, currents, g[:, :wide], error[:, :wide]))
    return tuple(made)


def _nearest(visits: tuple[Visits, Floats], array: int, shape: tuple[int, int], time: float) -> tuple[Floats, Floats]:
    """Return the mean conductances of the two visits of each cell nearest in time, and their errors in products.

    With the variance s^2 of a visit (1/f noise too) the mean of two has s^2 / 2, the cell in the product has s^2 of its
    own, and the difference of the visits has 2 s^2.
    """
    cells = shape[0] * shape[1]
    table, times = visits
    mine = np.flatnonzero(table.cell // cells == array)
    order = mine[np.lexsort((np.abs(times[mine] - time), table.cell[mine]))]
    own = table.cell[order] % cells
    place, start, count = np.unique(own, return_index=True, return_counts=True)
    first, second = order[start], order[start + np.minimum(count - 1, 1)]
    g, error = np.full(cells, np.nan), np.full(cells, np.nan)
    g[place] = (table.mean[first] + table.mean[second]) / 2
    white = table.squares[first] / np.maximum(table.count[first] - 1, 1) / table.count[first]
    error[place] = np.sqrt(np.where(count > 1, 0.75 * (table.mean[first] - table.mean[second]) ** 2, white))
    return g.reshape(shape), error.reshape(shape)
