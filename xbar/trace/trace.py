"""A trace as a sequence of operations: every operation that was committed, in order, and none that was not."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from xbar import hdf5
from xbar.bench.operation import Header, Operation, Request
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.errors import FormatError, InputError
from xbar.trace.decoding import decode_outcome_error, decode_projections, decode_readings, decode_request
from xbar.trace.encoding import Block
from xbar.trace.header_text import decode_header, from_json
from xbar.trace.row_verifier import RowVerifier
from xbar.trace.schema import OPERATION, SLOTS, STATUS_BYTES
from xbar.trace.trace_contents import TraceContents
from xbar.trace.window import open_windows


class Trace(TraceContents):
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
        self._file, run = file, hdf5.find(file, "run")
        self.header: Header = decode_header(hdf5.read_text(run, "header"))
        """What was known when the bench opened."""
        self.provenance = from_json(hdf5.read_text(run, "provenance"), "provenance of the trace")
        """Where the trace comes from (JSON values)."""
        self.level = hdf5.read_text(run, "record_level", max_bytes=64)
        """How much was recorded: "outputs" or "full"."""
        self._ended = hdf5.read_text(run, "status", max_bytes=STATUS_BYTES).strip()
        self._columns, self._operations = open_windows(path, run)
        self._rows = RowVerifier(path, self._columns, self._operations, state, limit)
        self._checked = self._rows.checked

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
        return self._rows.complete

    @property
    def damaged(self) -> bool:
        """Whether something that was written is not right; a run that was killed is not damaged, only not finished.

        The last rows of a killed run may lack their data. A row that is right behind one that is not, a finished file
        whose rows do not check, or one that is shorter than it says, is damage. A writer that could not write on, as on
        a full disk, closes the file as "failed" without a row of the end; that is none.
        """
        len(self)
        if self._rows.complete:
            return False
        if self.cut_off or self._rows.at_limit or (self.state == "closed" and self._ended != "failed"):
            return True
        return self._rows.right_behind()

    # ---- following and looking into

    def refresh(self) -> None:
        """See what the writer added since; the operations that were verified are kept.

        Does nothing for a file that was closed when it was opened. Raises `FormatError` where the file is damaged.
        """
        if self.state == "closed" or self._rows.complete:
            return
        try:
            self._rows.refresh()
        except (OSError, RuntimeError) as error:
            raise FormatError(f"{self.path} can no longer be read ({error}); verify it") from error

    def rows(self, start: int, count: int) -> NDArray[Any]:
        """Return at most `count` rows of the operations table from `start` on, as many as are committed."""
        while self._rows.verified < start + count and not self._rows.stopped:
            self.advance()
        stop = min(start + count, self._rows.verified)
        return self._operations.read(start, stop - start).copy() if stop > start else np.zeros(0, OPERATION)

    @property
    def file(self) -> Any:
        """The open `h5py.File`, for what is not an operation; only for reading."""
        return self._file

    def slot(self, row: Any, slot: str) -> Block:
        """Return the data of one slot that a row names; a tuple of nothing where it names none.

        Raises `FormatError`, `OSError` or `RuntimeError` where they cannot be read.
        """
        count = int(row[f"{slot}_count"])
        return self._rows.read_block(slot, int(row[f"{slot}_start"]), count) if count else ()

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
        return self._rows.has(index)

    def __len__(self) -> int:
        """Return the number of operations; verifies all of them."""
        return self._rows.count()

    def advance(self) -> int:
        """Verify some more operations, thousands where they are right; return how many are verified now."""
        return self._rows.advance()

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
            raise IndexError(f"trace {self.path} has {self._rows.verified} operations, no number {index}")
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

    def trusted_rows(self, start: int, count: int) -> NDArray[Any]:
        """Return rows of the operations table from `start` on, at most `count`; none behind the last operation.

        Of a finished trace the rows alone are checked here, and their data when they are read. Of one that did not
        end, the data are as well: its last rows may lack them. Raises `FormatError` where a finished trace is damaged.
        """
        if not self._file:
            raise InputError(f"trace {self.path} is closed; read it inside its `with` block")
        return self._rows.trusted_rows(start, count)

    def _loaded(self, index: int) -> tuple[Any, dict[str, Block]]:
        """Return row and blocks of an operation."""
        row = self.row(index)
        if self._rows.last[0] != index:
            self._rows.last = (index, {})
        blocks = self._rows.last[1]
        for slot in SLOTS:
            if slot not in blocks and (count := int(row[f"{slot}_count"])):
                blocks[slot] = self._rows.read_block(slot, int(row[f"{slot}_start"]), count)
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
