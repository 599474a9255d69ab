"""Recover a trace: copy every committed operation into a new file. The original is opened for reading alone."""

import os
from dataclasses import dataclass

from xbar.trace.copying import RECOVERED, check_paths, copy_trace
from xbar.trace.verification import open_checked

__all__ = ["RECOVERED", "Recovery", "recover"]


@dataclass(frozen=True)
class Recovery:
    """What was copied."""

    operations: int
    """Operations that were committed, all of them copied."""
    complete: bool
    """Whether the original ended and every row of it is right: then the copy says nothing new."""


def recover(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    force: bool = False,
    timeout: float | None = None,
) -> Recovery:
    """Copy the committed operations of `source` into the new trace `target`, which replays like any other.

    Works while `source` is being written, after its writer was killed, and where it is damaged: up to the first
    operation that is not right. Header, embedded files, result and provenance are kept, the latter with an entry
    "recovered_from" (file, path, uuid, status, operations) and a uuid of its own; the status becomes "recovered" unless
    the original ended. Each operation of the copy is compared with the original before it gets its name. With `force`
    a file at `target` is renamed. A file that was not closed is first verified in a process of its own, for `timeout`
    seconds at most (None: by its size).

    Raises:
        InputError: `target` is `source`, whatever its name.
        FileError: `source` cannot be opened, `target` exists or cannot be written.
        FormatError: `source` is no trace, of another version, or damaged before its first operation.

    """
    path = check_paths(source, target, force)
    with open_checked(source, timeout)[0] as trace:
        copied = copy_trace(trace, path, "recovered_from", force=force, filters=None)
        return Recovery(copied, trace.complete)
