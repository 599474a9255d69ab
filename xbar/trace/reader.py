"""Open a trace: one that was closed, is being written, was killed or cut off."""

import os
from pathlib import Path
from typing import Any

from xbar import hdf5
from xbar.errors import FileError, FormatError, XbarError
from xbar.trace.cut_file import open_cut_file
from xbar.trace.frozen_file import open_frozen
from xbar.trace.global_heap import check_global_heaps
from xbar.trace.schema import FORMAT, VERSION
from xbar.trace.trace import Trace

__all__ = ["Trace", "open_trace"]

HEAD_BYTES = 8 * 2**20
"""Where texts of variable length are looked for: those of a trace are written before its rows. Behind a large embedded
file some lie further on; to look there would cost more than reading a column does."""


def open_trace(path: str | os.PathLike[str], *, limit: int | None = None, frozen: bool = False) -> Trace:
    """Open a trace for reading, whether it was closed, is being written, its writer was killed or the disk was full.

    With a `limit` the trace ends after so many operations, and nothing behind them is looked at: a torn file may keep
    its reader waiting there for good (see `verification.open_checked`). `frozen` opens such a file so that it cannot.

    Raises `FileError` where it cannot be opened, `FormatError` where it is no trace or one of a newer version.
    """
    path = Path(path)
    cut_off = False
    state: hdf5.State
    try:
        file, state = (open_frozen(path), "open") if frozen else hdf5.open_file(path)
        if file is None:
            raise FileError(f"{path} is damaged and cannot be opened; take another copy of it")
    except FileError:
        file, state, cut_off = open_cut_file(path), "open", True
        if file is None:
            raise
    try:
        check_global_heaps(path, HEAD_BYTES)
        _check_version(path, file)
        return Trace(path, file, state, cut_off, limit)
    except XbarError:
        file.close()
        raise
    except (OSError, RuntimeError, LookupError, ValueError, TypeError) as error:  # what h5py makes of damage
        file.close()
        raise FormatError(f"{path} is damaged and cannot be read ({error}); take another copy of it") from error


def _check_version(path: Path, file: Any) -> None:
    schema = hdf5.read_attribute(file, "xbar_schema")
    if not isinstance(schema, str) or not schema.startswith(FORMAT):
        raise FormatError(f"{path} is an HDF5 file but no trace of xbar; check that it is the right file")
    version = schema.removeprefix(FORMAT)
    if version != str(VERSION):
        raise FormatError(
            f"{path} has the schema {schema}; this xbar reads {FORMAT}{VERSION}: install a matching version"
        )
