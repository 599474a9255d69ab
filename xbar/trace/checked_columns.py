"""Values of many operations at once from the columns of a trace, each block's checksum tested once."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from zlib_ng.zlib_ng import crc32

from xbar.errors import FormatError, InputError
from xbar.trace.checksums import checksum
from xbar.trace.piece import Operations, Piece, cut
from xbar.trace.schema import CRC_PLACES, MAX_BLOCK_BYTES, SHARED, SLOTS
from xbar.trace.window import Window

STEP = 2**18
"""Values of a large block that are tested at once: they stay in the processor's cache."""
WASTE = 2**17
"""Values that may be read in vain where that saves reading blocks one by one."""


class CheckedColumns:
    """Read the blocks of rows that are trusted; `verified` tells how many operations were verified data and all."""

    def __init__(self, path: Path, columns: Mapping[str, Window], verified: Callable[[], int]) -> None:
        self._path, self._columns, self._verified = path, columns, verified
        self._tested: dict[tuple[str, str], NDArray[np.bool_]] = {}

    def dtype(self, column: str) -> np.dtype[Any]:
        """Return the type of a column."""
        dtype: np.dtype[Any] = self._columns[column].dtype
        return dtype

    def length(self, column: str) -> int:
        """Return the number of values of a column."""
        return self._columns[column].length

    def refuse(self, bad: Any, operations: Operations, what: str) -> None:
        """Raise `FormatError` that names the first operation for which `bad` is true."""
        places = np.flatnonzero(bad)
        if len(places):
            raise FormatError(
                f"{self._path}: {what} of operation {operations.numbers[places[0]]} is damaged; "
                "xbar trace recover copies the operations before it"
            )

    def read(self, column: str, slot: str, piece: Piece, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the values of a column for each row of a piece, whose operations have a value a row in this slot.

        Values are put into `out` where it is given. Raises `FormatError` where a checksum is not right.
        """
        found = np.empty(len(piece), self.dtype(column)) if out is None else out
        operations = piece.operations
        if not len(found):
            return found
        starts, counts = self._blocks(column, slot, operations)
        self.refuse(counts != piece.sizes, operations, slot)
        with self._damage(column):
            if piece.whole and len(operations) == 1:
                self._read_one(column, slot, operations, int(starts[0]), found)
                return found
            if piece.whole:
                self._fill(column, starts, counts, found)
                self._test(column, slot, operations, found, counts)
                return found
            if not self._known(column, slot, operations).all():
                self._test_large(column, slot, operations, int(starts[0]), int(counts[0]))
            self._columns[column].dataset.read_direct(
                found, np.s_[int(starts[0]) + piece.first : int(starts[0]) + piece.stop]
            )
        return found

    def gather(self, column: str, slot: str, operations: Operations) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return blocks that operations may share, one behind another, and where in them that of each begins."""
        starts, counts = self._blocks(column, slot, operations)
        first = CRC_PLACES[slot][0]
        keys = np.stack([starts, counts, operations.rows["crcs"][:, first].astype(np.int64)], axis=1)
        _, chosen, place = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        window, blocks = self._columns[column], [np.zeros(0, self.dtype(column))]
        with self._damage(column):
            for start, count in zip(starts[chosen].tolist(), counts[chosen].tolist(), strict=True):
                blocks.append(np.array(window.read(start, count)) if count else blocks[0])
        values, unique = np.concatenate(blocks), operations.where(chosen)
        self._test(column, slot, unique, values, counts[chosen])
        return values, (np.cumsum(counts[chosen]) - counts[chosen])[place.reshape(-1)]

    def test(self, operations: Operations) -> None:
        """Test every block of some operations; raises `FormatError` for one that is not right."""
        for slot, paths in SLOTS.items():
            named = operations.where(operations.rows[f"{slot}_count"] > 0)
            for piece in cut(named, named.rows[f"{slot}_count"].astype(np.int64), STEP):
                for column in paths if piece.first == 0 else ():
                    if slot in SHARED and piece.whole:
                        self.gather(column, slot, piece.operations)
                    else:
                        self.read(column, slot, piece)

    # ---- blocks

    def _blocks(self, column: str, slot: str, operations: Operations) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return start and count of each operation's block, inside the column."""
        window, rows = self._columns[column], operations.rows
        starts, counts = rows[f"{slot}_start"], rows[f"{slot}_count"].astype(np.int64)
        room = window.length - np.minimum(starts, window.length).astype(np.int64)
        self.refuse((counts > room) | (counts * window.dtype.itemsize > MAX_BLOCK_BYTES), operations, slot)
        return starts.astype(np.int64), counts

    def _read_one(self, column: str, slot: str, operations: Operations, start: int, out: NDArray[Any]) -> None:
        """Read one block in steps, each tested while the processor still has it at hand."""
        dataset, crc, known = self._columns[column].dataset, 0, bool(self._known(column, slot, operations)[0])
        for first in range(0, len(out), STEP):
            part = out[first : first + STEP]
            dataset.read_direct(part, np.s_[start + first : start + first + len(part)])
            crc = crc if known else checksum(part, crc)
        if not known:
            self.refuse(self._wanted(column, slot, operations) != crc, operations, column)
            self._tested[slot, column][operations.numbers] = True

    def _fill(self, column: str, starts: NDArray[np.int64], counts: NDArray[np.int64], out: NDArray[Any]) -> None:
        """Read blocks one behind another: in one go where they stand so, or nearly so, in the file."""
        dataset, stops = self._columns[column].dataset, starts + counts
        breaks = np.flatnonzero(starts[1:] != stops[:-1]) + 1
        low, high = int(starts.min()), int(stops.max())
        if not len(breaks):
            dataset.read_direct(out, np.s_[low:high])
        elif high - low <= len(out) + WASTE:
            ends = np.cumsum(counts)
            out[:] = dataset[low:high][np.repeat(starts - low - (ends - counts), counts) + np.arange(len(out))]
        else:
            place = 0
            for run in np.split(np.arange(len(starts)), breaks):
                first, stop = int(starts[run[0]]), int(stops[run[-1]])
                dataset.read_direct(out, np.s_[first:stop], np.s_[place : place + stop - first])
                place += stop - first

    # ---- checksums

    def _known(self, column: str, slot: str, operations: Operations) -> NDArray[np.bool_]:
        """Return for each operation whether its block needs no test any more."""
        tested = self._tested.get((slot, column), np.zeros(0, np.bool_))
        if (last := int(operations.numbers.max(initial=-1))) >= len(tested):
            tested = np.concatenate([tested, np.zeros(max(1024, last + 1 - len(tested), len(tested)), np.bool_)])
            self._tested[slot, column] = tested
        return np.asarray(tested[operations.numbers] | (operations.numbers < self._verified()))

    def _test(
        self, column: str, slot: str, operations: Operations, values: NDArray[Any], counts: NDArray[np.int64]
    ) -> None:
        """Test the checksum of each block that stands in `values`, one behind another."""
        todo = np.flatnonzero(~self._known(column, slot, operations))
        if not len(todo):
            return
        stops = np.cumsum(counts) * values.itemsize
        starts = stops - counts * values.itemsize
        data = values.data.cast("B") if len(values) else memoryview(b"")
        crcs = [crc32(data[a:b]) for a, b in zip(starts[todo].tolist(), stops[todo].tolist(), strict=True)]
        bad = np.zeros(len(operations), np.bool_)
        bad[todo] = self._wanted(column, slot, operations)[todo] != np.array(crcs, np.uint32)
        self.refuse(bad, operations, column)
        self._tested[slot, column][operations.numbers] = True

    def _test_large(self, column: str, slot: str, operations: Operations, start: int, count: int) -> None:
        """Test the checksum of a block that is not read as a whole."""
        dataset, crc, stop = self._columns[column].dataset, 0, start + count
        for first in range(start, stop, STEP):
            crc = checksum(dataset[first : min(first + STEP, stop)], crc)
        self.refuse(self._wanted(column, slot, operations) != crc, operations, column)
        self._tested[slot, column][operations.numbers] = True

    def _wanted(self, column: str, slot: str, operations: Operations) -> NDArray[np.uint32]:
        place = CRC_PLACES[slot][0] + SLOTS[slot].index(column)
        return np.asarray(operations.rows["crcs"][:, place])

    @contextmanager
    def _damage(self, column: str) -> Iterator[None]:
        """Say what is wrong where the file is closed already, or HDF5 finds it damaged."""
        if not self._columns[column].dataset:
            raise InputError(f"trace {self._path} is closed; read it inside its `with` block, or copy before the end")
        try:
            yield
        except (OSError, RuntimeError) as error:
            raise FormatError(f"{self._path}: {column} cannot be read ({error}); take another copy of it") from error
