"""Global heaps of an HDF5 file, looked at before HDF5 does: a damaged one makes it loop for ever.

Texts of variable length, as foreign files have them in their attributes, lie in global heaps. HDF5 2.0 (and before)
walks a heap from object to object and does not end where a free object says that it takes no bytes (measured: damaged
files, one byte changed, hang in `H5Aread`). Source of the form: HDF5 File Format Specification 3.0, sections II.A and
III.E.
"""

import mmap
import os
from pathlib import Path

from xbar.errors import FileError, FormatError

HEAP = b"GCOL\x01\x00\x00\x00"
"""How a collection of a global heap begins: signature, version 1, three bytes of 0."""
SIGNATURE = b"\x89HDF\r\n\x1a\n"
LENGTH = 8
"""Bytes of a length in files that are read."""
HEAD = 16
"""Bytes before the first object of a collection, and before the data of each object."""


def check_global_heaps(path: str | os.PathLike[str]) -> None:
    """Raise `FormatError` where a global heap of a file cannot be walked to its end; the whole file is looked at.

    Raises `FileError` where the file cannot be read.
    """
    try:
        with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            _check_lengths(path, data)
            start = data.find(HEAP)
            while start >= 0:
                if not _is_walkable(data, start):
                    raise FormatError(f"{path}: the heap of texts at byte {start} is damaged; take another copy of it")
                start = data.find(HEAP, start + len(HEAP))
    except OSError as error:
        raise FileError(f"{path} cannot be read ({error.strerror or error}); check its permissions") from None


def _check_lengths(path: str | os.PathLike[str], data: mmap.mmap) -> None:
    """Raise `FormatError` for a file whose lengths do not take 8 bytes: no program at hand writes such."""
    place = data.find(SIGNATURE)
    version = data[place + 8] if place >= 0 and len(data) > place + HEAD else 0
    where = place + (14 if version < 2 else 10)
    if place < 0 or len(data) <= where or data[where] != LENGTH:
        raise FormatError(f"{path} counts in lengths of other than {LENGTH} bytes; write it again with HDF5's defaults")


def _is_walkable(data: mmap.mmap, start: int) -> bool:
    """Return whether each object of a collection leads to a later place, up to its end."""
    end = start + int.from_bytes(data[start + 8 : start + HEAD], "little")
    place = start + HEAD
    if not place <= end <= len(data):
        return False
    while place + HEAD <= end:
        number = int.from_bytes(data[place : place + 2], "little")
        size = int.from_bytes(data[place + 8 : place + HEAD], "little")
        step = HEAD + -(-size // 8) * 8 if number else size
        if step < HEAD or place + step > end:
            return False
        place += step
    return True
