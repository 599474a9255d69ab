"""Write a table of a trace as CSV, Parquet or npz, units in the headers, in bounded memory."""

import csv
import os
from collections.abc import Callable
from pathlib import Path

from xbar.errors import InputError
from xbar.hdf5 import atomic_file, check_new_path, new_path
from xbar.trace.frames import needed
from xbar.trace.npz_file import write_npz
from xbar.trace.parquet_file import write_parquet
from xbar.trace.reader import open_trace
from xbar.trace.selection import CHUNK, Filters, Selection
from xbar.trace.tables import check_table, header


def export(
    source: str | os.PathLike[str],
    name: str,
    target: str | os.PathLike[str],
    *,
    filters: Filters | None = None,
    force: bool = False,
    chunk: int = CHUNK,
) -> int:
    """Write table `name` ("operations", "reads", "vectors" or "targets") of a trace; return the number of its rows.

    The suffix of `target` tells the form. In CSV (.csv) and Parquet (.parquet) each column is named with its unit,
    such as "current [A]"; Parquet has the unit in the metadata of the field too. An npz (.npz) holds each column by
    name, and `units` and `long_names`, one for each name in `columns`.

    Args:
        source: the trace.
        name: the table.
        target: the file to make; it is whole or absent.
        filters: which rows; None is all.
        force: rename a file that stands at `target` instead of refusing.
        chunk: rows that are in memory at a time (above 0).

    Raises:
        UnknownNameError: there is no such table.
        InputError: another suffix, or a filter that the table has no column for.
        Unsupported: Parquet, and pyarrow is not installed.
        FileError, FormatError: the trace cannot be read, `target` exists without `force` or cannot be written.

    """
    check_table(name)
    suffix = Path(target).suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"export {target}: suffix {suffix!r} is not known; end the name in {' or '.join(FORMATS)}")
    if suffix == ".parquet":
        needed("pyarrow.parquet")
    check_new_path(target, force)
    with open_trace(source) as trace:
        selection = trace.select(name, filters)
        with atomic_file(new_path(target, force)) as partial:
            return FORMATS[suffix](partial, selection, chunk)


def write_csv(path: Path, selection: Selection, chunk: int) -> int:
    """Write a line for each row under one with names and units; numbers keep every bit. Return the number of rows."""
    rows = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([header(name, selection.units[name]) for name in selection.columns])
        for part in selection.chunks(chunk):
            writer.writerows(zip(*(column.tolist() for column in part.columns.values()), strict=True))
            rows += len(part)
    return rows


FORMATS: dict[str, Callable[[Path, Selection, int], int]] = {
    ".csv": write_csv,
    ".parquet": write_parquet,
    ".npz": write_npz,
}
"""The forms by suffix."""
