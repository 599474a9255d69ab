"""What a 2450 does, whatever the language: one channel, named buffers, measure functions, sweeps."""

from collections.abc import Callable
from dataclasses import dataclass, field

from xbar_drivers.emulated.instrument import Instrument
from xbar_drivers.emulated.lines import Lines
from xbar_drivers.emulated.reading_buffer import MOST_READINGS, ReadingBuffer, fits
from xbar_drivers.emulated.schedule import Schedule
from xbar_drivers.emulated.smu import OVERFLOW, Smu, SmuReading, mean_reading
from xbar_drivers.emulated.smu_ranges import KEITHLEY_2450
from xbar_drivers.emulated.sweep import Sweep, SweepPlan

DEFAULT_BUFFERS = ("defbuffer1", "defbuffer2")
DEFAULT_CAPACITY = 100_000
LEAST_CAPACITY = 10
MOST_BUFFERS = 64


class MeterError(Exception):
    """A setting that the meter refuses, with the number of its event."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


@dataclass
class MeasureFunction:
    """Settings of one measure function."""

    name: str
    """"CURR", "VOLT" or "RES"."""
    nplc: float = 1.0
    automatic: bool = True
    scale: float = 0.0
    """Range where it is not automatic, in the function's unit."""
    auto_zero: bool = True
    four_wire: bool = False
    delays: dict[int, float] = field(default_factory=dict)
    """User delays by number [s]."""
    average: bool = False
    average_count: int = 10
    average_repeats: bool = True
    """Whether each reading is the mean of fresh ones; else the filter moves over the last ones."""


@dataclass
class SourceFunction:
    """Settings of one source function that the channel itself does not keep."""

    delay: float = 0.0
    delay_auto: bool = True
    read_back: bool = True
    delays: dict[int, float] = field(default_factory=dict)


VALUES: dict[str, Callable[[SmuReading], float]] = {
    "CURR": lambda r: r.current,
    "VOLT": lambda r: r.voltage,
    "RES": lambda r: r.voltage / r.current if r.current else OVERFLOW,
}


