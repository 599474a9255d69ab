"""HiSLIP (IVI-6.1, version 1.0): several instruments at one port, messages with ends, status byte, device clear."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from xbar_drivers.emulated.exclusive_access import ExclusiveAccess
from xbar_drivers.emulated.hislip_messages import HEADER, BadMessage, Kind, Message, fatal, receive, send
from xbar_drivers.emulated.instrument import LONGEST_MESSAGE, Instrument
from xbar_drivers.emulated.link import Link
from xbar_drivers.emulated.listener import Listener, Wire, peer_gone

VERSION, VENDOR = 0x0100, 0x5842  # 1.0; "XB"
HANDSHAKE_PATIENCE = 10.0
"""Time for a client to say what it wants [s]; a half-open connection ends then."""

LOOK = 0.1
"""Time between two looks whether a half-open connection is still there [s]."""

LOCK_PATIENCE = 3600.0
"""How long a message waits while another client holds the lock [s]; the client's own time-out comes first."""

PYVISA_PY = b"xx"
"""Vendor that pyvisa-py gives. It takes no messages on the asynchronous channel that it has not asked for: a service
request or an interruption there makes its next status query fail."""


@dataclass(eq=False)
class Session:
    """One client: its two channels."""

    number: int
    instrument: Instrument
    access: ExclusiveAccess
    link: Link
    sync: socket.socket
    simple: bool
    """Whether the client takes nothing on the asynchronous channel that it did not ask for."""
    channel: socket.socket | None = None
    paired: threading.Event = field(default_factory=threading.Event)
    client_max: int = 2**20
    unread: bool = False
    """Whether answers were sent and the client has not said that it read them."""
    sending: threading.Lock = field(default_factory=threading.Lock)


