"""The typer application: every subcommand by name."""

from collections.abc import Callable
from typing import Annotated

import typer

from xbar.cli import (
    bench,
    budget,
    calibrate,
    cards,
    characterise,
    chip,
    compare,
    demo,
    drivers,
    export_spice,
    map,
    plot,
    program,
    read,
    replay,
    run,
    serve,
    sweep,
    trace_diff,
    trace_export,
    trace_import,
    trace_info,
    trace_pack,
    trace_plot,
    trace_recover,
    trace_verify,
    trace_watch,
)
from xbar.cli.errors import reports_errors
from xbar.version import __version__

EPILOG = (
    "Results go to standard output, all else to standard error. --debug, anywhere, shows the traceback of an error."
)

app = typer.Typer(
    name="xbar",
    help="Run neural networks on analog crossbar arrays: simulated, measured or replayed.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"xbar {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Run neural networks on analog crossbar arrays: simulated, measured or replayed."""
    del version


_COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo.demo,
    "map": map.map_command,
    "run": run.run,
    "replay": replay.replay,
    "budget": budget.budget,
    "read": read.read,
    "sweep": sweep.sweep,
    "plot": plot.plot,
    "program": program.program,
    "cards": cards.cards,
    "export-spice": export_spice.export_spice,
    "serve": serve.serve,
    "characterise": characterise.characterise,
    "calibrate": calibrate.calibrate,
    "compare": compare.compare,
    "drivers": drivers.drivers,
}

for _name, _command in _COMMANDS.items():
    app.command(_name)(reports_errors(_command))

_TRACE: dict[str, Callable[..., None]] = {
    "info": trace_info.info,
    "verify": trace_verify.verify,
    "recover": trace_recover.recover,
    "pack": trace_pack.pack,
    "export": trace_export.export,
    "import": trace_import.import_,
    "diff": trace_diff.diff,
    "watch": trace_watch.watch,
    "plot": trace_plot.plot,
}

trace_app = typer.Typer(
    help="Look at traces, follow, check, recover, pack, export, import and compare them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
for _name, _command in _TRACE.items():
    trace_app.command(_name)(reports_errors(_command))
app.add_typer(trace_app, name="trace")

chip_app = typer.Typer(
    help="Look at chips that were kept with --chip.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
chip_app.command("info")(reports_errors(chip.info))
app.add_typer(chip_app, name="chip")

bench_app = typer.Typer(
    help="Check a bench file against the instruments that answer, and find instruments.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
bench_app.command("check")(reports_errors(bench.check))
bench_app.command("list")(reports_errors(bench.list_))
app.add_typer(bench_app, name="bench")
