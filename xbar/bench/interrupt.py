"""Ctrl-C and SIGTERM as a flag: seen between operations, never inside a write to the trace.

An interrupt raised inside h5py was swallowed or left ragged columns, so the first signal only sets the event that
the bench and its driver look at. A second one stops at once, except while `HeldSignals` holds it back: a trace that is
being written or closed is written or closed to the end.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any


def _signals() -> tuple[signal.Signals, ...]:
    names = ("SIGINT", "SIGTERM", "SIGBREAK")
    return tuple(getattr(signal, name) for name in names if hasattr(signal, name))


_SIGNALS = _signals()


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
    for number in _SIGNALS:
        outer = signal.getsignal(number)
        previous[number] = outer
        signal.signal(number, _Handler((stop, *(outer.stops if isinstance(outer, _Handler) else ()))))
    try:
        yield
    finally:
        for number, old in previous.items():
            # A handler that was not installed from Python reads as None and cannot be put back.
            signal.signal(number, signal.SIG_DFL if old is None else old)


class HeldSignals:
    """Hold back Ctrl-C, Ctrl-Break and SIGTERM inside a `with` block; they are delivered when it ends.

    For the moments in which a file is written and must not be left half done, and in which outputs are switched off.
    Whatever handler stands (that of `stop_on_signal`, Python's own, the user's) is called afterwards, once for each
    kind of signal that came. May be nested; does nothing outside the main thread, where Python takes no signals.
    """

    __slots__ = ("_came", "_previous")

    def __init__(self) -> None:
        self._previous: list[tuple[signal.Signals, Any]] = []
        self._came: list[int] = []

    def __enter__(self) -> None:
        """Install a handler that only takes notes."""
        if threading.get_ident() != threading.main_thread().ident:
            return
        for number in _SIGNALS:
            # What the system does by itself (ignore, end the process) stays as it is: a kill harms no trace.
            if callable(old := signal.getsignal(number)):
                self._previous.append((number, old))
                signal.signal(number, self._note)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the handlers back and deliver what came."""
        try:
            self._put_back()
        finally:  # one that was put back may have raised at once, before the next was
            self._put_back()
        for came in self._came:
            signal.raise_signal(came)

    def _put_back(self) -> None:
        for number, old in self._previous:
            signal.signal(number, old)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        if number not in self._came:
            self._came.append(number)
