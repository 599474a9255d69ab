"""The columns of a table that are mapped, in SI units, and the rows that count."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import numpy as np

from xbar.errors import InputError
from xbar_calibration.column_mapping import MANY, OF_CELLS, Column, Mapping, find, resolved
from xbar_calibration.compliance import plateaus
from xbar_calibration.fit import Bools, Floats, Ints
from xbar_calibration.text_table import TextTable

FEWEST: Final = 5
"""Rows of the shortest table."""
RAMPS: Final = ("up", "down")
"""Quantities of columns that are ramps of their own, not readings in rows."""


@dataclass(frozen=True, eq=False)
class TableColumns:
    """Mapped columns of one table."""

    table: TextTable
    values: dict[str, Floats]
    """By quantity, in SI units; `(n,)` each."""
    rows: Ints
    """Row of the table, from 0, that each of the `n` came from."""
    dropped: int = 0
    """Left out: missing, in compliance."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def __contains__(self, name: str) -> bool:
        """Tell whether a quantity is mapped."""
        return name in self.values

    def __getitem__(self, name: str) -> Floats:
        """Return a quantity."""
        return self.values[name]

    def get(self, name: str, otherwise: float = 0.0) -> Floats:
        """Return a quantity, the same number everywhere where it is not mapped."""
        return self.values.get(name, np.full(len(self.rows), otherwise))

    def line(self, index: int) -> int:
        """Return the number of a row in the file, as an editor shows it."""
        return self.table.row(int(self.rows[index]))

    def where(self, mask: Bools) -> "TableColumns":
        """Return some of the rows; the others count as dropped."""
        values = {name: part[mask] for name, part in self.values.items()}
        return replace(self, values=values, rows=self.rows[mask], dropped=self.dropped + int((~mask).sum()))


def columns_of(table: TextTable, mapping: Mapping) -> TableColumns:
    """Return the mapped columns but for ramps; of several for one quantity each is a cell of its own, or a state.

    Raises `InputError` for columns that are not there, words among their numbers, and two columns of one quantity.
    """
    found: dict[str, list[Floats]] = {}
    for column in mapping.of_file(table.path.name):
        if column.quantity in RAMPS:
            continue
        for place in find(column, table.heads, table.path):
            name, values = _values(table, column, place)
            found.setdefault(name, []).append(values)
    many = [name for name, parts in found.items() if len(parts) > 1]
    rows = np.arange(len(table.values))
    if not many:
        return TableColumns(table, {name: parts[0] for name, parts in found.items()}, rows)
    _check_many(table, {name: len(found[name]) for name in many})
    wide = len(found[many[0]])
    joined = {name: np.concatenate(parts if name in many else parts * wide) for name, parts in found.items()}
    # Where a column tells the device, or its cycles, columns beside each other are its states.
    cycled = ("write" in found or "curve" in found) and "time" not in found and "voltage" not in found
    own = "state" if cycled or any(name in found for name in ("cell", "row", "col")) else "cell"
    joined[own] = np.repeat(np.arange(wide, dtype=np.float64), len(rows))
    return TableColumns(table, joined, np.tile(rows, wide))


def _check_many(table: TextTable, counts: dict[str, int]) -> None:
    """Raise `InputError` where several columns of one quantity cannot be cells, or states, beside each other."""
    own = [name for name in counts if name in OF_CELLS]
    for name, count in counts.items():
        if name not in MANY or not own:
            raise InputError(f"{table.path}: {count} columns for {name}; give one")
        if count != counts[own[0]]:
            raise InputError(
                f"{table.path}: {count} columns for {name} and {counts[own[0]]} for {own[0]}: give one, or as many"
            )


def _values(table: TextTable, column: Column, place: int) -> tuple[str, Floats]:
    """Return the quantity of a column, and its values in SI units."""
    clock = clock_times(table, place) if column.quantity == "time" else None
    if clock is not None:
        return "time", clock
    column = resolved(column, table.heads[place], table.path)
    check_words(table, place)
    values = table.values[:, place] * column.factor + column.offset
    if column.unit == "ohm":
        values = siemens(values)
    if column.quantity == "conductance":
        return {"A": "current", "1": "state_value"}.get(column.unit, "conductance"), values
    return column.quantity, values


