"""Bias schemes: what the lines are tied to while one cell is read or written, and the currents and voltages then.

The selected word line stands at V, the selected bit line at 0 V. The others, word lines and bit lines:
ground: 0 V and 0 V; half: V/2 and V/2; third: V/3 and 2V/3; float: not connected.
Half and third bound what half-selected cells see to V/2 and V/3 (Chen, IEEE Trans. Electron Devices 60, 1318 (2013)).
"""

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbar.circuit.boundary import Boundary, End, biased, driven, floating, sensed
from xbar.circuit.network import conductances
from xbar.circuit.operator import effective_operator
from xbar.circuit.port_admittance import PortAdmittance
from xbar.circuit.wires import Floats, Wires
from xbar.errors import InputError

BiasScheme: TypeAlias = Literal["ground", "half", "third", "float"]

SHARES = {"ground": (0.0, 0.0), "half": (0.5, 0.5), "third": (1 / 3, 2 / 3)}
"""Voltage of the other word lines and of the other bit lines, as shares of V."""


def boundary(scheme: BiasScheme, shape: tuple[int, int], cell: tuple[int, int], voltage: float) -> Boundary:
    """Return the boundary that selects one cell of an array: its word line is driven, its bit line sensed.

    Raises `InputError` for an unknown scheme or a cell outside the array.
    """
    _check(scheme, shape, cell)
    words: list[End]
    bits: list[End]
    if scheme == "float":
        words, bits = [floating()] * shape[0], [floating()] * shape[1]
    else:
        word, bit = SHARES[scheme]
        words, bits = [biased(word * voltage)] * shape[0], [biased(bit * voltage)] * shape[1]
    words[cell[0]], bits[cell[1]] = driven(), sensed()
    return Boundary(left=words, bottom=bits)


def cell_voltages(
    g: ArrayLike, wires: Wires, cell: tuple[int, int], voltage: float, scheme: BiasScheme = "half"
) -> Floats:
    """Return the voltage across every cell `(rows, cols)` [V], word node minus bit node, while one is selected.

    This is what half-selected cells are disturbed by. `g` (rows, cols) [S]; `voltage` between the selected lines [V].
    """
    cells = conductances(g, (2,))
    side = boundary(scheme, (cells.shape[0], cells.shape[1]), cell, voltage)
    inputs = np.zeros((1, cells.shape[0]))
    inputs[0, cell[0]] = voltage
    word, bit = effective_operator(cells, wires, side).node_voltages(inputs)
    return np.asarray((word - bit)[0], np.float64)


def apparent_conductances(ports: PortAdmittance, cells: NDArray[np.integer], scheme: BiasScheme = "ground") -> Floats:
    """Return what an ammeter on the selected bit line sees of each cell `(n,)` [S]: current over voltage.

    Sneak currents through other cells are in it, and what the wires take. With the schemes half and third the current
    of the half-selected cells of the bit line is in it too, as an ammeter measures it.

    Args:
        ports: admittance of the array.
        cells: `(n, 2)` (row, column).
        scheme: what the other lines are tied to.

    """
    rows, cols, y = ports.rows, ports.cols, ports.matrix
    for cell in cells[:1]:
        _check(scheme, (rows, cols), (int(cell[0]), int(cell[1])))
    row, col = cells[:, 0], rows + cells[:, 1]
    if scheme == "float":
        return np.array([_floating(y, int(i), int(j)) for i, j in zip(row, col, strict=True)])
    word, bit = SHARES[scheme]
    at = np.concatenate([np.full(rows, word), np.full(cols, bit)])
    # Into the bit line: all lines at their share, then the two selected ones moved from it.
    into = y[col] @ at + y[col, row] * (1 - word) + y[col, col] * (0 - bit)
    return np.asarray(-into)


def _floating(y: Floats, i: int, j: int) -> float:
    """Return the conductance between lines i and j with all others floating: they are eliminated."""
    others = np.delete(np.arange(len(y)), [i, j])
    # Lines that nothing is connected to carry nothing, and their voltage is free.
    others = others[y[others, others] > 0]
    if not others.size:
        return float(-y[i, j])
    try:
        moved = np.linalg.solve(y[np.ix_(others, others)], y[others, i])
    except np.linalg.LinAlgError:
        moved = np.linalg.lstsq(y[np.ix_(others, others)], y[others, i], rcond=None)[0]
    return float(-(y[j, i] - y[j, others] @ moved))


def _check(scheme: str, shape: tuple[int, int], cell: tuple[int, int]) -> None:
    if scheme not in get_args(BiasScheme):
        raise InputError(f"bias scheme {scheme!r} is not known; known are {', '.join(get_args(BiasScheme))}")
    if not (0 <= cell[0] < shape[0] and 0 <= cell[1] < shape[1]):
        raise InputError(f"cell {cell} does not exist; rows are 0 to {shape[0] - 1}, columns 0 to {shape[1] - 1}")
