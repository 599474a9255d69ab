"""Cells that the instruments move: what voltages across them do in the bench's time, as the card says.

Between two changes of the sources or relays every cell stands under one voltage, or one that follows its own states:

* a cell of a dynamic model follows it; where the voltage depends on the states, all move together;
* for a card with a pulse law, each such stretch is a pulse of its length. One longer than the card's longest pulse
  counts as several.

Cells under at least three quarters of the largest voltage count as selected, so that they are written; the others are
disturbed. From 0 V to 0 V is one pulse in the life of a cell.
"""

from collections.abc import Callable
from math import ceil
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from xbar.array.cell_array import CellArray
from xbar.array.forming_cells import could_form, form, formable, reaches
from xbar.array.movable_cells import Train
from xbar.array.pulses import give, keep
from xbar.array.simulated_arrays import SimulatedArrays
from xbar.devices.dynamics import DynamicModel, respond
from xbar_drivers.emulated.cell_laws import LIMIT
from xbar_drivers.emulated.motion import move_together

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SELECTED = 0.75
"""Share of the largest voltage from which on a cell counts as selected: above the halves of a V/2 scheme."""

NEGLIGIBLE = 1e-9
"""Share of the range by which a state may move in one straight step."""

NOTED = 1e-6
"""Share of the range from which on a cell has been moved by a pulse, for its life."""

MOST_PULSES = 100
"""Pulses that one stretch counts as at most."""


class Voltages(Protocol):
    """Asks the network for the voltages across the cells."""

    def __call__(self, state: Floats | None = None) -> tuple[Floats, bool]:
        """Return the voltages (rows, cols) [V], and whether they depend on what the cells are.

        `state`: of cells of a dynamic model (rows, cols); None: the present one.
        """
        ...


