"""What a card file may hold: pydantic models of its blocks, and the laws that they stand for.

Every quantity is text with its unit ("25 uS"); a share is a number from 0 to 1 or a percentage ("0.1 %"). The reference
page `docs/reference/cards.md` describes each key.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from xbar.devices.card import EFFECTS
from xbar.devices.drift import Drift, LogFit
from xbar.devices.flicker_noise import FlickerNoise
from xbar.devices.programming_error import ProgrammingError
from xbar.devices.read_noise import ReadNoise
from xbar.devices.stuck_cells import StuckCells
from xbar.errors import InputError
from xbar.quantity_fields import Conductance, Number, Seconds, Share, Voltage
from xbar.units import show

SCHEMA = "xbar-card/1"

Text = Annotated[str, Field(min_length=1, max_length=4000, strict=True, pattern=r"\S")]


class Block(BaseModel):
    """A table of the file: no key but those named, nothing changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Law(Block):
    """What every law says of itself."""

    source: Text
    """Paper, manual or measurement behind the numbers."""


class FittedLaw(Law):
    """A law that was fitted on a range of conductances; it is refused for a card that leaves it."""

    valid: Annotated[list[Conductance], Field(min_length=2, max_length=2)]

    @field_validator("valid")
    @classmethod
    def _ascending(cls, valid: list[float]) -> list[float]:
        if not 0 <= valid[0] < valid[1]:
            raise InputError("write the smaller conductance first, both of zero or more")
        return valid


class PolynomialError(FittedLaw):
    """Standard deviation of the programming error as a polynomial of g / g_max."""

    kind: Literal["polynomial"]
    coefficients: Annotated[list[Conductance], Field(min_length=1, max_length=16)]
    g_ref: Annotated[Conductance, Field(gt=0)]

    @model_validator(mode="after")
    def _never_negative(self) -> "PolynomialError":
        x = np.linspace(0.0, 1.0, 1001)
        sigma = np.polynomial.polynomial.polyval(x, np.array(self.coefficients))
        if sigma.min() < 0:
            raise InputError(
                f"the standard deviation is negative, {show(float(sigma.min()), 'S')}, at g / g_max = "
                f"{x[sigma.argmin()]:.3g}; correct the coefficients"
            )
        return self

    def law(self, g_min: float, g_max: float) -> ProgrammingError:
        """Return the law for a device of this range [S]."""
        return ProgrammingError(tuple(self.coefficients), g_max, self.g_ref, self.source)


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

    def law(self, g_min: float, g_max: float) -> ProgrammingError:
        """Return the law for a device of this range [S]."""
        return ProgrammingError((self.absolute(g_max),), g_max, g_max, self.source)


class LogFitBlock(Block):
    """clip(slope ln x + offset, low, high), x = g_target / g_max."""

    slope: Number
    offset: Number
    low: Annotated[Number, Field(ge=0)]
    high: Annotated[Number, Field(ge=0, le=10)]

    @field_validator("high")
    @classmethod
    def _above_low(cls, high: float, info: ValidationInfo) -> float:
        if high < info.data.get("low", high):
            raise InputError(f"high is {high:g}, below low, {info.data['low']:g}")
        return high

    def fit(self) -> LogFit:
        """Return the fit."""
        return LogFit(self.slope, self.offset, self.low, self.high)


class PowerLawDrift(FittedLaw):
    """Drift by a power law of time."""

    kind: Literal["power_law"]
    t0: Annotated[Seconds, Field(gt=0)]
    exponent_mean: LogFitBlock
    exponent_spread: LogFitBlock

    def law(self, g_min: float, g_max: float) -> Drift:
        """Return the law for a device of this range [S]."""
        return Drift(self.exponent_mean.fit(), self.exponent_spread.fit(), self.t0, g_max, self.source)


