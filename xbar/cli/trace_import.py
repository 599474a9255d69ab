"""`xbar trace import`: measurements of other programs as traces."""

from pathlib import Path
from typing import Annotated

import typer

from xbar.cli.options import Force, Json
from xbar.cli.output import note, print_json, print_table
from xbar.errors import InputError


def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A file of arc2control (.h5), or a QCoDeS run in netCDF (.nc).")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="New trace to write (.h5).")],
    voltage: Annotated[
        str | None,
        typer.Option("--voltage", help="QCoDeS: parameter that is the voltage, NAME or NAME=UNIT.", show_default=False),
    ] = None,
    current: Annotated[
        str | None,
        typer.Option("--current", help="QCoDeS: parameter that is the current, NAME or NAME=UNIT.", show_default=False),
    ] = None,
    measured: Annotated[
        str | None,
        typer.Option("--measured", help="QCoDeS: parameter that is the measured voltage.", show_default=False),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option("--time", help="QCoDeS: parameter that is the time of the readings.", show_default=False),
    ] = None,
    row: Annotated[
        str | None,
        typer.Option("--row", help="QCoDeS: parameter that is the word line, from 0.", show_default=False),
    ] = None,
    col: Annotated[
        str | None, typer.Option("--col", help="QCoDeS: parameter that is the bit line, from 0.", show_default=False)
    ] = None,
    cell: Annotated[
        str | None,
        typer.Option("--cell", help="QCoDeS: the cell that was measured, ROW,COLUMN.", show_default=False),
    ] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Bring a file of arc2control or a QCoDeS run into a trace, and say what was missing."""
    from xbar.trace.foreign.importing import import_file
    from xbar.trace.foreign.qcodes_parameters import Roles

    place = None if cell is None else _cell(cell)
    roles = Roles(voltage, current, measured, time, row, col, place)
    done = import_file(file, output, roles=roles, force=force)
    if json:
        print_json(
            {
                "file": str(file),
                "trace": str(output),
                "format": done.format,
                "operations": done.operations,
                "readings": done.readings,
                "rows": done.shape[0],
                "cols": done.shape[1],
                "missing": [item.values() for item in done.missing],
            }
        )
    else:
        rows, cols = done.shape
        print(f"{done.format}: {done.operations} operations, {done.readings} readings, {rows} x {cols} cells")
        table = [[item.what, item.file, item.trace] for item in done.missing]
        print_table("what was missing", ["quantity", "in the file", "in the trace"], table)
    note(f"wrote {output}")


def _cell(text: str) -> tuple[int, int]:
    try:
        row, col = (int(part) for part in text.split(","))
    except ValueError:
        row = col = -1
    if row < 0 or col < 0:
        raise InputError(f"cell {text!r} is not of the form ROW,COLUMN, for example 0,0")
    return row, col
