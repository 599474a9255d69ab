"""Blocks of a card file about reading: white, 1/f and random telegraph noise."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from xbar.devices.card_blocks import Device, Factor, FittedLaw, PiecewiseFitBlock
from xbar.devices.error_blocks import ConstantSigma, SaturatingSigma
from xbar.devices.flicker_noise import FittedFlickerNoise, FlickerLaw, FlickerNoise, LogFlickerNoise
from xbar.devices.noise_spectrum import SpectralNoise
from xbar.devices.read_noise import ReadNoise, ReadNoiseLaw, SaturatingReadNoise
from xbar.devices.telegraph_noise import TelegraphNoise
from xbar.errors import InputError
from xbar.quantity_fields import Conductance, Number, Seconds, Share
from xbar.units import show

Positive = Annotated[Seconds, Field(gt=0)]


class FlickerBlock(FittedLaw):
    """What every law of 1/f noise has."""

    t_read: Positive
    t0: Annotated[Seconds, Field(ge=0)]


class AccumulatedFlickerNoise(FittedLaw):
    """1/f noise accumulated since programming."""

    kind: Literal["accumulated"]
    coefficient: Annotated[Number, Field(ge=0)]
    exponent: Annotated[Number, Field(ge=0, le=10)]
    floor: Annotated[Number, Field(gt=0)]
    ceiling: Annotated[Number, Field(ge=0)]
    t_read: Positive
    t0: Positive

    @model_validator(mode="after")
    def _reading_is_short(self) -> "AccumulatedFlickerNoise":
        if self.t0 < self.t_read:
            raise InputError(f"t_read, {show(self.t_read, 's')}, is longer than t0, {show(self.t0, 's')}")
        return self

    def law(self, device: Device) -> FlickerLaw:
        """Return the law for a device."""
        numbers = (self.coefficient, self.exponent, self.floor, self.ceiling)
        return FlickerNoise(*numbers, self.t_read, self.t0, device.g_max, self.source)


class FittedFlickerBlock(FlickerBlock):
    """1/f noise whose amplitude is a fit of g / g_max in two pieces."""

    kind: Literal["fitted"]
    amplitude: PiecewiseFitBlock

    def law(self, device: Device) -> FlickerLaw:
        """Return the law for a device."""
        return FittedFlickerNoise(self.amplitude.piecewise(), self.t_read, self.t0, device.g_max, self.source)


class LogFlickerBlock(FlickerBlock):
    """1/f noise by the logarithm of the conductance."""

    kind: Literal["log_conductance"]
    coefficient: Annotated[Conductance, Field(ge=0)]

    def law(self, device: Device) -> FlickerLaw:
        """Return the law for a device."""
        return LogFlickerNoise(self.coefficient, self.t_read, self.t0, self.source)


class SpectrumBlock(FlickerBlock):
    """1/f^a noise by its spectrum."""

    kind: Literal["spectrum"]
    coefficient: Factor
    exponent: Annotated[Number, Field(gt=0, lt=2)]
    f_low: Annotated[Number, Field(gt=0)] = 1e-3

    def law(self, device: Device) -> FlickerLaw:
        """Return the law for a device."""
        return SpectralNoise(
            self.coefficient, self.exponent, self.t_read, self.t0, f_low=self.f_low, source=self.source
        )


class RelativeReadNoise(FittedLaw):
    """White read noise that grows with the conductance."""

    kind: Literal["sqrt", "proportional"]
    relative: Share

    def law(self, device: Device) -> ReadNoiseLaw:
        """Return the law for a device."""
        return ReadNoise(self.kind, self.relative, device.g_max, self.source)


class ConstantReadNoise(ConstantSigma):
    """White read noise of constant standard deviation."""

    def law(self, device: Device) -> ReadNoiseLaw:
        """Return the law for a device."""
        return ReadNoise(self.kind, self.absolute(device.g_max) / device.g_max, device.g_max, self.source)


class DensityReadNoise(FittedLaw):
    """White read noise by its spectral density, over the bandwidth of a reading, 1 / (2 t_read)."""

    kind: Literal["density"]
    relative_density: Factor
    t_read: Positive

    def law(self, device: Device) -> ReadNoiseLaw:
        """Return the law for a device: proportional to the conductance."""
        return ReadNoise("proportional", self.relative_density * (2 * self.t_read) ** -0.5, device.g_max, self.source)


class SaturatingReadNoiseBlock(SaturatingSigma):
    """White read noise that saturates."""

    def law(self, device: Device) -> ReadNoiseLaw:
        """Return the law for a device, currents divided by its read voltage."""
        return SaturatingReadNoise(self.amplitude / device.read_voltage, self.scale / device.read_voltage, self.source)


class TelegraphBlock(FittedLaw):
    """Random telegraph noise of a share of the cells."""

    kind: Literal["two_state"]
    amplitude: Share
    empty: Positive
    full: Positive
    share: Share

    def law(self, device: Device) -> TelegraphNoise:
        """Return the law for a device."""
        return TelegraphNoise(self.amplitude, self.empty, self.full, self.share, self.source)
