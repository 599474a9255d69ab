"""Checksums of the commit records: one for each column of each block that a row names, and one for the row itself.

So a row can be believed before its data are read, and one column be checked without the others. The crc32 is that of
zlib, taken from zlib-ng: the same numbers, about ten times as fast.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from zlib_ng.zlib_ng import crc32

from xbar.trace.encoding import Block
from xbar.trace.schema import CRC_PLACES, OPERATION

_OWN = OPERATION.itemsize - 4
"""Bytes of a row before its own checksum."""


def checksum(column: NDArray[Any], before: int = 0) -> int:
    """Return the crc32 of a contiguous array; `before` is that of the values in front of it."""
    return crc32(column.data.cast("B"), before) if len(column) else before


def checksums(block: Block) -> tuple[int, ...]:
    """Return the crc32 of each column of a block."""
    return tuple(checksum(column) for column in block)


def sign(row: NDArray[Any], crcs: Mapping[str, Sequence[int]]) -> None:
    """Put the checksums of a row's blocks, by slot, and then its own into a row (an array of one)."""
    row["crcs"] = 0
    for slot, values in crcs.items():
        first, stop = CRC_PLACES[slot]
        row["crcs"][0, first:stop] = values
    row["crc"] = row_checksum(row)


def row_checksum(row: NDArray[Any]) -> int:
    """Return the checksum that a row (an array of one) should have: over all of it before its own, which is last."""
    return crc32(np.ascontiguousarray(row).view(np.uint8)[:_OWN].data)


def right_rows(rows: NDArray[Any]) -> int:
    """Return how many rows from the first on have their own checksum right."""
    data, size = np.ascontiguousarray(rows).view(np.uint8).data, OPERATION.itemsize
    starts = range(0, len(data), size)
    right = rows["crc"] == np.array([crc32(data[start : start + _OWN]) for start in starts], np.uint32)
    return len(rows) if right.all() else int(np.argmin(right))
