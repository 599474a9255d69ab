"""What the drivers of one bench can do together: what holds for each of its arrays."""

from collections.abc import Sequence
from dataclasses import replace

from xbar.bench.capabilities import Capabilities, Effect, EffectState, Identity, Timings
from xbar.bench.limits import Limits


def identity(parts: Sequence[Identity]) -> Identity:
    """Return who answers; of several, in the order of their arrays."""
    if len(parts) == 1:
        return parts[0]
    fields = zip(*((part.driver, part.model, part.serial, part.firmware) for part in parts), strict=True)
    return Identity(*(" + ".join(texts) if any(texts) else "" for texts in fields))


def limits(parts: Sequence[Limits]) -> Limits:
    """Return the tightest of each limit."""
    if len(parts) == 1:
        return parts[0]
    energies = [part.pulse_energy for part in parts if part.pulse_energy is not None]
    pulses = [part.pulses_per_cell for part in parts if part.pulses_per_cell is not None]
    forming = [part.forming_voltage for part in parts]
    return Limits(
        min(part.cell_voltage for part in parts),
        min(part.current for part in parts),
        min(energies, default=None),
        min(pulses, default=None),
        None if None in forming else min(voltage for voltage in forming if voltage is not None),
    )


def capabilities(parts: Sequence[Capabilities], names: Sequence[str]) -> Capabilities:
    """Return what every array can: the number of all arrays, the smallest size, the ranges that all have.

    `names` are those of the drivers; they stand in the notes of effects that the drivers treat differently.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    return replace(
        first,
        arrays=sum(part.arrays for part in parts),
        rows=min(part.rows for part in parts),
        cols=min(part.cols for part in parts),
        voltage_max=min(part.voltage_max for part in parts),
        current_max=min(part.current_max for part in parts),
        conductance_range=_shared_range([part.conductance_range for part in parts]),
        dac_bits=_most([part.dac_bits for part in parts]),
        adc_bits=_most([part.adc_bits for part in parts]),
        native=frozenset.intersection(*(part.native for part in parts)),
        unselected=frozenset.intersection(*(part.unselected for part in parts)),
        parallel_sense=min(part.parallel_sense for part in parts),
        hardware=any(part.hardware for part in parts),
        effects=_effects(parts, names),
        pulse_min=max(part.pulse_min for part in parts),
        timings=Timings(*(max(times) for times in zip(*map(_times, parts), strict=True))),
    )


def _times(part: Capabilities) -> tuple[float, float, float]:
    return part.timings.product, part.timings.read, part.timings.write


def _shared_range(ranges: Sequence[tuple[float, float] | None]) -> tuple[float, float] | None:
    """Return the range that all have; None where one has none, or two do not meet."""
    known = [found for found in ranges if found is not None]
    if len(known) < len(ranges):
        return None
    low, high = max(found[0] for found in known), min(found[1] for found in known)
    return (low, high) if low < high else None


def _most(bits: Sequence[int | None]) -> int | None:
    """Return the bits that hold the codes of all; None where one has no codes."""
    known = [width for width in bits if width is not None]
    return max(known) if len(known) == len(bits) else None


def _effects(parts: Sequence[Capabilities], names: Sequence[str]) -> tuple[Effect, ...]:
    """Return each effect once; where the drivers differ, it is as strong as the strongest, and the note tells both."""
    order: tuple[EffectState, ...] = ("applied", "skipped", "unsupported")
    found = []
    for name in dict.fromkeys(effect.name for part in parts for effect in part.effects):
        said = [(who, e) for who, part in zip(names, parts, strict=True) for e in part.effects if e.name == name]
        if len({(effect.state, effect.note) for _, effect in said}) == 1 and len(said) == len(parts):
            found.append(said[0][1])
            continue
        state = min((effect.state for _, effect in said), key=order.index)
        found.append(Effect(name, state, "; ".join(f"{who}: {e.state}, {e.note}" for who, e in said)))
    return tuple(found)
