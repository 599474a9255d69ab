"""A run that was cut off, as its trace has it: its whole operations are answered again, in order."""

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from xbar.bench.operation import DriverHeader, Header, Operation, OperationKind, Request
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.bench.status import Status
from xbar.errors import FormatError, ReplayError
from xbar.trace.reader import open_trace
from xbar.trace.request_match import difference
from xbar.units import show

READINGS: Final = {
    OperationKind.READ: CellReadings,
    OperationKind.SWEEP: CellReadings,
    OperationKind.MVM: VectorReadings,
}
"""What an operation gives; nothing where it is not named."""

OWN: Final = frozenset({"sample", "note", "chips", "resumed"})
"""Provenance that may differ between a run and what goes on with it."""


class RecordedRun:
    """What a run recorded before it was cut off (`xbar.bench.resumption.Past`).

    An operation that was stopped, or at the end failed, is not whole: it and everything behind it is done again.

    Args:
        path: the trace; its writer ended it, was killed, or ran out of disk.

    Raises `FileError` or `FormatError` for what is no trace, or a damaged one.

    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._trace = open_trace(self.path)
        self._next = 0
        try:
            if self._trace.damaged:
                raise FormatError(f"{self.path} is damaged; run xbar trace verify, and xbar trace recover, first")
            self.recorded = len(self._trace)
            """Operations of the trace."""
            self.whole = self._count_whole()
            """Operations that are answered again."""
            last = self._trace.row(self.whole - 1) if self.whole else None
            self._last_wall = None if last is None else float(last["wall"])
            self._ended = 0.0 if not self.recorded else float(self._trace.row(self.recorded - 1)["ended"])
        except BaseException:
            self._trace.close()
            raise

    def _count_whole(self) -> int:
        """Return how many operations come before the first that was stopped, less those at the end that failed."""
        count = 0
        while count < self.recorded and not _stopped(self._trace.readings(count)):
            count += 1
        while count and self._trace.error(count - 1) is not None:
            count -= 1
        return count

    @property
    def more(self) -> bool:
        """Whether a recorded operation is left."""
        return self._next < self.whole

    @property
    def gap(self) -> float:
        """Get the time that passed since the last recorded operation [s]."""
        return 0.0 if self._last_wall is None else max(0.0, time.time() - self._last_wall)

    def provenance(self) -> dict[str, Any]:
        """Return what the trace of the resumed run says of this one (JSON values)."""
        with self.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        said = {"file": self.path.name, "uuid": self._trace.uuid, "sha256": digest}
        before = self._trace.provenance.get("resumed")
        return said | {"operations": self.whole, "done_again": self.recorded - self.whole, "before": before}

    # ---- is it the same run?

    def check_provenance(self, said: Mapping[str, Any]) -> None:
        """Check that another run says the same of itself: network, map, data, settings.

        Raises `ReplayError` naming the difference.
        """
        recorded = self._trace.provenance
        for name, value in said.items():
            if name not in OWN:
                self._same(name, recorded.get(name), _plain(value))

    def check(self, header: Header, passing: Mapping[str, frozenset[str]]) -> None:
        """Check that the bench is the recorded one; `passing` are settings that may differ, by driver.

        Raises `ReplayError` naming the difference.
        """
        old, new = self._trace.header.drivers, header.drivers
        self._same("drivers", [part.name for part in old], [part.name for part in new])
        for before, now in zip(old, new, strict=True):
            left_out = passing.get(now.name, frozenset())
            who = f"driver {now.name!r}" if now.name else "bench"
            self._same(who, _told(before, left_out), _told(now, left_out))

    def stands(self, name: str, clock: float) -> bool:
        """Return whether a driver's arrays stand where the record begins, by their clock [s]; False: where it ends.

        Raises `ReplayError` where they stand elsewhere.
        """
        chips = self._trace.provenance.get("chips")
        begun = chips.get(name) if isinstance(chips, dict) else None
        if not isinstance(begun, int | float):
            raise ReplayError(f"{self.path} was recorded without a chip file; leave --chip out")
        if _close(clock, float(begun)):
            return True
        if _close(clock, float(begun) + self._ended):
            return False
        raise ReplayError(
            f"the chip of {self.path} stood at {show(float(begun), 's')} of its life when the run began, and at "
            f"{show(float(begun) + self._ended, 's')} when it was cut off; its file is now at {show(clock, 's')}: it "
            "was used since. Run anew, or give a copy of the file as it was"
        )

    def _same(self, name: str, recorded: Any, now: Any) -> None:
        found = _first_difference(name, recorded, now)
        if found is not None:
            where, old, new = found
            raise ReplayError(
                f"{self.path.name} cannot be resumed: {where} was {_short(old)}, it is {_short(new)} now; give what "
                "was given to the recorded run, or run anew"
            )

    # ---- its operations

    def answer(self, asked: Request) -> Operation | None:
        """Return the next recorded operation, which `asked` must match; None where the record ends.

        Raises `ReplayError` naming the step and the difference.
        """
        if not self.more:
            return None
        step, trace = self._next, self._trace
        miss = difference(trace.request(step), asked, trace.projections(step))
        if miss is not None:
            raise ReplayError(
                f"{self.path.name} cannot be resumed: operation {step + 1} of {self.whole}: {miss}; it recorded "
                "another run"
            )
        row, found = trace.row(step), trace[step]
        wanted = READINGS.get(asked.kind)
        if found.error is None and not isinstance(found.readings, wanted or type(None)):
            raise FormatError(f"{self.path}: operation {step + 1} has no readings of its kind; the trace is damaged")
        self._next = step + 1
        return Operation(asked, found.started, found.ended, found.readings, found.error, float(row["wall"]))

    def close(self) -> None:
        """Close the trace; idempotent."""
        self._trace.close()


def _stopped(readings: CellReadings | VectorReadings | None) -> bool:
    return readings is not None and bool((np.asarray(readings.status) & np.uint32(Status.ABORTED)).any())


def _told(part: DriverHeader, left_out: frozenset[str]) -> dict[str, Any]:
    """Return what tells one driver from another, as JSON values."""
    who, has = part.identity, part.capabilities
    settings = {name: value for name, value in part.settings.items() if name not in left_out}
    same = {"driver": who.driver, "model": who.model, "serial": who.serial}
    size = {"arrays": has.arrays, "rows": has.rows, "cols": has.cols}
    effects = {effect.name: effect.state for effect in has.effects}
    told: dict[str, Any] = _plain({**same, **size, "effects": effects, "settings": settings})
    return told


def _plain(values: Any) -> Any:
    """Return values as they come back from a trace."""
    return json.loads(json.dumps(values))


def _first_difference(name: str, old: Any, new: Any) -> tuple[str, Any, Any] | None:
    """Return the name and both values of the first thing that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            found = _first_difference(f"{name}, {key}", old.get(key), new.get(key))
            if found is not None:
                return found
        return None
    return None if old == new or (old != old and new != new) else (name, old, new)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= 1e-9 * max(1.0, abs(one), abs(other))
