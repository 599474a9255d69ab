"""What the outputs gave when they were programmed: measured then, kept with the chip, and told to replays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.bench.bench import Bench
from xbar.bench.chip import open_chip
from xbar.errors import InputError
from xbar.execution.drift_compensation import total_currents
from xbar.execution.placement import not_written, program, read_back, written_arrays
from xbar.execution.run_settings import RunSettings
from xbar.mapping.map_file import map_hash
from xbar.mapping.mapped_network import MappedNetwork

Floats = NDArray[np.float64]


def kept_currents(mapped: MappedNetwork, how: RunSettings) -> list[Any] | None:
    """Return the currents of the outputs right after programming (JSON values), where a chip is run as it stands.

    Raises `InputError` where the chip was programmed with another map, or never, or its currents are not known.
    """
    if how.program or how.chip is None:
        return None
    notes = open_chip(how.chip, new=False, lock=False).notes
    if notes.get("map") != map_hash(mapped):
        raise InputError(f"chip {how.chip} was not programmed with this map; leave --no-program out to program it")
    currents = notes.get("fresh_currents")
    if how.compensate != "none" and currents is None:
        raise InputError(
            f"chip {how.chip} was programmed without --compensate, so nobody knows what its currents were; "
            "program it again with it"
        )
    return currents if isinstance(currents, list) else None


def program_and_measure(bench: Bench, mapped: MappedNetwork, how: RunSettings) -> list[Floats] | None:
    """Write the map where that is asked for; return the currents of the outputs right after it, or None.

    They are measured where drift is to be made up for, and then kept with the chip. Without programming they are those
    that the chip, or the replayed trace, knows.
    """
    if not how.program:
        known = (bench.setting("run") or {}).get("fresh_currents") if how.chip is None else kept_currents(mapped, how)
        if how.compensate != "none" and known is None:
            raise InputError(
                "nobody knows what the currents were when the chip was written: drift cannot be made up for; leave "
                "--compensate out"
            )
        if how.read_back:
            read_back(bench, mapped)
        return None if how.compensate == "none" or known is None else _arrays(known, mapped)
    standing = not_written(mapped, how.placement)
    if standing and how.compensate != "none":
        raise InputError(
            "some layers stand on their arrays already, and nobody knows what their currents were when they were "
            "written: drift cannot be made up for; leave --compensate out"
        )
    program(bench, mapped, standing)
    if how.read_back:
        read_back(bench, mapped)
    fresh = total_currents(bench, mapped) if how.compensate != "none" else None
    if bench.chip is not None:
        bench.chip.notes["fresh_currents"] = None if fresh is None else [currents.tolist() for currents in fresh]
    for name, chip in bench.chips.items():
        if any(array in bench.parts[name] for array in written_arrays(mapped, standing)):
            chip.notes["map"] = map_hash(mapped)
            chip.notes.pop("layers", None)
    return fresh


def _arrays(values: list[Any], mapped: MappedNetwork) -> list[Floats]:
    """Return currents `(tiles, groups)` of each matrix; raises `InputError` where they are not of this map."""
    try:
        found = [np.array(one, np.float64) for one in values]
    except (TypeError, ValueError):
        found = []
    groups = mapped.encoding.groups
    if [one.shape for one in found] != [(m.grid.tiles, groups(m.grid.weights)) for m in mapped.matrices]:
        raise InputError("the currents that were kept right after programming do not fit this map; program it again")
    return found
