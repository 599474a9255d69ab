"""The error queue of an instrument."""

from collections import deque
from dataclasses import dataclass

MOST_ERRORS = 100
"""Entries before the last is replaced by the overflow entry (SCPI-1999, volume 2, 21.8.1)."""


@dataclass(frozen=True)
class InstrumentError:
    """One entry."""

    code: int
    """Negative: of SCPI-1999; positive: of the instrument; 0: no error."""
    text: str

    @property
    def event_bit(self) -> int:
        """Bit of the standard event status register that goes with it (IEEE 488.2, 11.5.1)."""
        if -199 <= self.code <= -100 or self.code == -285:
            return 0x20  # command error
        if -299 <= self.code <= -200:
            return 0x10  # execution error
        if -499 <= self.code <= -400:
            return 0x04  # query error
        return 0x08  # device-dependent error


class ErrorQueue:
    """First in, first out."""

    def __init__(self) -> None:
        self._entries: deque[InstrumentError] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, error: InstrumentError) -> None:
        """Add an entry; the last becomes -350 where the queue is full."""
        if len(self._entries) >= MOST_ERRORS:
            self._entries[-1] = InstrumentError(-350, "Queue overflow")
            return
        self._entries.append(error)

    def next(self) -> InstrumentError | None:
        """Remove and return the oldest entry; None where there is none."""
        return self._entries.popleft() if self._entries else None

    def clear(self) -> None:
        """Remove all entries."""
        self._entries.clear()
