"""Read a trace: every operation that was committed, in order, and none that was not."""

import os
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from xbar import hdf5
from xbar.bench.operation import Header, Operation, Request
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.errors import FileError, FormatError, InputError, XbarError
from xbar.trace.block_writer import REMEMBERED
from xbar.trace.checked_columns import CheckedColumns
from xbar.trace.checksums import checksums, right_rows
from xbar.trace.cut_file import open_cut_file
from xbar.trace.decoding import decode_outcome_error, decode_projections, decode_readings, decode_request
from xbar.trace.embedded import embedded_files, embedded_sizes, recorded_result
from xbar.trace.encoding import Block
from xbar.trace.frozen_file import open_frozen
from xbar.trace.header_text import decode_header, from_json
from xbar.trace.piece import Operations
from xbar.trace.schema import (
    CRC_PLACES,
    END,
    FORMAT,
    KINDS,
    MAX_BLOCK_BYTES,
    OPERATION,
    SHARED,
    SLOTS,
    STATUS_BYTES,
    VERSION,
)
from xbar.trace.selection import WINDOW, Filters, Selection
from xbar.trace.window import open_windows

LOOK_AHEAD = 4096
"""Rows behind a bad one that are looked at for a good one."""


TimeWindow = tuple[float | None, float | None]
"""Start and end on the bench clock [s]; None is an open end."""