class SourceMeter:
    """One channel with the buffers and functions of a 2450.

    Args:
        owner: the instrument.
        lines: what its terminal `<name>.hi` is connected to; LO is the common ground.
        schedule: of the bench, for sweeps.
        noise: whether readings carry the noise of the instrument.
        seed: of that noise.

    """

    def __init__(self, owner: Instrument, lines: Lines, schedule: Schedule, *, noise: bool, seed: int) -> None:
        self.owner, self.schedule = owner, schedule
        self.smu = Smu(lines, f"{owner.name}.hi", KEITHLEY_2450, noise=noise, seed=seed)
        self.sweep = Sweep(self.smu, schedule)
        self.buffers: dict[str, ReadingBuffer] = {}
        self.reset()

    def reset(self) -> None:
        """Return to the state after switching on."""
        self.sweep.abort()
        self.smu.reset()
        self.smu.limit_i, self.smu.limit_v = 105e-6, 21.0
        self.functions = {name: MeasureFunction(name) for name in VALUES}
        self.functions["CURR"].scale, self.functions["VOLT"].scale, self.functions["RES"].scale = 1e-4, 0.02, 20.0
        self.sources = {"VOLT": SourceFunction(), "CURR": SourceFunction()}
        self.function, self.count, self.terminals = "CURR", 1, "FRON"
        self.filling: str | None = None
        self.planned: tuple[SweepPlan, ReadingBuffer] | None = None
        self.buffers = {name: ReadingBuffer(DEFAULT_CAPACITY, append=True) for name in DEFAULT_BUFFERS}
        self.tripped = False
        self.smu.apply()

    def make_buffer(self, name: str, capacity: int) -> ReadingBuffer:
        """Make a buffer.

        Raises `MeterError` where the name is taken or the size out of range.
        """
        if not name.isidentifier() or name in self.buffers or len(self.buffers) >= MOST_BUFFERS:
            raise MeterError(1114, f"Buffer name {name[:20]} cannot be used")
        if not LEAST_CAPACITY <= capacity <= MOST_READINGS:
            raise MeterError(-222, "Parameter data out of range")
        if not fits(self.buffers.values(), capacity):
            raise MeterError(-225, "Out of memory")
        self.buffers[name] = ReadingBuffer(capacity, append=True)
        return self.buffers[name]

    def buffer(self, name: str) -> ReadingBuffer:
        """Return a buffer, up to date.

        Raises `MeterError` where there is none.
        """
        self.schedule.run_due()
        if name not in self.buffers:
            raise MeterError(-222, f"Parameter data out of range;no buffer {name[:20]}")
        return self.buffers[name]

    def configure(self) -> None:
        """Bring the channel's meters to the settings of the present function."""
        chosen, smu = self.functions[self.function], self.smu
        smu.nplc, smu.four_wire = chosen.nplc, chosen.four_wire
        current = self.functions["CURR"]
        voltage = self.functions["VOLT"]
        smu.measure_auto_i, smu.measure_auto_v = current.automatic, voltage.automatic
        if not current.automatic:
            smu.measure_range_i = smu.ranges.fit(current.scale, True)
        if not voltage.automatic:
            smu.measure_range_v = smu.ranges.fit(voltage.scale, False)

    def set_level(self, voltage: bool, level: float) -> None:
        """Set the level of a source function, [V] or [A]."""
        if voltage:
            self.smu.level_v = level
        else:
            self.smu.level_i = level
        self.smu.swept = None
        self.smu.apply()

    def set_output(self, on: bool) -> None:
        """Switch the output."""
        self.smu.output, self.smu.swept = on, None
        self.smu.apply()

    def delay(self) -> float:
        """Return the source delay in use [s]."""
        source = self.sources["VOLT" if self.smu.sources_voltage else "CURR"]
        return 0.0 if source.delay_auto else source.delay

    def value(self, reading: SmuReading) -> float:
        """Return a reading in the present function."""
        return VALUES[self.function](reading)

    def take(self, buffer: ReadingBuffer) -> SmuReading:
        """Take `count` readings into a buffer; return the last."""
        self.configure()
        last: SmuReading | None = None
        for _ in range(self.count):
            if last is not None and self.owner.stopping():
                break
            self.owner.clock.wait(self.delay(), self.owner.stopped())
            last = self._reading()
            self.keep(buffer, last)
        assert last is not None
        return last

    def _reading(self) -> SmuReading:
        """Return one reading, or the mean of several where the function's filter is on."""
        chosen = self.functions[self.function]
        found = []
        for _ in range(chosen.average_count if chosen.average else 1):
            self.owner.clock.wait(self.smu.aperture(), self.owner.stopped())
            found.append(self.smu.measure())
        return mean_reading(found)

    def keep(self, buffer: ReadingBuffer, reading: SmuReading) -> None:
        """Store a reading; a full buffer loses its oldest, as its continuous fill mode does."""
        self.tripped = reading.voltage_limited or reading.current_limited
        if len(buffer) >= buffer.capacity:
            for column in (buffer.readings, buffer.sources, buffer.times, buffer.statuses):
                del column[0]
        buffer.store(reading, self.value)

    def plan(self, voltages: bool, levels: list[float], delay: float, buffer: ReadingBuffer) -> None:
        """Prepare a sweep for `initiate`, as the sweep commands do: it goes into a cleared buffer."""
        plan = SweepPlan(
            voltages=voltages,
            levels=tuple(levels),
            delay=max(delay, 0.0),
            pulsed=False,
            hold=False,
            store=lambda reading: self.keep(buffer, reading),
        )
        self.planned = plan, buffer

    def initiate(self) -> None:
        """Begin the prepared sweep; without one, take readings into the buffer that is to be filled."""
        self.configure()
        if self.planned is not None:
            plan, buffer = self.planned
            buffer.clear()
            self.set_output(True)
            self.sweep.start(plan)
        elif self.filling is not None:
            buffer = self.buffers[self.filling]
            while len(buffer) < buffer.capacity and not self.owner.stopping():
                self.take(buffer)
        else:
            self.take(self.buffers[DEFAULT_BUFFERS[0]])

    def complete(self) -> None:
        """Wait until a sweep has ended."""
        if self.sweep.end is not None:
            self.owner.clock.wait_until(self.sweep.end, self.owner.stopped())
        self.schedule.run_due()

    def limited(self) -> bool:
        """Return whether the source stands at its limit."""
        return self.smu.output and self.smu.limited()
