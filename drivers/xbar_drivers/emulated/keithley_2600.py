"""Keithley 2600B: two channels of source and measure, TSP."""

from collections.abc import Callable
from typing import Any, ClassVar

from xbar_drivers.emulated.lines import Lines
from xbar_drivers.emulated.schedule import Schedule
from xbar_drivers.emulated.smu import Smu, SmuReading, mean_reading
from xbar_drivers.emulated.smu_ranges import KEITHLEY_2602B, KEITHLEY_2636B, SmuRanges
from xbar_drivers.emulated.tsp.attributes import ignored, stored
from xbar_drivers.emulated.tsp.data_format import DataFormat
from xbar_drivers.emulated.tsp.lua_process import LuaLimits, Watchdog
from xbar_drivers.emulated.tsp.node_tree import TspObject
from xbar_drivers.emulated.tsp.smu_object import SmuChannel
from xbar_drivers.emulated.tsp.system_objects import system_root
from xbar_drivers.emulated.tsp.trigger_objects import COMMAND_EVENT, ChannelTrigger, TriggerSystem
from xbar_drivers.emulated.tsp.tsp_instrument import TspInstrument

FIRMWARE = "3.2.2"

# Bits of status.measurement.instrument.smuX.condition (2600B reference manual, 9-283 to 9-290).
VOLTAGE_LIMIT, CURRENT_LIMIT, OVERFLOW, BUFFER_AVAILABLE = 0x01, 0x02, 0x80, 0x100

EVENTS_PER_CHANNEL = 7


