"""Many steps as scans that are short enough: stopped by the user, done again after a lost connection, never lost."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Protocol

import numpy as np

from xbar.errors import DriverError
from xbar_drivers.rack.plan import ScanFailed, Scanner, ScanReadings, ScanSettings, Step

SCAN_TIME = 5.0
"""Longest time of one scan [s]: what a lost connection may cost."""

LONGEST_SWEEP = 5000
"""Points of the longest sweep: all of it is one scan, so that the source never goes back to 0 V between."""


MOST_READINGS = 50_000
"""Readings of one scan: what the buffers of the instruments hold (2600B reference manual: above 60 000)."""


class BenchTime(Protocol):
    """The clock of the bench."""

    def now(self) -> float:
        """Return the time [s]."""
        ...

    def passed(self, seconds: float) -> None:
        """Know that a scan took so long on instruments that skip waits [s]."""
        ...


@dataclass
class Scans:
    """Runs steps on a rack, scan after scan.

    Args:
        scanner: who does the steps.
        time: the clock of the bench.
        stop: ends scans when set.
        step_seconds: how long one step takes [s].
        reconnect: connects once more, in the safe state, and returns the new scanner.

    """

    scanner: Scanner
    time: BenchTime
    stop: threading.Event
    step_seconds: Callable[[ScanSettings], float]
    reconnect: Callable[[], Scanner]
    failure: DriverError | None = field(default=None, init=False)
    """What ended an operation early whose readings were kept: whoever uses the rack next, or closes it, is told."""

    def tell_failure(self) -> None:
        """Raise `failure` where there is one, once."""
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure

    def run(self, steps: Iterator[Step], settings: ScanSettings, *, again: bool) -> Iterator[ScanReadings]:
        """Do steps; end early where the user stops, or where the instruments fail after some readings.

        `again`: whether a scan may be done once more after a lost connection. Raises `DriverError` where nothing was
        measured.
        """
        self.tell_failure()
        most = LONGEST_SWEEP if settings.hold else self._steps_of_a_scan(settings)
        begun = False
        while part := list(islice(steps, most)):
            if self.stop.is_set():
                return
            try:
                found = self._scan(part, settings, again=again)
            except DriverError as error:
                kept = error.readings if isinstance(error, ScanFailed) else None
                if not begun and (kept is None or not len(kept.current)):
                    raise
                self.failure = error
                if kept is not None:
                    yield kept
                return
            begun = True
            yield found
            if len(found.current) < len(part):
                return

    def _steps_of_a_scan(self, settings: ScanSettings) -> int:
        by_time = int(SCAN_TIME / self.step_seconds(settings))
        return max(1, min(self.scanner.most_steps, by_time, MOST_READINGS // settings.repeat))

    def _scan(self, steps: list[Step], settings: ScanSettings, *, again: bool) -> ScanReadings:
        """Do one scan; after a lost connection, connect once more and do what is left of it where that is allowed."""
        started = self.time.now()
        try:
            return self._timed(self.scanner.scan(steps, settings, self.stop), started)
        except DriverError as error:
            kept = self._timed(error.readings, started) if isinstance(error, ScanFailed) else None
            if not again or self.stop.is_set():
                raise
            try:
                more = self._second_try(steps[0 if kept is None else len(kept.current) :], settings)
            except DriverError as last:
                if kept is None:
                    raise
                raise ScanFailed(str(last), kept) from error
            return more if kept is None else _joined(kept, more)

    def _second_try(self, steps: list[Step], settings: ScanSettings) -> ScanReadings:
        self.scanner = self.reconnect()
        started = self.time.now()
        return self._timed(self.scanner.scan(steps, settings, self.stop), started)

    def _timed(self, found: ScanReadings, started: float) -> ScanReadings:
        """Return readings with times of the bench's clock, never falling and never in the future."""
        self.time.passed(float(found.time.max(initial=0.0)))
        times = np.minimum(started + found.time.ravel(), self.time.now())
        return replace(found, time=np.maximum.accumulate(times).reshape(found.time.shape))


def _joined(first: ScanReadings, second: ScanReadings) -> ScanReadings:
    """Return the readings of two scans, one after the other."""
    return ScanReadings(
        np.concatenate([first.current, second.current]),
        np.concatenate([first.voltage, second.voltage]),
        np.concatenate([first.status, second.status]),
        np.concatenate([first.time, second.time]),
    )
