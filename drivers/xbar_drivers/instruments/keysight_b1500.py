"""Keysight B1500A: a mainframe of source-measure units, FLEX (B1500A programming guide, chapter 4)."""

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from xbar.bench.status import Status
from xbar.errors import DriverError, InputError
from xbar_drivers.instruments.flex_data import DUMMY, LETTERS, parse_data
from xbar_drivers.instruments.roles import Source, SourceSetup
from xbar_drivers.instruments.session import Session

SMU_MODULES = ("B1510A", "B1511A", "B1511B", "B1517A")
"""Modules that are source-measure units."""

CURRENT_CODES = {1e-12: 8, 1e-11: 9, 1e-10: 10, 1e-9: 11, 1e-8: 12, 1e-7: 13, 1e-6: 14, 1e-5: 15, 1e-4: 16, 1e-3: 17,
                 1e-2: 18, 1e-1: 19}  # fmt: skip
"""Codes of the current ranges (programming guide, table 4-3)."""

MOST_STEPS = 1001
"""Steps of the longest staircase sweep."""

MOST_ERRORS = 4
"""Entries of the error queue."""


class FlexChannel:
    """One source-measure unit, by its slot.

    Args:
        owner: the mainframe.
        number: slot and channel number.

    """

    def __init__(self, owner: "KeysightB1500", number: int) -> None:
        self.owner, self.number, self.name = owner, number, f"{owner.name}.{number}"
        self.voltage_max, self.current_max = 100.0, 0.1
        self._setup = SourceSetup(limit=1e-4, largest=0.0, nplc=1.0, current_range=None)
        self._on = False

    @property
    def line_frequency(self) -> float:
        """Get 50 Hz: FLEX does not tell the frequency of the mains; it serves to compute times."""
        return 50.0

    def prepare(self, setup: SourceSetup) -> None:
        """Keep limit and range for the next levels, choose the converter of high resolution and its integration."""
        for what, value, largest in (("limit", setup.limit, self.current_max), ("level", setup.largest, 100.0)):
            if not 0 <= value <= largest:
                raise InputError(f"{self.name}: {what} {value:g} is above {largest:g}")
        self._setup = setup
        self.owner.send(f"AAD {self.number},1", f"AIT 1,2,{max(1, round(setup.nplc))}")
        if self._on:
            self.zero()

    def switch_on(self) -> None:
        """Connect the output at 0 V and make sure that the limit is the one that was asked for."""
        self.owner.send(f"CN {self.number}")
        self._on = True
        self.zero()
        text = self.owner.ask(f"*LRN? {self.number}")
        parts = text.removeprefix(f"DV{self.number}").strip(" ,").split(",")
        found = float(parts[2]) if len(parts) >= 3 else math.nan
        if not abs(found - self._setup.limit) <= 1e-3 * self._setup.limit:
            self.switch_off()
            raise DriverError(
                f"{self.name}: the current limit {self._setup.limit:g} A reads back as {found:g} A ({text!r}); it "
                "is off"
            )

    def switch_off(self) -> None:
        """Set 0 V, disconnect the output and make sure of it."""
        self.owner.send(f"DZ {self.number}", f"CL {self.number}")
        self._on = False
        text = self.owner.ask(f"*LRN? {self.number}")
        if not text.replace(" ", "").startswith("CL"):
            raise DriverError(f"{self.name} is still ON after it was switched off ({text!r})")

    def set_level(self, volts: float) -> None:
        """Set the level [V] with its limit and return when it stands."""
        if not abs(volts) <= self.voltage_max:
            raise InputError(f"{self.name}: level {volts:g} V is above {self.voltage_max:g} V")
        self.owner.send(f"DV {self.number},0,{volts!r},{self._setup.limit!r}")

    def zero(self) -> None:
        """Set 0 V and return when it stands; nothing where the output is off, which is 0 V already."""
        if self._on:
            self.set_level(0.0)

    def measure_current(self) -> tuple[float, Status]:
        """Return the current out of the source [A] and its status."""
        code = 0 if self._setup.current_range is None else -_code(self._setup.current_range)
        return self._spot(f"TI {self.number},{code}")

    def measure_voltage(self) -> tuple[float, Status]:
        """Return the voltage [V] and its status."""
        return self._spot(f"TV {self.number},0")

    def _spot(self, command: str) -> tuple[float, Status]:
        found = parse_data(self.owner.ask(command), self.owner.name)[-1]
        status = LETTERS.get(found.status, Status.OK)
        return (math.nan, status | Status.OVERRANGE) if abs(found.value) > DUMMY else (found.value, status)


def _code(current: float) -> int:
    """Return the code of the smallest range that holds a current [A]."""
    return next((code for scale, code in CURRENT_CODES.items() if current <= scale * (1 + 1e-9)), 19)


