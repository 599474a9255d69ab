"""`xbar trace plot`: the figure of a trace."""

from pathlib import Path
from typing import Annotated

import typer

from xbar.cli.options import Force
from xbar.cli.output import note
from xbar.cli.trace_options import Timeout, TraceFile


def plot(
    file: TraceFile,
    output: Annotated[Path, typer.Option("--output", "-o", help="Figure to write (.png or .svg).")],
    array: Annotated[int | None, typer.Option("--array", min=0, help="Draw this array alone.")] = None,
    force: Force = False,
    timeout: Timeout = None,
) -> None:
    """Draw what a trace holds, as `xbar plot` does: conductances, sweeps, outputs, drift and the time line."""
    from xbar.figures.saving import check_figure_path, save
    from xbar.figures.trace_figure import trace_figure
    from xbar.trace.verification import open_checked

    check_figure_path(output, force)
    with open_checked(file, timeout)[0] as trace:
        save(trace_figure(trace, array), output, force)
    note(f"wrote {output}")
