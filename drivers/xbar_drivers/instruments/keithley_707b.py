"""Keithley 707B and 708B: mainframes for the matrix cards of semiconductor test, TSP; rows are letters."""

from typing import ClassVar

from xbar_drivers.instruments.keithley_3706a import SwitchMatrix


class Keithley707B(SwitchMatrix):
    """Six slots; channel 1A02 is slot 1, row A, column 2."""

    letters: ClassVar[bool] = True


class Keithley708B(Keithley707B):
    """The mainframe with one slot."""

    slots: ClassVar[int] = 1
