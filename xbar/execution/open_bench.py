"""Open a bench by its address, with a trace where one is wanted."""

from collections.abc import Mapping
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
from xbar.trace.recorder import TraceRecorder


def open_bench(
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
            `open_chip` made of it; None keeps nothing.
        provenance: what the trace should say about the run besides what it finds out itself (JSON values).
        options: of the driver, over those of the bench file. Simulated: card, arrays, rows, cols, seed, dac_bits,
            adc_bits, only, without, dtype, threads.

    Raises:
        UnknownNameError: neither a driver nor a file.
        FileError, FormatError: the bench file or the trace.
        InputError, LimitError, DriverError: what the driver and the guard have to say.

    """
    text, said = str(address), dict(provenance or {})
    kept = open_chip(chip) if isinstance(chip, str | Path) else chip
    try:
        drivers, allowed, sample = _drivers(text, {**_options_of(kept), **options}, limits)
        if sample is not None:
            said["sample"] = dict(sample)
        if level == "off" and any(driver.hardware for driver in drivers.values()):
            raise InputError(f"bench {text!r} moves real charge and is always traced; choose level outputs or full")
        recorder = (
            None
            if record is None
            else TraceRecorder(record, provenance=said, level=level, flush_every=flush, force=force, embedded=embedded)
        )
        return Bench(drivers, address=text, recorder=recorder, limits=allowed, chip=kept)
    except BaseException:
        if kept is not None:
            kept.close()
        raise


Drivers = dict[str, Driver]
Allowed = dict[str, Limits | None]


def _drivers(
    text: str, options: Mapping[str, Any], limits: Limits | None
) -> tuple[Drivers, Allowed, Mapping[str, str] | None]:
    """Return the drivers of an address and their limits by name, and the sample that a bench file tells of."""
    found = split_address(text)
    if found is not None:
        drivers = make_drivers(*found, options)
        return drivers, dict.fromkeys(drivers, limits), None
    if text.endswith(".toml") or Path(text).exists():
        file = load_bench_file(text)
        drivers, allowed = _from_file(file, options)
        return drivers, {name: limits or own for name, own in allowed.items()}, file.sample
    raise UnknownNameError(f"bench {text!r} is neither a driver ({', '.join(driver_names())}) nor a bench file (.toml)")


def _options_of(chip: Chip | None) -> dict[str, Any]:
    """Return what a kept simulated chip says of itself: it need not be told again."""
    if chip is None or chip.state is None:
        return {}
    said = chip.state.values
    card = parse_card(str(said.get("card_text", "")), f"chip {chip.path}")
    return {"card": card, "seed": said.get("seed"), "arrays": chip.arrays, "rows": chip.rows, "cols": chip.cols}


def _from_file(file: BenchFile, options: Mapping[str, Any]) -> tuple[Drivers, Allowed]:
    """Return the drivers of a bench file and their limits, by name.

    `options` go before those of the file; of several drivers, to the simulated ones.
    """
    if len(file.drivers) > 1 and "seed" in options:
        raise InputError("the bench has several drivers, so one seed does not say which chips; give it in the file")
    drivers: Drivers = {}
    limits: Allowed = {}
    for part in file.drivers:
        given = {**part.options, **(options if len(file.drivers) == 1 or part.driver == "sim" else {})}
        made = make_drivers(part.driver, part.rest, given)
        if len(made) > 1 and len(file.drivers) > 1:
            raise InputError(
                f"driver {part.name!r} replays a bench of several drivers, which stands alone; replay it so"
            )
        for own_name, driver in made.items():
            name = part.name if len(made) == 1 else own_name
            drivers[name], limits[name] = driver, part.limits
    return drivers, limits
