"""Keithley 3706A: a mainframe of six slots for switch cards, TSP."""

from collections.abc import Sequence
from typing import ClassVar

from xbar.errors import InputError
from xbar_drivers.emulated.lines import Lines
from xbar_drivers.emulated.switch_matrix import CARDS, ChannelNames, ConnectRule, MatrixCard, SwitchMatrix
from xbar_drivers.emulated.tsp.attributes import ignored, stored
from xbar_drivers.emulated.tsp.channel_object import channel_object, slot_object
from xbar_drivers.emulated.tsp.data_format import DataFormat
from xbar_drivers.emulated.tsp.lua_process import LuaLimits, Watchdog
from xbar_drivers.emulated.tsp.node_tree import TspObject
from xbar_drivers.emulated.tsp.system_objects import system_root
from xbar_drivers.emulated.tsp.tsp_instrument import TspInstrument


class SwitchMainframe(TspInstrument):
    """A mainframe with matrix cards; terminals `<name>.<slot>.row<r>` and `<name>.<slot>.col<c>`.

    Args:
        name: its name on the bench.
        lines: what its terminals are connected to.
        number: its place on the bench.
        watchdog: kills its interpreter.
        cards: models of the cards, slot by slot; "" for an empty slot.
        common_rows: whether the rows of all cards are tied together, as `<name>.row<r>`.
        limits: of its interpreter.

    """

    slots: ClassVar[int] = 6
    letters: ClassVar[bool] = False
    families: ClassVar[tuple[str, ...]] = ("37",)
    line_frequency: ClassVar[float] = 50.0

    def __init__(
        self,
        name: str,
        lines: Lines,
        number: int,
        watchdog: Watchdog,
        *,
        cards: Sequence[str] = (),
        common_rows: bool = False,
        limits: LuaLimits | None = None,
    ) -> None:
        super().__init__(name, lines, number, watchdog, limits)
        self.formats = DataFormat()
        found = self._cards(cards)
        self.matrix = SwitchMatrix(name, lines, found, ChannelNames(self.letters), common_rows)

    def _cards(self, models: Sequence[str]) -> list[MatrixCard | None]:
        if len(models) > self.slots:
            raise InputError(f"{self.name}: {len(models)} cards, a {self.model} has {self.slots} slots")
        found: list[MatrixCard | None] = []
        for model in models:
            if model and (model not in CARDS or not model.startswith(self.families)):
                fitting = ", ".join(card for card in CARDS if card.startswith(self.families))
                raise InputError(f"{self.name}: card {model!r} does not fit a {self.model}; choose from {fitting}")
            found.append(CARDS[model] if model else None)
        return found + [None] * (self.slots - len(found))

    def number_format(self) -> str:
        """Return the format of printed numbers."""
        return self.formats.text()

    def outputs_on(self) -> dict[str, str]:
        """Return nothing: a matrix has no source."""
        return {}

    def build_tree(self) -> TspObject:
        """Return the tree of a switching mainframe."""
        root = system_root(self, self.formats, self.model, self.line_frequency)
        root.objects["channel"] = channel_object(self.matrix, self)
        slots = TspObject()
        for number, card in enumerate(self.matrix.cards, 1):
            slots.elements.append(slot_object(card, f"{self.serial}{number}"))
        root.objects["slot"] = slots
        root.objects["display"] = TspObject("display")
        stored(root.objects["display"], screen=0.0)
        ignored(root.objects["display"], "clear", "settext", "setcursor")
        root.objects["status"] = self._status()
        return root

    def _status(self) -> TspObject:
        part = TspObject("status")
        part.attribute("condition", lambda: float(self.status.byte()))
        part.functions["reset"] = self.status.preset
        part.objects["standard"] = TspObject()
        part.objects["standard"].attribute("event", lambda: float(self.status.standard.take_event()))
        return part

    def reset(self) -> None:
        """Open all relays and return to the state after switching on."""
        self.matrix.move(set(self.matrix.closed), set())
        self.matrix.forbidden.clear()
        self.matrix.rule, self.matrix.sequential = ConnectRule.BREAK_BEFORE_MAKE, False
        self.formats.reset()


class Keithley3706A(SwitchMainframe):
    """Six slots for series 37xx cards; rows are digits: channel 1102 is slot 1, row 1, column 2."""

    model: ClassVar[str] = "3706A"

    @property
    def identity(self) -> str:
        """Get the answer to *IDN?."""
        return f"KEITHLEY INSTRUMENTS INC.,MODEL 3706A-SNFP,{self.serial},01.56a"
