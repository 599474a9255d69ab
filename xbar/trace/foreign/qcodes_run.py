"""Runs of QCoDeS, exported as netCDF (`dataset.export("netcdf")`)."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.bench.operation import Operation
from xbar.errors import FormatError
from xbar.trace.foreign import netcdf
from xbar.trace.foreign.attributes import LONG, has, read_number, read_text
from xbar.trace.foreign.operations import read_operation, runs, sweep_operation
from xbar.trace.foreign.qcodes_parameters import Chosen, Roles, choose, find_parameters
from xbar.trace.foreign.source import Missing

MARKS = ("run_description", "guid")
"""Attributes of the root by which an export is known."""
MAX_LINES = 65536
"""Most word lines or bit lines."""
TEXTS = ("ds_name", "exp_name", "sample_name", "guid", "run_timestamp", "completed_timestamp")
NUMBERS = ("run_id", "captured_run_id", "captured_counter", "run_timestamp_raw", "completed_timestamp_raw")
NOT = "not in the file"

Floats = NDArray[np.float64]


class QcodesRun:
    """An open export of a run, with the parameters in their roles.

    Raises `FormatError` where the file is damaged, `InputError` where roles are not clear.
    """

    format = "QCoDeS netCDF export"

    def __init__(self, file: Any, roles: Roles) -> None:
        self._file, self._roles = file, roles
        self._variables = netcdf.variables(file)
        parameters = find_parameters(self._variables)
        self._chosen = choose(parameters, roles)
        current = self._chosen["current"].parameter
        self._over = max((current.dims, *(c.parameter.dims for c in self._chosen.values())), key=self._reach)
        named = {chosen.parameter.name for chosen in self._chosen.values()}
        grid = [dim for dim in self._over if dim in parameters]
        others = dict.fromkeys([*current.depends_on, *grid])
        self._others = [parameters[n] for n in others if n in parameters and n not in named and parameters[n].numeric]
        self._points = self._read_points()
        self.shape = self._find_shape()

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Ids, names and time stamps as they stand in the file, and which parameter is what."""
        texts = {name: read_text(self._file, name) for name in TEXTS if has(self._file, name)}
        numbers = {name: read_number(self._file, name) for name in NUMBERS if has(self._file, name)}
        roles = {role: _describe(chosen) for role, chosen in self._chosen.items()}
        return {**texts, **numbers, "parameters": roles, "set_points": [p.name for p in self._others]}

    @property
    def sample(self) -> str:
        """The sample's name in the experiment of QCoDeS."""
        return read_text(self._file, "sample_name")

    @property
    def embedded(self) -> Mapping[str, bytes]:
        """Snapshot of the instruments and description of the run (JSON), and other set points of each operation."""
        texts = {f"{name}.json": read_text(self._file, name, LONG) for name in ("snapshot", "run_description")}
        found = {name: text.encode() for name, text in texts.items() if text and text != "null"}
        if self._others:
            found["set_points.csv"] = self._set_points().encode()
        return found

    def operations(self, compliance: float) -> Iterator[Operation]:
        """Give a sweep or a read for each stretch of points in which cell and other set points stay the same."""
        del compliance  # there are no pulses
        points = self._points
        for parts in self._grouped():
            first = slice(*parts[0])
            where = [part[0] for part in parts]
            cells = np.stack([points["row"][where], points["col"][where]], axis=1).astype(np.int64)
            if _constant(points["voltage"][first]):
                columns = [_table(points[name], parts) for name in ("current", "measured", "time")]
                yield read_operation(cells, points["voltage"][first][0], *columns)
            else:
                cell = (int(cells[0, 0]), int(cells[0, 1]))
                measured, time = points["measured"][first], points["time"][first]
                yield sweep_operation(
                    cell, points["voltage"][first], points["current"][first], measured=measured, time=time
                )

    def missing(self, compliance: float) -> list[Missing]:
        """Return what was missing."""
        del compliance
        timed = "time" in self._chosen
        found = [
            Missing("time zone of the run", "its time stamps name none", "time stamps as given, in the provenance"),
            *([] if timed else [Missing("time of readings", NOT, "NaN; the bench clock of operations stands at 0 s")]),
            Missing("time of day of operations", "start and end of the run alone", "time of the import"),
            Missing("order of readings", "the export sorts set points that form a grid", "order of the file"),
            Missing("status flags", NOT, "0"),
            Missing("current range, compliance", "at most in the snapshot", "NaN, none"),
            Missing("lines not selected", NOT, "ground"),
            Missing("limits", NOT, "limits are the largest voltage and current of the file"),
        ]
        if self._chosen["voltage"].parameter.depends_on:
            name = self._chosen["voltage"].parameter.name
            found.append(Missing("asked voltage", f"{name} is a measured parameter", "the measured voltage as both"))
        elif "measured" not in self._chosen:
            found.append(Missing("measured voltage", "not named", "NaN"))
        if "row" not in self._chosen:
            cell = self._roles.cell
            told = "cell (0, 0)" if cell is None else f"cell {cell}, as told"
            found.append(Missing("cell", NOT if cell is None else "not named", told))
        for role, chosen in self._chosen.items():
            if chosen.assumed:
                given = chosen.parameter.unit or "none"
                found.append(Missing(f"unit of the {role}", given, f"1 = {chosen.factor:g} SI, as assumed or told"))
        if self._left_out:
            found.append(Missing("readings", f"{self._left_out} of {self._total} points without a number", "left out"))
        if self._others:
            named = ", ".join(f"{p.name} [{p.unit}]" for p in self._others)
            found.append(Missing("place for other set points", named, "embedded file set_points.csv"))
        return found

    # ---- points

    def _read_points(self) -> dict[str, Floats]:
        """Return columns `(n,)` in SI units by role, and other set points by "set:NAME"; points without a number go."""
        points = {role: self._spread(chosen.parameter.name) * chosen.factor for role, chosen in self._chosen.items()}
        count = self._total = len(points["current"])
        cell = self._roles.cell or (0, 0)
        points.setdefault("row", np.full(count, float(cell[0])))
        points.setdefault("col", np.full(count, float(cell[1])))
        points.setdefault("time", np.full(count, np.nan))
        asked = not self._chosen["voltage"].parameter.depends_on
        points.setdefault("measured", np.full(count, np.nan) if asked else points["voltage"])
        points |= {f"set:{p.name}": self._spread(p.name) for p in self._others}
        good = np.isfinite(points["current"]) & np.isfinite(points["voltage"])
        self._left_out = count - int(good.sum())
        return {name: column[good] for name, column in points.items()}

    def _reach(self, dims: tuple[str, ...]) -> tuple[int, bool]:
        """Return how much of the run dimensions cover: the most axes, or one index over several parameters."""
        return len(dims), any(
            has(self._variables[dim][0], netcdf.MULTI_INDEX) for dim in dims if dim in self._variables
        )

    def _spread(self, name: str) -> Floats:
        return netcdf.spread(self._file, name, self._variables[name][1], self._over, self._variables)

    def _find_shape(self) -> tuple[int, int]:
        """Return word lines and bit lines that hold every cell of the run."""
        sizes = []
        for role in ("row", "col"):
            lines = self._points[role]
            if not (np.isfinite(lines) & (lines >= 0) & (lines < MAX_LINES) & (lines == np.floor(lines))).all():
                name = self._chosen[role].parameter.name if role in self._chosen else "--cell"
                raise FormatError(
                    f"{self._file.filename}: {role} {name} goes from {lines.min():g} to {lines.max():g}; lines are "
                    f"whole numbers from 0 to {MAX_LINES - 1}"
                )
            sizes.append(int(lines.max(initial=0)) + 1)
        return sizes[0], sizes[1]

    def _grouped(self) -> list[list[tuple[int, int]]]:
        """Return the stretches of each operation: one, or several cells that are read alike one after another."""
        points = self._points
        fixed = [points[f"set:{p.name}"] for p in self._others]
        groups: list[list[tuple[int, int]]] = []
        for start, end in runs(points["row"], points["col"], *fixed):
            before = groups[-1][0] if groups else (0, 0)
            here, there = slice(start, end), slice(*before)
            alike = (
                before[1] - before[0] == end - start
                and _constant(points["voltage"][here])
                and np.array_equal(points["voltage"][here], points["voltage"][there])
                and all(np.array_equal(column[here], column[there], equal_nan=True) for column in fixed)
            )
            if alike:
                groups[-1].append((start, end))
            else:
                groups.append([(start, end)])
        return groups

    def _set_points(self) -> str:
        """Return the other set points of each operation as CSV, units in the header."""
        lines = [",".join(["operation", *(f"{p.name} [{p.unit}]" for p in self._others)])]
        for number, parts in enumerate(self._grouped()):
            values = [f"{float(self._points[f'set:{p.name}'][parts[0][0]])!r}" for p in self._others]
            lines.append(",".join([str(number), *values]))
        return "\n".join(lines) + "\n"


def is_qcodes(file: Any) -> bool:
    """Return whether an open HDF5 file says that QCoDeS exported it."""
    return all(has(file, mark) for mark in MARKS)


def _constant(values: Floats) -> bool:
    return bool((values == values[0]).all())


def _table(column: Floats, parts: list[tuple[int, int]]) -> Floats:
    """Return equally long stretches of a column as rows."""
    return np.stack([column[start:end] for start, end in parts])


def _describe(chosen: Chosen) -> dict[str, str | float]:
    parameter = chosen.parameter
    return {
        "name": parameter.name,
        "label": parameter.label,
        "unit": parameter.unit,
        "si_of_one_unit": chosen.factor,
    }
