"""A piece of a table: the rows of some whole operations, or a part of those of one large operation."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Operations:
    """Some rows of the operations table, in order."""

    numbers: NDArray[np.int64]
    """Number of each operation in the trace."""
    rows: NDArray[Any]
    """Its row (fields of `schema.OPERATION`)."""

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.numbers)

    def where(self, chosen: Any) -> "Operations":
        """Return those that a mask or slice chooses."""
        if isinstance(chosen, np.ndarray) and chosen.dtype == np.bool_ and chosen.all():
            return self
        return Operations(self.numbers[chosen], self.rows[chosen])


@dataclass(frozen=True, eq=False)
class Piece:
    """Rows of a table that stand together."""

    operations: Operations
    sizes: NDArray[np.int64]
    """Rows of the table that each operation has in all."""
    first: int
    """First row of the piece, from the first of its first operation; not 0 in a part of one operation only."""
    stop: int
    """The row behind its last."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.stop - self.first

    @property
    def whole(self) -> bool:
        """Whether it has every row of its operations."""
        return len(self) == int(self.sizes.sum())

    @cached_property
    def place(self) -> NDArray[np.int64]:
        """For each row, which of the piece's operations it belongs to."""
        if len(self.operations) == 1:
            return np.zeros(len(self), np.int64)
        return np.repeat(np.arange(len(self.operations)), self.sizes)

    @cached_property
    def local(self) -> NDArray[np.int64]:
        """For each row, its number within its operation."""
        rows = np.arange(self.first, self.stop)
        return rows if len(self.operations) == 1 else rows - (np.cumsum(self.sizes) - self.sizes)[self.place]

    def spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return for each row the value of its operation."""
        return np.full(len(self), values[0]) if len(values) == 1 else np.repeat(values, self.sizes)


def cut(operations: Operations, sizes: NDArray[np.int64], most: int, *, split: bool = True) -> Iterator[Piece]:
    """Give the rows of operations in pieces of at most `most` rows; `sizes` are the rows of each, above 0.

    Without `split` an operation of more rows is a piece of its own.
    """
    ends = np.cumsum(sizes)
    at = 0
    while at < len(sizes):
        before = int(ends[at - 1]) if at else 0
        stop = int(np.searchsorted(ends, before + most, side="right"))
        if stop > at:
            chosen = slice(at, stop)
            yield Piece(operations.where(chosen), sizes[chosen], 0, int(ends[stop - 1]) - before)
            at = stop
            continue
        chosen, size = slice(at, at + 1), int(sizes[at])
        step = most if split else size
        for first in range(0, size, step):
            yield Piece(operations.where(chosen), sizes[chosen], first, min(first + step, size))
        at += 1
