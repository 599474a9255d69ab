"""A rack as a driver: source-measure units, a relay matrix and a wiring map in front of one array."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from xbar.bench.capabilities import Capabilities, Identity
from xbar.bench.driver import Driver, Unsafe
from xbar.bench.limits import Limits
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.bench.settings import Pulse, ReadConfig, Unselected, VectorConfig
from xbar.bench.status import Status
from xbar.errors import FormatError, InputError, Interrupted, Unsupported
from xbar.units import show
from xbar_drivers.instruments.session import Session
from xbar_drivers.instruments.visa import list_resources, open_session, who
from xbar_drivers.rack.abilities import rack_capabilities, rack_plan
from xbar_drivers.rack.bit_serial import Plane, added_up, input_codes, planes_of, readings_per_vector
from xbar_drivers.rack.connection import matrix_of
from xbar_drivers.rack.plan import ScanSettings, Step, bias_levels, cell_closed, product_step, read_steps
from xbar_drivers.rack.rack_file import RackFile, RackInstrument, load_rack_file
from xbar_drivers.rack.rack_link import RackLink
from xbar_drivers.rack.scans import LONGEST_SWEEP, MOST_READINGS, SCAN_TIME
from xbar_drivers.rack.wiring import find_wiring

OPTIONS = frozenset({"arrays", "rows", "cols", "nplc", "settle", "timeout", "visa"})
"""Options of the bench file."""


class RackDriver(Driver):
    """A rack of instruments: source-measure units and a relay matrix, wired to one array.

    Args:
        rack: what stands on it and how it is wired.
        nplc: integration time [power-line cycles]; None takes the rack file's.
        settle: wait before a reading [s]; None takes the rack file's.
        timeout: longest wait for an answer [s]; None takes the rack file's.
        visa: backend of PyVISA; None takes the rack file's.

    """

    hardware: ClassVar[bool] = True
    passing_settings: ClassVar[frozenset[str]] = frozenset({"instruments", "errors_at_open"})
    limits: Limits | None = None
    """What the bench may do, where it is known: the current limit of an operation that names none is at most its."""

    def __init__(
        self,
        rack: RackFile,
        *,
        nplc: float | None = None,
        settle: float | None = None,
        timeout: float | None = None,
        visa: str | None = None,
    ) -> None:
        said = rack.rack
        if rack.current is None:
            raise FormatError(
                f"rack file {rack.path}: section [limits] needs `current`, the largest current limit of a source; "
                'for example current = "1 mA"'
            )
        self.rack, self._limit = rack, rack.current
        self._nplc = said.nplc if nplc is None else float(nplc)
        self._settle = said.settle if settle is None else float(settle)
        self._timeout = said.timeout if timeout is None else float(timeout)
        self._visa = said.visa if visa is None else visa
        if not 0.001 <= self._nplc <= 25 or not 0 <= self._settle <= 3600 or not 0 < self._timeout <= 600:
            raise InputError(
                f"rack: nplc {self._nplc:g} must be 0.001 to 25, settle {self._settle:g} s 0 to 3600 s, timeout "
                f"{self._timeout:g} s above 0 and at most 600 s"
            )
        self._link = RackLink(rack, self._session)
        self.wiring = find_wiring(rack, *matrix_of(rack))
        # What the file says; `open` finds out what the instruments say.
        self.capabilities = self._capabilities(said.voltage_max, self._limit, pulses=self._link.linked)

    @classmethod
    def from_address(cls, rest: str, options: Mapping[str, Any]) -> Self:
        """Return the driver of the rack file `rest`."""
        unknown = sorted(set(options) - OPTIONS)
        if unknown:
            raise InputError(f"a rack has no option {', '.join(unknown)}; it has {', '.join(sorted(OPTIONS))}")
        if not rest:
            raise InputError("a rack needs its rack file: write 'rack:lab_rack.toml', or address = \"lab_rack.toml\"")
        rack = load_rack_file(Path(rest))
        size = {"arrays": 1, "rows": rack.rows, "cols": rack.cols}
        for name, there in size.items():
            if options.get(name, there) != there:
                raise InputError(
                    f"the bench file asks for {name} = {options[name]}, the rack {rack.path} is wired to {there}; "
                    "correct one of the two"
                )
        return cls(rack, **{name: value for name, value in options.items() if name not in size})

    # ---- open and close

    def open(self) -> Identity:
        """Connect, compare with the rack file, end with sources at 0 V, outputs off and relays open."""
        c = self._link.open(self.stop)
        # What moves no real charge says so; until it is known, limits and a trace are asked for.
        vars(self)["hardware"] = not c.emulated
        self.capabilities = self._capabilities(
            min(self.rack.rack.voltage_max, *(source.voltage_max for source in c.sources)),
            min(self._limit, *(source.current_max for source in c.sources)),
            pulses=self._link.scans.scanner.pulses,
        )
        models = "+".join(identity.model for identity in c.identities)
        return Identity(
            "rack",
            models if self.hardware else f"emulated:{models}",
            serial="+".join(identity.serial for identity in c.identities),
            firmware="+".join(identity.firmware for identity in c.identities),
        )

    def _session(self, part: RackInstrument) -> Session:
        return open_session(part.name, part.address, timeout=self._timeout, backend=self._visa)

    def close(self) -> None:
        """Disconnect; raises `DriverError` where an operation ended early and nobody was told yet."""
        self._link.close()

    def safe_off(self) -> Unsafe:
        """Set 0 V, switch outputs off, open relays, in that order; return what could not be."""
        return self._link.safe_off()

    # ---- what it can do

    def _capabilities(self, voltage_max: float, current_max: float, *, pulses: bool) -> Capabilities:
        return rack_capabilities(
            self.rack,
            self.wiring,
            self._link.step_seconds(self._settings(0.0, ReadConfig())),
            voltage_max=voltage_max,
            current_max=current_max,
            pulses=pulses,
            hardware=self.hardware,
        )

    def plan(self) -> dict[str, str]:
        """Return what the rack is and what a run would take, in words; sends nothing, open or not."""
        return rack_plan(self.rack, self.wiring, self.capabilities, linked=self._link.linked)

    def vector_readings(self, signed: bool) -> int:
        """Return the most readings that one input vector takes, `signed` where it has inputs of both signs."""
        return readings_per_vector(self.rack.rack.dac_bits, self.wiring.cols, signed)

    @classmethod
    def resources(cls) -> list[tuple[str, str]]:
        """Return what VISA finds: resource string, and who answers there or why not."""
        return [(address, who(address)) for address in list_resources()]

    def settings(self) -> dict[str, Any]:
        """Return the instruments, who drives and senses, and how readings are taken."""
        said, connection = self.rack.rack, self._link.connection
        return {
            "rack_file": self.rack.path.name,
            "instruments": [] if connection is None else [asdict(identity) for identity in connection.identities],
            "errors_at_open": [] if connection is None else list(connection.found_errors),
            "drive": said.drive,
            "sense": said.sense,
            "bias": list(said.bias),
            "nplc": self._nplc,
            "settle_s": self._settle,
            "dac_bits": said.dac_bits,
            "shortest_pulse_s": said.shortest_pulse,
        }

    def errors(self) -> list[str]:
        """Drain the error queues of all instruments."""
        connection = self._link.connection
        return [] if connection is None else connection.errors()

    # ---- time

    def clock(self) -> float:
        """Return the wall clock [s], or that of served instruments that run at another speed."""
        return self._link.time.now()

    def wait(self, seconds: float) -> None:
        """Sleep and look at `stop` every 0.1 s; served instruments that skip waits are told to."""
        self._link.wait(seconds, self.stop)

    # ---- operations

    def _settings(self, largest: float, config: ReadConfig, *, hold: bool = False) -> ScanSettings:
        most = self._limit if self.limits is None else min(self._limit, self.limits.current)
        return ScanSettings(
            limit=most if config.current_limit is None else config.current_limit,
            largest=largest,
            current_range=config.current_range,
            nplc=self._nplc,
            settle=self._settle + config.settle,
            repeat=config.repeat,
            hold=hold,
        )

    def read(self, array: int, cells: NDArray[np.int64], config: ReadConfig) -> CellReadings:
        """Read cell by cell, some hundred in one script."""
        if config.repeat > MOST_READINGS:
            raise Unsupported(f"read: {config.repeat} readings of a cell at once; at most {MOST_READINGS} are possible")
        volts = np.full(len(cells), config.voltage)
        steps = read_steps(self.wiring, cells, volts, config.unselected)
        return self._readings(steps, volts, config, again=True)

    def sweep(
        self, array: int, cell: tuple[int, int], voltages: NDArray[np.float64], config: ReadConfig
    ) -> CellReadings:
        """Step one cell through the voltages inside the instruments, without 0 V between two of them."""
        if len(voltages) > LONGEST_SWEEP:
            raise Unsupported(f"a sweep of {len(voltages)} points is longer than {LONGEST_SWEEP}; split it")
        if len(voltages) * config.repeat > MOST_READINGS:
            raise Unsupported(f"{len(voltages)} points, each {config.repeat} times, exceed {MOST_READINGS} readings")
        closed = cell_closed(self.wiring, *cell, config.unselected)
        steps = [Step(closed, float(v), bias_levels(self.wiring, config.unselected, float(v))) for v in voltages]
        return self._readings(steps, voltages, config, again=False)

    def _readings(
        self, steps: list[Step], volts: NDArray[np.float64], config: ReadConfig, *, again: bool
    ) -> CellReadings:
        """Do the steps of one operation; what was not measured is NaN with the flag ABORTED."""
        settings = self._settings(float(np.abs(volts).max(initial=0.0)), config, hold=not again)
        shape = (len(steps), config.repeat)
        current, voltage = np.full(shape, np.nan), np.full(shape, np.nan)
        status, moments = np.full(shape, np.uint32(Status.ABORTED)), np.full(shape, self.clock())
        done = 0
        for part in self._link.scans.run(iter(steps), settings, again=again):
            here = slice(done, done + len(part.current))
            current[here], voltage[here], status[here] = part.current, part.voltage, part.status
            moments[here], moments[here.stop :] = part.time, self.clock()
            done = here.stop
        used = math.nan if config.current_range is None else config.current_range
        applied = np.repeat(volts[:, None], config.repeat, axis=1)
        return CellReadings(moments, applied, voltage, current, status, np.full(shape, used))

    def mvm(
        self, arrays: tuple[int, ...], voltages: NDArray[Any], config: VectorConfig, events: NDArray[np.uint64] | None
    ) -> VectorReadings:
        """Multiply bit by bit: rows of one bit driven together, columns sensed in turn, planes added up."""
        if "mvm" not in self.capabilities.native:
            raise Unsupported(f"this rack cannot multiply: {self.wiring.modes()[Unselected.GROUND]}")
        cols = self.wiring.cols if config.columns is None else config.columns
        bits, input_range = self.rack.rack.dac_bits, float(np.ravel(config.input_range)[0])
        codes = input_codes(voltages[0], input_range, bits)
        planes = planes_of(codes, input_range, bits)
        # The instrument chooses its range: a plane is driven at the whole input range, and so may give more current
        # than the sum of all planes, which is what the output range is made for.
        settings = self._settings(input_range, ReadConfig())
        found, status = [np.empty(0)], [np.empty(0, np.uint32)]
        for part in self._link.scans.run(self._product_steps(planes, cols), settings, again=True):
            found.append(part.current[:, 0])
            status.append(part.status[:, 0])
        shape = (voltages.shape[1], cols)
        current, flags = added_up(planes, shape, np.concatenate(found), np.concatenate(status))
        return VectorReadings(current[None], np.ones((1, cols)), np.zeros((1, cols)), flags[None])

    def _product_steps(self, planes: Iterable[Plane], cols: int) -> Iterator[Step]:
        for plane in planes:
            for col in range(cols):
                yield product_step(self.wiring, plane.rows, col, plane.volts)

    def pulse(self, array: int, cells: NDArray[np.int64], pulse: Pulse, count: int = 1) -> None:
        """Give pulses timed by the instrument; none is ever sent a second time."""
        shortest = self.rack.rack.shortest_pulse
        if pulse.width < shortest or pulse.rise or pulse.fall or pulse.gate is not None:
            raise Unsupported(
                f"this rack gives square pulses of at least {show(shortest, 's')} without a gate, not "
                f"{show(pulse.width, 's')} with rise {show(pulse.rise, 's')}, fall {show(pulse.fall, 's')}"
            )
        config = ReadConfig(current_limit=pulse.current_limit, unselected=pulse.unselected)
        settings = self._settings(abs(pulse.voltage), config)
        scans, most = self._link.scans, max(1, int(SCAN_TIME / pulse.width))
        for step in read_steps(self.wiring, cells, np.full(len(cells), pulse.voltage), pulse.unselected):
            for given in range(0, count, most):
                if self.stop.is_set():
                    raise Interrupted(f"pulse: stopped after {given} of {count} pulses of a cell; sources are at 0 V")
                scans.scanner.pulse(step, settings, pulse.width, min(most, count - given), self.stop)