def clock_times(table: TextTable, place: int) -> Floats | None:
    """Return the times of a column of dates and times of day, from its first one [s]; None where it has others.

    ISO 8601, "11.03.2026 09:12:44", and times of day alone; a day's end within these is not seen.
    """
    words = {row: text for (row, col), text in table.words.items() if col == place}
    if not words or np.isfinite(table.values[:, place]).any():
        return None
    found = np.full(len(table.values), np.nan)
    for row, text in words.items():
        moment = _moment(text)
        if moment is None:
            return None
        found[row] = moment
    return np.asarray(found - found[min(words)])


def _moment(text: str) -> float | None:
    """Return a date and time of day as a number of seconds, None where it is none."""
    for form in ("%d.%m.%Y %H:%M:%S", "%H:%M:%S", "%H:%M:%S.%f"):
        try:
            found = datetime.strptime(f"{text} +0000", f"{form} %z")
        except ValueError:
            continue
        return found.replace(year=max(found.year, 1970)).timestamp()
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def check_words(table: TextTable, place: int) -> None:
    """Raise `InputError` that names the rows where a mapped column has words."""
    found = sorted(row for row, col in table.words if col == place)
    if found:
        listed = ", ".join(f"row {table.row(row)}: {table.words[row, place]!r}" for row in found[:5])
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise InputError(
            f"{table.path}, column {table.heads[place]!r}, {listed}{more}: no number; correct it, or leave it empty"
        )


def siemens(ohms: Floats) -> Floats:
    """Return conductances; NaN for resistances that are not above zero."""
    return np.asarray(np.where(ohms > 0, 1 / np.where(ohms > 0, ohms, 1.0), np.nan))


def usable(columns: TableColumns, array: int | None) -> TableColumns:
    """Return the rows that have all numbers, are not in compliance, and belong to the array.

    Raises `InputError` where fewer than `FEWEST` are left, all are in compliance, or several arrays are mixed.
    """
    table = columns.table
    present = columns.where(np.all([np.isfinite(part) for part in columns.values.values()], axis=0))
    if not len(present):
        names = ", ".join(name for name, part in columns.values.items() if not np.isfinite(part).any())
        every = f"{names} has no number at all" if names else "no row has a number in all of them"
        raise InputError(f"{table.path}: of the mapped columns {every}; correct the mapping, or leave a column out")
    limited = _limited(present)
    if limited.all():
        raise InputError(
            f"{table.path}: all readings are in compliance, rows {present.line(0)} to {present.line(-1)}; measure with "
            "a larger current limit"
        )
    free = present.where(~limited)
    if len(free) < FEWEST:
        raise InputError(
            f"{table.path}: {len(free)} rows with all columns; at least {FEWEST} are needed"
            + (f" ({int(limited.sum())} are in compliance)" if limited.any() else "")
        )
    return _one_array(free, array)


def _limited(columns: TableColumns) -> Bools:
    """Return the rows in compliance: as a column says, or where the current stands still while the voltage goes on."""
    if "compliance" in columns and "current" in columns:
        limit = np.abs(columns["compliance"])
        flag = bool(np.isin(limit, (0.0, 1.0)).all())
        return np.asarray(limit == 1.0 if flag else np.abs(columns["current"]) >= 0.999 * limit)
    if "current" in columns and "voltage" in columns and "target" not in columns:
        return plateaus(columns["voltage"], columns["current"], np.ones(len(columns), np.bool_))
    return np.zeros(len(columns), np.bool_)


def _one_array(columns: TableColumns, array: int | None) -> TableColumns:
    if "array" not in columns:
        return columns
    numbers, path = columns["array"], columns.table.path
    if array is not None:
        kept: Bools = numbers == array
        if not kept.any():
            raise InputError(f"{path} holds nothing of array {array}; it holds {sorted(set(numbers.astype(int)))}")
        return columns.where(kept)
    present = np.unique(numbers)
    if len(present) > 1:
        change = (1 + np.flatnonzero(np.diff(numbers) != 0))[:5]
        listed = ", ".join(f"row {columns.line(int(k))} (array {numbers[k]:g})" for k in change)
        raise InputError(f"{path} mixes {len(present)} arrays: {listed}; choose one with --array N")
    return columns
