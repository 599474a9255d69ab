"""Ctrl-C and SIGTERM as a flag: seen between operations, never inside a write to the trace.

An interrupt raised inside h5py was swallowed or left ragged columns, so the first signal only sets the event that
the bench and its driver look at. A second one stops at once.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


def _signals() -> tuple[signal.Signals, ...]:
    names = ("SIGINT", "SIGTERM", "SIGBREAK")
    return tuple(getattr(signal, name) for name in names if hasattr(signal, name))


class _Handler:
    """Set all `stops` at the first signal, raise KeyboardInterrupt at the second."""

    def __init__(self, stops: tuple[threading.Event, ...]) -> None:
        self.stops = stops

    def __call__(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if all(stop.is_set() for stop in self.stops):
            raise KeyboardInterrupt
        for stop in self.stops:
            stop.set()


@contextmanager
def stop_on_signal(stop: threading.Event) -> Iterator[None]:
    """Set `stop` at the first Ctrl-C, Ctrl-Break or SIGTERM; raise KeyboardInterrupt at the second.

    Does nothing outside the main thread, where Python takes no signals. Nested uses set the events of all, and each
    restores what it found.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    previous: dict[signal.Signals, Any] = {}
    for number in _signals():
        outer = signal.getsignal(number)
        previous[number] = outer
        signal.signal(number, _Handler((stop, *(outer.stops if isinstance(outer, _Handler) else ()))))
    try:
        yield
    finally:
        for number, old in previous.items():
            # A handler that was not installed from Python reads as None and cannot be put back.
            signal.signal(number, signal.SIG_DFL if old is None else old)
