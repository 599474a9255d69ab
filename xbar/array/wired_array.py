"""What the converters see of an array behind wires: its effective operator, made anew when its cells have changed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xbar.circuit.wires import Wires

if TYPE_CHECKING:
    from xbar.circuit.bias_scheme import BiasScheme

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Operator:
    """The effective operator of one programmed state."""

    conductances: Floats
    """Of the cells `(rows, cols)` [S]."""
    matrix: Floats
    """Currents of the bit lines for voltages of the word lines: `currents = volts @ matrix` [S]."""

    @property
    def share(self) -> Floats:
        """Get what the wires leave of each cell `(rows, cols)`: 1 without wires; 0 for a cell that does not conduct."""
        conducts = self.conductances > 0
        return np.where(conducts, self.matrix / np.where(conducts, self.conductances, 1.0), 0.0)


class WiredArray:
    """The operator of one array; kept as long as its conductances stay the same.

    Args:
        wires: resistances of segments, sources and sensing. Every word line is driven at its first cell, every bit
            line is sensed at its last; the other ends are open.

    """

    def __init__(self, wires: Wires) -> None:
        self.wires = wires
        self._known: Operator | None = None

    def operator(self, conductances: Floats) -> Operator:
        """Return the operator for conductances `(rows, cols)` [S]."""
        known = self._known
        if known is None or not np.array_equal(known.conductances, conductances):
            known = self._known = self._build(conductances.copy())
        return known

    def _build(self, conductances: Floats) -> Operator:
        from xbar.circuit.operator import effective_operator

        return Operator(conductances, np.asarray(effective_operator(conductances, self.wires).matrix, np.float64))


def sneak(g: Floats, places: NDArray[np.int64], scheme: "BiasScheme", share: Floats, wires: Wires | None) -> Floats:
    """Return what a reading sees besides its own cell `(n, 1)` [S]: nothing where the other lines are at 0 V.

    Args:
        g: conductances of the array `(rows, cols)` [S].
        places: `(n, 2)` (row, column) of the cells that are read.
        scheme: what the other lines are tied to.
        share: `(n, 1)` what the wires leave of each cell.
        wires: None for ideal ones.

    """
    if scheme == "ground" or not len(places):
        return np.zeros(1)
    from xbar.circuit.bias_scheme import apparent_conductances
    from xbar.circuit.port_admittance import port_admittance

    seen = apparent_conductances(port_admittance(g, wires or Wires(0.0, 0.0)), places, scheme)
    return np.asarray(seen[:, None] - g[places[:, 0], places[:, 1]][:, None] * share)
