"""One channel of a 2600B as scripts see it: `smua`, with source, measure, buffers and trigger model."""

from collections.abc import Callable
from typing import Any

from xbar_drivers.emulated.reading_buffer import MOST_READINGS, ReadingBuffer, fits
from xbar_drivers.emulated.smu import OffMode, Smu, SmuReading
from xbar_drivers.emulated.tsp.attributes import ignored, numeric, stored, switch
from xbar_drivers.emulated.tsp.buffer_object import buffer_object
from xbar_drivers.emulated.tsp.node_tree import TspError, TspObject, choice, number

CONSTANTS: dict[str, float | str] = {
    "OUTPUT_OFF": 0.0, "OUTPUT_ON": 1.0, "OUTPUT_HIGH_Z": 2.0, "OUTPUT_DCAMPS": 0.0, "OUTPUT_DCVOLTS": 1.0,
    "OUTPUT_NORMAL": 0.0, "OUTPUT_ZERO": 1.0, "SENSE_LOCAL": 0.0, "SENSE_REMOTE": 1.0, "SENSE_CALA": 3.0,
    "AUTORANGE_OFF": 0.0, "AUTORANGE_ON": 1.0, "AUTORANGE_FOLLOW_LIMIT": 2.0, "DISABLE": 0.0, "ENABLE": 1.0,
    "AUTOZERO_OFF": 0.0, "AUTOZERO_ONCE": 1.0, "AUTOZERO_AUTO": 2.0, "SOURCE_IDLE": 0.0, "SOURCE_HOLD": 1.0,
    "OE_NONE": 0.0, "OE_OUTPUT_OFF": 1.0, "DELAY_OFF": 0.0, "DELAY_AUTO": -1.0, "SETTLE_SMOOTH": 0.0,
    "SETTLE_FAST_RANGE": 1.0, "SETTLE_FAST_ALL": 128.0, "FILTER_MOVING_AVG": 0.0, "FILTER_REPEAT_AVG": 1.0,
    "FILTER_MEDIAN": 2.0,
}  # fmt: skip
"""Names of values (Series 2600B reference manual, chapter 9)."""

MOST_COUNT = 60_000
"""Readings of one measurement (Series 2600B reference manual, `smuX.measure.count`)."""

MOST_MADE = 4000
"""Buffers that scripts may make."""

QUANTITIES: dict[str, Callable[[SmuReading], float]] = {
    "i": lambda r: r.current,
    "v": lambda r: r.voltage,
    "r": lambda r: r.voltage / r.current if r.current else 9.91e37,
    "p": lambda r: r.voltage * r.current,
}


