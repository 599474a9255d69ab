"""One array of a bench: the bench's verbs without the number of the array."""

from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import ArrayLike

from xbar.bench.capabilities import Capabilities
from xbar.bench.cell_life import CellFlag
from xbar.bench.limits import Limits
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.bench.settings import Pulse, ReadConfig, VectorConfig

if TYPE_CHECKING:
    from xbar.bench.bench import Bench


@final
class Crossbar:
    """Array `array` of `bench`; get it as `bench[array]`."""

    def __init__(self, bench: "Bench", array: int, capabilities: Capabilities, limits: Limits) -> None:
        self._bench = bench
        self.array = array
        self.capabilities = capabilities
        """What the array can do."""
        self.limits = limits
        """What the bench may do to it."""

    @property
    def clock(self) -> float:
        """Get the time since the bench opened [s]."""
        return self._bench.clock

    def program(self, targets: ArrayLike) -> None:
        """Write target conductances `(rows, cols)` [S] in one shot; NaN leaves a cell as it is."""
        self._bench.program(self.array, targets)

    def mvm(
        self, voltages: ArrayLike, config: VectorConfig | None = None, events: ArrayLike | None = None
    ) -> VectorReadings:
        """Drive input vectors `(batch, rows)` [V] and convert the bit-line currents: codes `(1, batch, cols)`."""
        return self._bench.mvm((self.array,), np.asarray(voltages)[None], config, events)

    def read(self, cells: ArrayLike, config: ReadConfig | None = None) -> CellReadings:
        """Read cells `(n, 2)` of (row, column)."""
        return self._bench.read(self.array, cells, config)

    def read_all(self, config: ReadConfig | None = None) -> CellReadings:
        """Read every cell, row by row; the fields of the answer are `(rows * cols, repeat)`."""
        shape = (self.capabilities.rows, self.capabilities.cols)
        return self.read(np.argwhere(np.ones(shape, bool)), config)

    def sweep(self, cell: tuple[int, int], voltages: ArrayLike, config: ReadConfig | None = None) -> CellReadings:
        """Step one cell through voltages `(n,)` [V]."""
        return self._bench.sweep(self.array, cell, voltages, config)

    def pulse(self, cells: ArrayLike, pulse: Pulse, count: int = 1) -> None:
        """Give cells `(n, 2)` `count` pulses each."""
        self._bench.pulse(self.array, cells, pulse, count)

    def flag(self, cells: ArrayLike, flag: CellFlag, on: bool = True) -> None:
        """Set or clear a flag of cells `(n, 2)` in the chip file; nothing where no chip is kept."""
        self._bench.flag(self.array, cells, flag, on)

    def wait(self, seconds: float) -> None:
        """Let time pass on the bench [s], 0 or more."""
        self._bench.wait(seconds)
