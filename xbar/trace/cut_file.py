"""A trace whose end the disk did not take: read as if zeros stood there, which no checksum believes."""

import io
import os
import struct
from pathlib import Path
from typing import Any, BinaryIO

import h5py

from xbar.hdf5 import SIGNATURE

LONGEST = 2**30
"""Most bytes that are believed to be missing: chunks that had a place but were not written."""
_SUPERBLOCK = struct.Struct("<8sBBBBQQQ")
"""Signature, version, sizes of offsets and lengths, flags, base, extension, end of file (version 3)."""


class PaddedFile(io.RawIOBase):
    """A file opened for reading that answers zeros beyond its end, up to a length."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        super().__init__()
        self._file, self._length, self._position = file, length, 0

    def __repr__(self) -> str:
        """Return the path of the file: h5py takes it as the name, which messages then give."""
        return os.fspath(self._file.name)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place and return it."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        """Return the place."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer from the place on and return how many bytes that were."""
        view = memoryview(buffer).cast("B")
        count = max(0, min(len(view), self._length - self._position))
        self._file.seek(self._position)
        data = self._file.read(count)
        view[: len(data)] = data
        view[len(data) : count] = bytes(count - len(data))
        self._position += count
        return count

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def open_cut_file(path: Path) -> Any:
    """Return the `h5py.File` of a trace that was closed on a full disk and lacks its end; None for any other file.

    HDF5 refuses such a file, or opens it as one that is being written and then waits for ever for blocks that do not
    come. Here a missing block is an error at once.
    """
    try:
        file = path.open("rb")
        head = file.read(_SUPERBLOCK.size)
        size = path.stat().st_size
    except OSError:
        return None
    if len(head) == _SUPERBLOCK.size:
        signature, version, _, _, flags, _, _, end = _SUPERBLOCK.unpack(head)
        if signature == SIGNATURE and version == 3 and flags == 0 and size < end <= size + LONGEST:
            padded = PaddedFile(file, end)
            try:
                return h5py.File(padded, "r")
            except (OSError, RuntimeError):
                padded.close()
                return None
    file.close()
    return None
