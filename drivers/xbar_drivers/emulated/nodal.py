"""Nodal analysis of sources with limits and cells between nets: what each terminal of a bench sees.

Every source is a monotone characteristic: a voltage source keeps its level while its current stays within the limit,
and gives the limit otherwise; a current source likewise within its voltage limit. A network of such sources and
positive conductances has one solution. It is found by changing the mode of sources that break their limit, or that
would keep it again, until none does.
"""

from collections.abc import Sequence
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
    count = len(sources)
    place = np.asarray(nets, np.intp)
    shared = np.bincount(place, minlength=len(laplacian))[place] > 1 if count else np.zeros(0, bool)
    clamp = np.zeros(count)  # 0: keeps its level; +1, -1: stands at that limit
    for change in range(MOST_CHANGES):
        voltages, currents = _linear(laplacian, place, sources, clamp, shared)
        wrong = [k for k in range(count) if _next_clamp(sources[k], clamp[k], voltages[place[k]], currents[k])[1]]
        if not wrong:
            return Solution(voltages, currents, clamp != 0)
        # All at once at first; one at a time later, which cannot go round in a circle for long.
        for k in wrong if change < MOST_CHANGES // 4 else wrong[:1]:
            clamp[k] = _next_clamp(sources[k], clamp[k], voltages[place[k]], currents[k])[0]
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


def _linear(
    laplacian: Floats, place: NDArray[np.intp], sources: Sequence[Source], clamp: Floats, shared: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Return net voltages [V] and source currents [A] with every source fixed in its mode."""
    nets = len(laplacian)
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
    free = np.flatnonzero(~known)
    if len(free):
        matrix = laplacian.take(free, 0).take(free, 1)
        matrix.flat[:: len(free) + 1] += to_level[free] + LEAKAGE
        voltages[free] = np.linalg.solve(matrix, injected[free] - (laplacian @ voltages)[free])
    through = laplacian @ voltages
    lead = LEAD * (values - voltages[place]) if len(sources) else np.zeros(0)
    alone = through[place] if len(sources) else np.zeros(0)
    return voltages, np.where(~as_voltage, values, np.where(shared, lead, alone))
