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
from xbar.errors import FileError, FormatError, XbarError
from xbar.trace.block_writer import REMEMBERED, checksum, row_checksum
from xbar.trace.cut_file import open_cut_file
from xbar.trace.decoding import decode_outcome_error, decode_projections, decode_readings, decode_request
from xbar.trace.embedded import embedded_files, recorded_result
from xbar.trace.encoding import Block
from xbar.trace.header_text import decode_header, from_json
from xbar.trace.schema import (
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
from xbar.trace.window import open_windows


class Trace:
    """A trace file, open for reading; a sequence of `Operation`, a context manager. Made by `open_trace`.

    Rows are believed in order, each when its checksum over row and data is right, and none after the first that is
    not. Operations are read when asked for: memory holds one at a time.
    """

    def __init__(self, path: Path, file: Any, state: hdf5.State, cut_off: bool = False) -> None:
        self.path = path
        """The file."""
        self.state = state
        """"closed", or "open" where the writer still runs or was killed."""
        self.cut_off = cut_off
        """Whether the file is shorter than it says: a copy that broke off."""
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
        self._known: OrderedDict[tuple[Any, ...], int] = OrderedDict()
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
        whose rows do not check, or one that is shorter than it says, is damage.
        """
        count = len(self)
        if self._complete:
            return False
        if self.cut_off or self.state == "closed":
            return True
        return any(self._kind_if_right(later) is not None for later in range(count + 1, self._operations.length))

    # ---- operations

    def has(self, index: int) -> bool:
        """Return whether there is an operation `index` (from 0); earlier ones are verified on the way."""
        while self._verified <= index and not self._stopped:
            self._verify_next()
        return 0 <= index < self._verified

    def __len__(self) -> int:
        """Return the number of operations; verifies all of them."""
        while not self._stopped:
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

    # ---- verifying

    def _verify_next(self) -> None:
        """Check the row after the last good one; stop for good where it is not right."""
        index = self._verified
        kind = self._kind_if_right(index)
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
            stored, rows["crc"] = int(row["crc"]), 0
            self._last = (index, {})
            right = int(row["kind"]) in KINDS and row_checksum(rows, self._checksums(row)) == stored
        except (OSError, RuntimeError, FormatError):
            return None
        return int(row["kind"]) if right else None

    def _checksums(self, row: Any) -> dict[str, int]:
        """Return the checksum of each block that a row names; blocks that rows share are read once."""
        found = {}
        for slot in SLOTS:
            start, count = int(row[f"{slot}_start"]), int(row[f"{slot}_count"])
            if not count:
                continue
            key = (SLOTS[slot], start, count)
            if key in self._known:
                found[slot] = self._known[key]
                continue
            block = self._last[1][slot] = self._read(slot, start, count)
            found[slot] = checksum(block)
            if slot in SHARED:
                self._known[key] = found[slot]
                if len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
        return found

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


def open_trace(path: str | os.PathLike[str]) -> Trace:
    """Open a trace for reading, whether it was closed, is being written, its writer was killed or the disk was full.

    Raises `FileError` where it cannot be opened, `FormatError` where it is no trace or one of a newer version.
    """
    path = Path(path)
    cut_off = False
    try:
        file, state = hdf5.open_file(path)
    except FileError:
        file, state, cut_off = open_cut_file(path), "open", True
        if file is None:
            raise
    try:
        return Trace(path, file, state, cut_off)
    except XbarError:
        file.close()
        raise
    except (OSError, RuntimeError, LookupError, ValueError, TypeError) as error:  # what h5py makes of damage
        file.close()
        raise FormatError(f"{path} is damaged and cannot be read ({error}); take another copy of it") from error


def _check_version(path: Path, file: Any) -> None:
    schema = hdf5.read_attribute(file, "xbar_schema")
    if not isinstance(schema, str) or not schema.startswith(FORMAT):
        raise FormatError(f"{path} is an HDF5 file but no trace of xbar; check that it is the right file")
    version = schema.removeprefix(FORMAT)
    if version != str(VERSION):
        raise FormatError(
            f"{path} has the schema {schema}; this xbar reads {FORMAT}{VERSION}: install a matching version"
        )
