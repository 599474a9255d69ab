"""The replay driver: answers from a trace what was answered when it was recorded, and nothing else."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from xbar.bench.capabilities import Identity
from xbar.bench.driver import Driver, Unsafe
from xbar.bench.operation import OperationKind, Request
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.bench.settings import Pulse, ReadConfig, VectorConfig
from xbar.errors import FormatError, InputError
from xbar.trace.reader import Trace, open_trace
from xbar.trace.replay_cursor import ReplayCursor


class ReplayDriver(Driver):
    """Replay a trace, strictly: the same operations in the same order, with readings equal bit for bit.

    Asked voltages may differ by `xbar.trace.projection.TOLERANCE` of the input range: digital segments round
    differently on another machine. Everything else must be equal.

    Args:
        path: the trace.
        number: which of the recorded bench's drivers this one stands for, from 0.
        cursor: the place in the trace that it shares with the others; None makes one of its own.

    """

    def __init__(self, path: str, number: int = 0, cursor: ReplayCursor | None = None) -> None:
        self.path = Path(path)
        self._number, self._first = number, 0
        self._cursor = ReplayCursor(self.path) if cursor is None else cursor

    @classmethod
    def from_address(cls, rest: str, options: Mapping[str, Any]) -> Self:
        """Return a driver for the trace that the address names; the only option is `strict`, which is always on."""
        if unknown := sorted(options.keys() - {"strict"}):
            raise InputError(f"replay has no option {unknown[0]!r}; the trace alone decides, leave it out")
        if options.get("strict", True) is not True:
            raise InputError("replay is always strict; leave the option out")
        if not rest:
            raise InputError("replay needs a trace; write replay:FILE.h5")
        return cls(rest)

    @classmethod
    def drivers_from_address(cls, rest: str, options: Mapping[str, Any]) -> dict[str, Driver]:
        """Return a driver for each one that stood on the recorded bench; they share one place in the trace."""
        path = cls.from_address(rest, options).path
        with open_trace(path) as trace:
            names = [part.name for part in trace.header.drivers]
        cursor = ReplayCursor(path)
        return {name: cls(rest, number, cursor) for number, name in enumerate(names)}

    # ---- the driver

    def open(self) -> Identity:
        """Open the trace at its first operation.

        Raises `FileError` or `FormatError` for what is no trace.
        """
        self.close()
        recorded = self._cursor.open(self._number)
        before = self.trace.header.drivers[: self._number]
        self._first = sum(part.capabilities.arrays for part in before)
        self.capabilities = replace(recorded.capabilities, hardware=False)
        who = recorded.identity
        return Identity("replay", f"replay:{who.model}", who.serial, who.firmware)

    def close(self) -> None:
        """Close the trace; idempotent."""
        self._cursor.close(self._number)

    def safe_off(self) -> Unsafe:
        """Do nothing: there is no output."""
        return ()

    def clock(self) -> float:
        """Return the recorded bench clock at the end of the last operation [s], 0 before the first."""
        return self._cursor.now

    def settings(self) -> dict[str, Any]:
        """Return which trace is replayed, and the settings that it was recorded with."""
        trace = self.trace
        return {
            "replay_of": self.path.name,
            "trace": trace.uuid,
            "recorded": dict(trace.header.drivers[self._number].settings),
            "remaining": self._cursor.remaining,
            "run": trace.provenance.get("run"),
        }

    def program(self, array: int, targets: NDArray[np.float64]) -> None:
        """Check that these targets were programmed now."""
        self._replay(Request(OperationKind.PROGRAM, (self._first + array,), targets=targets))

    def mvm(
        self,
        arrays: tuple[int, ...],
        voltages: NDArray[Any],
        config: VectorConfig,
        events: NDArray[np.uint64] | None,
    ) -> VectorReadings:
        """Return the recorded codes."""
        numbers = tuple(self._first + array for array in arrays)
        request = Request(OperationKind.MVM, numbers, voltages=voltages, events=events, vector=config)
        readings = self._replay(request)
        if not isinstance(readings, VectorReadings):
            raise self._without_readings()
        return readings

    def read(self, array: int, cells: NDArray[np.int64], config: ReadConfig) -> CellReadings:
        """Return the recorded readings."""
        return self._cell_readings(Request(OperationKind.READ, (self._first + array,), cells=cells, read=config))

    def sweep(
        self, array: int, cell: tuple[int, int], voltages: NDArray[np.float64], config: ReadConfig
    ) -> CellReadings:
        """Return the recorded readings."""
        place = np.array([cell], np.int64)
        request = Request(OperationKind.SWEEP, (self._first + array,), voltages=voltages, cells=place, read=config)
        return self._cell_readings(request)

    def pulse(self, array: int, cells: NDArray[np.int64], pulse: Pulse, count: int = 1) -> None:
        """Check that these pulses were given now."""
        self._replay(Request(OperationKind.PULSE, (self._first + array,), cells=cells, pulse=pulse, count=count))

    def wait(self, seconds: float) -> None:
        """Check that this wait was made now; no time passes."""
        self._replay(Request(OperationKind.WAIT, seconds=float(seconds)))

    # ---- the cursor

    @property
    def trace(self) -> Trace:
        """The trace, while the driver is open. Raises `FileError` otherwise."""
        return self._cursor.trace

    @property
    def position(self) -> int:
        """Operations that were replayed."""
        return self._cursor.position

    @property
    def remaining(self) -> int:
        """Operations of the trace that were not asked for yet; verifies the rest of the trace. 0 when closed."""
        return self._cursor.remaining

    def _replay(self, request: Request) -> CellReadings | VectorReadings | None:
        return self._cursor.replay(request, self._number)

    def _cell_readings(self, request: Request) -> CellReadings:
        readings = self._replay(request)
        if not isinstance(readings, CellReadings):
            raise self._without_readings()
        return readings

    def _without_readings(self) -> FormatError:
        return FormatError(f"{self.path}: operation {self.position} has no readings of its kind; the trace is damaged")
