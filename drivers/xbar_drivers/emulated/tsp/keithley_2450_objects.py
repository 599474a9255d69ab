"""A 2450 as scripts see it: `smu`, `buffer`, `defbuffer1`, `trigger.model`, `eventlog`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xbar_drivers.emulated.reading_buffer import MOST_READINGS, ReadingBuffer
from xbar_drivers.emulated.smu import OffMode
from xbar_drivers.emulated.source_meter import DEFAULT_BUFFERS, MeterError, SourceMeter
from xbar_drivers.emulated.tsp.attributes import ignored, numeric, stored
from xbar_drivers.emulated.tsp.buffer_object import buffer_object
from xbar_drivers.emulated.tsp.data_format import DataFormat
from xbar_drivers.emulated.tsp.node_tree import TspError, TspObject, choice, number
from xbar_drivers.emulated.tsp.system_objects import system_root

if TYPE_CHECKING:
    from xbar_drivers.emulated.tsp.tsp_instrument import TspInstrument

FUNCTIONS = {1: "CURR", 2: "VOLT", 3: "RES"}
CONSTANTS: dict[str, float | str] = {
    "FUNC_DC_CURRENT": 1.0, "FUNC_DC_VOLTAGE": 2.0, "FUNC_RESISTANCE": 3.0, "ON": 1.0, "OFF": 0.0,
    "SENSE_2WIRE": 0.0, "SENSE_4WIRE": 1.0, "TERMINALS_FRONT": 1.0, "TERMINALS_REAR": 2.0, "OFFMODE_NORMAL": 0.0,
    "OFFMODE_ZERO": 1.0, "OFFMODE_HIGHZ": 2.0, "OFFMODE_GUARD": 3.0, "RANGE_AUTO": 0.0, "RANGE_BEST": 1.0,
    "RANGE_FIXED": 2.0, "UNIT_AMP": 1.0, "UNIT_OHM": 2.0, "UNIT_VOLT": 3.0, "UNIT_WATT": 4.0, "DELAY_AUTO": -1.0,
}  # fmt: skip
MOST_POINTS = 60_000


def keithley_2450_root(instrument: "TspInstrument", meter: SourceMeter, formats: DataFormat) -> TspObject:
    """Return the root of a 2450's tree."""
    root = system_root(instrument, formats, "2450", meter.smu.line_frequency)
    objects = {name: buffer_object(meter.buffers[name], meter.schedule.run_due) for name in DEFAULT_BUFFERS}
    root.objects.update(objects)
    smu = TspObject("smu", constants=dict(CONSTANTS))
    smu.objects["source"] = _Source(meter, objects["defbuffer1"]).object
    smu.objects["measure"] = _measure(meter, objects["defbuffer1"])
    smu.functions["reset"] = instrument.reset
    stored(smu, terminals=1.0)
    root.objects["smu"] = smu
    root.objects["buffer"] = _buffers(meter)
    root.objects["trigger"] = _trigger(meter)
    root.objects["eventlog"] = _event_log(instrument)
    root.objects["display"] = TspObject("display")
    root.objects["display"].constants["SCREEN_HOME"] = 1.0
    ignored(root.objects["display"], "clear", "settext", "changescreen")
    root.objects["status"] = TspObject("status")
    root.objects["status"].attribute("condition", lambda: float(instrument.status.byte()))
    ignored(root.objects["status"], "preset", "clear")
    return root


def _reading_buffer(value: Any, default: TspObject) -> ReadingBuffer:
    part = default if value is None else value
    if isinstance(part, TspObject) and isinstance(part.payload, ReadingBuffer):
        return part.payload
    raise TspError(-286, "expected a reading buffer")


