"""One SMU of a B1500A: range codes, what is forced and what is measured."""

from dataclasses import dataclass, field

from xbar_drivers.emulated.flex.commands import BAD_VALUE, OUTPUT_OFF, FlexError
from xbar_drivers.emulated.smu import OffMode, Smu, SmuReading

# Range codes (B1500A programming guide, tables 4-2 to 4-5).
VOLTAGE_CODES = {5: 0.5, 11: 2.0, 20: 2.0, 50: 5.0, 12: 20.0, 200: 20.0, 13: 40.0, 400: 40.0, 14: 100.0, 1000: 100.0}
CURRENT_CODES = {8: 1e-12, 9: 1e-11, 10: 1e-10, 11: 1e-9, 12: 1e-8, 13: 1e-7, 14: 1e-6, 15: 1e-5, 16: 1e-4, 17: 1e-3,
                 18: 1e-2, 19: 1e-1, 20: 1.0}  # fmt: skip
COMPLIANCE_SIDE, CURRENT, VOLTAGE, FORCE_SIDE, BOTH = 0, 1, 2, 3, 4
"""Measurement sides of CMM."""


@dataclass
class FlexChannel:
    """One SMU channel.

    The output switch connects the SMU; switched off, its terminal floats.
    """

    number: int
    """Slot, which is its channel number."""
    smu: Smu
    mode: int = COMPLIANCE_SIDE
    current_range: int = 0
    """Code of RI: 0 auto, positive limited auto, negative fixed."""
    voltage_range: int = 0
    force_range: int = 0
    adc: int = 0
    """0: high-speed, 1: high-resolution."""
    resistor: int = 0
    filter_on: int = 0
    zeroed: bool = False
    _before_zero: tuple[bool, float, float] = field(default=(True, 0.0, 0.0))

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Return to the state after *RST."""
        self.smu.reset()
        self.smu.off_mode = OffMode.HIGH_Z
        self.smu.limit_i, self.smu.limit_v = 1e-4, 20.0
        self.mode = self.current_range = self.voltage_range = self.force_range = 0
        self.adc = self.resistor = self.filter_on = 0
        self.zeroed = False
        self.smu.apply()

    @property
    def letter(self) -> str:
        """Get the letter of the channel in data: A to J."""
        return chr(64 + self.number)

    def switch(self, on: bool) -> None:
        """Switch the output on, at 0 V, or off."""
        if on and self.smu.output:
            return
        self.smu.output = on
        self.smu.sources_voltage, self.smu.level_v, self.smu.level_i = True, 0.0, 0.0
        self.smu.swept = None
        self.zeroed = False
        self.smu.apply()

    def need_on(self) -> None:
        """Raise `FlexError` where the output switch is off."""
        if not self.smu.output:
            raise FlexError(*OUTPUT_OFF)

    def force(self, voltage: bool, code: int, level: float, limit: float | None) -> None:
        """Force a voltage [V] or a current [A] within a limit of the other; None keeps the limit.

        Raises `FlexError`.
        """
        self.need_on()
        top = self.smu.ranges.voltage[-1] if voltage else self.smu.ranges.current[-1]
        other = self.smu.ranges.current[-1] if voltage else self.smu.ranges.voltage[-1]
        codes = VOLTAGE_CODES if voltage else CURRENT_CODES
        if abs(level) > top or (limit is not None and abs(limit) > other) or (code and abs(code) not in codes):
            raise FlexError(*BAD_VALUE)
        if code and abs(level) > codes[abs(code)] and code < 0:
            raise FlexError(*BAD_VALUE)
        smu = self.smu
        smu.sources_voltage, smu.swept, self.force_range, self.zeroed = voltage, None, code, False
        if voltage:
            smu.level_v = level
            smu.limit_i = smu.limit_i if limit is None else max(abs(limit), smu.ranges.current[0])
        else:
            smu.level_i = level
            smu.limit_v = smu.limit_v if limit is None else max(abs(limit), 1e-3)
        smu.apply()

    def zero(self) -> None:
        """Force 0 V and remember what was forced."""
        smu = self.smu
        self._before_zero, self.zeroed = (smu.sources_voltage, smu.level_v, smu.level_i), True
        smu.sources_voltage, smu.level_v, smu.level_i, smu.swept = True, 0.0, 0.0, None
        smu.apply()

    def recover(self) -> None:
        """Force again what was forced before `zero`."""
        if self.zeroed:
            self.smu.sources_voltage, self.smu.level_v, self.smu.level_i = self._before_zero
            self.zeroed = False
            self.smu.apply()

    def quantities(self) -> str:
        """Return what the channel measures: "I", "V" or "IV"."""
        forces_voltage = self.smu.sources_voltage
        if self.mode == CURRENT or (self.mode == COMPLIANCE_SIDE and forces_voltage):
            return "I"
        if self.mode == FORCE_SIDE and not forces_voltage:
            return "I"
        return "IV" if self.mode == BOTH else "V"

    def use_ranges(self, current: int | None = None, voltage: int | None = None) -> None:
        """Bring the meters to range codes; None takes those of RI and RV.

        Raises `FlexError`.
        """
        smu = self.smu
        code = self.current_range if current is None else current
        check_range(code, CURRENT_CODES)
        smu.measure_auto_i = code >= 0
        smu.low_range_i = CURRENT_CODES[code] if code > 0 else smu.ranges.current[0]
        if code < 0:
            smu.measure_range_i = CURRENT_CODES[-code]
        code = self.voltage_range if voltage is None else voltage
        check_range(code, VOLTAGE_CODES)
        smu.measure_auto_v = code >= 0
        smu.low_range_v = VOLTAGE_CODES[code] if code > 0 else smu.ranges.voltage[0]
        if code < 0:
            smu.measure_range_v = VOLTAGE_CODES[-code]

    def status(self, reading: SmuReading, others_limited: bool) -> int:
        """Return the status of a reading in bits: 1 overflow, 4 another channel at its limit, 8 this one."""
        own = reading.current_limited or reading.voltage_limited
        return 1 * reading.overflow | 4 * (others_limited and not own) | 8 * own

    def force_text(self) -> str:
        """Return what *LRN? n tells of the channel."""
        smu = self.smu
        if not smu.output:
            return f"CL{self.number}"
        if smu.sources_voltage:
            return f"DV{self.number},{self.force_range},{smu.level_v:+.4f},{smu.limit_i:.4E}"
        return f"DI{self.number},{self.force_range},{smu.level_i:+.4E},{smu.limit_v:.4f}"


def check_range(code: int, codes: dict[int, float]) -> None:
    """Raise `FlexError` for a code that is no range."""
    if code and abs(code) not in codes:
        raise FlexError(*BAD_VALUE)
