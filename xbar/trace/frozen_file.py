"""A trace that was not closed, read as if it had been: a block that is not right is an error then, not a wait.

HDF5 reads a file that is marked as open in single-writer-multiple-reader mode, where it waits for blocks to become
right. The mark and its checksum are replaced while the file is read; the file itself is left as it is.
"""

import struct
from pathlib import Path
from typing import Any, BinaryIO

import h5py

from xbar.hdf5 import SIGNATURE
from xbar.trace.cut_file import PaddedFile

_SUPERBLOCK = struct.Struct("<8sBBBBQQQQ")
"""Superblock of version 3 before its checksum: signature, version, sizes of offsets and lengths, flags, base address,
extension, end of the file, root group. Source: HDF5 File Format Specification 3.0, section II.A."""
_WORD = 0xFFFFFFFF


class FrozenFile(PaddedFile):
    """A file opened for reading whose first bytes are replaced by others."""

    def __init__(self, file: BinaryIO, length: int, head: bytes) -> None:
        super().__init__(file, length)
        self._head = head

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer from the place on and return how many bytes that were."""
        place = self.tell()
        count = super().readinto(buffer)
        part = self._head[place : place + count]
        memoryview(buffer).cast("B")[: len(part)] = part
        return count


def open_frozen(path: Path) -> Any:
    """Return the `h5py.File` of a trace that is marked as open, so that it never waits; None for any other file.

    Of a file that is still being written it may show less than there is, or be refused (`OSError`).
    """
    try:
        file = path.open("rb")
        head, size = file.read(_SUPERBLOCK.size), path.stat().st_size
    except OSError:
        return None
    if len(head) == _SUPERBLOCK.size:
        signature, version, offsets, lengths, flags, base, extension, _, root = _SUPERBLOCK.unpack(head)
        if signature == SIGNATURE and version == 3 and flags:
            plain = _SUPERBLOCK.pack(signature, version, offsets, lengths, 0, base, extension, size, root)
            frozen = FrozenFile(file, size, plain + checksum(plain).to_bytes(4, "little"))
            try:
                return h5py.File(frozen, "r")
            except (OSError, RuntimeError):
                frozen.close()
                return None
    file.close()
    return None


def checksum(data: bytes) -> int:
    """Return the checksum that HDF5 puts behind its own blocks.

    Source: lookup3.c, hashlittle, Bob Jenkins, May 2006, public domain; its initial value is 0.
    """
    a = b = c = (0xDEADBEEF + len(data)) & _WORD
    words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
    while len(words) > 3:
        a, b, c = _mix((a + words[0]) & _WORD, (b + words[1]) & _WORD, (c + words[2]) & _WORD)
        words = words[3:]
    if not words:
        return c
    words += [0] * (3 - len(words))
    return _finish((a + words[0]) & _WORD, (b + words[1]) & _WORD, (c + words[2]) & _WORD)


def _turn(x: int, bits: int) -> int:
    return ((x << bits) | (x >> (32 - bits))) & _WORD


def _mix(a: int, b: int, c: int) -> tuple[int, int, int]:
    for first, second in ((4, 6), (16, 19)):
        a = ((a - c) & _WORD) ^ _turn(c, first)
        c = (c + b) & _WORD
        b = ((b - a) & _WORD) ^ _turn(a, second)
        a = (a + c) & _WORD
        c = ((c - b) & _WORD) ^ _turn(b, 8 if first == 4 else 4)
        b = (b + a) & _WORD
    return a, b, c


def _finish(a: int, b: int, c: int) -> int:
    c = ((c ^ b) - _turn(b, 14)) & _WORD
    a = ((a ^ c) - _turn(c, 11)) & _WORD
    b = ((b ^ a) - _turn(a, 25)) & _WORD
    c = ((c ^ b) - _turn(b, 16)) & _WORD
    a = ((a ^ c) - _turn(c, 4)) & _WORD
    b = ((b ^ a) - _turn(a, 14)) & _WORD
    return ((c ^ b) - _turn(b, 24)) & _WORD
