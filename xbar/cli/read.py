"""`xbar read`: what the cells of one array answer."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xbar.cli.array_bench import is_new, kept_chip, line_mode, open_array, read_voltage, targets
from xbar.cli.options import After, At, Bench, Card, Chip, Force, Json, Outside, Temperature, Wires, kelvin, seconds
from xbar.cli.output import note, print_json, print_table
from xbar.units import show

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def read(
    bench: Bench = "sim",
    card: Card = None,
    array_size: Annotated[
        str | None, typer.Option("--size", help="Word lines x bit lines of the simulated array [32x32].")
    ] = None,
    array: Annotated[int, typer.Option("--array", min=0, help="Which array.")] = 0,
    target: Annotated[
        str | None, typer.Option("--target", help="Write first: ramp, a quantity ('10 uS'), or an .npz of siemens.")
    ] = None,
    voltage: Annotated[
        str | None,
        typer.Option("--voltage", help="Read voltage across the cell.", show_default="the card's, or 0.2 V"),
    ] = None,
    repeat: Annotated[int, typer.Option("--repeat", min=1, help="Readings of each cell.")] = 1,
    at: At = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Number of the chip [0].")] = None,
    wires: Wires = None,
    temperature: Temperature = None,
    outside: Outside = None,
    chip: Chip = None,
    after: After = None,
    unselected: Annotated[
        str, typer.Option("--unselected", help="What the other lines are tied to: ground, half, third or float.")
    ] = "ground",
    trace: Annotated[Path | None, typer.Option("--trace", help="Log every operation in this file (.h5).")] = None,
    figure: Annotated[Path | None, typer.Option("--figure", "-o", help="Draw the maps (.png or .svg).")] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Read every cell of one array, after writing it where --target says so; print and draw the conductances."""
    from xbar.bench.settings import ReadConfig

    if figure is not None:
        from xbar.figures.saving import check_figure_path

        check_figure_path(figure, force)
    later = seconds(at)
    mode, physics = line_mode(unselected), {"temperature": kelvin(temperature), "outside": outside}
    with open_array(bench, card, array_size, seed, wires, kept_chip(chip, after), trace, force, physics) as opened:
        config = ReadConfig(voltage=read_voltage(voltage, opened), repeat=repeat, unselected=mode)
        wanted = None
        if target is not None or is_new(bench, opened):
            wanted = targets(target or "ramp", opened)
            opened.program(array, wanted)
        if later is not None:
            opened.wait(later)
        readings = opened[array].read_all(config)
        shape = (opened.capabilities.rows, opened.capabilities.cols)
        model = opened.identity.model
    found = readings.conductance.mean(axis=1).reshape(shape)
    if json:
        print_json(
            {
                "bench": model,
                "array": array,
                "voltage_V": config.voltage,
                "conductance_S": found.tolist(),
                **_figures(found, wanted),
            }
        )
    else:
        _print(model, array, found, wanted)
    if figure is not None:
        from xbar.figures.array_figure import array_figure
        from xbar.figures.saving import save

        save(array_figure(found, wanted, f"{model}, array {array}"), figure, force)
        note(f"wrote {figure}")
    if trace is not None:
        note(f"wrote {trace}")


def _figures(found: "NDArray[np.float64]", wanted: "NDArray[np.float64] | None") -> dict[str, Any]:
    import numpy as np

    values: dict[str, Any] = {"mean_S": float(np.nanmean(found)), "std_S": float(np.nanstd(found))}
    values |= {"min_S": float(np.nanmin(found)), "max_S": float(np.nanmax(found))}
    if wanted is not None:
        values |= {"error_mean_S": float(np.nanmean(found - wanted)), "error_std_S": float(np.nanstd(found - wanted))}
    return values


def _print(model: str, array: int, found: "NDArray[np.float64]", wanted: "NDArray[np.float64] | None") -> None:
    rows, cols = found.shape
    shown = found[:8, :8]
    names = [f"bit {j}" for j in range(shown.shape[1])]
    lines = [[f"word {i}", *(show(float(g), "S", 3) for g in row)] for i, row in enumerate(shown)]
    more = "" if shown.shape == found.shape else f", the first {shown.shape[0]} x {shown.shape[1]}"
    print_table(f"read conductances, {model}, array {array} of {rows} x {cols}{more}", ["", *names], lines)
    figures = _figures(found, wanted)
    print(
        f"all cells: mean {show(figures['mean_S'], 'S')}, "
        f"{show(figures['min_S'], 'S')} to {show(figures['max_S'], 'S')}"
    )
    if wanted is not None:
        print(
            f"read - target: mean {show(figures['error_mean_S'], 'S')}, "
            f"standard deviation {show(figures['error_std_S'], 'S')}"
        )
