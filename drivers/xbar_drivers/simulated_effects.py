"""What the simulated array does about each physical effect, for the report of a run; and which effects are on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from xbar.array.nonlinear_product import IvWay
from xbar.array.periphery import Periphery
from xbar.array.wired_noise import WireNoise
from xbar.bench.capabilities import Effect
from xbar.circuit.wire_text import wire_values
from xbar.circuit.wires import Wires
from xbar.devices.card import SWITCHES, DeviceCard
from xbar.errors import UnknownNameError
from xbar.periphery.real_converters import EFFECTS as ERRORS
from xbar.periphery.real_converters import NEEDS, RealConverters, real_converters
from xbar.units import show

CONVERTERS = ("dac", "adc")
"""Effects of the periphery, switched like those of the card."""

WIRES = "ir_drop"
"""Effect of the wires, switched like those of the card."""

NOISE_WAYS = {
    "output": "drawn at the end of each bit line: an approximation",
    "exact": "of each cell, exactly through the wires",
}
"""What `wire_noise` means, for the report."""

OFF = "switched off by the caller"

IV_WAYS: dict[IvWay, str] = {
    "linear": "take each cell as a conductance, linearised at the read voltage: an approximation",
    "exact": "follow it, behind wires by Newton's method",
}
"""What `iv` means, for the report."""


def effects_on(only: Iterable[str] | None, without: Iterable[str]) -> set[str]:
    """Return the effects that are on; raises `UnknownNameError` for a name that is none."""
    known = (*SWITCHES, *CONVERTERS, *ERRORS, WIRES)
    kept, left = set(known) if only is None else _names(only), _names(without)
    for name in sorted(kept | left):
        if name not in known:
            raise UnknownNameError(f"effect {name!r} is not known; known are {', '.join(known)}")
    return kept - left


def _names(names: Iterable[str]) -> set[str]:
    # One name instead of a list of names would be read letter by letter.
    return {names} if isinstance(names, str) else set(names)


def asked_converters(asked: RealConverters | Mapping[str, Any] | None) -> RealConverters:
    """Return the converters that an option asks for, in any of its forms."""
    if asked is None:
        return RealConverters()
    return asked if isinstance(asked, RealConverters) else real_converters(asked)


@dataclass(frozen=True)
class SimulatedEffects:
    """What a simulated bench was asked for."""

    card: DeviceCard
    """With all of its laws."""
    periphery: Periphery
    converters: RealConverters
    """With all of their errors."""
    on: set[str]
    """Effects that are on."""
    temperature: float
    """[K]."""
    wires: Wires | None
    """As they are asked for, also where they are switched off."""
    wire_noise: WireNoise
    iv: IvWay = "linear"

    def report(self) -> tuple[Effect, ...]:
        """Return every effect: applied with its law, or skipped with the reason."""
        errors = self.converters.notes()
        return (
            *(self._law(name) for name in SWITCHES),
            *(self._converter(name, errors) for name in CONVERTERS),
            *(self._error(name, errors.get(name)) for name in ERRORS),
            self._wires(),
        )

    def _law(self, name: str) -> Effect:
        law = dict(self.card.laws()).get(name)
        if name not in self.on:
            return Effect(name, "skipped", OFF)
        if law is None:
            return Effect(name, "skipped", f"card {self.card.name!r} has no such law")
        if name == "iv_nonlinearity":
            law += f"; in readings of cells; products {IV_WAYS[self.iv]}"
        return Effect(name, "applied", f"{law}; at {show(self.temperature, 'K')}" if name == "temperature" else law)

    def _converter(self, name: str, errors: Mapping[str, str]) -> Effect:
        bits = self.periphery.dac_bits if name == "dac" else self.periphery.adc_bits
        if bits is None:
            return Effect(name, "skipped", OFF)
        with_errors = f"{name}_errors" in errors and f"{name}_errors" in self.on
        note = f"{bits} bits, {'steps with errors' if with_errors else 'ideal steps'}"
        if name == "dac" and self.converters.bit_serial is not None:
            note += f"; bit-serial, {self.converters.bit_serial}"
        if name == "adc" and self.converters.range_factor != 1:
            note += f"; range x {self.converters.range_factor:g}"
        return Effect(name, "applied", note)

    def _error(self, name: str, note: str | None) -> Effect:
        converter = NEEDS.get(name)
        if name not in self.on:
            return Effect(name, "skipped", OFF)
        if note is None:
            return Effect(name, "skipped", "none are told: ideal ones")
        if converter is not None and converter not in self.on:
            return Effect(name, "skipped", f"there is no {converter}: {OFF}")
        return Effect(name, "applied", note)

    def _wires(self) -> Effect:
        if self.wires is None:
            return Effect(WIRES, "skipped", "no wires are named: ideal ones")
        if WIRES not in self.on:
            return Effect(WIRES, "skipped", OFF)
        ohm = ", ".join(f"{name} {show(value, 'ohm')}" for name, value in wire_values(self.wires).items())
        by_law = self.iv == "exact" and self.card.iv_nonlinearity is not None and "iv_nonlinearity" in self.on
        noise = NOISE_WAYS["exact" if by_law else self.wire_noise]
        return Effect(WIRES, "applied", f"exact circuit, {ohm}; read noise {noise}")