class _Source:
    """The object `smu.source`."""

    def __init__(self, meter: SourceMeter, default: TspObject) -> None:
        self.meter, self._default = meter, default
        self.object = self._object()

    def _object(self) -> TspObject:
        part, meter, smu = TspObject("source"), self.meter, self.meter.smu

        def function(value: Any) -> None:
            smu.sources_voltage = choice(value, 1, 2) == 2
            smu.swept, meter.planned = None, None
            smu.apply()

        def level(value: Any) -> None:
            top = smu.ranges.full_scale((smu.ranges.voltage if smu.sources_voltage else smu.ranges.current)[-1])
            meter.set_level(smu.sources_voltage, number(value, -top, top))

        def output(value: Any) -> None:
            meter.set_output(bool(choice(value, 0, 1)))

        def off_mode(value: Any) -> None:
            smu.off_mode = (OffMode.NORMAL, OffMode.ZERO, OffMode.HIGH_Z, OffMode.NORMAL)[choice(value, 0, 1, 2, 3)]
            smu.apply()

        part.attribute("func", lambda: 2.0 if smu.sources_voltage else 1.0, function)
        part.attribute("level", lambda: smu.level, level)
        part.attribute("output", lambda: float(smu.output), output)
        part.attribute("offmode", lambda: float(smu.off_mode), off_mode)
        part.attribute("range", self._range, self._set_range)
        part.attribute("autorange", self._automatic, self._set_automatic)
        part.attribute("delay", lambda: self._settings().delay, self._set_delay)
        part.attribute("autodelay", lambda: float(self._settings().delay_auto), self._set_auto_delay)
        stored(part, readback=1.0, highc=0.0)
        for name, field, top in (("ilimit", "limit_i", 1.05), ("vlimit", "limit_v", 210.0)):
            limit = TspObject()
            numeric(limit, "level", smu, field, (1e-9, top), smu.apply)
            limit.attribute("tripped", lambda: float(meter.limited()))
            part.objects[name] = limit
        part.functions["sweeplinear"] = self._sweep_linear
        part.functions["sweeplist"] = self._sweep_list
        return part

    def _settings(self) -> Any:
        return self.meter.sources["VOLT" if self.meter.smu.sources_voltage else "CURR"]

    def _set_delay(self, value: Any) -> None:
        self._settings().delay, self._settings().delay_auto = number(value, 0, 1e4), False

    def _set_auto_delay(self, value: Any) -> None:
        self._settings().delay_auto = bool(choice(value, 0, 1))

    def _range(self) -> float:
        return self.meter.smu.source_range(not self.meter.smu.sources_voltage)

    def _set_range(self, value: Any) -> None:
        smu = self.meter.smu
        top = (smu.ranges.voltage if smu.sources_voltage else smu.ranges.current)[-1]
        wanted = smu.ranges.fit(abs(number(value, -top, top)), not smu.sources_voltage)
        if smu.sources_voltage:
            smu.source_range_v, smu.source_auto_v = wanted, False
        else:
            smu.source_range_i, smu.source_auto_i = wanted, False
        smu.apply()

    def _automatic(self) -> float:
        smu = self.meter.smu
        return float(smu.source_auto_v if smu.sources_voltage else smu.source_auto_i)

    def _set_automatic(self, value: Any) -> None:
        smu, on = self.meter.smu, bool(choice(value, 0, 1))
        if smu.sources_voltage:
            smu.source_auto_v = on
        else:
            smu.source_auto_i = on
        smu.apply()

    def _sweep_linear(self, name: Any, start: Any, stop: Any, points: Any, *rest: Any) -> None:
        """Take sweeplinear(name, start, stop, points, delay, count, range type, fail abort, dual, buffer)."""
        del name
        n = int(number(points, 2, MOST_POINTS))
        a, b = number(start, -220, 220), number(stop, -220, 220)
        levels = [a + (b - a) * k / (n - 1) for k in range(n)]
        if len(rest) > 4 and rest[4]:
            levels += levels[-2::-1]
        self._plan(levels, rest, 5)

    def _sweep_list(self, name: Any, levels: Any, *rest: Any) -> None:
        """Take sweeplist with a table of levels: (name, levels, delay, count, fail abort, buffer)."""
        del name
        if not isinstance(levels, list) or not 1 <= len(levels) <= MOST_POINTS:
            raise TspError(-286, "expected a table of levels")
        self._plan([number(level, -220, 220) for level in levels], rest, 3)

    def _plan(self, levels: list[float], rest: tuple[Any, ...], buffer_at: int) -> None:
        delay = number(rest[0], -1, 1e4) if rest and rest[0] is not None else 0.0
        count = int(number(rest[1], 1, 1000)) if len(rest) > 1 and rest[1] is not None else 1
        buffer = _reading_buffer(rest[buffer_at] if len(rest) > buffer_at else None, self._default)
        self.meter.plan(self.meter.smu.sources_voltage, levels * count, delay, buffer)


