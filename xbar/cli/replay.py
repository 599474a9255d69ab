"""`xbar replay`: run again what a trace carries."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xbar.cli.options import Json, load_samples
from xbar.cli.output import print_json, print_table, progress
from xbar.errors import ExitCode

if TYPE_CHECKING:
    from xbar.execution.replay_trace import ReplayReport


def replay(
    trace: Annotated[Path, typer.Argument(metavar="TRACE.h5", help="Trace of a run, from xbar run --trace.")],
    data: Annotated[
        str | None,
        typer.Option("--data", help="The recorded samples, where the trace does not carry them: .npz or sample:NAME."),
    ] = None,
    json: Json = False,
) -> None:
    """Run the network in a trace on its recorded answers; say of each result whether it is reproduced."""
    from xbar.execution.replay_trace import replay_trace

    found = None if data is None else load_samples(data, None)
    with progress() as shown:
        report = replay_trace(trace, found, progress=shown)
    if json:
        print_json(report.to_dict())
    else:
        _print(report)
    if not report.reproduced:
        raise typer.Exit(int(ExitCode.REPLAY))


def _print(report: "ReplayReport") -> None:
    rows = [[r.name, _text(r.recorded), _text(r.replayed), "yes" if r.reproduced else "NO"] for r in report.rows]
    print_table("", ["result", "recorded", "replayed", "reproduced"], rows)
    print("reproduced" if report.reproduced else "NOT reproduced: see the rows above")


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return "none" if value is None else str(value)[:12]
