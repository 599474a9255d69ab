"""Ranges of source-measure units, as their data sheets list them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SmuRanges:
    """Ranges and limits of one kind of source-measure unit.

    The full scale of a range is `overrange` times its name. Resolution of a reading is `digits` of the range,
    resolution of a source `source_digits` of it.
    """

    voltage: tuple[float, ...]
    """Source and measure ranges [V], rising."""
    current: tuple[float, ...]
    """Measure ranges [A], rising."""
    source_current_min: float
    """Smallest current range that can be sourced [A]."""
    overrange: float = 1.02
    digits: float = 1e-6
    source_digits: float = 2.5e-5
    nplc: tuple[float, float] = (0.001, 25.0)
    """Smallest and largest integration time in power-line cycles."""

    def fit(self, value: float, current: bool, smallest: float = 0.0) -> float:
        """Return the smallest range, not below `smallest`, that holds a value; the largest where none does."""
        ranges = self.current if current else self.voltage
        for candidate in ranges:
            if candidate >= smallest and abs(value) <= candidate * (1 + 1e-9):
                return candidate
        return ranges[-1]

    def full_scale(self, scale: float) -> float:
        """Return the largest magnitude that a range holds."""
        return scale * self.overrange


# Series 2600B reference manual and data sheet of the 2636B: ranges; measure resolution 1e-6 of the range, source
# resolution 5 uV in 200 mV to 5 mV in 200 V, that is 2.5e-5 of the range.
KEITHLEY_2636B = SmuRanges(
    voltage=(0.2, 2.0, 20.0, 200.0),
    current=(1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1.5),
    source_current_min=1e-9,
)
KEITHLEY_2602B = SmuRanges(
    voltage=(0.1, 1.0, 6.0, 40.0),
    current=(1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 3.0),
    source_current_min=1e-7,
    source_digits=5e-5,
)
# 2450 data sheet: 20 mV to 200 V, 10 nA to 1 A.
KEITHLEY_2450 = SmuRanges(
    voltage=(0.02, 0.2, 2.0, 20.0, 200.0),
    current=(1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0),
    source_current_min=1e-8,
    overrange=1.05,
    nplc=(0.01, 10.0),
)
# B1500A programming guide, table of B1517A high-resolution SMU (0.5 V to 100 V, 1 pA to 100 mA).
KEYSIGHT_B1517A = SmuRanges(
    voltage=(0.5, 2.0, 5.0, 20.0, 40.0, 100.0),
    current=(1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1),
    source_current_min=1e-12,
    overrange=1.15,
    source_digits=5e-5,
    nplc=(0.0001, 100.0),
)
# B2902A data sheet: 0.2 V to 200 V, 100 nA to 3 A.
KEYSIGHT_B2902A = SmuRanges(
    voltage=(0.2, 2.0, 20.0, 200.0),
    current=(1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1.5, 3.0),
    source_current_min=1e-7,
    overrange=1.06,
    source_digits=5e-6,
    nplc=(0.0004, 100.0),
)
