"""How programming on products moves cells: by one pulse of a staircase each, or by a new one-shot write."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from xbar.bench.crossbar import Crossbar
from xbar.errors import Unsupported
from xbar.programming.product_settings import ProductDescent
from xbar.programming.pulse_steps import PulseSteps
from xbar.programming.write_verify import checked_stairs

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


class Writer(Protocol):
    """How cells `(rows, cols)` are moved."""

    @property
    def writes(self) -> Ints:
        """Writes that each cell took."""

    @property
    def most(self) -> int:
        """Writes that a cell may take."""

    def given_up(self) -> Bools:
        """Return which cells may not be written any more."""

    def write(self, off: Bools, errors: Floats) -> None:
        """Move the cells that are `off` against their errors [S]."""

    def mark(self) -> None:
        """Keep in mind how the cells stand."""

    def restore(self) -> Bools:
        """Write cells as they were last marked, as far as writes can do that; return which were written."""


def writer(crossbar: Crossbar, settings: ProductDescent, wanted: Floats, used: tuple[int, int]) -> Writer:
    """Return what moves the first `used` (rows, cols) cells of `wanted` targets [S] as the settings say.

    Raises `Unsupported` for a bench that does not write so; what `write_verify` does for pulses that cannot be.
    """
    if settings.write is not None:
        stairs = checked_stairs(crossbar, settings.write)
        places = np.argwhere(np.ones(used, bool))
        return _Pulses(PulseSteps(crossbar, settings.write, places, stairs), used, settings.write.max_pulses)
    if "program" not in crossbar.capabilities.native:
        raise Unsupported("programming on products: this bench has no one-shot write; give pulses (`write`)")
    return _OneShot(crossbar, wanted, used, settings.max_writes)


class _Pulses:
    """One pulse of the cell's staircase."""

    def __init__(self, steps: PulseSteps, shape: tuple[int, int], most: int) -> None:
        self._steps, self._shape, self.most = steps, shape, most

    @property
    def writes(self) -> Ints:
        return self._steps.pulses.reshape(self._shape)

    def given_up(self) -> Bools:
        return self._steps.given_up(np.arange(self._steps.pulses.size)).reshape(self._shape)

    def write(self, off: Bools, errors: Floats) -> None:
        some = np.flatnonzero(off)
        self._steps.step(some, errors.ravel()[some] < 0)

    def mark(self) -> None:
        """Do nothing: pulses have no way back to a state."""

    def restore(self) -> Bools:
        return np.zeros(self._shape, bool)


class _OneShot:
    """A new write, whose target makes up for what the cell's writes have missed in the mean."""

    def __init__(self, crossbar: Crossbar, wanted: Floats, used: tuple[int, int], most: int) -> None:
        self._crossbar, self._shape, self._used, self.most = crossbar, wanted.shape, used, most
        self._aim = wanted[: used[0], : used[1]].copy()
        self.writes: Ints = np.zeros(used, np.int64)
        self._range = crossbar.capabilities.conductance_range or (0.0, np.inf)
        self._marked = self._aim

    def given_up(self) -> Bools:
        return self.writes >= self.most

    def write(self, off: Bools, errors: Floats) -> None:
        self.writes[off] += 1
        # The mean over the writes of a cell: a systematic error is made up for, a new draw of noise hardly moves it.
        moved = self._aim - errors / (self.writes + 1)
        self._aim = np.where(off, np.clip(moved, *self._range), self._aim)
        self._program(off)

    def mark(self) -> None:
        self._marked = self._aim

    def restore(self) -> Bools:
        moved: Bools = np.asarray((self._aim != self._marked) & ~(np.isnan(self._aim) & np.isnan(self._marked)))
        self._aim = self._marked
        if moved.any():
            self.writes[moved] += 1
            self._program(moved)
        return moved

    def _program(self, cells: Bools) -> None:
        targets = np.full(self._shape, np.nan)
        targets[: self._used[0], : self._used[1]] = np.where(cells, self._aim, np.nan)
        self._crossbar.program(targets)
