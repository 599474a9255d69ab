"""Run a mapped network on a bench: program, wait, multiply, compare with the digital network."""

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.bench.bench import Bench
from xbar.bench.bench_file import load_bench_file
from xbar.bench.chip import open_chip
from xbar.bench.placement_rule import PlacementRule
from xbar.bench.registry import split_address
from xbar.errors import InputError, ReplayError
from xbar.execution.accuracy import compare, correct
from xbar.execution.clip_counts import Clipped
from xbar.execution.drift_compensation import Compensated, gains, total_currents
from xbar.execution.embedding import embedded_files, kept_result
from xbar.execution.fresh_currents import kept_currents, program_and_measure
from xbar.execution.hashing import data_hash
from xbar.execution.layer_error import LayerErrors
from xbar.execution.open_bench import open_bench
from xbar.execution.placement import check_fit, check_standing, not_written, place, placed_layers, read_back
from xbar.execution.recalibration import Recalibrated
from xbar.execution.results import RepeatResult, RunResult
from xbar.execution.run_settings import RunSettings
from xbar.execution.runner import Runner
from xbar.execution.trace_size import check_room, trace_size
from xbar.mapping.map_file import map_hash
from xbar.mapping.mapped_network import MappedNetwork
from xbar.network.named_inputs import named_inputs
from xbar.network.network import Network

