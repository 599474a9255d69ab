"""`xbar run`: a mapped network on a bench."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xbar.cli.hardware_trace import hardware_trace
from xbar.cli.options import (
    AdcBits,
    After,
    At,
    Batch,
    Bench,
    Card,
    Chip,
    Compensate,
    Converters,
    DacBits,
    DataFile,
    Device,
    Dtype,
    Flush,
    Force,
    Iv,
    Json,
    NoEmbed,
    NoProgram,
    Outside,
    Recalibrate,
    RecalibrateBy,
    Record,
    Resume,
    Samples,
    Seed,
    Temperature,
    Threads,
    WireNoise,
    Wires,
    converter_options,
    flush_seconds,
    kelvin,
    load_samples,
    recalibration_options,
    seconds,
    settings,
)
from xbar.cli.output import note, print_json, print_table, progress
from xbar.errors import InputError
from xbar.units import show

if TYPE_CHECKING:
    from xbar.execution.results import RepeatResult, RunResult


def run(
    mapped_file: Annotated[Path, typer.Argument(metavar="MAPPED.h5", help="Map file, from xbar map.")],
    data: DataFile,
    bench: Bench = "sim",
    trace: Annotated[Path | None, typer.Option("--trace", help="Log every operation in this file (.h5).")] = None,
    resume: Resume = None,
    record: Record = "outputs",
    flush: Flush = None,
    no_embed: NoEmbed = False,
    seed: Seed = None,
    repeat: Annotated[int, typer.Option("--repeat", min=1, help="Chips: seeds SEED, SEED + 1, ...")] = 1,
    at: At = None,
    samples: Samples = None,
    batch: Batch = 100,
    dtype: Dtype = "float64",
    threads: Threads = None,
    device: Device = "cpu",
    card: Card = None,
    wires: Wires = None,
    wire_noise: WireNoise = None,
    iv: Iv = None,
    temperature: Temperature = None,
    outside: Outside = None,
    dac_bits: DacBits = None,
    adc_bits: AdcBits = None,
    converters: Converters = None,
    chip: Chip = None,
    no_program: NoProgram = False,
    after: After = None,
    only: Annotated[list[str] | None, typer.Option("--only", help="Apply this effect alone (may be repeated).")] = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", help="Leave this effect out (may be repeated).")
    ] = None,
    compensate: Compensate = "none",
    recalibrate: Recalibrate = None,
    recalibrate_by: RecalibrateBy = None,
    error_samples: Annotated[
        int, typer.Option("--error-samples", min=0, help="Samples that layer errors are measured on.")
    ] = 100,
    read_back: Annotated[
        bool, typer.Option("--read-back", help="Read every cell after programming and after the wait, for the trace.")
    ] = False,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Draw layer errors and outputs against ideal (.png or .svg).")
    ] = None,
    outputs: Annotated[
        Path | None, typer.Option("--outputs", help="Write the network's outputs by name (.npz).")
    ] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Program the arrays, run the samples, and report accuracy, layer errors, effects and times."""
    from xbar.execution.run_network import repeat_network, run_network
    from xbar.execution.trace_size import trace_size
    from xbar.hdf5 import check_new_path
    from xbar.mapping.map_file import load_map
    from xbar.network.named_inputs import named_inputs
    from xbar.trace.reader import open_trace

    trace = hardware_trace(bench, trace, "run")
    written = [path for path in (trace, outputs, figure) if path is not None]
    if len({path.absolute() for path in written}) < len(written):
        raise InputError("--trace, --outputs and --figure name the same file; give each a name of its own")
    # With several chips each has a trace of its own; repeat_network checks their names.
    for path in (trace if repeat == 1 else None, outputs):
        if path is not None:
            check_new_path(path, force)
    if figure is not None:
        from xbar.figures.saving import check_figure_path

        check_figure_path(figure, force)
    how = settings(
        bench=bench,
        seed=seed,
        at=seconds(at),
        batch=batch,
        dtype=dtype,
        only=tuple(only) if only else None,
        without=tuple(without or ()),
        card=card,
        wires=wires,
        wire_noise=wire_noise,
        iv=iv,
        temperature=kelvin(temperature),
        outside=outside,
        **converter_options(dac_bits, adc_bits, converters),
        chip=chip,
        program=not no_program,
        after=seconds(after) or 0.0,
        threads=threads,
        device=device,
        compensate=compensate,
        **recalibration_options(recalibrate, recalibrate_by),
        read_back=read_back,
        error_samples=error_samples,
        trace=trace,
        resume=resume,
        level=record,
        flush=flush_seconds(flush),
        embed=not no_embed,
        force=force,
    )
    mapped = load_map(mapped_file)
    found = load_samples(data, samples)
    if trace is not None:
        data_by_name = named_inputs(mapped.network, found.inputs)
        bits = {"dac_bits": how.input_bits, "adc_bits": how.output_bits}
        size = trace_size(mapped, data_by_name, batch=batch, level=how.level, **bits)
        note(f"the trace of each chip will take about {max(size / 1e6, 0.1):.1f} MB" if size else "no trace is kept")
    with progress() as shown:
        if repeat > 1:
            result: RunResult | RepeatResult = repeat_network(
                mapped, found.inputs, found.labels, repeat, settings=how, progress=shown
            )
        else:
            result = run_network(mapped, found.inputs, found.labels, settings=how, progress=shown)
    if outputs is not None:
        _write_outputs(outputs, force, result)
    if figure is not None:
        _draw(figure, force, result)
    if json:
        print_json(result.to_dict())
    else:
        print_result(result)
    if trace is not None and record != "off":
        held = "the command line"
        if repeat == 1:
            with open_trace(trace) as kept:
                held = "map, data and command line" if kept.embedded else held
                if resume is not None:
                    taken = kept.provenance["resumed"]
                    note(f"{taken['operations']} of {len(kept)} operations are those of {resume}")
        note(
            f"wrote {trace} (holds {held})"
            if repeat == 1
            else f"wrote {repeat} traces, {trace.stem}.chip0{trace.suffix} and on"
        )


