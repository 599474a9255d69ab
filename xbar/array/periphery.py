"""The converters of all arrays of a bench, and what their read noise is drawn with."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.periphery.converter import CONTINUOUS_BITS, Converter
from xbar.periphery.converter_bank import Plan
from xbar.periphery.real_converters import RealConverters


@dataclass(frozen=True)
class Periphery:
    """The converters of an array and what its read noise is drawn with."""

    dac_bits: int | None = 8
    """None: continuous inputs, in steps of a 16-bit converter."""
    adc_bits: int | None = 8
    """None: currents in amperes, not converted."""
    exact: bool = True
    """False: the float32 path."""
    seed: int = 0
    real: RealConverters | None = None
    """What is not ideal about the converters; None: nothing, the fast path."""

    @cached_property
    def plan(self) -> Plan | None:
        """Get what the converters of all arrays have in common; None where they are ideal."""
        return None if self.real is None else Plan(self.real, self.dac_bits, self.adc_bits, self.seed)

    @property
    def level_max(self) -> int:
        """Get the largest whole number that a word line is multiplied by."""
        return self.dac.code_max if self.plan is None else self.plan.level_max

    @property
    def output_bits(self) -> int | None:
        """Get the bits of the output codes, sign included; None where currents are not converted."""
        return self.adc_bits if self.plan is None else self.plan.output_bits

    @cached_property
    def code_type(self) -> type[np.number[Any]]:
        """Get the type of the output codes."""
        bits = self.output_bits
        return np.float64 if bits is None else np.int8 if bits <= 8 else np.int16 if bits <= 16 else np.int32

    @property
    def dac(self) -> Converter:
        """Get the input converter."""
        return Converter(CONTINUOUS_BITS if self.dac_bits is None else self.dac_bits)

    @property
    def adc(self) -> Converter | None:
        """Get the output converter; None where currents are not converted."""
        return None if self.adc_bits is None else Converter(self.adc_bits)

    def input_step(self, input_range: float) -> float:
        """Return the voltage of one input code [V] for the range of the largest code [V]."""
        return input_range / self.dac.code_max

    def output_step(self, output_range: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the current of one output code [A] for ranges [A]; 1 A where currents are not converted."""
        steps = self.converter_step(output_range)
        return steps if self.plan is None or self.adc is None else steps / self.plan.serial

    def converter_step(self, output_range: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the current of one step of a converter [A]: of one conversion, before planes are added."""
        if self.adc is None:
            return np.ones_like(output_range)
        return output_range * (1.0 if self.real is None else self.real.range_factor) / self.adc.code_max
