"""Operations from numbers of a foreign file: NaN where the file has none."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbar.bench.operation import Operation, OperationKind, Request
from xbar.bench.readings import CellReadings
from xbar.bench.settings import Pulse, ReadConfig, Unselected

Floats = NDArray[np.float64]

NO_CLOCK = 0.0
"""Bench clock of operations whose time is not known [s]; the times of their readings are NaN."""
UNSELECTED = Unselected.GROUND
"""What stands for lines of which the file does not say what they were tied to."""
LONGEST = 2**20
"""Readings of one operation at most; longer series become several operations."""


def read_operation(
    cells: ArrayLike, voltage: float, current: Floats, measured: Floats | None = None, time: Floats | None = None
) -> Operation:
    """Return readings `current` `(n, repeat)` [A] of cells `(n, 2)` at one voltage [V], all on array 0."""
    config = ReadConfig(float(voltage), repeat=current.shape[1], unselected=UNSELECTED)
    readings = _readings(np.full(current.shape, float(voltage)), current, measured, time)
    return _operation(Request(OperationKind.READ, (0,), cells=np.array(cells, np.int64), read=config), readings)


def sweep_operation(
    cell: tuple[int, int],
    voltages: Floats,
    current: Floats,
    *,
    applied: Floats | None = None,
    measured: Floats | None = None,
    time: Floats | None = None,
) -> Operation:
    """Return the sweep of one cell through voltages `(n,)` [V].

    `applied` are the voltages at which the currents `(n,)` were measured, where these were others.
    """
    shape = (-1, 1)
    readings = _readings(
        (voltages if applied is None else applied).reshape(shape),
        current.reshape(shape),
        None if measured is None else measured.reshape(shape),
        None if time is None else time.reshape(shape),
    )
    place = np.array([cell], np.int64)
    request = Request(OperationKind.SWEEP, (0,), voltages=voltages, cells=place, read=ReadConfig(unselected=UNSELECTED))
    return _operation(request, readings)


def pulse_operation(cell: tuple[int, int], voltage: float, width: float, count: int, compliance: float) -> Operation:
    """Return `count` equal pulses [V], [s] on one cell; edges of 0 s stand for edges that are not known."""
    pulse = Pulse(float(voltage), float(width), current_limit=compliance, unselected=UNSELECTED)
    request = Request(OperationKind.PULSE, (0,), cells=np.array([cell], np.int64), pulse=pulse, count=count)
    return Operation(request, NO_CLOCK, NO_CLOCK)


def _readings(applied: Floats, current: Floats, measured: Floats | None, time: Floats | None) -> CellReadings:
    unknown = np.full(current.shape, np.nan)
    return CellReadings(
        unknown if time is None else time,
        applied,
        unknown if measured is None else measured,
        current,
        np.zeros(current.shape, np.uint32),
        unknown,
    )


def _operation(request: Request, readings: CellReadings) -> Operation:
    known = readings.time[np.isfinite(readings.time)]
    if not known.size:
        return Operation(request, NO_CLOCK, NO_CLOCK, readings)
    return Operation(request, float(known.min()), float(known.max()), readings)


def runs(*keys: NDArray[Any], longest: int = LONGEST) -> list[tuple[int, int]]:
    """Return (start, end) of the stretches in which all keys `(n,)` stay equal, each `longest` long at most."""
    count = len(keys[0])
    if not count:
        return []
    changes = np.zeros(count, np.bool_)
    changes[::longest] = True
    for key in keys:
        changes[1:] |= key[1:] != key[:-1]
    starts = np.flatnonzero(changes)
    return list(zip(starts.tolist(), [*starts[1:].tolist(), count], strict=True))


@dataclass
class Extent:
    """How far the operations of a file reach."""

    operations: int = 0
    readings: int = 0
    voltage: float = 0.0
    """Largest |voltage| [V]."""
    current: float = 0.0
    """Largest |current| [A]."""
    kinds: frozenset[str] = frozenset({"read"})

    @classmethod
    def of(cls, operations: Iterable[Operation]) -> "Extent":
        """Go through operations."""
        found = cls()
        for operation in operations:
            request, readings = operation.request, operation.readings
            found.operations += 1
            found.kinds |= {request.kind.name.lower()}
            voltages = [] if request.voltages is None else [request.voltages]
            voltages += [] if request.pulse is None else [np.array([request.pulse.voltage])]
            if isinstance(readings, CellReadings):
                found.readings += readings.current.size
                found.current = max(found.current, _largest(readings.current))
                voltages.append(readings.applied)
            found.voltage = max(found.voltage, *(_largest(part) for part in voltages), 0.0)
        return found


def _largest(values: NDArray[Any]) -> float:
    finite = values[np.isfinite(values)]
    return float(np.abs(finite).max(initial=0.0))
