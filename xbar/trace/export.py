"""Write a table of a trace as CSV or npz, units in the headers."""

import csv
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from xbar.errors import InputError, UnknownNameError
from xbar.hdf5 import atomic_file, new_path
from xbar.trace.reader import open_trace
from xbar.trace.tables import TABLES, Table, parts, table

FORMATS = (".csv", ".npz")


def export(
    source: str | os.PathLike[str],
    name: str,
    target: str | os.PathLike[str],
    *,
    array: int | None = None,
    force: bool = False,
) -> int:
    """Write table `name` ("operations", "reads" or "vectors") of a trace; return the number of its rows.

    CSV is written operation by operation, so a trace may be larger than memory; its first line names each column with
    its unit, such as "current [A]". An npz holds each column by name, and `units`, one for each name in `columns`.

    Raises:
        UnknownNameError: there is no such table.
        InputError: another suffix.
        FileError, FormatError: the trace cannot be read, `target` exists without `force` or cannot be written.

    """
    if name not in TABLES:
        raise UnknownNameError(f"table {name!r} is not known; known are {', '.join(TABLES)}")
    suffix = Path(target).suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"export {target}: suffix {suffix!r} is not known; end the name in {' or '.join(FORMATS)}")
    with open_trace(source) as trace:
        if suffix == ".csv":
            found = parts(trace, name, array)
            with atomic_file(new_path(target, force)) as partial:
                return _write_csv(partial, TABLES[name], found)
        whole = table(trace, name, array)
        with atomic_file(new_path(target, force)) as partial, partial.open("wb") as file:
            names = list(whole.columns)
            units = [whole.units[column] for column in names]
            np.savez_compressed(file, allow_pickle=False, columns=names, units=units, **whole.columns)
        return len(whole)


def _write_csv(path: Path, units: dict[str, str], found: Iterable[Table]) -> int:
    rows = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([f"{name} [{unit}]" if unit else name for name, unit in units.items()])
        for part in found:
            writer.writerows(zip(*(column.tolist() for column in part.columns.values()), strict=True))
            rows += len(part)
    return rows
