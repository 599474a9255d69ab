"""Why an operation of a trace is not believed: the first thing about its row or its data that is not right."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from xbar.errors import FormatError
from xbar.trace.checksums import checksum, right_rows
from xbar.trace.reader import Trace
from xbar.trace.schema import CRC_PLACES, KINDS, OPERATION, SLOTS

Reason = Literal[
    "missing row", "unreadable row", "row", "kind", "missing data", "unreadable data", "data", "hang", "crash"
]


@dataclass(frozen=True)
class Fault:
    """What is wrong with the first operation that is not believed."""

    operation: int
    """Its number, from 0."""
    reason: Reason
    """What kind of thing it is, for programs."""
    column: str | None
    """The column below `/run` whose values are not right, None where that is not what is wrong."""
    message: str
    """The same for people."""


def find_fault(trace: Trace, index: int) -> Fault | None:
    """Return what is wrong with operation `index` of a trace; None where there is none of that number, or it is right.

    Raises nothing for a damaged file: that it cannot be read is what is wrong then.
    """
    try:
        found = trace.evidence(index)
    except (OSError, RuntimeError, FormatError) as error:
        return Fault(index, "unreadable row", "operations", f"its row cannot be read ({error})")
    if found is None:
        return None
    row, blocks = found
    rows = np.array([row], OPERATION)
    if not rows.tobytes().strip(b"\0"):
        return Fault(index, "missing row", "operations", "its row was never written: it is empty")
    if not right_rows(rows):
        return Fault(index, "row", "operations", "the checksum of its row is not right: the row was changed or torn")
    if int(row["kind"]) not in KINDS:
        known = ", ".join(f"{number} {name}" for number, name in KINDS.items())
        return Fault(index, "kind", "operations", f"kind {int(row['kind'])} is not known; known are {known}")
    for slot, block in blocks.items():
        fault = _data_fault(trace, index, row, slot, block)
        if fault is not None:
            return fault
    return None


def _data_fault(trace: Trace, index: int, row: Any, slot: str, block: Any) -> Fault | None:
    """Return what is wrong with the data of one slot, given as they were read, or as the error that came instead."""
    start, count, (first, _) = int(row[f"{slot}_start"]), int(row[f"{slot}_count"]), CRC_PLACES[slot]
    place = f"{count} values from {start} on"
    if isinstance(block, Exception):
        lengths = {path: trace.sizes[path][0] for path in SLOTS[slot]}
        short = next((path for path, length in lengths.items() if start + count > length), None)
        if short is not None:
            text = f"its data are missing: it names {place} in {short}, which has {lengths[short]}"
            return Fault(index, "missing data", short, text)
        return Fault(index, "unreadable data", SLOTS[slot][0], f"{place} in {SLOTS[slot][0]} cannot be read ({block})")
    for path, column, stored in zip(SLOTS[slot], block, row["crcs"].tolist()[first:], strict=False):
        if checksum(column) != stored:
            empty = " (they are all 0: the chunk may never have been written)" if not column.any() else ""
            return Fault(index, "data", path, f"the checksum of {path}, {place}, is not right{empty}")
    return None


def limit(path_bytes: int) -> float:
    """Return how long [s] the check of a file of so many bytes may take: a minute and a second for each 4 MB.

    A check takes about a second for 500 MB on a fast disk.
    """
    return 60.0 + math.ceil(path_bytes / 4e6)
