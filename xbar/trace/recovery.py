"""Recover a trace: copy every committed operation into a new file. The original is opened for reading alone."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xbar.errors import FileError
from xbar.hdf5 import new_path
from xbar.trace.block_writer import BlockWriter, row_checksum
from xbar.trace.header_text import to_json
from xbar.trace.layout import TraceFile, create_file
from xbar.trace.reader import Trace, open_trace
from xbar.trace.schema import END, OPERATION, SLOTS

RECOVERED = "recovered"
"""Status of a trace that was copied from one that did not end."""


@dataclass(frozen=True)
class Recovery:
    """What was copied."""

    operations: int
    """Operations that were committed, all of them copied."""
    complete: bool
    """Whether the original ended and every row of it is right: then the copy says nothing new."""


def recover(source: str | os.PathLike[str], target: str | os.PathLike[str], force: bool = False) -> Recovery:
    """Copy the committed operations of `source` into the new trace `target`, which replays like any other.

    Header, provenance (with "recovered_from"), embedded files and result are kept; the status becomes "recovered"
    unless the original ended. With `force` a file at `target` is renamed.

    Raises:
        FileError: `source` cannot be opened, `target` exists or cannot be written.
        FormatError: `source` is no trace, or of another version.

    """
    with open_trace(source) as trace:
        path = new_path(target, force)
        said = {**trace.provenance, "recovered_from": {"file": Path(source).name, "status": trace.status}}
        try:
            copy = create_file(path, trace.header, said, trace.level, trace.embedded)
        except (OSError, RuntimeError) as error:
            raise FileError(f"trace {path} cannot be made ({error}); choose another folder") from error
        try:
            _copy(trace, copy)
            if trace.result is not None:
                copy.set_result(to_json(trace.result, "result"))
            copy.set_end(trace.status if trace.complete else RECOVERED)
            copy.file.close()
        except BaseException as error:
            copy.file.close()
            path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise FileError(
                    f"trace {path} cannot be written ({error}); free space or choose another disk"
                ) from error
            raise
        return Recovery(len(trace), trace.complete)


def _copy(trace: Trace, copy: TraceFile) -> None:
    """Append every operation of `trace`, data first, and the row of the end."""
    writer = BlockWriter(copy.columns)
    for index in range(len(trace)):
        old, blocks = trace.committed(index)
        row, crcs = np.array([old], OPERATION), {}
        row["crc"] = 0
        for slot in SLOTS:
            row[f"{slot}_start"] = row[f"{slot}_count"] = 0
            if slot in blocks and len(blocks[slot][0]):
                row[f"{slot}_start"], row[f"{slot}_count"], crcs[slot] = writer.write(slot, blocks[slot])
        row["crc"] = row_checksum(row, crcs)
        copy.operations.append(row)
    end = np.zeros(1, OPERATION)
    end["kind"] = END
    end["crc"] = row_checksum(end, {})
    copy.operations.append(end)
    for column in copy.columns.values():
        column.flush()
    copy.operations.flush()
    copy.file.flush()
