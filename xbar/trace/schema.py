"""What stands in a trace file: tables, columns, units and limits of schema `xbar-trace/1`.

A trace is one HDF5 file per run. `/run/operations` has one row for each operation: the commit record, written after the
data that it names by start and count, with checksums of each column of them and of itself. All other columns are
one-dimensional and grow at the end; rows of arrays follow each other in C order.
"""

from dataclasses import dataclass
from enum import IntFlag
from itertools import accumulate
from typing import Final

import numpy as np

from xbar.bench.operation import OperationKind

FORMAT: Final = "xbar-trace/"
VERSION: Final = 1
END: Final = 255
"""Kind of the last row of a trace that was closed."""
RUNNING: Final = "running"
STATUS_BYTES, TIME_BYTES = 24, 40
"""Sizes of the two texts that are overwritten at the end; fixed, because nothing is created while readers look on."""
PAGE: Final = 4096
"""Page of the file's space [bytes]: with it no small block of HDF5's own is ever torn in two."""
MAX_BLOCK_BYTES: Final = 2**30
"""Largest block of one operation in one table [bytes], for writing and reading."""
MAX_SMALL_TEXT: Final = 2**20
"""Largest text of one operation [bytes]."""


class Flag(IntFlag):
    """What a request or its outcome had; an empty array is not an absent one."""

    TARGETS = 1
    VOLTAGES = 2
    EVENTS = 4
    CELLS = 8
    READINGS = 16
    ERROR = 32
    KEPT = 64
    """The voltages were kept, as they were asked or by their codes, not only their projections."""
    SINGLE = 128
    """The voltages were float32."""


@dataclass(frozen=True)
class Column:
    """One growing dataset below `/run`."""

    path: str
    dtype: str
    units: str
    long_name: str
    chunk: int
    """Values of one chunk: the tail of the column, which is written whole at each flush."""
    hardware_chunk: int
    """The same on a bench that flushes after every operation."""


COLUMNS: Final = (
    Column("data/arrays", "<i4", "", "Arrays of an operation", 1024, 256),
    Column("data/codes", "<i2", "", "Output code", 1 << 20, 1 << 13),
    Column("data/codes_float", "<f8", "", "Output code, or current in A where step is 1", 1 << 17, 1 << 11),
    Column("data/inputs", "<f8", "V", "Asked voltage", 1 << 17, 1 << 10),
    Column("data/inputs_single", "<f4", "V", "Asked voltage", 1 << 18, 1 << 11),
    Column("data/input_codes", "<i2", "", "Code of the asked voltage", 1 << 20, 1 << 12),
    Column("data/projections", "<f4", "V", "Projection of the asked voltages", 1 << 14, 256),
    Column("data/events", "<u8", "", "Event number of an input vector", 1 << 13, 256),
    Column("data/ranges", "<f8", "", "Step (A), offset (A), input range (V), output range (A)", 1 << 13, 1 << 10),
    Column("data/targets", "<f8", "S", "Target conductance", 1 << 15, 1 << 12),
    Column("data/status", "<u4", "", "Status flags of vector readings", 1 << 12, 256),
    Column("data/text", "|u1", "", "Requests and errors, JSON in UTF-8", 1 << 12, 1 << 12),
    Column("cells/row", "<i4", "", "Word line", 4096, 256),
    Column("cells/col", "<i4", "", "Bit line", 4096, 256),
    Column("cells/time", "<f8", "s", "Bench clock", 4096, 256),
    Column("cells/applied", "<f8", "V", "Applied voltage", 4096, 256),
    Column("cells/voltage", "<f8", "V", "Measured voltage", 4096, 256),
    Column("cells/current", "<f8", "A", "Current", 4096, 256),
    Column("cells/status", "<u4", "", "Status flags", 4096, 256),
    Column("cells/range", "<f8", "A", "Current range", 4096, 256),
)
CODE_TYPES: Final = ("<i1", "<i2", "<i4")
"""Types that `data/codes` may have, chosen by the bits of the output converter."""
INPUT_CODE_TYPES: Final = ("<i1", "<i2")
"""Types that `data/input_codes` may have, chosen by the bits of the input converters."""
CELL_FIELDS: Final = ("time", "applied", "voltage", "current", "status", "range")

SLOTS: Final = {
    "arrays": ("data/arrays",),
    "cells": ("cells/row", "cells/col", *(f"cells/{name}" for name in CELL_FIELDS)),
    "codes": ("data/codes",),
    "codes_float": ("data/codes_float",),
    "inputs": ("data/inputs",),
    "inputs_single": ("data/inputs_single",),
    "projections": ("data/projections",),
    "events": ("data/events",),
    "ranges": ("data/ranges",),
    "targets": ("data/targets",),
    "status": ("data/status",),
    "request": ("data/text",),
    "error": ("data/text",),
    "input_codes": ("data/input_codes",),
}
"""What an operation may refer to, and the columns that hold it."""
SHARED: Final = frozenset({"arrays", "events", "ranges", "targets", "status", "request", "error"})
"""Slots whose equal blocks are stored once and referred to again."""

CRC_PLACES: Final = {
    slot: (stop - len(paths), stop)
    for (slot, paths), stop in zip(SLOTS.items(), accumulate(map(len, SLOTS.values())), strict=True)
}
"""Where the checksums of a slot's columns stand in the field `crcs` of a row: first and behind the last."""

OPERATION: Final = np.dtype(
    [
        ("kind", "u1"),
        ("flags", "u1"),
        ("code_type", "S4"),  # dtype of the codes as the driver gave them
        ("status_axes", "u1"),
        ("started", "<f8"),
        ("ended", "<f8"),
        ("wall", "<f8"),
        ("k", "<u4"),
        ("batch", "<u4"),
        ("rows", "<u4"),
        ("cols", "<u4"),
        ("cells", "<u4"),
        ("repeat", "<u4"),
        ("status_shape", "<u4", (3,)),
        *((f"{slot}_start", "<u8") for slot in SLOTS),
        *((f"{slot}_count", "<u4") for slot in SLOTS),
        ("crcs", "<u4", (sum(map(len, SLOTS.values())),)),  # of each column of each block, places as in CRC_PLACES
        ("crc", "<u4"),
    ]
)
OPERATION_COLUMN: Final = Column("operations", "", "", "Operations, the commit records", 256, 64)
OPERATION_UNITS: Final = {"started": "s", "ended": "s", "wall": "s"}  # a "since" in it breaks xarray on the group

VIEWS: Final = {
    "cell_currents": ("current", "applied", ("cells/current", "cells/applied")),
    "output_codes": ("codes", None, ("data/codes",)),
    "output_values": ("codes_float", None, ("data/codes_float",)),
    "target_conductances": ("targets", None, ("data/targets",)),
}
"""NXdata groups: signal, axis, and the columns they link to."""

KINDS: Final = {int(kind): kind.name.lower() for kind in OperationKind} | {END: "end"}


def code_type(adc_bits: int | None) -> str:
    """Return the dtype of `data/codes` for output converters of so many bits, sign included."""
    if adc_bits is not None and adc_bits <= 8:
        return "<i1"
    return "<i2" if adc_bits is not None and adc_bits <= 16 else "<i4"


EMBEDDED = "embedded"
"""Group of the files that travel with a trace, each a dataset of bytes."""

RESULT = "result"
"""Text (JSON) of what the recorded run gave; empty where it did not end."""

RESULT_BYTES = 65536
"""Room for the result."""
