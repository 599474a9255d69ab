"""The converters around one array: their errors, drawn once with the chip, and what they make of volts and currents.

Errors belong to the converter: they are drawn from the chip's seed by array, line and code, so they are the same for
any batch, part of the array or read epoch. Noise belongs to the event. Everything here is an array operation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.errors import InputError
from xbar.namespace import namespace
from xbar.periphery.bit_serial import plane, weights
from xbar.periphery.converter import CONTINUOUS_BITS, dac_codes
from xbar.periphery.dac_errors import LEVEL_BITS, TABLE_BITS
from xbar.periphery.real_codes import look_up, pipeline_codes, transition_codes
from xbar.periphery.real_converters import RealConverters
from xbar.random import Purpose, normals

Floats = NDArray[np.float64]
Put = Callable[[NDArray[Any]], Any]
"""Copies a NumPy array to where products run."""

DAC_GAIN, DAC_OFFSET, DAC_STEPS, SENSE_GAIN, SENSE_OFFSET, ADC_GAIN, ADC_OFFSET, ADC_CODES = range(8)
"""What an error is drawn for: the event of its counter. The numbers never change."""

SENSE_NOISE_DRAW, ADC_NOISE_DRAW = 0, 1
"""Draws of the noise of a plane: 2 * plane + one of these."""


@dataclass(frozen=True)
class Plan:
    """What all arrays of a bench have in common."""

    real: RealConverters
    dac_bits: int | None
    """None: continuous inputs, in steps of a 16-bit converter, without errors."""
    adc_bits: int | None
    """None: currents are not converted."""
    seed: int

    @property
    def code_max(self) -> int:
        """Get the largest input code."""
        return (1 << ((CONTINUOUS_BITS if self.dac_bits is None else self.dac_bits) - 1)) - 1

    @property
    def weights(self) -> tuple[int, ...]:
        """Get the weight of each plane of the input; one plane of weight 1 where inputs are driven at once."""
        if self.real.bit_serial is None or self.dac_bits is None:
            return (1,)
        return weights(self.real.bit_serial, self.dac_bits)

    @property
    def serial(self) -> int:
        """Get the steps of the range that one plane drives; 1 where inputs are driven at once."""
        return 1 if len(self.weights) == 1 else self.code_max

    @property
    def output_bits(self) -> int | None:
        """Get the bits of the codes, sign included: with planes those of their sum. None without an ADC."""
        if self.adc_bits is None:
            return None
        largest = ((1 << (self.adc_bits - 1)) - 1) * sum(abs(weight) for weight in self.weights)
        return largest.bit_length() + 1

    @property
    def level_max(self) -> int:
        """Get the largest level of a word line: products on exact grids are bounded by it."""
        if self.has_dac_errors:
            return 1 << LEVEL_BITS
        return self.code_max if self.serial == 1 else 1

    @property
    def has_dac_errors(self) -> bool:
        """Get whether word lines have levels of their own."""
        return self.dac_bits is not None and self.real.dac != type(self.real.dac)()


class ConverterBank:
    """The converters of one array.

    Args:
        plan: errors, bits and seed.
        array: number of the array, part of every draw.
        rows: word lines.
        cols: bit lines.

    Raises `InputError` for errors that converters of these bits cannot have.

    """

    def __init__(self, plan: Plan, array: int, rows: int, cols: int) -> None:
        self.plan, self.array = plan, array
        real = plan.real
        self.levels, self.parts = self._levels(rows)
        self.sense_gain = real.sense.settled * (1 + real.sense.gain_sigma * self._draw(SENSE_GAIN, cols))
        self.sense_offset = real.sense.offset_sigma * self._draw(SENSE_OFFSET, cols)
        shared = np.arange(cols) // real.adc.columns_per_adc
        count = int(shared[-1]) + 1 if cols else 0
        self.gain = (1 + real.adc.gain_sigma * self._draw(ADC_GAIN, count))[shared]
        self.offset = (real.adc.offset_sigma * self._draw(ADC_OFFSET, count))[shared]
        self.transitions: Floats | None = None
        self.stage_gains: Floats | None = None
        if plan.adc_bits is not None and real.adc.has_transitions:
            if plan.adc_bits > TABLE_BITS:
                raise InputError(
                    f"output converters with errors of their steps have at most {TABLE_BITS} bits; "
                    f"take fewer than {plan.adc_bits}, or leave these errors out"
                )
            self.transitions = real.adc.transitions(plan.adc_bits, self._codes(count))[shared]
        elif plan.adc_bits is not None and real.adc.model == "pipeline":
            self.stage_gains = np.ascontiguousarray(real.adc.gains(self._codes(count))[shared].T)

    def _levels(self, rows: int) -> tuple[NDArray[np.float32] | None, int]:
        """Return the levels of the word lines (rows, codes), None where they are the codes, and levels per step."""
        plan = self.plan
        top = plan.code_max if plan.serial == 1 else 1
        if not plan.has_dac_errors:
            return None, 1
        dac = plan.real.dac
        steps = self._draw(DAC_STEPS, rows * 2 * top).reshape(rows, 2 * top) if dac.dnl_sigma else np.zeros((rows, 0))
        # An offset in steps of the converter, also where a plane drives the whole range.
        offset = self._draw(DAC_OFFSET, rows) / plan.serial
        found, parts = dac.levels(top, (self._draw(DAC_GAIN, rows), offset, steps))
        return found.astype(np.float32), parts

    def _codes(self, count: int) -> Floats:
        """Return what the steps of `count` output converters are drawn with (count, draws)."""
        assert self.plan.adc_bits is not None
        each = self.plan.real.adc.draws(self.plan.adc_bits)
        return self._draw(ADC_CODES, count * each).reshape(count, each)

    def _draw(self, what: int, count: int) -> Floats:
        event = np.array([what], np.uint64)
        z = normals(event, self.array, count, self.plan.seed, Purpose.CONVERTER_ERRORS)[0]
        return np.asarray(z, np.float64)


class ConverterPart:
    """The converters of the first word and bit lines of an array, at certain ranges, where products run.

    Args:
        bank: the array's converters.
        rows: word lines of the part.
        steps: current of one step of each output converter (cols,) [A]; 1 where currents are not converted.
        put: copies an array there.

    """

    def __init__(self, bank: ConverterBank, rows: int, steps: Floats, put: Put = np.asarray) -> None:
        self.bank, self.plan = bank, bank.plan
        cols, sense = len(steps), bank.plan.real.sense
        self.levels = None if bank.levels is None else put(np.ascontiguousarray(bank.levels[:rows]))
        self.sense_gain = put(np.ascontiguousarray(bank.sense_gain[:cols]))
        self.sense_offset = put(bank.sense_offset[:cols] / steps)
        self.sense_noise = put(sense.noise / steps) if sense.noise else None
        self.saturation = None if sense.saturation is None else put(sense.saturation / steps)
        self.gain, self.offset = (put(np.ascontiguousarray(values[:cols])) for values in (bank.gain, bank.offset))
        self.transitions = None if bank.transitions is None else put(np.ascontiguousarray(bank.transitions[:cols]))
        gains = bank.stage_gains
        self.stage_gains = None if gains is None else put(np.ascontiguousarray(gains[:, :cols]))

    @cached_property
    def unit(self) -> float:
        """Get the levels of one input step, over the steps that a plane drives."""
        return self.bank.parts / self.plan.serial

    def codes(self, volts: Any, input_step: float) -> Any:
        """Return input codes of float32 `volts` (batch, rows), float32 whole numbers; `input_step` [V]."""
        return dac_codes(volts, 1 / input_step, self.plan.code_max)

    def drive(self, codes: Any, number: int) -> Any:
        """Return the levels (batch, rows) that the word lines stand at for plane `number`: float32 whole numbers.

        A level is `input_step / unit` volts.
        """
        way = self.plan.real.bit_serial
        values = codes if way is None or self.plan.serial == 1 else plane(codes, way, number)
        return values if self.levels is None else look_up(values, self.levels)

    def convert(self, currents: Any, events: Any, number: int) -> tuple[Any, Any]:
        """Return float64 codes of `currents` (batch, cols) in output steps, and which conversions clipped.

        Without an ADC the currents come back as the sense amplifiers show them.

        Args:
            currents: float64, read noise included.
            events: `(batch,)` numbers of the input vectors, where products run.
            number: plane of the input.

        """
        xp, real = namespace(currents), self.plan.real
        x = currents * self.sense_gain + self.sense_offset
        if self.sense_noise is not None:
            x = x + self._noise(events, x, 2 * number + SENSE_NOISE_DRAW) * self.sense_noise
        clipped = xp.zeros(x.shape, dtype=xp.bool, device=x.device)
        if self.saturation is not None:
            clipped = xp.abs(x) > self.saturation
            x = xp.minimum(xp.maximum(x, -self.saturation), self.saturation)
        if self.plan.adc_bits is None:
            return x, clipped
        top = float((1 << (self.plan.adc_bits - 1)) - 1)
        x = x * self.gain + self.offset
        if real.adc.noise:
            x = x + self._noise(events, x, 2 * number + ADC_NOISE_DRAW) * real.adc.noise
        clipped = clipped | (xp.abs(x) > top + 0.5)
        if self.transitions is not None:
            return transition_codes(x, self.transitions), clipped
        if self.stage_gains is not None:
            return pipeline_codes(x, self.stage_gains), clipped
        return xp.round(xp.clip(x, -top, top)), clipped

    def _noise(self, events: Any, like: Any, draw: int) -> Any:
        """Return standard normals of the conversions, float64, shaped as `like` (batch, cols)."""
        xp = namespace(like)
        z = normals(events, self.bank.array, like.shape[1], self.plan.seed, Purpose.CONVERTER_NOISE, draw)
        return xp.astype(z, xp.float64)
