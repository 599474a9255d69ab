"""What happens on the bench at a later time without a message of a client: the points of sweeps that run."""

import heapq
import threading
from collections.abc import Callable
from itertools import count

from xbar_drivers.emulated.clock import BenchClock


class Schedule:
    """Things to do, in the order of their times; done when somebody next looks at the bench."""

    def __init__(self, clock: BenchClock) -> None:
        self._clock = clock
        self._things: list[tuple[float, int, Callable[[float], None]]] = []
        self._number = count()
        self._lock = threading.RLock()
        self._busy = False

    def add(self, time: float, thing: Callable[[float], None]) -> None:
        """Do `thing(time)` at a bench time [s]."""
        with self._lock:
            heapq.heappush(self._things, (time, next(self._number), thing))

    def run_due(self) -> None:
        """Do everything whose time has come."""
        with self._lock:
            if self._busy:
                return
            self._busy = True
            try:
                while self._things and self._things[0][0] <= self._clock.now():
                    time, _, thing = heapq.heappop(self._things)
                    thing(time)
            finally:
                self._busy = False
