"""Measure functions of a 2450 in SCPI: SENSe."""

from xbar_drivers.emulated.reading_buffer import MOST_READINGS
from xbar_drivers.emulated.scpi.command_tree import Call, CommandTree, choose
from xbar_drivers.emulated.scpi.program_message import ScpiError
from xbar_drivers.emulated.scpi.values import boolean, number, show, string, whole
from xbar_drivers.emulated.source_meter import SourceMeter

SENSE_NAMES = {"CURR": '"CURR:DC"', "VOLT": '"VOLT:DC"', "RES": '"RES"'}


class SenseCommands:
    """Adds the commands to a tree."""

    def __init__(self, meter: SourceMeter, tree: CommandTree) -> None:
        self.meter, self.tree = meter, tree
        self._sense()

    def _sense(self) -> None:
        meter = self.meter

        def function(call: Call) -> None:
            meter.function = function_name(call.text(0))

        def count(call: Call) -> None:
            meter.count = whole(call.text(0), 1, MOST_READINGS)

        self.tree.add("SENSe#:FUNCtion[:ON]", function, lambda call: SENSE_NAMES[meter.function])
        self.tree.add("SENSe#:COUNt", count, lambda call: str(meter.count), most=1)
        for name, word in (("CURR", "CURRent[:DC]"), ("VOLT", "VOLTage[:DC]"), ("RES", "RESistance")):
            self._sense_function(name, f"SENSe#:{word}")

    def _sense_function(self, name: str, base: str) -> None:
        meter = self.meter

        def put_range(call: Call) -> None:
            ranges = meter.smu.ranges.voltage if name == "VOLT" else meter.smu.ranges.current
            top = 1e12 if name == "RES" else meter.smu.ranges.full_scale(ranges[-1])
            chosen = meter.functions[name]
            wanted = abs(number(call.text(0), -top, top))
            chosen.scale = wanted if name == "RES" else meter.smu.ranges.fit(wanted, name == "CURR")
            chosen.automatic = False

        def automatic(call: Call) -> None:
            meter.functions[name].automatic = boolean(call.text(0))

        def nplc(call: Call) -> None:
            meter.functions[name].nplc = number(call.text(0), *meter.smu.ranges.nplc, 1.0)

        def auto_zero(call: Call) -> None:
            meter.functions[name].auto_zero = boolean(call.text(0))

        def four_wire(call: Call) -> None:
            meter.functions[name].four_wire = boolean(call.text(0))

        def user(call: Call) -> None:
            meter.functions[name].delays[user_number(call)] = number(call.text(0), 0, 1e4)

        def get_range(call: Call) -> str:
            chosen = meter.functions[name]
            if chosen.automatic and name != "RES":
                return show(meter.smu.measure_range_i if name == "CURR" else meter.smu.measure_range_v)
            return show(chosen.scale)

        self._average(name, base)
        self._lowest_range(name, base)
        self.tree.add(f"{base}:RANGe[:UPPer]", put_range, get_range, most=1)
        self.tree.add(f"{base}:RANGe:AUTO", automatic, lambda call: str(int(meter.functions[name].automatic)), most=1)
        self.tree.add(f"{base}:NPLCycles", nplc, lambda call: show(meter.functions[name].nplc), most=1)
        self.tree.add(
            f"{base}:AZERo[:STATe]", auto_zero, lambda call: str(int(meter.functions[name].auto_zero)), most=1
        )
        self.tree.add(f"{base}:RSENse", four_wire, lambda call: str(int(meter.functions[name].four_wire)), most=1)
        self.tree.add(
            f"{base}:DELay:USER#",
            user,
            lambda call: show(meter.functions[name].delays.get(user_number(call), 0.0)),
            most=1,
        )

    def _lowest_range(self, name: str, base: str) -> None:
        """Add the lowest range that an automatic one goes down to."""
        if name == "RES":
            return
        smu, letter = self.meter.smu, "i" if name == "CURR" else "v"
        ranges = smu.ranges.current if name == "CURR" else smu.ranges.voltage

        def put(call: Call) -> None:
            wanted = number(call.text(0), ranges[0], smu.ranges.full_scale(ranges[-1]))
            setattr(smu, f"low_range_{letter}", smu.ranges.fit(wanted, name == "CURR"))

        def low(call: Call) -> str:
            return show(getattr(smu, f"low_range_{letter}"))

        self.tree.add(f"{base}:RANGe:AUTO:LLIMit", put, low, most=1)

    def _average(self, name: str, base: str) -> None:
        meter = self.meter

        def state(call: Call) -> None:
            meter.functions[name].average = boolean(call.text(0))

        def count(call: Call) -> None:
            meter.functions[name].average_count = whole(call.text(0), 1, 100)

        def kind(call: Call) -> None:
            meter.functions[name].average_repeats = choose(call.text(0), "REPeat", "MOVing") == "REP"

        def shown(call: Call) -> str:
            return "REP" if meter.functions[name].average_repeats else "MOV"

        self.tree.add(f"{base}:AVERage[:STATe]", state, lambda call: str(int(meter.functions[name].average)), most=1)
        self.tree.add(f"{base}:AVERage:COUNt", count, lambda call: str(meter.functions[name].average_count), most=1)
        self.tree.add(f"{base}:AVERage:TCONtrol", kind, shown, most=1)


def function_name(text: str) -> str:
    """Return the function that SENSe:FUNCtion names: "CURR", "VOLT" or "RES".

    Raises `ScpiError` for another.
    """
    word = string(text).upper().removesuffix(":DC")
    return choose(word, "CURRent", "VOLTage", "RESistance")


def user_number(call: Call) -> int:
    """Return the number of a user delay, 1 to 5.

    Raises `ScpiError` for another.
    """
    found = call.suffixes[-1] if call.suffixes else 1
    if not 1 <= found <= 5:
        raise ScpiError(-114, "Header suffix out of range")
    return found