class Keithley2600(TspInstrument):
    """One 2600B with the channels `smua` and `smub`; terminals `<name>.a` and `<name>.b`, LO on the common ground.

    Args:
        name: its name on the bench.
        lines: what its terminals are connected to.
        number: its place on the bench.
        watchdog: kills its interpreter.
        schedule: of the bench, for sweeps.
        noise: whether readings carry the noise of the instrument.
        limits: of its interpreter.

    """

    model: ClassVar[str] = "2636B"
    ranges: ClassVar[SmuRanges] = KEITHLEY_2636B
    letters: ClassVar[tuple[str, ...]] = ("a", "b")
    line_frequency: ClassVar[float] = 50.0

    def __init__(
        self,
        name: str,
        lines: Lines,
        number: int,
        watchdog: Watchdog,
        schedule: Schedule,
        *,
        noise: bool = True,
        limits: LuaLimits | None = None,
    ) -> None:
        super().__init__(name, lines, number, watchdog, limits)
        self._schedule = schedule
        self.formats = DataFormat()
        self.channels = [
            SmuChannel(f"smu{letter}", self._smu(letter, noise), self._take, schedule.run_due, self.stopping)
            for letter in self.letters
        ]
        self.triggers = [
            ChannelTrigger(channel, schedule, 1 + EVENTS_PER_CHANNEL * k) for k, channel in enumerate(self.channels)
        ]
        self._events = TriggerSystem(self.triggers)
        self._conditions = [0 for _ in self.channels]

    def _smu(self, letter: str, noise: bool) -> Smu:
        terminal = f"{self.name}.{letter}"
        seed = self.number * 16 + ord(letter)
        return Smu(self.lines, terminal, self.ranges, line_frequency=self.line_frequency, noise=noise, seed=seed)

    @property
    def identity(self) -> str:
        """Get the answer to *IDN?."""
        return f"Keithley Instruments Inc., Model {self.model}, {self.serial}, {FIRMWARE}"

    def number_format(self) -> str:
        """Return the format of printed numbers."""
        return self.formats.text()

    def outputs_on(self) -> dict[str, str]:
        """Return the channels whose output is on."""
        return {channel.name: channel.smu.level_text() for channel in self.channels if channel.smu.output}

    def _take(self, channel: SmuChannel) -> SmuReading:
        """Take one reading, or the mean of several where the filter is on."""
        smu = channel.smu
        self.clock.wait(max(0.0, smu.measure_delay), self.stopped())
        count = channel.filter_count if channel.filter_on else 1
        found = []
        for _ in range(count):
            self.clock.wait(smu.aperture(), self.stopped())
            found.append(smu.measure())
        last = mean_reading(found)
        self._conditions[self.channels.index(channel)] = condition(last)
        return last

    def build_tree(self) -> TspObject:
        """Return the tree of a 2600B."""
        root = system_root(self, self.formats, self.model, self.line_frequency)
        for channel, trigger in zip(self.channels, self.triggers, strict=True):
            channel.object.objects["trigger"] = trigger.object
            channel.object.functions["abort"] = trigger.sweep.abort
            root.objects[channel.name] = channel.object
        root.objects["trigger"] = self._events.object
        root.objects["display"] = self._display()
        root.objects["status"] = self._status()
        root.objects["digio"] = TspObject("digio")
        stored(root.objects["digio"], writeprotect=0.0)
        root.objects["digio"].functions["readport"] = lambda: 0.0
        ignored(root.objects["digio"], "writeport", "writebit")
        return root

    def _display(self) -> TspObject:
        part = TspObject("display")
        part.constants = {
            "MEASURE_DCAMPS": 0.0, "MEASURE_DCVOLTS": 1.0, "MEASURE_OHMS": 2.0, "MEASURE_WATTS": 3.0,
            "SMUA": 0.0, "SMUB": 1.0, "SMUA_SMUB": 2.0, "USER": 3.0, "DIGITS_4_5": 4.0, "DIGITS_5_5": 5.0,
            "DIGITS_6_5": 6.0,
        }  # fmt: skip
        stored(part, screen=2.0, locallockout=0.0)
        ignored(part, "clear", "settext", "setcursor", "trigger", "sendkey")
        for channel in self.channels:
            shown = TspObject("dsmu")
            stored(shown, digits=6.0)
            shown.objects["measure"] = TspObject()
            stored(shown.objects["measure"], func=0.0)
            shown.objects["limit"] = TspObject()
            stored(shown.objects["limit"], func=0.0)
            part.objects[channel.name] = shown
        return part

    def _status(self) -> TspObject:
        part = TspObject("status")
        part.attribute("condition", lambda: float(self.status.byte()))
        part.attribute("request_enable", lambda: float(self.status.service_enable), self._set_service)
        part.functions["reset"] = self.status.preset
        standard = TspObject("std")
        standard.attribute("event", lambda: float(self.status.standard.take_event()))
        part.objects["standard"] = standard
        operation = TspObject("op")
        sweeping = TspObject("sw")
        sweeping.attribute("condition", self._sweeping)
        operation.objects["sweeping"] = sweeping
        part.objects["operation"] = operation
        measurement, instrument = TspObject("meas"), TspObject("inst")
        for k, channel in enumerate(self.channels):
            register = TspObject("reg")
            register.attribute("condition", self._condition(k))
            instrument.objects[channel.name] = register
        measurement.objects["instrument"] = instrument
        part.objects["measurement"] = measurement
        return part

    def _condition(self, k: int) -> Callable[[], float]:
        return lambda: float(self._conditions[k])

    def _set_service(self, value: Any) -> None:
        self._enable("*SRE", str(value))

    def _sweeping(self) -> float:
        """Return the channels that sweep: a first look finds a sweep running, however short it is."""
        found = sum(2 << k for k, trigger in enumerate(self.triggers) if trigger.running)
        self._schedule.run_due()
        if found and self.clock.speed is None:
            self._finish_sweeps()
        return float(found)

    def _finish_sweeps(self) -> None:
        ends = [trigger.sweep.end for trigger in self.triggers if trigger.sweep.end is not None]
        if ends:
            self.clock.wait_until(max(ends), self.stopped())
        self._schedule.run_due()

    def complete(self) -> None:
        """Wait until all sweeps have ended."""
        self._finish_sweeps()

    def triggered(self) -> None:
        """Take a bus trigger."""
        self._events.event(COMMAND_EVENT)

    def abort(self) -> None:
        """Stop all sweeps."""
        for trigger in self.triggers:
            trigger.armed = False
            trigger.sweep.abort()

    def forget(self) -> None:
        """Forget the buffers that scripts have made."""
        super().forget()
        for channel in self.channels:
            channel.made.clear()

    def reset(self) -> None:
        """Return to the state after switching on; the variables of scripts stay."""
        for channel, trigger in zip(self.channels, self.triggers, strict=True):
            trigger.reset()
            channel.reset()
        self._events.reset()
        self.formats.reset()
        self._conditions = [0 for _ in self.channels]


class Keithley2602B(Keithley2600):
    """The 40-V, 3-A pair."""

    model: ClassVar[str] = "2602B"
    ranges: ClassVar[SmuRanges] = KEITHLEY_2602B


def condition(reading: SmuReading) -> int:
    """Return the measurement condition register after a reading."""
    found = VOLTAGE_LIMIT * reading.voltage_limited | CURRENT_LIMIT * reading.current_limited
    return found | OVERFLOW * reading.overflow
