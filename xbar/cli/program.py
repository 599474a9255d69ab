"""`xbar program`: write a map onto a chip by pulses and readings, as a laboratory writes real cells."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xbar.cli.options import Bench, Card, Force, Json, Seed, Wires
from xbar.cli.output import note, print_json, print_table, progress
from xbar.errors import InputError
from xbar.units import parse, show

if TYPE_CHECKING:
    from xbar.bench.bench import Bench as OpenBench
    from xbar.mapping.mapped_network import MappedNetwork
    from xbar.programming.write_report import WriteReport
    from xbar.programming.write_settings import WriteVerify


def program(
    mapped_file: Annotated[Path, typer.Argument(metavar="MAPPED.h5", help="Map file, from xbar map.")],
    chip: Annotated[Path, typer.Option("--chip", help="Chip file (.h5) that keeps the arrays; begun where it is new.")],
    band: Annotated[str, typer.Option("--band", help="Largest distance from a target, such as '2 uS'.")],
    bench: Bench = "sim",
    method: Annotated[str, typer.Option("--method", help="ispp: pulses of growing amplitude and readings.")] = "ispp",
    max_pulses: Annotated[
        int, typer.Option("--max-pulses", min=1, help="Pulses after which a cell is given up.")
    ] = 100,
    readings: Annotated[int, typer.Option("--readings", min=1, help="Readings that are averaged to verify.")] = 1,
    card: Card = None,
    seed: Seed = None,
    wires: Wires = None,
    trace: Annotated[Path | None, typer.Option("--trace", help="Log every operation in this file (.h5).")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write a real chip without asking.")] = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Write a map onto a chip, cell by cell, until each is in a band around its target or is given up.

    Run the network on it afterwards: xbar run MAPPED.h5 --chip FILE.h5 --no-program.
    """
    from xbar.mapping.map_file import load_map

    if method != "ispp":
        raise InputError(f"method {method!r} is not known; known is ispp")
    width = parse(band, "S")
    mapped = load_map(mapped_file)
    options = {name: value for name, value in (("card", card), ("seed", seed), ("wires", wires)) if value is not None}
    with _open(bench, mapped, chip, options, trace, force) as opened:
        how = _settings(opened, mapped, width, max_pulses, readings)
        if opened.capabilities.hardware and not yes:
            _ask(mapped, how)
        with progress() as shown:
            reports = _write(opened, mapped, how, shown)
    if json:
        print_json({"arrays": [report.to_dict() for report in reports], **_total(reports)})
        return
    rows = [
        [str(n), f"{r.success:.2%}", str(int(r.pulses.sum())), show(r.rms_error, "S"), show(r.seconds, "s")]
        for n, r in enumerate(reports)
    ]
    print_table("", ["array", "reached", "pulses", "rms error", "bench time"], rows)
    total = _total(reports)
    print(f"{total['reached']} of {total['cells']} cells reached, {total['pulses']} pulses")
    note(f"wrote {chip}; run on it: xbar run {mapped_file} --data DATA --chip {chip} --no-program")


def _open(
    bench: str, mapped: "MappedNetwork", chip: Path, options: dict[str, Any], trace: Path | None, force: bool
) -> "OpenBench":
    from xbar.execution.open_bench import open_bench
    from xbar.mapping.map_file import map_hash

    if bench == "sim":
        rows, cols = mapped.tile
        options = {"card": mapped.card, "arrays": mapped.arrays, "rows": rows, "cols": cols, **options}
    said = {"map": {"sha256": map_hash(mapped), "tile": list(mapped.tile), "arrays": mapped.arrays}}
    return open_bench(bench, record=trace, force=force, chip=chip, provenance=said, **options)


def _settings(
    opened: "OpenBench", mapped: "MappedNetwork", band: float, max_pulses: int, readings: int
) -> "WriteVerify":
    """Return how cells are written: amplitudes from the card of the map. Raises `InputError` where it has none."""
    from xbar.bench.settings import ReadConfig
    from xbar.execution.placement import check_fit
    from xbar.programming.write_settings import WriteVerify

    if mapped.card.write is None:
        raise InputError(
            f"card {mapped.card.name!r} names no write pulses; map with one that does (see xbar cards: write), or run "
            "without xbar program: xbar run writes in one shot"
        )
    check_fit(opened, mapped, verbs=("read", "pulse"))
    read = ReadConfig(voltage=mapped.card.read_voltage, repeat=readings)
    return WriteVerify.for_device(mapped.card.write, band, max_pulses=max_pulses, read=read)


def _ask(mapped: "MappedNetwork", how: "WriteVerify") -> None:
    cells = sum(matrix.targets.size for matrix in mapped.matrices)
    worst = max(abs(how.set.stop), abs(how.reset.stop))
    note(
        f"this moves real cells: {cells} cells on {mapped.arrays} arrays, at most {how.max_pulses} pulses a cell, "
        f"up to {show(worst, 'V')} and {show(how.current_limit, 'A')}"
    )
    if not typer.confirm("go on?", err=True):
        raise InputError("not confirmed; nothing was written. --yes goes on without asking")


def _write(opened: "OpenBench", mapped: "MappedNetwork", how: "WriteVerify", shown: Any) -> list["WriteReport"]:
    import numpy as np

    from xbar.bench.cell_life import CellFlag
    from xbar.mapping.map_file import map_hash
    from xbar.programming.write_verify import write_verify

    reports: list[WriteReport] = []
    for matrix in mapped.matrices:
        for array, tile in zip(matrix.arrays, matrix.targets, strict=True):
            has = opened[array].capabilities
            targets = np.full((has.rows, has.cols), np.nan)
            targets[: tile.shape[0], : tile.shape[1]] = tile
            report = write_verify(opened[array], targets, how)
            reports.append(report)
            if opened.chip is not None:
                opened.chip.flag(array, np.argwhere(report.asked), CellFlag.GAVE_UP, on=False)
                opened.chip.flag(array, np.argwhere(report.given_up), CellFlag.GAVE_UP)
            shown("arrays written", len(reports), mapped.arrays)
    if opened.chip is not None:
        opened.chip.notes |= {"map": map_hash(mapped), "fresh_currents": None}
    return reports


def _total(reports: list["WriteReport"]) -> dict[str, int]:
    return {
        "cells": sum(int(report.asked.sum()) for report in reports),
        "reached": sum(int(report.reached.sum()) for report in reports),
        "pulses": sum(int(report.pulses.sum()) for report in reports),
    }
