"""An array between nets: currents out of the nets into it, and the voltages across its cells."""

import numpy as np
from numpy.typing import NDArray

from xbar.circuit.boundary import Boundary, biased, sensed
from xbar.circuit.newton import Status
from xbar.circuit.newton import solve as solve_circuit
from xbar.circuit.port_admittance import port_admittance
from xbar.circuit.wires import Wires
from xbar.errors import DriverError
from xbar_drivers.emulated.cells import SeenCells
from xbar_drivers.emulated.nodal import coupling, lumped

Floats = NDArray[np.float64]


class ArrayNetwork:
    """Cells whose lines belong to nets.

    Args:
        seen: the cells.
        lines: net of each line, word lines first.
        nets: number of nets.
        wires: of the array; None for ideal ones.

    """

    def __init__(self, seen: SeenCells, lines: NDArray[np.intp], nets: int, wires: Wires | None = None) -> None:
        rows = len(seen.scale)
        self.seen, self.nets = seen, nets
        self._lines, self._rows, self._cols, self._wires = lines, lines[:rows], lines[rows:], wires
        self._at: Floats | None = None
        self._across = self._current = self._slope = np.zeros(0)

    def _evaluate(self, voltages: Floats) -> None:
        """Find what the cells do at these net voltages; kept while they stay."""
        if self._at is not None and np.array_equal(self._at, voltages):
            return
        self._at = voltages.copy()
        word, bit = voltages[self._rows], voltages[self._cols]
        if self._wires is None:
            self._across = word[:, None] - bit[None, :]
        else:
            self._across = self._through_wires(word, bit, self._wires)
        self._current, self._slope = self.seen.currents(self._across)

    def _through_wires(self, word: Floats, bit: Floats, wires: Wires) -> Floats:
        boundary = Boundary(left=biased(word), bottom=sensed(bit))
        law = self.seen.law
        found = solve_circuit(self.seen.scale, wires, np.zeros((1, len(word))), iv=law, boundary=boundary)
        if found.status[0] == Status.NOT_CONVERGED:
            raise DriverError("the circuit of the wires did not converge; lower the voltages")
        return np.asarray(found.word[0] - found.bit[0])

    def through(self, voltages: Floats) -> Floats:
        """Return the currents out of the nets into the array (nets,) [A] at net voltages [V]."""
        self._evaluate(voltages)
        found = np.zeros(self.nets)
        np.add.at(found, self._rows, self._current.sum(axis=1))
        np.subtract.at(found, self._cols, self._current.sum(axis=0))
        return found

    def laplacian(self, voltages: Floats) -> Floats:
        """Return the derivative of those currents by the net voltages (nets, nets) [S]."""
        self._evaluate(voltages)
        if self._wires is None:
            return coupling(self._slope, self._rows, self._cols, self.nets)
        admittance = np.asarray(port_admittance(self._slope, self._wires).matrix, np.float64)
        return lumped(admittance, self._lines, self.nets)

    def across(self, voltages: Floats) -> Floats:
        """Return the voltages across the cells, word line minus bit line (rows, cols) [V]."""
        self._evaluate(voltages)
        return self._across
