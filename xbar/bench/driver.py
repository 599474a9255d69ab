"""The driver: what people write to bring one or more equal arrays behind one set of instruments onto a bench."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from xbar.bench.capabilities import Capabilities, Identity
from xbar.bench.limits import Limits
from xbar.bench.operation import OperationKind, Request
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.bench.settings import Pulse, ReadConfig, VectorConfig
from xbar.errors import Unsupported

Unsafe = tuple[str, ...]
"""Names of outputs that could not be switched off."""


@dataclass(frozen=True, eq=False)
class DriverState:
    """The state of simulated arrays, as a chip file keeps it."""

    values: Mapping[str, Any]
    """JSON values: what the chip is, its clock, its counters of random draws."""
    arrays: Mapping[str, NDArray[Any]]
    """Numbers of cells `(rows, cols)` by "array/name"."""


class Driver(ABC):
    """One or more equal arrays behind one set of instruments. Implemented by drivers, called by `Bench` alone.

    Arguments arrive checked: shapes, ranges and limits are the guard's work. Hardware drivers look at `stop` every
    0.1 s in waits and polls and abort.
    """

    hardware: ClassVar[bool] = False
    """True where a command can move real charge: such a driver opens only with limits and a trace."""
    passing_settings: ClassVar[frozenset[str]] = frozenset()
    """Names of `settings` that may be others when the same bench is opened again, such as an error queue."""
    capabilities: Capabilities
    """Valid after `open`."""
    limits: Limits | None = None
    """What the bench allows; given before `open`, None where the driver's own ranges hold."""
    stop: threading.Event
    """Set by the bench when the user asked to stop; given before `open`."""

    @classmethod
    @abstractmethod
    def from_address(cls, rest: str, options: Mapping[str, Any]) -> Self:
        """Return a driver for the part of the address behind the colon, with the options of the bench file or call.

        Raises `InputError` for an option that the driver does not know.
        """

    @classmethod
    def drivers_from_address(cls, rest: str, options: Mapping[str, Any]) -> dict[str, "Driver"]:
        """Return all drivers that an address stands for, by name: one without a name, but for replays of several."""
        return {"": cls.from_address(rest, options)}

    @abstractmethod
    def open(self) -> Identity:
        """Connect, find out who answers, end in the safe state."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect; idempotent."""

    @abstractmethod
    def safe_off(self) -> Unsafe:
        """Set 0 V, switch outputs off, open or ground the lines, in that order. Never raises."""

    @abstractmethod
    def read(self, array: int, cells: NDArray[np.int64], config: ReadConfig) -> CellReadings:
        """Read cells `(n, 2)` of one array; fields of the answer are `(n, config.repeat)`."""

    def pulse(self, array: int, cells: NDArray[np.int64], pulse: Pulse, count: int = 1) -> None:
        """Give each of the cells `(n, 2)` `count` pulses."""
        raise Unsupported(f"driver {type(self).__name__} cannot pulse cells; use a bench whose driver can")

    def sweep(
        self, array: int, cell: tuple[int, int], voltages: NDArray[np.float64], config: ReadConfig
    ) -> CellReadings:
        """Step one cell through a list of voltages `(n,)` [V]; fields of the answer are `(n, config.repeat)`."""
        from dataclasses import fields, replace

        cells = np.array([cell], dtype=np.int64)
        parts = [self.read(array, cells, replace(config, voltage=float(v))) for v in voltages]
        return CellReadings(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(CellReadings)))

    def mvm(
        self,
        arrays: tuple[int, ...],
        voltages: NDArray[Any],
        config: VectorConfig,
        events: NDArray[np.uint64] | None,
    ) -> VectorReadings:
        """Drive `(k, batch, rows)` volts on `k` arrays and convert the bit-line currents.

        `rows` may be smaller than the array's: the other word lines stand at 0 V.
        """
        raise Unsupported(f"driver {type(self).__name__} cannot multiply; use a bench whose driver can")

    def program(self, array: int, targets: NDArray[np.float64]) -> None:
        """Write `(rows, cols)` target conductances [S] in one shot; NaN leaves a cell as it is."""
        raise Unsupported(f"driver {type(self).__name__} has no one-shot write; program the cells with pulses")

    def wait(self, seconds: float) -> None:
        """Let time pass [s]: hardware sleeps and looks at `stop`, a simulation moves its clock."""
        self.stop.wait(seconds)

    def clock(self) -> float:
        """Return the bench's clock [s]; where it starts is the driver's choice."""
        return time.monotonic()

    def settings(self) -> dict[str, Any]:
        """Return what belongs in the log about the driver's own settings (JSON values)."""
        return {}

    def state(self) -> DriverState | None:
        """Return the state of simulated arrays, None where the arrays keep it themselves."""
        return None

    def restore(self, state: DriverState, after: float = 0.0) -> None:
        """Bring simulated arrays to a state, `after` seconds later; called once, behind `open`.

        Raises `InputError` for the state of another chip, `FormatError` for a damaged one.
        """
        raise Unsupported(f"driver {type(self).__name__} has no state to bring back; it cannot use this chip file")

    def retrace(self, request: Request) -> None:
        """Bring arrays that live in this driver to where an operation leaves them whose answer is known already.

        Called where `state` gives a state, when a run that was cut off is resumed. Does the operation again; a driver
        overrides it where less will do.
        """
        array = request.arrays[0] if request.arrays else 0
        match request.kind:
            case OperationKind.PROGRAM if request.targets is not None:
                self.program(array, request.targets)
            case OperationKind.MVM if request.voltages is not None and request.vector is not None:
                self.mvm(request.arrays, request.voltages, request.vector, request.events)
            case OperationKind.READ if request.cells is not None and request.read is not None:
                self.read(array, request.cells, request.read)
            case OperationKind.SWEEP if request.cells is not None and request.read is not None:
                row, col = (int(number) for number in request.cells[0])
                self.sweep(array, (row, col), np.asarray(request.voltages, np.float64), request.read)
            case OperationKind.PULSE if request.cells is not None and request.pulse is not None:
                self.pulse(array, request.cells, request.pulse, request.count or 0)
            case OperationKind.WAIT:
                self.wait(request.seconds or 0.0)

    def errors(self) -> list[str]:
        """Drain the error queues of the instruments and return what they said."""
        return []
