"""`xbar characterise`: exercise an array so that its card can be fitted to the trace."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xbar.cli.array_bench import array_options, kept_chip
from xbar.cli.options import After, Bench, Card, Chip, Force, Json, Wires
from xbar.cli.output import note, print_json, print_table, progress
from xbar.errors import InputError
from xbar.units import show

if TYPE_CHECKING:
    from xbar.bench.bench import Bench as OpenBench
    from xbar.bench.limits import Limits
    from xbar.devices.card import DeviceCard
    from xbar.programming.characterise import Characterisation
    from xbar.programming.characterise_acts import Cost

KEY = "characterise"
"""Where the plan stands in the provenance of a trace, and the steps in its result."""
REPLAY = "replay:"


def characterise(
    output: Annotated[Path, typer.Option("--output", "-o", help="Trace to write (.h5).")],
    bench: Bench = "sim",
    plan: Annotated[
        Path | None, typer.Option("--plan", help="What to measure (.toml); the rest is chosen by the bench.")
    ] = None,
    card: Card = None,
    array_size: Annotated[
        str | None, typer.Option("--size", help="Word lines x bit lines of the simulated array [32x32].")
    ] = None,
    array: Annotated[int, typer.Option("--array", min=0, help="Which array.")] = 0,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Number of the chip [0].")] = None,
    wires: Wires = None,
    chip: Chip = None,
    after: After = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say cells, pulses, voltages and bench time; send nothing.")
    ] = False,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume", metavar="OLD.h5", help="Go on with one that was cut off, from its trace; -o holds all of it."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write a real chip without asking.")] = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Measure what the laws of a device card are fitted to: levels, retention, products, noise, I-V curves, pulses.

    Steps that the bench cannot do are left out, and said. Then: xbar calibrate TRACE.h5 -o CARD.toml.
    """
    from xbar.execution.open_bench import open_bench
    from xbar.hdf5 import check_new_path
    from xbar.programming.characterise import characterise as measure
    from xbar.programming.characterise_plan import parse_plan, read_plan

    before = Path(bench.removeprefix(REPLAY)) if bench.startswith(REPLAY) else resume
    again = None if before is None else _recorded(before)
    if plan is not None:
        text, origin = read_plan(plan), f"plan file {plan}"
    else:
        text, origin = ("", "plan") if again is None else (again.plan, f"plan of {before}")
    said = parse_plan(text, origin)
    kept = kept_chip(chip, after)
    own, options = _card_and_options(bench, card, array_options(bench, card, array_size, seed, wires, kept))
    named = None if own is None else own.text
    if again is not None:
        named, own, array = named or again.named, own or again.card, again.array
        if resume is None:
            options["limits"] = again.limits
    if dry_run:
        _report(_dry(bench, options, kept, array, said, own), json)
        return
    check_new_path(output, force)
    if bench == "sim" and resume is None and kept is None:
        # What the limits do not allow is told before a trace is begun.
        _dry(bench, options, kept, array, said, own)
    provenance = {KEY: {"plan": text, "array": array, "card": named}}
    options |= {"record": output, "level": "full", "force": force, "chip": kept, "resume": resume}
    with open_bench(bench, provenance=provenance, **options) as opened:
        found = _plan(opened, array, said, own)
        if opened[array].capabilities.hardware and not yes:
            _ask(found)
        opened.conclude({KEY: found.marks()})
        with progress() as shown:
            measure(opened[array], found, shown)
        opened.check_whole()
    _report(found, json, output)


@dataclass(frozen=True)
class _Recorded:
    """What a trace says of the characterisation that it holds."""

    plan: str
    array: int
    named: str | None
    """Text of the card that was named."""
    card: "DeviceCard | None"
    """That card, or the one of a simulated bench."""
    limits: "Limits"


def _recorded(path: Path) -> _Recorded:
    """Return what a trace was recorded with; raises `InputError` for one of something else."""
    from xbar.devices.card_file import parse_card
    from xbar.trace.reader import open_trace

    with open_trace(path) as trace:
        said, limits = trace.provenance.get(KEY), trace.header.limits
        recorded = trace.header.drivers[0].settings.get("card_text") or None
    if not isinstance(said, dict) or not isinstance(said.get("plan"), str) or not isinstance(said.get("array"), int):
        raise InputError(f"{path} holds no characterisation; name one that xbar characterise wrote")
    named = said.get("card") if isinstance(said.get("card"), str) else None
    text = named or recorded
    card = parse_card(text, f"card of {path}") if isinstance(text, str) else None
    return _Recorded(said["plan"], said["array"], named, card, limits)


