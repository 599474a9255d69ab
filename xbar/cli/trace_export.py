"""`xbar trace export`: a table of a trace for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from xbar.cli.options import Force, Json
from xbar.cli.output import note, print_json
from xbar.errors import InputError

TABLE = "operations, reads (of cells), vectors (output codes of products) or targets (of program operations)."


def export(
    file: Annotated[Path, typer.Argument(metavar="TRACE.h5", help="A trace.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write (.csv, .parquet or .npz).")],
    table: Annotated[str, typer.Option("--table", help=TABLE)] = "reads",
    array: Annotated[int | None, typer.Option("--array", min=0, help="Rows of this array alone.")] = None,
    cell: Annotated[
        str | None,
        typer.Option("--cell", metavar="R,C", help="Rows of this cell alone: word line and bit line, such as 3,0."),
    ] = None,
    start: Annotated[
        float | None, typer.Option("--from", metavar="S", help="Rows from this time on, bench clock in s.")
    ] = None,
    end: Annotated[float | None, typer.Option("--to", metavar="S", help="Rows before this time, in s.")] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Write a table of a trace for other programs; units stand in the headers."""
    from xbar.trace.export import export as write
    from xbar.trace.selection import Filters

    window = None if start is None and end is None else (start, end)
    rows = write(file, table, output, filters=Filters(array, _cell(cell), window), force=force)
    if json:
        print_json({"table": table, "rows": rows, "file": str(output)})
    else:
        print(f"{rows} rows of {table}")
    note(f"wrote {output}")


def _cell(text: str | None) -> tuple[int, int] | None:
    """Return the word line and bit line of "3,0"."""
    if text is None:
        return None
    row, comma, col = text.partition(",")
    if not comma or not row.strip().isdecimal() or not col.strip().isdecimal():
        raise InputError(f"cell {text!r} is not of the form ROW,COLUMN, for example 3,0")
    return int(row), int(col)
