"""The SCPI commands of a 2450: its own set, and those of a 2400 that clients mix in."""

from collections.abc import Callable

from xbar_drivers.emulated.scpi.buffer_commands import BufferCommands
from xbar_drivers.emulated.scpi.command_tree import Call, CommandTree, choose
from xbar_drivers.emulated.scpi.keithley_2400_commands import Keithley2400Commands
from xbar_drivers.emulated.scpi.sense_commands import SenseCommands, user_number
from xbar_drivers.emulated.scpi.sweep_commands import SweepCommands
from xbar_drivers.emulated.scpi.values import boolean, number, show, string
from xbar_drivers.emulated.smu import OffMode
from xbar_drivers.emulated.source_meter import SourceMeter

OFF_MODES = {"NORM": OffMode.NORMAL, "ZERO": OffMode.ZERO, "HIMP": OffMode.HIGH_Z, "GUAR": OffMode.NORMAL}


class Keithley2450Commands:
    """Fills a command tree with the commands of one meter."""

    def __init__(self, meter: SourceMeter, tree: CommandTree) -> None:
        self.meter, self.tree = meter, tree
        self._source()
        self._limits()
        SweepCommands(meter, tree)
        SenseCommands(meter, tree)
        self._system()
        BufferCommands(meter, tree)
        Keithley2400Commands(meter, tree, OFF_MODES)

    def _pair(self, pattern: str, put: Callable[[Call], None], get: Callable[[Call], str]) -> None:
        self.tree.add(pattern, put, get, most=1)

    def _source(self) -> None:
        meter, smu = self.meter, self.meter.smu

        def function(call: Call) -> None:
            smu.sources_voltage = choose(call.text(0), "VOLTage", "CURRent") == "VOLT"
            smu.swept, meter.planned = None, None
            smu.apply()

        def output(call: Call) -> None:
            meter.set_output(boolean(call.text(0)))

        self._pair("SOURce#:FUNCtion[:MODE]", function, lambda call: "VOLT" if smu.sources_voltage else "CURR")
        self._pair("OUTPut#[:STATe]", output, lambda call: str(int(smu.output)))
        for name, word, ranges in (
            ("VOLT", "VOLTage", smu.ranges.voltage),
            ("CURR", "CURRent", smu.ranges.current),
        ):
            self._source_function(name, word, ranges)

    def _source_function(self, name: str, word: str, ranges: tuple[float, ...]) -> None:
        meter, smu, voltage = self.meter, self.meter.smu, name == "VOLT"
        letter = "v" if voltage else "i"
        top = smu.ranges.full_scale(ranges[-1])

        def level(call: Call) -> None:
            meter.set_level(voltage, number(call.text(0), -top, top, 0.0))

        def put_range(call: Call) -> None:
            wanted = number(call.text(0), -top, top, ranges[0])
            setattr(smu, f"source_range_{letter}", smu.ranges.fit(abs(wanted), not voltage))
            setattr(smu, f"source_auto_{letter}", False)
            smu.apply()

        def automatic(call: Call) -> None:
            on = boolean(call.text(0))
            if not on:
                setattr(smu, f"source_range_{letter}", smu.source_range(not voltage))
            setattr(smu, f"source_auto_{letter}", on)
            smu.apply()

        def off_mode(call: Call) -> None:
            smu.off_mode = OFF_MODES[choose(call.text(0), "NORMal", "HIMPedance", "ZERO", "GUARd")]
            smu.apply()

        base = f"SOURce#:{word}"
        self._pair(f"{base}[:LEVel][:IMMediate][:AMPLitude]", level, lambda call: show(getattr(smu, f"level_{letter}")))
        self._pair(f"{base}:RANGe", put_range, lambda call: show(smu.source_range(not voltage)))
        auto = f"source_auto_{letter}"
        self._pair(f"{base}:RANGe:AUTO", automatic, lambda call: str(int(getattr(smu, auto))))
        modes = {mode: key for key, mode in reversed(OFF_MODES.items())}
        self._pair(f"OUTPut#:{word}:SMODe", off_mode, lambda call: modes[smu.off_mode])
        self._source_delays(name, base)

    def _source_delays(self, name: str, base: str) -> None:
        def delay(call: Call) -> None:
            source = self.meter.sources[name]
            source.delay, source.delay_auto = number(call.text(0), 0, 1e4), False

        def automatic(call: Call) -> None:
            self.meter.sources[name].delay_auto = boolean(call.text(0))

        def read_back(call: Call) -> None:
            self.meter.sources[name].read_back = boolean(call.text(0))

        def user(call: Call) -> None:
            self.meter.sources[name].delays[user_number(call)] = number(call.text(0), 0, 1e4)

        sources = self.meter
        self._pair(f"{base}:DELay", delay, lambda call: show(sources.sources[name].delay))
        self._pair(f"{base}:DELay:AUTO", automatic, lambda call: str(int(sources.sources[name].delay_auto)))
        self._pair(f"{base}:READ:BACK", read_back, lambda call: str(int(sources.sources[name].read_back)))
        self._pair(
            f"{base}:DELay:USER#", user, lambda call: show(sources.sources[name].delays.get(user_number(call), 0.0))
        )

    def _limits(self) -> None:
        smu = self.meter.smu

        def current(call: Call) -> None:
            smu.limit_i = number(call.text(0), 1e-9, 1.05, 105e-6)
            smu.apply()

        def voltage(call: Call) -> None:
            smu.limit_v = number(call.text(0), 0.02, 210, 21)
            smu.apply()

        for pattern in ("SOURce#:VOLTage:ILIMit[:LEVel]", "SENSe#:CURRent[:DC]:PROTection[:LEVel]"):
            self._pair(pattern, current, lambda call: show(smu.limit_i))
        for pattern in ("SOURce#:CURRent:VLIMit[:LEVel]", "SENSe#:VOLTage[:DC]:PROTection[:LEVel]"):
            self._pair(pattern, voltage, lambda call: show(smu.limit_v))
        for pattern in (
            "SOURce#:VOLTage:ILIMit[:LEVel]:TRIPped",
            "SOURce#:CURRent:VLIMit[:LEVel]:TRIPped",
            "SENSe#:CURRent[:DC]:PROTection:TRIPped",
            "SENSe#:VOLTage[:DC]:PROTection:TRIPped",
        ):
            self.tree.add(pattern, query=lambda call: str(int(self.meter.limited())))
        protection = {"level": "NONE"}

        def protect(call: Call) -> None:
            protection["level"] = string(call.text(0)).upper()[:10]

        self._pair("SOURce#:VOLTage:PROTection[:LEVel]", protect, lambda call: protection["level"])

    def _system(self) -> None:
        meter = self.meter

        def terminals(call: Call) -> None:
            meter.terminals = choose(call.text(0), "FRONt", "REAR")

        def nothing(call: Call) -> None:
            return None

        self._pair("ROUTe:TERMinals", terminals, lambda call: meter.terminals)
        self.tree.add("SYSTem:BEEPer[:IMMediate]", nothing)
        self.tree.add("SYSTem:BEEPer:STATe", nothing)
        self.tree.add("SYSTem:LOCal", nothing)
        self.tree.add("SYSTem:REMote", nothing)
        self.tree.add("SYSTem:RSENse", self._remote_sense, lambda call: str(int(meter.functions["CURR"].four_wire)))
        for pattern in ("DISPlay:CLEar", "DISPlay:SCReen", "DISPlay:DIGits", "TRACe:FILL:MODE"):
            self.tree.add(pattern, nothing)

    def _remote_sense(self, call: Call) -> None:
        for chosen in self.meter.functions.values():
            chosen.four_wire = boolean(call.text(0))
