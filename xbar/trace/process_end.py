"""End a process in order in which HDF5 has a file that it cannot close.

HDF5 tries again to write such a file when it is unloaded, after Python has ended, and crashes the process there
(segmentation fault; measured with HDF5 2.0 under a limit of the file's size). That would replace the exit code and
hide the error that was raised. The file is as a killed process leaves it: every acknowledged operation is readable.
"""

import atexit
import ctypes
import os
import sys
from collections.abc import Callable
from functools import cache

from xbar.errors import ExitCode


def skip_hdf5_teardown(kept: object) -> None:
    """Let this process end without the teardown of HDF5; to be called when a file could not be finished.

    `kept` holds h5py's objects of the file; they are never freed, because each would try to write again.

    Everything else stays: the process goes on, Python's exit handlers run and its streams are flushed. With the C
    library of GNU/Linux the exit code stays too: `_exit` is registered there to follow Python's own end and to precede
    HDF5's, with the code that the program ends with. Elsewhere Python's `atexit` ends the process with
    `ExitCode.TRACE`; exit handlers that were registered before this module was imported do not run then.

    Handlers that other libraries registered with C's `atexit` earlier do not run either.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))
    _skip()


@cache
def _skip() -> None:
    if not _end_after_python():
        _ENDINGS.append(_end_now)


_ENDINGS: list[Callable[[], None]] = []
"""What Python's exit handler does: nothing, or end the process."""


@atexit.register
def _end_if_asked() -> None:
    for end in _ENDINGS:
        end()


def _end_after_python() -> bool:
    """Register `_exit` with the C library; return whether it has a handler that is given the exit code."""
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "on_exit"):  # musl
        return False
    library.on_exit.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    return bool(library.on_exit(ctypes.cast(library["_exit"], ctypes.c_void_p), None) == 0)


def _end_now() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(int(ExitCode.TRACE))
