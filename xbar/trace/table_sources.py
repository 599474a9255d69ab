"""What the rows of each table are: which operations have rows in it, how many, and the values of its columns."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from xbar.bench.operation import OperationKind
from xbar.trace.checked_columns import CheckedColumns
from xbar.trace.piece import Operations, Piece
from xbar.trace.schema import CELL_FIELDS, KINDS, Flag
from xbar.trace.tables import OPERATIONS, READS, TARGETS, VECTORS, TableColumn
from xbar.trace.vector_places import VectorPlaces


class TableSource(ABC):
    """One of the tables."""

    kinds: ClassVar[Mapping[str, TableColumn]]
    """Its columns."""
    time: ClassVar[str] = "time"
    """The column that a time window goes by."""
    moment: ClassVar[str] = "ended"
    """The field of the operations table that this column repeats; "" where rows of one operation differ in time."""
    unshared: ClassVar[tuple[str, ...]] = ()
    """Columns of the file of which each value belongs to one row: the table has no more rows than they have values."""

    def __init__(self, columns: CheckedColumns) -> None:
        self._columns = columns

    @abstractmethod
    def chosen(self, operations: Operations) -> NDArray[np.bool_]:
        """Return which operations have rows in the table."""

    @abstractmethod
    def sizes(self, operations: Operations) -> NDArray[np.int64]:
        """Return how many rows each of them has."""

    @abstractmethod
    def values(self, name: str, piece: Piece, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return a column of a piece; `out`, where given, may be filled and returned."""

    def of_array(self, operations: Operations, array: int) -> NDArray[np.bool_]:
        """Return which of some operations have to do with an array."""
        return np.asarray(self._arrays(operations) == array)

    def dtype(self, name: str) -> np.dtype[Any]:
        """Return the type of a column."""
        return np.dtype(self.kinds[name].dtype)

    def stored(self, name: str) -> bool:
        """Return whether a column stands in the file as it is, so that `values` needs no memory beside `out`."""
        del name
        return False

    def kept(self, piece: Piece) -> NDArray[np.bool_] | None:
        """Return which rows of a piece are rows of the table; None where all are."""
        del piece
        return None

    def _arrays(self, operations: Operations) -> NDArray[np.int32]:
        """Return the only array of each operation."""
        self._columns.refuse(operations.rows["arrays_count"] != 1, operations, "arrays")
        values, places = self._columns.gather("data/arrays", "arrays", operations)
        return np.asarray(values[places])

    def _common(self, name: str, piece: Piece) -> NDArray[Any]:
        """Return number, time or array of the operation that each row belongs to."""
        operations = piece.operations
        if name == "operation":
            return piece.spread(operations.numbers)
        return piece.spread(operations.rows["ended"] if name == "time" else self._arrays(operations))


class _Operation(TableSource):
    """The operations: a row for each."""

    kinds = OPERATIONS
    time = moment = "started"

    def chosen(self, operations: Operations) -> NDArray[np.bool_]:
        return np.ones(len(operations), np.bool_)

    def sizes(self, operations: Operations) -> NDArray[np.int64]:
        return np.ones(len(operations), np.int64)

    def of_array(self, operations: Operations, array: int) -> NDArray[np.bool_]:
        if not len(operations):
            return np.zeros(0, np.bool_)
        values, places = self._columns.gather("data/arrays", "arrays", operations)
        ends = places + operations.rows["arrays_count"].astype(np.int64)
        before = np.concatenate([[0], np.cumsum(values == array)])
        return np.asarray(before[ends] > before[places])

    def values(self, name: str, piece: Piece, out: NDArray[Any] | None = None) -> NDArray[Any]:
        operations = piece.operations
        rows = operations.rows
        if name == "operation":
            return operations.numbers
        if name == "kind":
            return np.array([KINDS[kind] for kind in rows["kind"].tolist()], self.dtype(name))
        if name == "failed":
            return np.asarray(rows["flags"] & Flag.ERROR, np.bool_)
        if name != "arrays":
            return np.asarray(rows[name])
        values, places = self._columns.gather("data/arrays", "arrays", operations)
        counts = rows["arrays_count"].tolist()
        texts: dict[tuple[int, int], str] = {}
        found = []
        for key in zip(places.tolist(), counts, strict=True):
            if key not in texts:
                texts[key] = " ".join(map(str, values[key[0] : sum(key)].tolist()))
            found.append(texts[key])
        return np.array(found, np.str_)