def _measure(meter: SourceMeter, default: TspObject) -> TspObject:
    part = TspObject("measure")

    def function(value: Any) -> None:
        meter.function = FUNCTIONS[choice(value, *FUNCTIONS)]

    def of(field: str, bounds: tuple[float, float]) -> tuple[Callable[[], float], Callable[[Any], None]]:
        def put(value: Any) -> None:
            chosen = meter.functions[meter.function]
            setattr(chosen, field, type(getattr(chosen, field))(number(value, *bounds)))
            if field == "scale":
                chosen.automatic = False

        return lambda: float(getattr(meter.functions[meter.function], field)), put

    def read(buffer: Any = None) -> float:
        return meter.value(meter.take(_reading_buffer(buffer, default)))

    def read_with_time(buffer: Any = None) -> tuple[float, float]:
        reading = meter.take(_reading_buffer(buffer, default))
        return meter.value(reading), reading.time

    numbers = {name: float(number_) for number_, name in FUNCTIONS.items()}
    part.attribute("func", lambda: numbers[meter.function], function)
    part.attribute("nplc", *of("nplc", meter.smu.ranges.nplc))
    part.attribute("range", *of("scale", (-1e12, 1e12)))
    part.attribute("autorange", *of("automatic", (0, 1)))
    part.attribute("sense", *of("four_wire", (0, 1)))
    part.objects["autozero"] = TspObject()
    part.objects["autozero"].attribute("enable", *of("auto_zero", (0, 1)))
    ignored(part.objects["autozero"], "once")
    numeric(part, "count", meter, "count", (1, MOST_READINGS))
    stored(part, unit=1.0, displaydigits=5.0)
    part.functions["read"] = read
    part.functions["readwithtime"] = read_with_time
    return part


def _buffers(meter: SourceMeter) -> TspObject:
    part = TspObject("buffer")
    part.constants = {"STYLE_STANDARD": 2.0, "STYLE_COMPACT": 1.0, "STYLE_FULL": 3.0, "FILL_ONCE": 0.0,
                      "FILL_CONTINUOUS": 1.0, "ON": 1.0, "OFF": 0.0}  # fmt: skip
    made = [0]

    def make(capacity: Any, style: Any = None) -> TspObject:
        del style
        made[0] += 1
        try:
            held = meter.make_buffer(f"script{made[0]}", int(number(capacity, 10, MOST_READINGS)))
        except MeterError as error:
            raise TspError(error.code, error.text) from error
        return buffer_object(held, meter.schedule.run_due)

    def clear(part: Any) -> None:
        if not (isinstance(part, TspObject) and isinstance(part.payload, ReadingBuffer)):
            raise TspError(-286, "expected a reading buffer")
        part.payload.clear()

    def delete(part: Any) -> None:
        clear(part)
        for name, held in list(meter.buffers.items()):
            if held is part.payload and name not in DEFAULT_BUFFERS:
                del meter.buffers[name]

    part.functions.update({"make": make, "clear": clear, "delete": delete})
    return part


def _trigger(meter: SourceMeter) -> TspObject:
    part, model = TspObject("trigger"), TspObject()
    model.constants = {"STATE_IDLE": 1.0, "STATE_RUNNING": 2.0, "STATE_WAITING": 3.0}

    def state() -> float:
        meter.schedule.run_due()
        return 2.0 if meter.sweep.end is not None else 1.0

    def load(name: Any, count: Any = 1, delay: Any = 0, buffer: Any = None) -> None:
        if name != "SimpleLoop":
            raise TspError(1110, "Parameter is not one of those allowed")
        levels = [meter.smu.level] * int(number(count, 1, MOST_POINTS))
        held = meter.buffers["defbuffer1"] if buffer is None else _reading_buffer(buffer, buffer)
        meter.plan(meter.smu.sources_voltage, levels, number(delay, 0, 1e4), held)

    model.functions["initiate"] = meter.initiate
    model.functions["abort"] = meter.sweep.abort
    model.functions["state"] = state
    model.functions["load"] = load
    part.objects["model"] = model
    return part


def _event_log(instrument: "TspInstrument") -> TspObject:
    part = TspObject("eventlog")
    part.constants = {"SEV_ERROR": 1.0, "SEV_WARN": 2.0, "SEV_INFO": 4.0, "SEV_ALL": 7.0}

    def following(*severity: Any) -> tuple[Any, ...]:
        error = instrument.errors.next()
        if error is None:
            return 0.0, "No error", 0.0, 0.0
        return float(error.code), error.text, 1.0, float(instrument.node), instrument.clock.now(), 0.0

    part.functions["next"] = following
    part.functions["clear"] = instrument.errors.clear
    part.functions["getcount"] = lambda *severity: float(len(instrument.errors))
    return part
