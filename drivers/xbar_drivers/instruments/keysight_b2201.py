"""Keysight B2201A: a matrix of 14 inputs and 48 outputs, SCPI; channel 00103 is input 1, output 3."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from xbar.errors import DriverError
from xbar_drivers.instruments.roles import Crosspoint
from xbar_drivers.instruments.scpi import ScpiInstrument

INPUTS, OUTPUTS = 14, 48

MOST_NAMED = 40
"""Channels that one command names."""


class KeysightB2201(ScpiInstrument):
    """A B2201A as one matrix (automatic configuration); terminals `<name>.in1` and `<name>.out1`."""

    slots: ClassVar[int] = 0

    @classmethod
    def crosspoints(cls, name: str, cards: Sequence[str], common_rows: bool) -> Iterable[Crosspoint]:
        """Return the crosspoints of all inputs with all outputs."""
        del cards, common_rows  # its four cards make one matrix
        return [
            (f"{name}.in{i}", f"{name}.out{o}", f"0{i:02d}{o:02d}")
            for i in range(1, INPUTS + 1)
            for o in range(1, OUTPUTS + 1)
        ]

    @property
    def closed(self) -> set[str]:
        """Get the channels that are closed."""
        answer = self.ask(":CLOS:CARD? 0").strip().removeprefix("(@").removesuffix(")")
        return {part.strip() for part in answer.split(",") if part.strip()}

    def move(self, opened: Iterable[str], closed: Iterable[str]) -> None:
        """Open channels, then close others, and return when the relays rest."""
        for word, names in ((":OPEN", sorted(opened)), (":CLOS", sorted(closed))):
            for k in range(0, len(names), MOST_NAMED):
                self.write(f"{word} (@{','.join(names[k : k + MOST_NAMED])})")
        self.ask("*OPC?")

    def open_all(self) -> None:
        """Open every channel, let several inputs share an output, and make sure that all are open."""
        self.write(":OPEN:CARD ALL")
        self.write(":CONN:RULE 0,FREE")
        self.write(":CONN:SEQ 0,BBM")
        left = self.closed
        if left:
            raise DriverError(f"{self.name}: channels {', '.join(sorted(left))} are still closed")
