"""`xbar bench`: check a bench file against the instruments that answer, and find instruments."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, runtime_checkable

import typer

from xbar.cli.options import Force, Json, Samples
from xbar.cli.output import note, print_json, print_table
from xbar.cli.planned_run import planned_run, print_planned_run
from xbar.errors import InputError, XbarError
from xbar.units import parse, show

if TYPE_CHECKING:
    from xbar.bench.bench import Bench
    from xbar.bench.bench_file import BenchFile
    from xbar.bench.capabilities import Capabilities
    from xbar.bench.driver import Driver
    from xbar.bench.limits import Limits

SAFE = 0.1
"""Voltage at which `bench check` reads where nothing else is said [V]: half of the usual read voltage."""


@runtime_checkable
class PlansAhead(Protocol):
    """A driver that can tell what it would do without sending anything."""

    def plan(self) -> Mapping[str, str]:
        """Return what it is made of and what a run would take, by subject."""
        ...


@runtime_checkable
class FindsResources(Protocol):
    """A driver that can look for what it could stand on."""

    @classmethod
    def resources(cls) -> list[tuple[str, str]]:
        """Return address and who answers there."""
        ...


def check(
    file: Annotated[Path, typer.Argument(metavar="LAB.toml", help="Bench file.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Send nothing: what the file says alone.")] = False,
    voltage: Annotated[
        str | None, typer.Option("--voltage", help="Voltage of the one reading.", show_default="0.1 V, or the limit")
    ] = None,
    cell: Annotated[str, typer.Option("--cell", help="Cell that is read: ROW,COLUMN.")] = "0,0",
    trace: Annotated[
        Path | None,
        typer.Option("--trace", help="Log of the check (.h5).", show_default="bench-check-TIME.h5 on hardware"),
    ] = None,
    mapped: Annotated[
        Path | None, typer.Option("--map", metavar="MAPPED.h5", help="Tell what a run of this map would take.")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="Samples of that run: .npz, or sample:NAME.", show_default=False)
    ] = None,
    samples: Samples = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Open a bench, compare who answers with the file, read one cell at a safe voltage, tell what a run would take."""
    from xbar.bench.bench_file import load_bench_file

    place, volts = _cell(cell), None if voltage is None else parse(voltage, "V")
    found = load_bench_file(file)
    drivers = _drivers(found)
    able = {name: vars(driver).get("capabilities") for name, driver in drivers.items()}

    def plan() -> dict[str, Any]:
        return {} if mapped is None else {"run": planned_run(mapped, data, samples, found, drivers, able)}

    if dry_run:
        values = {"bench": str(file), "sent": 0, "drivers": _dry(found, drivers), **plan()}
    else:
        plan()  # what is wrong with it is told before anything is sent
        named = trace
        if trace is None and any(driver.hardware for driver in drivers.values()):
            named = Path(f"bench-check-{time.strftime('%Y%m%dT%H%M%S')}.h5")
        values = {"bench": str(file), **_opened(file, found, named, force, place, volts, able), **plan()}
        if named is not None:
            note(f"wrote {named}")
    if json:
        print_json(values)
    else:
        _print(values, dry_run)


def _cell(text: str) -> tuple[int, int]:
    row, _, column = text.partition(",")
    try:
        return int(row), int(column)
    except ValueError as error:
        raise InputError(f"cell {text!r} is not ROW,COLUMN; write for example 0,0") from error


def _drivers(found: "BenchFile") -> dict[str, "Driver"]:
    """Return the drivers of a file, not open: everything that the files say is checked by that."""
    from xbar.bench.registry import make_drivers

    made: dict[str, Driver] = {}
    for part in found.drivers:
        for own, driver in make_drivers(part.driver, part.rest, part.options).items():
            made[part.name or own] = driver
    return made


def _dry(found: "BenchFile", drivers: Mapping[str, "Driver"]) -> list[dict[str, Any]]:
    limits = {part.name: part.limits for part in found.drivers}
    entries = []
    for name, driver in drivers.items():
        if driver.hardware and limits.get(name) is None:
            raise InputError(f"driver {name or type(driver).__name__} moves real charge; give [limits] in the file")
        # Valid after `open` alone, but for drivers that know it from their file.
        has = vars(driver).get("capabilities")
        entries.append(_entry(name, driver, has, limits.get(name)))
    return entries


def _entry(name: str, driver: "Driver", has: "Capabilities | None", limits: "Limits | None") -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name, "driver": type(driver).__name__, "hardware": driver.hardware}
    if isinstance(driver, PlansAhead):
        entry["plan"] = dict(driver.plan())
    if has is not None:
        entry |= _able(has)
    if limits is not None:
        entry["limits"] = {"cell_voltage_V": limits.cell_voltage, "current_A": limits.current}
    if limits is not None and has is not None:
        entry["worst_voltage_V"] = min(limits.cell_voltage, has.voltage_max)
    return entry


