"""A served bench: the instruments of a rack file on one simulated array, at their addresses."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from xbar.array.simulated_arrays import SimulatedArrays
from xbar.bench.chip import Chip, open_chip
from xbar.circuit.wire_text import parse_wires
from xbar.errors import InputError, UnknownNameError
from xbar_drivers.emulated.announcement import Announcement
from xbar_drivers.emulated.audit import Audit, FaultKind
from xbar_drivers.emulated.cells import ArrayCells
from xbar_drivers.emulated.clock import BenchClock
from xbar_drivers.emulated.hislip import HislipListener
from xbar_drivers.emulated.instrument import Instrument
from xbar_drivers.emulated.line_faults import LineFaults
from xbar_drivers.emulated.lines import Lines
from xbar_drivers.emulated.listener import Listener, Wire
from xbar_drivers.emulated.living_cells import LivingCells
from xbar_drivers.emulated.models import make_instrument
from xbar_drivers.emulated.rack_file import RackFile, load_rack_file, rack_file_of, speed_of
from xbar_drivers.emulated.raw_socket import RawSocketListener
from xbar_drivers.emulated.schedule import Schedule
from xbar_drivers.emulated.served_array import keep_chip, make_arrays
from xbar_drivers.emulated.tsp.lua_process import LuaLimits, Watchdog
from xbar_drivers.emulated.tsp.tsp_instrument import TspInstrument
from xbar_drivers.emulated.visa_address import Transport, VisaAddress, parse_address
from xbar_drivers.emulated.vxi11 import Vxi11Listener

PATIENCE = 1.0
"""How long what has arrived may still run when the server closes [s]; then scripts are ended."""


class BenchServer:
    """The instruments of a rack file, served until `close`. A context manager.

    Args:
        rack: what stands on the bench.
        allow_remote: whether addresses beyond this machine may be listened at.
        log: file for the wire log; it must not exist.
        chip: life of the array, which goes on from there; None: a new array. Its file is written when the server closes
            where the chip is owned (`open_chip(..., lock=True)`), and only looked at else.
        limits: of each Lua interpreter.
        arrays: the simulated arrays, instead of those that the file describes.
        announce: whether the instruments are announced by zeroconf.

    """

    def __init__(
        self,
        rack: RackFile,
        *,
        allow_remote: bool = False,
        log: Path | None = None,
        chip: Chip | None = None,
        limits: LuaLimits | None = None,
        arrays: SimulatedArrays | None = None,
        announce: bool = False,
    ) -> None:
        _check_hosts(rack, allow_remote)
        self.rack = rack
        self._chip: Chip | None = None
        self.arrays = make_arrays(rack, chip) if arrays is None else arrays
        self.clock, self.audit = BenchClock(rack.speed), Audit()
        wires = None if rack.wires is None else parse_wires(rack.wires)
        card = self.arrays.card
        known = None if card.iv_nonlinearity is None else card.validity("iv_nonlinearity").voltage
        faults = LineFaults(self.audit, self.clock, rack.cell_voltage, rack.current, known)
        self.living = LivingCells(self.arrays, 0, partial(faults.note, FaultKind.OVER_LIMIT))
        self.lines = Lines(ArrayCells(self.arrays), self.clock, faults, wires, self.living)
        self.schedule, self._watchdog = Schedule(self.clock), Watchdog()
        self.lines.before_solving = self.schedule.run_due
        self.instruments: dict[str, Instrument] = {}
        self._listeners: list[Listener] = []
        self._addresses: list[tuple[str, str]] = []
        self._announcement: Announcement | None = None
        with ExitStack() as undo:
            undo.callback(self.close)
            self._wire = Wire(log)
            self._make(limits or LuaLimits())
            for first, second in rack.joints:
                self.lines.join(first, second)
            self._listen()
            if announce:
                self._announcement = Announcement(self._announced())
            undo.pop_all()
        # From here on: a server that does not start leaves the file alone.
        self._chip = chip

    def _make(self, limits: LuaLimits) -> None:
        """Make all instruments and start their interpreters side by side."""
        for number, part in enumerate(self.rack.instruments, 1):
            found = make_instrument(part, self.lines, number, self.schedule, self._watchdog, limits)
            self.instruments[part.name] = found
        speaking = [i for i in self.instruments.values() if isinstance(i, TspInstrument)]
        linked: dict[int, TspInstrument] = {}
        for part in self.rack.instruments:
            instrument = self.instruments[part.name]
            if part.node is not None:
                if not isinstance(instrument, TspInstrument):
                    raise InputError(f"{part.name}: a {part.model} has no TSP-Link; remove its node number")
                instrument.node = part.node
                linked[part.node] = instrument
        for instrument in linked.values():
            instrument.nodes = linked
        for instrument in speaking:
            instrument.start()
        for instrument in speaking:
            instrument.open()

    def _listen(self) -> None:
        """Open all ports; instruments with one HiSLIP or VXI-11 port share it. Addresses keep the order of the file."""
        shared: dict[tuple[Transport, str, int], dict[str, Instrument]] = {}
        told: list[tuple[str, Callable[[], str]]] = []
        opened: dict[tuple[Transport, str, int], HislipListener | Vxi11Listener] = {}
        for part in self.rack.instruments:
            for address in part.addresses:
                if address.transport == Transport.SOCKET:
                    line = RawSocketListener(self.instruments[part.name], address.host, address.port, self._wire)
                    self._listeners.append(line)
                    told.append((part.name, partial(getattr, line, "address")))
                else:
                    place = (address.transport, address.host, address.port)
                    _take_name(shared.setdefault(place, {}), address, self.instruments[part.name])
                    told.append((part.name, partial(_address_in, opened, place, address.device)))
        for port, names in shared.items():
            kind = HislipListener if port[0] == Transport.HISLIP else Vxi11Listener
            opened[port] = kind(names, port[1], port[2], self._wire)
            self._listeners.append(opened[port])
        self._addresses = [(name, tell()) for name, tell in told]
        for listener in self._listeners:
            listener.start()

    def _announced(self) -> list[tuple[str, str, str, VisaAddress]]:
        return [
            (name, self.instruments[name].model, self.instruments[name].serial, parse_address(text))
            for name, text in self._addresses
        ]

    @property
    def addresses(self) -> list[tuple[str, str]]:
        """Get (instrument, VISA resource string) of everything that is served."""
        return list(self._addresses)

    @property
    def messages(self) -> int:
        """Get the number of messages that came."""
        return self._wire.messages

    def address(self, name: str) -> str:
        """Return the first resource string of an instrument.

        Raises `UnknownNameError`.
        """
        for owner, text in self._addresses:
            if owner == name:
                return text
        raise UnknownNameError(f"instrument {name!r} is not served; served are {', '.join(self.instruments)}")

    def report(self) -> list[str]:
        """Return what the audit found, as lines; empty if nothing."""
        return self.audit.report()

    def close(self) -> None:
        """End all connections, note what is still on, end the interpreters; idempotent."""
        if self._announcement is not None:
            self._announcement.close()
            self._announcement = None
        for listener in self._listeners:
            listener.stop()
        for listener in self._listeners:
            listener.join(PATIENCE)
        for instrument in self.instruments.values():
            instrument.interrupt()
        for listener in self._listeners:
            listener.join(PATIENCE)
        self._listeners = []
        for instrument in self.instruments.values():
            instrument.close()
        self._watchdog.close()
        if hasattr(self, "_wire"):
            self._wire.close()
        self._keep_chip()

    def _keep_chip(self) -> None:
        """Write what the cells have become to the chip file, where it is this server's."""
        chip, self._chip = self._chip, None
        if chip is None or chip.lock is None:
            return
        try:
            self.lines.end()
            keep_chip(chip, self.arrays, self.rack, self.living.pulses)
        finally:
            chip.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _check_hosts(rack: RackFile, allow_remote: bool) -> None:
    for part in rack.instruments:
        for address in part.addresses:
            if not address.is_loopback and not allow_remote:
                raise InputError(
                    f"{part.name}: {address.host} can be reached from other machines, and whoever reaches it may run "
                    "scripts here; use 127.0.0.1, or say --allow-remote"
                )


