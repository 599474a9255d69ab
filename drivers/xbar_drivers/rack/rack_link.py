"""The way from the driver to its instruments: connect, connect once more, switch off, and who scans."""

import threading
from collections.abc import Callable

from xbar.bench.driver import Unsafe
from xbar.errors import DriverError
from xbar_drivers.instruments.keithley_2600 import Channel
from xbar_drivers.instruments.keithley_3706a import SwitchMatrix
from xbar_drivers.instruments.tsp import TspInstrument
from xbar_drivers.rack.connection import Connect, Connection, is_linked, matrix_of
from xbar_drivers.rack.host_scan import HostScanner, host_seconds
from xbar_drivers.rack.plan import Scanner, ScanSettings
from xbar_drivers.rack.rack_clock import RackClock
from xbar_drivers.rack.rack_file import RackFile
from xbar_drivers.rack.scans import Scans
from xbar_drivers.rack.tsp_scan import TspScanner, script_seconds


class RackLink:
    """A rack, connected or not.

    Args:
        rack: what stands on it.
        connect: connects to an instrument.

    """

    def __init__(self, rack: RackFile, connect: Connect) -> None:
        self.rack, self._connect = rack, connect
        self.linked, self.time = is_linked(rack), RackClock()
        self.connection: Connection | None = None
        self._line_frequency = 50.0
        self._scans: Scans | None = None
        self._left_on: Unsafe = ()
        self._ended = False

    def open(self, stop: threading.Event) -> Connection:
        """Connect; everything is switched off by that. Raises what `Connection` does."""
        connection = self._connected()
        self._ended = False
        if self._scans is None:
            self._scans = Scans(self._scanner(connection), self.time, stop, self.step_seconds, self._reconnect)
        else:
            self._scans.scanner, self._scans.stop = self._scanner(connection), stop
        return connection

    def _connected(self) -> Connection:
        self.disconnect()
        self.connection = connection = Connection(self.rack, self._connect)
        try:
            self.time.speed = self.rack.speed if connection.emulated else 1.0
            self._line_frequency = connection.drive.line_frequency
        except BaseException:
            self.disconnect()
            raise
        self._left_on = ()
        return connection

    def _reconnect(self) -> Scanner:
        """Connect once more: everything is switched off by that. Raises `DriverError` where others answer."""
        before = None if self.connection is None else self.connection.identities
        try:
            connection = self._connected()
        except BaseException:
            # Nobody knows what the instruments do now.
            said = self.rack.rack
            outputs = [f"output {name}" for name in (said.drive, said.sense, *said.bias)]
            self._left_on = (*outputs, f"relays of {matrix_of(self.rack)[0].name}")
            raise
        if connection.identities != before:
            raise DriverError("another instrument answered after the connection was lost; the bench stops")
        return self._scanner(connection)

    def _scanner(self, c: Connection) -> Scanner:
        """Return who does scans: one script where one link has it all, else the host step by step."""
        frequency = self._line_frequency
        bias = tuple(source for source in c.bias if isinstance(source, Channel))
        if (
            c.linked
            and isinstance(c.drive, Channel)
            and isinstance(c.sense, Channel)
            and len(bias) == len(c.bias)
            and isinstance(c.matrix, SwitchMatrix)
            and isinstance(c.master, TspInstrument)
        ):
            return TspScanner(c.master, c.matrix, c.drive, c.sense, bias, frequency)
        return HostScanner(c.instruments, c.matrix, c.drive, c.sense, c.bias, frequency, self.time.now)

    @property
    def scans(self) -> Scans:
        """Get who scans. Raises `DriverError` where the rack is not connected, or the last operation ended early."""
        if self._scans is not None:
            self._scans.tell_failure()
        if self._scans is None or self.connection is None:
            raise DriverError("the rack is not connected; open the bench again")
        return self._scans

    def step_seconds(self, settings: ScanSettings) -> float:
        """Return how long one step takes [s]."""
        seconds: Callable[[ScanSettings, float], float] = script_seconds if self.linked else host_seconds
        return seconds(settings, self._line_frequency)

    def safe_off(self) -> Unsafe:
        """Set 0 V, switch outputs off, open relays, in that order; return what could not be. Never raises."""
        if self.connection is None:
            return self._left_on
        self._left_on = self.connection.safe_off()
        if self._scans is not None:
            self._scans.scanner.closed = None if self._left_on else frozenset()
        return self._left_on

    def close(self) -> None:
        """Disconnect; raises `DriverError` where an operation ended early and nobody was told yet."""
        self.disconnect()
        # Whoever closes with something left on opens once more to switch it off, and is told when that has failed too.
        if self._left_on and not self._ended:
            self._ended = True
        elif self._scans is not None:
            self._scans.tell_failure()

    def disconnect(self) -> None:
        """Disconnect; idempotent."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Sleep for bench seconds [s] and look at `stop`; served instruments that skip waits are told to."""
        if self.time.speed is not None or self.connection is None:
            self.time.wait(seconds, stop)
            return
        master = self.connection.master
        if isinstance(master, TspInstrument):
            master.ask(f"delay({float(seconds)!r}) print(0)")
        self.time.passed(seconds)
