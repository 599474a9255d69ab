"""The clock of a rack: the wall's, or that of served instruments that run faster or skip waits."""

import threading
import time
from dataclasses import dataclass, field

LOOK = 0.1
"""Time between two looks at the stop event [s]."""


@dataclass
class RackClock:
    """Seconds of the bench.

    Args:
        speed: bench seconds per second of the wall; None: waits are skipped, and what scans took is added up.

    """

    speed: float | None = 1.0
    _skipped: float = field(default=0.0, init=False)

    def now(self) -> float:
        """Return the time [s]."""
        return time.monotonic() * (self.speed or 1.0) + self._skipped

    def passed(self, seconds: float) -> None:
        """Know that something took so long on instruments that skip waits [s]."""
        if self.speed is None:
            self._skipped += seconds

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Sleep for bench seconds [s] and look at `stop` every 0.1 s."""
        end = time.monotonic() + seconds / (self.speed or 1.0)
        while (left := end - time.monotonic()) > 0 and not stop.wait(min(left, LOOK)):
            pass
