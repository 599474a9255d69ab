"""Keithley 3706A: six slots for matrix cards, TSP; channel 1102 is slot 1, row 1, column 2."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from xbar.errors import DriverError, FormatError
from xbar_drivers.instruments.roles import Crosspoint
from xbar_drivers.instruments.tsp import TspInstrument

SETTLE = 4e-3
"""Time of one action of relays [s] (707B reference manual, example on page 2-84)."""

MOST_NAMED = 40
"""Channels that one command names: lines stay below 300 characters."""


@dataclass(frozen=True)
class MatrixCard:
    """Rows and columns of a kind of card."""

    rows: int
    columns: int


CARDS = {
    "3730": MatrixCard(6, 16),
    "3731": MatrixCard(6, 16),
    "7072": MatrixCard(8, 12),
    "7174A": MatrixCard(8, 12),
    "7173-50": MatrixCard(4, 12),
}
"""Matrix cards by model (their manuals); 37xx fit a 3706A, 70xx and 71xx a 707B or 708B."""


class SwitchMatrix(TspInstrument):
    """Relays of a mainframe: open and closed crosspoints by name."""

    slots: ClassVar[int] = 6
    letters: ClassVar[bool] = False

    @classmethod
    def channel(cls, slot: int, row: int, column: int) -> str:
        """Return the name of a crosspoint; slot, row, column from 1."""
        return f"{slot}{chr(64 + row) if cls.letters else row}{column:02d}"

    @property
    def path(self) -> str:
        """Get how scripts of the session's instrument name the relays."""
        return f"{self.prefix}channel"

    @property
    def closed(self) -> set[str]:
        """Get the channels that are closed."""
        answer = self.ask(f'print({self.path}.getclose("allslots"))').strip()
        return set() if answer in ("nil", "") else set(answer.split(";"))

    @classmethod
    def crosspoints(cls, name: str, cards: Sequence[str], common_rows: bool) -> Iterable[Crosspoint]:
        """Return all crosspoints: rows `<name>.<slot>.row<r>`, or `<name>.row<r>` where common, to columns."""
        if len(cards) > cls.slots:
            raise FormatError(f"{name} has {cls.slots} slots, {len(cards)} cards are named")
        found = []
        for slot, model in enumerate(cards, 1):
            if model and model not in CARDS:
                raise FormatError(f"{name}: card {model!r} is not known; known are {', '.join(CARDS)}")
            card = CARDS[model] if model else MatrixCard(0, 0)
            for row in range(1, card.rows + 1):
                written = chr(64 + row) if cls.letters else str(row)
                side = f"{name}.row{written}" if common_rows else f"{name}.{slot}.row{written}"
                found += [
                    (side, f"{name}.{slot}.col{c}", cls.channel(slot, row, c)) for c in range(1, card.columns + 1)
                ]
        return found

    def move(self, opened: Iterable[str], closed: Iterable[str]) -> None:
        """Open channels, then close others, and return when the relays rest."""
        for part in named(opened):
            self.write(f'{self.path}.open("{part}")')
        for part in named(closed):
            self.write(f'{self.path}.close("{part}")')
        self.ask("waitcomplete() print(1)")

    def open_all(self) -> None:
        """Open every channel and make sure of it. Raises `DriverError` where some are still closed."""
        self.write(f'{self.path}.open("allslots")')
        left = self.closed
        if left:
            raise DriverError(f"{self.name}: channels {', '.join(sorted(left))} are still closed")

    def cards(self) -> tuple[str, ...]:
        """Return the models of the cards, slot by slot; "" for an empty one."""
        found = []
        for slot in range(1, self.slots + 1):
            model = self.ask(f"print({self.prefix}slot[{slot}].idn)").split(",")[0].strip()
            found.append("" if model in ("Empty Slot", "nil") else model)
        return tuple(found)


def named(names: Iterable[str]) -> list[str]:
    """Return channels as lists that one command takes, sorted."""
    found: Collection[str] = sorted(names)
    return [",".join(list(found)[k : k + MOST_NAMED]) for k in range(0, len(found), MOST_NAMED)]


class Keithley3706A(SwitchMatrix):
    """Six slots for cards of the series 3700; rows are digits."""
