"""Locks that clients of HiSLIP and VXI-11 take on an instrument: exclusive, or shared by a key."""

import threading
import time
from collections.abc import Callable

from xbar_drivers.emulated.link import Link

LOOK = 0.05
"""Time between two looks whether a waiting client still waits [s]."""


class ExclusiveAccess:
    """Who may use one instrument."""

    def __init__(self) -> None:
        self._owner: Link | None = None
        self._shared: dict[Link, str] = {}
        self._changed = threading.Condition()

    def acquire(self, link: Link, seconds: float, key: str = "") -> bool:
        """Take the lock, waiting at most `seconds`; with a key it is shared by all who give the same."""

        def free() -> bool:
            if self._owner not in (None, link):
                return False
            others = {k for holder, k in self._shared.items() if holder is not link}
            return not others or (bool(key) and others == {key})

        with self._changed:
            if not self._wait(free, link, seconds):
                return False
            if key:
                self._shared[link] = key
            else:
                self._owner = link
            return True

    def release(self, link: Link) -> bool:
        """Give back what `link` holds; return False where it holds nothing."""
        with self._changed:
            held = self._owner is link or link in self._shared
            if self._owner is link:
                self._owner = None
            self._shared.pop(link, None)
            self._changed.notify_all()
            return held

    def may_use(self, link: Link, seconds: float) -> bool:
        """Return whether `link` may use the instrument, waiting at most `seconds` for it."""

        def free() -> bool:
            return self._owner in (None, link) and (not self._shared or link in self._shared or self._owner is link)

        with self._changed:
            return self._wait(free, link, seconds)

    def _wait(self, free: Callable[[], bool], link: Link, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not free():
            left = end - time.monotonic()
            if left <= 0 or link.stopped():
                return False
            self._changed.wait(min(left, LOOK))
        return True

    @property
    def exclusive(self) -> bool:
        """Whether somebody holds the exclusive lock."""
        return self._owner is not None

    @property
    def holders(self) -> int:
        """Number of clients that hold a lock."""
        return len(set(self._shared) | ({self._owner} if self._owner is not None else set()))
