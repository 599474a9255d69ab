"""VXI-11 (TCP/IP instrument protocol, revision 1.0) over ONC RPC, with the port mapper's answer at the same port."""

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from xbar_drivers.emulated.exclusive_access import ExclusiveAccess
from xbar_drivers.emulated.instrument import LONGEST_MESSAGE, Instrument
from xbar_drivers.emulated.link import Link
from xbar_drivers.emulated.listener import Listener, Wire, peer_gone
from xbar_drivers.emulated.vxi11_interrupts import InterruptChannel, Problem
from xbar_drivers.emulated.xdr import BadCall, Packer, Unpacker, read_record, write_record

CORE, ABORT, PORT_MAPPER = 0x0607AF, 0x0607B0, 100000

LARGEST_RECORD = LONGEST_MESSAGE + 4096
MOST_LINKS = 64
"""Links of one connection."""

FLAG_WAIT_LOCK, FLAG_END, FLAG_TERM_CHAR = 0x01, 0x08, 0x80
REASON_SIZE, REASON_CHAR, REASON_END = 0x01, 0x02, 0x04


@dataclass(eq=False)
class DeviceLink:
    """One link of a client."""

    instrument: Instrument
    access: ExclusiveAccess
    link: Link
    written: bytearray = field(default_factory=bytearray)
    answer: bytes = b""
    """What is left of the answer that is being read."""
    answers: list[bytes] = field(default_factory=list)


