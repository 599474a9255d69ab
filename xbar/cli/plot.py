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
    force: Force = False,
) -> None:
    """Draw target and read conductances, programmed against target, outputs and drift: whatever the file holds."""
    from xbar.figures.draw import draw
    from xbar.figures.saving import check_figure_path, save

    check_figure_path(output, force)
    save(draw(file, array), output, force)
    note(f"wrote {output}")
