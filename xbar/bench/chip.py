"""The chip: the life of one set of arrays between benches, a physical one's or a simulated one's.

It holds the geometry, who the arrays are, per-cell pulses, flags and last readings, and for simulated arrays their
whole state. Its file is written new, made safe, and renamed. Pulses of real cells are in its journal before they leave
the host: a process that is killed loses none of them.
"""

import json
import math
import os
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar import hdf5
from xbar.bench.capabilities import Identity
from xbar.bench.cell_life import CellFlag, CellLife
from xbar.bench.chip_file import chip_content, journal_entries, journal_path, read_chip
from xbar.bench.driver import Driver, DriverState
from xbar.bench.lock import ResourceLock
from xbar.errors import FileError, InputError


@dataclass
class Chip:
    """One set of arrays and what it went through. Made by `open_chip`, kept by `Bench`."""

    path: Path
    uuid: str
    arrays: int = 0
    rows: int = 0
    """Word lines of one array."""
    cols: int = 0
    """Bit lines of one array."""
    model: str = ""
    """Who the arrays are, as their driver says; empty before the first bench."""
    life: dict[int, CellLife] = field(default_factory=dict)
    """By array; one that nothing happened to is not there."""
    state: DriverState | None = None
    """State of simulated arrays."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What programs keep with a chip (JSON values), such as which map was programmed."""
    after: float = 0.0
    """Time that passes for simulated arrays before the next bench [s]."""
    lock: ResourceLock | None = None
    """What keeps other processes away, None where the chip is only looked at."""
    _journal: Any = None

    # ---- on a bench

    def attach(self, driver: Driver, identity: Identity) -> None:
        """Take the chip into use on an open driver: check that it is its, and bring simulated arrays to their state.

        Raises `InputError` for a driver of another geometry or other cells, and for time that is to pass on a chip
        that has its own clock; what `Driver.restore` raises.
        """
        has = driver.capabilities
        if not self.model:
            self.arrays, self.rows, self.cols, self.model = has.arrays, has.rows, has.cols, identity.model
        elif (self.arrays, self.rows, self.cols, self.model) != (has.arrays, has.rows, has.cols, identity.model):
            raise InputError(
                f"chip {self.path} is {self.arrays} arrays of {self.rows} x {self.cols} cells of {self.model!r}; the "
                f"bench has {has.arrays} of {has.rows} x {has.cols} of {identity.model!r}. Use it on its own bench, or "
                "begin another chip file"
            )
        if self.state is not None:
            driver.restore(self.state, self.after)
        elif self.after:
            raise InputError(
                f"chip {self.path}: time of {self.after} s cannot be let pass for it; leave --after out: its clock is "
                "that of the world, or it is new"
            )
        if has.hardware:
            if not self.path.exists():
                self.save()  # a journal alone would say nothing of whose pulses they are
            self._journal = open(journal_path(self.path), "ab", buffering=0)  # noqa: SIM115  # open as long as the chip

    def cells(self, array: int) -> CellLife:
        """Return the life of the cells of one array."""
        if array not in self.life:
            self.life[array] = CellLife.new(self.rows, self.cols)
        return self.life[array]

    def count_pulses(self, array: int, places: NDArray[np.int64], count: int) -> None:
        """Count `count` pulses for each cell of `(n, 2)`; those of real cells are in the journal when it returns."""
        np.add.at(self.cells(array).pulses, (places[:, 0], places[:, 1]), count)
        if self._journal is not None and len(places):
            self._journal.write(journal_entries(array, places, count))
            os.fsync(self._journal.fileno())

    def saw(self, array: int, places: NDArray[np.int64]) -> None:
        """Note that the cells `(n, 2)` were read now."""
        self.cells(array).last_read[places[:, 0], places[:, 1]] = time.time()

    def flag(self, array: int, places: NDArray[np.int64], flag: CellFlag, on: bool = True) -> None:
        """Set or clear a flag of the cells `(n, 2)`."""
        flags, where = self.cells(array).flags, (places[:, 0], places[:, 1])
        flags[where] = flags[where] | np.uint32(flag) if on else flags[where] & ~np.uint32(flag)

    def save(self, driver: Driver | None = None) -> None:
        """Write the file anew, with the state of the driver's arrays where it has one; the journal is done with."""
        if driver is not None:
            self.state = driver.state()
        content = {
            "arrays": self.arrays,
            "rows": self.rows,
            "cols": self.cols,
            "model": self.model,
            "uuid": self.uuid,
            "saved": time.time(),
            "notes": self.notes,
            "state": None if self.state is None else dict(self.state.values),
        }
        with hdf5.atomic_file(self.path) as partial:
            partial.write_bytes(chip_content(json.dumps(content, allow_nan=False), self.life, self.state))
        if self._journal is not None:
            self._journal.truncate(0)

    def close(self) -> None:
        """Let other processes have the chip; idempotent."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        if self.lock is not None:
            self.lock.release()
            self.lock = None


def open_chip(path: str | Path, *, after: float = 0.0, new: bool = True, lock: bool = True) -> Chip:
    """Return the chip of a file, or a new one where there is no file and `new` allows it.

    Args:
        path: the chip file (.h5).
        after: time that passes for simulated arrays since they were last used [s], 0 or more.
        new: begin a chip where there is none.
        lock: own the chip until `Chip.close`; False only looks.

    Raises:
        FileError: it cannot be read, another process has it, or there is none.
        FormatError: it is no chip file, of another version, or damaged.
        InputError: a time below 0.

    """
    file = Path(path)
    if not 0 <= after < math.inf:
        raise InputError(f"time {after} s that is to pass must be finite and not below 0")
    if not file.exists() and not new:
        raise FileError(f"chip {file} does not exist; it is begun by the first command that programs it")
    owner = ResourceLock(file.with_name(file.name + ".lock"), f"chip {file}") if lock else None
    if owner is not None:
        owner.acquire()
    try:
        chip = _read(file) if file.exists() else Chip(file, str(uuid.uuid4()))
    except BaseException:
        if owner is not None:
            owner.release()
        raise
    chip.after, chip.lock = after, owner
    return chip


def _read(path: Path) -> Chip:
    found = read_chip(path)
    values = found.values
    size = (int(values["arrays"]), int(values["rows"]), int(values["cols"]))
    return Chip(
        path,
        str(values["uuid"]),
        *size,
        model=str(values["model"]),
        life=found.life,
        state=found.state,
        notes=dict(values["notes"]),
    )
