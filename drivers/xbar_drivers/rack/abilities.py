"""What a rack can do, and what a run on it would take, from its file and what its instruments say."""

from collections.abc import Mapping

from xbar.bench.capabilities import Capabilities, Effect, Timings
from xbar.bench.settings import Unselected
from xbar.units import show
from xbar_drivers.rack.bit_serial import readings_per_vector
from xbar_drivers.rack.rack_file import RackFile
from xbar_drivers.rack.wiring import Wiring


def rack_capabilities(
    rack: RackFile,
    wiring: Wiring,
    step: float,
    *,
    voltage_max: float,
    current_max: float,
    pulses: bool,
    hardware: bool,
) -> Capabilities:
    """Return what a rack can do.

    Args:
        rack: what stands on it.
        wiring: which lines its sources reach.
        step: how long one reading takes, relays included [s].
        voltage_max: largest voltage of its sources [V].
        current_max: largest current of its sources [A].
        pulses: whether it times pulses.
        hardware: whether it moves real charge.

    """
    modes = wiring.modes()
    can = frozenset(mode for mode, reason in modes.items() if not reason)
    native = {"read", "sweep"} | ({"pulse"} if pulses else set()) | ({"mvm"} if Unselected.GROUND in can else set())
    bits = rack.rack.dac_bits
    return Capabilities(
        arrays=1,
        rows=wiring.rows,
        cols=wiring.cols,
        voltage_max=voltage_max,
        current_max=current_max,
        dac_bits=bits,
        native=frozenset(native),
        unselected=can,
        parallel_sense=1,
        hardware=hardware,
        effects=_effects(bits, modes),
        pulse_min=rack.rack.shortest_pulse if pulses else 0.0,
        timings=Timings(
            product=readings_per_vector(bits, wiring.cols, signed=True) * step,
            read=step,
            write=rack.rack.shortest_pulse,
        ),
    )


def _effects(bits: int, modes: Mapping[Unselected, str]) -> tuple[Effect, ...]:
    refused = [Effect(f"unselected_{mode.value}", "unsupported", why) for mode, why in modes.items() if why]
    return (
        Effect("dac", "applied", f"{bits} bits, bit by bit: rows of one bit are driven together, planes added up"),
        Effect("adc", "skipped", "the source-measure unit gives amperes"),
        Effect("iv_nonlinearity", "skipped", "every bit is driven at the whole input range, not at its share"),
        *refused,
    )


def rack_plan(rack: RackFile, wiring: Wiring, has: Capabilities, *, linked: bool) -> dict[str, str]:
    """Return what a rack is and what a run would take, in words by subject."""
    said, step = rack.rack, has.timings.read
    modes = {mode.value: reason for mode, reason in wiring.modes().items()}
    most = readings_per_vector(said.dac_bits, wiring.cols, signed=False)
    cells = wiring.rows * wiring.cols
    bias = f", {' and '.join(said.bias)} bias the others" if said.bias else ""
    vector = f"at most {most} readings, {show(most * step, 's', 3)}, twice that where inputs of both signs occur"
    return {
        "instruments": "; ".join(f"{part.name}: {part.model} at {part.address}" for part in rack.instruments),
        "roles": f"{said.drive} drives word lines, {said.sense} senses bit lines{bias}",
        "unselected lines": "; ".join(f"{mode}: {reason or 'yes'}" for mode, reason in modes.items()),
        "scans": f"{'scripts on the TSP-Link' if linked else 'step by step from here'}, {show(step, 's', 3)} a reading",
        "whole array": f"{cells} readings, {show(cells * step, 's', 3)}",
        "input vector": vector if "mvm" in has.native else f"impossible: {modes['ground']}",
    }
