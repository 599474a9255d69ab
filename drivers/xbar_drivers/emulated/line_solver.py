"""Solves the network of sources and cells as it lies: linear cells by elimination, others from the last solution."""

import numpy as np
from numpy.typing import NDArray

from xbar.circuit.port_admittance import port_admittance
from xbar.circuit.wires import Wires
from xbar_drivers.emulated.array_network import ArrayNetwork
from xbar_drivers.emulated.cells import SeenCells
from xbar_drivers.emulated.nets import Layout
from xbar_drivers.emulated.nodal import Solution, coupling, lumped, solve
from xbar_drivers.emulated.operating_point import solve_array

Floats = NDArray[np.float64]


class LineSolver:
    """Remembers what helps with the next solution; `wires` of the array, None for ideal ones."""

    def __init__(self, wires: Wires | None) -> None:
        self._wires = wires
        self._admittance: tuple[Floats, Floats] | None = None
        self._near: tuple[Layout, Solution] | None = None

    def solve(self, seen: SeenCells, layout: Layout) -> Solution:
        """Return what the nets and sources do; raises `DriverError` where there is no operating point."""
        if seen.law is not None:
            return self._solve_network(self._network(seen, layout), layout)
        rows = len(seen.scale)
        if self._wires is None:
            laplacian = coupling(seen.scale, layout.lines[:rows], layout.lines[rows:], layout.count)
        else:
            laplacian = lumped(self._linear(seen.scale, self._wires), layout.lines, layout.count)
        return solve(laplacian, layout.nets, layout.sources)

    def across(self, seen: SeenCells, layout: Layout) -> tuple[Floats, bool]:
        """Return the voltages across the cells (rows, cols) [V], and whether they depend on what the cells are."""
        network = self._network(seen, layout)
        found = self._solve_network(network, layout)
        driven = {net for net, source in zip(layout.nets, layout.sources, strict=True) if source.voltage}
        depends = len(driven) < layout.count or bool(found.limited.any()) or self._wires is not None
        return network.across(found.voltages), depends

    def _network(self, seen: SeenCells, layout: Layout) -> ArrayNetwork:
        return ArrayNetwork(seen, layout.lines, layout.count, self._wires)

    def _solve_network(self, network: ArrayNetwork, layout: Layout) -> Solution:
        near = self._near[1] if self._near is not None and self._near[0] is layout else None
        found = solve_array(network, layout.nets, layout.sources, near)
        self._near = layout, found
        return found

    def _linear(self, conductances: Floats, wires: Wires) -> Floats:
        """Return the array as its line ends see it; kept as long as the conductances stay the same."""
        if self._admittance is None or not np.array_equal(self._admittance[0], conductances):
            matrix = np.asarray(port_admittance(conductances, wires).matrix, np.float64)
            self._admittance = conductances.copy(), matrix
        return self._admittance[1]