Arrays = Mapping[str, NDArray[Any]]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it, of how much."""


def quiet(what: str, done: int, total: int) -> None:
    """Show nothing."""


def run_network(
    mapped: MappedNetwork,
    inputs: Arrays | NDArray[Any],
    labels: NDArray[Any] | None = None,
    *,
    settings: RunSettings | None = None,
    progress: Progress = quiet,
    **changes: Any,
) -> RunResult:
    """Program one chip with a map, run all samples through it, and compare with the digital network.

    Args:
        mapped: the map, from `xbar.map_network` or `xbar.load_map`.
        inputs: network inputs by name, axis 0 the samples; or the array of the only input.
        labels: classes `(samples,)`, or None to run without accuracy.
        settings: how; the fields of `RunSettings` may also be given as keywords.
        progress: told how far the run is.
        changes: fields of `RunSettings`, in place of those of `settings`.

    Raises:
        InputError: data or settings that do not fit.
        ReplayError: a replayed trace holds something else than what this run asks for.
        And what the bench raises.

    """
    how = replace(settings or RunSettings(), **_clean(changes))
    data = named_inputs(mapped.network, inputs)
    if how.recalibration is not None:
        how = replace(how, recalibration=named_inputs(mapped.network, how.recalibration))
    count = len(next(iter(data.values())))
    if labels is not None and labels.shape[:1] != (count,):
        raise InputError(f"labels of shape {labels.shape} for {count} samples; give one label for each sample")
    mapped.network.blocks({name: array[:1] for name, array in data.items()}, 0)
    digital = run_digital(mapped.network, data)
    right = None if labels is None else correct(digital[mapped.network.outputs[0]], labels)
    errors = LayerErrors(mapped.network, data, how.error_samples) if how.error_samples else None
    if how.chip is None and not how.program and how.is_simulated:
        raise InputError("nothing stands on a new chip; give the chip file of an earlier run, or program")
    if not how.placement:
        how = replace(how, placement=_rules(how))
    if how.trace is not None:
        bits = {"dac_bits": how.input_bits, "adc_bits": how.output_bits}
        check_room(how.trace, trace_size(mapped, data, batch=how.batch, level=how.level, **bits))
    with _open(mapped, how, data, labels) as bench:
        how = _as_recorded(bench, replace(how, seed=_seed(bench, how)), count)
        mapped = place(bench.parts, mapped, how.placement)
        standing = not_written(mapped, how.placement, how.program)
        check_fit(bench, mapped, standing=standing)
        if bench.setting("run") is None:
            check_standing(bench, mapped, standing)
        if how.at is not None and bench.capabilities.hardware:
            raise InputError("the clock of real arrays is that of the wall; leave --at out, and wait")
        ran = _on_bench(bench, mapped, data, how, errors, progress)
        bench.check_whole()
        outputs = ran.outputs
        _check_used_up(bench)
        accuracy = None
        if right is not None and labels is not None:
            accuracy = compare(right, correct(outputs[mapped.network.outputs[0]], labels))
        result = RunResult(
            outputs,
            digital,
            accuracy,
            () if errors is None else errors.results(),
            0 if errors is None else errors.samples,
            bench.capabilities.effects,
            how.seed or 0,
            count,
            how.at,
            ran.bench_s,
            ran.wall_s,
            bench.identity.model,
            ran.recalibrated,
            tuple(placed_layers(bench, mapped, standing)) if len(bench.parts) > 1 else (),
            ran.clipped,
            ran.compensated,
        )
        bench.conclude(kept_result(result))
    return result


def repeat_network(
    mapped: MappedNetwork,
    inputs: Arrays | NDArray[Any],
    labels: NDArray[Any] | None,
    chips: int,
    *,
    settings: RunSettings | None = None,
    progress: Progress = quiet,
) -> RepeatResult:
    """Run the same samples on `chips` chips, seeds `seed`, `seed + 1`, ...; each has a trace of its own if any has."""
    how = settings or RunSettings()
    if chips < 1:
        raise InputError(f"repeat {chips} must be at least 1")
    if chips > 1 and how.resume is not None:
        raise InputError("a trace holds the run of one chip; resume it without --repeat, with the seed of its chip")
    if chips > 1 and how.chip is not None:
        raise InputError("a chip file keeps one chip; leave --chip or --repeat out")
    if chips > 1 and not how.is_simulated:
        raise InputError("repeats over chips need the simulated bench; a rack has one chip, and a trace recorded one")
    traces = how.chip_traces(chips)
    if how.level != "off":
        from xbar.hdf5 import check_new_path

        for trace in traces:
            if trace is not None:
                check_new_path(trace, how.force)
    results = []
    for chip, trace in enumerate(traces):
        seed = how.seed if chips == 1 else (how.seed or 0) + chip
        one = replace(how, seed=seed, trace=trace, error_samples=how.error_samples if chip == 0 else 0)
        results.append(run_network(mapped, inputs, labels, settings=one, progress=progress))
    return RepeatResult(tuple(results))


def run_digital(network: Network, inputs: Arrays) -> dict[str, NDArray[Any]]:
    """Return the outputs of the whole network in ONNX Runtime, in blocks of the same size as analog runs take."""
    count = len(next(iter(inputs.values())))
    parts = []
    for first in range(0, count, 50 * network.block):
        blocks = network.blocks({name: a[first : first + 50 * network.block] for name, a in inputs.items()}, first)
        parts.append(network.trim(blocks, network.reference(blocks)))
    return {name: np.concatenate([part[name] for part in parts]) for name in network.outputs}


def _clean(changes: Mapping[str, Any]) -> dict[str, Any]:
    known = RunSettings.__dataclass_fields__
    unknown = sorted(set(changes) - set(known))
    if unknown:
        raise InputError(f"run_network does not know {', '.join(unknown)}; it knows {', '.join(known)}")
    clean = dict(changes)
    for name in ("only", "without"):
        if isinstance(clean.get(name), Iterable) and not isinstance(clean[name], str):
            clean[name] = tuple(clean[name])
    return clean


def _open(mapped: MappedNetwork, how: RunSettings, data: Arrays, labels: NDArray[Any] | None) -> Bench:
    given = {"card": how.card, "seed": how.seed, "threads": how.threads, "only": how.only}
    given |= {"without": how.without or None, "dtype": how.dtype if how.dtype != "float64" else None}
    physics = ("wires", "wire_noise", "iv", "temperature", "outside", "dac_bits", "adc_bits", "converters")
    given |= {name: getattr(how, name) for name in physics}
    given |= {"device": how.device if how.device != "cpu" else None}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if how.is_simulated:
        rows, cols = mapped.tile
        size = {"arrays": mapped.arrays, "rows": rows, "cols": cols}
        options = {"card": mapped.card, **size, **options, "threads": how.workers}
    elif str(how.bench).startswith("replay:"):
        fixed = sorted(options.keys() - {"threads", "seed", "dtype"})
        if fixed:
            raise InputError(f"{', '.join(fixed)} belong to the simulated bench; a trace replays as it was recorded")
        options = {}
    kept = kept_currents(mapped, how)
    said = {
        "run": how.logged(len(next(iter(data.values())))) | {"fresh_currents": kept},
        "data": {"sha256": data_hash(data, labels)},
        "network": {"sha256": mapped.network.sha256},
        "map": {"sha256": map_hash(mapped), "tile": list(mapped.tile), "arrays": mapped.arrays},
        **how.provenance,
    }
    return open_bench(
        how.bench,
        record=how.trace,
        level=how.level,
        flush=how.flush,
        force=how.force,
        embedded=embedded_files(mapped, data, labels, how.recalibration)
        if how.embed and how.trace is not None
        else None,
        provenance=said,
        chip=None if how.chip is None else open_chip(how.chip, after=how.after),
        resume=how.resume,
        **options,
    )


def _rules(how: RunSettings) -> tuple[PlacementRule, ...]:
    """Return the rules of placement of a bench file; none for another bench."""
    is_file = not how.is_simulated and split_address(str(how.bench)) is None and Path(how.bench).exists()
    return load_bench_file(how.bench).placement if is_file else ()


def _seed(bench: Bench, how: RunSettings) -> int:
    """Return the number of the chip that stands on the bench: its own word, where it has one."""
    recorded = bench.setting("recorded")
    own = bench.setting("seed")
    if own is None and isinstance(recorded, dict):
        own = recorded.get("seed")
    replayed = str(how.bench).startswith("replay:")
    if replayed and isinstance(own, int) and how.seed not in (None, own):
        raise ReplayError(f"the trace was recorded with seed {own}, asked for is {how.seed}; leave the seed out")
    return own if isinstance(own, int) else how.seed or 0


def _as_recorded(bench: Bench, how: RunSettings, count: int) -> RunSettings:
    """Return the settings of the recorded run where a trace is replayed: batch, time and seed come from it."""
    recorded = bench.setting("run")
    if not isinstance(recorded, dict):
        return how
    if recorded.get("samples") != count:
        raise ReplayError(
            f"the trace recorded {recorded.get('samples')} samples, the data hold {count}; give the recorded data, "
            f"or --samples {recorded.get('samples')}"
        )
    fitted = recorded.get("recalibration_sha256")
    if fitted != (None if how.recalibration is None else data_hash(how.recalibration, None)):
        raise ReplayError(
            "the trace was recorded "
            + (
                "without recalibration; leave --recalibrate out"
                if fitted is None
                else "with a recalibration on other samples; give the recorded ones with --recalibrate"
            )
        )
    try:
        at = None if recorded["at"] is None else float(recorded["at"])
        return replace(
            how,
            batch=int(recorded["batch"]),
            at=at,
            dtype=str(recorded["dtype"]),
            compensate=str(recorded["compensate"]),
            # Before there was a choice, all layers were fitted in one pass.
            recalibrate_by=str(recorded.get("recalibrate_by", "together")),
            read_back=bool(recorded["read_back"]),
            program=bool(recorded.get("program", True)),
            placement=tuple(PlacementRule.from_dict(rule) for rule in recorded.get("placement", ())),
            chip=None,
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ReplayError(
            f"the trace does not say how its network was run ({error}); it was not made by a run"
        ) from error


@dataclass(frozen=True, eq=False)
class _Ran:
    """What a run gave."""

    outputs: dict[str, NDArray[Any]]
    recalibrated: tuple[Recalibrated, ...]
    clipped: tuple[Clipped, ...]
    compensated: tuple[Compensated, ...]
    wall_s: float
    bench_s: float


def _on_bench(
    bench: Bench, mapped: MappedNetwork, data: Arrays, how: RunSettings, errors: LayerErrors | None, progress: Progress
) -> _Ran:
    """Program, wait, make up for what was lost, and run all samples."""
    count = len(next(iter(data.values())))
    started, before = time.perf_counter(), bench.clock
    fresh = program_and_measure(bench, mapped, how)
    if how.at is not None:
        bench.wait(how.at)
        if how.read_back:
            read_back(bench, mapped)
    made_up = None if fresh is None else gains(fresh, total_currents(bench, mapped), how.compensate)
    pool = ThreadPoolExecutor(how.workers, thread_name_prefix="xbar-run") if how.workers > 1 else None
    try:
        runner = Runner(bench, mapped, gains=made_up, tiles_per_call=how.tiles_per_call, pool=pool, errors=errors)
        recalibrated: tuple[Recalibrated, ...] = ()
        if how.recalibration is not None:
            recalibrated = runner.recalibrate(how.recalibration, how.batch, how.recalibrate_by)
        outputs = runner.run(data, how.batch, lambda done: progress(f"chip {how.seed}", done, count))
    finally:
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)
    factors = () if made_up is None else [Compensated.of(v.name, made_up[v.matrix]) for v in mapped.layers]
    return _Ran(
        outputs, recalibrated, runner.clipped, tuple(factors), time.perf_counter() - started, bench.clock - before
    )


def _check_used_up(bench: Bench) -> None:
    """Raise `ReplayError` where the trace holds operations that this run did not ask for."""
    if bench.resuming:
        raise ReplayError("the trace that was resumed holds more operations than this run asked for; it is another run")
    left = bench.setting("remaining")
    if isinstance(left, int) and left > 0:
        raise ReplayError(f"the trace holds {left} more operations than this run asked for; it recorded another run")
