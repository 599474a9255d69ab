"""Arguments and options that the commands on traces share."""

from pathlib import Path
from typing import Annotated

import typer

TraceFile = Annotated[Path, typer.Argument(metavar="TRACE.h5", help="A trace.")]
NewTrace = Annotated[Path, typer.Option("--output", "-o", help="New trace to write (.h5).")]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        help="Seconds that a check may take before the file counts as damaged; by its size, 60 or more.",
        show_default=False,
    ),
]
