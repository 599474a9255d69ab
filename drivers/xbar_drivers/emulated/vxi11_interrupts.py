"""VXI-11's way back: the interrupt channel, by which clients get service requests; and the errors of procedures."""

import contextlib
import socket
import struct
import threading
from collections.abc import Mapping
from enum import IntEnum
from typing import Protocol

from xbar_drivers.emulated.instrument import Instrument
from xbar_drivers.emulated.xdr import Packer, Unpacker, write_record

INTERRUPT, INTERRUPT_SRQ = 0x0607B1, 30


class Problem(IntEnum):
    """Errors of device procedures (VXI-11, B.5.2)."""

    NONE = 0
    NOT_ACCESSIBLE = 3
    INVALID_LINK = 4
    NOT_SUPPORTED = 8
    OUT_OF_RESOURCES = 9
    LOCKED = 11
    NO_LOCK = 12
    TIMEOUT = 15
    IO_ERROR = 17
    ABORTED = 23


class Asking(Protocol):
    """What the channel looks at of a link."""

    instrument: Instrument
    answers: list[bytes]


class InterruptChannel:
    """The connection back to a client that wants service requests."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._handles: dict[int, bytes] = {}
        self._lock = threading.Lock()
        self._xid = 0

    def open(self, call: Unpacker) -> int:
        """Connect to where the client listens; return 0 or the error."""
        address, port = call.uint(), call.uint()
        program, version, family = call.uint(), call.uint(), call.uint()
        host = socket.inet_ntoa(struct.pack("!I", address))
        # Only to this machine: the server must not be made to connect to somebody else's.
        if not host.startswith("127.") or program != INTERRUPT or version != 1 or family != 0 or not 0 < port < 65536:
            return Problem.NOT_SUPPORTED
        try:
            self._socket = socket.create_connection((host, port), timeout=2)
        except OSError:
            return Problem.IO_ERROR
        return Problem.NONE

    def enable(self, number: int, call: Unpacker) -> int:
        """Switch service requests of a link on or off; return 0."""
        on, handle = call.uint(), call.opaque(40)
        if on:
            self._handles[number] = handle
        else:
            self._handles.pop(number, None)
        return Problem.NONE

    def look(self, links: Mapping[int, Asking]) -> None:
        """Send a service request for each link whose instrument has a new reason."""
        for number, handle in self._handles.items():
            device = links.get(number)
            if device is None or not device.instrument.status.requests_service(bool(device.answers)):
                continue
            self._xid += 1
            call = Packer().uint(self._xid).uint(0).uint(2).uint(INTERRUPT).uint(1).uint(INTERRUPT_SRQ)
            call.uint(0).uint(0).uint(0).uint(0).opaque(handle)
            with self._lock, contextlib.suppress(OSError):
                if self._socket is not None:
                    write_record(self._socket, call.data)

    def close(self) -> None:
        """End the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
