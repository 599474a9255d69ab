"""Relay matrices: cards in slots, crosspoints between rows and columns, what closes and opens in which order."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from xbar_drivers.emulated.lines import Lines

SETTLE = 4e-3
"""Time of one relay action [s] (707B reference manual, example on page 2-84)."""


class ConnectRule(IntEnum):
    """Order of opening and closing within one action."""

    OFF = 0
    BREAK_BEFORE_MAKE = 1
    MAKE_BEFORE_BREAK = 2


@dataclass(frozen=True)
class MatrixCard:
    """A kind of matrix card."""

    model: str
    description: str
    rows: int
    columns: int
    firmware: str = "01.40h"


CARDS = {
    card.model: card
    for card in (
        MatrixCard("3730", "6x16 High Density Matrix", 6, 16),
        MatrixCard("3731", "6x16 High Speed Reed Matrix", 6, 16),
        MatrixCard("7072", "8x12 Semiconductor Matrix", 8, 12, "01.00a"),
        MatrixCard("7174A", "8x12 Low Current Matrix", 8, 12, "01.00a"),
        MatrixCard("7173-50", "4x12 High Frequency Matrix", 4, 12, "01.00a"),
    )
}
"""Matrix cards by model; 37xx fit a 3706A, 70xx and 71xx a 707B or 708B."""

Crosspoint = tuple[int, int, int]
"""Slot, row, column, all from 1."""


class ChannelError(Exception):
    """A channel list that the instrument does not take; the text says why."""


@dataclass(frozen=True)
class ChannelNames:
    """How an instrument writes crosspoints: slot, row as a digit or a letter, column with two digits."""

    letters: bool

    def write(self, place: Crosspoint) -> str:
        """Return the name of a crosspoint, such as "1102" or "1A02"."""
        slot, row, column = place
        return f"{slot}{chr(64 + row) if self.letters else row}{column:02d}"

    def read(self, name: str) -> Crosspoint:
        """Return the crosspoint of a name.

        Raises `ChannelError`.
        """
        found = re.fullmatch(r"([1-6])([A-Ha-h])(\d\d)" if self.letters else r"([1-6])([1-9])(\d\d)", name)
        if found is None:
            raise ChannelError(f"invalid channel {name[:20]!r}")
        row = ord(found[2].upper()) - 64 if self.letters else int(found[2])
        return int(found[1]), row, int(found[3])


class SwitchMatrix:
    """The relays of one mainframe.

    Args:
        name: of the instrument: its terminals are `<name>.<slot>.row<r>` and `<name>.<slot>.col<c>`.
        lines: what they are connected to.
        cards: the card of each slot from 1; None for an empty one.
        names: how crosspoints are written; rows of terminals likewise.
        common_rows: whether the rows of all cards are tied together, as `<name>.row<r>`.

    """

    def __init__(
        self,
        name: str,
        lines: Lines,
        cards: Sequence[MatrixCard | None],
        names: ChannelNames,
        common_rows: bool = False,
    ) -> None:
        self.name, self.lines, self.cards, self.names = name, lines, tuple(cards), names
        self.closed: set[Crosspoint] = set()
        self.forbidden: set[Crosspoint] = set()
        self.rule, self.sequential = ConnectRule.BREAK_BEFORE_MAKE, False
        for slot, card in enumerate(self.cards, 1):
            if card is not None:
                for row in range(1, card.rows + 1):
                    lines.add_terminal(self._row(slot, row))
                for column in range(1, card.columns + 1):
                    lines.add_terminal(f"{name}.{slot}.col{column}")
        if common_rows:
            self._tie_rows()

    def _row(self, slot: int, row: int) -> str:
        return f"{self.name}.{slot}.row{chr(64 + row) if self.names.letters else row}"

    def _tie_rows(self) -> None:
        most = max((card.rows for card in self.cards if card is not None), default=0)
        for row in range(1, most + 1):
            common = f"{self.name}.row{chr(64 + row) if self.names.letters else row}"
            self.lines.add_terminal(common)
            for slot, card in enumerate(self.cards, 1):
                if card is not None and row <= card.rows:
                    self.lines.join(common, self._row(slot, row))

    def _contacts(self, places: Iterable[Crosspoint]) -> list[tuple[str, str]]:
        return [(self._row(slot, row), f"{self.name}.{slot}.col{column}") for slot, row, column in places]

    def places(self, text: str) -> list[Crosspoint]:
        """Return the crosspoints of a channel list: names, ranges `a:b`, `slot1`, `allslots`, with commas.

        Raises `ChannelError`.
        """
        found: list[Crosspoint] = []
        parts = [part.strip() for part in text.split(",")]
        if len(text) > 20_000 or not any(parts):
            raise ChannelError("empty or too long channel list")
        for part in parts:
            found += self._part(part)
        return list(dict.fromkeys(found))

    def _part(self, part: str) -> list[Crosspoint]:
        lower = part.lower()
        if lower == "allslots":
            return [place for slot in range(1, len(self.cards) + 1) for place in self._all(slot)]
        if found := re.fullmatch(r"slot([1-9])", lower):
            return self._all(int(found[1]))
        first, colon, last = part.partition(":")
        start = self._existing(first.strip())
        if not colon:
            return [start]
        end = self._existing(last.strip())
        if start[0] != end[0] or start > end:
            raise ChannelError(f"invalid range {part[:30]!r}")
        return [place for place in self._all(start[0]) if start <= place <= end]

    def _all(self, slot: int) -> list[Crosspoint]:
        card = self.cards[slot - 1] if 1 <= slot <= len(self.cards) else None
        if card is None:
            return []
        return [(slot, row, column) for row in range(1, card.rows + 1) for column in range(1, card.columns + 1)]

    def _existing(self, name: str) -> Crosspoint:
        place = self.names.read(name)
        slot, row, column = place
        card = self.cards[slot - 1] if slot <= len(self.cards) else None
        if card is None:
            raise ChannelError(f"channel {name!r}: slot {slot} is empty")
        if not (row <= card.rows and 1 <= column <= card.columns):
            raise ChannelError(f"channel {name!r} does not exist on card {card.model}")
        return place

    def move(self, opened: set[Crosspoint], closed: set[Crosspoint]) -> float:
        """Open and close crosspoints by the connection rule; return how long it takes [s].

        Raises `ChannelError` where one to be closed is forbidden; nothing moves then.
        """
        bad = sorted(closed & self.forbidden)
        if bad:
            raise ChannelError(f"channel {self.names.write(bad[0])} is forbidden to close")
        opened, closed = (opened & self.closed) - closed, closed - self.closed
        off, on = self._contacts(opened), self._contacts(closed)
        if self.rule == ConnectRule.MAKE_BEFORE_BREAK:
            self.lines.relays([], on)
            self.lines.relays(off, [])
        elif self.rule == ConnectRule.BREAK_BEFORE_MAKE:
            self.lines.relays(off, [])
            self.lines.relays([], on)
        else:
            self.lines.relays(off, on)
        self.closed = (self.closed - opened) | closed
        if self.sequential:
            return SETTLE * (len(opened) + len(closed))
        return SETTLE * (bool(opened) + bool(closed))

    def written(self, places: Iterable[Crosspoint]) -> str | None:
        """Return the names of crosspoints, separated by semicolons; None where there are none."""
        return ";".join(self.names.write(place) for place in sorted(places)) or None
