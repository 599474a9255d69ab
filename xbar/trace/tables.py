"""The tables that a trace holds for analysis: their columns with type, unit and long name, and rows in memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xbar.errors import UnknownNameError


@dataclass(frozen=True)
class TableColumn:
    """What stands in a column of a table."""

    dtype: str
    """Type of the values; that of texts is as wide as the longest, that of codes as the trace has it."""
    units: str
    """Unit (SI); "" for a pure number."""
    long_name: str
    """What viewers show."""


_OPERATION = TableColumn("<i8", "", "Number of the operation in the trace")
_ARRAY = TableColumn("<i4", "", "Array")
_ROW, _COL = TableColumn("<i4", "", "Word line"), TableColumn("<i4", "", "Bit line")
_ENDED = TableColumn("<f8", "s", "Bench clock at the end of the operation")

OPERATIONS: Final[Mapping[str, TableColumn]] = {
    "operation": _OPERATION,
    "kind": TableColumn("<U7", "", "Kind of the operation"),
    "started": TableColumn("<f8", "s", "Bench clock before"),
    "ended": TableColumn("<f8", "s", "Bench clock after"),
    "wall": TableColumn("<f8", "s", "Time of day since 1970-01-01T00:00:00Z"),
    "arrays": TableColumn("<U1", "", "Arrays of the operation, blanks between"),
    "failed": TableColumn("|b1", "", "Whether it ended in an error"),
}
"""One row for each operation."""

READS: Final[Mapping[str, TableColumn]] = {
    "operation": _OPERATION,
    "time": TableColumn("<f8", "s", "Bench clock at the reading"),
    "array": _ARRAY,
    "row": _ROW,
    "col": _COL,
    "applied": TableColumn("<f8", "V", "Applied voltage"),
    "voltage": TableColumn("<f8", "V", "Measured voltage"),
    "current": TableColumn("<f8", "A", "Current"),
    "status": TableColumn("<u4", "", "Status flags"),
    "range": TableColumn("<f8", "A", "Current range"),
}
"""One row for each reading of a single cell, those of sweeps included."""

VECTORS: Final[Mapping[str, TableColumn]] = {
    "operation": _OPERATION,
    "time": _ENDED,
    "array": _ARRAY,
    "vector": TableColumn("<i8", "", "Number of the input vector in its batch"),
    "event": TableColumn("<u8", "", "Event number of the input vector, 0 where it had none"),
    "col": _COL,
    "code": TableColumn("<f8", "", "Output code"),
    "current": TableColumn("<f8", "A", "Current"),
    "status": TableColumn("<u4", "", "Status flags"),
}
"""One row for each output code of a product: of each array, input vector and bit line."""

TARGETS: Final[Mapping[str, TableColumn]] = {
    "operation": _OPERATION,
    "time": _ENDED,
    "array": _ARRAY,
    "row": _ROW,
    "col": _COL,
    "target": TableColumn("<f8", "S", "Target conductance"),
}
"""One row for each cell that a program operation was to write; cells that it left as they were have none."""

TABLES: Final[Mapping[str, Mapping[str, TableColumn]]] = {
    "operations": OPERATIONS,
    "reads": READS,
    "vectors": VECTORS,
    "targets": TARGETS,
}
"""The tables by name."""


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length by name; a unit for each, "" for a pure number."""

    columns: dict[str, NDArray[np.generic]]
    units: dict[str, str]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.columns.values())))

    def __getitem__(self, name: str) -> NDArray[np.generic]:
        """Return a column; raises `UnknownNameError` that lists the columns."""
        check_column(name, self.columns)
        return self.columns[name]


def check_table(name: str) -> None:
    """Raise `UnknownNameError` that lists the tables unless `name` is one of them."""
    if name not in TABLES:
        raise UnknownNameError(
            f"table {name!r} is not known; known are {', '.join(TABLES)} (pulses and waits are rows of operations)"
        )


def check_column(name: str, columns: Mapping[str, object]) -> None:
    """Raise `UnknownNameError` that lists the columns unless `name` is one of them."""
    if name not in columns:
        raise UnknownNameError(f"column {name!r} is not in this table; it has {', '.join(columns)}")


def header(name: str, units: str) -> str:
    """Return the head of a column in a file, such as "current [A]"."""
    return f"{name} [{units}]" if units else name
