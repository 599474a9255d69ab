"""`xbar compare`: how far two traces, or a trace and a card, lie apart."""

from pathlib import Path
from typing import Annotated

import typer

from xbar.cli.calibrate import ArrayNumber, Columns, MappingFile, ReadVoltage, tool
from xbar.cli.options import Force, Json
from xbar.cli.output import note, print_json, print_table
from xbar.units import parse


def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="A trace .h5 or a table.")],
    second: Annotated[str, typer.Argument(metavar="B", help="A trace, a table, or a card: its name or file .toml.")],
    column: Columns = None,
    mapping: MappingFile = None,
    read_voltage: ReadVoltage = None,
    array: ArrayNumber = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the simulation of a card.")] = 0,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Figure of the quantiles (.png or .svg).", show_default=False)
    ] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Compare two traces, or a trace and a card: distances between their distributions, law by law; the worst cells.

    A card is simulated with the targets, times and repeats of the trace.
    """
    if figure is not None:
        from xbar.figures.saving import check_figure_path

        check_figure_path(figure, force)
    volts = None if read_voltage is None else parse(read_voltage, "V")
    found = tool("compare")(first, second, column or [], mapping, volts, array, seed)
    if figure is not None:
        from xbar.figures.calibration_figure import calibration_figure
        from xbar.figures.saving import save

        save(calibration_figure(found.panels, f"{first.name} and {second}"), figure, force)
        note(f"wrote {figure}")
    if json:
        print_json(found.to_json())
    else:
        for title, columns, rows in found.tables():
            print_table(title, columns, rows)
