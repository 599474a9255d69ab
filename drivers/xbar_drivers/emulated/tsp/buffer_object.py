"""A reading buffer as scripts see it."""

from array import array
from collections.abc import Callable
from typing import Any

from xbar_drivers.emulated.reading_buffer import ReadingBuffer
from xbar_drivers.emulated.tsp.attributes import stored
from xbar_drivers.emulated.tsp.node_tree import TspError, TspObject, choice


def buffer_object(buffer: ReadingBuffer, refresh: Callable[[], None] = lambda: None) -> TspObject:
    """Return the object of a buffer; `refresh` brings the bench up to date before a look."""
    part = TspObject("reading_buffer", payload=buffer)

    def count() -> float:
        refresh()
        return float(len(buffer))

    def append(value: Any) -> None:
        buffer.append = bool(choice(value, 0, 1))

    part.attribute("n", count)
    part.attribute("capacity", lambda: float(buffer.capacity))
    part.attribute("basetimestamp", lambda: buffer.start)
    part.attribute("appendmode", lambda: float(buffer.append), append)
    stored(part, collectsourcevalues=1.0, collecttimestamps=1.0, cachemode=1.0, fillmode=0.0, fillcount=0.0)
    stored(part, timestampresolution=1e-6)
    part.functions["clear"] = buffer.clear
    part.functions["clearcache"] = lambda: None
    for name, column in (
        ("readings", buffer.readings),
        ("sourcevalues", buffer.sources),
        ("timestamps", buffer.times),
        ("statuses", buffer.statuses),
        ("relativetimestamps", buffer.times),  # the word of a 2450
    ):
        part.objects[name] = _column(column, refresh)
    # A number on the buffer itself is a reading: rb[2] and rb.readings[2] are the same (2600B manual, bufferVar).
    part.item = part.objects["readings"].item
    return part


def _column(values: "array[float]", refresh: Callable[[], None]) -> TspObject:
    def item(index: int) -> float | None:
        refresh()
        return float(values[index - 1]) if 1 <= index <= len(values) else None

    def reading(index: Any) -> float | None:
        if not isinstance(index, int | float):
            raise TspError(-286, "expected a number")
        return item(int(index))

    part = TspObject("sub", payload=values)
    part.item = item
    part.functions["getreading"] = reading
    part.attribute("n", lambda: float(len(values)))
    return part


def values_of(part: Any) -> "array[float]":
    """Return the values that `printbuffer` prints for an object: a column, or the readings of a buffer.

    Raises `TspError` for anything else.
    """
    payload = part.payload if isinstance(part, TspObject) else None
    if isinstance(payload, ReadingBuffer):
        return payload.readings
    if isinstance(payload, array):
        return payload
    raise TspError(-286, "printbuffer: expected a buffer")
