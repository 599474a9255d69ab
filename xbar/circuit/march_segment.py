"""One segment of a march: its start, its end, and the condition at its left that gives its unknowns."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lu_factor, lu_solve


@dataclass(eq=False)
class Segment:
    """Columns first to last-1, marched from the state (start_w x, start_c x) to (a x, b x) for unknowns x.

    The unknowns are the voltages at the right of the segment, the currents of stiff word lines. All (rows, rows).
    """

    first: int
    last: int
    start_w: NDArray[Any]
    start_c: NDArray[Any]
    a: NDArray[Any]
    b: NDArray[Any]
    cut: NDArray[np.bool_]
    """Word lines that are broken left of column `first`."""
    stiff: NDArray[np.bool_]
    """Word lines that the next segment continues by their currents."""
    cut_right: NDArray[np.bool_]
    """Word lines that are broken right of column last-1: their voltages there are unknowns of their own."""
    factors: Any = None
    """LU factors of the condition at the left, its rows scaled."""
    scale: Any = None
    """(rows,): powers of two."""

    def factor(self, condition: NDArray[Any], currents: NDArray[np.bool_]) -> None:
        """Factor the condition; `currents`: rows that prescribe a current.

        These are in siemens, the others without unit: scaled alike, so that pivots are chosen well. A piece that is
        connected to nothing has an empty equation: it stands at 0 V by definition.
        """
        size = np.abs(condition).max(axis=1)
        empty = np.flatnonzero(size == 0)
        condition[empty, empty] = 1
        power = np.where(currents & (size > 0), np.frexp(np.where(size > 0, size, 1))[1], 0)
        self.scale = np.ldexp(np.ones(len(size), condition.dtype), -power)
        self.factors = lu_factor(self.scale[:, None] * condition, overwrite_a=True, check_finite=False)

    def solve_transposed(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return `rows` (any, rows) times the inverse of the condition."""
        found = np.asarray(lu_solve(self.factors, rows.T, trans=1, check_finite=False))
        return np.asarray((self.scale[:, None] * found).T)

    def next_start(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the start of the next segment: the identity for what is its unknown, the response for the other."""
        rows = len(self.cut)
        c = self.solve_transposed(self.b).copy()
        if not self.stiff.any():
            c[self.cut] = 0
            c[:, self.cut] = 0
            return np.eye(rows, dtype=c.dtype), np.ascontiguousarray((c + c.T) / 2)
        w = self.solve_transposed(self.a).copy()
        w[~self.stiff] = np.eye(rows, dtype=c.dtype)[~self.stiff]
        c[self.stiff] = np.eye(rows, dtype=c.dtype)[self.stiff]
        c[self.cut] = 0
        for response in (w[self.stiff], c):
            response[:, self.cut] = 0
        w[np.ix_(self.stiff, self.cut)] = 0
        return np.ascontiguousarray(w), np.ascontiguousarray(c)

    def solve(self, rhs: NDArray[Any]) -> NDArray[Any]:
        """Return the unknowns for what is prescribed at the left (rows, lanes)."""
        return np.asarray(lu_solve(self.factors, self.scale[:, None] * rhs, check_finite=False))


@dataclass(frozen=True, eq=False)
class Part:
    """States of a segment at its right and its left for the sources alone, the unknowns at 0."""

    start_w: NDArray[Any]
    start_c: NDArray[Any]
    end_w: NDArray[Any]
    end_c: NDArray[Any]
