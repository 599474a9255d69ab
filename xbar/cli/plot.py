"""`xbar plot`: the figure of a map or a trace."""

from pathlib import Path
from typing import Annotated

import typer

from xbar.cli.options import Force
from xbar.cli.output import note


def plot(
    file: Annotated[Path, typer.Argument(metavar="FILE.h5", help="A map or a trace.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Figure to write (.png or .svg).")],
    array: Annotated[int | None, typer.Option("--array", min=0, help="Draw this array alone.")] = None,
    wires: Annotated[
        str | None,
        typer.Option(
            "--wires",
            help="Draw one array of a map with these wires ('1 ohm', '22nm-1t1r'): cell voltages, IR drop, currents.",
            show_default=False,
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Draw target and read conductances, programmed against target, outputs and drift: whatever the file holds."""
    from xbar.figures.saving import check_figure_path, save

    check_figure_path(output, force)
    if wires is None:
        from xbar.figures.draw import draw

        figure = draw(file, array)
    else:
        from xbar.figures.wires_figure import map_wires_figure
        from xbar.mapping.map_file import load_map

        figure = map_wires_figure(load_map(file), wires, array)
    save(figure, output, force)
    note(f"wrote {output}")
