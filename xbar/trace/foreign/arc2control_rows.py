"""Rows of a time series of arc2control as operations.

A row has current [A], voltage [V], pulse width [s], read voltage [V] and an operation type: bit 0 a read, bit 1 a pulse
(`OpType` in `arc2control/h5utils.py`, version 0.2.0). Their units are those of its window and of `pyarc2`; the file
names none.
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.bench.operation import Operation
from xbar.trace.foreign.operations import pulse_operation, read_operation, runs, sweep_operation

FIELDS = ("current", "voltage", "pulse_width", "read_voltage", "op_type")
READ, PULSE, PULSE_READ = 1, 2, 3
"""Operation types."""


class RowKind(IntEnum):
    """What a row becomes."""

    LEFT_OUT = 0
    """An unknown type, or a voltage or width that cannot have been applied."""
    READ = 1
    PULSE = 2
    PULSE_READ = 3
    """A pulse, then a read at the read voltage: two operations."""
    SWEEP = 4
    """A step of a staircase: pulse and read without a pulse width, as the curve tracer writes them."""


def row_kinds(rows: NDArray[Any]) -> NDArray[np.int64]:
    """Return the `RowKind` of each row `(n,)`."""
    kind, width = rows["op_type"], rows["pulse_width"]
    readable, applied = np.isfinite(rows["read_voltage"]), np.isfinite(rows["voltage"])
    pulsed = applied & np.isfinite(width) & (width > 0)
    both = (kind == PULSE_READ) & readable & applied
    cases = [(kind == READ) & readable, (kind == PULSE) & pulsed, both & pulsed, both & (width == 0)]
    return np.select(cases, [RowKind.READ, RowKind.PULSE, RowKind.PULSE_READ, RowKind.SWEEP], RowKind.LEFT_OUT)


def row_operations(cell: tuple[int, int], rows: NDArray[Any], compliance: float) -> Iterator[Operation]:
    """Give the operations of rows `(n,)` of one cell, in order.

    Reads at one voltage that follow each other are the repeats of one read, equal pulses one train, steps of a
    staircase one sweep. `compliance` [A] stands in the pulses.
    """
    kinds = row_kinds(rows)
    current, voltage, width, read_voltage = (rows[name].astype(np.float64) for name in FIELDS[:4])
    # What must stay equal within one operation, by kind; nothing else may split it.
    level = np.select([kinds == RowKind.READ, kinds == RowKind.PULSE], [read_voltage, voltage], 0.0)
    length = np.where(kinds == RowKind.PULSE, width, 0.0)
    alone = np.where(kinds == RowKind.PULSE_READ, np.arange(len(rows)), -1)
    for start, end in runs(kinds, level, length, alone):
        part = slice(start, end)
        match RowKind(int(kinds[start])):
            case RowKind.READ:
                yield read_operation([cell], read_voltage[start], current[None, part])
            case RowKind.PULSE:
                yield pulse_operation(cell, voltage[start], width[start], end - start, compliance)
            case RowKind.PULSE_READ:
                yield pulse_operation(cell, voltage[start], width[start], 1, compliance)
                yield read_operation([cell], read_voltage[start], current[None, part])
            case RowKind.SWEEP:
                yield sweep_operation(cell, voltage[part], current[part], applied=read_voltage[part])
