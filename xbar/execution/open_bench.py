"""Open a bench by its address, with a trace where one is wanted."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xbar.bench.bench import Bench
from xbar.bench.bench_file import BenchFile, load_bench_file
from xbar.bench.chip import Chip, open_chip
from xbar.bench.driver import Driver
from xbar.bench.limits import Limits
from xbar.bench.registry import driver_names, make_drivers, split_address
from xbar.devices.card_file import parse_card
from xbar.errors import InputError, UnknownNameError
from xbar.trace.encoding import Level
from xbar.trace.recorded_run import RecordedRun
from xbar.trace.recorder import TraceRecorder


def open_bench(  # noqa: PLR0913  # one keyword for each thing that a bench may be opened with
    address: str | Path = "sim",
    *,
    record: str | Path | None = None,
    level: Level = "outputs",
    flush: float | None = None,
    force: bool = False,
    embedded: Mapping[str, bytes] | None = None,
    limits: Limits | None = None,
    chip: str | Path | Chip | None = None,
    provenance: Mapping[str, Any] | None = None,
    resume: str | Path | None = None,
    **options: Any,
) -> Bench:
    """Return an open bench; use it as a context manager.

    Args:
        address: "sim" for the simulated bench, "replay:TRACE.h5" for a recorded one, or a bench file "lab.toml".
        record: trace file to write, or None.
        level: "outputs", "full" (input codes too) or "off".
        flush: seconds between flushes of the trace, 0 after every operation; None is 0.25 s where simulated.
        force: rename a trace of that name instead of refusing.
        embedded: whole files that travel with the trace, by name.
        limits: what the bench may do; those of the bench file or the driver's own ranges where None.
        chip: file that keeps the life of the arrays from bench to bench, begun where there is none, or what
            `open_chip` made of it; None takes those of the bench file. A bench of one driver.
        provenance: what the trace should say about the run besides what it finds out itself (JSON values).
        resume: trace of a run on this bench that was cut off: its operations are answered from it and stand in the new
            trace too, then the bench takes over. It must say of itself what `provenance` says.
        options: of the driver, over those of the bench file. Simulated: card, arrays, rows, cols, seed, dac_bits,
            adc_bits, only, without, dtype, threads.

    Raises:
        UnknownNameError: neither a driver nor a file.
        FileError, FormatError: the bench file or the trace.
        ReplayError: `resume` is of another run or another bench.
        InputError, LimitError, DriverError: what the driver and the guard have to say.

    """
    text, said = str(address), dict(provenance or {})
    with ExitStack() as undo:
        found = _standing(text, options, limits, chip, undo)
        if found.sample is not None:
            said["sample"] = dict(found.sample)
        if level == "off" and any(driver.hardware for driver in found.drivers.values()):
            raise InputError(f"bench {text!r} moves real charge and is always traced; choose level outputs or full")
        chips = found.chips if isinstance(found.chips, Mapping) else dict.fromkeys(found.drivers, found.chips)
        kept = {name: _clock(one) for name, one in chips.items() if one is not None}
        if kept:
            said["chips"] = kept
        past = None if resume is None else _past(resume, text, record, said, undo)
        recorder = (
            None
            if record is None
            else TraceRecorder(record, provenance=said, level=level, flush_every=flush, force=force, embedded=embedded)
        )
        bench = Bench(found.drivers, address=text, recorder=recorder, limits=found.limits, chip=found.chips, past=past)
        undo.pop_all()
    return bench


def _past(
    resume: str | Path, address: str, record: str | Path | None, said: dict[str, Any], undo: ExitStack
) -> RecordedRun:
    """Return the run that is resumed, which `said` is told of; `undo` closes it."""
    if address.startswith("replay:"):
        raise InputError("a replay has nothing to go on with; resume on the bench that recorded the trace")
    if record is None:
        raise InputError("a run that is resumed writes a new trace, which holds all of it; name it: --trace NEW.h5")
    if Path(record).exists() and Path(resume).exists() and Path(record).samefile(resume):
        raise InputError(f"the new trace {record} is the one that is resumed; name another: it stays as it is")
    past = RecordedRun(resume)
    undo.callback(past.close)
    past.check_provenance(said)
    said["resumed"] = past.provenance()
    return past


def _clock(chip: Chip) -> float:
    """Return the clock of a chip's arrays when its bench opens [s]."""
    return (0.0 if chip.state is None else float(chip.state.values.get("clock", 0.0))) + chip.after


