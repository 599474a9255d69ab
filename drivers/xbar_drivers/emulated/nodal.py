"""Nodal analysis of sources with limits and cells between nets: what each terminal of a bench sees.

Every source is a monotone characteristic: a voltage source keeps its level while its current stays within the limit,
and gives the limit otherwise; a current source likewise within its voltage limit. A network of such sources and
positive conductances has one solution. It is found by changing the mode of sources that break their limit, or that
would keep it again, until none does. `operating_point` does the same for cells that are not linear.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbar.errors import DriverError

Floats = NDArray[np.float64]

LEAD = 100.0
"""Conductance of a source's lead where several sources drive one net [S]: 10 mOhm, a cable and its contacts."""

LEAKAGE = 1e-15
"""Conductance to ground of a net that no source drives [S]: keeps a floating net at a voltage, changes no reading."""

MOST_CHANGES = 200
"""Changes of mode after which the search is given up."""

SLACK = 1e-9
"""Share of a limit by which rounding may pass it."""


@dataclass(frozen=True)
class Source:
    """One source as the network sees it."""

    voltage: bool
    """True: `level` is a voltage [V] and `limit` a current [A]; False: the other way round."""
    level: float
    limit: float
    """Largest magnitude of the other quantity, above 0; infinity for none."""


@dataclass(frozen=True)
class Solution:
    """Voltages of all nets and what each source does."""

    voltages: Floats
    """(nets,) [V]."""
    currents: Floats
    """(sources,) current out of each source into its net [A]."""
    limited: NDArray[np.bool_]
    """(sources,) whether the source stands at its limit."""
    clamp: Floats
    """(sources,) modes, as `find_modes` has them."""


def coupling(conductances: Floats, rows: NDArray[np.intp], cols: NDArray[np.intp], nets: int) -> Floats:
    """Return the Laplacian (nets, nets) [S] of cells (rows, cols) [S] whose lines belong to the nets given."""
    between = np.zeros((nets, nets))
    by_row = np.zeros((nets, conductances.shape[1]))
    np.add.at(by_row, rows, conductances)
    np.add.at(between.T, cols, by_row.T)
    between += between.T
    # A cell whose two lines are one net carries nothing: it cancels here.
    laplacian = -between
    laplacian[np.diag_indices(nets)] += between.sum(axis=1)
    return laplacian


def lumped(admittance: Floats, lines: NDArray[np.intp], nets: int) -> Floats:
    """Return the Laplacian (nets, nets) [S] of an array seen from its line ends, whose lines belong to the nets given.

    `admittance` is (lines, lines), word lines first: that of `xbar.circuit.port_admittance`, wires included.
    """
    by_row = np.zeros((nets, len(lines)))
    np.add.at(by_row, lines, admittance)
    laplacian = np.zeros((nets, nets))
    np.add.at(laplacian.T, lines, by_row.T)
    return laplacian


def solve(laplacian: Floats, nets: Sequence[int], sources: Sequence[Source]) -> Solution:
    """Solve the network: `nets[k]` is the net that `sources[k]` drives.

    Raises `DriverError` where no consistent set of modes is found.
    """
    place = np.asarray(nets, np.intp)
    return find_modes(lambda clamp: _linear(laplacian, fix(place, sources, clamp, len(laplacian))), place, sources)


def find_modes(
    solve_fixed: Callable[[Floats], tuple[Floats, Floats]],
    place: NDArray[np.intp],
    sources: Sequence[Source],
    start: Floats | None = None,
    *,
    together: bool = True,
) -> Solution:
    """Find the modes of all sources: `solve_fixed` returns net voltages and source currents with the modes fixed.

    Args:
        solve_fixed: takes the mode of each source: 0 where it keeps its level, +1 or -1 where it stands at that limit.
        place: net of each source.
        sources: the sources.
        start: modes from which to begin.
        together: change the modes of all sources that break their limits at once, not only of the one that breaks it
            most: faster, but several at their limits may leave a part of the network to float.

    Raises `DriverError` where no consistent set of modes is found.

    """
    count = len(sources)
    clamp = np.zeros(count) if start is None else start.copy()
    for change in range(MOST_CHANGES):
        voltages, currents = solve_fixed(clamp)
        at, wrong = voltages[place], list[tuple[float, int]]()
        for k in range(count):
            if _next_clamp(sources[k], clamp[k], at[k], currents[k])[1]:
                other = currents[k] if sources[k].voltage else at[k]
                wrong.append((abs(other) / sources[k].limit if clamp[k] == 0 else 0.0, k))
        if not wrong:
            return Solution(voltages, currents, clamp != 0, clamp)
        # One at a time later in any case: that cannot go round in a circle for long.
        for _, k in wrong if together and change < MOST_CHANGES // 4 else [max(wrong)]:
            clamp[k] = _next_clamp(sources[k], clamp[k], at[k], currents[k])[0]
    raise DriverError(f"no operating point within the limits of {count} sources; switch an output off and try again")


