"""Keithley 707B and 708B: mainframes for the cards of semiconductor test, TSP; rows are letters."""

from typing import ClassVar

from xbar_drivers.emulated.keithley_3706a import SwitchMainframe


class Keithley707B(SwitchMainframe):
    """Six slots; channel 1A02 is slot 1, row A, column 2."""

    model: ClassVar[str] = "707B"
    letters: ClassVar[bool] = True
    families: ClassVar[tuple[str, ...]] = ("70", "71")

    @property
    def identity(self) -> str:
        """Get the answer to *IDN?."""
        return f"KEITHLEY INSTRUMENTS INC.,MODEL {self.model},{self.serial},01.12a"


class Keithley708B(Keithley707B):
    """The mainframe with one slot."""

    model: ClassVar[str] = "708B"
    slots: ClassVar[int] = 1
