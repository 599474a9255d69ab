"""`xbar sweep`: the current of one cell over a list of voltages."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xbar.cli.array_bench import is_new, kept_chip, open_array, targets
from xbar.cli.options import After, At, Bench, Card, Chip, Force, Json, Outside, Temperature, Wires, kelvin, seconds
from xbar.cli.output import note, print_json, print_table
from xbar.errors import InputError
from xbar.units import parse, show

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def sweep(
    bench: Bench = "sim",
    card: Card = None,
    array_size: Annotated[
        str | None, typer.Option("--size", help="Word lines x bit lines of the simulated array [32x32].")
    ] = None,
    array: Annotated[int, typer.Option("--array", min=0, help="Which array.")] = 0,
    cell: Annotated[str, typer.Option("--cell", help="Word line, bit line.")] = "0,0",
    target: Annotated[
        str | None, typer.Option("--target", help="Write first: ramp, a quantity ('10 uS'), or an .npz of siemens.")
    ] = None,
    start: Annotated[str, typer.Option("--from", help="First voltage.")] = "-0.2 V",
    stop: Annotated[str, typer.Option("--to", help="Last voltage.")] = "0.2 V",
    points: Annotated[
        int, typer.Option("--points", min=1, max=1_000_000, help="Voltages, evenly spaced; of each cycle.")
    ] = 21,
    cycles: Annotated[
        int | None,
        typer.Option(
            "--cycles",
            min=1,
            max=10_000,
            help="Go from 0 V to the last voltage, to the first, and back to 0 V, so many times: hysteresis.",
            show_default="one ramp",
        ),
    ] = None,
    compliance: Annotated[
        str | None,
        typer.Option("--compliance", metavar="A", help="Largest current, such as '50 uA'.", show_default=False),
    ] = None,
    settle: Annotated[
        str | None,
        typer.Option(
            "--settle",
            metavar="s",
            help="Time that a voltage stands before it is measured, such as '10 us'.",
            show_default="0 s",
        ),
    ] = None,
    repeat: Annotated[int, typer.Option("--repeat", min=1, help="Readings at each voltage.")] = 1,
    at: At = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Number of the chip [0].")] = None,
    wires: Wires = None,
    temperature: Temperature = None,
    outside: Outside = None,
    chip: Chip = None,
    after: After = None,
    trace: Annotated[Path | None, typer.Option("--trace", help="Log every operation in this file (.h5).")] = None,
    figure: Annotated[Path | None, typer.Option("--figure", "-o", help="Draw the curve (.png or .svg).")] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Step one cell through voltages, on a ramp or in cycles; print and draw its current."""
    import numpy as np

    from xbar.bench.settings import ReadConfig

    if figure is not None:
        from xbar.figures.saving import check_figure_path

        check_figure_path(figure, force)
    place = _cell(cell)
    later = seconds(at)
    first, last = parse(start, "V"), parse(stop, "V")
    volts = np.linspace(first, last, points) if cycles is None else _cycle(first, last, points, cycles)
    limit = None if compliance is None else parse(compliance, "A")
    config = ReadConfig(repeat=repeat, settle=0.0 if settle is None else parse(settle, "s"), current_limit=limit)
    physics = {"temperature": kelvin(temperature), "outside": outside}
    with open_array(bench, card, array_size, seed, wires, kept_chip(chip, after), trace, force, physics) as opened:
        if target is not None or is_new(bench, opened):
            opened.program(array, targets(target or "ramp", opened))
        if later is not None:
            opened.wait(later)
        readings = opened.sweep(array, place, volts, config)
        model = opened.identity.model
    current = readings.current.mean(axis=1)
    if json:
        print_json(
            {
                "bench": model,
                "array": array,
                "cell": list(place),
                "voltage_V": volts.tolist(),
                "current_A": readings.current.tolist(),
            }
        )
    else:
        rows = [
            [show(float(v), "V"), show(float(i), "A"), str(int(s))]
            for v, i, s in zip(volts, current, readings.status.max(axis=1), strict=True)
        ]
        print_table(f"sweep, {model}, array {array}, cell {place}", ["voltage", "current", "status"], rows)
    if figure is not None:
        from xbar.figures.array_figure import sweep_figure
        from xbar.figures.saving import save

        save(sweep_figure({f"cell {place}": readings}, f"{model}, array {array}"), figure, force)
        note(f"wrote {figure}")
    if trace is not None:
        note(f"wrote {trace}")


def _cycle(first: float, last: float, points: int, cycles: int) -> "NDArray[np.float64]":
    """Return voltages from 0 V to `last`, to `first` and back to 0 V, `points` in each cycle, and 0 V at the end."""
    import numpy as np

    if first * last > 0 or first == last:
        raise InputError(
            f"a cycle goes through 0 V: --from {show(first, 'V')} and --to {show(last, 'V')} must have opposite signs, "
            "or one of them be 0 V"
        )
    if points < 4:
        raise InputError(f"a cycle of {points} points is no loop; give --points 4 or more")
    corners = np.array([0.0, last, first, 0.0])
    far = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(corners)))])
    # The corners themselves are among the points, whatever their number.
    at = np.unique(np.round(far / far[-1] * points).astype(np.int64), return_index=True)
    one = np.interp(np.arange(points), at[0], corners[at[1]])
    return np.append(np.tile(one, cycles), 0.0)


def _cell(text: str) -> tuple[int, int]:
    parts = text.split(",")
    try:
        row, col = (int(part) for part in parts)
    except ValueError:
        raise InputError(f"cell {text!r} is not of the form ROW,COLUMN, for example 0,0") from None
    return row, col
