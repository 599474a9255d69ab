"""`xbar trace watch`: look on while another process records."""

import json as json_text
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xbar.cli.options import Force, Json
from xbar.cli.output import note
from xbar.cli.trace_options import TraceFile
from xbar.errors import ExitCode, InputError

if TYPE_CHECKING:
    from xbar.figures.live_figure import LiveFigure
    from xbar.figures.window import FigureWindow
    from xbar.trace.follow import Follower, Look


def watch(
    file: TraceFile,
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    interval: Annotated[float, typer.Option("--interval", min=0.05, help="Seconds between two looks.")] = 1.0,
    figure: Annotated[bool, typer.Option("--figure", help="Show a live figure in a window.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Keep a live figure in this file (.png or .svg).", show_default=False),
    ] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Follow a trace that another process records, a line for each look with news, until it ends or Ctrl-C.

    The file is only read. It ends when its writer closes it, or is gone without having closed it.
    """
    from xbar.bench.interrupt import stop_on_signal
    from xbar.trace.follow import Follower, follow

    if not interval < 86400:
        raise InputError(f"interval {interval:g} s is above the limit of a day; look more often, or with --once")
    stop, damaged = threading.Event(), False
    display = _Display(output, figure, force)
    with Follower(file, stop=stop) as follower, stop_on_signal(stop):

        def wait() -> bool:
            return not once and not stop.is_set() and display.wait(interval, stop)

        for look in follow(follower, wait):
            if look.new or look.status != "running" or once or sys.stdout.isatty():
                print(json_text.dumps(asdict(look)) if json else text(look), flush=True)
            display.show(follower, look)
            damaged = look.status == "damaged"
        if not once and not stop.is_set():
            display.keep()
    if output is not None:
        note(f"wrote {output}")
    if damaged:
        raise typer.Exit(int(ExitCode.FILE))


def text(look: "Look") -> str:
    """Return a look in one line."""
    from xbar.units import show

    rate = "" if look.rate is None else f", {look.rate:.4g} per second"
    kind = "" if look.kind is None else f", last {look.kind}{', which failed' if look.failed else ''}"
    more = ", more to read" if look.behind else ""
    return f"{look.operations} operations{rate}{kind}, bench time {show(look.bench_s, 's')}, {look.status}{more}"


class _Display:
    """The live figure: in a window, in a file, in both or nowhere."""

    def __init__(self, output: Path | None, window: bool, force: bool) -> None:
        self._output, self._force, self._saved = output, force, False
        self._window: FigureWindow | None = None
        self._figures: list[LiveFigure] = []
        if output is not None or window:
            self._open(window)

    def _open(self, window: bool) -> None:
        from xbar.figures import live_figure
        from xbar.figures import window as windows
        from xbar.figures.saving import check_figure_path

        if self._output is not None:
            check_figure_path(self._output, self._force)
        if window:
            self._window = windows.FigureWindow("xbar trace watch")
        self._figures.append(live_figure.LiveFigure(None if self._window is None else self._window.figure))

    def show(self, follower: "Follower", look: "Look") -> None:
        """Draw what came, and write it where a file was asked for."""
        for figure in self._figures:
            figure.update(follower.trace, look)
            if self._output is not None:
                self._save(figure, self._output)
        if self._window is not None:
            self._window.show(0.01)

    def _save(self, figure: "LiveFigure", path: Path) -> None:
        """Write the figure; the first time as a new file, later in place of our own."""
        from xbar.figures.saving import replace, save

        if self._saved:
            replace(figure.figure, path)
        else:
            save(figure.figure, path, self._force)
            self._saved = True

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        """Wait for the next look; return whether there is to be one."""
        if self._window is None:
            return not stop.wait(seconds)
        self._window.show(seconds)
        return self._window.is_open and not stop.is_set()

    def keep(self) -> None:
        """Leave the window open until the user closes it."""
        if self._window is not None:
            self._window.keep()
