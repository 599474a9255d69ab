"""Raw sockets: one message a line, answers as they come (TCPIP::host::port::SOCKET)."""

import contextlib
import re
import socket

from xbar_drivers.emulated.instrument import LONGEST_MESSAGE, Instrument
from xbar_drivers.emulated.link import Link
from xbar_drivers.emulated.listener import Listener, Wire, peer_gone, send_all

ENDS = re.compile(rb"[\r\n\0]")
QUICKACK = getattr(socket, "TCP_QUICKACK", None)
"""Linux: acknowledge at once. Clients that never set TCP_NODELAY would otherwise wait 40 ms between two writes."""


def quick_ack(connection: socket.socket) -> None:
    """Acknowledge what arrives next at once, where the system can; it has to be said again after every read."""
    if QUICKACK is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)


class RawSocketListener(Listener):
    """Serves one instrument at one port.

    Args:
        instrument: what is served.
        host: address to listen at.
        port: port; 0 lets the system choose.
        wire: log of what passes.

    """

    def __init__(self, instrument: Instrument, host: str, port: int, wire: Wire) -> None:
        self._instrument, self._wire = instrument, wire
        super().__init__(host, port, "raw socket")

    @property
    def address(self) -> str:
        """Get the VISA resource string."""
        return f"TCPIP::{self.host}::{self.port}::SOCKET"

    def serve(self, connection: socket.socket, name: str) -> None:
        """Serve one client until it goes."""
        instrument = self._instrument
        link = Link(f"{instrument.name}/{name}", lambda: peer_gone(connection))
        pending = b""
        try:
            while True:
                data = connection.recv(65536)
                quick_ack(connection)
                if not data:
                    return
                pending = self._messages(connection, link, pending + data)
        finally:
            instrument.disconnected(link)

    def _messages(self, connection: socket.socket, link: Link, data: bytes) -> bytes:
        """Execute the whole lines of `data`; return what is left."""
        *lines, rest = ENDS.split(data)
        for line in lines:
            if link.input_lost:
                link.input_lost = False
                continue
            if not line:
                continue
            self._wire.received(link.name, line)
            self._instrument.message(link, line)
            self._answer(connection, link)
        if len(rest) > LONGEST_MESSAGE:
            if not link.input_lost:
                self._instrument.overrun(link)
                link.input_lost = True
            rest = b""
        return rest

    def _answer(self, connection: socket.socket, link: Link) -> None:
        answers = link.take()
        for answer in answers:
            self._wire.sent(link.name, answer)
        if answers:
            send_all(connection, b"".join(answers))