def _next_clamp(source: Source, clamp: float, voltage: float, current: float) -> tuple[float, bool]:
    """Return the mode that fits what a source does now, and whether that is another one."""
    other = current if source.voltage else voltage
    own = voltage if source.voltage else current
    if clamp == 0:
        if abs(other) <= source.limit * (1 + SLACK):
            return 0.0, False
        return float(np.sign(other)), True
    # At its limit a source falls short of its level; where it would overshoot, it can keep the level again.
    overshoot = clamp * (own - source.level)
    return (0.0, True) if overshoot > SLACK * max(abs(source.level), 1e-12) else (clamp, False)


@dataclass(frozen=True, eq=False)
class FixedModes:
    """What sources do to the nets with their modes fixed."""

    place: NDArray[np.intp]
    """Net of each source."""
    values: Floats
    """What each source gives, [V] or [A]."""
    as_voltage: NDArray[np.bool_]
    """Whether that is a voltage."""
    shared: NDArray[np.bool_]
    """Whether several sources drive its net: each then acts through its lead."""
    voltages: Floats
    """(nets,) voltages of the nets that are known, else 0 [V]."""
    free: NDArray[np.intp]
    """Nets whose voltages are not known."""
    injected: Floats
    """(nets,) currents into the nets [A]."""
    to_level: Floats
    """(nets,) conductances to what the leads inject [S]."""

    def currents(self, voltages: Floats, through: Floats) -> Floats:
        """Return the current out of each source [A] from net voltages and currents out of nets into the array."""
        lead = LEAD * (self.values - voltages[self.place])
        return np.where(~self.as_voltage, self.values, np.where(self.shared, lead, through[self.place]))


def fix(place: NDArray[np.intp], sources: Sequence[Source], clamp: Floats, nets: int) -> FixedModes:
    """Return what sources do in these modes."""
    shared = np.bincount(place, minlength=nets)[place] > 1 if len(sources) else np.zeros(0, bool)
    voltages, known = np.zeros(nets), np.zeros(nets, bool)
    injected, to_level = np.zeros(nets), np.zeros(nets)
    values = np.array(
        [(s.level if c == 0 else c * s.limit) for s, c in zip(sources, clamp, strict=True)], dtype=np.float64
    )
    as_voltage = np.array([s.voltage == (c == 0) for s, c in zip(sources, clamp, strict=True)], dtype=bool)
    for k, net in enumerate(place):
        if as_voltage[k] and not shared[k]:
            voltages[net], known[net] = values[k], True
        elif as_voltage[k]:
            to_level[net] += LEAD
            injected[net] += LEAD * values[k]
        else:
            injected[net] += values[k]
    return FixedModes(place, values, as_voltage, shared, voltages, np.flatnonzero(~known), injected, to_level)


def _linear(laplacian: Floats, modes: FixedModes) -> tuple[Floats, Floats]:
    """Return net voltages [V] and source currents [A] with every source fixed in its mode."""
    voltages, free = modes.voltages, modes.free
    if len(free):
        matrix = laplacian.take(free, 0).take(free, 1)
        matrix.flat[:: len(free) + 1] += modes.to_level[free] + LEAKAGE
        voltages[free] = np.linalg.solve(matrix, modes.injected[free] - (laplacian @ voltages)[free])
    return voltages, modes.currents(voltages, laplacian @ voltages)
