"""Files of arc2control (ArC TWO crossbar instrument), form H5DS 0.2.

Source: `arc2control/h5utils.py` of arc2control 0.2.0. `/crosspoints/WwwBbb/timeseries` holds the history of a cell,
words and bits counted from 0 (the window shows them from 1); only the first NROWS rows of it are data, the rest is room
that was made by doubling. `/crossbar/current` and `voltage` hold the last reading of every cell, indexed by bit, then
word; a read of the whole crossbar stands there alone.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from xbar import hdf5
from xbar.bench.operation import Operation
from xbar.errors import FormatError
from xbar.trace.foreign.arc2control_missing import missing_quantities
from xbar.trace.foreign.arc2control_rows import FIELDS, RowKind, row_kinds, row_operations
from xbar.trace.foreign.attributes import has, read_number, read_text, read_whole
from xbar.trace.foreign.operations import read_operation
from xbar.trace.foreign.source import Missing

VERSION = (0, 2)
"""Version of the form that is read."""
MARK = "H5DS_VERSION_MAJOR"
"""Attribute of the root by which the form is known."""
MAX_LINES = 65536
"""Most word lines or bit lines."""
MAX_CELLS = 2**24
"""Most cells."""
MAX_ROWS = 10**9
"""Most rows of all time series together."""
BLOCK = 2**18
"""Rows that are in memory at once."""
MAX_LISTED = 1000
"""Experiments that the provenance lists at most."""

_CELL = re.compile(r"W(\d{2,5})B(\d{2,5})")


class Arc2ControlFile:
    """An open file of arc2control. Raises `FormatError` where it is not what it says."""

    def __init__(self, file: Any) -> None:
        self._file = file
        version = tuple(read_whole(file, f"H5DS_VERSION_{part}", 0, 10**6) for part in ("MAJOR", "MINOR"))
        if version != VERSION:
            raise FormatError(
                f"{file.filename} is of arc2control's form H5DS {version[0]}.{version[1]}; this xbar reads "
                f"{VERSION[0]}.{VERSION[1]}"
            )
        self.format = f"arc2control H5DS {version[0]}.{version[1]}"
        self.shape = (read_whole(file, "words", 1, MAX_LINES), read_whole(file, "bits", 1, MAX_LINES))
        if self.shape[0] * self.shape[1] > MAX_CELLS:
            raise FormatError(f"{file.filename} claims {self.shape} cells; at most {MAX_CELLS} are read")
        self._series = self._find_series()
        self._experiments = self._find_experiments()
        self._last: dict[tuple[int, int], np.float32] = {}
        self._left_out, self._from_raster = 0, 0

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Title, cells with a history, and the experiments with their time stamps."""
        return {
            "title": read_text(self._file, "TITLE"),
            "cells": len(self._series),
            "rows": sum(self._series.values()),
            "experiments": self._experiments[:MAX_LISTED],
        }

    @property
    def sample(self) -> str:
        """The title of the file."""
        return read_text(self._file, "TITLE")

    @property
    def embedded(self) -> Mapping[str, bytes]:
        """Nothing."""
        return {}

    def operations(self, compliance: float) -> Iterator[Operation]:
        """Give the history of cell after cell, then what the raster alone knows."""
        self._left_out = self._from_raster = 0
        for cell, count in self._series.items():
            dataset = _timeseries(self._file, cell)
            for start in range(0, count, BLOCK):
                rows = _rows(dataset, start, min(BLOCK, count - start))
                self._left_out += int((row_kinds(rows) == RowKind.LEFT_OUT).sum())
                self._last[cell] = rows["current"][-1]
                yield from row_operations(cell, rows, compliance)
        yield from self._raster()

    def missing(self, compliance: float) -> list[Missing]:
        """Return what was missing."""
        return missing_quantities(
            compliance,
            cells=len(self._series),
            left_out=self._left_out,
            from_raster=self._from_raster,
            square=self.shape[0] == self.shape[1],
            experiments=[str(found["name"]).rpartition("/")[2] for found in self._experiments],
        )

    # ---- parts of the file

    def _find_series(self) -> dict[tuple[int, int], int]:
        """Return the rows of each cell's history, words and bits in order."""
        found: dict[tuple[int, int], int] = {}
        for name in _group(self._file, "crosspoints"):
            match = _CELL.fullmatch(name)
            if match is None:
                raise FormatError(f"{self._file.filename}: crosspoints/{name} is no name of a cell, such as W01B02")
            cell = (int(match[1]), int(match[2]))
            if cell[0] >= self.shape[0] or cell[1] >= self.shape[1]:
                raise FormatError(f"{self._file.filename}: cell {name} lies beyond the crossbar of {self.shape} cells")
            found[cell] = _count(_timeseries(self._file, cell))
        if sum(found.values()) > MAX_ROWS:
            raise FormatError(f"{self._file.filename} holds {sum(found.values())} rows; at most {MAX_ROWS} are read")
        return dict(sorted(found.items()))

    def _find_experiments(self) -> list[dict[str, Any]]:
        """Return name and time stamp [ns since 1970] of the modules' own tables."""
        found = []
        places = [f"crosspoints/{_name(cell)}/experiments" for cell in self._series] + ["synthetics"]
        for place in places:
            parent, _, last = place.rpartition("/")
            group = _group(self._file, parent)
            if not group.id.links.exists(last.encode()):  # `in` would follow a link to another file
                continue
            group = _group(group, last)
            for name in group:
                stamp = read_number(hdf5.find(group, name), "TSTAMP")
                found.append({"name": f"{place}/{name}", "time_ns": None if stamp is None else int(stamp)})
        return found

    def _raster(self) -> Iterator[Operation]:
        """Give readings that stand in the raster alone: of cells without a history, or later than it."""
        if self.shape[0] != self.shape[1]:
            return
        size = self.shape[0] * self.shape[1]
        current, voltage = (
            hdf5.read_array(self._file, f"crossbar/{name}", kinds="f", ndim=2, max_items=size)
            for name in ("current", "voltage")
        )
        if current.shape != self.shape or voltage.shape != self.shape:
            raise FormatError(f"{self._file.filename}: the raster is {current.shape}, the crossbar {self.shape}")
        fresh = np.isfinite(voltage) & (voltage != 0) & np.isfinite(current)
        for (word, bit), last in self._last.items():
            fresh[bit, word] &= current[bit, word] != last
        self._from_raster = int(fresh.sum())
        for level in np.unique(voltage[fresh]):
            bits, words = np.nonzero(fresh & (voltage == level))
            cells = np.stack([words, bits], axis=1)
            yield read_operation(cells, level, current[bits, words].astype(np.float64)[:, None])


