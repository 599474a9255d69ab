"""The instruments that can be served, by the model that a rack file names."""

from collections.abc import Callable
from dataclasses import dataclass

from xbar.errors import UnknownNameError
from xbar_drivers.emulated.instrument import Instrument
from xbar_drivers.emulated.keithley_707b import Keithley707B, Keithley708B
from xbar_drivers.emulated.keithley_2450 import Keithley2450
from xbar_drivers.emulated.keithley_2600 import Keithley2600, Keithley2602B
from xbar_drivers.emulated.keithley_3706a import Keithley3706A
from xbar_drivers.emulated.keysight_b1500 import KeysightB1500
from xbar_drivers.emulated.keysight_b2201 import KeysightB2201
from xbar_drivers.emulated.keysight_b2900 import KeysightB2900
from xbar_drivers.emulated.lines import Lines
from xbar_drivers.emulated.rack_file import RackInstrument
from xbar_drivers.emulated.schedule import Schedule
from xbar_drivers.emulated.tsp.lua_process import LuaLimits, Watchdog


@dataclass(frozen=True)
class Surroundings:
    """What an instrument is built into."""

    lines: Lines
    number: int
    schedule: Schedule
    watchdog: Watchdog
    limits: LuaLimits


def _keithley_2600(kind: type[Keithley2600]) -> Callable[[RackInstrument, Surroundings], Instrument]:
    def make(part: RackInstrument, around: Surroundings) -> Instrument:
        return kind(
            part.name,
            around.lines,
            around.number,
            around.watchdog,
            around.schedule,
            noise=part.noise,
            limits=around.limits,
        )

    return make


def _keithley_2450(part: RackInstrument, around: Surroundings) -> Instrument:
    return Keithley2450(
        part.name,
        around.lines,
        around.number,
        around.watchdog,
        around.schedule,
        language=part.language or "SCPI",
        noise=part.noise,
        limits=around.limits,
    )


def _mainframe(
    kind: type[Keithley3706A] | type[Keithley707B],
) -> Callable[[RackInstrument, Surroundings], Instrument]:
    def make(part: RackInstrument, around: Surroundings) -> Instrument:
        return kind(
            part.name,
            around.lines,
            around.number,
            around.watchdog,
            cards=part.cards,
            common_rows=part.common_rows,
            limits=around.limits,
        )

    return make


def _b1500(part: RackInstrument, around: Surroundings) -> Instrument:
    return KeysightB1500(part.name, around.lines, around.number, cards=part.cards, noise=part.noise)


def _b2900(part: RackInstrument, around: Surroundings) -> Instrument:
    return KeysightB2900(part.name, around.lines, around.number, around.schedule, noise=part.noise)


def _b2201(part: RackInstrument, around: Surroundings) -> Instrument:
    return KeysightB2201(part.name, around.lines, around.number)


MODELS: dict[str, Callable[[RackInstrument, Surroundings], Instrument]] = {
    "2636B": _keithley_2600(Keithley2600),
    "2602B": _keithley_2600(Keithley2602B),
    "2450": _keithley_2450,
    "3706A": _mainframe(Keithley3706A),
    "707B": _mainframe(Keithley707B),
    "708B": _mainframe(Keithley708B),
    "B1500A": _b1500,
    "B2201A": _b2201,
    "B2902A": _b2900,
}
"""Makers by model."""


def make_instrument(
    part: RackInstrument, lines: Lines, number: int, schedule: Schedule, watchdog: Watchdog, limits: LuaLimits
) -> Instrument:
    """Return an instrument of a rack file.

    Raises `UnknownNameError` for a model that cannot be served, `InputError` for one that is built wrongly.
    """
    if part.model not in MODELS:
        raise UnknownNameError(f"{part.name}: model {part.model!r} cannot be served; served are {', '.join(MODELS)}")
    return MODELS[part.model](part, Surroundings(lines, number, schedule, watchdog, limits))
