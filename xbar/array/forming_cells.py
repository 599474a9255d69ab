"""Forming of simulated cells: which voltages form which cells, by pulses and by readings."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbar.array.cell_array import CellArray, Floats
from xbar.array.rewriting import rewrite
from xbar.errors import InputError

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def formable(cells: CellArray, some: Ints) -> Bools:
    """Return which of some cells, numbered along the rows, a large enough voltage would form."""
    fresh = (cells.formed == 0) & (cells.open == 0) & (cells.stuck == 0)
    return np.asarray(fresh.ravel()[some])


def reaches(cells: CellArray, some: Ints, volts: Floats) -> Bools:
    """Return where voltages across some cells, `(n,)` or `(n, repeat)` [V], reach their forming voltages."""
    needed = cells.forming_voltage.ravel()[some]
    needed = needed if volts.ndim == 1 else needed[:, None]
    return np.asarray(volts * np.sign(needed) >= np.abs(needed))


def could_form(cells: CellArray, volts: Floats) -> Bools:
    """Return which of some voltages [V] form any cell of the array that is not formed yet."""
    law = cells.card.forming
    if law is None:
        return np.zeros(np.shape(volts), bool)
    fresh = cells.formed == 0
    if not fresh.any():
        return np.zeros(np.shape(volts), bool)
    return np.asarray(volts * np.sign(law.voltage) >= np.abs(cells.forming_voltage[fresh]).min())


def form(cells: CellArray, some: Ints, limit: float | None, ends: Floats) -> None:
    """Let some cells (n,), each named once, be formed under a compliance [A] since these times [s]."""
    assert cells.card.forming is not None
    assert cells.movable is not None
    cells.detach()
    position = cells.position.reshape(-1)
    g = np.full(cells.shape, cells.card.forming.conductance(limit))
    position[some] = cells.movable.position(g).ravel()[some]
    cells.formed.reshape(-1)[some] = 1.0
    rewrite(cells, some, cells.movable.conductance(position[some]), ends)


@dataclass(frozen=True, eq=False)
class FormedReadings:
    """What readings `(n, repeat)` of cells see that these very readings form."""

    conductance: Floats
    """With cells formed from the first voltage on that is large enough [S]."""
    formed: Ints
    """Numbers of the cells that were formed, each once."""


def form_by_reading(
    cells: CellArray, some: Ints, g: Floats, volts: Floats, times: Floats, limit: float | None
) -> FormedReadings:
    """Return readings of cells of `g` (n, repeat) [S] at voltages [V], cells formed on the way; changes nothing yet.

    A cell may be named more than once; its readings follow each other in time. `limit` is the compliance [A].
    """
    assert cells.card.forming is not None
    fresh = formable(cells, some)
    over = reaches(cells, some, volts) & fresh[:, None]
    first = np.full(cells.shape[0] * cells.shape[1], np.inf)
    rows, _ = np.nonzero(over)
    np.minimum.at(first, some[rows], times[over])
    formed = fresh[:, None] & (times >= first[some][:, None])
    own = np.unique(some[rows])
    return FormedReadings(np.where(formed, cells.card.forming.conductance(limit), g), own)


def check_formed(cells: CellArray, targets: Floats) -> None:
    """Raise `InputError` where not one of the cells with a target `(rows, cols)` [S] is formed: all would stay fresh.

    Some fresh cells among formed ones stay as they are, as failed ones do.
    """
    asked = ~np.isnan(targets)
    if cells.card.forming is not None and asked.any() and not (cells.formed[asked] != 0).any():
        raise InputError(
            f"program: none of the {int(asked.sum())} cells of array {cells.array} with a target is formed; form them "
            "first: xbar program MAPPED.h5 --chip FILE.h5 --method form"
        )