def _able(has: "Capabilities") -> dict[str, Any]:
    """Return capabilities, and what a run would take, as JSON values."""
    return {
        "arrays": has.arrays,
        "rows": has.rows,
        "cols": has.cols,
        "voltage_max_V": has.voltage_max,
        "current_max_A": has.current_max,
        "operations": sorted(has.native),
        "unselected": sorted(mode.value for mode in has.unselected),
        "read_s": has.timings.read,
        "array_s": has.timings.read * has.rows * has.cols,
        "vector_s": has.timings.product if "mvm" in has.native else None,
        "pulses": 0,
        "refused": {e.name: e.note for e in has.effects if e.state == "unsupported"},
    }


def _opened(
    file: Path,
    found: "BenchFile",
    trace: Path | None,
    force: bool,
    cell: tuple[int, int],
    volts: float | None,
    able: dict[str, "Capabilities | None"],
) -> dict[str, Any]:
    """Open the bench, read one cell of every driver, and note in `able` what the drivers can do."""
    from xbar.execution.open_bench import open_bench

    drivers = _drivers(found)
    limits = {part.name: part.limits for part in found.drivers}
    with open_bench(file, record=trace, force=force) as bench:
        asked = min(SAFE, bench.limits.cell_voltage) if volts is None else volts
        who, entries, first = bench.identity, list[dict[str, Any]](), 0
        for name, driver in drivers.items():
            able[name] = has = bench[first].capabilities
            entries.append({**_entry(name, driver, has, limits.get(name)), "reading": _read(bench, first, cell, asked)})
            first += has.arrays
    return {
        "identity": {"driver": who.driver, "model": who.model, "serial": who.serial, "firmware": who.firmware},
        "drivers": entries,
    }


def _read(bench: "Bench", array: int, cell: tuple[int, int], volts: float) -> dict[str, Any]:
    """Read one cell, the other lines at ground where the bench can, else floating."""
    from xbar.bench.settings import ReadConfig, Unselected
    from xbar.bench.status import Status

    modes = bench[array].capabilities.unselected
    mode = Unselected.GROUND if Unselected.GROUND in modes else Unselected.FLOAT
    readings = bench.read(array, [cell], ReadConfig(voltage=volts, unselected=mode))
    status = Status(int(readings.status[0, 0]))
    return {
        "cell": list(cell),
        "voltage_V": volts,
        "current_A": float(readings.current[0, 0]),
        "conductance_S": float(readings.conductance[0, 0]),
        "status": [flag.name for flag in Status if flag and flag in status],
        "unselected": mode.value,
    }


def _print(values: Mapping[str, Any], dry_run: bool) -> None:
    if "identity" in values:
        who = values["identity"]
        print(f"answered: {who['model']}, serial {who['serial'] or '-'}, firmware {who['firmware'] or '-'}")
    for entry in values["drivers"]:
        print_table(f"{entry['name'] or values['bench']} ({entry['driver']})", ["", ""], _lines(entry))
    if "run" in values:
        print_planned_run(values["run"])
    if dry_run:
        print("nothing was sent")


def _lines(entry: Mapping[str, Any]) -> list[list[str]]:
    lines = [[subject, text] for subject, text in entry.get("plan", {}).items()]
    if "rows" in entry:
        lines += [
            ["array", f"{entry['arrays']} of {entry['rows']} x {entry['cols']}"],
            ["operations", ", ".join(entry["operations"])],
            ["other lines", ", ".join(entry["unselected"])],
            ["sources give", f"up to {show(entry['voltage_max_V'], 'V')}, {show(entry['current_max_A'], 'A')}"],
            ["reading a cell", show(entry["read_s"], "s", 3)],
            ["reading an array", show(entry["array_s"], "s", 3)],
            ["an input vector", "-" if entry["vector_s"] is None else f"up to {show(entry['vector_s'], 's', 3)}"],
            ["pulses", "none, unless --program is asked for"],
        ]
    if "limits" in entry:
        limits = entry["limits"]
        lines.append(["limits", f"{show(limits['cell_voltage_V'], 'V')}, {show(limits['current_A'], 'A')}"])
    if "worst_voltage_V" in entry:
        lines.append(["worst voltage of a cell", show(entry["worst_voltage_V"], "V")])
    if "reading" in entry:
        found = entry["reading"]
        flags = f" ({', '.join(found['status'])})" if found["status"] else ""
        lines.append(
            [
                f"cell {tuple(found['cell'])} at {show(found['voltage_V'], 'V')}",
                f"{show(found['current_A'], 'A')}, {show(found['conductance_S'], 'S')}{flags}",
            ]
        )
    return lines


def list_(json: Json = False) -> None:
    """Find what benches could stand on: VISA resources, served emulations among them."""
    from xbar.bench.registry import driver_class, driver_names

    rows = []
    for name in driver_names():
        try:
            kind = driver_class(name)
            found = kind.resources() if issubclass(kind, FindsResources) else []
        except XbarError as error:
            found = [("-", str(error))]
        rows += [{"driver": name, "address": address, "answer": answer} for address, answer in found]
    if json:
        print_json(rows)
        return
    if not rows:
        print("nothing found; instruments on raw sockets do not announce themselves: name their address")
        return
    print_table("resources", ["driver", "address", "answer"], [list(row.values()) for row in rows])
