"""An operation on a bench: what was asked, what came back, and the protocol of those who record it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xbar.bench import combined
from xbar.bench.capabilities import Capabilities, Identity
from xbar.bench.limits import Limits
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.bench.settings import Pulse, ReadConfig, VectorConfig


class OperationKind(IntEnum):
    """Kinds of operations; the numbers stand in traces and never change."""

    PROGRAM = 1
    MVM = 2
    READ = 3
    SWEEP = 4
    PULSE = 5
    WAIT = 6


@dataclass(frozen=True, eq=False)
class Request:
    """What was asked. Fields that a kind of operation does not have are None."""

    kind: OperationKind
    arrays: tuple[int, ...] = ()
    """Arrays of the operation, `(k,)`; one for program, read, sweep and pulse, none for wait."""
    targets: NDArray[np.float64] | None = None
    """program: target conductances `(rows, cols)` [S], NaN where a cell is left as it is."""
    voltages: NDArray[Any] | None = None
    """mvm: asked voltages `(k, batch, rows)` [V], float32 or float64; sweep: `(n,)` [V]."""
    events: NDArray[np.uint64] | None = None
    """mvm: one number for each input vector `(batch,)`, or None."""
    cells: NDArray[np.int64] | None = None
    """read and pulse: (row, column) of each cell `(n, 2)`; sweep: `(1, 2)`."""
    read: ReadConfig | None = None
    vector: VectorConfig | None = None
    pulse: Pulse | None = None
    count: int | None = None
    """pulse: pulses of each cell."""
    seconds: float | None = None
    """wait: how long [s]."""


@dataclass(frozen=True, eq=False)
class Operation:
    """A request that reached the driver, and its outcome: readings, nothing, or an error."""

    request: Request
    started: float
    """Bench clock before [s]."""
    ended: float
    """Bench clock after [s]."""
    readings: CellReadings | VectorReadings | None = None
    error: Exception | None = None
    wall: float | None = None
    """When it ended, seconds since 1970; None: now. Recorders of what happens now need not be told."""


@dataclass(frozen=True)
class DriverHeader:
    """What is known of one driver when a bench opens."""

    name: str
    """Its name on the bench; empty where it is the only one."""
    identity: Identity
    capabilities: Capabilities
    settings: Mapping[str, Any]
    """What the driver logs of itself (JSON values)."""
    limits: Limits


@dataclass(frozen=True)
class Header:
    """What is known when a bench opens: the head of every trace."""

    address: str
    drivers: tuple[DriverHeader, ...]
    """In the order of their arrays: those of the first are the first of the bench."""

    @property
    def identity(self) -> Identity:
        """Get who answers, all of them in one."""
        return combined.identity([part.identity for part in self.drivers])

    @property
    def capabilities(self) -> Capabilities:
        """Get what every array can do."""
        return combined.capabilities([p.capabilities for p in self.drivers], [p.name for p in self.drivers])

    @property
    def settings(self) -> Mapping[str, Any]:
        """Get what the driver logs of itself; of several, by their names."""
        return self.drivers[0].settings if len(self.drivers) == 1 else {p.name: p.settings for p in self.drivers}

    @property
    def limits(self) -> Limits:
        """Get the tightest limits."""
        return combined.limits([part.limits for part in self.drivers])


class Recorder(Protocol):
    """Somebody who keeps what happens on a bench, in order."""

    def start(self, header: Header) -> None:
        """Begin; called once, after the driver opened and before any output is switched on."""

    def record(self, operation: Operation) -> None:
        """Keep one operation. Raises `TraceWriteError` where it cannot be kept; nothing may be recorded after that."""

    def flush(self) -> None:
        """Return when everything recorded so far is safe."""

    def conclude(self, result: Mapping[str, Any]) -> None:
        """Keep what the recorded operations gave (JSON values); at most once, before `close`."""

    def close(self, status: str) -> None:
        """End with "ok", "aborted" or "failed"; idempotent."""
