"""Which column of a table is which quantity in which unit: `current=I_mA:mA`, on the command line or in a file."""

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from xbar import toml_file
from xbar.errors import FormatError, InputError
from xbar.units import scale

SCHEMA: Final = "xbar-columns/1"

UNITS: Final = {
    "time": ("s",),
    "voltage": ("V",),
    "current": ("A",),
    "conductance": ("S", "ohm", "A"),
    "target": ("S", "ohm"),
    "array": ("",),
    "row": ("",),
    "col": ("",),
    "cell": ("",),
    "write": ("",),
    "curve": ("",),
    "compliance": ("A", ""),
    "up": ("S", "ohm", "A", "1"),
    "down": ("S", "ohm", "A", "1"),
    "deviation": ("S",),
}
"""Quantities that a column may be, and the units that each may have; "" stands for a plain number, "1" for a state."""
MANY: Final = ("up", "down")
"""Quantities that several columns may be: each is a ramp."""


@dataclass(frozen=True)
class Column:
    """One mapping."""

    quantity: str
    name: str
    """Head or number of the column, from 1; `*` stands for anything."""
    unit: str
    """SI unit."""
    factor: float
    """How many of it one unit of the file is."""
    file: str = ""
    """Name of the file it is in; empty for every file."""


class MappingFile(BaseModel):
    """A mapping file: `columns.current = "I_mA:mA"`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    columns: dict[str, str]
    schema_: str | None = None


@dataclass(frozen=True)
class Mapping:
    """All mappings of one calibration."""

    columns: tuple[Column, ...]

    @classmethod
    def of(cls, texts: Sequence[str], file: Path | None = None) -> "Mapping":
        """Return the mapping that flags and a file name; raises `InputError` or `FormatError` for what is wrong."""
        found = [parse_column(text) for text in texts]
        if file is not None:
            table = toml_file.parse(toml_file.read_text(file, "mapping"), str(file), SCHEMA)
            table.pop("schema", None)
            try:
                read = MappingFile.model_validate(table)
            except ValidationError as error:
                raise FormatError(toml_file.report(str(file), error)) from error
            found += [parse_column(f"{quantity}={place}") for quantity, place in read.columns.items()]
        if not found:
            raise InputError(
                "a table needs to know its columns: give --column QUANTITY=COLUMN:UNIT for each, for example "
                "--column time=t:s --column conductance=G:uS; quantities are " + ", ".join(UNITS)
            )
        return cls(tuple(found))

    def of_file(self, name: str) -> list[Column]:
        """Return the mappings that hold for a file."""
        return [column for column in self.columns if column.file in ("", name)]


def parse_column(text: str) -> Column:
    """Return the mapping of "QUANTITY=COLUMN:UNIT" or "QUANTITY=FILE#COLUMN:UNIT".

    Raises `InputError` for a quantity or unit that is not known; the message lists those that are.
    """
    match = re.fullmatch(r"\s*([a-z]+)\s*=\s*(.+?)\s*(?::([^:]*))?\s*", text)
    if match is None:
        raise InputError(f"column {text!r} is not of the form QUANTITY=COLUMN:UNIT, for example current=I_mA:mA")
    quantity, name, unit = match[1], match[2], (match[3] or "").strip()
    if quantity not in UNITS:
        raise InputError(f"column {text!r}: quantity {quantity!r} is not known; known are {', '.join(UNITS)}")
    file, _, rest = name.rpartition("#")
    for known in UNITS[quantity]:
        if known in ("", "1"):
            if unit in (known, ""):
                return Column(quantity, rest, known, 1.0, file)
            continue
        try:
            return Column(quantity, rest, known, scale(unit, known), file)
        except InputError:
            continue
    wanted = " or ".join(repr(known or "none") for known in UNITS[quantity])
    raise InputError(f"column {text!r}: unit {unit!r} is not known for {quantity}; it takes {wanted}, prefixes allowed")


def find(column: Column, heads: Sequence[str], path: Path) -> list[int]:
    """Return the numbers, from 0, of the columns of a table that a mapping means.

    Raises `InputError` that lists the heads where there is none, or several for a quantity that is one column.
    """
    exact = [k for k, head in enumerate(heads) if head == column.name]
    if not exact and column.name.isdigit():
        place = int(column.name) - 1
        exact = [place] if 0 <= place < len(heads) else []
    if not exact:
        exact = [k for k, head in enumerate(heads) if fnmatch.fnmatchcase(head, column.name)]
    if not exact:
        shown = ", ".join(repr(head) for head in heads[:12])
        raise InputError(f"{path}: no column {column.name!r} for {column.quantity}; the table has {shown}")
    if len(exact) > 1 and column.quantity not in MANY:
        raise InputError(
            f"{path}: {len(exact)} columns are named {column.name!r}; {column.quantity} is one: give its number"
        )
    return exact
