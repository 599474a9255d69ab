"""Pulses on cells of one array: the selected cells move, and so do others that see enough of the voltage.

A pulse on n cells is n pulses, one after the other. Where the voltages across the cells depend on no conductance, no
cell depends on another: each goes through its own sequence of pulses, and the sequences of all cells run side by side.
Random numbers belong to a cell and the number of its pulse, so that the result is the same for any grouping of cells.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xbar.array.cell_array import CellArray, Floats
from xbar.array.forming_cells import could_form, form, formable, reaches
from xbar.array.movable_cells import CellPulses, Ints, Train
from xbar.array.rewriting import flat, rewrite
from xbar.circuit.wires import Wires
from xbar.errors import Unsupported

if TYPE_CHECKING:
    from xbar.circuit.bias_scheme import BiasScheme

AT_ONCE = 2**22
"""Largest number of pairs of a pulse and a cell that are looked at together."""


def apply_pulses(
    cells: CellArray,
    places: NDArray[np.int64],
    train: Train,
    start: float,
    scheme: "BiasScheme" = "half",
    wires: Wires | None = None,
) -> float:
    """Give each cell of `places` (n, 2) a train of pulses, one cell after the other; return the time of the end [s].

    With wires, or with floating lines, the circuit tells the voltages from the conductances before each train, the
    cells taken as linear; they stand until its end. Raises `Unsupported` for a card that does not know its pulses.
    """
    if cells.movable is None:
        raise Unsupported(f"card {cells.card.name!r} has neither a pulse law with its write pulses nor a dynamic model")
    if not len(places):
        return start
    cells.detach()
    ends = np.cumsum(np.concatenate([[start], np.full(len(places), train.seconds)]))
    times = np.stack([ends[:-1], ends[1:]])
    if wires is not None or scheme == "float":
        _by_circuit(cells, places, train, times, scheme, wires or Wires(0.0, 0.0))
    else:
        _by_shares(cells, places, train, times, scheme)
    return float(ends[-1])


def _by_circuit(
    cells: CellArray, places: NDArray[np.int64], train: Train, times: Floats, scheme: "BiasScheme", wires: Wires
) -> None:
    from xbar.circuit.bias_scheme import cell_voltages

    assert cells.movable is not None
    for k, (row, col) in enumerate(places):
        g = cells.faulty(cells.programmed)
        volts = cell_voltages(g, wires, (int(row), int(col)), train.voltage, scheme).ravel()
        moved = np.flatnonzero(_acts(cells, volts, train.width))
        own = moved == row * cells.shape[1] + col
        for some, selected in ((moved[~own], False), (moved[own], True)):
            give(cells, some, volts[some], train, times[:, k][:, None].repeat(len(some), 1), selected)


def _by_shares(cells: CellArray, places: NDArray[np.int64], train: Train, times: Floats, scheme: "BiasScheme") -> None:
    from xbar.circuit.bias_scheme import SHARES

    word, bit = SHARES[scheme]
    # Cells on neither line, on the selected word line, on the selected bit line, and the selected cell.
    volts = train.voltage * np.array([word - bit, 1.0 - bit, word, 1.0])
    moves = _acts(cells, volts, train.width)
    step = max(1, AT_ONCE // (cells.shape[0] * cells.shape[1]))
    for first in range(0, len(places), step):
        pulse, cell, kind = _seen(places[first : first + step], cells.shape, moves)
        for pick in rounds(cell):
            own = kind[pick] == 3
            for some, selected in ((pick[~own], False), (pick[own], True)):
                give(cells, cell[some], volts[kind[some]], train, times[:, first + pulse[some]], selected)


def _acts(cells: CellArray, volts: Floats, width: float) -> NDArray[np.bool_]:
    """Return which of these voltages across a cell [V] move, or form, any cell in this time [s]."""
    assert cells.movable is not None
    return cells.movable.moves(volts, width) | could_form(cells, volts)


def _seen(places: NDArray[np.int64], shape: tuple[int, int], moves: NDArray[np.bool_]) -> tuple[Ints, Ints, Ints]:
    """Return (pulse, cell, kind of voltage) for each cell that a pulse may move, in the order of the pulses."""
    rows, cols = shape
    row, col = places[:, 0], places[:, 1]
    if not moves[:3].any():
        count = len(places) if moves[3] else 0
        return np.arange(count), (row * cols + col)[:count], np.full(count, 3)
    kinds = (np.arange(rows) == row[:, None])[:, :, None] + 2 * (np.arange(cols) == col[:, None])[:, None, :]
    kinds = kinds.reshape(len(places), -1)
    pulse, cell = np.nonzero(moves[kinds])
    return pulse, cell, kinds[pulse, cell]


def rounds(cell: Ints) -> Iterator[Ints]:
    """Yield indices into `cell`, each cell at most once in a round, the rounds in the order of the pulses."""
    order = np.argsort(cell, kind="stable")
    ordered = cell[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    rank = np.arange(len(cell)) - np.repeat(starts, np.diff(starts, append=len(cell)))
    by_rank = order[np.argsort(rank, kind="stable")]
    if len(cell):
        yield from np.split(by_rank, np.cumsum(np.bincount(rank))[:-1])


def give(cells: CellArray, some: Ints, volts: Floats, train: Train, times: Floats, selected: bool) -> None:
    """Give some cells (n,), numbered along the rows, each named once, a train at these voltages across them [V].

    Args:
        cells: the cells of the array.
        some: which.
        volts: `(n,)`.
        train: the pulses.
        times: `(2, n)` start and end of each train [s].
        selected: whether these are cells that were selected: they count as written, others are disturbed.

    """
    free = ~cells.fixed().ravel()[some]
    if cells.card.forming is not None:
        new = formable(cells, some) & reaches(cells, some, volts)
        # The compliance is that of the source of the selected cell.
        form(cells, some[new], train.current_limit if selected else None, times[1, new])
    some, volts, times = some[free], volts[free], times[:, free]
    if not len(some) or cells.movable is None:
        return
    position, wear, pulses = (flat(part) for part in (cells.position, cells.wear, cells.pulses))
    if selected:
        position[some] = _decayed(cells, some, times[0])
    before = CellPulses(some, position[some], wear[some], pulses[some].astype(np.uint64), cells.lifetime.ravel()[some])
    was = cells.movable.conductance(before.position)
    position[some], wear[some] = cells.movable.move(before, volts, train, selected)
    pulses[some] += train.count
    keep(cells, some, was, times[1], selected)


def keep(cells: CellArray, some: Ints, was: Floats, ends: Floats, selected: bool) -> None:
    """Note what some cells (n,), whose states have moved, conduct now.

    Args:
        cells: the cells of the array, their states moved already.
        some: which, numbered along the rows, each named once.
        was: `(n,)` conductances of the states before [S].
        ends: `(n,)` when the voltage that moved them ended [s].
        selected: whether these are cells that were selected: they count as written, others are disturbed.

    """
    assert cells.movable is not None
    now = cells.movable.conductance(flat(cells.position)[some])
    if selected:
        rewrite(cells, some, now, ends)
    else:
        programmed = flat(cells.programmed)
        programmed[some] = np.maximum(programmed[some] + (now - was), 0.0)


def _decayed(cells: CellArray, some: Ints, times: Floats) -> Floats:
    """Return the states of cells with what drift and retention have done to them: a pulse begins there."""
    assert cells.movable is not None
    position = cells.position.ravel()[some]
    if cells.card.drift is None and cells.card.retention is None:
        return position
    written = cells.written().at(np.unravel_index(some, cells.shape))
    change = cells.ageing.decay(written, np.maximum(times - cells.written_at.ravel()[some], 0.0))
    return np.where(change == 0, position, cells.movable.aged(position, change))