class _Read(TableSource):
    """Readings of single cells, those of sweeps included."""

    kinds = READS
    moment = ""
    unshared = ("cells/current",)

    def chosen(self, operations: Operations) -> NDArray[np.bool_]:
        rows = operations.rows
        found = (rows["flags"] & Flag.READINGS > 0) & (rows["kind"] != OperationKind.MVM)
        return np.asarray(found & (rows["cells_count"] > 0))

    def sizes(self, operations: Operations) -> NDArray[np.int64]:
        return np.asarray(operations.rows["cells_count"].astype(np.int64))

    def stored(self, name: str) -> bool:
        return name in ("row", "col", *CELL_FIELDS)

    def values(self, name: str, piece: Piece, out: NDArray[Any] | None = None) -> NDArray[Any]:
        if self.stored(name):
            return self._columns.read(f"cells/{name}", "cells", piece, out)
        return self._common(name, piece)


class _Target(TableSource):
    """Cells that program operations were to write."""

    kinds = TARGETS

    def chosen(self, operations: Operations) -> NDArray[np.bool_]:
        rows = operations.rows
        return np.asarray((rows["flags"] & Flag.TARGETS > 0) & (rows["targets_count"] > 0))

    def sizes(self, operations: Operations) -> NDArray[np.int64]:
        rows = operations.rows
        self._columns.refuse(rows["rows"].astype(float) * rows["cols"] != rows["targets_count"], operations, "targets")
        return np.asarray(rows["targets_count"].astype(np.int64))

    def kept(self, piece: Piece) -> NDArray[np.bool_] | None:
        return np.asarray(~np.isnan(self.values("target", piece)))

    def values(self, name: str, piece: Piece, out: NDArray[Any] | None = None) -> NDArray[Any]:
        if name == "target":
            return self._columns.read("data/targets", "targets", piece, out)
        if name in ("row", "col"):
            cols = piece.spread(piece.operations.rows["cols"].astype(np.int64))
            place = piece.local // cols if name == "row" else piece.local % cols
            return np.asarray(place.astype(self.dtype(name)))
        return self._common(name, piece)


class _Vector(TableSource):
    """Output codes of products, and the currents that they mean."""

    kinds = VECTORS
    unshared = ("data/codes", "data/codes_float")

    def __init__(self, columns: CheckedColumns) -> None:
        super().__init__(columns)
        self._last: tuple[Piece, VectorPlaces] | None = None

    def dtype(self, name: str) -> np.dtype[Any]:
        """Return the type of a column; codes are integers unless a product of the trace gave other numbers."""
        if name == "code" and not self._columns.length("data/codes_float"):
            return self._columns.dtype("data/codes")
        return super().dtype(name)

    def chosen(self, operations: Operations) -> NDArray[np.bool_]:
        rows = operations.rows
        found = (rows["flags"] & Flag.READINGS > 0) & (rows["kind"] == OperationKind.MVM)
        return np.asarray(found & (rows["codes_count"] + rows["codes_float_count"].astype(np.int64) > 0))

    def sizes(self, operations: Operations) -> NDArray[np.int64]:
        rows = operations.rows
        counts = rows["codes_count"].astype(np.int64) + rows["codes_float_count"]
        product = rows["k"].astype(float) * rows["batch"] * rows["cols"]
        wrong = (product != counts) | ((rows["codes_count"] > 0) & (rows["codes_float_count"] > 0))
        wrong |= rows["arrays_count"] != rows["k"]
        self._columns.refuse(wrong, operations, "codes")
        return np.asarray(counts)

    def stored(self, name: str) -> bool:
        return name == "code" and self.dtype(name).kind == "i"

    def of_array(self, operations: Operations, array: int) -> NDArray[np.bool_]:
        return _Operation(self._columns).of_array(operations, array)

    def values(self, name: str, piece: Piece, out: NDArray[Any] | None = None) -> NDArray[Any]:
        if name in ("operation", "time"):
            return self._common(name, piece)
        if name == "code":
            return self._codes(piece, out)
        if self._last is None or self._last[0] is not piece:
            self._last = (piece, VectorPlaces(self._columns, piece))
        places = self._last[1]
        if name == "current":
            step, offset = places.ranges()
            return self._codes(piece).astype(np.float64) * step + offset
        return np.asarray(getattr(places, name)().astype(self.dtype(name), copy=False))

    def _codes(self, piece: Piece, out: NDArray[Any] | None = None) -> NDArray[Any]:
        plain = piece.operations.rows["codes_count"] > 0
        if self.stored("code"):
            return self._columns.read("data/codes", "codes", piece, out)
        found = np.empty(len(piece), self.dtype("code"))
        for slot, mask in (("codes", plain), ("codes_float", ~plain)):
            if mask.any():
                part = Piece(piece.operations.where(mask), piece.sizes[mask], 0, int(piece.sizes[mask].sum()))
                whole = piece.whole
                values = self._columns.read(f"data/{slot}", slot, part if whole else piece)
                found[piece.spread(mask)] = values
        return found


SOURCES: Mapping[str, Callable[[CheckedColumns], TableSource]] = {
    "operations": _Operation,
    "reads": _Read,
    "vectors": _Vector,
    "targets": _Target,
}
"""The tables by name, as in `tables.TABLES`."""
