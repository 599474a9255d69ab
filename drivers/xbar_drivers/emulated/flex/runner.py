"""Runs the measurements of a B1500A in bench time and writes their data."""

from collections.abc import Callable, Sequence

from xbar_drivers.emulated.flex.channel import FlexChannel
from xbar_drivers.emulated.flex.commands import BAD_CHANNEL, NO_SWEEP, FlexError
from xbar_drivers.emulated.flex.data_format import DUMMY, END, FlexDataFormat
from xbar_drivers.emulated.flex.measurement import (
    MULTI_CHANNEL,
    SAMPLING,
    SPOT,
    STAIRCASE,
    MeasurementPlan,
    SweepSource,
)
from xbar_drivers.emulated.smu import SmuReading

MANUAL_ABORT = 1


class FlexRunner:
    """Measures with the channels of one instrument.

    Args:
        channels: by number.
        plan: what is measured.
        formats: how data are written.
        wait: lets bench time pass [s].
        stopped: whether the client wants to stop.

    """

    def __init__(
        self,
        channels: dict[int, FlexChannel],
        plan: MeasurementPlan,
        formats: FlexDataFormat,
        wait: Callable[[float], None],
        stopped: Callable[[], bool],
    ) -> None:
        self._channels, self._plan, self._formats = channels, plan, formats
        self._wait, self._stopped = wait, stopped
        self.time_stamps = False
        self.start = 0.0
        """Bench time of the last TSR [s]."""

    def read(self, channel: FlexChannel) -> tuple[SmuReading, int]:
        """Read a channel after its integration time; return the reading and its status."""
        channel.need_on()
        self._wait(channel.smu.aperture())
        reading = channel.smu.measure()
        others = any(other.smu.output and other is not channel and other.smu.limited() for other in self._others())
        return reading, channel.status(reading, others)

    def _others(self) -> Sequence[FlexChannel]:
        return [channel for channel in self._channels.values() if channel.smu.output]

    def data(self, channel: FlexChannel, quantities: str, extra: int = 0, stamp: bool = False) -> list[str]:
        """Measure a channel and return its data, with the time before each where stamps are on."""
        reading, status = self.read(channel)
        found = []
        if stamp or self.time_stamps:
            found.append(self._formats.measured(0, channel.letter, "T", reading.time - self.start))
        for kind in quantities:
            value = reading.current if kind == "I" else reading.voltage
            found.append(self._formats.measured(status | extra, channel.letter, kind, value))
        return found

    def execute(self) -> list[str]:
        """Do what XE does; return the data.

        Raises `FlexError` where the plan is incomplete.
        """
        plan = self._plan
        measured = self._measured()
        if plan.mode == SPOT:
            found = [text for channel in measured for text in self.data(channel, channel.quantities())]
            return self._with_end(found)
        if plan.mode in (STAIRCASE, MULTI_CHANNEL):
            return self._sweep(measured)
        if plan.mode == SAMPLING:
            return self._sample(measured)
        raise FlexError(*NO_SWEEP)

    def _measured(self) -> list[FlexChannel]:
        if not self._plan.channels:
            raise FlexError(*NO_SWEEP)
        found = [self._channels.get(number) for number in self._plan.channels]
        if any(channel is None for channel in found):
            raise FlexError(*BAD_CHANNEL)
        channels = [channel for channel in found if channel is not None]
        for channel in channels:
            channel.need_on()
            channel.use_ranges()
        return channels

    def _with_end(self, data: list[str]) -> list[str]:
        """Mark the last of measured data as the end, in formats with status numbers."""
        if data and self._formats.format > 20 and self._formats.headers:
            data[-1] = f"{int(data[-1][:3]) | END:3d}{data[-1][3:]}"
        return data

    def _sweep(self, measured: list[FlexChannel]) -> list[str]:
        plan = self._plan
        primary = plan.primary
        if primary is None:
            raise FlexError(*NO_SWEEP)
        sources = [primary, *([plan.synchronous] if plan.synchronous is not None else []), *plan.more]
        steps = [source.levels(primary.steps, primary.mode) for source in sources]
        for source in sources:
            source.channel.force(source.voltage, source.code, source.start, source.limit)
        self._wait(plan.hold)
        found: list[str] = []
        aborted = False
        for k in range(len(steps[0])):
            levels = [levels[k] for levels in steps]
            if not aborted:
                self._force(sources, levels)
                self._wait(plan.delay)
            found += self._step(measured, sources, levels, aborted, last=k == len(steps[0]) - 1)
            if not aborted:
                self._wait(plan.step_delay)
                aborted = self._stopped() or (plan.abort > MANUAL_ABORT and self._any_limited())
        ends = [s[0] if plan.post == 1 or aborted else s[-1] for s in steps]
        self._force(sources, ends)
        return found if self._formats.sources else self._with_end(found)

    def _force(self, sources: Sequence[SweepSource], levels: Sequence[float]) -> None:
        for source, level in zip(sources, levels, strict=True):
            if source.voltage:
                source.channel.smu.level_v = level
            else:
                source.channel.smu.level_i = level
            source.channel.smu.apply()

    def _any_limited(self) -> bool:
        return any(channel.smu.limited() for channel in self._others())

    def _step(
        self,
        measured: Sequence[FlexChannel],
        sources: Sequence[SweepSource],
        levels: Sequence[float],
        aborted: bool,
        last: bool,
    ) -> list[str]:
        found: list[str] = []
        for channel in measured:
            if aborted:
                kinds = ("T" if self.time_stamps else "") + channel.quantities()
                found += [self._formats.measured(1, channel.letter, kind, DUMMY) for kind in kinds]
            else:
                found += self.data(channel, channel.quantities())
        for source, level in list(zip(sources, levels, strict=True))[: self._formats.sources]:
            kind = "V" if source.voltage else "I"
            found.append(self._formats.source(last, source.channel.letter, kind, level))
        return found

    def _sample(self, measured: list[FlexChannel]) -> list[str]:
        plan, before = self._plan, {}
        for number, (voltage, code, base, bias, limit) in plan.sample_sources.items():
            channel = self._channels[number]
            channel.force(voltage, code, bias, limit)
            before[number] = (voltage, code, base, limit)
        self._wait(plan.sample_hold)
        found: list[str] = []
        for k in range(plan.samples):
            start = measured[0].smu.lines.clock.now()
            for channel in measured:
                found += self.data(channel, channel.quantities())
            if self._stopped():
                break
            if k + 1 < plan.samples:
                self._wait(plan.interval - (measured[0].smu.lines.clock.now() - start))
        for number, (voltage, code, base, limit) in before.items():
            self._channels[number].force(voltage, code, base, limit)
        return self._with_end(found)
