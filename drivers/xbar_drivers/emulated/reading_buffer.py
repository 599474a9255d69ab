"""Reading buffers: readings with their source values and times, as instruments store them."""

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from xbar_drivers.emulated.smu import SmuReading

MOST_READINGS = 1_000_000
"""Readings of the largest buffer."""

MOST_KEPT = 4_000_000
"""Readings that all buffers of one channel may hold: 130 MB."""


def fits(buffers: Iterable["ReadingBuffer"], more: int) -> bool:
    """Return whether a channel has room for `more` readings beside what its buffers may hold."""
    return sum(buffer.capacity for buffer in buffers) + more <= MOST_KEPT


def _numbers() -> "array[float]":
    return array("d")


@dataclass
class ReadingBuffer:
    """One buffer.

    `append` is the instrument's append mode: without it a new measurement begins at the start.
    """

    capacity: int = 60_000
    append: bool = False
    readings: "array[float]" = field(default_factory=_numbers)
    sources: "array[float]" = field(default_factory=_numbers)
    times: "array[float]" = field(default_factory=_numbers)
    statuses: "array[float]" = field(default_factory=_numbers)
    start: float = 0.0
    """Bench time of the first reading [s]."""

    def clear(self) -> None:
        """Remove all readings."""
        for column in (self.readings, self.sources, self.times, self.statuses):
            del column[:]

    def __len__(self) -> int:
        return len(self.readings)

    def begin(self) -> None:
        """Begin a measurement: clear unless appending."""
        if not self.append:
            self.clear()

    def store(self, reading: SmuReading, value: Callable[[SmuReading], float], status: int = 0) -> bool:
        """Add a reading; return False where the buffer is full and the reading is lost."""
        if len(self.readings) >= self.capacity:
            return False
        if not self.readings:
            self.start = reading.time
        self.readings.append(value(reading))
        self.sources.append(reading.source)
        self.times.append(reading.time - self.start)
        self.statuses.append(status)
        return True