class HislipListener(Listener):
    """Serves instruments at one port, by the names `hislip0`, `hislip1`, ...

    Args:
        instruments: by sub-address.
        host: address to listen at.
        port: port; 0 lets the system choose.
        wire: log of what passes.

    """

    def __init__(self, instruments: Mapping[str, Instrument], host: str, port: int, wire: Wire) -> None:
        self._instruments, self._wire = dict(instruments), wire
        self._access = {id(instrument): ExclusiveAccess() for instrument in self._instruments.values()}
        self._sessions: dict[int, Session] = {}
        self._next = 0
        super().__init__(host, port, "HiSLIP")

    @property
    def address(self) -> str:
        """Get the VISA resource string of the first instrument."""
        return self.address_of(next(iter(self._instruments)))

    def address_of(self, name: str) -> str:
        """Return the VISA resource string of a sub-address."""
        return (
            f"TCPIP::{self.host}::{name}::INSTR"
            if self.port == 4880
            else f"TCPIP::{self.host}::{name},{self.port}::INSTR"
        )

    def serve(self, connection: socket.socket, name: str) -> None:
        """Serve one channel of a client: which one, its first message tells."""
        connection.settimeout(HANDSHAKE_PATIENCE)
        try:
            first = receive(connection)
            if first.kind == Kind.INITIALIZE:
                self._synchronous(connection, name, first)
            elif first.kind == Kind.ASYNC_INITIALIZE:
                self._asynchronous(connection, first)
            else:
                fatal(connection, 3, "the first message must be Initialize")
        except BadMessage as error:
            fatal(connection, 1, str(error))

    def _synchronous(self, connection: socket.socket, name: str, first: Message) -> None:
        sub_address = first.payload[:256].decode("latin-1") or "hislip0"
        instrument = self._instruments.get(sub_address.split(",")[0])
        if instrument is None:
            fatal(connection, 3, f"no such device: {sub_address[:40]}")
            return
        with self._lock:
            self._next = self._next % 0xFFFF + 1
            while self._next in self._sessions:
                self._next = self._next % 0xFFFF + 1
            link = Link(f"{instrument.name}/{name}", lambda: peer_gone(connection))
            simple = struct.pack("!H", first.parameter & 0xFFFF) == PYVISA_PY
            session = Session(self._next, instrument, self._access[id(instrument)], link, connection, simple)
            self._sessions[session.number] = session
        try:
            send(connection, Kind.INITIALIZE_RESPONSE, 0, VERSION << 16 | session.number)
            if not self._paired(session):
                fatal(connection, 2, "the asynchronous channel was not opened")
                return
            self._wire.event(link.name, f"HiSLIP {sub_address}")
            connection.settimeout(None)
            self._messages(session)
        finally:
            self._end(session)

    def _paired(self, session: Session) -> bool:
        """Wait for the second channel of a session; return False where it does not come."""
        end = time.monotonic() + HANDSHAKE_PATIENCE
        while not session.paired.wait(LOOK):
            if time.monotonic() > end or self.closing or peer_gone(session.sync):
                return False
        return True

    def _end(self, session: Session) -> None:
        with self._lock:
            self._sessions.pop(session.number, None)
        session.link.stop.set()
        session.access.release(session.link)
        if session.channel is not None:
            with contextlib.suppress(OSError):
                session.channel.shutdown(socket.SHUT_RDWR)
        session.instrument.disconnected(session.link)

    def _messages(self, session: Session) -> None:
        """Take messages of the synchronous channel until it ends."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = receive(session.sync)
            if message.kind in (Kind.DATA, Kind.DATA_END):
                self._interrupt(session, message)
                size += len(message.payload)
                if size <= LONGEST_MESSAGE:
                    parts.append(message.payload)
                if message.kind == Kind.DATA_END:
                    self._execute(session, b"".join(parts) if size <= LONGEST_MESSAGE else None, message.parameter)
                    parts, size = [], 0
            elif message.kind == Kind.TRIGGER:
                self._interrupt(session, message)
                session.instrument.trigger(session.link)
                self._answer(session, message.parameter)
            elif message.kind == Kind.DEVICE_CLEAR_COMPLETE:
                parts, size = [], 0
                with session.instrument.lock:
                    session.instrument.clear(session.link)
                session.unread = False
                send(session.sync, Kind.DEVICE_CLEAR_ACKNOWLEDGE, 0, 0)
            elif message.kind in (Kind.FATAL_ERROR, Kind.ERROR):
                return
            else:
                send(session.sync, Kind.ERROR, 1, 0, b"unknown message type")

    def _execute(self, session: Session, data: bytes | None, message_id: int) -> None:
        if data is None:
            session.instrument.overrun(session.link)
            return
        if not session.access.may_use(session.link, LOCK_PATIENCE):
            return
        self._wire.received(session.link.name, data)
        session.instrument.message(session.link, data)
        self._answer(session, message_id)

    def _answer(self, session: Session, message_id: int) -> None:
        answers = session.link.take()
        for answer in answers:
            self._wire.sent(session.link.name, answer)
        # One message for all: PyVISA-py 0.8.1 takes what follows an end for the empty rest of the answer before.
        answer = b"".join(answers)
        if answer:
            largest = max(1, session.client_max - HEADER.size)
            pieces = [answer[k : k + largest] for k in range(0, len(answer), largest)]
            for k, piece in enumerate(pieces):
                kind = Kind.DATA_END if k == len(pieces) - 1 else Kind.DATA
                send(session.sync, kind, 0, message_id, piece)
            session.unread = True
        self._request_service(session)

    def _interrupt(self, session: Session, message: Message) -> None:
        """Tell a client that asks again before it read the answers that they are lost (IVI-6.1, 3.1.1)."""
        delivered = bool(message.control & 1)
        if session.unread and not delivered and not session.simple and session.channel is not None:
            send(session.sync, Kind.INTERRUPTED, 0, message.parameter)
            with session.sending:
                send(session.channel, Kind.ASYNC_INTERRUPTED, 0, message.parameter)
        session.unread = False

    def _request_service(self, session: Session) -> None:
        instrument = session.instrument
        if session.simple or session.channel is None or not instrument.status.requests_service(session.unread):
            return
        with session.sending:
            send(session.channel, Kind.ASYNC_SERVICE_REQUEST, instrument.status_byte(session.link) | 0x40, 0)

    def _asynchronous(self, connection: socket.socket, first: Message) -> None:
        with self._lock:
            session = self._sessions.get(first.parameter & 0xFFFF)
        if session is None or session.channel is not None:
            fatal(connection, 3, "no such session")
            return
        session.channel = connection
        send(connection, Kind.ASYNC_INITIALIZE_RESPONSE, 0, VENDOR)
        session.paired.set()
        connection.settimeout(None)
        try:
            while True:
                self._control(session, connection, receive(connection))
        finally:
            # One channel is of no use without the other.
            with contextlib.suppress(OSError):
                session.sync.shutdown(socket.SHUT_RDWR)

    def _control(self, session: Session, connection: socket.socket, message: Message) -> None:
        kind, access = message.kind, session.access
        if kind == Kind.ASYNC_MAX_SIZE and len(message.payload) == 8:
            session.client_max = max(64, min(struct.unpack("!Q", message.payload)[0], 2**26))
            answer = (Kind.ASYNC_MAX_SIZE_RESPONSE, 0, 0, struct.pack("!Q", LONGEST_MESSAGE))
        elif kind == Kind.ASYNC_STATUS_QUERY:
            status = session.instrument.status.byte(session.unread and not message.control & 1)
            answer = (Kind.ASYNC_STATUS_RESPONSE, status, 0, b"")
        elif kind == Kind.ASYNC_DEVICE_CLEAR:
            session.link.stop.set()
            answer = (Kind.ASYNC_DEVICE_CLEAR_ACKNOWLEDGE, 0, 0, b"")
        elif kind == Kind.ASYNC_LOCK:
            answer = (Kind.ASYNC_LOCK_RESPONSE, self._lock_request(session, message), 0, b"")
        elif kind == Kind.ASYNC_LOCK_INFO:
            answer = (Kind.ASYNC_LOCK_INFO_RESPONSE, int(access.exclusive), access.holders, b"")
        elif kind == Kind.ASYNC_REMOTE_LOCAL:
            answer = (Kind.ASYNC_REMOTE_LOCAL_RESPONSE, 0, 0, b"")
        else:
            answer = (Kind.ERROR, 1, 0, b"unknown message type")
        with session.sending:
            send(connection, *answer)

    def _lock_request(self, session: Session, message: Message) -> int:
        """Return 0 for a time-out, 1 for success, 3 for a release without a lock."""
        if message.control == 0:
            return 1 if session.access.release(session.link) else 3
        key = message.payload[:256].decode("latin-1")
        return int(session.access.acquire(session.link, message.parameter / 1000, key))
