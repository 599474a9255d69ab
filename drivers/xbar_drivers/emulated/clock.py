"""The time of a served bench: as fast as the wall clock, faster, or skipping whatever an instrument waits for."""

import threading
import time

from xbar.errors import InputError

MESSAGE = 1e-3
"""Bench time that one message takes where waiting is skipped [s]: about what a message takes on a LAN instrument."""

LONGEST_SLEEP = 0.05
"""Longest sleep between two looks at the stop event [s]."""


class BenchClock:
    """Seconds since the bench was switched on.

    Args:
        speed: bench seconds per second of the wall clock; None skips every wait, so that only messages and what
            instruments wait for move the clock, and two runs of the same messages see the same times.

    """

    def __init__(self, speed: float | None = None) -> None:
        if speed is not None and not 0 < speed <= 1e6:
            raise InputError(f"speed {speed} must be above 0 and at most 1e6; write 'fast' to skip every wait")
        self.speed = speed
        self._skipped, self._start = 0.0, time.monotonic()
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return the bench time [s]."""
        if self.speed is None:
            return self._skipped
        return (time.monotonic() - self._start) * self.speed

    def message(self) -> None:
        """Count one message of a client."""
        if self.speed is None:
            self._skip(MESSAGE)

    def wait(self, seconds: float, stop: threading.Event | None = None) -> None:
        """Let `seconds` of bench time pass; ends early where `stop` is set."""
        if seconds <= 0:
            return
        if self.speed is None:
            self._skip(seconds)
            return
        end = time.monotonic() + seconds / self.speed
        while (left := end - time.monotonic()) > 0 and not (stop is not None and stop.is_set()):
            time.sleep(min(left, LONGEST_SLEEP))

    def wait_until(self, moment: float, stop: threading.Event | None = None) -> None:
        """Let time pass until `moment` [s]."""
        self.wait(moment - self.now(), stop)

    def _skip(self, seconds: float) -> None:
        with self._lock:
            self._skipped += seconds
