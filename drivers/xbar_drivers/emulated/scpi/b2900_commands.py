"""The SCPI commands of a B2900."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from xbar_drivers.emulated.scpi.b2900_channel import MOST_POINTS, B2900Channel
from xbar_drivers.emulated.scpi.b2900_data import B2900Data, shown
from xbar_drivers.emulated.scpi.command_tree import Call, CommandTree, choose
from xbar_drivers.emulated.scpi.program_message import ScpiError
from xbar_drivers.emulated.scpi.values import boolean, number
from xbar_drivers.emulated.smu import OffMode

if TYPE_CHECKING:
    from xbar_drivers.emulated.keysight_b2900 import KeysightB2900

OFF_MODES = {"NORM": OffMode.NORMAL, "ZERO": OffMode.ZERO, "HIZ": OffMode.HIGH_Z}


class B2900Commands:
    """Fills the tree of one instrument."""

    def __init__(self, owner: "KeysightB2900", tree: CommandTree) -> None:
        self._owner, self._tree = owner, tree
        for name, word in (("VOLT", "VOLTage"), ("CURR", "CURRent")):
            self._source(name, word)
            self._sense(name, word)
        self._channel_settings()
        self._triggers()
        self._data = B2900Data(owner, tree, self._initiate)

    def reset(self) -> None:
        """Return to the formats after switching on."""
        self._data.reset()

    def _channel(self, call: Call) -> B2900Channel:
        number_ = call.suffixes[0] if call.suffixes else 1
        if not 1 <= number_ <= len(self._owner.channels):
            raise ScpiError(-114, "Header suffix out of range")
        return self._owner.channels[number_ - 1]

    def _setting(
        self,
        pattern: str,
        put: Callable[[B2900Channel, Call], None],
        get: Callable[[B2900Channel], str],
        most: int | None = 1,
    ) -> None:
        """Add a setting of a channel with its query; `most` parameters are allowed, any number if None."""

        def command(call: Call) -> None:
            put(self._channel(call), call)

        self._tree.add(pattern, command, lambda call: get(self._channel(call)), most)

    def _field(self, pattern: str, name: str, low: float, high: float) -> None:
        """Add a numeric setting that is an attribute of the channel."""

        def put(channel: B2900Channel, call: Call) -> None:
            value = number(call.text(0), low, high)
            setattr(channel, name, type(getattr(channel, name))(value))

        self._setting(pattern, put, lambda channel: shown(float(getattr(channel, name))))

    def _source(self, name: str, word: str) -> None:
        voltage, letter = name == "VOLT", "v" if name == "VOLT" else "i"
        smu = self._owner.channels[0].smu
        top = smu.ranges.full_scale((smu.ranges.voltage if voltage else smu.ranges.current)[-1])
        base = f"[SOURce#]:{word}"

        def level(channel: B2900Channel, call: Call) -> None:
            setattr(channel.smu, f"level_{letter}", number(call.text(0), -top, top, 0.0))
            channel.smu.swept = None
            channel.smu.apply()

        def put_range(channel: B2900Channel, call: Call) -> None:
            wanted = abs(number(call.text(0), -top, top))
            setattr(channel.smu, f"source_range_{letter}", channel.smu.ranges.fit(wanted, not voltage))
            setattr(channel.smu, f"source_auto_{letter}", False)
            channel.smu.apply()

        def automatic(channel: B2900Channel, call: Call) -> None:
            setattr(channel.smu, f"source_auto_{letter}", boolean(call.text(0)))
            channel.smu.apply()

        def of(field: str, convert: Callable[[str], object]) -> Callable[[B2900Channel, Call], None]:
            def put(channel: B2900Channel, call: Call) -> None:
                getattr(channel, field)[name] = convert(call.text(0))

            return put

        def mode(text: str) -> str:
            return choose(text, "FIXed", "SWEep", "LIST")

        def listed(channel: B2900Channel, call: Call) -> None:
            if not 1 <= len(call.parameters) <= 2500:
                raise ScpiError(-223, "Too much data")
            channel.list[name] = [number(text, -top, top) for text in call.parameters]

        def bound(text: str) -> float:
            return number(text, -top, top)

        self._setting(
            f"{base}[:LEVel][:IMMediate][:AMPLitude]", level, lambda c: shown(getattr(c.smu, f"level_{letter}"))
        )
        self._setting(f"{base}:RANGe", put_range, lambda c: shown(c.smu.source_range(not voltage)))
        self._setting(f"{base}:RANGe:AUTO", automatic, lambda c: str(int(getattr(c.smu, f"source_auto_{letter}"))))
        self._setting(f"{base}:MODE", of("mode", mode), lambda c: c.mode[name])
        self._setting(f"{base}:STARt", of("start", bound), lambda c: shown(c.start[name]))
        self._setting(f"{base}:STOP", of("stop", bound), lambda c: shown(c.stop[name]))
        self._setting(f"[SOURce#]:LIST:{word}", listed, lambda c: ",".join(map(shown, c.list[name])), None)
        self._tree.add(f"[SOURce#]:LIST:{word}:POINts", query=lambda call: str(len(self._channel(call).list[name])))

    def _sense(self, name: str, word: str) -> None:
        current, letter = name == "CURR", "i" if name == "CURR" else "v"
        base = f"SENSe#:{word}[:DC]"

        def limit(channel: B2900Channel, call: Call) -> None:
            ranges = channel.smu.ranges.current if current else channel.smu.ranges.voltage
            setattr(channel.smu, f"limit_{letter}", number(call.text(0), ranges[0] / 100, ranges[-1] * 1.06))
            channel.smu.apply()

        def put_range(channel: B2900Channel, call: Call) -> None:
            wanted = abs(number(call.text(0), -250, 250))
            setattr(channel.smu, f"measure_range_{letter}", channel.smu.ranges.fit(wanted, current))
            setattr(channel.smu, f"measure_auto_{letter}", False)

        def automatic(channel: B2900Channel, call: Call) -> None:
            setattr(channel.smu, f"measure_auto_{letter}", boolean(call.text(0)))

        def cycles(channel: B2900Channel, call: Call) -> None:
            channel.smu.nplc = number(call.text(0), *channel.smu.ranges.nplc, 1.0)

        def aperture(channel: B2900Channel, call: Call) -> None:
            low, high = channel.smu.ranges.nplc
            hertz = channel.smu.line_frequency
            channel.smu.nplc = number(call.text(0), low / hertz, high / hertz) * hertz

        self._setting(f"{base}:PROTection[:LEVel]", limit, lambda c: shown(getattr(c.smu, f"limit_{letter}")))
        self._tree.add(
            f"{base}:PROTection:TRIPped",
            query=lambda call: str(int(self._channel(call).smu.output and self._channel(call).smu.limited())),
        )
        self._setting(f"{base}:RANGe[:UPPer]", put_range, lambda c: shown(getattr(c.smu, f"measure_range_{letter}")))
        self._setting(f"{base}:RANGe:AUTO", automatic, lambda c: str(int(getattr(c.smu, f"measure_auto_{letter}"))))
        self._setting(f"{base}:NPLCycles", cycles, lambda c: shown(c.smu.nplc))
        self._setting(f"{base}:APERture", aperture, lambda c: shown(c.smu.nplc / c.smu.line_frequency))

    def _channel_settings(self) -> None:
        def function(channel: B2900Channel, call: Call) -> None:
            channel.smu.sources_voltage = choose(call.text(0), "VOLTage", "CURRent") == "VOLT"
            channel.smu.swept = None
            channel.smu.apply()

        def shape(channel: B2900Channel, call: Call) -> None:
            channel.shape = choose(call.text(0), "DC", "PULSe")

        def output(channel: B2900Channel, call: Call) -> None:
            channel.smu.output, channel.smu.swept = boolean(call.text(0)), None
            channel.smu.apply()

        def off_mode(channel: B2900Channel, call: Call) -> None:
            channel.smu.off_mode = OFF_MODES[choose(call.text(0), "NORMal", "ZERO", "HIZ")]
            channel.smu.apply()

        def spacing(channel: B2900Channel, call: Call) -> None:
            channel.logarithmic = choose(call.text(0), "LINear", "LOGarithmic") == "LOG"

        def direction(channel: B2900Channel, call: Call) -> None:
            channel.double = choose(call.text(0), "SINGle", "DOUBle") == "DOUB"

        def remote(channel: B2900Channel, call: Call) -> None:
            channel.smu.four_wire = boolean(call.text(0))

        modes = {mode: name for name, mode in OFF_MODES.items()}
        self._setting("[SOURce#]:FUNCtion:MODE", function, lambda c: c.function)
        self._setting("[SOURce#]:FUNCtion[:SHAPe]", shape, lambda c: c.shape)
        self._setting("OUTPut#[:STATe]", output, lambda c: str(int(c.smu.output)))
        self._setting("OUTPut#:OFF:MODE", off_mode, lambda c: modes[c.smu.off_mode])
        self._setting("[SOURce#]:SWEep:SPACing", spacing, lambda c: "LOG" if c.logarithmic else "LIN")
        self._setting("[SOURce#]:SWEep:STAir", direction, lambda c: "DOUB" if c.double else "SING")
        self._setting("SENSe#:REMote", remote, lambda c: str(int(c.smu.four_wire)))
        self._field("[SOURce#]:SWEep:POINts", "points", 1, 2500)
        self._field("[SOURce#]:PULSe:WIDTh", "pulse_width", 5e-5, 1e5)
        self._field("[SOURce#]:PULSe:DELay", "pulse_delay", 0, 1e5)
        for pattern in ("OUTPut#:PROTection[:STATe]", "SENSe#:FUNCtion[:ON]", "SENSe#:FUNCtion[:ON]:ALL",
                        "SENSe#:FUNCtion:OFF", "SENSe#:DATA:CLEar", "SYSTem:BEEPer:STATe", "DISPlay:ENABle",
                        "OUTPut#:ON:AUTO", "OUTPut#:OFF:AUTO"):  # fmt: skip
            self._tree.add(pattern, lambda call: None)
        self._tree.add("SYSTem:LFRequency", query=lambda call: "50")

    def _triggers(self) -> None:
        def source(channel: B2900Channel, call: Call) -> None:
            channel.trigger = choose(call.text(0), "AINT", "BUS", "TIMer", "IMMediate")

        for layer in ("[:ALL]", ":ACQuire", ":TRANsient"):
            self._field(f"TRIGger#{layer}:COUNt", "count", 1, MOST_POINTS)
            self._field(f"TRIGger#{layer}:DELay", "delay", 0, 1e5)
            self._field(f"TRIGger#{layer}:TIMer", "interval", 1e-5, 1e5)
            self._setting(f"TRIGger#{layer}:SOURce", source, lambda c: c.trigger)
        for pattern in ("INITiate[:IMMediate][:ALL]", "INITiate[:IMMediate]:TRANsient"):
            self._tree.add(pattern, self._initiate)
        # The points of a trigger are sourced and measured together: what starts the acquisition alone has no effect.
        self._tree.add("INITiate[:IMMediate]:ACQuire", lambda call: None)
        self._tree.add("ABORt[:ALL]", self._abort)
        self._tree.add("STATus:OPERation:CONDition", query=self._condition)
        self._tree.add("IDLE[:ALL]", query=lambda call: self._idle())

    def _initiate(self, call: Call) -> None:
        for channel in self._data.channels(call.text(0, "")):
            channel.initiate()
        self._owner.refresh()

    def _abort(self, call: Call) -> None:
        for channel in self._data.channels(call.text(0, "(@1,2)")):
            channel.abort()

    def _condition(self, call: Call) -> str:
        del call
        found = str(self._owner.status.operation.condition)
        self._owner.polled()
        return found

    def _idle(self) -> str:
        self._owner.complete()
        return "1"
