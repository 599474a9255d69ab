"""Commands of a 2400 that a 2450 has only in other words: for clients of the language SCPI2400."""

from collections.abc import Mapping

from xbar_drivers.emulated.scpi.command_tree import Call, CommandTree, choose
from xbar_drivers.emulated.scpi.values import boolean, number, show
from xbar_drivers.emulated.smu import OffMode
from xbar_drivers.emulated.source_meter import SourceMeter


class Keithley2400Commands:
    """Adds these commands to the tree of a meter.

    Args:
        meter: the meter.
        tree: of its commands.
        off_modes: output-off states by the words of the instrument.

    """

    def __init__(self, meter: SourceMeter, tree: CommandTree, off_modes: Mapping[str, OffMode]) -> None:
        self.meter, self.tree = meter, tree
        words = {mode: word for word, mode in reversed(list(off_modes.items()))}

        def off_mode(call: Call) -> None:
            meter.smu.off_mode = off_modes[choose(call.text(0), "NORMal", "HIMPedance", "ZERO", "GUARd")]
            meter.smu.apply()

        tree.add("OUTPut#:SMODe", off_mode, lambda call: words[meter.smu.off_mode])
        tree.add("SYSTem:AZERo[:STATe]", self._auto_zero, lambda call: str(int(meter.functions["CURR"].auto_zero)))
        for pattern, start in (
            ("SOURce#:CLEar:AUTO", False),
            ("DISPlay:ENABle", True),
            ("SYSTem:LFRequency:AUTO", True),
        ):
            self._remembered(pattern, start)
        self._delays()
        tree.add("SYSTem:LFRequency", self._mains, lambda call: f"{meter.smu.line_frequency:.0f}")

    def _remembered(self, pattern: str, start: bool) -> None:
        """Add a switch that is kept and does nothing else."""
        kept = [start]

        def put(call: Call) -> None:
            kept[0] = boolean(call.text(0))

        self.tree.add(pattern, put, lambda call: str(int(kept[0])))

    def _auto_zero(self, call: Call) -> None:
        on = call.text(0).strip().upper() != "ONCE" and boolean(call.text(0))
        for function in self.meter.functions.values():
            function.auto_zero = on

    def _delays(self) -> None:
        """Add the delay that both source functions share."""
        meter = self.meter

        def delay(call: Call) -> None:
            for source in meter.sources.values():
                source.delay, source.delay_auto = number(call.text(0), 0, 1e4), False

        def automatic(call: Call) -> None:
            for source in meter.sources.values():
                source.delay_auto = boolean(call.text(0))

        self.tree.add("SOURce#:DELay", delay, lambda call: show(meter.sources["VOLT"].delay))
        self.tree.add("SOURce#:DELay:AUTO", automatic, lambda call: str(int(meter.sources["VOLT"].delay_auto)))

    def _mains(self, call: Call) -> None:
        self.meter.smu.line_frequency = 60.0 if number(call.text(0), 50, 60) > 55 else 50.0
