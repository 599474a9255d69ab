"""Sweeps of cells of a pulse law: each point beyond a threshold is a pulse of its voltage, as long as it takes."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from math import ceil

import numpy as np
from numpy.typing import NDArray

from xbar.array.movable_cells import Train
from xbar.array.pulses import give
from xbar.array.simulated_arrays import SimulatedArrays
from xbar.bench.readings import CellReadings

Floats = NDArray[np.float64]

MOST_PULSES = 100
"""Pulses that one point counts as at most, where it takes longer than the card's longest pulse."""


def moving_points(arrays: SimulatedArrays, array: int, voltages: Floats, seconds: float) -> NDArray[np.bool_]:
    """Return which points of a sweep [V] move cells of a pulse law in the time of a reading [s].

    Cells of a dynamic model follow the voltage in the reading itself: for them, and for cards without a pulse law, no
    point does.
    """
    movable = arrays.cells(array).movable
    if movable is None or arrays.card.dynamics is not None:
        return np.zeros(len(voltages), np.bool_)
    return movable.moves(voltages, seconds)


def sweep_moving(  # one parameter for each thing that one sweep is made of
    arrays: SimulatedArrays,
    place: tuple[int, tuple[int, int]],
    voltages: Floats,
    moving: NDArray[np.bool_],
    seconds: float,
    limit: float,
    repeat: int,
    read: Callable[[Floats, int, float], CellReadings],
) -> CellReadings:
    """Sweep a cell whose state some points move; each reading of such a point stands at the end of its pulse.

    Cells on the same lines are taken as shielded, as in every reading.

    Args:
        arrays: the simulated arrays.
        place: number of the array, and (row, column) of the cell.
        voltages: of the points (n,) [V].
        moving: which of them move cells (n,).
        seconds: how long one reading takes [s].
        limit: compliance [A]; infinite for none.
        repeat: readings of a point.
        read: reads the cell at some voltages (m,), a number of times, each reading taking a time [s].

    """
    array, cell = place
    write = arrays.card.write
    count = 1 if write is None else min(max(ceil(seconds / write.width_max * (1 - 1e-9)), 1), MOST_PULSES)

    def parts() -> Iterator[CellReadings]:
        for piece in np.split(np.arange(len(voltages)), 1 + np.flatnonzero(moving[1:] | moving[:-1])):
            if not moving[piece[0]]:
                yield read(voltages[piece], repeat, seconds)
                continue
            train = Train(float(voltages[piece[0]]), seconds / count, current_limit=limit, count=count)
            found = []
            for _ in range(repeat):
                _give(arrays, array, cell, train)
                found.append(read(voltages[piece], 1, 0.0))  # the time has passed with the pulse
            yield _joined(found, 1)

    return _joined(list(parts()), 0)


def _give(arrays: SimulatedArrays, array: int, cell: tuple[int, int], train: Train) -> None:
    """Give one cell alone a train of pulses, and let its time pass."""
    cells, start = arrays.cells(array), arrays.clock
    cells.detach()
    arrays.clock += train.seconds
    times = np.array([[start], [arrays.clock]])
    give(cells, np.array([cell[0] * cells.shape[1] + cell[1]]), np.array([train.voltage]), train, times, True)
    arrays.open_epoch()


def _joined(parts: list[CellReadings], axis: int) -> CellReadings:
    names = [one.name for one in fields(CellReadings)]
    return CellReadings(**{name: np.concatenate([getattr(part, name) for part in parts], axis) for name in names})
