"""Rows of a table of a trace, read when they are asked for: `Trace.reads`, `.vectors`, `.targets`, `.select`."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xbar.errors import FormatError, InputError
from xbar.trace.checked_columns import STEP, CheckedColumns
from xbar.trace.piece import Operations, Piece, cut
from xbar.trace.schema import Flag
from xbar.trace.table_sources import SOURCES, TableSource
from xbar.trace.tables import TABLES, Table, check_column, check_table

if TYPE_CHECKING:
    import pandas
    import xarray

WINDOW = 4096
"""Rows of the operations table that are looked at together."""
CHUNK = 65536
"""Rows of a `Table` of `chunks`, unless the caller says otherwise."""
KEPT = 8
"""Windows that are kept in memory for the next column, 1 MB each."""
TEXT = 2**22
"""Characters that a column of texts may take in one table."""
Rows = Callable[[int, int], NDArray[Any]]
"""Gives rows of the operations table that may be believed, from a number on, at most so many; none at the end."""


def _is_window(value: Any) -> bool:
    pair = isinstance(value, tuple | list) and len(value) == 2
    return pair and all(one is None or isinstance(one, Real) for one in value)


@dataclass(frozen=True)
class Filters:
    """Which rows are wanted; None where all are. Raises `InputError` for what cannot be meant."""

    array: int | None = None
    cell: tuple[int, int] | None = None
    """(row, column)"""
    time: tuple[float | None, float | None] | None = None
    """Bench clock [s]: from the first, which belongs to it, to the second, which does not; None is an open end."""
    event: int | None = None

    def __post_init__(self) -> None:
        if self.cell is not None and (np.ndim(self.cell) != 1 or len(self.cell) != 2):
            raise InputError(f"cell {self.cell!r} is not a word line and a bit line, such as (3, 0)")
        numbers = [self.array, self.event, *(() if self.cell is None else self.cell)]
        if any(number is not None and not (isinstance(number, int | np.integer) and number >= 0) for number in numbers):
            raise InputError(f"array, cell and event are counted from 0; given are {numbers}")
        if self.time is None:
            return
        if not _is_window(self.time):
            raise InputError(f"time {self.time!r} is not a start and an end [s], such as (0.0, 60.0)")
        start, end = self.window
        if not start <= end:
            raise InputError(f"time window from {start} s to {end} s has no length; give the earlier time first")

    @property
    def window(self) -> tuple[float, float]:
        """Start and end of the time window [s]."""
        start, end = self.time or (None, None)
        return (-math.inf if start is None else start, math.inf if end is None else end)


class Selection:
    """Some rows of a table of an open trace. Nothing is read before it is asked for.

    `selection["current"]` is a column in a NumPy array, `len(selection)` the number of rows, `chunks` gives tables of
    bounded size. Each block is checked the first time that it is read; where something that was written is no longer
    so, a `FormatError` names the operation.
    """

    def __init__(self, name: str, rows: Rows, columns: CheckedColumns, filters: Filters) -> None:
        self.name = name
        """"operations", "reads", "vectors" or "targets"."""
        check_table(name)
        kinds = TABLES[name]
        for wanted, column in (("cell", "row"), ("event", "event")):
            if getattr(filters, wanted) is not None and column not in kinds:
                raise InputError(f"table {name!r} has no column {column!r}: it cannot be selected by {wanted}")
        self.columns: tuple[str, ...] = tuple(kinds)
        """Names of the columns."""
        self.units: dict[str, str] = {column: kind.units for column, kind in kinds.items()}
        """Unit of each column (SI), "" for a pure number."""
        self.long_names: dict[str, str] = {column: kind.long_name for column, kind in kinds.items()}
        """What each column is, in words."""
        self._source: TableSource = SOURCES[name](columns)
        self._rows, self._columns, self._filters = rows, columns, filters
        self._length: int | None = None
        self._stop: int | None = None  # behind the last operation of the first pass: all columns are of one length
        self._kept: list[tuple[Operations, NDArray[np.int64]]] | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        if self._length is None:
            if self._masked:
                masks = (self._mask(piece) for piece in self._pieces(STEP))
                self._length = sum(int(mask.sum()) for mask in masks if mask is not None)
            else:
                self._length = sum(int(sizes.sum()) for _, sizes in self._chosen())
                most = [self._columns.length(column) for column in self._source.unshared]
                if most and self._length > sum(most):
                    raise FormatError(f"operations of the trace name {self._length} values; {sum(most)} are there")
        return self._length

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a column, `(len(self),)`; raises `UnknownNameError` that lists the columns."""
        check_column(name, self.units)
        if self._masked or self._source.dtype(name).kind == "U":
            parts = [part[name] for part in self.chunks(STEP, [name])]
            return np.concatenate(parts) if parts else np.zeros(0, self._source.dtype(name))
        out, place = np.empty(len(self), self._source.dtype(name)), 0
        for piece in self._pieces(STEP, split=not self._source.stored(name)):
            part = out[place : place + len(piece)]
            if (values := self._source.values(name, piece, part)) is not part:
                part[:] = values
            place += len(part)
        return out

    def column_type(self, name: str) -> np.dtype[Any]:
        """Return the type of a column; that of texts may be too narrow."""
        check_column(name, self.units)
        return self._source.dtype(name)

    def dtype(self, name: str) -> np.dtype[Any]:
        """Return the type of a column; for texts as wide as the longest, which are read for it."""
        found = self.column_type(name)
        if found.kind != "U":
            return found
        return np.dtype(
            max([found, *(part[name].dtype for part in self.chunks(STEP, [name]))], key=lambda d: d.itemsize)
        )

    def chunks(self, rows: int = CHUNK, columns: Sequence[str] | None = None) -> Iterator[Table]:
        """Give the rows in tables of at most `rows` (above 0), also where one operation has more.

        Args:
            rows: the most rows of one table; what is in memory at a time grows with it.
            columns: the columns that are wanted; None is all.

        """
        if rows < 1:
            raise InputError(f"chunks of {rows} rows: at least 1 is needed")
        names = self.columns if columns is None else tuple(columns)
        for name in names:
            check_column(name, self.units)
        for piece in self._pieces(rows):
            mask = self._mask(piece)
            if mask is not None and not mask.any():
                continue
            found = {}
            for name in names:
                values = self._source.values(name, piece).astype(self._target(name), copy=False)
                found[name] = values if mask is None else values[mask]
            yield Table(found, {name: self.units[name] for name in names})

    def table(self) -> Table:
        """Return all rows in memory."""
        return Table({name: self[name] for name in self.columns}, dict(self.units))

    def to_pandas(self) -> "pandas.DataFrame":
        """Return the rows as a data frame of pandas, the units in `attrs["units"]`.

        Raises `Unsupported` where pandas is not installed.
        """
        from xbar.trace.frames import to_pandas

        return to_pandas(self)

    def to_xarray(self) -> "xarray.Dataset":
        """Return the rows as a dataset of xarray; every variable has `units` and `long_name`.

        Operations have the dimension "operation", reads "reading", targets "cell", with all that says where and when
        as coordinates. Vectors have ("product", "col"): a row for each input vector on each array; where products have
        different numbers of bit lines, the short ones end in NaN (codes are then float64, flags 0).

        Raises `Unsupported` where xarray is not installed.
        """
        from xbar.trace.frames import to_xarray

        return to_xarray(self)

    # ---- rows

    def _target(self, name: str) -> Any:
        found = self._source.dtype(name)
        return np.str_ if found.kind == "U" else found

    @property
    def _masked(self) -> bool:
        """Whether single rows are left out, so that they have to be read to be counted."""
        filters = self._filters
        rows = filters.cell is not None or filters.event is not None or (filters.time and not self._source.moment)
        return bool(rows) or self.name == "targets" or (self.name == "vectors" and filters.array is not None)

    def _chosen(self) -> Iterator[tuple[Operations, NDArray[np.int64]]]:
        """Give the operations that have rows, and how many each; kept where they are few."""
        if self._kept is not None:
            yield from self._kept
            return
        found: list[tuple[Operations, NDArray[np.int64]]] = []
        few = True
        for part in self._choose():
            few = few and len(found) < KEPT
            found = [*found, part] if few else []
            yield part
        if few:
            self._kept = found

    def _choose(self) -> Iterator[tuple[Operations, NDArray[np.int64]]]:
        start, filters, stop = 0, self._filters, self._stop
        while len(rows := self._rows(start, WINDOW if stop is None else min(WINDOW, stop - start))):
            operations = Operations(np.arange(start, start + len(rows)), rows)
            operations = operations.where(self._source.chosen(operations))
            if filters.event is not None:
                operations = operations.where(operations.rows["flags"] & Flag.EVENTS > 0)
            if filters.time is not None and self._source.moment:
                times, (first, last) = operations.rows[self._source.moment], filters.window
                operations = operations.where((times >= first) & (times < last))
            if filters.array is not None and len(operations):
                operations = operations.where(self._source.of_array(operations, filters.array))
            if len(operations):
                yield operations, self._source.sizes(operations)
            start += len(rows)
        self._stop = start

    def _pieces(self, most: int, *, split: bool = True) -> Iterator[Piece]:
        for operations, sizes in self._chosen():
            limit = most
            if self.name == "operations":  # texts are as wide as the longest: long lists of arrays, few rows
                limit = max(1, min(most, TEXT // (12 * max(1, int(operations.rows["arrays_count"].max())))))
            yield from cut(operations, sizes, limit, split=split)

    def _mask(self, piece: Piece) -> NDArray[np.bool_] | None:
        """Return which rows of a piece are wanted; None where all are."""
        if not self._masked:
            return None
        source, filters = self._source, self._filters
        kept = source.kept(piece)
        mask = np.ones(len(piece), np.bool_) if kept is None else kept
        wanted = {"event": filters.event, **dict(zip(("row", "col"), filters.cell or (), strict=False))}
        if self.name == "vectors":
            wanted["array"] = filters.array
        for name, value in wanted.items():
            if value is not None:
                mask &= source.values(name, piece) == value
        if filters.time is not None and not source.moment:
            times, (start, end) = source.values(source.time, piece), filters.window
            mask &= (times >= start) & (times < end)
        return mask