class KeysightB1500:
    """A B1500A in FLEX, FMT 1.

    Args:
        session: connection to it.
        name: what errors call it.
        modules: of the slots from 1, as its rack file says; "" for an empty one.

    """

    def __init__(self, session: Session, name: str, modules: Sequence[str] = ()) -> None:
        self.session, self.name = session, name
        self.channels = {n: FlexChannel(self, n) for n, module in enumerate(modules, 1) if module in SMU_MODULES}
        self._identity: tuple[str, ...] | None = None
        self.in_step = True
        """Whether every question got its answer; where not, an old answer may be on its way."""

    @property
    def sources(self) -> Mapping[str, Source]:
        """Get its source-measure units by slot."""
        return {str(number): channel for number, channel in self.channels.items()}

    def ask(self, text: str) -> str:
        """Send a query and return its answer."""
        self.in_step = False
        self.session.write(text)
        answer = self.session.read().strip()
        self.in_step = True
        return answer

    def get_in_step(self) -> None:
        """Throw away answers that nobody waits for any more, where there may be some."""
        if not self.in_step:
            self.session.clear()
            self.in_step = True

    def send(self, *commands: str) -> None:
        """Send commands one by one; the error queue is looked at after them.

        Raises `DriverError` with what it holds.
        """
        for command in commands:
            self.session.write(command)
        found = self.errors()
        if found:
            raise DriverError(f"{'; '.join(found)} (after {', '.join(commands)})")

    def errors(self) -> list[str]:
        """Drain the error queue."""
        found = []
        for _ in range(MOST_ERRORS + 1):
            answer = self.ask("ERRX?")
            match = re.fullmatch(r"([+-]?\d+),\"(.*)\"", answer)
            if match is None:
                raise DriverError(f"{self.name} answered {answer[:60]!r} to ERRX?; it may be out of step")
            if int(match[1]) == 0:
                break
            found.append(f"{self.name}: {int(match[1])}, {match[2]}")
        return found

    def _identified(self) -> tuple[str, ...]:
        if self._identity is None:
            parts = tuple(part.strip() for part in self.ask("*IDN?").split(","))
            if len(parts) != 4:
                raise DriverError(f"{self.name} at {self.session.address} answered {parts} to *IDN?, not four parts")
            self._identity = parts
            self.send("FMT 1")
        return self._identity

    @property
    def model(self) -> str:
        """Get the model."""
        return self._identified()[1]

    @property
    def serial(self) -> str:
        """Get the serial number; real ones answer 0."""
        return self._identified()[2]

    @property
    def firmware(self) -> str:
        """Get the version of the firmware."""
        return self._identified()[3]

    def cards(self) -> tuple[str, ...]:
        """Return the modules slot by slot; "" for an empty one."""
        entries = [entry.split(",")[0].strip() for entry in self.ask("UNT? 0").split(";")]
        return tuple("" if entry == "0" else entry for entry in entries)

    def staircase(
        self, swept: int, measured: int, start: float, stop: float, steps: int, *, limit: float, delay: float = 0.0
    ) -> tuple[NDArray[np.float64], NDArray[np.uint32]]:
        """Sweep one channel inside the instrument and measure the current of another.

        Args:
            swept: channel that is swept; its output must be on.
            measured: channel whose current is measured; likewise.
            start: first level [V].
            stop: last level [V].
            steps: number of levels, 1 to 1001.
            limit: current limit of the swept channel [A].
            delay: from a step to its measurement [s].

        Returns:
            Currents `(steps,)` [A], NaN where nothing was measured, and flags of `Status`.

        Raises:
            InputError: steps or levels out of range; nothing is sent.
            DriverError: an error of the instrument, or another number of values.

        """
        largest = max(abs(start), abs(stop))
        if not 1 <= steps <= MOST_STEPS or not largest <= 100 or not 0 <= delay <= 65.535:
            raise InputError(
                f"{self.name}: {steps} steps to {largest:g} V, delay {delay:g} s; 1 to {MOST_STEPS} steps, 100 V, "
                "65.535 s are possible"
            )
        self.send(
            f"WT 0,{delay!r}",
            "WM 1,1",
            f"WV {swept},1,0,{start!r},{stop!r},{steps},{limit!r}",
            f"MM 2,{measured}",
            f"CMM {measured},1",
        )
        values = [v for v in parse_data(self.ask("XE"), self.name) if v.kind == "I" and v.status not in "W"]
        if len(values) != steps:
            raise DriverError(f"{self.name}: a sweep of {steps} steps gave {len(values)} values")
        gone = np.array([abs(v.value) > DUMMY for v in values])
        current = np.where(gone, np.nan, [v.value for v in values])
        status = np.array([int(LETTERS.get(v.status, Status.OK)) for v in values], np.uint32)
        return current, status | np.where(gone, np.uint32(Status.ABORTED), np.uint32(0)).astype(np.uint32)
