"""To which array, input vector and bit line each output code belongs, and what is known of it there."""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.trace.checked_columns import CheckedColumns
from xbar.trace.piece import Piece
from xbar.trace.schema import Flag


class VectorPlaces:
    """Places of the codes of a piece, whose blocks are `(k, batch, cols)` in C order."""

    def __init__(self, columns: CheckedColumns, piece: Piece) -> None:
        self._columns, self._piece = columns, piece

    def _each(self, field: str) -> NDArray[np.int64]:
        return self._piece.spread(self._piece.operations.rows[field].astype(np.int64))

    @cached_property
    def _col(self) -> NDArray[np.int64]:
        return self._piece.local % self._each("cols")

    @cached_property
    def _line(self) -> NDArray[np.int64]:
        return self._piece.local // self._each("cols")

    @cached_property
    def _vector(self) -> NDArray[np.int64]:
        return self._line % self._each("batch")

    @cached_property
    def _array(self) -> NDArray[np.int64]:
        """Place of the array among those of the operation."""
        return self._line // self._each("batch")

    def col(self) -> NDArray[np.int64]:
        """Return the bit lines."""
        return self._col

    def vector(self) -> NDArray[np.int64]:
        """Return the numbers of the input vectors in their batch."""
        return self._vector

    def array(self) -> NDArray[np.int32]:
        """Return the arrays."""
        values, places = self._columns.gather("data/arrays", "arrays", self._piece.operations)
        return np.asarray(values[self._piece.spread(places) + self._array])

    def event(self) -> NDArray[np.uint64]:
        """Return the event numbers, 0 where there was none."""
        rows = self._piece.operations.rows
        has = rows["flags"] & Flag.EVENTS > 0
        self._columns.refuse(has & (rows["events_count"] != rows["batch"]), self._piece.operations, "events")
        values, places = self._columns.gather("data/events", "events", self._piece.operations)
        values = np.append(values, np.zeros(1, values.dtype))
        found = np.where(self._piece.spread(has), self._piece.spread(places) + self._vector, len(values) - 1)
        return np.asarray(values[found])

    def ranges(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the current of one code and that of code 0 [A]."""
        operations = self._piece.operations
        size = operations.rows["k"].astype(np.int64) * operations.rows["cols"]
        self._columns.refuse(operations.rows["ranges_count"] < 2 * size, operations, "ranges")
        values, places = self._columns.gather("data/ranges", "ranges", operations)
        step = self._piece.spread(places) + self._array * self._each("cols") + self._col
        return values[step], values[step + self._piece.spread(size)]

    def status(self) -> NDArray[Any]:
        """Return the status flags; theirs is a shape that broadcasts to `(k, batch, cols)`."""
        operations = self._piece.operations
        rows = operations.rows
        full = np.stack([rows["k"], rows["batch"], rows["cols"]], axis=1).astype(np.int64)
        shape = np.ones_like(full)
        axes = rows["status_axes"]
        for number in range(1, 4):
            mask = axes == number
            shape[mask, 3 - number :] = rows["status_shape"][mask, :number]
        wrong = (axes > 3) | ((shape != full) & (shape != 1)).any(axis=1) | (shape.prod(axis=1) != rows["status_count"])
        self._columns.refuse(wrong, operations, "status")
        values, places = self._columns.gather("data/status", "status", operations)
        strides = np.stack([shape[:, 1] * shape[:, 2], shape[:, 2], np.ones(len(shape), np.int64)], axis=1)
        strides[shape == 1] = 0
        found = self._piece.spread(places)
        for axis, coordinate in enumerate((self._array, self._vector, self._col)):
            found = found + coordinate * self._piece.spread(strides[:, axis])
        return np.asarray(values[found])
