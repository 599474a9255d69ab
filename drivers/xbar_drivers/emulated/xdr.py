"""The part of XDR (RFC 4506) and of RPC's record marking (RFC 5531) that VXI-11 needs."""

import socket
import struct
from typing import Self


class BadCall(Exception):  # ends one connection; no error of xbar
    """Not a call that can be answered."""


class Packer:
    """Writes values one after the other."""

    def __init__(self) -> None:
        self.data = b""

    def uint(self, value: int) -> Self:
        """Add an unsigned 32-bit number."""
        self.data += struct.pack("!I", value & 0xFFFFFFFF)
        return self

    def opaque(self, value: bytes) -> Self:
        """Add bytes of variable length."""
        self.data += struct.pack("!I", len(value)) + value + bytes(-len(value) % 4)
        return self


class Unpacker:
    """Reads values one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def _take(self, size: int) -> bytes:
        part = self._data[self._at : self._at + size]
        if len(part) < size:
            raise BadCall("the call is too short")
        self._at += size
        return part

    def uint(self) -> int:
        """Return the next unsigned 32-bit number.

        Raises `BadCall` at the end of the data.
        """
        return int(struct.unpack("!I", self._take(4))[0])

    def opaque(self, longest: int) -> bytes:
        """Return the next bytes of variable length.

        Raises `BadCall` where they are longer than allowed or than the data.
        """
        size = self.uint()
        if size > longest:
            raise BadCall("a value is too long")
        found = self._take(size)
        self._take(-size % 4)
        return found


def read_record(connection: socket.socket, longest: int) -> bytes:
    """Return the next record.

    Raises `BadCall` for one that is too long, `OSError` where the connection ended.
    """
    record = bytearray()
    while True:
        (head,) = struct.unpack("!I", _exactly(connection, 4))
        size = head & 0x7FFFFFFF
        if len(record) + size > longest:
            raise BadCall("the record is too long")
        record += _exactly(connection, size)
        if head & 0x80000000:
            return bytes(record)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = connection.recv(min(size - len(data), 65536))
        if not part:
            raise ConnectionResetError("the client has gone")
        data += part
    return bytes(data)


def write_record(connection: socket.socket, data: bytes) -> None:
    """Send a record."""
    connection.sendall(struct.pack("!I", 0x80000000 | len(data)) + data)
