"""A scan as one TSP script on the master of the link: relays, levels and readings without the host in between."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from xbar.bench.status import Status
from xbar.errors import DriverError, Interrupted
from xbar_drivers.instruments.keithley_2600 import COMPLIANCE, Channel
from xbar_drivers.instruments.keithley_3706a import SETTLE, SwitchMatrix, named
from xbar_drivers.instruments.quantities import OVERFLOW
from xbar_drivers.instruments.tsp import Stopped, TspInstrument
from xbar_drivers.rack.plan import ScanReadings, ScanSettings, Step

MOST_STEPS = 400
"""Steps of one script: some 40 kB of text."""

SLOWNESS = 10.0
"""A script may take so many times longer than computed before it is given up."""

PATIENCE = 10.0
"""What is added to that, for the way there and back [s]."""

VOLTAGE_NPLC = 0.01
"""Integration time of the reading of the drive voltage [power-line cycles]: a check, not a measurement."""


def script_seconds(settings: ScanSettings, line_frequency: float) -> float:
    """Return how long one step takes inside the instruments [s]: relays, settling, both readings."""
    reading = (settings.nplc + VOLTAGE_NPLC) / line_frequency + 1e-3
    return 2 * SETTLE + settings.settle + settings.repeat * reading


@dataclass
class TspScanner:
    """Runs scans on instruments of one TSP-Link.

    Args:
        master: whose connection is used.
        matrix: the relays.
        drive: source that drives.
        sense: source that senses, at 0 V.
        bias: further sources.
        line_frequency: of the mains [Hz].

    """

    master: TspInstrument
    matrix: SwitchMatrix
    drive: Channel
    sense: Channel
    bias: tuple[Channel, ...]
    line_frequency: float
    closed: frozenset[str] | None = field(default=None, init=False)
    """Crosspoints that are closed; None where it is not known: all are opened first."""

    @property
    def sources(self) -> tuple[Channel, ...]:
        """Get all sources."""
        return (self.drive, self.sense, *self.bias)

    @property
    def most_steps(self) -> int:
        """Get the most steps of one script."""
        return MOST_STEPS

    @property
    def pulses(self) -> bool:
        """Get that scripts time pulses."""
        return True

    def seconds(self, steps: int, settings: ScanSettings) -> float:
        """Return how long so many steps take on the instruments [s]."""
        return steps * script_seconds(settings, self.line_frequency)

    def scan(self, steps: Sequence[Step], settings: ScanSettings, stop: threading.Event) -> ScanReadings:
        """Do up to `MOST_STEPS` steps; sources stand at 0 V and outputs are off afterwards.

        Fewer readings come back where `stop` was set. Raises `DriverError`; the state of the relays is then unknown.
        """
        body = [*self._set_up(settings), *self._steps(steps, settings)]
        try:
            self._run(body, settings, self.seconds(len(steps), settings), stop)
        except Stopped:
            self.switch_off()
            return self._fetch(self._stored(settings.repeat), settings.repeat)
        self.closed = steps[-1].closed if steps else None
        return self._fetch(len(steps) * settings.repeat, settings.repeat)

    def pulse(self, step: Step, settings: ScanSettings, width: float, count: int, stop: threading.Event) -> None:
        """Give `count` square pulses of a width [s] in one script, a width apart.

        Raises `Interrupted` where `stop` was set meanwhile, `DriverError`; sources stand at 0 V either way.
        """
        levels = ", ".join(repr(level) for level in (step.drive, *step.bias))
        body = [
            *self._set_up(settings),
            *self._relays(step),
            f"for k = 1, {count} do",
            f"set({levels}) delay({width!r}) zero() delay({width!r})",
            "end",
        ]
        try:
            self._run(body, settings, 2 * width * count + 2 * SETTLE, stop)
        except Stopped:
            self.switch_off()
            raise Interrupted(f"pulse: stopped before the last of {count} pulses; sources are at 0 V") from None
        self.closed = step.closed

    def _run(self, body: Iterable[str], settings: ScanSettings, seconds: float, stop: threading.Event) -> None:
        """Run a script. Raises `Stopped`, or `DriverError` with what the instruments say."""
        lines = self._script(body, settings)
        self.closed = None
        answer = self.master.run(lines, stop, SLOWNESS * seconds + PATIENCE).split("\t")
        if answer[0] != "done":
            told = "; ".join([*answer[1:], *self.master.errors()])
            raise DriverError(f"{self.master.name} at {self.master.session.address}: {told}; sources are at 0 V")

    def switch_off(self) -> None:
        """Set all sources to 0 V and switch their outputs off, at once."""
        zero = [f"{source.path}.source.levelv = 0" for source in self.sources]
        off = [f"{source.path}.source.output = 0" for source in self.sources]
        self.master.write(" ".join(zero + off))

    def _stored(self, repeat: int) -> int:
        """Return how many readings of whole steps lie in the buffers."""
        counts = [self.master.number(f"{s.path}.nvbuffer1.n") for s in (self.sense, self.drive)]
        return int(min(counts)) // repeat * repeat

    def _fetch(self, count: int, repeat: int) -> ScanReadings:
        s, d = f"{self.sense.path}.nvbuffer1", f"{self.drive.path}.nvbuffer1"
        columns = [f"{s}.readings", f"{s}.statuses", f"{s}.timestamps", f"{d}.readings", f"{d}.statuses"]
        table = self.master.fetch(count, columns).reshape(-1, repeat, len(columns))
        # The source that senses measures what flows out of it.
        over = np.abs(table[..., 0]) >= OVERFLOW
        current = np.where(over, np.nan, -table[..., 0])
        voltage = np.where(np.abs(table[..., 3]) >= OVERFLOW, np.nan, table[..., 3])
        status = (
            _flag(over, Status.OVERRANGE)
            | _flag(table[..., 4].astype(np.int64) & COMPLIANCE != 0, Status.COMPLIANCE)
            | _flag(table[..., 1].astype(np.int64) & COMPLIANCE != 0, Status.OTHER_COMPLIANCE)
        )
        return ScanReadings(current, voltage, status, table[..., 2])

    # ---- the script

    def _script(self, body: Iterable[str], settings: ScanSettings) -> list[str]:
        return [
            *self._head(settings),
            "local function body()",
            *body,
            "end",
            "local ok, message = pcall(body)",
            "zero() off()",
            "if ok and errorqueue.count == 0 then",
            'print("done")',
            "else",
            'print("failed", ok and "the error queue holds" or tostring(message))',
            "end",
        ]

    def _head(self, settings: ScanSettings) -> list[str]:
        names = [f"local {letter} = {source.path}" for letter, source in self._letters()]
        letters = [letter for letter, _ in self._letters()]
        numbers = range(1, len(self.bias) + 1)
        given = ", ".join(["v", *(f"b{k}" for k in numbers)])
        return [
            *names,
            f"local M = {self.matrix.path}",
            # The driving source first: a bias beside 0 V is less than a drive beside 0 V.
            f"local function zero() {' '.join(f'{x}.source.levelv = 0' for x in letters)} end",
            f"local function off() {' '.join(f'{x}.source.output = 0' for x in letters)} end",
            "local function limit(x, wanted)",
            "x.source.limiti = wanted",
            "local found = x.source.limiti",
            "if math.abs(found - wanted) > 1e-3 * wanted then",
            'error("current limit of " .. wanted .. " A reads back as " .. found .. " A", 0) end',
            "end",
            # A bias first: half of the voltage on many cells is less than all of it on a row.
            f"local function set({given})",
            *(f"B{k}.source.levelv = b{k}" for k in numbers),
            "D.source.levelv = v",
            "end",
            f"local function step({given})",
            f"set({given})",
            f"delay({settings.settle!r})",
            f"for k = 1, {settings.repeat} do S.measure.i(S.nvbuffer1) D.measure.v(D.nvbuffer1) end",
            "end",
        ]

    def _letters(self) -> list[tuple[str, Channel]]:
        return [("D", self.drive), ("S", self.sense), *((f"B{k}", b) for k, b in enumerate(self.bias, 1))]

    def _set_up(self, settings: ScanSettings) -> list[str]:
        lines = []
        for letter, _ in self._letters():
            lines += [
                f"{letter}.source.levelv = 0 {letter}.source.func = 1 {letter}.source.rangev = {settings.largest!r}",
                f"limit({letter}, {settings.limit!r})",
            ]
        for letter in ("S", "D"):
            buffer = f"{letter}.nvbuffer1"
            lines.append(
                f"{buffer}.clear() {buffer}.appendmode = 1 {buffer}.collecttimestamps = 1 {letter}.measure.count = 1"
            )
        chosen = settings.current_range
        return [
            *lines,
            f"S.measure.nplc = {settings.nplc!r} D.measure.nplc = {VOLTAGE_NPLC!r} D.measure.autorangev = 1",
            "S.measure.autorangei = 1" if chosen is None else f"S.measure.rangei = {chosen!r}",
        ]

    def _steps(self, steps: Sequence[Step], settings: ScanSettings) -> Iterator[str]:
        before: frozenset[str] | None = None
        for step in steps:
            if step.closed != before:
                yield from self._relays(step) if before is None else self._moves(before, step.closed)
            elif not settings.hold:
                yield "zero()"
            yield f"step({', '.join(repr(level) for level in (step.drive, *step.bias))})"
            before = step.closed

    def _relays(self, step: Step) -> Iterator[str]:
        """Bring the relays from wherever they are to those of the first step, then switch the outputs on at 0 V."""
        if self.closed is None:
            yield "off()"
            yield 'M.open("allslots")'
        yield from self._moves(self.closed or frozenset(), step.closed)
        letters = [letter for letter, _ in self._letters()]
        yield " ".join(f"{letter}.source.output = 1" for letter in (*letters[1:], letters[0]))

    def _moves(self, before: frozenset[str], after: frozenset[str]) -> Iterator[str]:
        yield "zero()"
        yield from (f'M.open("{part}")' for part in named(before - after))
        yield from (f'M.close("{part}")' for part in named(after - before))


def _flag(where: NDArray[np.bool_], status: Status) -> NDArray[np.uint32]:
    return np.where(where, np.uint32(status), np.uint32(0)).astype(np.uint32)
