"""Messages of HiSLIP (IVI-6.1): their types, reading and writing."""

import contextlib
import socket
import struct
from dataclasses import dataclass
from enum import IntEnum

from xbar_drivers.emulated.instrument import LONGEST_MESSAGE

HEADER = struct.Struct("!2sBBIQ")

LARGEST_PAYLOAD = 64 * 2**20
"""Bytes of the largest message that is skipped; a larger one ends the connection."""


class Kind(IntEnum):
    """Types of messages (IVI-6.1, table 4)."""

    INITIALIZE = 0
    INITIALIZE_RESPONSE = 1
    FATAL_ERROR = 2
    ERROR = 3
    ASYNC_LOCK = 4
    ASYNC_LOCK_RESPONSE = 5
    DATA = 6
    DATA_END = 7
    DEVICE_CLEAR_COMPLETE = 8
    DEVICE_CLEAR_ACKNOWLEDGE = 9
    ASYNC_REMOTE_LOCAL = 10
    ASYNC_REMOTE_LOCAL_RESPONSE = 11
    TRIGGER = 12
    INTERRUPTED = 13
    ASYNC_INTERRUPTED = 14
    ASYNC_MAX_SIZE = 15
    ASYNC_MAX_SIZE_RESPONSE = 16
    ASYNC_INITIALIZE = 17
    ASYNC_INITIALIZE_RESPONSE = 18
    ASYNC_DEVICE_CLEAR = 19
    ASYNC_SERVICE_REQUEST = 20
    ASYNC_STATUS_QUERY = 21
    ASYNC_STATUS_RESPONSE = 22
    ASYNC_DEVICE_CLEAR_ACKNOWLEDGE = 23
    ASYNC_LOCK_INFO = 24
    ASYNC_LOCK_INFO_RESPONSE = 25


@dataclass(frozen=True)
class Message:
    """One message."""

    kind: int
    control: int
    parameter: int
    payload: bytes


class BadMessage(Exception):  # ends one connection; no error of xbar
    """Not HiSLIP, or too large."""


def receive(connection: socket.socket) -> Message:
    """Read one message; of one that is too long only the header is kept.

    Raises `BadMessage`, or `OSError` where the connection ended.
    """
    magic, kind, control, parameter, length = HEADER.unpack(_exactly(connection, HEADER.size))
    if magic != b"HS":
        raise BadMessage("poorly formed message header")
    if length > LARGEST_PAYLOAD:
        raise BadMessage("message is too large")
    if length <= 2 * LONGEST_MESSAGE:
        return Message(kind, control, parameter, _exactly(connection, length))
    while length:
        length -= len(_exactly(connection, min(length, 65536)))
    return Message(kind, control, parameter, b" " * (LONGEST_MESSAGE + 1))


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = connection.recv(min(size - len(data), 65536))
        if not part:
            raise ConnectionResetError("the client has gone")
        data += part
    return bytes(data)


def send(connection: socket.socket, kind: int, control: int, parameter: int, payload: bytes = b"") -> None:
    """Write one message."""
    header = HEADER.pack(b"HS", kind, control & 0xFF, parameter & 0xFFFFFFFF, len(payload))
    connection.sendall(header + payload)


def fatal(connection: socket.socket, code: int, text: str) -> None:
    """Tell a client why its connection ends."""
    with contextlib.suppress(OSError):
        send(connection, Kind.FATAL_ERROR, code, 0, text.encode("latin-1", "replace"))
