"""A timer for what nobody else comes by to do: the flush of a trace to which nothing is added any more."""

import threading
from collections.abc import Callable
from typing import Protocol

LONGEST = 86400.0
"""Longest time that a timer is asked to wait [s]; a thread cannot wait for any time that a float can say."""


class Timer(Protocol):
    """Something that calls a function once, some time after it was started."""

    def start(self) -> None:
        """Begin to wait. Raises `RuntimeError` where that is impossible."""

    def cancel(self) -> None:
        """Do not call, unless that has begun."""


MakeTimer = Callable[[float, Callable[[], None]], Timer]
"""Makes a timer from seconds and what to call."""


def thread_timer(seconds: float, call: Callable[[], None]) -> Timer:
    """Return a timer that waits in a thread, which does not keep the process alive."""
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    return timer
