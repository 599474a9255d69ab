"""`xbar calibrate`: fit a device card to a trace or to tables."""

from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from xbar.cli.options import Force, Json
from xbar.cli.output import note, print_json, print_table, progress
from xbar.errors import DriverError, Unsupported
from xbar.units import parse

GROUP = "xbar.calibration"
"""Entry points of the package that fits cards; xbar never imports it by name."""

Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        help="What a column of a table is: QUANTITY=COLUMN:UNIT, such as current=I_mA:mA; once for each column. "
        "Without any, the columns and flags to try are listed.",
        show_default=False,
    ),
]
MappingFile = Annotated[
    Path | None, typer.Option("--mapping", help="TOML file that says the same: columns.current = 'I_mA:mA'.")
]
ReadVoltage = Annotated[
    str | None, typer.Option("--read-voltage", help="Voltage of the readings, where the data do not tell.")
]
ArrayNumber = Annotated[int | None, typer.Option("--array", min=0, help="Take this array alone.", show_default=False)]


class Report(Protocol):
    """What a calibration gives to the command."""

    @property
    def card(self) -> str:
        """Get the text of the card."""
        ...

    @property
    def panels(self) -> Sequence[Any]:
        """Get what the figure draws."""
        ...

    def tables(self) -> list[tuple[str, list[str], list[list[str]]]]:
        """Return title, columns and rows of what to print."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        ...


def calibrate(
    data: Annotated[
        list[Path], typer.Argument(metavar="DATA...", help="A trace .h5, or tables (.csv, .tsv, .xlsx, .npz).")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Card to write (.toml).")],
    column: Columns = None,
    mapping: MappingFile = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Figure of the residuals (.png or .svg).", show_default=False)
    ] = None,
    hold_out: Annotated[
        float, typer.Option("--hold-out", min=0.0, max=0.95, help="Share of the cells that is predicted, not fitted.")
    ] = 0.3,
    g_min: Annotated[str | None, typer.Option("--g-min", help="Smallest conductance of the card [the data's].")] = None,
    g_max: Annotated[str | None, typer.Option("--g-max", help="Largest conductance of the card [the data's].")] = None,
    read_voltage: ReadVoltage = None,
    t_read: Annotated[
        str | None, typer.Option("--t-read", help="Duration of a reading in the law of 1/f noise [the trace's].")
    ] = None,
    t0: Annotated[str | None, typer.Option("--t0", help="Constant of the drift law [fitted].")] = None,
    array: ArrayNumber = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Fit the laws of a device card to measured data: parameters with 95 % intervals, and a card for the twin.

    A share of the cells is held out and predicted. Laws that the data do not support are refused, with the reason.
    """
    from xbar.hdf5 import atomic_file, check_new_path, new_path

    check_new_path(output, force)
    if figure is not None:
        from xbar.figures.saving import check_figure_path

        check_figure_path(figure, force)
    wanted = {
        "hold_out": hold_out,
        "g_min": _quantity(g_min, "S"),
        "g_max": _quantity(g_max, "S"),
        "read_voltage": _quantity(read_voltage, "V"),
        "t_read": _quantity(t_read, "s"),
        "t0": _quantity(t0, "s"),
    }
    with progress() as shown:
        report: Report = tool("calibrate")(
            data, output.stem, column or [], mapping, wanted, array, tell=lambda law: shown(f"fit {law}", 0, 1)
        )
    with atomic_file(new_path(output, force)) as partial:
        partial.write_text(report.card, encoding="utf-8", newline="\n")
    if figure is not None:
        from xbar.figures.calibration_figure import calibration_figure
        from xbar.figures.saving import save

        save(
            calibration_figure(report.panels, f"Calibration of {', '.join(path.name for path in data)}"), figure, force
        )
    if json:
        print_json({**report.to_json(), "card": str(output)})
    else:
        for title, columns, rows in report.tables():
            print_table(title, columns, rows)
    note(f"wrote {output}")


def _quantity(text: str | None, unit: str) -> float | None:
    return None if text is None else parse(text, unit)


def tool(name: str) -> Callable[..., Any]:
    """Return a function of the package that fits cards.

    Raises `Unsupported` where none is installed, `DriverError` where it does not load.
    """
    found = [point for point in entry_points(group=GROUP) if point.name == name]
    if not found:
        raise Unsupported(f"no package brings {name!r} (entry-point group {GROUP!r}); reinstall xbar")
    try:
        function: Callable[..., Any] = found[0].load()
    except ImportError as error:
        raise DriverError(f"{name!r} of {found[0].value} does not load: {error}") from error
    return function
