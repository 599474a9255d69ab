"""`xbar program`: bring a map onto a chip by pulses, readings and products, as a laboratory writes real cells."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xbar.cli.options import Bench, Card, Force, Json, Seed, Wires
from xbar.cli.output import note, print_json, print_table, progress
from xbar.errors import InputError
from xbar.units import parse

if TYPE_CHECKING:
    from xbar.bench.bench import Bench as OpenBench
    from xbar.cli.program_methods import Method, Report
    from xbar.mapping.mapped_network import MappedNetwork


def _quantity(name: str, text: str, metavar: str) -> Any:
    return typer.Option(name, help=text, metavar=metavar, show_default=False)


def program(
    mapped_file: Annotated[Path, typer.Argument(metavar="MAPPED.h5", help="Map file, from xbar map.")],
    chip: Annotated[Path, typer.Option("--chip", help="Chip file (.h5) that keeps the arrays; begun where it is new.")],
    band: Annotated[str | None, _quantity("--band", "Largest distance from a target, such as '2 uS'.", "S")] = None,
    bench: Bench = "sim",
    method: Annotated[
        str,
        typer.Option(
            "--method",
            help="form: fresh cells, pulses until they conduct; ispp: pulses of growing amplitude and readings; gdp: "
            "closed loop on the error of products.",
        ),
    ] = "ispp",
    max_pulses: Annotated[
        int, typer.Option("--max-pulses", min=1, help="Pulses after which a cell is given up.")
    ] = 100,
    readings: Annotated[int, typer.Option("--readings", min=1, help="Readings that are averaged to verify.")] = 1,
    first: Annotated[str | None, _quantity("--from", "Form: first amplitude.", "V")] = None,
    step: Annotated[str | None, _quantity("--step", "Form: rise from pulse to pulse.", "V")] = None,
    last: Annotated[str | None, _quantity("--to", "Form: last amplitude.", "V")] = None,
    compliance: Annotated[str | None, _quantity("--compliance", "Of every pulse, such as '50 uA'.", "A")] = None,
    width: Annotated[
        str | None, _quantity("--width", "Of every pulse, such as '1 ms'; the card's if not given.", "s")
    ] = None,
    unselected: Annotated[
        str | None,
        typer.Option(
            "--unselected",
            help="Other lines during a pulse: half, third, float or ground; what the bench can if not given.",
            show_default=False,
        ),
    ] = None,
    sweep: Annotated[bool, typer.Option("--sweep", help="Form: by one sweep of each cell, not by pulses.")] = False,
    tolerance: Annotated[
        str | None, _quantity("--tolerance", "Gdp: error of a cell that is left alone; by the noise if not given.", "S")
    ] = None,
    positive: Annotated[
        bool,
        typer.Option("--positive", help="Gdp: inputs are positive, as behind a ReLU; cells make up for others."),
    ] = False,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            "--layer", help="Write this layer alone, on the arrays from 0 on; * is any text (may be repeated)."
        ),
    ] = None,
    card: Card = None,
    seed: Seed = None,
    wires: Wires = None,
    trace: Annotated[Path | None, typer.Option("--trace", help="Log every operation in this file (.h5).")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write a real chip without asking.")] = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Form the cells of a chip, or write a map onto it, cell by cell, until each is where it should be or is given up.

    Run the network on it afterwards: xbar run MAPPED.h5 --chip FILE.h5 --no-program.
    """
    from xbar.cli.program_methods import Asked, choose, unselected_of
    from xbar.execution.placement import check_fit
    from xbar.mapping.layer_selection import select_layers
    from xbar.mapping.map_file import load_map, map_hash

    def read(text: str | None, unit: str) -> float | None:
        return None if text is None else parse(text, unit)

    volts = (read(first, "V"), read(step, "V"), read(last, "V"))
    asked = Asked(read(band, "S"), max_pulses, readings, *volts, read(compliance, "A"), sweep)
    asked = replace(asked, tolerance=read(tolerance, "S"), positive=positive)
    asked = replace(asked, width=read(width, "s"), unselected=unselected_of(unselected))
    mapped = load_map(mapped_file)
    whole = map_hash(mapped)
    if layer:
        mapped = select_layers(mapped, layer)
    options = {name: value for name, value in (("card", card), ("seed", seed), ("wires", wires)) if value is not None}
    said = {"map": {"sha256": whole, "tile": list(mapped.tile), "arrays": mapped.arrays}}
    with _open(bench, mapped, chip, options, trace, force, said) as opened:
        standing = opened.chip is not None and opened.chip.notes.get("map") == whole
        way = choose(method, asked, mapped.card, opened, standing)
        check_fit(opened, mapped, verbs=way.verbs)
        if opened.capabilities.hardware and not yes:
            _ask(mapped, way)
        with progress() as shown:
            reports = _write(opened, mapped, way, shown)
        if opened.chip is not None and way.writes:
            names = [one.name for one in mapped.layers] if layer else None
            opened.chip.notes |= {"map": whole, "layers": names, "fresh_currents": None}
    total = _total(reports)
    if json:
        print_json({"method": method, "arrays": [report.to_dict() for report in reports], **total})
        return
    print_table("", list(way.heads), [[str(n), *way.row(report)] for n, report in enumerate(reports)])
    done, what = ("formed", "pulses") if method == "form" else ("reached", "pulses" if method == "ispp" else "writes")
    print(f"{total['reached']} of {total['cells']} cells {done}, {total['pulses']} {what}")
    follows = f"xbar run {mapped_file} --data DATA --chip {chip} --no-program"
    if not way.writes:
        follows = f"xbar program {mapped_file} --chip {chip} --band BAND"
    note(f"wrote {chip}; go on: {follows}")


def _open(
    bench: str,
    mapped: "MappedNetwork",
    chip: Path,
    options: dict[str, Any],
    trace: Path | None,
    force: bool,
    said: dict[str, Any],
) -> "OpenBench":
    from xbar.execution.open_bench import open_bench

    if bench == "sim":
        rows, cols = mapped.tile
        options = {"card": mapped.card, "arrays": mapped.arrays, "rows": rows, "cols": cols, **options}
    return open_bench(bench, record=trace, force=force, chip=chip, provenance=said, **options)


def _ask(mapped: "MappedNetwork", way: "Method") -> None:
    cells = sum(matrix.targets.size for matrix in mapped.matrices)
    note(f"this moves real cells: {cells} cells on {mapped.arrays} arrays, {way.effort()}")
    if not typer.confirm("go on?", err=True):
        raise InputError("not confirmed; nothing was written. --yes goes on without asking")


def _write(opened: "OpenBench", mapped: "MappedNetwork", way: "Method", shown: Any) -> list["Report"]:
    import numpy as np

    reports: list[Report] = []
    for matrix in mapped.matrices:
        for array, tile in zip(matrix.arrays, matrix.targets, strict=True):
            has = opened[array].capabilities
            targets = np.full((has.rows, has.cols), np.nan)
            targets[: tile.shape[0], : tile.shape[1]] = tile
            reports.append(way.run(opened[array], targets))
            shown("arrays done", len(reports), mapped.arrays)
    return reports


def _total(reports: list["Report"]) -> dict[str, int]:
    parts = [report.to_dict() for report in reports]
    return {name: sum(int(part[name]) for part in parts) for name in ("cells", "reached", "pulses")}
