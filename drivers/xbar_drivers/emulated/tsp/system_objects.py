"""Objects that every TSP instrument has: error queue, local node, format, display, beeper, timer, bits, dead ends."""

from typing import Any

from xbar_drivers.emulated.tsp.attributes import ignored, stored
from xbar_drivers.emulated.tsp.data_format import DataFormat
from xbar_drivers.emulated.tsp.node_tree import TspObject, number
from xbar_drivers.emulated.tsp.tsp_instrument import TspInstrument


def system_root(instrument: TspInstrument, formats: DataFormat, model: str, line_frequency: float) -> TspObject:
    """Return a root with what all instruments share; the instrument adds its own."""
    root = TspObject("node")
    root.objects["errorqueue"] = _error_queue(instrument)
    root.objects["format"] = formats.node()
    root.objects["localnode"] = _local_node(instrument, model, line_frequency)
    root.objects["beeper"] = TspObject("beeper")
    stored(root.objects["beeper"], enable=1.0)
    ignored(root.objects["beeper"], "beep")
    root.objects["timer"] = _timer(instrument)
    root.objects["bit"] = _bits()
    root.objects["dataqueue"] = _data_queue()
    root.objects["tsplink"] = _link(instrument)
    root.objects.update(_interfaces())
    root.objects["memory"] = TspObject("memory")
    root.objects["memory"].functions["available"] = lambda: "98.90, 98.90, 98.90, 98.90"
    root.functions["delay"] = lambda seconds: instrument.clock.wait(number(seconds, 0, 1e5), instrument.stopped())
    root.functions["waitcomplete"] = lambda *group: instrument.complete()
    root.functions["opc"] = lambda: instrument.common("*OPC") and None
    root.functions["reset"] = lambda *system: instrument.reset()
    root.functions["__printbuffer"] = formats.block
    return root


def _error_queue(instrument: TspInstrument) -> TspObject:
    part = TspObject("errorqueue")
    part.attribute("count", lambda: float(len(instrument.errors)))
    part.functions["next"] = instrument.error_entry
    part.functions["clear"] = instrument.errors.clear
    return part


def _local_node(instrument: TspInstrument, model: str, line_frequency: float) -> TspObject:
    part = TspObject("localnode")
    part.attribute("model", lambda: model)
    part.attribute("serialno", lambda: instrument.serial)
    part.attribute("revision", lambda: instrument.identity.split(",")[-1].strip())
    # A 2600B and a 3706A say revision, a 2450 says version.
    part.attribute("version", lambda: instrument.identity.split(",")[-1].strip())
    part.attribute("description", lambda: "emulated by xbar")
    part.attribute("linefreq", lambda: line_frequency)
    stored(part, showerrors=0.0, prompts=0.0, prompts4882=1.0, autolinefreq=1.0, password="", passwordmode=1.0)
    part.functions["reset"] = instrument.reset
    part.functions["gettime"] = instrument.clock.now
    ignored(part, "settime")
    return part


def _timer(instrument: TspInstrument) -> TspObject:
    start = [0.0]

    def restart() -> None:
        start[0] = instrument.clock.now()

    part = TspObject("timer")
    part.functions["reset"] = restart
    part.objects["measure"] = TspObject()
    part.objects["measure"].functions["t"] = lambda: instrument.clock.now() - start[0]
    return part


def _bits() -> TspObject:
    part = TspObject("bit")

    def whole(value: Any) -> int:
        return int(number(value, 0, 2**31))

    part.functions["bitand"] = lambda a, b: float(whole(a) & whole(b))
    part.functions["bitor"] = lambda a, b: float(whole(a) | whole(b))
    part.functions["bitxor"] = lambda a, b: float(whole(a) ^ whole(b))
    part.functions["test"] = lambda a, n: bool(whole(a) >> (int(number(n, 1, 32)) - 1) & 1)
    part.functions["set"] = lambda a, n: float(whole(a) | 1 << (int(number(n, 1, 32)) - 1))
    part.functions["clear"] = lambda a, n: float(whole(a) & ~(1 << (int(number(n, 1, 32)) - 1)))
    return part


def _data_queue() -> TspObject:
    values: list[Any] = []
    part = TspObject("dataqueue")

    def add(value: Any, *timeout: Any) -> bool:
        if len(values) < 128:
            values.append(value)
            return True
        return False

    part.constants["CAPACITY"] = 128.0
    part.attribute("count", lambda: float(len(values)))
    part.functions["add"] = add
    part.functions["next"] = lambda *timeout: values.pop(0) if values else None
    part.functions["clear"] = values.clear
    return part


def _interfaces() -> dict[str, TspObject]:
    """Return what belongs to other interfaces and to stored set-ups: remembered, without effect."""
    made = {name: TspObject(name) for name in ("comm", "gpib", "lan", "setup", "userstring")}
    for name in ("gpib", "lan"):
        made["comm"].objects[name] = TspObject()
        stored(made["comm"].objects[name], enable=1.0)
    stored(made["gpib"], address=16.0)
    made["lan"].objects["status"] = TspObject()
    made["lan"].objects["status"].attribute("ipaddress", lambda: "127.0.0.1")
    ignored(made["lan"], "reset", "applysettings", "restoredefaults")
    ignored(made["setup"], "save", "recall")
    stored(made["setup"], poweron=0.0)
    texts: dict[str, str] = {}

    def add(name: Any, value: Any) -> None:
        if len(texts) < 128:
            texts[str(name)[:64]] = str(value)[:256]

    made["userstring"].functions["add"] = add
    made["userstring"].functions["get"] = lambda name: texts.get(str(name))
    made["userstring"].functions["delete"] = lambda name: texts.pop(str(name), None) and None
    return made


def _link(instrument: TspInstrument) -> TspObject:
    part = TspObject("tsplink")
    part.attribute("state", lambda: "online" if len(instrument.nodes) > 1 else "offline")
    part.attribute("node", lambda: float(instrument.node))
    part.attribute("master", lambda: float(instrument.node))
    part.functions["reset"] = lambda *expected: float(max(1, len(instrument.nodes)))
    stored(part, group=0.0)
    return part
