"""A new trace with the committed operations of another, compared with them after it was written."""

import os
import uuid
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.errors import FileError, FormatError, InputError
from xbar.hdf5 import atomic_file, check_new_path, find, new_path
from xbar.trace.block_writer import BlockWriter
from xbar.trace.checksums import sign
from xbar.trace.header_text import to_json
from xbar.trace.layout import Filters, TraceFile, create_file
from xbar.trace.process_end import skip_hdf5_teardown
from xbar.trace.reader import Trace, open_trace
from xbar.trace.schema import END, OPERATION, SLOTS

RECOVERED = "recovered"
"""Status of a trace that was copied from one that did not end."""

ROWS = 4096
"""Rows that are compared together."""
SAME_FIELDS = [name for name in OPERATION.names or () if not name.endswith("_start") and name not in ("crc", "crcs")]
"""Fields of a row that are the same in a copy; where the data stand may differ."""


def check_paths(source: str | os.PathLike[str], target: str | os.PathLike[str], force: bool) -> Path:
    """Return the path of a copy; raises `InputError` where it is the original under any name, `FileError` if taken."""
    try:
        same = os.path.samefile(source, target)
    except OSError:
        same = False
    if same:
        raise InputError(f"{target} is {source} itself; the original is never written to: name another file")
    return check_new_path(target, force)


def copy_trace(trace: Trace, target: Path, origin: str, *, force: bool, filters: Filters | None) -> int:
    """Write the committed operations of `trace` into a new trace and compare; return their number.

    Header, level, embedded files and result are kept, and the provenance but for a new uuid and the entry `origin`,
    which says where the copy comes from. The status becomes "recovered" unless the original ended. Nothing stands at
    `target` before everything was compared. With `filters` the columns are compressed.

    Raises `FileError` where the target cannot be written, or does not give back what was written.
    """
    found, whole = len(trace), trace.complete
    said = dict(trace.provenance) | {
        "uuid": str(uuid.uuid4()),
        origin: {
            "file": trace.path.name,
            "path": str(trace.path),
            "uuid": trace.uuid,
            "status": trace.status,
            "operations": found,
        },
    }
    with atomic_file(target) as partial:
        partial.unlink(missing_ok=True)  # left by a copy that was killed
        with _written(partial, trace, said, filters) as copy:
            _check_codes(trace, copy)
            _copy(trace, copy, found)
            if trace.result is not None:
                copy.set_result(to_json(trace.result, "result"))
            copy.set_end(trace.status if whole else RECOVERED)
            if whole:
                copy.file["run/end_time"][()] = find(trace.file, "run/end_time")[()]
        _compare(trace, partial, found)
        new_path(target, force)
    return found


@contextmanager
def _written(path: Path, trace: Trace, provenance: dict[str, Any], filters: Filters | None) -> Iterator[TraceFile]:
    """Give a new trace file and close it; h5py's errors become `FileError`."""
    try:
        copy = create_file(path, trace.header, provenance, trace.level, trace.embedded, filters)
        try:
            yield copy
        finally:
            _close(copy)
    except (OSError, RuntimeError) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(
            f"trace {path.with_suffix('')} cannot be written ({error}); free space or choose another disk"
        ) from error


def _close(copy: TraceFile) -> None:
    """Close a new file; where that fails, HDF5 would crash this process at its end, which is then ended otherwise."""
    try:
        copy.file.close()
    except (OSError, RuntimeError):
        skip_hdf5_teardown(copy)
        raise


def _check_codes(trace: Trace, copy: TraceFile) -> None:
    """Raise `FormatError` where codes are not of the type that the converters of the header give."""
    has = trace.header.capabilities
    for path, bits in (("data/codes", has.adc_bits), ("data/input_codes", has.dac_bits)):
        stored, expected = find(trace.file, f"run/{path}").dtype, copy.columns[path].dtype
        if stored != expected:
            raise FormatError(
                f"{trace.path}: {path} is {stored}, but converters of {bits} bits give {expected}; the file is damaged"
            )


def _copy(trace: Trace, copy: TraceFile, count: int) -> None:
    """Append operations of `trace`, data first, and the row of the end."""
    writer = BlockWriter(copy.columns)
    for index in range(count):
        old, blocks = trace.committed(index)
        row, crcs = np.array([old], OPERATION), {}
        for slot in SLOTS:
            row[f"{slot}_start"] = row[f"{slot}_count"] = 0
            if slot in blocks and len(blocks[slot][0]):
                row[f"{slot}_start"], row[f"{slot}_count"], crcs[slot] = writer.write(slot, blocks[slot])
        sign(row, crcs)
        copy.operations.append(row)
    end = np.zeros(1, OPERATION)
    end["kind"] = END
    sign(end, {})
    copy.operations.append(end)
    for column in copy.columns.values():
        column.flush()
    copy.operations.flush()
    copy.file.flush()


def _compare(trace: Trace, path: Path, count: int) -> None:
    """Raise `FileError` unless the trace at `path` holds the first `count` operations of `trace`, and no others."""
    with open_trace(path) as copy:
        for index in range(count):
            if index % ROWS == 0:
                same = equal_rows(trace, copy, index, SAME_FIELDS)
            if index % ROWS >= len(same) or not same[index % ROWS] or not equal_data(trace, copy, index):
                raise FileError(
                    f"the copy of {trace.path} does not give back operation {index} as it was written; check the disk "
                    "and try again, on another one if need be"
                )
        if not copy.complete or copy.has(count):
            raise FileError(f"the copy of {trace.path} does not end where it should; check the disk and try again")


def equal_rows(one: Trace, two: Trace, start: int, names: Sequence[str]) -> NDArray[np.bool_]:
    """Return for at most `ROWS` operations from `start` on whether their rows have the same bits in some fields.

    There are as many as both traces have.
    """
    rows, rows2 = (trace.rows(start, ROWS) for trace in (one, two))
    count = min(len(rows), len(rows2))
    same = np.ones(count, np.bool_)
    for name in names if count else ():
        first, second = (np.ascontiguousarray(r[name][:count]).view(np.uint8).reshape(count, -1) for r in (rows, rows2))
        same &= (first == second).all(axis=1)
    return same


def equal_data(one: Trace, two: Trace, index: int, without: Container[str] = ()) -> bool:
    """Return whether the data of an operation have the same bits in two traces, columns `without` left out.

    NaN equals NaN then, and 0 does not equal -0.
    """
    (_, blocks), (_, blocks2) = one.committed(index), two.committed(index)
    if blocks.keys() != blocks2.keys():
        return False
    return all(
        a.dtype == b.dtype and a.size == b.size and a.tobytes() == b.tobytes()
        for slot in blocks
        for path, a, b in zip(SLOTS[slot], blocks[slot], blocks2[slot], strict=True)
        if path not in without
    )
