"""Which rows of the operations table are believed: in order, each by its checksums, none after the first bad one."""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.errors import FormatError
from xbar.hdf5 import State
from xbar.trace.block_writer import REMEMBERED
from xbar.trace.checked_columns import CheckedColumns
from xbar.trace.checksums import checksums, right_rows
from xbar.trace.encoding import Block
from xbar.trace.piece import Operations
from xbar.trace.schema import CRC_PLACES, END, KINDS, MAX_BLOCK_BYTES, SHARED, SLOTS
from xbar.trace.selection import WINDOW
from xbar.trace.window import Window

LOOK_AHEAD = 4096
"""Rows behind a bad one that are looked at for a good one."""


class RowVerifier:
    """Verify the rows of a trace, and the data that they name, as far as they are asked for.

    Args:
        path: the file, for messages.
        columns: a window on each column below `/run`.
        operations: one on the operations table.
        state: "closed", or "open" where the writer still runs or was killed.
        limit: operations behind which nothing is looked at; None for no limit.

    """

    def __init__(
        self, path: Path, columns: Mapping[str, Window], operations: Window, state: State, limit: int | None
    ) -> None:
        self._path, self._columns, self.operations, self._limit = path, columns, operations, limit
        self.verified = 0
        """Operations that are right, from the first on, as far as they were looked at."""
        self.stopped = False
        """Whether the row behind them was looked at and is no operation, or not right."""
        self.complete = False
        """Whether that row is the one that the writer made when it closed the file, and the last."""
        self.last: tuple[int, dict[str, Block]] = (-1, {})
        """The operation that was looked at last, and its blocks that were read."""
        self.checked = CheckedColumns(path, columns, lambda: self.verified)
        """The same columns, for many operations at once."""
        self._state = state
        self._trusted, self._ending = 0, None if state == "closed" else False
        self._known: OrderedDict[tuple[Any, ...], tuple[int, ...]] = OrderedDict()

    @property
    def at_limit(self) -> bool:
        """Whether the operations that are right are as many as are to be looked at."""
        return self.verified == self._limit

    def refresh(self) -> None:
        """See what the writer added since. Raises `OSError` or `RuntimeError` where the file is damaged."""
        # The rows first: the columns are then at least as long as these rows say.
        self.operations.refresh()
        for column in self._columns.values():
            column.refresh()
        # A shared block may have been read before all of it was there: its checksum is taken anew.
        self._known.clear()
        self.last, self.stopped = (-1, {}), False

    def has(self, index: int) -> bool:
        """Return whether there is an operation `index` (from 0); earlier ones are verified on the way."""
        while self.verified <= index and not self.stopped:
            self._verify_next()
        return 0 <= index < self.verified

    def count(self) -> int:
        """Return the number of operations; verifies all of them."""
        while not self.stopped:
            self.advance()
        return self.verified

    def advance(self) -> int:
        """Verify some more operations, thousands where they are right; return how many are verified now."""
        if not self.stopped:
            self._verify_many()
            self._verify_next()
        return self.verified

    def right_behind(self) -> bool:
        """Return whether there is a right row behind one that is not."""
        # A hostile file may declare 10^12 rows: no more are looked at than a chunk or so can hold.
        first = self.count() + 1
        stop = min(self.operations.length, first + LOOK_AHEAD)
        return any(self._kind_if_right(later) is not None for later in range(first, stop))

    def trusted_rows(self, start: int, count: int) -> NDArray[Any]:
        """Return rows of the operations table from `start` on, at most `count`; none behind the last operation.

        Of a finished trace the rows alone are checked here, and their data when they are read. Of one that did not
        end, the data are as well: its last rows may lack them. Raises `FormatError` where a finished trace is damaged.
        """
        if not self._finished:
            while self.verified < start + count and not self.stopped:
                self._verify_many()
                self._verify_next()
            return self.operations.read(start, max(0, min(count, self.verified - start))).copy()
        rows = self.operations.read(start, max(0, min(count, self.operations.length - 1 - start)))
        rows = rows if rows.base is None else rows.copy()
        if start + len(rows) > self._trusted:
            good = _right_operations(rows)
            if good < len(rows):
                raise FormatError(
                    f"{self._path}: operation {start + good} is damaged; xbar trace recover copies those before it"
                )
            self._trusted = start + len(rows)
        return rows

    @property
    def _finished(self) -> bool:
        """Whether the writer closed the file and its last row says so."""
        if self._ending is None:
            last = self.operations.length - 1
            self._ending = self._state == "closed" and last >= 0 and self._kind_if_right(last) == END
        return self._ending

    # ---- verifying

    def _verify_many(self) -> None:
        """Check many rows after the last good one together, which is faster; where one is not right, none of them."""
        stop = self.operations.length if self._limit is None else min(self._limit, self.operations.length)
        try:
            rows = self.operations.read(self.verified, max(0, min(WINDOW, stop - self.verified))).copy()
            rows = rows[: _right_operations(rows)]
            self.checked.test(Operations(np.arange(self.verified, self.verified + len(rows)), rows))
        except (OSError, RuntimeError, FormatError):
            return  # one by one
        self.verified += len(rows)

    def _verify_next(self) -> None:
        """Check the row after the last good one; stop for good where it is not right."""
        index = self.verified
        kind = self._kind_if_right(index) if index != self._limit else None
        self.stopped = kind is None or kind == END
        if kind == END:
            self.complete = index + 1 == self.operations.length
        elif kind is not None:
            self.verified = index + 1

    def _kind_if_right(self, index: int) -> int | None:
        """Return the kind of row `index`, or None where there is none or its checksum is not right."""
        if index >= self.operations.length:
            return None
        try:
            rows = self.operations.read(index, 1).copy()
            row = rows[0]
            self.last = (index, {})
            right = int(row["kind"]) in KINDS and right_rows(rows) == 1 and self._data_right(row)
        except (OSError, RuntimeError, FormatError):
            return None
        return int(row["kind"]) if right else None

    def _data_right(self, row: Any) -> bool:
        """Return whether each block that a row names has the checksums it says; shared blocks are read once."""
        crcs = tuple(row["crcs"].tolist())
        for slot, (first, stop) in CRC_PLACES.items():
            count = int(row[f"{slot}_count"])
            if not count:
                continue
            key = (SLOTS[slot], int(row[f"{slot}_start"]), count)
            if (found := self._known.get(key)) is None:
                block = self.last[1][slot] = self.read_block(slot, *key[1:])
                found = checksums(block)
                if slot in SHARED:
                    self._known[key] = found
                    if len(self._known) > REMEMBERED:
                        self._known.popitem(last=False)
            if found != crcs[first:stop]:
                return False
        return True

    def read_block(self, slot: str, start: int, count: int) -> Block:
        """Return the columns of a block, right or not.

        Raises `FormatError`, `OSError` or `RuntimeError` where they cannot be read.
        """
        columns = [self._columns[path] for path in SLOTS[slot]]
        for column in columns:
            if start + count > column.length or count * column.dtype.itemsize > MAX_BLOCK_BYTES:
                raise FormatError(f"{self._path}: {column.dataset.name} has no {count} values at {start}")
        return tuple(np.ascontiguousarray(column.read(start, count)) for column in columns)


def _right_operations(rows: NDArray[Any]) -> int:
    """Return how many rows from the first on are operations and have their own checksum right."""
    known = np.isin(rows["kind"], [kind for kind in KINDS if kind != END])
    return right_rows(rows if known.all() else rows[: int(np.argmin(known))])
