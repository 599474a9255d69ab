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


@contextmanager
def stop_on_signal(stop: threading.Event) -> Iterator[None]:
    """Set `stop` at the first Ctrl-C, Ctrl-Break or SIGTERM; raise KeyboardInterrupt at the second.

    Does nothing outside the main thread, where Python takes no signals. Nested uses share the outermost handler's
    behaviour and restore what they found.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handler(number: int, frame: FrameType | None) -> None:
        del number, frame
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    previous: dict[signal.Signals, Any] = {number: signal.signal(number, handler) for number in _signals()}
    try:
        yield
    finally:
        for number, old in previous.items():
            # A handler that was not installed from Python reads as None and cannot be put back.
            signal.signal(number, signal.SIG_DFL if old is None else old)
