"""Keysight B2900A family: one or two channels of source and measure, SCPI (B2900A SCPI command reference)."""

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

MOST_POINTS = 2500
"""Levels of the longest list (command reference, SOURce:LIST)."""

MODELS = {"B2901A": 1, "B2902A": 2, "B2911A": 1, "B2912A": 2}
"""Models and their channels."""


class B2900Channel:
    """One channel, 1 or 2.

    Args:
        owner: the instrument.
        number: of the channel.

    """

    level = Number(":SOUR{n}:VOLT", "V", 0.0, 210.0, signed=True)
    """Control the source level (V, up to 210 either sign)."""
    source_range = Number(":SOUR{n}:VOLT:RANG", "V", 0.0, 210.0)
    """Control the source range by a voltage that it holds (V, up to 210)."""
    limit = Number(":SENS{n}:CURR:PROT", "A", 1e-9, 3.03, tolerance=1e-3)
    """Control the current limit (A, 1 nA to 3.03 A); it is read back when it is set."""
    nplc = Number(":SENS{n}:CURR:NPLC", "cycles", 0.0004, 100.0)
    """Control the integration time (power-line cycles, 0.0004 to 100)."""
    current_range = Number(":SENS{n}:CURR:RANG", "A", 0.0, 3.03)
    """Control the measure range by a current that it holds (A); ends autorange."""
    autorange = Choice(":SENS{n}:CURR:RANG:AUTO", ON_OFF)
    """Control whether the current range follows the reading."""
    four_wire = Choice(":SENS{n}:REM", ON_OFF)
    """Control whether the voltage is sensed at the sample (remote)."""
    output = Choice(":OUTP{n}", ON_OFF)
    """Control whether the output is on."""

    def __init__(self, owner: ScpiInstrument, number: int) -> None:
        self.owner, self.n, self.name = owner, number, f"{owner.name}.{number}"
        self.voltage_max, self.current_max = 200.0, 3.0

    def get(self, key: str) -> str:
        """Return the answer to the query of a setting of the channel."""
        return self.owner.get(key.format(n=self.n))

    def put(self, key: str, value: str) -> None:
        """Send a setting of the channel."""
        self.owner.put(key.format(n=self.n), value)

    @property
    def line_frequency(self) -> float:
        """Get the frequency of the mains (Hz)."""
        return self.owner.number(":SYST:LFR?")

    @property
    def in_compliance(self) -> bool:
        """Get whether the source stands at its limit."""
        return self.owner.number(f":SENS{self.n}:CURR:PROT:TRIP?") != 0

    def prepare(self, setup: SourceSetup) -> None:
        """Bring it to 0 V, voltage source, its ranges and its limit; the limit is read back."""
        self.owner.write(f":SOUR{self.n}:FUNC:MODE VOLT")
        self.owner.write(f":SOUR{self.n}:VOLT:MODE FIX")
        self.zero()
        self.source_range = setup.largest
        self.limit = setup.limit
        self.nplc = setup.nplc
        if setup.current_range is None:
            self.autorange = True
        else:
            self.autorange = False
            self.current_range = setup.current_range

    def set_level(self, volts: float) -> None:
        """Set the level [V] and return when it stands."""
        value, key = B2900Channel.level.checked(self, volts), f":SOUR{self.n}:VOLT"
        found = number_of(self.owner.ask(f"{key} {value!r};{key}?"), self.name, f"{key}?")
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
        value = self.owner.number(f":MEAS:CURR? (@{self.n})")
        found = Status.COMPLIANCE if self.in_compliance else Status.OK
        return value, found | (Status.OVERRANGE if math.isnan(value) else Status.OK)

    def measure_voltage(self) -> tuple[float, Status]:
        """Return the voltage [V] and whether the source stands at its limit."""
        value = self.owner.number(f":MEAS:VOLT? (@{self.n})")
        return value, Status.COMPLIANCE if self.in_compliance else Status.OK

    def list_sweep(self, voltages: Sequence[float], delay: float = 0.0, timeout: float = 600.0) -> NDArray[np.float64]:
        """Step through a list of voltages [V] inside the instrument; return the currents `(n,)` [A].

        Args:
            voltages: 1 to 2500 levels, each within the source range; the output must be on.
            delay: from a step to its measurement [s].
            timeout: longest time of the sweep [s].

        Raises:
            InputError: too many levels, or one out of range; nothing is sent.
            DriverError: the sweep did not end in time, or gave another number of readings.

        """
        if not 1 <= len(voltages) <= MOST_POINTS:
            raise InputError(f"{self.name}: a sweep of {len(voltages)} points; 1 to {MOST_POINTS} are possible")
        n, owner = self.n, self.owner
        levels = [repr(B2900Channel.level.checked(self, float(v))) for v in voltages]
        owner.write(f":SOUR{n}:VOLT:MODE LIST")
        owner.write(f":SOUR{n}:LIST:VOLT {','.join(levels)}")
        owner.write(f":TRIG{n}:SOUR AINT")
        owner.write(f":TRIG{n}:COUN {len(levels)}")
        owner.write(f":TRIG{n}:ACQ:DEL {delay!r}")
        owner.write(f":INIT (@{n})")
        try:
            owner.await_end(timeout, f":ABOR (@{n})")
            answer = owner.ask(f":FETC:ARR:CURR? (@{n})").split(",")
        finally:
            owner.write(f":SOUR{n}:VOLT:MODE FIX")
        if len(answer) != len(levels):
            raise DriverError(f"{self.name}: a sweep of {len(levels)} points gave {len(answer)} readings")
        return np.array([number_of(part, self.name, ":FETC:ARR:CURR?") for part in answer])


class KeysightB2900(ScpiInstrument):
    """A B2901A, B2902A, B2911A or B2912A.

    Args:
        session: connection to it.
        name: what errors call it.
        model: as its rack file says; sets the number of channels.

    """

    def __init__(self, session: Session, name: str, model: str = "B2902A") -> None:
        super().__init__(session, name)
        self.channels = {n: B2900Channel(self, n) for n in range(1, MODELS[model] + 1)}

    @property
    def sources(self) -> Mapping[str, Source]:
        """Get its channels by number."""
        return {str(number): channel for number, channel in self.channels.items()}
