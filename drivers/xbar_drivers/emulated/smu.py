"""One channel of a source-measure unit on the lines: source, limits, ranges, integration, output-off states."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from xbar_drivers.emulated.lines import Lines
from xbar_drivers.emulated.nodal import Source
from xbar_drivers.emulated.smu_ranges import SmuRanges

OVERFLOW = 9.91e37
"""The reading of a quantity that its range does not hold, in every language of these instruments."""

OVERHEAD = 40e-6
"""Time of a measurement beside its integration [s]: 20000 readings a second at 0.001 NPLC (2636B data sheet)."""

NOISE = 3e-7
"""Noise of a reading at 1 NPLC as a share of its range, rms: a third of the last digit. It falls with the root of the
integration time."""


class OffMode(IntEnum):
    """What the terminals do while the output is off."""

    NORMAL = 0
    """0 V within the off limit."""
    ZERO = 1
    """0 V, in the range and limit that were set."""
    HIGH_Z = 2
    """Disconnected."""


@dataclass(frozen=True)
class SmuReading:
    """One reading of a channel."""

    time: float
    """Bench time at its end [s]."""
    voltage: float
    """[V]; plus or minus 9.91e37 where the range does not hold it."""
    current: float
    """[A]; likewise."""
    source: float
    """What the source was set to, [V] or [A]."""
    voltage_limited: bool
    current_limited: bool
    overflow: bool
    range_v: float
    range_i: float


class Smu:
    """A source with limits and two meters at one terminal; LO is the common ground.

    Setting an attribute changes nothing at the terminal before `apply` is called.

    Args:
        lines: what the terminal is connected to.
        terminal: its name.
        ranges: of this kind of unit.
        line_frequency: of the mains [Hz], for times given in its cycles.
        noise: whether readings carry the noise of the instrument.
        seed: of that noise.

    """

    def __init__(  # one parameter for each thing that differs between channels
        self,
        lines: Lines,
        terminal: str,
        ranges: SmuRanges,
        *,
        line_frequency: float = 50.0,
        noise: bool = True,
        seed: int = 0,
    ) -> None:
        self.lines, self.terminal, self.ranges, self.line_frequency = lines, terminal, ranges, line_frequency
        self._noise = np.random.Generator(np.random.Philox(key=seed)) if noise else None
        lines.add_terminal(terminal)
        self.reset()

    def reset(self) -> None:
        """Return to the state after switching on: output off, 0 V, autorange."""
        self.sources_voltage, self.output = True, False
        self.level_v, self.level_i = 0.0, 0.0
        # Series 2600B reference manual, 9-244: 40 V and 1 A where the largest range is 40 V, else 20 V and 100 mA.
        low = self.ranges.voltage[-1] <= 40
        self.limit_v, self.limit_i = (self.ranges.voltage[-1], 1.0) if low else (20.0, 0.1)
        self.source_range_v, self.source_range_i = self.ranges.voltage[-1], self.ranges.source_current_min
        self.source_auto_v, self.source_auto_i = True, True
        self.measure_range_v, self.measure_range_i = self.ranges.voltage[-1], 0.1
        self.measure_auto_v, self.measure_auto_i = True, True
        self.low_range_v, self.low_range_i = self.ranges.voltage[0], self.ranges.current[0]
        self.nplc, self.measure_delay, self.source_delay = 1.0, 0.0, 0.0
        self.four_wire, self.auto_zero = False, 2
        self.off_mode, self.off_limit_i = OffMode.NORMAL, 1e-3
        self.overflowed = False
        self.swept: float | None = None
        self.apply()

    def source(self) -> Source | None:
        """Return what the terminal does now; None where it is disconnected."""
        if self.output:
            if self.sources_voltage:
                return Source(True, self._step(self.level, False), self.limit_i)
            return Source(False, self._step(self.level, True), self.limit_v)
        if self.off_mode == OffMode.HIGH_Z:
            return None
        return Source(True, 0.0, self.off_limit_i if self.off_mode == OffMode.NORMAL else self.limit_i)

    def _step(self, level: float, current: bool) -> float:
        """Return a level as the source's converter gives it."""
        step = self.source_range(current, level) * self.ranges.source_digits
        return round(level / step) * step if math.isfinite(level) else level

    def source_range(self, current: bool, level: float | None = None) -> float:
        """Return the source range in use: [A] where `current`, else [V]."""
        if current:
            value = self.level_i if level is None else level
            automatic, fixed, least = self.source_auto_i, self.source_range_i, self.ranges.source_current_min
        else:
            value = self.level_v if level is None else level
            automatic, fixed, least = self.source_auto_v, self.source_range_v, 0.0
        return self.ranges.fit(value, current, least) if automatic else fixed

    def apply(self, at: float | None = None) -> None:
        """Bring the terminal to what is set, from a moment on [s], now if None."""
        self.lines.set_source(self.terminal, self.source(), at)

    @property
    def level(self) -> float:
        """Get the level at the terminal, [V] or [A]: that of a sweep while one runs."""
        if self.swept is not None:
            return self.swept
        return self.level_v if self.sources_voltage else self.level_i

    def aperture(self) -> float:
        """Return how long one reading takes [s]."""
        return self.nplc / self.line_frequency + OVERHEAD

    def limited(self) -> bool:
        """Return whether the source stands at its limit now."""
        return self.lines.measure(self.terminal, noisy=False).limited

    def measure(self, at: float | None = None) -> SmuReading:
        """Read voltage and current at a moment [s], now if None; the caller lets the time of the reading pass first."""
        at = self.lines.clock.now() if at is None else at
        point = self.lines.measure(self.terminal, at=at)
        if self.measure_auto_i:
            self.measure_range_i = self.ranges.fit(point.current, True, self.low_range_i)
        if self.measure_auto_v:
            self.measure_range_v = self.ranges.fit(point.voltage, False, self.low_range_v)
        current, over_i = self._convert(point.current, self.measure_range_i)
        voltage, over_v = self._convert(point.voltage, self.measure_range_v)
        self.overflowed = over_i or over_v
        at_limit = self.output and point.limited
        return SmuReading(
            time=at,
            voltage=voltage,
            current=current,
            source=self.level,
            voltage_limited=at_limit and not self.sources_voltage,
            current_limited=at_limit and self.sources_voltage,
            overflow=self.overflowed,
            range_v=self.measure_range_v,
            range_i=self.measure_range_i,
        )

    def _convert(self, value: float, scale: float) -> tuple[float, bool]:
        """Return a quantity as its meter gives it, and whether it overflowed."""
        if self._noise is not None:
            value += float(self._noise.standard_normal()) * NOISE * scale / math.sqrt(self.nplc)
        if abs(value) > self.ranges.full_scale(scale):
            return math.copysign(OVERFLOW, value), True
        step = scale * self.ranges.digits
        return round(value / step) * step, False

    def level_text(self) -> str:
        """Return what the source is set to, such as "0.2 V"."""
        return f"{self.level:g} {'V' if self.sources_voltage else 'A'}"


def mean_reading(readings: Sequence[SmuReading]) -> SmuReading:
    """Return the last of several readings with the means of voltage and current; an overflow stays one."""
    last = readings[-1]
    if len(readings) == 1 or any(reading.overflow for reading in readings):
        return last
    voltage = sum(reading.voltage for reading in readings) / len(readings)
    current = sum(reading.current for reading in readings) / len(readings)
    return replace(last, voltage=voltage, current=current)