def _address_in(
    opened: Mapping[tuple[Transport, str, int], HislipListener | Vxi11Listener],
    place: tuple[Transport, str, int],
    device: str,
) -> str:
    return opened[place].address_of(device)


def _take_name(names: dict[str, Instrument], address: VisaAddress, instrument: Instrument) -> None:
    if address.device in names:
        raise InputError(
            f"{instrument.name}: {address.device} at {address.transport} port {address.port} is "
            f"{names[address.device].name} already; give it another number"
        )
    names[address.device] = instrument


def open_server(path: Path, options: Mapping[str, object]) -> BenchServer:
    """Return the served bench of a rack file: what `xbar serve` loads through the entry-point group `xbar.servers`.

    A bench file with a rack does as well: the rack file that it names is served.

    `options`: `speed` ("real", "fast", a number or None for the file's), `allow_remote`, `announce`, `log` (path or
    None), `chip` (path or None).
    """
    rack = load_rack_file(rack_file_of(path))
    if (speed := options.get("speed")) is not None:
        rack = replace(rack, speed=speed_of(str(speed)))
    log, name = options.get("log"), options.get("chip")
    chip = None if name is None else open_chip(str(name))
    try:
        return BenchServer(
            rack,
            allow_remote=bool(options.get("allow_remote")),
            announce=bool(options.get("announce")),
            log=None if log is None else Path(str(log)),
            chip=chip,
        )
    except BaseException:
        if chip is not None:
            chip.close()
        raise
