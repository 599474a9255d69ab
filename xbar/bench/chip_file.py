"""The chip file: an HDF5 file with the life of the cells and the state of simulated arrays, and a journal of pulses."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xbar import hdf5
from xbar.bench.cell_life import CellLife
from xbar.bench.driver import DriverState
from xbar.errors import FormatError

SCHEMA: Final = "xbar-chip/1"
JOURNAL: Final = np.dtype([("array", "<i4"), ("row", "<i4"), ("col", "<i4"), ("count", "<i8")])
"""One entry of the journal: pulses that are about to be given to a cell."""
LIFE: Final[Mapping[str, Any]] = {"pulses": np.int64, "flags": np.uint32, "last_read": np.float64}
CELLS_MAX: Final = 2**28
"""Most cells of one array that are believed."""


@dataclass(frozen=True, eq=False)
class ChipContent:
    """What a chip file says."""

    values: Mapping[str, Any]
    """arrays, rows, cols, model, uuid, notes."""
    life: dict[int, CellLife]
    state: DriverState | None


def chip_content(text: str, life: Mapping[int, CellLife], state: DriverState | None) -> bytes:
    """Return the bytes of a chip file. HDF5 writes to memory: where a disk refuses, closing its file crashes Python."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=("v110", "v110")) as file:
        file.attrs["xbar_schema"] = SCHEMA
        hdf5.write_text(file, "chip", text)
        for array, cells in life.items():
            for name, units, what in (
                ("pulses", "", "pulses that were given"),
                ("flags", "", "1 formed, 2 given up, 4 stuck"),
                ("last_read", "s", "last reading, since 1970-01-01T00:00:00Z"),
            ):
                data = file.create_dataset(f"life/{array}/{name}", data=getattr(cells, name), compression="gzip")
                hdf5.describe(data, units, what)
        for name, values in ({} if state is None else state.arrays).items():
            file.create_dataset(f"state/{name}", data=values, compression="gzip")
    return buffer.getvalue()


def read_chip(path: Path) -> ChipContent:
    """Read a chip file, with the pulses that its journal has over it: their process was killed.

    Raises `FileError` where it cannot be read, `FormatError` for another schema or damage.
    """
    file, _ = hdf5.open_file(path)
    with file:
        schema = hdf5.read_attribute(file, "xbar_schema")
        if schema != SCHEMA:
            raise FormatError(f"{path} is of schema {schema!r}, not a chip file of this version ({SCHEMA!r})")
        try:
            values = json.loads(hdf5.read_text(file, "chip"))
            shape = (int(values["rows"]), int(values["cols"]))
            if not (min(shape) >= 0 and shape[0] * shape[1] <= CELLS_MAX and int(values["arrays"]) >= 0):
                raise ValueError(f"arrays of {shape} cells")
            dict(values["notes"]), str(values["uuid"]), str(values["model"])
            life = {int(array): _life(file, array, shape) for array in _members(file, "life")}
            state = None
            if values["state"] is not None:
                state = DriverState(dict(values["state"]), _state_arrays(file))
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(f"chip file {path} is damaged ({error}); take its last backup") from error
    _count_journal(journal_path(path), life, int(values["arrays"]), shape)
    return ChipContent(values, life, state)


def _life(file: Any, array: str, shape: tuple[int, int]) -> CellLife:
    parts = []
    for name, kind in LIFE.items():
        values = hdf5.read_array(file, f"life/{array}/{name}", kinds="iuf", ndim=2, max_items=CELLS_MAX)
        if values.shape != shape:
            raise ValueError(f"{name} of array {array} is {values.shape}, not {shape}")
        parts.append(values.astype(kind))
    return CellLife(*parts)


def _members(file: Any, name: str) -> list[str]:
    return [] if name not in file else sorted(hdf5.find(file, name).keys())


def _state_arrays(file: Any) -> dict[str, NDArray[Any]]:
    return {
        f"{array}/{name}": hdf5.read_array(file, f"state/{array}/{name}", kinds="iuf", ndim=2, max_items=CELLS_MAX)
        for array in _members(file, "state")
        for name in _members(file, f"state/{array}")
    }


def journal_path(path: Path) -> Path:
    """Return the journal of a chip file."""
    return path.with_name(path.name + ".pulses")


def journal_entries(array: int, places: NDArray[np.int64], count: int) -> bytes:
    """Return what the journal says of `count` pulses for each of the cells `(n, 2)`."""
    entries = np.zeros(len(places), JOURNAL)
    entries["array"], entries["row"], entries["col"], entries["count"] = array, places[:, 0], places[:, 1], count
    return entries.tobytes()


def _count_journal(path: Path, life: dict[int, CellLife], arrays: int, shape: tuple[int, int]) -> None:
    if not path.exists():
        return
    content = path.read_bytes()
    # The last entry may be cut: its pulses did not leave.
    entries = np.frombuffer(content[: len(content) // JOURNAL.itemsize * JOURNAL.itemsize], JOURNAL)
    for entry in entries:
        array, row, col, count = (int(entry[name]) for name in ("array", "row", "col", "count"))
        if 0 <= array < arrays and 0 <= row < shape[0] and 0 <= col < shape[1] and count > 0:
            life.setdefault(array, CellLife.new(*shape)).pulses[row, col] += count