class AccumulatedFlickerNoise(FittedLaw):
    """1/f noise accumulated since programming."""

    kind: Literal["accumulated"]
    coefficient: Annotated[Number, Field(ge=0)]
    exponent: Annotated[Number, Field(ge=0, le=10)]
    floor: Annotated[Number, Field(gt=0)]
    ceiling: Annotated[Number, Field(ge=0)]
    t_read: Annotated[Seconds, Field(gt=0)]
    t0: Annotated[Seconds, Field(gt=0)]

    @model_validator(mode="after")
    def _reading_is_short(self) -> "AccumulatedFlickerNoise":
        if self.t0 < self.t_read:
            raise InputError(f"t_read, {show(self.t_read, 's')}, is longer than t0, {show(self.t0, 's')}")
        return self

    def law(self, g_min: float, g_max: float) -> FlickerNoise:
        """Return the law for a device of this range [S]."""
        numbers = (self.coefficient, self.exponent, self.floor, self.ceiling)
        return FlickerNoise(*numbers, self.t_read, self.t0, g_max, self.source)


class RelativeReadNoise(FittedLaw):
    """White read noise that grows with the conductance."""

    kind: Literal["sqrt", "proportional"]
    relative: Share

    def law(self, g_min: float, g_max: float) -> ReadNoise:
        """Return the law for a device of this range [S]."""
        return ReadNoise(self.kind, self.relative, g_max, self.source)


class ConstantReadNoise(ConstantSigma):
    """White read noise of constant standard deviation."""

    def law(self, g_min: float, g_max: float) -> ReadNoise:
        """Return the law for a device of this range [S]."""
        return ReadNoise(self.kind, self.absolute(g_max) / g_max, g_max, self.source)


class IndependentStuckCells(Law):
    """Stuck cells, each by itself."""

    kind: Literal["independent"]
    off: Share
    on: Share

    @field_validator("on")
    @classmethod
    def _at_most_all(cls, on: float, info: ValidationInfo) -> float:
        if on + info.data.get("off", 0.0) > 1:
            raise InputError("off and on are more than 100 % together")
        return on

    def law(self, g_min: float, g_max: float) -> StuckCells:
        """Return the law for a device of this range [S]."""
        return StuckCells(self.off, self.on, g_min, g_max, self.source)


class CardFile(Block):
    """A card file."""

    # `schema` is a method of pydantic's, so the field has another name.
    version: Literal["xbar-card/1"] = Field(alias="schema")
    name: Annotated[str, Field(strict=True, pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
    title: Text
    source: Text
    g_min: Annotated[Conductance, Field(ge=0)]
    g_max: Annotated[Conductance, Field(gt=0)]
    read_voltage: Annotated[Voltage, Field(gt=0)]
    programming_error: Annotated[PolynomialError | ConstantError, Field(discriminator="kind")] | None = None
    drift: PowerLawDrift | None = None
    flicker_noise: AccumulatedFlickerNoise | None = None
    read_noise: Annotated[RelativeReadNoise | ConstantReadNoise, Field(discriminator="kind")] | None = None
    stuck_cells: IndependentStuckCells | None = None

    @field_validator("g_max")
    @classmethod
    def _above_g_min(cls, g_max: float, info: ValidationInfo) -> float:
        if g_max <= info.data.get("g_min", 0.0):
            raise InputError(f"g_max, {show(g_max, 'S')}, must be above g_min, {show(info.data['g_min'], 'S')}")
        return g_max

    @field_validator(*EFFECTS)
    @classmethod
    def _no_extrapolation(cls, block: Law | None, info: ValidationInfo) -> Law | None:
        if isinstance(block, FittedLaw) and {"g_min", "g_max"} <= info.data.keys():
            low, high = info.data["g_min"], info.data["g_max"]
            if low < block.valid[0] or high > block.valid[1]:
                raise InputError(
                    f"the law is valid from {show(block.valid[0], 'S')} to {show(block.valid[1], 'S')}, the card's "
                    f"range is {show(low, 'S')} to {show(high, 'S')}; narrow the range, or fit the law on all of it"
                )
        return block

    def laws(self) -> Mapping[str, Any]:
        """Return the law of each effect by its name, None where the file has no block for it."""
        blocks = ((name, getattr(self, name)) for name in EFFECTS)
        return {name: None if block is None else block.law(self.g_min, self.g_max) for name, block in blocks}
