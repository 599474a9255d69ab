"""Keithley 2450: one channel of source and measure, in its own SCPI (2450 reference manual, chapter 6)."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from xbar.bench.status import Status
from xbar.errors import DriverError, InputError
from xbar_drivers.instruments.quantities import Choice, Number, number_of
from xbar_drivers.instruments.roles import Source, SourceSetup
from xbar_drivers.instruments.scpi import ScpiInstrument
from xbar_drivers.instruments.session import Session

ON_OFF = {True: "1", False: "0"}

SWEEP_BUFFER = "defbuffer1"

MOST_LISTED = 100
"""Levels that one list command takes (SOURce:LIST; APPend adds more)."""

MOST_POINTS = 2500
"""Levels of the longest list."""


class Keithley2450(ScpiInstrument):
    """A 2450 that speaks SCPI.

    Args:
        session: connection to it.
        name: what errors call it.

    """

    level = Number(":SOUR:VOLT", "V", 0.0, 210.0, signed=True)
    """Control the source level (V, up to 210 either sign)."""
    source_range = Number(":SOUR:VOLT:RANG", "V", 0.0, 210.0)
    """Control the source range by a voltage that it holds (V, up to 210)."""
    limit = Number(":SOUR:VOLT:ILIM", "A", 1e-9, 1.05, tolerance=1e-3)
    """Control the current limit (A, 1 nA to 1.05 A); it is read back when it is set."""
    nplc = Number(":SENS:CURR:NPLC", "cycles", 0.01, 10.0)
    """Control the integration time (power-line cycles, 0.01 to 10)."""
    current_range = Number(":SENS:CURR:RANG", "A", 0.0, 1.05)
    """Control the measure range by a current that it holds (A); ends autorange."""
    autorange = Choice(":SENS:CURR:RANG:AUTO", ON_OFF)
    """Control whether the current range follows the reading."""
    four_wire = Choice(":SENS:CURR:RSEN", ON_OFF)
    """Control whether the voltage is sensed at the sample (remote)."""
    output = Choice(":OUTP", ON_OFF)
    """Control whether the output is on."""
    terminals = Choice(":ROUT:TERM", {"front": "FRON", "rear": "REAR"})
    """Control which terminals are used ("front" or "rear")."""

    def __init__(self, session: Session, name: str) -> None:
        super().__init__(session, name)
        self.voltage_max, self.current_max = 200.0, 1.0

    @property
    def sources(self) -> Mapping[str, Source]:
        """Get its one channel by the name of its terminal."""
        return {"hi": self}

    @property
    def line_frequency(self) -> float:
        """Get the frequency of the mains (Hz)."""
        return self.number(":SYST:LFR?")

    @property
    def language(self) -> str:
        """Get the language that it speaks: "SCPI", "TSP" or "SCPI2400"."""
        return self.ask("*LANG?")

    @property
    def in_compliance(self) -> bool:
        """Get whether the source stands at its limit."""
        return self.number(":SOUR:VOLT:ILIM:TRIP?") != 0

    def check_language(self) -> None:
        """Raise `DriverError` where it does not speak its own SCPI."""
        if self.language != "SCPI":
            raise DriverError(
                f"{self.name} speaks {self.language}; set SYSTEM > SETTINGS > COMMAND SET to SCPI and switch it off "
                "and on"
            )

    def prepare(self, setup: SourceSetup) -> None:
        """Bring it to 0 V, voltage source, its ranges and its limit; the limit is read back."""
        self.write(":SOUR:FUNC VOLT")
        self.write(':SENS:FUNC "CURR"')
        self.zero()
        self.source_range = setup.largest
        self.limit = setup.limit
        self.nplc = min(max(setup.nplc, 0.01), 10.0)
        if setup.current_range is None:
            self.autorange = True
        else:
            self.current_range = setup.current_range

    def set_level(self, volts: float) -> None:
        """Set the level [V] and return when it stands."""
        value = Keithley2450.level.checked(self, volts)
        found = number_of(self.ask(f":SOUR:VOLT {value!r};:SOUR:VOLT?"), self.name, ":SOUR:VOLT?")
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
        self.output = False
        if self.output:
            raise DriverError(f"{self.name} is still ON after it was switched off")

    def measure_current(self) -> tuple[float, Status]:
        """Return the current out of the source [A] and its status."""
        value = self.number(f":MEAS:CURR? '{SWEEP_BUFFER}'")
        found = Status.COMPLIANCE if self.in_compliance else Status.OK
        return value, found | (Status.OVERRANGE if math.isnan(value) else Status.OK)

    def measure_voltage(self) -> tuple[float, Status]:
        """Return NaN, for the meter measures the current, and whether the source stands at its limit."""
        return math.nan, Status.COMPLIANCE if self.in_compliance else Status.OK

    def list_sweep(self, voltages: Sequence[float], delay: float = 0.0, timeout: float = 600.0) -> NDArray[np.float64]:
        """Step through a list of voltages [V] inside the instrument; return the currents `(n,)` [A].

        Args:
            voltages: 1 to 2500 levels, each within the source range.
            delay: from a step to its measurement [s].
            timeout: longest time of the sweep [s].

        Raises:
            InputError: too many levels, or one out of range; nothing is sent.
            DriverError: the sweep did not end in time, or gave another number of readings.

        """
        if not 1 <= len(voltages) <= MOST_POINTS:
            raise InputError(f"{self.name}: a sweep of {len(voltages)} points; 1 to {MOST_POINTS} are possible")
        levels = [repr(Keithley2450.level.checked(self, float(v))) for v in voltages]
        self.write(f":TRAC:CLE '{SWEEP_BUFFER}'")
        for k in range(0, len(levels), MOST_LISTED):
            self.write(f":SOUR:LIST:VOLT{':APP' if k else ''} {','.join(levels[k : k + MOST_LISTED])}")
        self.write(f":SOUR:SWE:VOLT:LIST 1, {delay!r}, 1, OFF, '{SWEEP_BUFFER}'")
        self.write(":INIT")
        self.await_end(timeout, ":ABOR")
        found = int(self.number(f":TRAC:ACT? '{SWEEP_BUFFER}'"))
        if found != len(levels):
            raise DriverError(f"{self.name}: a sweep of {len(levels)} points gave {found} readings")
        answer = self.ask(f":TRAC:DATA? 1, {found}, '{SWEEP_BUFFER}', READ").split(",")
        return np.array([number_of(part, self.name, ":TRAC:DATA?") for part in answer])
