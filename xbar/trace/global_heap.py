"""Global heaps of an HDF5 file, looked at before HDF5 does: a damaged one makes it loop for ever.

Texts of variable length, as foreign files have them in their attributes, lie in global heaps. HDF5 2.0 (and before)
walks a heap from object to object and does not end where a free object says that it takes no bytes (measured: damaged
files, one byte changed, hang in `H5Aread`). Source of the form: HDF5 File Format Specification 3.0, sections II.A and
III.E.
"""

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np

from xbar.errors import FileError, FormatError

HEAP = b"GCOL\x01\x00\x00\x00"
"""How a collection of a global heap begins: signature, version 1, three bytes of 0."""
SIGNATURE = b"\x89HDF\r\n\x1a\n"
LENGTH = 8
"""Bytes of a length in files that are read."""
HEAD = 16
"""Bytes before the first object of a collection, and before the data of each object."""
WINDOW = 1 << 22
"""Bytes that are looked through at once. The file is read, not mapped: on a full disk a mapped gap is a bus error."""


def check_global_heaps(path: str | os.PathLike[str], most: int | None = None) -> None:
    """Raise `FormatError` where a global heap of a file cannot be walked to its end.

    The whole file is looked at, or its first `most` bytes: a heap that begins there. A heap that ends beyond a file
    that was cut off is left to HDF5, which finds that out. Raises `FileError` where the file cannot be read.
    """
    try:
        with Path(path).open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if most is None:
                _check_lengths(path, file, size)
            for start in _heaps(file, size) if most is None else _aligned_heaps(file, min(most, size)):
                if not _is_walkable(file, start, size):
                    raise FormatError(f"{path}: the heap of texts at byte {start} is damaged; take another copy of it")
    except OSError as error:
        raise FileError(f"{path} cannot be read ({error.strerror or error}); check its permissions") from None


def _read(file: BinaryIO, start: int, count: int) -> bytes:
    file.seek(start)
    return file.read(count)


def _aligned_heaps(file: BinaryIO, stop: int) -> list[int]:
    """Return where heaps begin before byte `stop` at multiples of 8 bytes, as HDF5 places them: ten times faster."""
    found: list[int] = []
    window, wanted = np.empty(WINDOW // 8, "<u8"), np.frombuffer(HEAP, "<u8")[0]
    file.seek(0)
    for first in range(0, stop, WINDOW):
        got = file.readinto(window.data.cast("B"))  # type: ignore[attr-defined]  # files opened unbuffered have it
        places = np.flatnonzero(window[: got // 8] == wanted)
        found += [first + 8 * int(place) for place in places if first + 8 * int(place) < stop]
    return found


def _heaps(file: BinaryIO, stop: int) -> list[int]:
    """Return where heaps begin before byte `stop`."""
    found, first = [], 0
    while first < stop:
        # Windows overlap by less than what is looked for, so that none is seen twice.
        window = _read(file, first, min(WINDOW, stop - first) + len(HEAP) - 1)
        place = window.find(HEAP)
        while place >= 0:
            found.append(first + place)
            place = window.find(HEAP, place + len(HEAP))
        first += WINDOW
    return found


def _check_lengths(path: str | os.PathLike[str], file: BinaryIO, size: int) -> None:
    """Raise `FormatError` for a file whose lengths do not take 8 bytes: no program at hand writes such."""
    place = 0
    # A superblock begins at 0, 512, 1024 and so on, always twice as far.
    while place < size and _read(file, place, len(SIGNATURE)) != SIGNATURE:
        place = 512 if place == 0 else 2 * place
    head = _read(file, place, HEAD)
    version = head[8] if len(head) > 8 else 0
    where = 14 if version < 2 else 10
    if len(head) < HEAD or not head.startswith(SIGNATURE) or head[where] != LENGTH:
        raise FormatError(f"{path} counts in lengths of other than {LENGTH} bytes; write it again with HDF5's defaults")


def _is_walkable(file: BinaryIO, start: int, length: int) -> bool:
    """Return whether each object of a collection leads to a later place, up to its end."""
    end = start + int.from_bytes(_read(file, start + 8, 8), "little")
    place = start + HEAD
    if not place <= end <= length:
        return False
    while place + HEAD <= end:
        head = _read(file, place, HEAD)
        number, size = int.from_bytes(head[:2], "little"), int.from_bytes(head[8:], "little")
        step = HEAD + -(-size // 8) * 8 if number else size
        if step < HEAD or place + step > end:
            return False
        place += step
    return True
