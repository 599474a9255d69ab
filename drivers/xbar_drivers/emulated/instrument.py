"""What every emulated instrument has: identity, error queue, status, one lock, and the way of a message through it."""

import threading
from abc import ABC, abstractmethod
from typing import ClassVar

from xbar_drivers.emulated.audit import Audit, FaultKind, acting_for
from xbar_drivers.emulated.clock import BenchClock
from xbar_drivers.emulated.error_queue import ErrorQueue, InstrumentError
from xbar_drivers.emulated.lines import Lines
from xbar_drivers.emulated.link import Link
from xbar_drivers.emulated.status_model import OPERATION_COMPLETE, StatusModel

LONGEST_MESSAGE = 2**20
"""Bytes of the longest message that is taken; of longer ones nothing is executed."""

SERIAL = "XBAR"
"""Served serial numbers begin so: nobody mistakes a trace of an emulation for a measurement."""


class Instrument(ABC):
    """One instrument on the served bench.

    Args:
        name: its name on the bench.
        lines: what its terminals are connected to.
        number: its place on the bench, part of the serial number.

    """

    model: ClassVar[str]
    """Model as bench files write it."""
    terminator: ClassVar[bytes] = b"\n"
    """What ends an answer."""

    def __init__(self, name: str, lines: Lines, number: int) -> None:
        self.name, self.lines, self.number = name, lines, number
        self.lock = threading.RLock()
        self.errors = ErrorQueue()
        self.status = StatusModel(self.errors.__len__)
        self._switched_by: dict[str, Link] = {}
        self.link: Link | None = None
        """The client that is being served."""

    @property
    def clock(self) -> BenchClock:
        """Get the bench's time."""
        return self.lines.clock

    @property
    def audit(self) -> Audit:
        """Get the bench's audit."""
        return self.lines.faults.audit

    @property
    def serial(self) -> str:
        """Get the serial number."""
        return f"{SERIAL}{self.number:04d}"

    @property
    @abstractmethod
    def identity(self) -> str:
        """Get the answer to *IDN?."""

    @abstractmethod
    def line(self, link: Link, text: str) -> None:
        """Execute one line of a client; text is Latin-1, without its end."""

    @abstractmethod
    def outputs_on(self) -> dict[str, str]:
        """Return what each output that is on gives, by its name: "smua": "0.2 V"."""

    def message(self, link: Link, data: bytes) -> None:
        """Execute a message: one or several lines. Answers lie in the link afterwards."""
        if len(data) > LONGEST_MESSAGE:
            self.overrun(link)
            return
        with self.lock, acting_for(link.name):
            self.link = link
            link.begin()
            self.clock.message()
            try:
                for text in data.decode("latin-1").replace("\r", "\n").replace("\0", "\n").split("\n"):
                    if text.strip():
                        self.line(link, text)
            except Exception as error:  # a mistake of the emulation ends neither the bench nor the connection
                self.fail(-310, "System error")
                note = f"{self.name}: {type(error).__name__}: {error} at {data[:60]!r}"
                self.audit.note(self.clock.now(), FaultKind.INTERNAL, note)
            finally:
                self.link = None
                on = self.outputs_on()
                self._switched_by = {name: self._switched_by.get(name, link) for name in on}

    def overrun(self, link: Link) -> None:
        """Refuse a message that is too long."""
        with self.lock, acting_for(link.name):
            self.fail(-363, "Input buffer overrun")
            self.audit.note(
                self.clock.now(), FaultKind.HOSTILE, f"{self.name}: a message above {LONGEST_MESSAGE} bytes"
            )

    def fail(self, code: int, text: str) -> None:
        """Put an error into the queue and set its bit in the standard event register."""
        error = InstrumentError(code, text)
        self.errors.add(error)
        self.status.standard.event |= error.event_bit
        if self.link is not None:
            self.link.errors += 1

    def unknown(self, text: str) -> None:
        """Note a command that the instrument does not know, for the audit."""
        self.audit.note(self.clock.now(), FaultKind.UNKNOWN, f"{self.name}: {text[:80]!r}")

    def reply(self, text: str) -> None:
        """Answer the client that is being served."""
        if self.link is not None:
            self.link.put(text.encode("latin-1", "replace") + self.terminator)

    def status_byte(self, link: Link) -> int:
        """Return the status byte, as a serial poll does."""
        return self.status.byte(link.waiting)

    def clear(self, link: Link) -> None:
        """Do a device clear: forget the client's input and its answers."""
        link.take()
        link.script, link.input_lost = None, False
        link.stop.clear()

    def trigger(self, link: Link) -> None:
        """Take a bus trigger."""
        self.message(link, b"*TRG")

    def reset(self) -> None:
        """Do what *RST does."""
        return

    def complete(self) -> None:
        """Wait until what runs has ended."""
        return

    def stopping(self) -> bool:
        """Return whether the client being served wants to stop, or has gone a while ago."""
        return self.link is not None and self.link.stopped()

    def stopped(self) -> threading.Event | None:
        """Return the event that ends waiting for the client being served."""
        return None if self.link is None else self.link.stop

    def interrupt(self) -> None:
        """End what runs: the server closes."""
        link = self.link
        if link is not None:
            link.stop.set()

    def disconnected(self, link: Link) -> None:
        """Note what a client left behind when its connection ended."""
        with self.lock, acting_for(link.name):
            now = self.clock.now()
            for name, level in self.outputs_on().items():
                if self._switched_by.get(name) is link:
                    self.audit.note(now, FaultKind.LEFT_ON, f"{self.name}.{name} ON at {level}")
            if len(self.errors) and link.errors:
                self.audit.note(now, FaultKind.ERRORS_LEFT, f"{self.name}: {len(self.errors)} entries")

    def close(self) -> None:
        """Give back what the instrument holds."""
        return

    def common(self, text: str) -> bool:
        """Execute a common command of IEEE 488.2; return False where it is none."""
        head, _, rest = text.strip().partition(" ")
        head = head.upper()
        standard = self.status.standard
        if head == "*IDN?":
            self.reply(self.identity)
        elif head == "*RST":
            self.reset()
        elif head == "*CLS":
            self.status.clear()
            self.errors.clear()
        elif head == "*OPC?":
            self.complete()
            self.reply("1")
        elif head == "*OPC":
            self.complete()
            standard.event |= OPERATION_COMPLETE
        elif head == "*WAI":
            self.complete()
        elif head == "*ESR?":
            self.reply(str(standard.take_event()))
        elif head == "*ESE?":
            self.reply(str(standard.enable))
        elif head == "*SRE?":
            self.reply(str(self.status.service_enable))
        elif head == "*STB?":
            self.reply(str(self.status.byte(self.link is not None and self.link.waiting)))
        elif head == "*TST?":
            self.reply("0")
        elif head in ("*ESE", "*SRE"):
            self._enable(head, rest)
        elif head == "*TRG":
            self.triggered()
        else:
            return False
        return True

    def triggered(self) -> None:
        """Do what *TRG does."""
        return

    def _enable(self, head: str, text: str) -> None:
        try:
            value = round(float(text))
        except (ValueError, OverflowError):
            self.fail(-104, "Data type error")
            return
        if not 0 <= value <= 255:
            self.fail(-222, "Parameter data out of range")
        elif head == "*ESE":
            self.status.standard.enable = value
        else:
            self.status.service_enable = value
