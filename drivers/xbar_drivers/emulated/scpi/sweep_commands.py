"""Sweeps of a 2450 in SCPI: SOURce:SWEep, SOURce:LIST, TRIGger."""

import math
from collections.abc import Callable

from xbar_drivers.emulated.scpi.command_tree import Call, CommandTree
from xbar_drivers.emulated.scpi.program_message import ScpiError
from xbar_drivers.emulated.scpi.values import boolean, number, show, string, whole
from xbar_drivers.emulated.source_meter import MeterError, SourceMeter

MOST_POINTS = 60_000
"""Points of the longest sweep."""


class SweepCommands:
    """Adds the commands to a tree."""

    def __init__(self, meter: SourceMeter, tree: CommandTree) -> None:
        self.meter, self.tree = meter, tree
        self._lists: dict[bool, list[float]] = {}
        self._sweeps()

    def _sweeps(self) -> None:
        for word, voltage in (("VOLTage", True), ("CURRent", False)):
            self.tree.add(f"SOURce#:SWEep:{word}:LINear", self._linear(voltage, step=False))
            self.tree.add(f"SOURce#:SWEep:{word}:LINear:STEP", self._linear(voltage, step=True))
            self.tree.add(f"SOURce#:SWEep:{word}:LOG", self._logarithmic(voltage))
            self.tree.add(f"SOURce#:SWEep:{word}:LIST", self._listed(voltage))
            self._list(word, voltage)
        self.tree.add("ABORt", lambda call: self.meter.sweep.abort())
        self.tree.add("TRIGger:STATe", query=lambda call: self._state())
        self.tree.add("TRIGger:LOAD", self._load)

    def _state(self) -> str:
        self.meter.schedule.run_due()
        return "RUNNING;RUNNING;0" if self.meter.sweep.end is not None else "IDLE;IDLE;0"

    def _load(self, call: Call) -> None:
        """Take TRIGger:LOAD "SimpleLoop", count, delay, buffer."""
        if string(call.text(0)).upper() != "SIMPLELOOP":
            raise ScpiError(-224, f"Illegal parameter value;{call.text(0)[:30]}")
        count, delay = whole(call.text(1), 1, MOST_POINTS), number(call.text(2, "0"), 0, 1e4)
        levels = [self.meter.smu.level] * count
        self._planned(self.meter.smu.sources_voltage, levels, delay, 1, call.text(3, "defbuffer1"))

    def _planned(self, voltage: bool, levels: list[float], delay: float, count: int, buffer: str) -> None:
        if len(levels) * count > MOST_POINTS:
            raise ScpiError(-223, "Too much data")
        try:
            self.meter.plan(voltage, levels * count, delay, self.meter.buffer(string(buffer)))
        except MeterError as error:
            raise ScpiError(error.code, error.text) from error

    def _bounds(self, voltage: bool) -> float:
        ranges = self.meter.smu.ranges
        return ranges.full_scale((ranges.voltage if voltage else ranges.current)[-1])

    def _linear(self, voltage: bool, step: bool) -> Callable[[Call], None]:
        """Return the handler of SWEep:LINear start, stop, points, delay, count, range, fail abort, dual, buffer."""

        def run(call: Call) -> None:
            top = self._bounds(voltage)
            start, stop = number(call.text(0), -top, top), number(call.text(1), -top, top)
            if step:
                size = number(call.text(2), -top, top)
                points = 1 + round(abs(stop - start) / abs(size)) if size else 0
            else:
                points = whole(call.text(2), 2, MOST_POINTS)
            if not 2 <= points <= MOST_POINTS:
                raise ScpiError(-222, "Parameter data out of range")
            delay, count = _delay(call.text(3, "-1")), whole(call.text(4, "1"), 1, 1000)
            dual, buffer = boolean(call.text(7, "OFF")), call.text(8, "defbuffer1")
            levels = [start + (stop - start) * k / (points - 1) for k in range(points)]
            levels += levels[-2::-1] if dual else []
            self._planned(voltage, levels, delay, count, buffer)

        return run

    def _logarithmic(self, voltage: bool) -> Callable[[Call], None]:
        def run(call: Call) -> None:
            top = self._bounds(voltage)
            start, stop = number(call.text(0), -top, top), number(call.text(1), -top, top)
            points = whole(call.text(2), 2, MOST_POINTS)
            if start * stop <= 0:
                raise ScpiError(-222, "Parameter data out of range")
            delay, count = _delay(call.text(3, "-1")), whole(call.text(4, "1"), 1, 1000)
            dual, buffer = boolean(call.text(7, "OFF")), call.text(8, "defbuffer1")
            levels = [start * (stop / start) ** (k / (points - 1)) for k in range(points)]
            levels += levels[-2::-1] if dual else []
            self._planned(voltage, levels, delay, count, buffer)

        return run

    def _list(self, word: str, voltage: bool) -> None:
        held: list[float] = [0.0]

        def put(call: Call) -> None:
            top = self._bounds(voltage)
            held[:] = [number(text, -top, top) for text in call.parameters] or [0.0]

        def append(call: Call) -> None:
            top = self._bounds(voltage)
            held.extend(number(text, -top, top) for text in call.parameters)

        self._lists[voltage] = held
        self.tree.add(f"SOURce#:LIST:{word}", put, lambda call: ",".join(show(level) for level in held))
        self.tree.add(f"SOURce#:LIST:{word}:APPend", append)
        self.tree.add(f"SOURce#:LIST:{word}:POINts", query=lambda call: str(len(held)))

    def _listed(self, voltage: bool) -> Callable[[Call], None]:
        """Return the handler of SWEep:LIST start index, delay, count, fail abort, buffer."""

        def run(call: Call) -> None:
            held: list[float] = self._lists[voltage]
            first = whole(call.text(0, "1"), 1, len(held))
            delay, count = _delay(call.text(1, "-1")), whole(call.text(2, "1"), 1, 1000)
            self._planned(voltage, held[first - 1 :], delay, count, call.text(4, "defbuffer1"))

        return run


def _delay(text: str) -> float:
    """Return a sweep's delay [s]; -1 is automatic."""
    value = number(text, -1, 1e4)
    return 0.0 if value < 0 or math.isnan(value) else value
