"""Keithley 2450: one channel of source and measure; SCPI, the language of a 2400, or TSP."""

from typing import ClassVar

from xbar_drivers.emulated.lines import Lines
from xbar_drivers.emulated.link import Link
from xbar_drivers.emulated.schedule import Schedule
from xbar_drivers.emulated.scpi.keithley_2450_commands import Keithley2450Commands
from xbar_drivers.emulated.scpi_language import ScpiLanguage
from xbar_drivers.emulated.source_meter import SourceMeter
from xbar_drivers.emulated.tsp.data_format import DataFormat
from xbar_drivers.emulated.tsp.keithley_2450_objects import keithley_2450_root
from xbar_drivers.emulated.tsp.lua_process import LuaLimits, Watchdog
from xbar_drivers.emulated.tsp.node_tree import TspObject
from xbar_drivers.emulated.tsp.tsp_instrument import TspInstrument

LANGUAGES = ("SCPI", "TSP", "SCPI2400")


class Keithley2450(TspInstrument):
    """One 2450; terminal `<name>.hi`, LO on the common ground.

    Args:
        name: its name on the bench.
        lines: what its terminal is connected to.
        number: its place on the bench.
        watchdog: kills its interpreter.
        schedule: of the bench, for sweeps.
        language: "SCPI", "TSP" or "SCPI2400".
        noise: whether readings carry the noise of the instrument.
        limits: of its interpreter.

    """

    model: ClassVar[str] = "2450"

    def __init__(
        self,
        name: str,
        lines: Lines,
        number: int,
        watchdog: Watchdog,
        schedule: Schedule,
        *,
        language: str = "SCPI",
        noise: bool = True,
        limits: LuaLimits | None = None,
    ) -> None:
        super().__init__(name, lines, number, watchdog, limits)
        self.language = language
        self.meter = SourceMeter(self, lines, schedule, noise=noise, seed=number * 16)
        self.formats = DataFormat()
        self._scpi = ScpiLanguage(self)
        Keithley2450Commands(self.meter, self._scpi.tree)

    @property
    def identity(self) -> str:
        """Get the answer to *IDN?."""
        return f"KEITHLEY INSTRUMENTS,MODEL 2450,{self.serial},1.7.12b"

    def number_format(self) -> str:
        """Return the format of printed numbers: as short as it is exact, unless a precision was set."""
        return "" if self.formats.precision == 6 else self.formats.text()

    def outputs_on(self) -> dict[str, str]:
        """Return the channel if its output is on."""
        return {"hi": self.meter.smu.level_text()} if self.meter.smu.output else {}

    def start(self) -> None:
        """Start the interpreter where the language needs it at once; else the first script does."""
        if self.language == "TSP":
            super().start()

    def line(self, link: Link, text: str) -> None:
        """Execute a line in the present language."""
        word = text.strip().upper()
        if word == "*LANG?":
            self.reply(self.language)
        elif word.startswith("*LANG "):
            self._change_language(word.removeprefix("*LANG ").strip())
        elif self.language == "TSP":
            super().line(link, text)
        else:
            self._scpi.line(link, text)

    def _change_language(self, language: str) -> None:
        """Change the language; a real 2450 does so when it is switched on the next time."""
        if language not in LANGUAGES:
            self.fail(-224, "Illegal parameter value")
            return
        self.language = language
        self.reset()

    def build_tree(self) -> TspObject:
        """Return the tree of a 2450."""
        return keithley_2450_root(self, self.meter, self.formats)

    def complete(self) -> None:
        """Wait until a sweep has ended."""
        self.meter.complete()

    def abort(self) -> None:
        """Stop a sweep."""
        self.meter.sweep.abort()

    def reset(self) -> None:
        """Return to the state after switching on."""
        self.meter.reset()
        self.formats.reset()