def _card_and_options(
    bench: str, card: str | None, options: dict[str, Any]
) -> tuple["DeviceCard | None", dict[str, Any]]:
    """Return the card that was named and the driver's options: the card is one of simulated arrays alone."""
    from xbar.devices.card_file import load_card

    own = None if card is None else load_card(card)
    if own is not None and bench.endswith(".toml"):
        from xbar.bench.bench_file import load_bench_file

        if not any(part.driver == "sim" for part in load_bench_file(bench).drivers):
            options.pop("card")
    return own, options


def _plan(opened: "OpenBench", array: int, said: Any, own: "DeviceCard | None") -> "Characterisation":
    """Return the plan for an array of an open bench."""
    from xbar.devices.card_file import parse_card
    from xbar.programming.characterise import plan_steps

    text = opened.setting("card_text")
    if own is None and isinstance(text, str) and text:
        own = parse_card(text, "card of the bench")
    one = opened[array]
    simulated = opened.identity.model.removeprefix("replay:").startswith("sim:")
    return plan_steps(said, one.capabilities, one.limits, own, simulated)


def _dry(
    bench: str, options: dict[str, Any], chip: Any, array: int, said: Any, own: "DeviceCard | None"
) -> "Characterisation":
    """Return the plan without a command to hardware: such a driver tells its abilities by its files."""
    from xbar.execution.open_bench import open_bench
    from xbar.programming.characterise import plan_steps

    real = _hardware(bench, options) if bench.endswith(".toml") else None
    if real is None:
        with open_bench(bench, chip=chip, **options) as opened:
            found = _plan(opened, array, said, own)
            found.check(opened[array].limits)
            return found
    has, limits = real
    found = plan_steps(said, has, limits, own)
    found.check(limits)
    return found


def _hardware(bench: str, options: dict[str, Any]) -> tuple[Any, "Limits"] | None:
    """Return abilities and limits of a bench file of one driver that moves real charge; None for another bench."""
    from xbar.bench.bench_file import load_bench_file
    from xbar.bench.registry import make_drivers

    parts = load_bench_file(bench).drivers
    drivers = [d for part in parts for d in make_drivers(part.driver, part.rest, {**part.options, **options}).values()]
    if not any(driver.hardware for driver in drivers):
        return None
    has = vars(drivers[0]).get("capabilities")
    if len(drivers) > 1 or has is None:
        raise InputError(f"bench {bench!r} tells what it can do only when it is open; --dry-run cannot say anything")
    if parts[0].limits is None:
        raise InputError(f"bench {bench!r} moves real charge; give [limits] in the file")
    return has, parts[0].limits


def _ask(found: "Characterisation") -> None:
    total = found.total
    if not total.pulses and not total.written:
        return
    note(
        f"this moves real cells: {found.cells} cells, {total.written} written in one shot, at most "
        f"{found.pulses_per_cell} pulses a cell, up to {show(total.voltage, 'V')}, {show(total.seconds, 's')}"
    )
    if not typer.confirm("go on?", err=True):
        raise InputError("not confirmed; nothing was written. --yes goes on without asking")


def _report(found: "Characterisation", json: bool, output: Path | None = None) -> None:
    costs, total = found.costs(), found.total
    if json:
        values: dict[str, Any] = {"cells": found.cells, "pulses_per_cell": found.pulses_per_cell}
        values |= {"total": _values(total), "steps": {name: _values(cost) for name, cost in costs}}
        print_json({**values, "left_out": dict(found.left_out), "trace": None if output is None else str(output)})
        return
    rows = [_row(name, cost) for name, cost in (*costs, ("all", total))]
    columns = ["step", "operations", "cells written", "pulses", "readings", "vectors", "worst voltage", "bench time"]
    print_table("", columns, rows)
    if found.left_out:
        print_table("left out", ["step", "why"], [list(pair) for pair in found.left_out])
    print(f"{found.cells} cells, at most {found.pulses_per_cell} pulses a cell")
    if output is not None:
        note(f"wrote {output}; fit its card: xbar calibrate {output} -o CARD.toml")


def _row(name: str, cost: "Cost") -> list[str]:
    counts = [str(n) for n in (cost.operations, cost.written, cost.pulses, cost.readings, cost.vectors)]
    return [name, *counts, show(cost.voltage, "V"), show(cost.seconds, "s")]


def _values(cost: "Cost") -> dict[str, Any]:
    return {
        "operations": cost.operations,
        "cells_written": cost.written,
        "pulses": cost.pulses,
        "readings": cost.readings,
        "vectors": cost.vectors,
        "worst_voltage_V": cost.voltage,
        "bench_s": cost.seconds,
    }
