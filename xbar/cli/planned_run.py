"""What a run of a map on a bench would take, for `xbar bench check --map`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from xbar.cli.options import load_samples
from xbar.cli.output import print_table
from xbar.errors import InputError
from xbar.units import show

if TYPE_CHECKING:
    from xbar.bench.bench_file import BenchFile
    from xbar.bench.capabilities import Capabilities
    from xbar.bench.driver import Driver
    from xbar.execution.run_plan import LayerPlan


@runtime_checkable
class CountsReadings(Protocol):
    """A driver that measures one line at a time, and so takes many readings for a product."""

    def vector_readings(self, signed: bool) -> int:
        """Return the most readings of one input vector, `signed` where it has inputs of both signs."""
        ...


def planned_run(
    map_file: Path,
    data: str | None,
    samples: int | None,
    found: "BenchFile",
    drivers: Mapping[str, "Driver"],
    able: Mapping[str, "Capabilities | None"],
) -> dict[str, Any]:
    """Return what a run would take, as JSON values; `able` is what drivers can do, as far as it is known."""
    from xbar.execution.bench_sizes import array_size
    from xbar.execution.placement import check_size
    from xbar.execution.run_plan import plan_run
    from xbar.mapping.map_file import load_map
    from xbar.network.named_inputs import named_inputs

    if data is None:
        raise InputError("--map needs --data: the inputs tell how many vectors a layer has, and of which signs")
    mapped, read = load_map(map_file), load_samples(data, samples)
    count = len(next(iter(read.inputs.values())))
    if not count:
        raise InputError(f"{data} holds no samples; give at least one")
    files = {part.name: part for part in found.drivers}
    first_part = found.drivers[0]  # a replay of several drivers stands for all of them
    sizes = {name: able[name] or array_size(files.get(name, first_part), driver) for name, driver in drivers.items()}
    parts, first = {}, 0
    for name, has in sizes.items():
        parts[name] = range(first, first + has.arrays)
        first += has.arrays
    plans = plan_run(mapped, named_inputs(mapped.network, read.inputs), parts, found.placement)
    for plan in plans:
        for name in plan.tiles:
            where, has = f" {name!r}" if name else "", sizes[name]
            check_size(f"layer {plan.layer}", plan.size, where, (has.rows, has.cols))
    rows = [_row(plan, count, drivers, able) for plan in plans]
    return {
        "map": str(map_file),
        "samples": count,
        "voltage_V": mapped.card.read_voltage,
        "layers": rows,
        "readings": sum(row["readings"] or 0 for row in rows),
        "seconds": sum(row["seconds"] or 0.0 for row in rows),
        "cells_written": sum(
            matrix.targets.size
            for number, matrix in enumerate(mapped.matrices)
            if any(plan.written for plan, layer in zip(plans, mapped.layers, strict=True) if layer.matrix == number)
        ),
    }


def _row(
    plan: "LayerPlan", samples: int, drivers: Mapping[str, "Driver"], able: Mapping[str, "Capabilities | None"]
) -> dict[str, Any]:
    vectors, readings, seconds = plan.vectors * samples, 0, 0.0
    for name, tiles in plan.tiles.items():
        driver, has = drivers[name], able[name]
        if isinstance(driver, CountsReadings):
            each = tiles * driver.vector_readings(plan.signed)
            readings += each
            seconds += vectors * each * (0.0 if has is None else has.timings.read)
        elif has is not None:
            seconds += vectors * has.timings.product
    return {
        "layer": plan.layer,
        "tiles": dict(plan.tiles),
        "written": plan.written,
        "vectors_per_sample": plan.vectors,
        "readings_per_vector": readings or None,
        "readings": readings * vectors or None,
        "seconds": seconds or None,
    }


def print_planned_run(values: Mapping[str, Any]) -> None:
    """Print what `planned_run` found."""
    rows = [
        [
            row["layer"],
            ", ".join(f"{count} on {name or 'the bench'}" for name, count in row["tiles"].items()),
            "written" if row["written"] else "stands there",
            str(row["vectors_per_sample"]),
            "-" if row["readings_per_vector"] is None else f"at most {row['readings_per_vector']}",
            "-" if row["seconds"] is None else show(row["seconds"], "s", 3),
        ]
        for row in values["layers"]
    ]
    head = ["layer", "tiles", "cells", "vectors a sample", "readings a vector", "bench time"]
    print_table(f"a run of {values['map']} with {values['samples']} samples", head, rows)
    print(
        f"at most {values['readings']} readings one by one, {show(values['seconds'], 's', 3)} on the bench, up to "
        f"{show(values['voltage_V'], 'V')} on a cell; {values['cells_written']} cells written"
    )
