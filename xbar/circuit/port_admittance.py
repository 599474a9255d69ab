"""The array as seen from its line ends: currents into all word and bit lines for voltages on all of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from xbar.circuit.network import conductances
from xbar.circuit.operator import effective_operator
from xbar.circuit.wires import Floats, Wires


@dataclass(frozen=True, eq=False)
class PortAdmittance:
    """Admittance of an array at the left ends of its word lines and the bottom ends of its bit lines, wires included.

    currents into the lines = matrix @ voltages of the lines, word lines first. The matrix is symmetric, and its rows
    add up to 0: nothing flows where all lines stand at one voltage.
    """

    rows: int
    cols: int
    matrix: Floats
    """`(rows + cols, rows + cols)` [S]."""

    def currents(self, word: ArrayLike, bit: ArrayLike) -> tuple[Floats, Floats]:
        """Return the currents into word lines `(..., rows)` and bit lines `(..., cols)` [A] for voltages so shaped."""
        found = np.concatenate([np.asarray(word, float), np.asarray(bit, float)], axis=-1) @ self.matrix
        return found[..., : self.rows], found[..., self.rows :]


def port_admittance(g: ArrayLike, wires: Wires) -> PortAdmittance:
    """Return the admittance of an array of conductances `g` (rows, cols) [S] at its line ends.

    Source and sense resistances belong to the array here. Raises `InputError` as `effective_operator` does.
    """
    cells = conductances(g, (2,))
    rows, cols = cells.shape
    words, transfer = _own(cells, wires)
    # The same array, driven from its bit lines: both axes are turned round, so that the driven ends come first.
    turned = Wires(_turned(wires.bit), _turned(wires.word), _turned(wires.sense), _turned(wires.source))
    bits = _own(np.ascontiguousarray(cells[::-1, ::-1].T), turned)[0][::-1, ::-1]
    matrix = np.block([[words, -transfer], [-transfer.T, bits]])
    return PortAdmittance(rows, cols, (matrix + matrix.T) / 2)


def _own(cells: Floats, wires: Wires) -> tuple[Floats, Floats]:
    """Return the admittance between word lines with all bit lines at 0 V, and the transfer to the bit lines."""
    op = effective_operator(cells, wires)
    word, bit = op.node_voltages(np.eye(len(cells)))
    # The current into a line is that of its cells: a difference of node voltages over a resistance would be rounded.
    return np.einsum("ij,kij->ki", cells, word - bit), np.asarray(op.matrix)


def _turned(resistance: ArrayLike) -> Floats:
    values = np.asarray(resistance, float)
    if values.ndim == 0:
        return values
    return values[::-1] if values.ndim == 1 else values[::-1, ::-1].T
