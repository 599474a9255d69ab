"""Which column of a table is which quantity in which unit: `current=I_mA:mA`, on the command line or in a file."""

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from xbar import toml_file
from xbar.errors import FormatError, InputError
from xbar_calibration.column_units import UNITS, factor_of, in_head

SCHEMA: Final = "xbar-columns/1"
MANY: Final = ("up", "down", "conductance", "state_value", "current", "voltage", "time", "target", "temperature")
"""Quantities that several columns may be: each is a ramp, or belongs to a cell."""
OF_CELLS: Final = ("conductance", "current", "state_value")
"""Quantities of which several columns are cells of their own; the others of `MANY` may go along with them."""
ALIASES: Final = {"cycle": "curve", "sweep": "curve", "wordline": "row", "bitline": "col", "resistance": "conductance"}
"""Other words for a quantity."""
BY_HEAD: Final = "?"
"""Unit of a mapping that leaves it to the head of the column."""


@dataclass(frozen=True)
class Column:
    """One mapping."""

    quantity: str
    name: str
    """Head or number of the column, from 1; `*` stands for anything."""
    unit: str
    """SI unit; `BY_HEAD` where the head of the column tells it."""
    factor: float
    """How many of it one unit of the file is."""
    file: str = ""
    """Name of the file it is in; empty for every file."""
    offset: float = 0.0
    """Added after that: degrees Celsius."""


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

    Without a unit that of the column's head counts. Raises `InputError` for a quantity or unit that is not known; the
    message lists those that are.
    """
    match = re.fullmatch(r"\s*([a-z]+)\s*=\s*(.+?)\s*(?::([^:]*))?\s*", text)
    if match is None:
        raise InputError(f"column {text!r} is not of the form QUANTITY=COLUMN:UNIT, for example current=I_mA:mA")
    quantity, name, unit = ALIASES.get(match[1], match[1]), match[2], (match[3] or "").strip()
    if quantity not in UNITS:
        raise InputError(f"column {text!r}: quantity {quantity!r} is not known; known are {', '.join(UNITS)}")
    file, _, rest = name.rpartition("#") if re.search(r"\.\w+#", name) else ("", "", name)
    if not unit and UNITS[quantity] != ("",):
        return Column(quantity, rest, BY_HEAD, 1.0, file)
    found = factor_of(quantity, unit)
    if found is not None:
        return Column(quantity, rest, found[0], found[1], file, found[2])
    raise InputError(f"column {text!r}: unit {unit!r} is not known for {quantity}; it takes {_wanted(quantity)}")


def _wanted(quantity: str) -> str:
    listed = " or ".join(repr(known or "none") for known in UNITS[quantity])
    return f"{listed}, prefixes allowed" + (", or 'degC'" if quantity == "temperature" else "")


def resolved(column: Column, head: str, path: Path) -> Column:
    """Return a mapping with the unit that the head of its column names, where the mapping names none.

    Raises `InputError` where neither does.
    """
    if column.unit != BY_HEAD:
        return column
    unit = in_head(head)[1]
    found = factor_of(column.quantity, unit) if unit else None
    if found is None:
        # States, directions and flags are plain numbers where nothing else is said.
        found = factor_of(column.quantity, "")
    if found is None:
        unknown = f"unit {unit!r} of its head is not known" if unit else "neither the flag nor its head names a unit"
        raise InputError(
            f"{path}: column {head!r} for {column.quantity}: {unknown}; write --column "
            f"'{column.quantity}={column.name}:UNIT', UNIT {_wanted(column.quantity)}"
        )
    return replace(column, unit=found[0], factor=found[1], offset=found[2])


def find(column: Column, heads: Sequence[str], path: Path) -> list[int]:
    """Return the numbers, from 0, of the columns of a table that a mapping means.

    A head counts as it stands, by its number, without its unit and case, and by a pattern. Raises `InputError` that
    lists the heads where there is none, or several for a quantity that is one column.
    """
    exact = [k for k, head in enumerate(heads) if head == column.name]
    if not exact and column.name.isdigit():
        place = int(column.name) - 1
        exact = [place] if 0 <= place < len(heads) else []
    if not exact:
        wanted = column.name.casefold()
        bare = [in_head(head)[0] for head in heads]
        exact = [k for k, name in enumerate(bare) if name == column.name]
        exact = exact or [k for k, name in enumerate(bare) if wanted in (name.casefold(), heads[k].casefold())]
    if not exact:
        exact = [k for k, head in enumerate(heads) if fnmatch.fnmatchcase(head, column.name)]
    if not exact:
        shown = ", ".join(repr(head) for head in heads[:12])
        raise InputError(f"{path}: no column {column.name!r} for {column.quantity}; the table has {shown}")
    if len(exact) > 1 and not (column.quantity in MANY and "*" in column.name):
        raise InputError(
            f"{path}: {len(exact)} columns are named {column.name!r}; {column.quantity} is one: give its number, "
            f"{' or '.join(str(k + 1) for k in exact[:6])}"
        )
    return exact
