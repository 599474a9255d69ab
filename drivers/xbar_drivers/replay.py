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
from xbar.errors import FileError, FormatError, InputError, ReplayError
from xbar.trace.reader import Trace, open_trace
from xbar_drivers.replay_match import describe, difference

NEARBY = 1000
"""How far before and after the cursor a similar operation is looked for, to name it in an error."""


class ReplayDriver(Driver):
    """Replay a trace, strictly: the same operations in the same order, with readings equal bit for bit.

    Asked voltages may differ by `xbar.trace.projection.TOLERANCE` of the input range: digital segments round
    differently on another machine. Everything else must be equal.

    Args:
        path: the trace.

    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self._trace: Trace | None = None
        self._cursor = 0
        self._now = 0.0

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

    # ---- the driver

    def open(self) -> Identity:
        """Open the trace at its first operation.

        Raises `FileError` or `FormatError` for what is no trace.
        """
        self.close()
        self._trace = open_trace(self.path)
        self._cursor, self._now = 0, 0.0
        recorded = self._trace.header
        self.capabilities = replace(recorded.capabilities, hardware=False)
        who = recorded.identity
        return Identity("replay", f"replay:{who.model}", who.serial, who.firmware)

    def close(self) -> None:
        """Close the trace; idempotent."""
        if self._trace is not None:
            self._trace.close()
            self._trace = None

    def safe_off(self) -> Unsafe:
        """Do nothing: there is no output."""
        return ()

    def clock(self) -> float:
        """Return the recorded bench clock at the end of the last operation [s], 0 before the first."""
        return self._now

    def settings(self) -> dict[str, Any]:
        """Return which trace is replayed, and the settings that it was recorded with."""
        trace = self.trace
        return {
            "replay_of": self.path.name,
            "trace": trace.uuid,
            "recorded": dict(trace.header.settings),
            "remaining": self.remaining,
            "run": trace.provenance.get("run"),
        }

    def program(self, array: int, targets: NDArray[np.float64]) -> None:
        """Check that these targets were programmed now."""
        self._replay(Request(OperationKind.PROGRAM, (array,), targets=targets))

    def mvm(
        self,
        arrays: tuple[int, ...],
        voltages: NDArray[Any],
        config: VectorConfig,
        events: NDArray[np.uint64] | None,
    ) -> VectorReadings:
        """Return the recorded codes."""
        request = Request(OperationKind.MVM, tuple(arrays), voltages=voltages, events=events, vector=config)
        readings = self._replay(request)
        if not isinstance(readings, VectorReadings):
            raise self._without_readings()
        return readings

    def read(self, array: int, cells: NDArray[np.int64], config: ReadConfig) -> CellReadings:
        """Return the recorded readings."""
        return self._cell_readings(Request(OperationKind.READ, (array,), cells=cells, read=config))

    def sweep(
        self, array: int, cell: tuple[int, int], voltages: NDArray[np.float64], config: ReadConfig
    ) -> CellReadings:
        """Return the recorded readings."""
        place = np.array([cell], np.int64)
        request = Request(OperationKind.SWEEP, (array,), voltages=voltages, cells=place, read=config)
        return self._cell_readings(request)

    def pulse(self, array: int, cells: NDArray[np.int64], pulse: Pulse, count: int = 1) -> None:
        """Check that these pulses were given now."""
        self._replay(Request(OperationKind.PULSE, (array,), cells=cells, pulse=pulse, count=count))

    def wait(self, seconds: float) -> None:
        """Check that this wait was made now; no time passes."""
        self._replay(Request(OperationKind.WAIT, seconds=float(seconds)))

    # ---- the cursor

    @property
    def trace(self) -> Trace:
        """The trace, while the driver is open. Raises `FileError` otherwise."""
        if self._trace is None:
            raise FileError(f"trace {self.path} is not open; open the bench first")
        return self._trace

    @property
    def position(self) -> int:
        """Operations that were replayed."""
        return self._cursor

    @property
    def remaining(self) -> int:
        """Operations of the trace that were not asked for yet; verifies the rest of the trace. 0 when closed."""
        return 0 if self._trace is None else len(self._trace) - self._cursor

    def _replay(self, asked: Request) -> CellReadings | VectorReadings | None:
        """Match a request with the one at the cursor, move on, and return or raise what was recorded."""
        trace, step = self.trace, self._cursor
        if not trace.has(step):
            raise ReplayError(self._past_the_end(asked))
        recorded = trace.request(step)
        miss = difference(recorded, asked, trace.projections(step))
        if miss is not None:
            raise ReplayError(f"replay of {self.path.name}, operation {step + 1}: {miss}{self._nearest(asked)}")
        error, readings = trace.error(step), trace.readings(step)
        self._cursor, self._now = step + 1, float(trace.row(step)["ended"])
        if error is not None:
            raise error
        return readings

    def _cell_readings(self, request: Request) -> CellReadings:
        readings = self._replay(request)
        if not isinstance(readings, CellReadings):
            raise self._without_readings()
        return readings

    def _without_readings(self) -> FormatError:
        return FormatError(f"{self.path}: operation {self._cursor} has no readings of its kind; the trace is damaged")

    def _past_the_end(self, asked: Request) -> str:
        """Say that one operation too many was asked for, and why the trace may be short."""
        trace = self.trace
        if trace.state == "open":
            why = "its writer was stopped there or still runs"
        elif trace.complete:
            why = "the run that it recorded ended there"
        else:
            why = "what follows does not match its checksums: the file is damaged"
        return (
            f"replay of {self.path.name}, operation {self._cursor + 1}: asked for {describe(asked)}, but the trace has "
            f"{len(trace)} operations ({why}){self._nearest(asked)}"
        )

    def _nearest(self, asked: Request) -> str:
        """Return where the nearest operations before and after the cursor of the same kind and arrays are."""
        trace, found = self.trace, []
        ways = (
            range(self._cursor - 1, max(-1, self._cursor - 1 - NEARBY), -1),
            range(self._cursor + 1, self._cursor + 1 + NEARBY),
        )
        for way in ways:
            for index in way:
                if not trace.has(index):
                    break
                if int(trace.row(index)["kind"]) != asked.kind:
                    continue
                recorded = trace.request(index)
                if recorded.arrays == asked.arrays:
                    same = difference(recorded, asked, trace.projections(index)) is None
                    found.append(f"operation {index + 1} ({'this very one' if same else describe(recorded)})")
                    break
        if not found:
            return "; no operation of this kind on these arrays is near"
        return f"; nearest of this kind on these arrays: {' and '.join(found)}"
