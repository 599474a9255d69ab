"""Keithley 2600B family: two channels of source and measure, TSP (Series 2600B reference manual)."""

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from xbar.bench.status import Status
from xbar.errors import DriverError, InputError
from xbar_drivers.instruments.quantities import OVERFLOW, Choice, Number, number_of
from xbar_drivers.instruments.roles import Source, SourceSetup
from xbar_drivers.instruments.session import Session
from xbar_drivers.instruments.tsp import TspInstrument

COMPLIANCE = 0x40
"""Bit of a stored reading's status: the source stood at its limit (reference manual, `bufferVar.statuses`)."""

VOLTAGE_LIMIT, CURRENT_LIMIT, OVERFLOWED = 0x01, 0x02, 0x80
"""Bits of status.measurement.instrument.smuX.condition (reference manual, 9-283 to 9-290)."""

MOST_POINTS = 5000
"""Levels of the longest sweep."""

MOST_LISTED = 25
"""Levels that one line of a script lists: lines stay below 300 characters."""

ON_OFF = {True: "1", False: "0"}


def _whole(answer: str) -> str:
    return f"{float(answer):.0f}"


@dataclass(frozen=True)
class SmuRange:
    """What one model can give and measure."""

    voltage: float
    """Largest voltage [V]."""
    current: float
    """Largest current that it measures continuously [A]."""
    current_min: float
    """Smallest current range [A]."""


MODELS: dict[str, SmuRange] = {
    **dict.fromkeys(("2601B", "2602B", "2604B", "2602A"), SmuRange(40.0, 3.0, 100e-9)),
    **dict.fromkeys(("2611B", "2612B", "2614B"), SmuRange(200.0, 1.5, 100e-9)),
    **dict.fromkeys(("2634B",), SmuRange(200.0, 1.5, 1e-9)),
    **dict.fromkeys(("2635B", "2636B"), SmuRange(200.0, 1.5, 100e-12)),
}
"""Models and their ranges (data sheets of the series 2600B)."""


