"""The operating point of sources with limits and an array of any cells: Newton's method on the voltages of the nets.

The cells' currents increase with their voltages, so that the network has one solution in each set of modes of its
sources, and Newton's direction makes the missing currents smaller: a step that does not is halved until it does.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xbar.errors import DriverError
from xbar_drivers.emulated.array_network import ArrayNetwork
from xbar_drivers.emulated.nodal import LEAKAGE, FixedModes, Solution, Source, find_modes, fix

Floats = NDArray[np.float64]

ITERATIONS = 200
"""Newton steps at most; against an exponential law each is about as long as its scale."""

HALVINGS = 40
"""Times that a step is halved at most."""

EXACT = 1e-10
"""Last step of the iteration relative to the voltages: the error falls with its square."""

FLOOR = 1e-3
"""Voltage below which that is absolute [V]."""


def solve_array(
    network: ArrayNetwork, nets: Sequence[int], sources: Sequence[Source], start: Solution | None = None
) -> Solution:
    """Solve a network: `nets[k]` is the net that `sources[k]` drives; `start` is a solution nearby.

    Raises `DriverError` where no operating point is found.
    """
    place, last = np.asarray(nets, np.intp), None if start is None else start.voltages

    def solve_fixed(clamp: Floats) -> tuple[Floats, Floats]:
        nonlocal last
        modes = fix(place, sources, clamp, network.nets)
        last = _newton(network, modes, last)
        return last, modes.currents(last, network.through(last))

    return find_modes(solve_fixed, place, sources, None if start is None else start.clamp, together=False)


def _newton(network: ArrayNetwork, modes: FixedModes, start: Floats | None) -> Floats:
    """Return the voltages of all nets [V] with the modes of all sources fixed."""
    voltages, free = modes.voltages.copy(), modes.free
    if not len(free):
        return voltages
    if start is not None:
        voltages[free] = start[free]

    def missing() -> Floats:
        shunt = (modes.to_level[free] + LEAKAGE) * voltages[free]
        return np.asarray(network.through(voltages)[free] + shunt - modes.injected[free])

    short = missing()
    for _ in range(ITERATIONS):
        matrix = network.laplacian(voltages).take(free, 0).take(free, 1)
        matrix.flat[:: len(free) + 1] += modes.to_level[free] + LEAKAGE
        try:
            step = -np.linalg.solve(matrix, short)
        except np.linalg.LinAlgError:
            break
        length, begin = float(np.abs(step).max()), voltages[free].copy()
        done = length <= EXACT * max(float(np.abs(voltages).max()), FLOOR)
        before, share = float(np.abs(short).max()), 1.0
        for _ in range(HALVINGS):
            voltages[free] = begin + share * step
            short = missing()
            # What is left of an exact solution is rounding, which a step need not lessen.
            if done or float(np.abs(short).max()) < before or share * length <= EXACT * FLOOR:
                break
            share /= 2
        if done or share * length <= EXACT * FLOOR:
            return voltages
    raise DriverError(f"no operating point of {len(free)} nets found; lower the voltages or the limits")
