"""Blocks of a card file about time: drift, relaxation, retention, temperature, endurance."""

import math
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from xbar.devices.card_blocks import (
    Device,
    ElectronVolts,
    Factor,
    FittedLaw,
    Interpolation,
    Kelvin,
    Law,
    LogFitBlock,
    Numbers,
    PiecewiseFitBlock,
    Table,
)
from xbar.devices.drift import Drift
from xbar.devices.endurance import Endurance
from xbar.devices.relaxation import LogTimeRelaxation, RelaxationLaw, TabulatedRelaxation
from xbar.devices.retention import Retention
from xbar.devices.temperature import Temperature
from xbar.errors import InputError
from xbar.quantity_fields import Conductance, Current, Number, Seconds

Times = Annotated[list[Annotated[Seconds, Field(ge=0)]], Field(min_length=2, max_length=64)]


class PowerLawDrift(FittedLaw):
    """Drift by a power law of time."""

    kind: Literal["power_law"]
    t0: Annotated[Seconds, Field(gt=0)]
    exponent_mean: LogFitBlock
    exponent_spread: LogFitBlock

    def law(self, device: Device) -> Drift:
        """Return the law for a device."""
        return Drift(self.exponent_mean.fit(), self.exponent_spread.fit(), self.t0, device.g_max, self.source)


class PiecewiseDrift(FittedLaw):
    """Drift by a power law of time, its exponents fitted in two pieces."""

    kind: Literal["power_law_in_pieces"]
    t0: Annotated[Seconds, Field(gt=0)]
    exponent_mean: PiecewiseFitBlock
    exponent_spread: PiecewiseFitBlock

    def law(self, device: Device) -> Drift:
        """Return the law for a device."""
        mean, spread = self.exponent_mean.piecewise(), self.exponent_spread.piecewise()
        return Drift(mean, spread, self.t0, device.g_max, self.source)


class LogTimeBlock(FittedLaw):
    """Relaxation by the logarithm of time."""

    kind: Literal["log_time"]
    mean_slope: Conductance
    spread_slope: Annotated[Conductance, Field(ge=0)]
    spread: Annotated[Conductance, Field(ge=0)]

    @model_validator(mode="after")
    def _times(self) -> "LogTimeBlock":
        if self.valid_time is None or not self.valid_time[0] > 0:
            raise InputError("valid_time is needed, for example ['1 s', '1 day'], its first above 0 s")
        if self.spread + self.spread_slope * math.log(self.valid_time[0]) < 0:
            raise InputError("the spread is negative at the first valid time; begin later")
        return self

    def law(self, device: Device) -> RelaxationLaw:
        """Return the law for a device."""
        first, last = self.valid_time or [1.0, math.inf]
        return LogTimeRelaxation(self.mean_slope, self.spread_slope, self.spread, first, last, self.source)


class RelaxationTable(FittedLaw):
    """Relaxation measured at some times."""

    times: Times
    interpolation: Interpolation

    @model_validator(mode="after")
    def _ascend(self) -> "RelaxationTable":
        if any(b <= a for a, b in pairwise(self.times)):
            raise InputError("times must ascend")
        if self.interpolation == "log" and self.times[0] == 0:
            raise InputError("times begin at 0 s, which has no logarithm; use interpolation = 'linear'")
        if self.valid_time is None or self.valid_time[1] > self.times[-1]:
            raise InputError("valid_time is needed and ends with the last of the times: xbar does not extrapolate")
        return self


class PolynomialRelaxation(RelaxationTable, Table):
    """Spreads as polynomials of g / g_max."""

    kind: Literal["polynomial"]
    coefficients: Annotated[list[Numbers], Field(min_length=2, max_length=64)]
    g_ref: Annotated[Conductance, Field(gt=0)]

    @model_validator(mode="after")
    def _shape(self) -> "PolynomialRelaxation":
        if len(self.coefficients) != len(self.times) or len({len(row) for row in self.coefficients}) != 1:
            raise InputError("coefficients must have one row for each time, all of one length")
        return self

    def law(self, device: Device) -> RelaxationLaw:
        """Return the law for a device."""
        rows = tuple(self.siemens(row) for row in self.coefficients)
        times = tuple(self.times)
        return TabulatedRelaxation("polynomial", times, rows, self.interpolation, device.g_max, self.g_ref, self.source)


class SaturatingRelaxation(RelaxationTable):
    """Spreads that saturate with the conductance, as currents at the read voltage."""

    kind: Literal["saturating"]
    amplitudes: Annotated[list[Annotated[Current, Field(gt=0)]], Field(min_length=2, max_length=64)]
    scales: Annotated[list[Annotated[Current, Field(gt=0)]], Field(min_length=2, max_length=64)]

    @model_validator(mode="after")
    def _shape(self) -> "SaturatingRelaxation":
        if not len(self.amplitudes) == len(self.scales) == len(self.times):
            raise InputError("amplitudes and scales must have one number for each time")
        return self

    def law(self, device: Device) -> RelaxationLaw:
        """Return the law for a device, currents divided by its read voltage."""
        v = device.read_voltage
        rows = tuple((a / v, s / v) for a, s in zip(self.amplitudes, self.scales, strict=True))
        g = device.g_max
        return TabulatedRelaxation("saturating", tuple(self.times), rows, self.interpolation, g, g, self.source)


class RetentionBlock(FittedLaw):
    """Loss of the state towards a floor."""

    kind: Literal["stretched_exponential"]
    tau: Annotated[Seconds, Field(gt=0)]
    stretch: Annotated[Number, Field(gt=0, le=10)]
    floor: Annotated[Conductance, Field(ge=0)]

    def law(self, device: Device) -> Retention:
        """Return the law for a device."""
        return Retention(self.tau, self.stretch, self.floor, self.source)


class TemperatureBlock(Law):
    """What every law of temperature has."""

    reference: Kelvin
    ageing: Annotated[ElectronVolts, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _range(self) -> "TemperatureBlock":
        if self.valid_temperature is None:
            raise InputError("valid_temperature is needed, for example ['273 K', '358 K']")
        return self


class LinearTemperature(TemperatureBlock):
    """A conductance that changes linearly with temperature."""

    kind: Literal["linear"]
    per_kelvin: Annotated[Number, Field(gt=-1, lt=1)]

    def law(self, device: Device) -> Temperature:
        """Return the law for a device."""
        return Temperature("linear", self.per_kelvin, self.reference, self.ageing, self.source)


class ArrheniusTemperature(TemperatureBlock):
    """A conductance that is thermally activated."""

    kind: Literal["arrhenius"]
    activation: ElectronVolts

    def law(self, device: Device) -> Temperature:
        """Return the law for a device."""
        return Temperature("arrhenius", self.activation, self.reference, self.ageing, self.source)


class EnduranceBlock(Law):
    """Fatigue and failure by the number of pulses."""

    kind: Literal["pulses"]
    fatigue: Factor = 0.0
    median: Annotated[Number, Field(gt=0)] | None = None
    spread: Factor = 0.0

    def law(self, device: Device) -> Endurance:
        """Return the law for a device."""
        median = math.inf if self.median is None else self.median
        return Endurance(self.fatigue, median, self.spread, self.source)