class Vxi11Listener(Listener):
    """Serves instruments at one port, by names such as `inst0` or `gpib0,17`.

    Args:
        instruments: by device name.
        host: address to listen at.
        port: port; 0 lets the system choose. At port 111 clients find it without being told.
        wire: log of what passes.

    """

    def __init__(self, instruments: Mapping[str, Instrument], host: str, port: int, wire: Wire) -> None:
        self._instruments, self._wire = dict(instruments), wire
        self._access = {id(instrument): ExclusiveAccess() for instrument in self._instruments.values()}
        self._links: dict[int, DeviceLink] = {}
        self._next = 0
        super().__init__(host, port, "VXI-11")

    @property
    def address(self) -> str:
        """Get the VISA resource string of the first instrument."""
        return self.address_of(next(iter(self._instruments)))

    def address_of(self, name: str) -> str:
        """Return the VISA resource string of a device name; ports other than 111 as pyvisa-py writes them."""
        host = self.host if self.port == 111 else f"{self.host},{self.port}"
        return f"TCPIP::{host}::{name}::INSTR"

    def serve(self, connection: socket.socket, name: str) -> None:
        """Answer calls until the client goes; its links go with it."""
        mine: dict[int, DeviceLink] = {}
        interrupts = InterruptChannel()
        try:
            while True:
                call = Unpacker(read_record(connection, LARGEST_RECORD))
                write_record(connection, self._call(call, connection, name, mine, interrupts))
                interrupts.look(mine)
        except BadCall:
            return
        finally:
            interrupts.close()
            for number in list(mine):
                self._destroy(number, mine)

    def _call(
        self,
        call: Unpacker,
        connection: socket.socket,
        name: str,
        mine: dict[int, DeviceLink],
        interrupts: "InterruptChannel",
    ) -> bytes:
        """Return the reply to one RPC call (RFC 5531)."""
        xid, kind, rpc = call.uint(), call.uint(), call.uint()
        program, _, procedure = call.uint(), call.uint(), call.uint()
        for _ in range(2):  # credentials and verifier
            call.uint()
            call.opaque(400)
        if kind != 0:
            raise BadCall("not a call")
        reply = Packer().uint(xid).uint(1)
        if rpc != 2:
            return reply.uint(1).uint(0).uint(2).uint(2).data
        reply.uint(0).uint(0).uint(0)
        if procedure == 0:
            return reply.uint(0).data
        if program == PORT_MAPPER:
            if procedure != 3:
                return reply.uint(3).data
            wanted = call.uint()
            return reply.uint(0).uint(self.port if wanted in (CORE, ABORT) else 0).data
        if program == ABORT and procedure == 1:
            return reply.uint(0).uint(self._abort(call.uint())).data
        if program != CORE:
            return reply.uint(1).data
        if procedure == 10:
            return reply.uint(0).data + self._create(call, connection, name, mine)
        if procedure == 25:
            return reply.uint(0).uint(interrupts.open(call)).data
        if procedure == 26:
            interrupts.close()
            return reply.uint(0).uint(0).data
        action = self._procedures().get(procedure)
        if action is None:
            return reply.uint(3).data
        number = call.uint()
        device = mine.get(number)
        if procedure == 23:
            return reply.uint(0).uint(self._destroy(number, mine)).data
        if procedure == 20 and device is not None:
            return reply.uint(0).uint(interrupts.enable(number, call)).data
        if device is None:
            return reply.uint(0).uint(Problem.INVALID_LINK).data + bytes(_RESULTS.get(procedure, 0))
        return reply.uint(0).data + action(device, call)

    def _procedures(self) -> dict[int, Callable[[DeviceLink, Unpacker], bytes]]:
        return {
            11: self._write, 12: self._read, 13: self._status, 14: self._trigger, 15: self._clear,
            16: _accept, 17: _accept, 18: self._take_lock, 19: self._give_lock, 20: _accept, 22: _refuse, 23: _accept,
        }  # fmt: skip

    def _create(self, call: Unpacker, connection: socket.socket, name: str, mine: dict[int, DeviceLink]) -> bytes:
        call.uint()
        wants_lock, patience = call.uint(), call.uint()
        device = call.opaque(256).decode("latin-1").lower()
        instrument = self._instruments.get(device)
        problem = Problem.NONE
        if instrument is None:
            problem = Problem.NOT_ACCESSIBLE
        elif len(mine) >= MOST_LINKS:
            problem = Problem.OUT_OF_RESOURCES
        if instrument is None or problem:
            return Packer().uint(problem).uint(0).uint(0).uint(0).data
        link = Link(f"{instrument.name}/{name}", lambda: peer_gone(connection))
        found = DeviceLink(instrument, self._access[id(instrument)], link)
        if wants_lock and not found.access.acquire(link, min(patience / 1000, 60)):
            return Packer().uint(Problem.LOCKED).uint(0).uint(0).uint(0).data
        with self._lock:
            self._next += 1
            number = self._next
            self._links[number] = mine[number] = found
        self._wire.event(link.name, f"VXI-11 {device}")
        return Packer().uint(0).uint(number).uint(self.port).uint(LONGEST_MESSAGE).data

    def _destroy(self, number: int, mine: dict[int, DeviceLink]) -> int:
        found = mine.pop(number, None)
        with self._lock:
            self._links.pop(number, None)
        if found is None:
            return Problem.INVALID_LINK
        found.access.release(found.link)
        found.instrument.disconnected(found.link)
        return Problem.NONE

    def _abort(self, number: int) -> int:
        with self._lock:
            found = self._links.get(number)
        if found is None:
            return Problem.INVALID_LINK
        found.link.stop.set()
        return Problem.NONE

    def _write(self, device: DeviceLink, call: Unpacker) -> bytes:
        call.uint()
        patience, flags, data = call.uint(), call.uint(), call.opaque(LARGEST_RECORD)
        if not device.access.may_use(device.link, min(patience / 1000, 3600) if flags & FLAG_WAIT_LOCK else 0):
            return Packer().uint(Problem.LOCKED).uint(0).data
        if len(device.written) <= LONGEST_MESSAGE:
            device.written += data
        if flags & FLAG_END:
            message = bytes(device.written)
            device.written.clear()
            # An answer that was not read is discarded when the next message comes (IEEE 488.2, 6.3.2.3).
            device.answer, device.answers = b"", []
            device.link.take()
            device.link.stop.clear()
            self._wire.received(device.link.name, message)
            device.instrument.message(device.link, message)
            device.answers = device.link.take()
        return Packer().uint(0).uint(len(data)).data

    def _read(self, device: DeviceLink, call: Unpacker) -> bytes:
        size, patience, _, flags, character = call.uint(), call.uint(), call.uint(), call.uint(), call.uint()
        if not device.access.may_use(device.link, 0):
            return Packer().uint(Problem.LOCKED).uint(0).opaque(b"").data
        if not device.answer and not device.answers:
            # Nothing to come: what a real instrument lets its client wait for is waited for here as well.
            end = time.monotonic() + min(patience / 1000, 60)
            while time.monotonic() < end and not device.link.stopped():
                time.sleep(min(0.02, max(0.0, end - time.monotonic())))
            stopped = device.link.stop.is_set()
            device.link.stop.clear()
            return Packer().uint(Problem.ABORTED if stopped else Problem.TIMEOUT).uint(0).opaque(b"").data
        if not device.answer:
            device.answer = device.answers.pop(0)
            self._wire.sent(device.link.name, device.answer)
        part, reason = device.answer[: max(1, size)], 0
        if flags & FLAG_TERM_CHAR and (at := part.find(character & 0xFF)) >= 0:
            part, reason = part[: at + 1], REASON_CHAR
        device.answer = device.answer[len(part) :]
        reason |= 0 if device.answer else REASON_END
        reason |= REASON_SIZE if len(part) == size else 0
        return Packer().uint(0).uint(reason).opaque(part).data

    def _status(self, device: DeviceLink, call: Unpacker) -> bytes:
        del call
        return Packer().uint(0).uint(device.instrument.status.byte(bool(device.answer or device.answers))).data

    def _trigger(self, device: DeviceLink, call: Unpacker) -> bytes:
        del call
        device.instrument.trigger(device.link)
        return Packer().uint(0).data

    def _clear(self, device: DeviceLink, call: Unpacker) -> bytes:
        del call
        device.written.clear()
        device.answer, device.answers = b"", []
        device.link.stop.set()
        with device.instrument.lock:
            device.instrument.clear(device.link)
        return Packer().uint(0).data

    def _take_lock(self, device: DeviceLink, call: Unpacker) -> bytes:
        flags, patience = call.uint(), call.uint()
        seconds = min(patience / 1000, 3600) if flags & FLAG_WAIT_LOCK else 0.0
        return Packer().uint(0 if device.access.acquire(device.link, seconds) else Problem.LOCKED).data

    def _give_lock(self, device: DeviceLink, call: Unpacker) -> bytes:
        del call
        return Packer().uint(0 if device.access.release(device.link) else Problem.NO_LOCK).data


_RESULTS = {11: 4, 12: 8, 13: 4, 22: 4}
"""Bytes of zero that follow the error of procedures with results."""


def _accept(device: DeviceLink, call: Unpacker) -> bytes:
    """Accept what makes no difference to an emulation: remote, local."""
    del device, call
    return Packer().uint(0).data


def _refuse(device: DeviceLink, call: Unpacker) -> bytes:
    """Refuse device_docmd, which only interface devices know."""
    del device, call
    return Packer().uint(Problem.NOT_SUPPORTED).opaque(b"").data
