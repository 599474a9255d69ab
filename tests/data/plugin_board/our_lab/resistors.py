"""A board of fixed resistors, all alike, read one at a time."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from xbar.bench.capabilities import Capabilities, Effect, Identity
from xbar.bench.driver import Driver, Unsafe
from xbar.bench.readings import CellReadings
from xbar.bench.settings import ReadConfig
from xbar.errors import InputError


class ResistorBoard(Driver):
    """A board at a port, with resistors of `ohms` [ohm]."""

    def __init__(self, port: str = "", rows: int = 4, cols: int = 4, ohms: float = 100e3) -> None:
        self.port, self.rows, self.cols, self.ohms = port, rows, cols, ohms

    @classmethod
    def from_address(cls, rest: str, options: Mapping[str, Any]) -> Self:
        unknown = set(options) - {"rows", "cols", "ohms"}
        if unknown:
            raise InputError(f"the resistor board has no option {', '.join(sorted(unknown))}; it has rows, cols, ohms")
        return cls(rest, **options)

    def open(self) -> Identity:
        effects = (Effect("read_noise", "unsupported", "resistors are measured without noise"),)
        self.capabilities = Capabilities(
            arrays=1, rows=self.rows, cols=self.cols, voltage_max=1.0, current_max=1e-3, effects=effects
        )
        return Identity("board", "sim:resistor board", serial=self.port)

    def safe_off(self) -> Unsafe:
        return ()  # a real driver sets 0 V, switches outputs off, and names those that it could not

    def close(self) -> None:
        pass

    def read(self, array: int, cells: NDArray[np.int64], config: ReadConfig) -> CellReadings:
        shape = (len(cells), config.repeat)
        applied, missing = np.full(shape, config.voltage), np.full(shape, np.nan)
        time, current = np.empty(shape), np.empty(shape)
        for place in np.ndindex(shape):
            time[place], current[place] = self.clock(), self._measure(cells[place[0]], config.voltage)
        # NaN: this board does not measure the voltage, and has one range
        return CellReadings(time, applied, missing, current, np.zeros(shape, np.uint32), missing)

    def _measure(self, cell: NDArray[np.int64], volts: float) -> float:
        return volts / self.ohms
