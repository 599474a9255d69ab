"""Open a bench by its address, with a trace where one is wanted."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xbar.bench.bench import Bench
from xbar.bench.bench_file import load_bench_file
from xbar.bench.limits import Limits
from xbar.bench.registry import driver_names, make_driver, split_address
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
        provenance: what the trace should say about the run besides what it finds out itself (JSON values).
        options: of the driver, over those of the bench file. Simulated: card, arrays, rows, cols, seed, dac_bits,
            adc_bits, only, without, dtype, threads.

    Raises:
        UnknownNameError: neither a driver nor a file.
        FileError, FormatError: the bench file or the trace.
        InputError, LimitError, DriverError: what the driver and the guard have to say.

    """
    text, said = str(address), dict(provenance or {})
    found = split_address(text)
    if found is not None:
        name, rest = found
    elif text.endswith(".toml") or Path(text).exists():
        file = load_bench_file(text)
        name, rest, limits = file.driver, file.rest, limits or file.limits
        options = {**file.options, **options}
        said["sample"] = dict(file.sample)
    else:
        raise UnknownNameError(
            f"bench {text!r} is neither a driver ({', '.join(driver_names())}) nor a bench file (.toml)"
        )
    driver = make_driver(name, rest, options)
    if driver.hardware and level == "off":
        raise InputError(f"bench {text!r} moves real charge and is always traced; choose level outputs or full")
    recorder = (
        None
        if record is None
        else TraceRecorder(record, provenance=said, level=level, flush_every=flush, force=force, embedded=embedded)
    )
    return Bench(driver, address=text, recorder=recorder, limits=limits)
