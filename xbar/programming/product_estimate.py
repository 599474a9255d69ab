"""Errors of single cells from errors of products: least squares, averaged over the rounds since each cell was written.

A product's error is the inputs times the cells' errors, and noise. With more vectors than word lines, least squares
tells the cells' errors, and what is left over the noise. Cells that nobody writes are measured again in every round:
their mean gets better, and what it scatters beyond the noise of products is noise of the cells from epoch to epoch.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

RIDGE = 1e-9
"""Added to the normal equations, relative to their mean: word lines that no input drives tell nothing."""


class ProductEstimate:
    """Estimates of the errors of all cells `(rows, cols)` [S].

    Args:
        inputs: `(n, rows)` [V], more vectors than word lines.
        cols: bit lines.

    """

    def __init__(self, inputs: Floats, cols: int) -> None:
        n, rows = inputs.shape
        gram = inputs.T @ inputs
        inverse = np.linalg.inv(gram + RIDGE * np.trace(gram) / rows * np.eye(rows))
        self._inputs, self._solve, self._free = inputs, inverse @ inputs.T, n - rows
        self._spread = np.sqrt(np.diag(inverse))
        self._volts = np.sqrt(np.mean(inputs**2))
        self.mean, self.count = np.zeros((rows, cols)), np.zeros((rows, cols), np.int64)
        """Mean error since the last write [S], and of how many rounds."""
        self.noise = np.zeros(cols)
        """Standard deviation of one output of each bit line [A]."""
        self._scatter, self._scattered = 0.0, 0
        self._one = np.zeros((rows, cols))

    def add(self, errors: Floats) -> None:
        """Take in the errors of the products of one round `(n, cols)` [A]."""
        found = self._solve @ errors
        self.noise = np.sqrt(np.sum((errors - self._inputs @ found) ** 2, axis=0) / self._free)
        self._one = self._spread[:, None] * self.noise
        known = self.count > 0
        if known.any():
            # The variance of a new value minus a mean of k is (1 + 1/k) that of one.
            squares = (found - self.mean)[known] ** 2 / (1 + 1 / self.count[known]) - self._one[known] ** 2
            self._scatter += float(squares.sum())
            self._scattered += int(known.sum())
        self.count += 1
        self.mean += (found - self.mean) / self.count

    def forget(self, cells: Bools) -> None:
        """Forget cells `(rows, cols)` that were written."""
        self.mean[cells], self.count[cells] = 0.0, 0

    @property
    def cell_noise(self) -> float:
        """Get the standard deviation of a cell from epoch to epoch, beyond the noise of products [S]."""
        return float(np.sqrt(max(self._scatter / self._scattered, 0.0))) if self._scattered else 0.0

    def standard_error(self) -> Floats:
        """Return how sure the means are `(rows, cols)` [S]."""
        return np.asarray(np.sqrt((self._one**2 + self.cell_noise**2) / np.maximum(self.count, 1)))

    def floor(self) -> Floats:
        """Return the error of a cell that adds to a product as much as its noise does, for each bit line [S]."""
        rows = len(self._spread)
        return np.asarray(np.sqrt(self.noise**2 / (rows * self._volts**2) + self.cell_noise**2))


def second_moments(inputs: Floats) -> Floats:
    """Return the second moments `(rows, rows)` [V^2] of inputs `(n, rows)`, those off the diagonal shrunk.

    By the share that chance has in them: the variance of the moments over their square, at most 1. Source: Schaefer and
    Strimmer, Stat. Appl. Genet. Mol. Biol. 4, 32 (2005), target "diagonal, unequal variance".
    """
    moments = inputs.T @ inputs / len(inputs)
    off = ~np.eye(len(moments), dtype=bool)
    variance = ((inputs**2).T @ (inputs**2) / len(inputs) - moments**2) / len(inputs)
    squares = float(np.sum(moments[off] ** 2))
    share = 1.0 if squares == 0 else min(1.0, float(np.sum(variance[off])) / squares)
    return np.where(off, (1 - share) * moments, moments)


def compensation(moments: Floats, errors: Floats, free: Bools) -> Floats:
    """Return the errors that the free cells should have to make up for those of the others `(rows, cols)` [S].

    Of each bit line those that make the mean square of its products' error smallest: -M_ff^-1 M_fx d_x, with the
    second moments M of the inputs, f the free cells and x the others. Inputs without correlation and mean ask for none.
    """
    wanted = np.zeros_like(errors)
    for col in np.flatnonzero((~free).any(axis=0) & free.any(axis=0)):
        f, x = free[:, col], ~free[:, col]
        block = moments[np.ix_(f, f)]
        block = block + RIDGE * np.trace(block) / len(block) * np.eye(len(block))
        wanted[f, col] = -np.linalg.solve(block, moments[np.ix_(f, x)] @ errors[x, col])
    return wanted