class Trace:
    """A trace file, open for reading; a sequence of `Operation`, a context manager. Made by `open_trace`.

    Rows are believed in order, each when its checksum over row and data is right, and none after the first that is
    not. Operations are read when asked for: memory holds one at a time.
    """

    def __init__(
        self, path: Path, file: Any, state: hdf5.State, cut_off: bool = False, limit: int | None = None
    ) -> None:
        self.path = path
        """The file."""
        self.state = state
        """"closed", or "open" where the writer still runs or was killed."""
        self.cut_off = cut_off
        """Whether the file is shorter than it says: a copy that broke off."""
        self._limit = limit
        _check_version(path, file)
        self._file, run = file, hdf5.find(file, "run")
        self.header: Header = decode_header(hdf5.read_text(run, "header"))
        """What was known when the bench opened."""
        self.provenance = from_json(hdf5.read_text(run, "provenance"), "provenance of the trace")
        """Where the trace comes from (JSON values)."""
        self.level = hdf5.read_text(run, "record_level", max_bytes=64)
        """How much was recorded: "outputs" or "full"."""
        self._ended = hdf5.read_text(run, "status", max_bytes=STATUS_BYTES).strip()
        self._columns, self._operations = open_windows(path, run)
        self._verified, self._stopped, self._complete = 0, False, False
        self._trusted, self._ending = 0, None if state == "closed" else False
        self._checked = CheckedColumns(path, self._columns, lambda: self._verified)
        self._known: OrderedDict[tuple[Any, ...], tuple[int, ...]] = OrderedDict()
        self._last: tuple[int, dict[str, Block]] = (-1, {})

    @property
    def status(self) -> str:
        """How the run ended: "ok", "aborted", "failed", or "open" where it did not, or was killed."""
        return "open" if self.state == "open" else self._ended

    @property
    def uuid(self) -> str:
        """The number that no other trace has."""
        return str(self.provenance.get("uuid", ""))

    @property
    def complete(self) -> bool:
        """Whether every row checks, up to the last one that its writer made when it closed the file."""
        len(self)
        return self._complete

    @property
    def embedded(self) -> dict[str, bytes]:
        """The files that travel with the trace, by name."""
        return embedded_files(hdf5.find(self._file, "run"))

    @property
    def result(self) -> dict[str, Any] | None:
        """What the recorded run gave (JSON values), None where it did not end."""
        return recorded_result(hdf5.find(self._file, "run"))

    @property
    def damaged(self) -> bool:
        """Whether something that was written is not right; a run that was killed is not damaged, only not finished.

        The last rows of a killed run may lack their data. A row that is right behind one that is not, a finished file
        whose rows do not check, or one that is shorter than it says, is damage. A writer that could not write on, as on
        a full disk, closes the file as "failed" without a row of the end; that is none.
        """
        count = len(self)
        if self._complete:
            return False
        if self.cut_off or count == self._limit or (self.state == "closed" and self._ended != "failed"):
            return True
        # A hostile file may declare 10^12 rows: no more are looked at than a chunk or so can hold.
        stop = min(self._operations.length, count + 1 + LOOK_AHEAD)
        return any(self._kind_if_right(later) is not None for later in range(count + 1, stop))

    # ---- following and looking into

    def refresh(self) -> None:
        """See what the writer added since; the operations that were verified are kept.

        Does nothing for a file that was closed when it was opened. Raises `FormatError` where the file is damaged.
        """
        if self.state == "closed" or self._complete:
            return
        try:
            # The rows first: the columns are then at least as long as these rows say.
            self._operations.refresh()
            for column in self._columns.values():
                column.refresh()
        except (OSError, RuntimeError) as error:
            raise FormatError(f"{self.path} can no longer be read ({error}); verify it") from error
        # A shared block may have been read before all of it was there: its checksum is taken anew.
        self._known.clear()
        self._last, self._stopped = (-1, {}), False

    def rows(self, start: int, count: int) -> NDArray[Any]:
        """Return at most `count` rows of the operations table from `start` on, as many as are committed."""
        while self._verified < start + count and not self._stopped:
            self.advance()
        stop = min(start + count, self._verified)
        return self._operations.read(start, stop - start).copy() if stop > start else np.zeros(0, OPERATION)

    @property
    def embedded_sizes(self) -> dict[str, int]:
        """Sizes [bytes] of the files that travel with the trace, by name; the files are not read."""
        return embedded_sizes(hdf5.find(self._file, "run"))

    @property
    def file(self) -> Any:
        """The open `h5py.File`, for what is not an operation; only for reading."""
        return self._file

    def slot(self, row: Any, slot: str) -> Block:
        """Return the data of one slot that a row names; a tuple of nothing where it names none.

        Raises `FormatError`, `OSError` or `RuntimeError` where they cannot be read.
        """
        count = int(row[f"{slot}_count"])
        return self._read(slot, int(row[f"{slot}_start"]), count) if count else ()

    def evidence(self, index: int) -> tuple[Any, dict[str, Block | Exception]] | None:
        """Return row `index` and its data as they stand, right or not; None where there is no row.

        Data that cannot be read are the error instead. Raises `OSError` or `RuntimeError` where the row cannot.
        """
        if not 0 <= index < self._operations.length:
            return None
        row = self._operations.read(index, 1).copy()[0]
        found: dict[str, Block | Exception] = {}
        for slot in SLOTS:
            try:
                if block := self.slot(row, slot):
                    found[slot] = block
            except (OSError, RuntimeError, FormatError) as error:
                found[slot] = error
        return row, found

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """Values of each column below `/run`, and bytes of them before packing; the operations are included."""
        windows = self._columns | {"operations": self._operations}
        return {path: (window.length, window.length * window.dtype.itemsize) for path, window in windows.items()}

    # ---- operations

    def has(self, index: int) -> bool:
        """Return whether there is an operation `index` (from 0); earlier ones are verified on the way."""
        while self._verified <= index and not self._stopped:
            self._verify_next()
        return 0 <= index < self._verified

    def __len__(self) -> int:
        """Return the number of operations; verifies all of them."""
        while not self._stopped:
            self.advance()
        return self._verified

    def advance(self) -> int:
        """Verify some more operations, thousands where they are right; return how many are verified now."""
        if not self._stopped:
            self._verify_many()
            self._verify_next()
        return self._verified

    @overload
    def __getitem__(self, index: int) -> Operation: ...
    @overload
    def __getitem__(self, index: slice) -> list[Operation]: ...
    def __getitem__(self, index: int | slice) -> Operation | list[Operation]:
        """Return operation `index`; voltages of a product are None where only projections were recorded.

        Raises `IndexError`, as sequences do, beyond the last operation.
        """
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        i = index + len(self) if index < 0 else index
        row, blocks = self._loaded(i)
        return Operation(
            decode_request(row, blocks),
            float(row["started"]),
            float(row["ended"]),
            decode_readings(row, blocks),
            decode_outcome_error(row, blocks),
        )

    def __iter__(self) -> Iterator[Operation]:
        """Go through the operations, each verified before it is given."""
        index = 0
        while self.has(index):
            yield self[index]
            index += 1

    def row(self, index: int) -> Any:
        """Return the row of an operation in the operations table (fields of `schema.OPERATION`)."""
        if not self.has(index):
            raise IndexError(f"trace {self.path} has {self._verified} operations, no number {index}")
        return self._operations.read(index, 1)[0]

    def committed(self, index: int) -> tuple[Any, dict[str, Block]]:
        """Return row and data of an operation as they stand in the file, for copying."""
        return self._loaded(index)

    def request(self, index: int) -> Request:
        """Return what was asked in an operation."""
        return decode_request(*self._loaded(index))

    def readings(self, index: int) -> CellReadings | VectorReadings | None:
        """Return what came back in an operation, None where nothing did."""
        return decode_readings(*self._loaded(index))

    def error(self, index: int) -> Exception | None:
        """Return the error in which an operation ended, or None."""
        return decode_outcome_error(*self._loaded(index))

    def projections(self, index: int) -> NDArray[np.float32] | None:
        """Return the projections `(k, batch)` [V] of a product's voltages (`projection.project`), None for others."""
        return decode_projections(*self._loaded(index))

    @property
    def operations(self) -> NDArray[Any]:
        """The operations table as a structured array (fields of `schema.OPERATION`), all its rows verified."""
        count = len(self)
        parts = [self._operations.read(i, min(4096, count - i)).copy() for i in range(0, count, 4096)]
        return np.concatenate(parts) if parts else np.zeros(0, OPERATION)

    # ---- tables

    def reads(
        self, array: int | None = None, cell: tuple[int, int] | None = None, time: TimeWindow | None = None
    ) -> Selection:
        """Return the readings of single cells, those of sweeps included, lazily.

        Args:
            array: readings of this array alone.
            cell: readings of this (row, column) alone.
            time: readings from a start on and before an end, bench clock [s]; None in its place is an open end.

        Raises `InputError` for negative numbers and a time window that ends before it starts.
        """
        return self.select("reads", Filters(array, cell, time))

    def vectors(self, array: int | None = None, time: TimeWindow | None = None, event: int | None = None) -> Selection:
        """Return the output codes of products and the currents that they mean, lazily.

        Args:
            array: outputs of this array alone.
            time: as in `reads`; the time of a product is that of its end.
            event: outputs of the input vector with this event number alone.

        """
        return self.select("vectors", Filters(array, None, time, event))

    def targets(
        self, array: int | None = None, cell: tuple[int, int] | None = None, time: TimeWindow | None = None
    ) -> Selection:
        """Return the cells that program operations were to write, lazily; see `reads` for the arguments."""
        return self.select("targets", Filters(array, cell, time))

    def select(self, table: str, filters: Filters | None = None) -> Selection:
        """Return rows of "operations", "reads", "vectors" or "targets", lazily.

        Raises `UnknownNameError` for another table, `InputError` for filters that it has no column for.
        """
        return Selection(table, self.trusted_rows, self._checked, filters or Filters())

    def trusted_rows(self, start: int, count: int) -> NDArray[Any]:
        """Return rows of the operations table from `start` on, at most `count`; none behind the last operation.

        Of a finished trace the rows alone are checked here, and their data when they are read. Of one that did not
        end, the data are as well: its last rows may lack them. Raises `FormatError` where a finished trace is damaged.
        """
        if not self._file:
            raise InputError(f"trace {self.path} is closed; read it inside its `with` block")
        if not self._finished:
            while self._verified < start + count and not self._stopped:
                self._verify_many()
                self._verify_next()
            return self._operations.read(start, max(0, min(count, self._verified - start))).copy()
        rows = self._operations.read(start, max(0, min(count, self._operations.length - 1 - start)))
        rows = rows if rows.base is None else rows.copy()
        if start + len(rows) > self._trusted:
            good = _right_operations(rows)
            if good < len(rows):
                raise FormatError(
                    f"{self.path}: operation {start + good} is damaged; xbar trace recover copies those before it"
                )
            self._trusted = start + len(rows)
        return rows

    @property
    def _finished(self) -> bool:
        """Whether the writer closed the file and its last row says so."""
        if self._ending is None:
            last = self._operations.length - 1
            self._ending = self.state == "closed" and last >= 0 and self._kind_if_right(last) == END
        return self._ending

    # ---- verifying

    def _verify_many(self) -> None:
        """Check many rows after the last good one together, which is faster; where one is not right, none of them."""
        stop = self._operations.length if self._limit is None else min(self._limit, self._operations.length)
        try:
            rows = self._operations.read(self._verified, max(0, min(WINDOW, stop - self._verified))).copy()
            rows = rows[: _right_operations(rows)]
            self._checked.test(Operations(np.arange(self._verified, self._verified + len(rows)), rows))
        except (OSError, RuntimeError, FormatError):
            return  # one by one
        self._verified += len(rows)

    def _verify_next(self) -> None:
        """Check the row after the last good one; stop for good where it is not right."""
        index = self._verified
        kind = self._kind_if_right(index) if index != self._limit else None
        self._stopped = kind is None or kind == END
        if kind == END:
            self._complete = index + 1 == self._operations.length
        elif kind is not None:
            self._verified = index + 1

    def _kind_if_right(self, index: int) -> int | None:
        """Return the kind of row `index`, or None where there is none or its checksum is not right."""
        if index >= self._operations.length:
            return None
        try:
            rows = self._operations.read(index, 1).copy()
            row = rows[0]
            self._last = (index, {})
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
                block = self._last[1][slot] = self._read(slot, *key[1:])
                found = checksums(block)
                if slot in SHARED:
                    self._known[key] = found
                    if len(self._known) > REMEMBERED:
                        self._known.popitem(last=False)
            if found != crcs[first:stop]:
                return False
        return True

    def _read(self, slot: str, start: int, count: int) -> Block:
        columns = [self._columns[path] for path in SLOTS[slot]]
        for column in columns:
            if start + count > column.length or count * column.dtype.itemsize > MAX_BLOCK_BYTES:
                raise FormatError(f"{self.path}: {column.dataset.name} has no {count} values at {start}")
        return tuple(np.ascontiguousarray(column.read(start, count)) for column in columns)

    def _loaded(self, index: int) -> tuple[Any, dict[str, Block]]:
        """Return row and blocks of an operation."""
        row = self.row(index)
        if self._last[0] != index:
            self._last = (index, {})
        blocks = self._last[1]
        for slot in SLOTS:
            if slot not in blocks and (count := int(row[f"{slot}_count"])):
                blocks[slot] = self._read(slot, int(row[f"{slot}_start"]), count)
        return row, blocks

    # ---- the end

    def close(self) -> None:
        """Close the file; idempotent."""
        self._file.close()

    def __enter__(self) -> Self:
        """Return the trace."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()


def open_trace(path: str | os.PathLike[str], *, limit: int | None = None, frozen: bool = False) -> Trace:
    """Open a trace for reading, whether it was closed, is being written, its writer was killed or the disk was full.

    With a `limit` the trace ends after so many operations, and nothing behind them is looked at: a torn file may keep
    its reader waiting there for good (see `verification.open_checked`). `frozen` opens such a file so that it cannot.

    Raises `FileError` where it cannot be opened, `FormatError` where it is no trace or one of a newer version.
    """
    path = Path(path)
    cut_off = False
    state: hdf5.State
    try:
        file, state = (open_frozen(path), "open") if frozen else hdf5.open_file(path)
        if file is None:
            raise FileError(f"{path} is damaged and cannot be opened; take another copy of it")
    except FileError:
        file, state, cut_off = open_cut_file(path), "open", True
        if file is None:
            raise
    try:
        return Trace(path, file, state, cut_off, limit)
    except XbarError:
        file.close()
        raise
    except (OSError, RuntimeError, LookupError, ValueError, TypeError) as error:  # what h5py makes of damage
        file.close()
        raise FormatError(f"{path} is damaged and cannot be read ({error}); take another copy of it") from error


def _right_operations(rows: NDArray[Any]) -> int:
    """Return how many rows from the first on are operations and have their own checksum right."""
    known = np.isin(rows["kind"], [kind for kind in KINDS if kind != END])
    return right_rows(rows if known.all() else rows[: int(np.argmin(known))])


def _check_version(path: Path, file: Any) -> None:
    schema = hdf5.read_attribute(file, "xbar_schema")
    if not isinstance(schema, str) or not schema.startswith(FORMAT):
        raise FormatError(f"{path} is an HDF5 file but no trace of xbar; check that it is the right file")
    version = schema.removeprefix(FORMAT)
    if version != str(VERSION):
        raise FormatError(
            f"{path} has the schema {schema}; this xbar reads {FORMAT}{VERSION}: install a matching version"
        )