class Channel:
    """One channel, `smua` or `smub`.

    Args:
        owner: the instrument.
        letter: "a" or "b".
        ranges: of its model.

    """

    level = Number("source.levelv", "V", 0.0, "voltage_max", signed=True)
    """Control the source level (V, up to the model's largest, either sign)."""
    source_range = Number("source.rangev", "V", 0.0, "voltage_max")
    """Control the source range by a voltage that it holds (V)."""
    limit = Number("source.limiti", "A", 1e-10, "current_max", tolerance=1e-3)
    """Control the current limit (A); it is read back when it is set."""
    nplc = Number("measure.nplc", "cycles", 0.001, 25.0)
    """Control the integration time (power-line cycles, 0.001 to 25)."""
    current_range = Number("measure.rangei", "A", 0.0, "current_max")
    """Control the measure range by a current that it holds (A); ends autorange."""
    output = Choice("source.output", ON_OFF, _whole)
    """Control whether the output is on."""
    autorange = Choice("measure.autorangei", ON_OFF, _whole)
    """Control whether the current range follows the reading."""
    four_wire = Choice("sense", ON_OFF, _whole)
    """Control whether the voltage is sensed at the sample (remote)."""

    def __init__(self, owner: TspInstrument, letter: str, ranges: SmuRange) -> None:
        self.owner, self.ranges = owner, ranges
        self.path = f"{owner.prefix}smu{letter}"
        """How scripts of the session's instrument name it."""
        self.name = f"{owner.name}.{letter}"
        self._key = f"smu{letter}."

    @property
    def voltage_max(self) -> float:
        """Get the largest voltage [V]."""
        return self.ranges.voltage

    @property
    def current_max(self) -> float:
        """Get the largest current [A]."""
        return self.ranges.current

    def get(self, key: str) -> str:
        """Return the printed value of an attribute of the channel."""
        return self.owner.get(self._key + key)

    def put(self, key: str, value: str) -> None:
        """Set an attribute of the channel."""
        self.owner.put(self._key + key, value)

    @property
    def current(self) -> float:
        """Measure the current (A); NaN where the range does not hold it."""
        return self.owner.number(f"{self._key}measure.i()")

    @property
    def voltage(self) -> float:
        """Measure the voltage (V); NaN where the range does not hold it."""
        return self.owner.number(f"{self._key}measure.v()")

    @property
    def in_compliance(self) -> bool:
        """Get whether the source stands at its limit."""
        return self.get("source.compliance").strip() == "true"

    @property
    def line_frequency(self) -> float:
        """Get the frequency of the mains (Hz)."""
        return self.owner.line_frequency

    def prepare(self, setup: SourceSetup) -> None:
        """Bring it to 0 V, voltage source, its ranges and its limit; the limit is read back."""
        self.zero()
        self.put("source.func", "1")
        self.source_range = setup.largest
        self.limit = setup.limit
        self.nplc = setup.nplc
        if setup.current_range is None:
            self.autorange = True
        else:
            self.current_range = setup.current_range

    def set_level(self, volts: float) -> None:
        """Set the level [V] and return when it stands."""
        value = Channel.level.checked(self, volts)
        answer = self.owner.ask(f"{self.path}.source.levelv = {value!r} print({self.path}.source.levelv)")
        found = number_of(answer, self.name, "source.levelv")
        if not abs(found - volts) <= 1e-4 * abs(volts) + 1e-4:
            raise DriverError(f"{self.name} was set to {volts:g} V and reads back as {found:g} V")

    def zero(self) -> None:
        """Set 0 V and return when it stands."""
        self.set_level(0.0)

    def switch_on(self) -> None:
        """Switch the output on."""
        self.output = True

    def switch_off(self) -> None:
        """Switch the output off and make sure of it."""
        self.put("source.output", "0")
        if self.output:
            raise DriverError(f"{self.name} is still ON after it was switched off")

    def measure_current(self) -> tuple[float, Status]:
        """Return the current out of the source [A] and its status."""
        condition = f"status.measurement.instrument.{self._key[:-1]}.condition"
        answer = self.owner.ask(f"print({self.path}.measure.i(), {self.owner.prefix}{condition})").split("\t")
        value = number_of(answer[0], self.name, "measure.i()")
        bits = int(number_of(answer[-1], self.name, condition))
        found = Status.COMPLIANCE if bits & (VOLTAGE_LIMIT | CURRENT_LIMIT) else Status.OK
        overflow = bits & OVERFLOWED or math.isnan(value)
        return (math.nan, found | Status.OVERRANGE) if overflow else (value, found)

    def measure_voltage(self) -> tuple[float, Status]:
        """Return the voltage [V] and whether the source stands at its limit."""
        return self.voltage, Status.COMPLIANCE if self.in_compliance else Status.OK

    def list_sweep(
        self, voltages: Sequence[float], stop: threading.Event, delay: float = 0.0
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint32]]:
        """Step through a list of voltages by the trigger model; the output must be on.

        Args:
            voltages: 1 to 5000 levels [V], each within the source range.
            stop: ends the sweep when set.
            delay: from a step to its measurement [s].

        Returns:
            Currents and voltages `(n,)` [A, V], NaN for overflows, and flags of `Status`.

        Raises:
            InputError: too many levels, or one out of range; nothing is sent.
            Stopped: `stop` was set; the source is back at its level.
            DriverError: the instrument says so, or gave no answer.

        """
        if not 1 <= len(voltages) <= MOST_POINTS or not 0 <= delay <= 3600:
            raise InputError(
                f"{self.name}: {len(voltages)} points, delay {delay:g} s; 1 to {MOST_POINTS}, 0 to 3600 s are possible"
            )
        levels = [repr(Channel.level.checked(self, float(v))) for v in voltages]
        pieces = [levels[k : k + MOST_LISTED] for k in range(0, len(levels), MOST_LISTED)]
        lines = [
            f"local C, v = {self.path}, {{}}",
            *(f"for _, x in ipairs({{{', '.join(piece)}}}) do table.insert(v, x) end" for piece in pieces),
            *(f"C.nvbuffer{k}.clear() C.nvbuffer{k}.appendmode = 1" for k in (1, 2)),
            f"C.trigger.source.listv(v) C.trigger.source.action = 1 C.measure.delay = {float(delay)!r}",
            "C.trigger.measure.iv(C.nvbuffer1, C.nvbuffer2) C.trigger.measure.action = 1",
            "C.trigger.endpulse.action = 1 C.trigger.endsweep.action = 0",
            f"C.trigger.count = {len(levels)} C.trigger.arm.count = 1 C.trigger.arm.stimulus = 0",
            "C.trigger.initiate() waitcomplete()",
            "C.measure.delay = 0",
            "print(C.nvbuffer1.n)",
        ]
        answer = self.owner.run(lines, stop, 10.0 + len(levels) * (delay + 2.0))
        self.owner.check(f"sweep of {self.name}")
        if number_of(answer, self.name, "nvbuffer1.n") != len(levels):
            raise DriverError(f"{self.name}: a sweep of {len(levels)} points gave {answer} readings")
        first, second = f"{self.path}.nvbuffer1", f"{self.path}.nvbuffer2"
        table = self.owner.fetch(len(levels), [f"{first}.readings", f"{second}.readings", f"{first}.statuses"])
        over = np.abs(table[:, :2]) >= OVERFLOW
        values = np.where(over, np.nan, table[:, :2])
        status = np.where(over.any(1), int(Status.OVERRANGE), 0)
        status |= np.where(table[:, 2].astype(np.int64) & COMPLIANCE != 0, int(Status.COMPLIANCE), 0)
        return values[:, 0], values[:, 1], status.astype(np.uint32)

    def give_pulses(self, volts: float, width: float, count: int, stop: threading.Event) -> None:
        """Give square pulses of `width` [s], a width apart, timed by the instrument.

        Raises `Stopped` where `stop` was set meanwhile, `DriverError`.
        """
        value = Channel.level.checked(self, volts)
        lines = [
            f"for k = 1, {count} do",
            f"{self.path}.source.levelv = {value!r} delay({width!r}) {self.path}.source.levelv = 0 delay({width!r})",
            "end",
            'print("done")',
        ]
        self.owner.run(lines, stop, 6 * width * count + 10.0)


class Keithley2600(TspInstrument):
    """A 2600B with its channels `a` and, where it has two, `b`.

    Args:
        session: connection to it, or to the master of its TSP-Link.
        name: what errors call it.
        node: its number on the link; None where the session is its own.
        model: as its rack file says; sets the ranges.

    """

    single: ClassVar[tuple[str, ...]] = ("2601B", "2611B", "2635B")

    def __init__(self, session: Session, name: str, node: int | None = None, model: str = "2636B") -> None:
        super().__init__(session, name, node)
        letters = "a" if model in self.single else "ab"
        self.channels = {letter: Channel(self, letter, MODELS[model]) for letter in letters}

    @property
    def sources(self) -> Mapping[str, Source]:
        """Get its channels by letter."""
        return self.channels