class SmuChannel:
    """One channel with what belongs to it in the instrument.

    Args:
        name: "smua" or "smub".
        smu: the channel.
        take: takes one reading, letting its time pass, and keeps the instrument's status up to date.
        refresh: brings the bench up to date before a look at a buffer.
        stopping: tells whether the client wants to stop.

    """

    def __init__(
        self,
        name: str,
        smu: Smu,
        take: Callable[["SmuChannel"], SmuReading],
        refresh: Callable[[], None],
        stopping: Callable[[], bool],
    ) -> None:
        self.name, self.smu, self._take, self._refresh = name, smu, take, refresh
        self._stopping = stopping
        self.count, self.interval = 1, 0.0
        self.filter_count, self.filter_on = 1, 0
        self.buffers = (ReadingBuffer(), ReadingBuffer())
        self.made: list[ReadingBuffer] = []
        """Buffers that scripts have made. The sandbox does not tell which of them it still knows."""
        self.object = self._object()

    def reset(self) -> None:
        """Return to the state after switching on."""
        self.smu.reset()
        self.count, self.interval, self.filter_count, self.filter_on = 1, 0.0, 1, 0
        for buffer in self.buffers:
            buffer.clear()
            buffer.append = False

    def _object(self) -> TspObject:
        part = TspObject("smu", constants=dict(CONSTANTS))
        part.objects["source"] = self._source()
        part.objects["measure"] = self._measure()
        for k, buffer in enumerate(self.buffers, 1):
            part.objects[f"nvbuffer{k}"] = buffer_object(buffer, self._refresh)
        part.functions["makebuffer"] = self._make_buffer
        part.functions["reset"] = self.reset
        for name in (*QUANTITIES, "iv"):
            part.functions[f"measure{name}andstep"] = self._and_step(name)
        ignored(part, "savebuffer")
        switch(part, "sense", self.smu, "four_wire", (0, 1))
        return part

    def _make_buffer(self, capacity: Any) -> TspObject:
        size = int(number(capacity, 1, MOST_READINGS))
        if len(self.made) >= MOST_MADE or not fits(self.made, size):
            raise TspError(-225, "Out of memory")
        self.made.append(ReadingBuffer(capacity=size, append=True))
        return buffer_object(self.made[-1], self._refresh)

    def _source(self) -> TspObject:
        part, smu = TspObject("source"), self.smu
        top_v, top_i = smu.ranges.voltage[-1], smu.ranges.current[-1]

        def function(value: Any) -> None:
            smu.sources_voltage = bool(choice(value, 0, 1))
            smu.swept = None
            smu.apply()

        def output(value: Any) -> None:
            wanted = choice(value, 0, 1, 2)
            if wanted == 2:
                smu.off_mode = OffMode.HIGH_Z
            smu.output = wanted == 1
            smu.swept = None
            smu.apply()

        part.attribute("func", lambda: float(smu.sources_voltage), function)
        part.attribute("output", lambda: float(smu.output), output)
        part.attribute("compliance", smu.limited)
        for letter, current in (("v", False), ("i", True)):
            part.attribute(f"level{letter}", *self._level(letter, current))
            part.attribute(f"range{letter}", *self._source_range(letter, current))
            switch(part, f"autorange{letter}", smu, f"source_auto_{letter}", (0, 1), smu.apply)
        numeric(part, "limiti", smu, "limit_i", (smu.ranges.current[0], top_i), smu.apply)
        numeric(part, "limitv", smu, "limit_v", (smu.ranges.voltage[0] / 10, top_v), smu.apply)
        numeric(part, "offlimiti", smu, "off_limit_i", (smu.ranges.current[0], top_i), smu.apply)
        numeric(part, "delay", smu, "source_delay", (-1, 1e5))
        switch(part, "offmode", smu, "off_mode", (0, 1, 2), smu.apply)
        stored(part, offfunc=1.0, offlimitv=40.0, highc=0.0, settling=0.0, sink=0.0, limitp=0.0, outputenableaction=0.0)
        stored(part, lowrangev=smu.ranges.voltage[0], lowrangei=smu.ranges.source_current_min)
        return part

    def _level(self, letter: str, current: bool) -> tuple[Callable[[], float], Callable[[Any], None]]:
        smu, field = self.smu, f"level_{letter}"
        ranges = smu.ranges.current if current else smu.ranges.voltage

        def put(value: Any) -> None:
            automatic = smu.source_auto_i if current else smu.source_auto_v
            top = ranges[-1] if automatic else (smu.source_range_i if current else smu.source_range_v)
            bound = smu.ranges.full_scale(top)
            setattr(smu, field, number(value, -bound, bound))
            smu.swept = None
            smu.apply()

        return lambda: float(getattr(smu, field)), put

    def _source_range(self, letter: str, current: bool) -> tuple[Callable[[], float], Callable[[Any], None]]:
        smu = self.smu
        ranges = smu.ranges.current if current else smu.ranges.voltage

        def put(value: Any) -> None:
            least = smu.ranges.source_current_min if current else 0.0
            setattr(
                smu,
                f"source_range_{letter}",
                smu.ranges.fit(abs(number(value, -ranges[-1], ranges[-1])), current, least),
            )
            setattr(smu, f"source_auto_{letter}", False)
            smu.apply()

        return lambda: smu.source_range(current), put

    def _measure(self) -> TspObject:
        part, smu = TspObject("measure"), self.smu
        numeric(part, "nplc", smu, "nplc", smu.ranges.nplc)
        numeric(part, "count", self, "count", (1, MOST_COUNT))
        numeric(part, "interval", self, "interval", (0, 1e3))
        numeric(part, "delay", smu, "measure_delay", (-1, 1e5))
        switch(part, "autozero", smu, "auto_zero", (0, 1, 2))
        stored(part, delayfactor=1.0, highcrangedelayfactor=10.0)
        for letter, ranges in (("v", smu.ranges.voltage), ("i", smu.ranges.current)):
            switch(part, f"autorange{letter}", smu, f"measure_auto_{letter}", (0, 1, 2))
            numeric(part, f"lowrange{letter}", smu, f"low_range_{letter}", (ranges[0], ranges[-1]))
            part.attribute(f"range{letter}", *self._measure_range(letter))
        for name in QUANTITIES:
            part.functions[name] = self._reader(name)
            part.functions[f"overlapped{name}"] = self._reader(name)
        part.functions["iv"] = part.functions["overlappediv"] = self._read_both
        part.objects["filter"] = TspObject()
        numeric(part.objects["filter"], "count", self, "filter_count", (1, 100))
        switch(part.objects["filter"], "enable", self, "filter_on", (0, 1))
        stored(part.objects["filter"], type=1.0)
        part.objects["rel"] = TspObject()
        stored(part.objects["rel"], enablei=0.0, enablev=0.0, leveli=0.0, levelv=0.0)
        return part

    def _measure_range(self, letter: str) -> tuple[Callable[[], float], Callable[[Any], None]]:
        smu, current = self.smu, letter == "i"
        top = (smu.ranges.current if current else smu.ranges.voltage)[-1]

        def put(value: Any) -> None:
            setattr(smu, f"measure_range_{letter}", smu.ranges.fit(abs(number(value, -top, top)), current))
            setattr(smu, f"measure_auto_{letter}", False)

        return lambda: float(getattr(smu, f"measure_range_{letter}")), put

    def _readings(self) -> list[SmuReading]:
        """Take `count` readings, `interval` apart."""
        found = []
        for k in range(self.count):
            start = self.smu.lines.clock.now()
            found.append(self._take(self))
            if self._stopping():
                break
            if self.interval > 0 and k + 1 < self.count:
                self.smu.lines.clock.wait(self.interval - (self.smu.lines.clock.now() - start))
        return found

    def _reader(self, name: str) -> Callable[..., float]:
        quantity = QUANTITIES[name]

        def read(buffer: Any = None) -> float:
            into = reading_buffer(buffer)
            found = self._readings()
            _fill(into, found, quantity)
            return quantity(found[-1])

        return read

    def _and_step(self, name: str) -> Callable[[Any], float | tuple[float, float]]:
        """Return what measures and then steps the source (2600B manual, `smuX.measureYandstep`)."""

        def read(level: Any) -> float | tuple[float, float]:
            source = self.object.objects["source"]
            wanted = number(level, -1e3, 1e3)
            found = self._readings()[-1]
            source.setters["levelv" if self.smu.sources_voltage else "leveli"](wanted)
            return (found.current, found.voltage) if name == "iv" else QUANTITIES[name](found)

        return read

    def _read_both(self, first: Any = None, second: Any = None) -> tuple[float, float]:
        into = reading_buffer(first), reading_buffer(second)
        found = self._readings()
        _fill(into[0], found, QUANTITIES["i"])
        _fill(into[1], found, QUANTITIES["v"])
        return found[-1].current, found[-1].voltage


def reading_buffer(value: Any) -> ReadingBuffer | None:
    """Return the buffer that a script passed, or None for nil.

    Raises `TspError` for anything else.
    """
    if value is None:
        return None
    if isinstance(value, TspObject) and isinstance(value.payload, ReadingBuffer):
        return value.payload
    raise TspError(-286, "expected a reading buffer")


def _fill(buffer: ReadingBuffer | None, readings: list[SmuReading], quantity: Callable[[SmuReading], float]) -> None:
    if buffer is None:
        return
    buffer.begin()
    for reading in readings:
        buffer.store(reading, quantity, status_bits(reading))


def status_bits(reading: SmuReading) -> int:
    """Return the status of a stored reading (2600B manual, `bufferVar.statuses`): overflow 2, compliance 64."""
    return 0x02 * reading.overflow | 0x40 * (reading.voltage_limited or reading.current_limited)
