"""Keysight B2902A: two channels of source and measure with lists, sweeps and an output array, SCPI."""

from typing import ClassVar

from xbar_drivers.emulated.instrument import Instrument
from xbar_drivers.emulated.lines import Lines
from xbar_drivers.emulated.link import Link
from xbar_drivers.emulated.schedule import Schedule
from xbar_drivers.emulated.scpi.b2900_channel import B2900Channel
from xbar_drivers.emulated.scpi.b2900_commands import B2900Commands
from xbar_drivers.emulated.scpi_language import ScpiLanguage
from xbar_drivers.emulated.smu import Smu
from xbar_drivers.emulated.smu_ranges import KEYSIGHT_B2902A

# Idle bits of the operation condition register: transition and acquisition of channel 1, then of channel 2.
IDLE_BITS = ((1 << 1) | (1 << 4), (1 << 7) | (1 << 10))


class KeysightB2900(Instrument):
    """One B2902A; terminals `<name>.1` and `<name>.2`, LO on the common ground.

    Args:
        name: its name on the bench.
        lines: what its terminals are connected to.
        number: its place on the bench.
        schedule: of the bench, for sweeps.
        noise: whether readings carry the noise of the instrument.

    """

    model: ClassVar[str] = "B2902A"
    channel_count: ClassVar[int] = 2

    def __init__(self, name: str, lines: Lines, number: int, schedule: Schedule, *, noise: bool = True) -> None:
        super().__init__(name, lines, number)
        self._schedule = schedule
        self.channels = [
            B2900Channel(
                Smu(lines, f"{name}.{k}", KEYSIGHT_B2902A, noise=noise, seed=number * 16 + k), schedule, self._pause
            )
            for k in range(1, self.channel_count + 1)
        ]
        self._scpi = ScpiLanguage(self, error_sign=True)
        self._commands = B2900Commands(self, self._scpi.tree)

    def _pause(self, seconds: float) -> None:
        self.clock.wait(seconds, self.stopped())

    @property
    def identity(self) -> str:
        """Get the answer to *IDN?."""
        return f"Keysight Technologies,{self.model},{self.serial},3.4.2011.5100"

    def outputs_on(self) -> dict[str, str]:
        """Return the channels whose output is on."""
        return {str(k): c.smu.level_text() for k, c in enumerate(self.channels, 1) if c.smu.output}

    def line(self, link: Link, text: str) -> None:
        """Execute one message."""
        self.refresh()
        self._scpi.line(link, text)

    def refresh(self) -> None:
        """Bring sweeps and the operation register up to date."""
        self._schedule.run_due()
        idle = sum(bits for bits, c in zip(IDLE_BITS, self.channels, strict=True) if c.sweep.end is None)
        self.status.operation.become(idle)

    def polled(self) -> None:
        """Let a sweep that somebody polls for come to its end, where waits are skipped."""
        if self.clock.speed is None:
            self.complete()

    def complete(self) -> None:
        """Wait until all sweeps have ended."""
        ends = [channel.sweep.end for channel in self.channels if channel.sweep.end is not None]
        if ends:
            self.clock.wait_until(max(ends), self.stopped())
        self.refresh()

    def reset(self) -> None:
        """Return to the state after switching on."""
        for channel in self.channels:
            channel.reset()
        self._commands.reset()

    def triggered(self) -> None:
        """Take a bus trigger: channels that wait for one begin."""
        for channel in self.channels:
            if channel.waiting:
                channel.begin()