@dataclass(frozen=True)
class _Standing:
    """What an address stands for, each by the name of the driver."""

    drivers: Mapping[str, Driver]
    limits: Mapping[str, Limits | None]
    chips: Mapping[str, Chip] | Chip | None
    sample: Mapping[str, str] | None = None
    """What a bench file tells of the sample."""


def _standing(
    text: str,
    options: Mapping[str, Any],
    limits: Limits | None,
    chip: str | Path | Chip | None,
    undo: ExitStack,
) -> _Standing:
    """Return what an address stands for; `undo` closes the chips."""
    kept = _kept(chip, undo)
    given = {**_options_of(kept), **options}
    found = split_address(text)
    if found is not None:
        drivers = make_drivers(*found, given)
        return _Standing(drivers, dict.fromkeys(drivers, limits), kept)
    if text.endswith(".toml") or Path(text).exists():
        file = load_bench_file(text)
        drivers, allowed, chips = _from_file(file, given, kept, undo)
        return _Standing(drivers, {name: limits or own for name, own in allowed.items()}, chips, file.sample)
    raise UnknownNameError(f"bench {text!r} is neither a driver ({', '.join(driver_names())}) nor a bench file (.toml)")


def _kept(chip: str | Path | Chip | None, undo: ExitStack) -> Chip | None:
    kept = open_chip(chip) if isinstance(chip, str | Path) else chip
    if kept is not None:
        undo.callback(kept.close)
    return kept


def _options_of(chip: Chip | None) -> dict[str, Any]:
    """Return what a kept simulated chip says of itself: it need not be told again."""
    if chip is None or chip.state is None:
        return {}
    said = chip.state.values
    card = parse_card(str(said.get("card_text", "")), f"chip {chip.path}")
    return {"card": card, "seed": said.get("seed"), "arrays": chip.arrays, "rows": chip.rows, "cols": chip.cols}


def _from_file(
    file: BenchFile, options: Mapping[str, Any], chip: Chip | None, undo: ExitStack
) -> tuple[dict[str, Driver], dict[str, Limits | None], dict[str, Chip] | Chip | None]:
    """Return the drivers of a bench file, their limits and their chips, by name.

    `options` go before those of the file; of several drivers, to the simulated ones. So does `chip`, of one driver.
    Threads share the work of this machine: drivers that do not simulate are not told of them.
    """
    if len(file.drivers) > 1 and "seed" in options:
        raise InputError("the bench has several drivers, so one seed does not say which chips; give it in the file")
    drivers: dict[str, Driver] = {}
    limits: dict[str, Limits | None] = {}
    chips: dict[str, Chip] = {}
    for part in file.drivers:
        simulated = part.driver == "sim"
        theirs = options if len(file.drivers) == 1 or simulated else {}
        given = {**part.options, **{n: value for n, value in theirs.items() if simulated or n != "threads"}}
        own_chip = None if chip is not None or part.chip is None else _kept(part.chip, undo)
        made = make_drivers(part.driver, part.rest, {**_options_of(own_chip), **given})
        if len(made) > 1 and len(file.drivers) > 1:
            raise InputError(
                f"driver {part.name!r} replays a bench of several drivers, which stands alone; replay it so"
            )
        for own_name, driver in made.items():
            name = part.name if len(made) == 1 else own_name
            drivers[name], limits[name] = driver, part.limits
            if own_chip is not None:
                chips[name] = own_chip
    return drivers, limits, chips if chip is None else chip