def is_arc2control(file: Any) -> bool:
    """Return whether an open HDF5 file says that arc2control wrote it."""
    return has(file, MARK)


def _name(cell: tuple[int, int]) -> str:
    return f"W{cell[0]:02d}B{cell[1]:02d}"


def _group(parent: Any, name: str) -> Any:
    """Return a group; raises `FormatError` where a dataset has its name."""
    found = hdf5.find(parent, name)
    if not isinstance(found, h5py.Group):
        raise FormatError(f"{parent.file.filename}: {found.name} is not a group; the file is not what it says")
    return found


def _timeseries(file: Any, cell: tuple[int, int]) -> Any:
    """Return the dataset of a cell's history, its fields checked."""
    place = f"crosspoints/{_name(cell)}/timeseries"
    dataset = hdf5.find_dataset(file, place, kinds="V", ndim=1)
    fields = dataset.dtype.fields or {}
    kinds = [fields[name][0].kind if name in fields else "" for name in FIELDS]
    if len(fields) != len(FIELDS) or kinds[:4] != ["f"] * 4 or kinds[4] not in "iu":
        raise FormatError(
            f"{file.filename}: {place} holds {dataset.dtype}; expected are the fields {', '.join(FIELDS)}"
        )
    return dataset


def _count(dataset: Any) -> int:
    """Return how many rows are data; no more than the file has bytes for."""
    count = read_whole(dataset, "NROWS", 0, int(dataset.shape[0]))
    properties = dataset.id.get_create_plist()
    if not properties.get_nfilters() and count * dataset.dtype.itemsize > dataset.id.get_storage_size():
        raise FormatError(
            f"{dataset.file.filename}: {dataset.name} claims {count} rows, but the file has room for fewer"
        )
    return count


def _rows(dataset: Any, start: int, count: int) -> NDArray[Any]:
    try:
        rows: NDArray[Any] = dataset[start : start + count]
    except (OSError, RuntimeError, TypeError) as error:
        raise FormatError(
            f"{dataset.file.filename}: {dataset.name} cannot be read ({error}); the file is damaged"
        ) from None
    return rows
