"""Pack a trace: the same operations in a new, compressed file. The original is opened for reading alone."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xbar.hdf5 import register_filters
from xbar.trace.copying import check_paths, copy_trace
from xbar.trace.layout import Filters
from xbar.trace.reader import Trace
from xbar.trace.schema import VIEWS
from xbar.trace.verification import open_checked

BULK_BYTES = 2**20
"""From how many bytes on a column is packed by zstd, which plain HDF5 programs can read with a plug-in only."""
LINKED_BULK_BYTES = 2**24
"""The same for a column that viewers show."""
GZIP_LEVEL = 4
ZSTD_LEVEL = 3

_LINKED = {path for _, _, paths in VIEWS.values() for path in paths}


@dataclass(frozen=True)
class Packing:
    """What was packed."""

    operations: int
    """Operations that were committed, all of them packed."""
    complete: bool
    """Whether the original ended and every row of it is right."""
    source_bytes: int
    """Size of the original."""
    target_bytes: int
    """Size of the packed file."""

    @property
    def ratio(self) -> float:
        """Get how many times smaller the packed file is."""
        return self.source_bytes / self.target_bytes


def pack(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    force: bool = False,
    timeout: float | None = None,
) -> Packing:
    """Copy the committed operations of `source` into the new, compressed trace `target`, which reads bit for bit alike.

    Bulk columns are packed by byte shuffle and zstd (package hdf5plugin). The operations, readings of cells and what
    viewers show, up to 16 MB a column, by shuffle and gzip, which every HDF5 program reads. The rest is as for
    `recovery.recover`, errors and arguments included; the provenance gets the entry "packed_from".
    """
    path = check_paths(source, target, force)
    with open_checked(source, timeout)[0] as trace:
        copied = copy_trace(trace, path, "packed_from", force=force, filters=packing(trace))
        return Packing(copied, trace.complete, Path(source).stat().st_size, path.stat().st_size)


def packing(trace: Trace) -> Filters:
    """Return the filters for a packed copy of a trace: by what a column is and how many bytes it has."""
    sizes = trace.sizes

    def filters(path: str) -> Mapping[str, Any]:
        largest = LINKED_BULK_BYTES if path in _LINKED else BULK_BYTES
        if path.startswith("data/") and sizes[path][1] > largest:
            return _zstd()
        return {"shuffle": True, "compression": "gzip", "compression_opts": GZIP_LEVEL}

    return filters


def _zstd() -> Mapping[str, Any]:
    register_filters()
    import hdf5plugin

    return {"shuffle": True, **hdf5plugin.Zstd(clevel=ZSTD_LEVEL)}
