"""What a write by pulses, by a sweep or by forming leaves behind: the cells begin to age anew."""

import numpy as np
from numpy.typing import NDArray

from xbar.array.cell_array import CellArray, Floats
from xbar.random import Purpose

Ints = NDArray[np.int64]

BY_PULSE = np.uint64(2**63)
"""Marks the events of writes by pulses, which are counted apart from one-shot writes."""


def rewrite(cells: CellArray, some: Ints, g: Floats, ends: Floats) -> None:
    """Note that cells now have these conductances [S] since these times [s]: what drifts begins anew."""
    assert cells.movable is not None
    numbers = flat(cells.pulses)[some].astype(np.uint64)
    flat(cells.programmed)[some] = cells.movable.seen(flat(cells.position)[some], some, numbers)
    flat(cells.target)[some], flat(cells.written_at)[some] = g, ends
    card = cells.card
    if card.relaxation is not None:
        z = cells.draws.cell_normals(numbers | BY_PULSE, some, Purpose.RELAXATION)
        flat(cells.relaxation)[some] = z
    if card.drift is not None:
        z = cells.draws.cell_normals(np.zeros_like(numbers), some, Purpose.DRIFT)
        flat(cells.exponent)[some] = card.drift.exponents(g, z)


def flat(values: Floats) -> Floats:
    """Return a view along the rows, to be written to."""
    assert values.flags.c_contiguous
    return values.reshape(-1)
