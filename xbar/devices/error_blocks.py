"""Blocks of a card file about writing: programming error, variation, levels."""

from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from xbar.devices.card_blocks import Device, FittedLaw, Law, Numbers, Table, check_table
from xbar.devices.levels import Levels
from xbar.devices.programming_error import ErrorLaw, ProgrammingError, SaturatingError, TableError
from xbar.devices.variation import Variation
from xbar.errors import InputError
from xbar.quantity_fields import Conductance, Current, Number, Share
from xbar.units import scale, show


def _check_sigma(x: object, sigma: object, where: str) -> None:
    values = np.asarray(sigma)
    if values.min() < 0:
        raise InputError(
            f"the standard deviation is negative, {show(float(values.min()), 'S')}, at {where} "
            f"{np.asarray(x)[values.argmin()]:.3g}; correct the coefficients"
        )


class PolynomialError(FittedLaw):
    """Standard deviation of the programming error as a polynomial of g / g_max."""

    kind: Literal["polynomial"]
    coefficients: Annotated[list[Conductance], Field(min_length=1, max_length=16)]
    g_ref: Annotated[Conductance, Field(gt=0)]

    @model_validator(mode="after")
    def _never_negative(self) -> "PolynomialError":
        x = np.linspace(0.0, 1.0, 1001)
        _check_sigma(x, np.polynomial.polynomial.polyval(x, np.array(self.coefficients)), "g / g_max =")
        return self

    def law(self, device: Device) -> ErrorLaw:
        """Return the law for a device."""
        return ProgrammingError(tuple(self.coefficients), device.g_max, self.g_ref, self.source)


class AbsolutePolynomialError(FittedLaw, Table):
    """Standard deviation of the programming error as a polynomial of the conductance, both in one unit."""

    kind: Literal["absolute_polynomial"]
    coefficients: Annotated[Numbers, Field(max_length=16)]

    @model_validator(mode="after")
    def _never_negative(self) -> "AbsolutePolynomialError":
        unit = scale(self.unit, "S")
        g = np.linspace(self.valid[0] / unit, self.valid[1] / unit, 1001)
        sigma = np.polynomial.polynomial.polyval(g, np.array(self.coefficients)) * unit
        _check_sigma(g, sigma, f"g in {self.unit} =")
        return self

    def law(self, device: Device) -> ErrorLaw:
        """Return the law for a device: the same polynomial in powers of g / g_max."""
        unit = scale(self.unit, "S")
        powers = tuple(c * unit * (device.g_max / unit) ** k for k, c in enumerate(self.coefficients))
        return ProgrammingError(powers, device.g_max, device.g_max, self.source)


class ConstantSigma(FittedLaw):
    """A standard deviation that does not depend on the conductance: absolute, or as a share of g_max."""

    kind: Literal["constant"]
    sigma: Annotated[Conductance, Field(ge=0)] | None = None
    share_of_g_max: Share | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "ConstantSigma":
        if (self.sigma is None) == (self.share_of_g_max is None):
            raise InputError("give either sigma (for example '0.25 uS') or share_of_g_max (for example '1 %')")
        return self

    def absolute(self, g_max: float) -> float:
        """Return the standard deviation [S]."""
        return self.sigma if self.sigma is not None else (self.share_of_g_max or 0.0) * g_max


class ConstantError(ConstantSigma):
    """Programming error of constant standard deviation."""

    def law(self, device: Device) -> ErrorLaw:
        """Return the law for a device."""
        return ProgrammingError((self.absolute(device.g_max),), device.g_max, device.g_max, self.source)


class SaturatingSigma(FittedLaw):
    """A standard deviation that saturates, as currents at the read voltage."""

    kind: Literal["saturating"]
    amplitude: Annotated[Current, Field(gt=0)]
    scale: Annotated[Current, Field(gt=0)]


class SaturatingErrorBlock(SaturatingSigma):
    """Programming error that saturates."""

    def law(self, device: Device) -> ErrorLaw:
        """Return the law for a device, currents divided by its read voltage."""
        return SaturatingError(self.amplitude / device.read_voltage, self.scale / device.read_voltage, self.source)


class TableErrorBlock(FittedLaw, Table):
    """Measured mean and standard deviation of what targets become."""

    kind: Literal["table"]
    states: Numbers
    mean: Numbers
    std: Numbers

    @model_validator(mode="after")
    def _equal_columns(self) -> "TableErrorBlock":
        check_table(self.states, {"mean": self.mean, "std": self.std})
        if min(self.std) < 0:
            raise InputError(f"std holds {min(self.std):g}; standard deviations are zero or more")
        span = self.siemens(self.states)
        if self.valid[0] < span[0] * (1 - 1e-9) or self.valid[1] > span[-1] * (1 + 1e-9):
            raise InputError(
                f"valid goes beyond the table, which ends at {show(span[0], 'S')} and {show(span[-1], 'S')}"
            )
        return self

    def law(self, device: Device) -> ErrorLaw:
        """Return the law for a device."""
        states, mean, std = (self.siemens(column) for column in (self.states, self.mean, self.std))
        return TableError(states, mean, std, self.source)


class LognormalVariation(FittedLaw):
    """Spread of ln R at both ends of the range."""

    kind: Literal["lognormal"]
    on: Annotated[Number, Field(ge=0, le=5)]
    off: Annotated[Number, Field(ge=0, le=5)]

    def law(self, device: Device) -> Variation:
        """Return the law for a device."""
        return Variation(self.on, self.off, device.g_min, device.g_max, self.source)


class LevelsBlock(Law):
    """The few conductances that a device can have."""

    kind: Literal["list"]
    conductances: Annotated[list[Conductance], Field(min_length=2, max_length=4096)]

    @model_validator(mode="after")
    def _ascend(self) -> "LevelsBlock":
        if any(b <= a for a, b in pairwise(self.conductances)):
            raise InputError("conductances must ascend")
        return self

    def law(self, device: Device) -> Levels:
        """Return the law for a device."""
        low, high = self.conductances[0], self.conductances[-1]
        if low < device.g_min * (1 - 1e-9) or high > device.g_max * (1 + 1e-9):
            raise InputError(f"levels {show(low, 'S')} to {show(high, 'S')} lie outside g_min to g_max")
        return Levels(tuple(self.conductances), self.source)
