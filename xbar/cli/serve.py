"""`xbar serve`: the instruments of a rack file, played by the simulation, for anybody's driver."""

import threading
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from xbar.cli.output import note
from xbar.errors import DriverError, FileError, Unsupported

GROUP = "xbar.servers"

LOOK = 0.2
"""Time between two looks whether to stop [s]."""


class Server(Protocol):
    """What a served bench offers to the command."""

    @property
    def addresses(self) -> list[tuple[str, str]]:
        """Get (instrument, address) of everything that is served."""
        ...

    @property
    def messages(self) -> int:
        """Get the number of messages that came."""
        ...

    def report(self) -> list[str]:
        """Return what the audit found, as lines."""
        ...

    def close(self) -> None:
        """End all connections."""
        ...


def serve(
    rack: Annotated[
        Path, typer.Argument(help="Rack file (.toml), or bench file of a rack: instruments, addresses, wires, array.")
    ],
    speed: Annotated[
        str | None, typer.Option("--speed", help="real, fast (skip every wait), or a factor [the file's].")
    ] = None,
    chip: Annotated[
        Path | None,
        typer.Option("--chip", help="Chip file: its cells stand behind the lines; kept at the end."),
    ] = None,
    log: Annotated[Path | None, typer.Option("--log", help="Write every message of the wire to this new file.")] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Listen at addresses that other machines reach.")
    ] = False,
    announce: Annotated[bool, typer.Option("--announce", help="Announce the instruments by zeroconf.")] = False,
) -> None:
    """Serve the instruments of a rack file until Ctrl-C; then tell what each client left on or did wrong."""
    from xbar.bench.interrupt import stop_on_signal

    if log is not None and log.exists():
        raise FileError(f"{log} exists already; choose another name for the wire log")
    if chip is not None and not chip.exists():
        note(f"{chip} does not exist; it is begun with the cells of {rack}")
    stop = threading.Event()
    with stop_on_signal(stop):
        options = {"speed": speed, "chip": chip, "log": log, "allow_remote": allow_remote, "announce": announce}
        server = _opener()(rack, options)
        try:
            for name, address in server.addresses:
                print(f"{name}: {address}", flush=True)
            note("serving emulated instruments; Ctrl-C ends it")
            while not stop.wait(LOOK):
                pass
        finally:
            server.close()
        report = server.report()
        note(f"{server.messages} messages")
        for line in report:
            print(line)
        if not report:
            print("audit: nothing left on, no faults")


def _opener() -> Callable[[Path, Mapping[str, Any]], Server]:
    found = list(entry_points(group=GROUP))
    if not found:
        raise Unsupported(f"no package brings served instruments (entry-point group {GROUP!r}); reinstall xbar")
    try:
        opener: Callable[[Path, Mapping[str, Any]], Server] = found[0].load()
    except ImportError as error:
        raise DriverError(f"server {found[0].name!r} does not load: {error}") from error
    return opener
