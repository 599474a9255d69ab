"""Readings of a B2900 in SCPI: MEASure, FETCh, READ, SENSe:DATA, FORMat."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from xbar_drivers.emulated.scpi.b2900_channel import B2900Channel
from xbar_drivers.emulated.scpi.command_tree import Call, CommandTree, choose
from xbar_drivers.emulated.scpi.values import channel_list, whole
from xbar_drivers.emulated.smu import OVERFLOW, SmuReading

if TYPE_CHECKING:
    from xbar_drivers.emulated.keysight_b2900 import KeysightB2900

ELEMENTS = ("VOLT", "CURR", "RES", "TIME", "STAT", "SOUR")
"""Elements of a reading in the order in which they are answered, whatever the order they were asked in."""

COMPLIANCE, OVERRANGE = 8, 1
"""Bits of the element STATus."""


class B2900Data:
    """Adds the commands to a tree.

    Args:
        owner: the instrument.
        tree: where the commands go.
        initiate: starts the channels that a command names.

    """

    def __init__(self, owner: "KeysightB2900", tree: CommandTree, initiate: Callable[[Call], None]) -> None:
        self._owner, self._tree, self._initiate = owner, tree, initiate
        self.reset()
        self._data()

    def reset(self) -> None:
        """Return to the formats after switching on."""
        self._elements: tuple[str, ...] = ELEMENTS
        self._format, self._swapped = "ASC", False

    def channels(self, text: str) -> list[B2900Channel]:
        """Return the channels of a list such as (@1,2); channel 1 where there is none."""
        if not text:
            return self._owner.channels[:1]
        numbers = [whole(part, 1, len(self._owner.channels)) for part in channel_list(text)]
        return [self._owner.channels[k - 1] for k in numbers]

    def _data(self) -> None:
        def elements(call: Call) -> None:
            words = ("VOLTage", "CURRent", "RESistance", "TIME", "STATus", "SOURce")
            chosen = {choose(text, *words) for text in call.parameters}
            self._elements = tuple(name for name in ELEMENTS if name in chosen) or ELEMENTS

        def data(call: Call) -> None:
            kind = choose(call.text(0), "ASCii", "REAL")
            self._format = "ASC" if kind == "ASC" else f"f{whole(call.text(1, '64'), 32, 64) // 8}"

        def order(call: Call) -> None:
            self._swapped = choose(call.text(0), "NORMal", "SWAPped") == "SWAP"

        add = self._tree.add
        add("FORMat:ELEMents:SENSe", elements, lambda call: ",".join(self._elements))
        add("FORMat[:DATA]", data, lambda call: "ASC" if self._format == "ASC" else f"REAL,{int(self._format[1]) * 8}")
        add("FORMat:BORDer", order, lambda call: "SWAP" if self._swapped else "NORM")
        add("MEASure", query=lambda call: self._spot(call, self._elements))
        add("READ[:SCALar]", query=lambda call: self._spot(call, self._elements))
        add("FETCh[:SCALar]", query=lambda call: self._fetch(call, self._elements, last=True))
        add("FETCh:ARRay", query=lambda call: self._fetch(call, self._elements, last=False))
        add("READ:ARRay", query=self._read_array)
        add(
            "SENSe#:DATA",
            query=lambda call: self._shown([self.channels(f"(@{call.suffixes[0]})")[0].readings], self._elements),
        )
        for name, word in (("VOLT", "VOLTage"), ("CURR", "CURRent"), ("RES", "RESistance")):
            add(f"MEASure:{word}[:DC]", query=self._measurer(name))
            add(f"FETCh:ARRay:{word}", query=self._array_of(name))

    def _trace(self, call: Call) -> str:
        (channel,) = self.channels(f"(@{call.suffixes[0]})")
        return self._shown([channel.readings], self._elements)

    def _measurer(self, name: str) -> Callable[[Call], str]:
        return lambda call: self._spot(call, (name,))

    def _array_of(self, name: str) -> Callable[[Call], str]:
        return lambda call: self._fetch(call, (name,), last=False)

    def _spot(self, call: Call, elements: Sequence[str]) -> str:
        chosen = self.channels(call.text(0, ""))
        return self._shown([[channel.spot()] for channel in chosen], elements)

    def _fetch(self, call: Call, elements: Sequence[str], last: bool) -> str:
        chosen = self.channels(call.text(0, ""))
        self._owner.complete()
        return self._shown([c.readings[-1:] if last else c.readings for c in chosen], elements)

    def _read_array(self, call: Call) -> str:
        self._initiate(call)
        return self._fetch(call, self._elements, last=False)

    def _shown(self, readings: Sequence[Sequence[SmuReading]], elements: Sequence[str]) -> str:
        """Return readings: point by point, in each the channels, of each its elements."""
        points = max((len(found) for found in readings), default=0)
        values = [
            element(found[k], name) if k < len(found) else OVERFLOW
            for k in range(points)
            for found in readings
            for name in elements
        ] or [OVERFLOW]
        if self._format == "ASC":
            return ",".join(map(shown, values))
        block = np.array(values, ("<" if self._swapped else ">") + self._format).tobytes().decode("latin-1")
        size = str(len(block))
        return f"#{len(size)}{size}{block}"


def element(reading: SmuReading, name: str) -> float:
    """Return one element of a reading."""
    if name == "STAT":
        limited = reading.voltage_limited or reading.current_limited
        return float(COMPLIANCE * limited | OVERRANGE * reading.overflow)
    resistance = reading.voltage / reading.current if reading.current else OVERFLOW
    values = {"VOLT": reading.voltage, "CURR": reading.current, "RES": resistance, "TIME": reading.time}
    return values.get(name, reading.source)


def shown(value: float) -> str:
    """Return a number as a B2900 writes it: `+9.910000E+37`."""
    return f"{value:+.6E}"
