"""Write columns into an npz one after another, each in parts: a table need not fit into memory."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.trace.selection import Selection

SECONDS_1980 = (1980, 1, 1, 0, 0, 0)
"""Time of every member: the same table gives the same file."""


def write_npz(path: Path, selection: Selection, chunk: int) -> int:
    """Write every column by name, and `columns`, `units` and `long_names` in the same order; return the rows.

    `np.load(path, allow_pickle=False)` reads it. At most `chunk` rows are in memory.
    """
    rows = len(selection)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in selection.columns:
            dtype = selection.dtype(name)
            with _member(archive, name, dtype, rows) as member:
                for part in selection.chunks(chunk, [name]):
                    member.write(np.ascontiguousarray(part[name], dtype).tobytes())
        about: Mapping[str, NDArray[Any]] = {
            "columns": np.array(selection.columns),
            "units": np.array([selection.units[name] for name in selection.columns]),
            "long_names": np.array([selection.long_names[name] for name in selection.columns]),
        }
        for name, values in about.items():
            with _member(archive, name, values.dtype, len(values)) as member:
                member.write(values.tobytes())
    return rows


def _member(archive: zipfile.ZipFile, name: str, dtype: np.dtype[Any], rows: int) -> Any:
    """Open a new `.npy` of so many values and write its head (NumPy Enhancement Proposal 1, version 1.0)."""
    info = zipfile.ZipInfo(f"{name}.npy", SECONDS_1980)
    info.compress_type = zipfile.ZIP_DEFLATED
    member = archive.open(info, "w", force_zip64=True)
    head = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (rows,)}
    np.lib.format.write_array_header_1_0(member, head)
    return member
