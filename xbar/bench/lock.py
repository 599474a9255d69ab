"""One process owns a resource: a lock that the system gives back when the process ends, however it ends."""

import os
import sys
from pathlib import Path

from xbar.errors import FileError


class ResourceLock:
    """A lock on a resource, as a lock file beside it or in a folder for such.

    The file stays behind, empty but for the number of its last owner: removing it would let two processes hold two
    different files of one name.

    Args:
        path: the lock file, made where it is not there.
        what: what is locked, for the message.

    """

    def __init__(self, path: Path, what: str) -> None:
        self.path, self.what = path, what
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises `FileError` where another process has it, or the file cannot be made."""
        if self._file is not None:
            return
        try:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise FileError(f"{self.what} cannot be locked: {error}; make its folder writeable") from error
        try:
            _lock(file)
        except OSError:
            owner = os.read(file, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(file)
            raise FileError(
                f"{self.what} is in use by process {owner}; wait until it ends, or stop it (lock file {self.path.name})"
            ) from None
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        self._file = file

    def release(self) -> None:
        """Give the lock back; idempotent."""
        if self._file is not None:
            # Closing the file gives its lock back, on every system.
            os.close(self._file)
            self._file = None


if sys.platform == "win32":
    import msvcrt

    FAR = 2**30
    """Place of the locked byte, beyond all content: what is locked cannot be read by others there."""

    def _lock(file: int) -> None:
        os.lseek(file, FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        os.lseek(file, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
