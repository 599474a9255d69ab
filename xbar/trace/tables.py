"""A trace as tables for analysis: one row for each reading of a cell, or each output code; columns in NumPy arrays."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbar.bench.operation import Operation, OperationKind
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.errors import UnknownNameError
from xbar.trace.reader import Trace

READS = {
    "operation": "",
    "time": "s",
    "array": "",
    "row": "",
    "col": "",
    "applied": "V",
    "voltage": "V",
    "current": "A",
    "status": "",
    "range": "A",
}
"""Columns of the readings of single cells, and their units."""

VECTORS = {
    "operation": "",
    "time": "s",
    "array": "",
    "vector": "",
    "event": "",
    "col": "",
    "code": "",
    "current": "A",
}
"""Columns of the output codes of products, and their units; an event of 0 where the product had none."""

OPERATIONS = {"operation": "", "kind": "", "started": "s", "ended": "s", "wall": "s", "arrays": "", "failed": ""}
"""Columns of the operations, and their units; `wall` counts from 1970-01-01T00:00:00Z."""

TABLES = {"operations": OPERATIONS, "reads": READS, "vectors": VECTORS}
"""The tables by name."""


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length by name; a unit for each, "" for a pure number."""

    columns: dict[str, NDArray[np.generic]]
    units: dict[str, str]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.columns.values())))

    def __getitem__(self, name: str) -> NDArray[np.generic]:
        """Return a column; raises `UnknownNameError` that lists the columns."""
        if name not in self.columns:
            raise UnknownNameError(f"column {name!r} is not in this table; it has {', '.join(self.columns)}")
        return self.columns[name]


def parts(trace: Trace, table: str, array: int | None = None) -> Iterator[Table]:
    """Give a table of a trace in parts, one operation at a time: for traces larger than memory.

    Args:
        trace: the open trace.
        table: "operations", "reads" or "vectors".
        array: rows of this array alone; None gives all.

    Raises `UnknownNameError` for another table.
    """
    if table not in TABLES:
        raise UnknownNameError(f"table {table!r} is not known; known are {', '.join(TABLES)}")
    for index, operation in enumerate(trace):
        if table == "operations":
            if array is None or array in operation.request.arrays:
                yield _operation(trace, index, operation)
        elif table == "reads" and isinstance(operation.readings, CellReadings):
            if array is None or operation.request.arrays == (array,):
                yield _reads(index, operation, operation.readings)
        elif table == "vectors" and isinstance(operation.readings, VectorReadings):
            yield from _vectors(index, operation, operation.readings, array)


def table(trace: Trace, name: str, array: int | None = None) -> Table:
    """Return a whole table of a trace; see `parts` for the arguments and errors."""
    units = TABLES.get(name, {})
    found = list(parts(trace, name, array))
    if not found:
        return Table({column: np.zeros(0) for column in units}, dict(units))
    return Table({column: np.concatenate([part[column] for part in found]) for column in units}, dict(units))


def _operation(trace: Trace, index: int, operation: Operation) -> Table:
    values = {
        "operation": index,
        "kind": operation.request.kind.name.lower(),
        "started": operation.started,
        "ended": operation.ended,
        "wall": float(trace.row(index)["wall"]),
        "arrays": " ".join(map(str, operation.request.arrays)),
        "failed": operation.error is not None,
    }
    return Table({name: np.array([value]) for name, value in values.items()}, OPERATIONS)


def _reads(index: int, operation: Operation, readings: CellReadings) -> Table:
    n, repeat = readings.current.shape
    cells = operation.request.cells
    assert cells is not None  # a reading has cells
    places = np.broadcast_to(cells, (n, 2)) if operation.request.kind is OperationKind.SWEEP else cells
    columns: dict[str, NDArray[np.generic]] = {
        "operation": np.full(n * repeat, index),
        "array": np.full(n * repeat, operation.request.arrays[0]),
        "row": np.repeat(places[:, 0], repeat),
        "col": np.repeat(places[:, 1], repeat),
    }
    for name in ("time", "applied", "voltage", "current", "status", "range"):
        columns[name] = np.broadcast_to(getattr(readings, name), (n, repeat)).ravel()
    return Table({name: columns[name] for name in READS}, READS)


def _vectors(index: int, operation: Operation, readings: VectorReadings, array: int | None) -> Iterator[Table]:
    _, batch, cols = readings.codes.shape
    events = np.zeros(batch, np.uint64) if operation.request.events is None else operation.request.events
    for place, number in enumerate(operation.request.arrays):
        if array is not None and array != number:
            continue
        size = batch * cols
        current = readings.codes[place].astype(np.float64) * readings.step[place] + readings.offset[place]
        columns: dict[str, NDArray[np.generic]] = {
            "operation": np.full(size, index),
            "time": np.full(size, operation.ended),
            "array": np.full(size, number),
            "vector": np.repeat(np.arange(batch), cols),
            "event": np.repeat(events, cols),
            "col": np.tile(np.arange(cols), batch),
            "code": readings.codes[place].ravel(),
            "current": current.ravel(),
        }
        yield Table(columns, VECTORS)
