"""Buffers and readings of a 2450 in SCPI: TRACe, READ?, MEASure?, FETCh?, FORMat."""

from collections.abc import Callable, Sequence

import numpy as np

from xbar_drivers.emulated.reading_buffer import MOST_READINGS, ReadingBuffer, fits
from xbar_drivers.emulated.scpi.command_tree import Call, CommandTree, choose
from xbar_drivers.emulated.scpi.program_message import ScpiError
from xbar_drivers.emulated.scpi.values import show, string, whole
from xbar_drivers.emulated.smu import SmuReading
from xbar_drivers.emulated.source_meter import DEFAULT_BUFFERS, MeterError, SourceMeter

BUFFER_FULL = 512
"""Bit of the measurement event register: the buffer of TRACe:FEED is full (2400 manual, figure 15-4)."""

ELEMENTS_2400 = ("VOLT", "CURR", "RES", "TIME", "STAT")

STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {
    "AVERage": lambda values: float(np.mean(values)),
    "MAXimum": max,
    "MINimum": min,
    "STDDev": lambda values: float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
    "PKPK": lambda values: max(values) - min(values),
}


class BufferCommands:
    """Adds the commands to a tree."""

    def __init__(self, meter: SourceMeter, tree: CommandTree) -> None:
        self.meter, self.tree = meter, tree
        self.format, self.swapped = "ASC", True
        self.elements: tuple[str, ...] = ()
        """What READ? gives in the language of a 2400; empty in the 2450's own."""
        self._readings()
        self._traces()
        self._formats()

    def _readings(self) -> None:
        add = self.tree.add
        add("READ", query=lambda call: self._take(call, None))
        add("FETCh", query=self._fetch)
        add("MEASure", query=lambda call: self._take(call, None))
        for name, word in (("CURR", "CURRent[:DC]"), ("VOLT", "VOLTage[:DC]"), ("RES", "RESistance")):
            add(f"MEASure:{word}", query=self._measurer(name))

    def _measurer(self, name: str) -> Callable[[Call], str]:
        return lambda call: self._take(call, name)

    def _take(self, call: Call, function: str | None) -> str:
        if function is not None:
            self.meter.function = function
        buffer = self._buffer(call.text(0, DEFAULT_BUFFERS[0]))
        last = self.meter.take(buffer)
        if self.elements:
            return ",".join(show(self._element_2400(name, last)) for name in self.elements)
        return self._shown(buffer, len(buffer), len(buffer), call.parameters[1:])

    def _element_2400(self, name: str, reading: SmuReading) -> float:
        resistance = reading.voltage / reading.current if reading.current else 9.91e37
        values = {"VOLT": reading.voltage, "CURR": reading.current, "RES": resistance, "TIME": reading.time}
        # Bit 3 of a 2400's status word: compliance.
        return values.get(name, 8.0 * (reading.current_limited or reading.voltage_limited))

    def _fetch(self, call: Call) -> str:
        buffer = self._buffer(call.text(0, DEFAULT_BUFFERS[0]))
        if not buffer.readings:
            raise ScpiError(-230, "Data corrupt or stale")
        return self._shown(buffer, len(buffer), len(buffer), call.parameters[1:])

    def _buffer(self, name: str) -> ReadingBuffer:
        try:
            return self.meter.buffer(string(name))
        except MeterError as error:
            raise ScpiError(error.code, error.text) from error

    def _traces(self) -> None:
        add, meter = self.tree.add, self.meter
        add("TRACe:MAKE", self._make)
        add("TRACe:DELete", self._delete)
        add("TRACe:CLEar", lambda call: self._buffer(call.text(0, DEFAULT_BUFFERS[0])).clear())
        add("TRACe:POINts", self._resize, lambda call: str(self._buffer(call.text(0, DEFAULT_BUFFERS[0])).capacity))
        add("TRACe:ACTual", query=lambda call: str(len(self._buffer(call.text(0, DEFAULT_BUFFERS[0])))))
        add("TRACe:ACTual:STARt", query=lambda call: str(min(1, len(self._buffer(call.text(0, DEFAULT_BUFFERS[0]))))))
        add("TRACe:ACTual:END", query=lambda call: str(len(self._buffer(call.text(0, DEFAULT_BUFFERS[0])))))
        add("TRACe:DATA", query=self._data)
        add("TRACe:TRIGger", lambda call: self._trigger(call))
        add("TRACe:FEED", self._feed)
        add("TRACe:FEED:CONTrol", self._feed_control)

        for word, statistic in STATISTICS.items():
            add(f"TRACe:STATistics:{word}", query=self._statistics(statistic))
        add("TRACe:STATistics:CLEar", lambda call: None)

        def initiate(call: Call) -> None:
            meter.initiate()
            if meter.filling is not None:
                meter.filling = None
                meter.owner.status.measurement.become(0)
                meter.owner.status.measurement.become(BUFFER_FULL)

        add("INITiate[:IMMediate]", initiate)

    def _statistics(self, statistic: Callable[[Sequence[float]], float]) -> Callable[[Call], str]:
        def query(call: Call) -> str:
            readings = self._buffer(call.text(0, DEFAULT_BUFFERS[0])).readings
            return show(statistic(readings) if readings else 9.91e37)

        return query

    def _make(self, call: Call) -> None:
        try:
            self.meter.make_buffer(string(call.text(0)), whole(call.text(1), 10, MOST_READINGS))
        except MeterError as error:
            raise ScpiError(error.code, error.text) from error

    def _delete(self, call: Call) -> None:
        name = string(call.text(0))
        self._buffer(name)
        if name in DEFAULT_BUFFERS:
            raise ScpiError(-224, "Illegal parameter value;default buffers stay")
        del self.meter.buffers[name]

    def _resize(self, call: Call) -> None:
        buffer = self._buffer(call.text(1, DEFAULT_BUFFERS[0]))
        wanted = whole(call.text(0), 1, MOST_READINGS)
        if not fits([other for other in self.meter.buffers.values() if other is not buffer], wanted):
            raise ScpiError(-225, "Out of memory")
        buffer.capacity = wanted
        buffer.clear()

    def _trigger(self, call: Call) -> None:
        self.meter.take(self._buffer(call.text(0, DEFAULT_BUFFERS[0])))

    def _feed(self, call: Call) -> None:
        choose(call.text(0), "SENSe", "SENSe1", "CALCulate", "CALCulate1")

    def _feed_control(self, call: Call) -> None:
        on = choose(call.text(0), "NEXT", "NEVer") == "NEXT"
        self.meter.filling = DEFAULT_BUFFERS[0] if on else None

    def _data(self, call: Call) -> str:
        buffer = self._buffer(call.text(2, DEFAULT_BUFFERS[0]))
        if not call.parameters:
            return self._shown(buffer, 1, len(buffer), ())
        first, last = whole(call.text(0), 1, MOST_READINGS), whole(call.text(1), 1, MOST_READINGS)
        if not first <= last <= len(buffer):
            raise ScpiError(-222, "Parameter data out of range")
        return self._shown(buffer, first, last, call.parameters[3:])

    def _shown(self, buffer: ReadingBuffer, first: int, last: int, elements: Sequence[str]) -> str:
        """Return readings `first` to `last`, each with its elements, as text or as a binary block."""
        columns = [self._column(buffer, element)[first - 1 : last] for element in elements or ("READing",)]
        rows = np.array(columns, np.float64).T.ravel()
        if self.format == "ASC":
            return ",".join(show(value) for value in rows.tolist())
        kind = ("<" if self.swapped else ">") + ("f4" if self.format == "SREAL" else "f8")
        return "#0" + rows.astype(kind).tobytes().decode("latin-1")

    def _column(self, buffer: ReadingBuffer, element: str) -> Sequence[float]:
        word = choose(element, "READing", "SOURce", "RELative", "TIME", "TSTamp", "SEConds", "FRACtional", "STATus")
        if word == "READ":
            return buffer.readings
        if word == "SOUR":
            return buffer.sources
        if word == "STAT":
            return buffer.statuses
        return buffer.times

    def _formats(self) -> None:
        def data(call: Call) -> None:
            self.format = choose(call.text(0), "ASCii", "REAL", "SREal")
            if self.format == "SRE" or (self.format == "REAL" and call.text(1, "64") == "32"):
                self.format = "SREAL"

        def order(call: Call) -> None:
            self.swapped = choose(call.text(0), "NORMal", "SWAPped") == "SWAP"

        def elements(call: Call) -> None:
            words = ("VOLTage", "CURRent", "RESistance", "TIME", "STATus")
            chosen = {choose(text, *words) for text in call.parameters}
            self.elements = tuple(name for name in ELEMENTS_2400 if name in chosen)

        add = self.tree.add
        add("FORMat[:DATA]", data, lambda call: self.format)
        add("FORMat:BORDer", order, lambda call: "SWAP" if self.swapped else "NORM")
        add("FORMat:ELEMents", elements, lambda call: ",".join(self.elements))
        add("FORMat:ASCii:PRECision", lambda call: None, lambda call: "0")