def _write_outputs(path: Path, force: bool, result: "RunResult | RepeatResult") -> None:
    import numpy as np

    from xbar.execution.results import RunResult
    from xbar.hdf5 import atomic_file, check_new_path, new_path

    chips = [result] if isinstance(result, RunResult) else list(result.chips)
    arrays: dict[str, Any] = {name: np.stack([chip.outputs[name] for chip in chips]) for name in chips[0].outputs}
    if len(chips) == 1:
        arrays = {name: array[0] for name, array in arrays.items()}
    with atomic_file(check_new_path(path, force)) as partial:
        with partial.open("wb") as file:
            np.savez_compressed(file, **arrays)
        # Only now: where the disk is full, the old file keeps its name.
        new_path(path, force)
    note(f"wrote {path}")


def _draw(path: Path, force: bool, result: "RunResult | RepeatResult") -> None:
    from xbar.execution.results import RunResult
    from xbar.figures.run_figure import run_figure
    from xbar.figures.saving import save

    save(run_figure(result if isinstance(result, RunResult) else result.chips[0]), path, force)
    note(f"wrote {path}")


def print_result(result: "RunResult | RepeatResult") -> None:
    """Print a run or a repeat as tables."""
    from xbar.execution.results import RunResult, interval

    first = result if isinstance(result, RunResult) else result.chips[0]
    if not isinstance(result, RunResult):
        print(result)
        rows = [
            [str(chip.seed), f"{chip.accuracy.analog:.2%}" if chip.accuracy else "", f"{chip.wall_s:.2f} s"]
            for chip in result.chips
        ]
        print_table("", ["chip", "analog accuracy", "wall time"], rows)
    elif first.accuracy is not None:
        a = first.accuracy
        print(f"accuracy: digital {a.digital:.2%}, analog {a.analog:.2%} ({a.n} samples)")
        print(f"  difference {100 * a.difference:+.2f} points, 95 % interval {interval(a.ci95)}")
    if first.layers:
        print_layers(first)
    print_clipped(first)
    if first.compensated:
        rows = [
            [layer.name, *(f"{x:.3f}" for x in (layer.least, layer.mean, layer.largest))] for layer in first.compensated
        ]
        print_table("drift compensation, factors", ["layer", "least", "mean", "largest"], rows)
    if first.recalibrated:
        rows = [[layer.name, _decibels(layer.before_db), _decibels(layer.after_db)] for layer in first.recalibrated]
        print_table("recalibration, signal to error on its samples", ["layer", "before [dB]", "after [dB]"], rows)
    print_placed(first)
    print_table("", ["effect", "here", "law or reason"], [[e.name, e.state, e.note] for e in first.effects])
    when = "right after programming" if first.at is None else f"{show(first.at, 's')} after programming"
    print(f"bench {first.bench}, seed {first.seed}, {when}; bench time {show(first.bench_s, 's')}")
    print(f"wall time {first.wall_s:.2f} s, {first.throughput:.0f} samples/s")


def print_layers(run: "RunResult") -> None:
    """Print the error of each layer, and what it would be without compensation and recalibration."""
    bare = any(layer.bare_snr_db is not None for layer in run.layers)
    rows = [
        [layer.name]
        + ([_decibels(math.nan if layer.bare_snr_db is None else layer.bare_snr_db)] if bare else [])
        + [_decibels(layer.snr_db), _decibels(layer.cumulative_snr_db)]
        for layer in run.layers
    ]
    names = ["layer", "nothing made up for [dB]", "alone [dB]", "cumulative [dB]"]
    title = f"layer error, signal to error ({run.error_samples} samples)"
    print_table(title, names if bare else [names[0], *names[2:]], rows)


def print_clipped(run: "RunResult") -> None:
    """Print which layers' conversions clipped."""
    rows = [
        [layer.name, f"{layer.input_share:.3%}", f"{layer.output_share:.3%}"]
        for layer in run.clipped
        if layer.inputs_clipped or layer.outputs_clipped
    ]
    if rows:
        print_table("conversions that clipped (layers without any left out)", ["layer", "DAC", "ADC"], rows)
    elif run.clipped:
        print("no conversion clipped")


def print_placed(run: "RunResult") -> None:
    """Print where each layer stands, on a bench of several drivers."""
    rows = [
        [entry["layer"], ", ".join(entry["drivers"]), str(len(entry["arrays"])), "written" if entry["written"] else "-"]
        for entry in run.placed
    ]
    if rows:
        print_table("where the layers stand", ["layer", "driver", "arrays", "cells"], rows)


def _decibels(value: float) -> str:
    return f"{value:.1f}"