class LivingCells:
    """The cells of one array under the voltages of the bench.

    Args:
        arrays: the simulated arrays.
        array: number of the array.
        note: tells what the card does not allow across a cell.

    """

    def __init__(self, arrays: SimulatedArrays, array: int, note: Callable[[str], None]) -> None:
        self._arrays, self._array, self._note = arrays, array, note
        shape = (arrays.shape[1], arrays.shape[2])
        self.pulses: NDArray[np.int64] = np.zeros(shape, np.int64)
        """Pulses that cells were given (rows, cols), from 0 V to 0 V."""
        self._moving: Bools = np.zeros(shape, bool)
        self._before: Floats | None = None
        self._told = False

    @property
    def _cells(self) -> CellArray:
        return self._arrays.cells(self._array)

    @property
    def move(self) -> bool:
        """Get whether voltages move cells of this card at all."""
        return self._cells.movable is not None

    def still(self, largest: float, seconds: float) -> bool:
        """Return whether voltages of at most `largest` [V], either sign, move no cell in this time [s]."""
        movable, ends = self._cells.movable, np.array([largest, -largest])
        return movable is None or not (movable.moves(ends, seconds) | could_form(self._cells, ends)).any()

    def rest(self) -> None:
        """End the pulses that cells are under: nothing moves them any more."""
        if self._before is None:
            return
        self._end(self._moving)
        self._before, self._told = None, False

    def live(self, start: float, seconds: float, limit: float, volts_of: Voltages) -> None:
        """Let cells be under the voltages of the network for `seconds` from `start` on [s], on the arrays' clock.

        `limit` is the compliance under which cells are formed [A].
        """
        cells, model = self._cells, self._arrays.card.dynamics
        volts, depends = volts_of()
        volts = np.clip(volts, -LIMIT, LIMIT)
        selected = np.abs(volts) >= SELECTED * np.abs(volts).max()
        if self._before is None:
            self._before = cells.position.copy()
        self._check(volts)
        free = ~cells.fixed()
        formed = self._form(cells, start, volts, selected, limit)
        if model is not None:
            moved = self._follow(cells, model, free, start, seconds, volts, depends, selected, volts_of)
        else:
            moved = self._pulse(cells, free, start, seconds, volts, selected)
        moved = moved | formed
        self._end(self._moving & ~(moved & selected))
        self._moving |= moved & selected
        if moved.any():
            self._arrays.open_epoch()

    def _form(self, cells: CellArray, start: float, volts: Floats, selected: Bools, limit: float) -> Bools:
        """Form the cells whose voltage is large enough, which then stay so to the end of the stretch; return which."""
        new = np.zeros(volts.shape, bool)
        if cells.card.forming is None:
            return new
        some = np.flatnonzero(cells.formed == 0)
        some = some[formable(cells, some) & reaches(cells, some, volts.ravel()[some])]
        for chosen, compliance in ((selected.ravel()[some], limit), (~selected.ravel()[some], None)):
            form(cells, some[chosen], compliance, np.full(int(chosen.sum()), start))
        new.ravel()[some] = True
        return new

    def _end(self, which: Bools) -> None:
        """Count a pulse for cells whose pulse has ended, where it did something."""
        cells, model = self._cells, self._arrays.card.dynamics
        if not which.any():
            return
        assert self._before is not None
        if model is not None:
            done = which & (np.abs(cells.position - self._before) > NOTED * (model.high - model.low))
            cells.detach()
            cells.pulses += done
            cells.wear += done
        else:
            done = which
        self.pulses += done
        self._before = np.where(which, cells.position, self._before)
        self._moving &= ~which

    def _pulse(
        self, cells: CellArray, free: Bools, start: float, seconds: float, volts: Floats, selected: Bools
    ) -> Bools:
        """Give the stretch as a pulse; return which cells it moves."""
        assert cells.movable is not None
        write = self._arrays.card.write
        longest = seconds if write is None else write.width_max
        count = min(max(ceil(seconds / longest * (1 - 1e-9)), 1), MOST_PULSES)
        train = Train(float(np.abs(volts).max()), seconds / count, count=count)
        moves = cells.movable.moves(volts, train.width) & free
        if count > 1 and moves.any():
            self._tell(f"{seconds:.3g} s beyond the write threshold, the card's longest pulse is {longest:g} s")
        cells.detach()
        for chosen, own in ((moves & ~selected, False), (moves & selected, True)):
            some = np.flatnonzero(chosen)
            times = np.array([[start], [start + seconds]]).repeat(len(some), 1)
            give(cells, some, volts.ravel()[some], train, times, own)
        return np.asarray(moves)

    def _follow(  # one parameter for each thing that one stretch is made of
        self,
        cells: CellArray,
        model: DynamicModel,
        free: Bools,
        start: float,
        seconds: float,
        volts: Floats,
        depends: bool,
        selected: Bools,
        volts_of: Voltages,
    ) -> Bools:
        """Let the states follow the voltages; return which cells have moved."""
        assert cells.movable is not None
        before = cells.position.copy()
        rate = np.where(free, np.asarray(model.rate(before, volts)), 0.0)
        fast = np.abs(rate) * seconds > NEGLIGIBLE * (model.high - model.low)
        if not fast.any():
            after = np.clip(before + rate * seconds, model.low, model.high)
        else:
            after = before.copy()
            if not depends:
                answer = respond(model, before[fast], volts[fast][None], np.array([seconds]))
                after[fast] = np.asarray(answer.state)[-1]
                depends = volts_of(after)[1]  # a source may have reached its limit on the way
            if depends:
                after = move_together(model, before, free, seconds, lambda x: np.clip(volts_of(x)[0], -LIMIT, LIMIT))
        moved = after != before
        cells.detach()
        cells.position[...] = after
        for chosen, own in ((moved & ~selected, False), (moved & selected, True)):
            some = np.flatnonzero(chosen)
            was = cells.movable.conductance(before.ravel()[some])
            keep(cells, some, was, np.full(len(some), start + seconds), own)
        return np.asarray(moved)

    def _check(self, volts: Floats) -> None:
        """Tell of a voltage that the card does not allow across a cell."""
        write = self._arrays.card.write
        size = np.where(self._cells.formed != 0, np.abs(volts), 0.0)
        if write is not None and (size > write.voltage_max * (1 + 1e-9)).any():
            row, col = np.unravel_index(int(size.argmax()), volts.shape)
            self._tell(f"{volts[row, col]:.4g} V across cell ({row}, {col}), the card allows {write.voltage_max:g} V")

    def _tell(self, text: str) -> None:
        """Tell once a pulse what the card does not allow."""
        if not self._told:
            self._note(text)
        self._told = True
