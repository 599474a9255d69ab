"""What a trace holds, in one pass over its rows: counts, arrays, times, card and seed, sizes, what it carries."""

import os
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.trace.fault import Fault, find_fault
from xbar.trace.reader import Trace
from xbar.trace.schema import COLUMNS, KINDS, Flag
from xbar.trace.verification import open_checked
from xbar.trace.writer_process import writer_of

_ROWS = 4096
"""Rows of the operations table that are looked at together."""
ARRAYS_MAX = 100_000
"""Most different arrays that are counted one by one."""


def summarise(path: str | os.PathLike[str], timeout: float | None = None) -> dict[str, Any]:
    """Return what a trace holds, as JSON values; memory does not grow with its operations.

    A file that was not closed is first verified in a process of its own, `timeout` seconds at most (None: by its size).
    Raises `FileError` and `FormatError` as `open_trace` does; a damaged trace is summed up as far as it is right.
    """
    trace, stop = open_checked(path, timeout)
    with trace:
        counts, start = _Counts(), 0
        while len(rows := trace.rows(start, _ROWS)):
            counts.add(trace, rows)
            start += len(rows)
        return {
            "file": str(path),
            "size_bytes": Path(path).stat().st_size,
            **_state(trace, stop),
            **counts.values(),
            **_bench(trace),
            **_origin(trace),
            "tables": {name: {"values": values, "bytes": size} for name, (values, size) in trace.sizes.items()},
            "units": {column.path: column.units for column in COLUMNS if column.units},
            "embedded": trace.embedded_sizes,
            "result": trace.result,
        }


class _Counts:
    """What is added up over the rows."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.arrays: Counter[int] = Counter()
        self.errors = 0
        self.bench_s = 0.0
        self.wall: tuple[float, float] | None = None
        self._seen: dict[tuple[int, int], NDArray[Any]] = {}

    def add(self, trace: Trace, rows: NDArray[Any]) -> None:
        for kind, number in zip(*np.unique(rows["kind"], return_counts=True), strict=True):
            self.kinds[KINDS.get(int(kind), str(kind))] += int(number)
        self.errors += int(np.count_nonzero(rows["flags"] & Flag.ERROR))
        self.bench_s = float(np.fmax.reduce(rows["ended"], initial=self.bench_s))
        wall = float(rows["wall"].min()), float(rows["wall"].max())
        self.wall = wall if self.wall is None else (min(self.wall[0], wall[0]), max(self.wall[1], wall[1]))
        pairs, number = np.unique(
            np.stack([rows["arrays_start"], rows["arrays_count"].astype(np.uint64)], axis=1), axis=0, return_counts=True
        )
        for (start, count), times in zip(pairs.tolist(), number.tolist(), strict=True):
            if count and len(self.arrays) < ARRAYS_MAX:
                for array in self._block(trace, rows, start, count).tolist():
                    self.arrays[array] += times

    def _block(self, trace: Trace, rows: NDArray[Any], start: int, count: int) -> NDArray[Any]:
        """Return the array numbers that a row names; rows share them, so a few are remembered."""
        key = (start, count)
        if key not in self._seen:
            if len(self._seen) > 1000:
                self._seen.clear()
            row = rows[(rows["arrays_start"] == start) & (rows["arrays_count"] == count)][0]
            self._seen[key] = trace.slot(row, "arrays")[0]
        return self._seen[key]

    def values(self) -> dict[str, Any]:
        first, last = (None, None) if self.wall is None else map(_iso, self.wall)
        return {
            "operations": dict(sorted(self.kinds.items())),
            "errors": self.errors,
            "arrays": {str(array): count for array, count in sorted(self.arrays.items())},
            "bench_s": self.bench_s,
            "first_operation": first,
            "last_operation": last,
        }


def _iso(wall: float) -> str | None:
    """Return seconds since 1970 as ISO 8601 in UTC; None for a number that is no time."""
    try:
        return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return None


def _state(trace: Trace, stop: Fault | None) -> dict[str, Any]:
    """Return whether the trace is whole, and what stops it."""
    complete = trace.complete
    fault = stop if stop is not None or complete else find_fault(trace, len(trace))
    return {
        "state": trace.state,
        "status": trace.status,
        "writer": "closed" if trace.state == "closed" or complete else writer_of(trace.provenance),
        "complete": complete,
        "damaged": trace.damaged,
        "stops": None if fault is None else fault.message,
    }


def _bench(trace: Trace) -> dict[str, Any]:
    """Return who answered."""
    header = trace.header
    card, seed = (_setting(header.settings, name) for name in ("card", "seed"))
    identity = header.identity
    return {
        "bench": identity.model,
        "address": header.address,
        "serial": identity.serial,
        "card": card,
        "seed": seed,
        "rows": header.capabilities.rows,
        "cols": header.capabilities.cols,
        "limits": {"cell_voltage_V": header.limits.cell_voltage, "current_A": header.limits.current},
        "level": trace.level,
    }


def _setting(settings: Mapping[str, Any], name: str) -> Any:
    """Return a setting of the driver; of several drivers, what each of them says by its name."""
    if name in settings:
        return settings[name]
    inner = {part: values[name] for part, values in settings.items() if isinstance(values, Mapping) and name in values}
    return inner or None


def _origin(trace: Trace) -> dict[str, Any]:
    said = trace.provenance
    names = ("command", "versions", "run", "sample", "note", "process", "recovered_from", "packed_from", "resumed")
    return {"uuid": trace.uuid, "started": said.get("start_time"), **{name: said.get(name) for name in names}}
