"""A scan step by step from the host, for instruments that share no link: each action is answered before the next."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from xbar.bench.status import Status
from xbar.errors import DriverError, Interrupted, Unsupported
from xbar_drivers.instruments.keithley_2600 import Channel
from xbar_drivers.instruments.keithley_3706a import SETTLE
from xbar_drivers.instruments.roles import Instrument, Matrix, Source, SourceSetup
from xbar_drivers.instruments.tsp import Stopped
from xbar_drivers.rack.plan import ScanFailed, ScanReadings, ScanSettings, Step

ROUND_TRIPS = 5
"""Questions and answers of one step."""

ROUND_TRIP = 2e-3
"""Time of one of them [s]: about what a LAN instrument takes."""

Reading = tuple[float, float, Status, float]
"""Current [A], voltage [V], status, time [s]."""


def host_seconds(settings: ScanSettings, line_frequency: float) -> float:
    """Return how long one step takes from the host [s]: relays, settling, readings, questions and answers."""
    reading = settings.nplc / line_frequency + 2 * ROUND_TRIP
    return 2 * SETTLE + ROUND_TRIPS * ROUND_TRIP + settings.settle + settings.repeat * reading


@dataclass
class HostScanner:
    """Runs scans on instruments with a connection each.

    Args:
        instruments: all of them, for their error queues.
        matrix: the relays.
        drive: source that drives.
        sense: source that senses, at 0 V.
        bias: further sources.
        line_frequency: of the mains [Hz].
        clock: time [s], for the readings.

    """

    instruments: tuple[Instrument, ...]
    matrix: Matrix
    drive: Source
    sense: Source
    bias: tuple[Source, ...]
    line_frequency: float
    clock: Callable[[], float]
    closed: frozenset[str] | None = field(default=None, init=False)
    """Crosspoints that are closed; None where it is not known: all are opened first."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """Get all sources."""
        return (self.drive, self.sense, *self.bias)

    @property
    def most_steps(self) -> int:
        """Get the steps after which the error queues are looked at."""
        return 50

    @property
    def pulses(self) -> bool:
        """Get whether the source that drives can time pulses itself."""
        return isinstance(self.drive, Channel)

    def seconds(self, steps: int, settings: ScanSettings) -> float:
        """Return how long so many steps take [s]."""
        return steps * host_seconds(settings, self.line_frequency)

    def scan(self, steps: Sequence[Step], settings: ScanSettings, stop: threading.Event) -> ScanReadings:
        """Do the steps; sources stand at 0 V and outputs are off afterwards.

        Fewer readings come back where `stop` was set. Raises `DriverError`; its `readings` are what was measured so
        far, and the state of the relays is then unknown.
        """
        began, found = self.clock(), list[list[Reading]]()
        before, self.closed = self.closed, None
        try:
            before = self._begin(steps[0], settings, before)
            for step in steps:
                if stop.is_set():
                    break
                found.append(self._step(step, settings, before, stop))
                before = step.closed
            self._off()
            self._check()
        except DriverError as error:
            self._try_off()
            raise ScanFailed(str(error), _readings(found, settings.repeat, began)) from error
        except BaseException:
            self._try_off()
            raise
        self.closed = before
        return _readings(found, settings.repeat, began)

    def _begin(self, first: Step, settings: ScanSettings, before: frozenset[str] | None) -> frozenset[str]:
        """Bring sources to 0 V and their limits, relays to those of the first step, then switch the outputs on."""
        self._off()
        if before is None:
            self.matrix.open_all()
            before = frozenset()
        setup = SourceSetup(settings.limit, settings.largest, settings.nplc, settings.current_range)
        for source in self.sources:
            source.prepare(setup)
        self.matrix.move(before - first.closed, first.closed - before)
        for source in (self.sense, *self.bias, self.drive):
            source.switch_on()
        return first.closed

    def _step(self, step: Step, settings: ScanSettings, before: frozenset[str], stop: threading.Event) -> list[Reading]:
        if step.closed != before:
            self._zero()
            self.matrix.move(before - step.closed, step.closed - before)
        elif not settings.hold:
            self._zero()
        # A bias first: half of the voltage on many cells is less than all of it on a row.
        for source, level in zip(self.bias, step.bias, strict=True):
            source.set_level(level)
        self.drive.set_level(step.drive)
        stop.wait(settings.settle)
        found = []
        for _ in range(settings.repeat):
            current, sensed = self.sense.measure_current()
            voltage, driven = self.drive.measure_voltage()
            other = Status.OTHER_COMPLIANCE if sensed & Status.COMPLIANCE else Status.OK
            status = driven | (sensed & ~Status.COMPLIANCE) | other
            # The source that senses measures what flows out of it.
            found.append((-current, voltage, status, self.clock()))
        return found

    def pulse(self, step: Step, settings: ScanSettings, width: float, count: int, stop: threading.Event) -> None:
        """Give `count` square pulses of a width [s], timed by the source that drives.

        Raises `Unsupported` for a source that cannot, `Interrupted` where `stop` was set meanwhile, `DriverError`.
        """
        if not isinstance(self.drive, Channel):
            raise Unsupported(f"{self.drive.name} cannot time pulses itself; pulse with a source of the series 2600B")
        before, self.closed = self.closed, None
        try:
            self._begin(step, settings, before)
            for source, level in zip(self.bias, step.bias, strict=True):
                source.set_level(level)
            self.drive.give_pulses(step.drive, width, count, stop)
            self._off()
            self._check()
        except Stopped:
            self._try_off()
            raise Interrupted(f"pulse: stopped before the last of {count} pulses; sources are at 0 V") from None
        except BaseException:
            self._try_off()
            raise
        self.closed = step.closed

    def _zero(self) -> None:
        """Set 0 V, the driving source first: a bias beside 0 V is less than a drive beside 0 V."""
        for source in (self.drive, *self.bias, self.sense):
            source.zero()

    def _off(self) -> None:
        self._zero()
        for source in self.sources:
            source.switch_off()

    def _try_off(self) -> None:
        """Switch off what still answers; what does not is named by `safe_off` later."""
        for source in self.sources:
            with suppress(DriverError):
                source.zero()
            with suppress(DriverError):
                source.switch_off()

    def _check(self) -> None:
        """Raise `DriverError` with what the error queues hold, if anything."""
        found = [text for instrument in self.instruments for text in instrument.errors()]
        if found:
            raise DriverError(f"{'; '.join(found)}; sources are at 0 V")


def _readings(found: list[list[Reading]], repeat: int, began: float) -> ScanReadings:
    table: NDArray[np.float64] = np.array(
        [[(i, v, float(s), t - began) for i, v, s, t in row] for row in found], np.float64
    ).reshape(len(found), repeat, 4)
    return ScanReadings(table[..., 0], table[..., 1], table[..., 2].astype(np.uint32), table[..., 3])
