"""Blocks of a card file: what all of them share, as pydantic models.

Every quantity is text with its unit ("25 uS"); a share is a number from 0 to 1 or a percentage ("0.1 %"). Long tables
name their unit once. The reference page `docs/reference/cards.md` describes each key.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from xbar.devices.drift import LogFit, PiecewiseFit
from xbar.devices.validity import Validity
from xbar.errors import InputError

# Quantities that only cards have are made as those of all files are.
from xbar.quantity_fields import Conductance, Number, Seconds, Voltage, quantity
from xbar.units import scale

Text = Annotated[str, Field(min_length=1, max_length=4000, strict=True, pattern=r"\S")]
Kelvin = Annotated[float, BeforeValidator(quantity("K", "300 K")), Field(gt=0)]
ElectronVolts = Annotated[float, BeforeValidator(quantity("eV", "0.2 eV"))]
Resistance = Annotated[float, BeforeValidator(quantity("ohm", "10 kohm")), Field(gt=0)]
Length = Annotated[float, BeforeValidator(quantity("m", "3 nm")), Field(gt=0)]
Factor = Annotated[Number, Field(ge=0)]
"""A number of zero or more."""
Numbers = Annotated[list[Number], Field(min_length=1, max_length=512)]
"""A row of a table, or the coefficients of a polynomial."""


@dataclass(frozen=True)
class Device:
    """What laws need to know of their card."""

    g_min: float
    """[S]."""
    g_max: float
    """[S]."""
    read_voltage: float
    """[V]."""


class Block(BaseModel):
    """A table of the file: no key but those named, nothing changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Law(Block):
    """What every law says of itself."""

    source: Text
    """Paper, manual or measurement behind the numbers."""
    valid_time: Annotated[list[Seconds], Field(min_length=2, max_length=2)] | None = None
    """Times since programming for which the law was measured."""
    valid_temperature: Annotated[list[Kelvin], Field(min_length=2, max_length=2)] | None = None
    valid_voltage: Annotated[list[Voltage], Field(min_length=2, max_length=2)] | None = None

    @field_validator("valid_time", "valid_temperature", "valid_voltage")
    @classmethod
    def _rising(cls, valid: list[float] | None) -> list[float] | None:
        if valid is not None and not valid[0] < valid[1]:
            raise InputError("write the smaller value first")
        return valid

    def validity(self) -> Validity:
        """Return the ranges of the law."""
        return Validity(None, _pair(self.valid_time), _pair(self.valid_temperature), _pair(self.valid_voltage))


class FittedLaw(Law):
    """A law that was fitted on a range of conductances; it is refused for a card that leaves it."""

    valid: Annotated[list[Conductance], Field(min_length=2, max_length=2)]

    @field_validator("valid")
    @classmethod
    def _ascending(cls, valid: list[float]) -> list[float]:
        if not 0 <= valid[0] < valid[1]:
            raise InputError("write the smaller conductance first, both of zero or more")
        return valid

    def validity(self) -> Validity:
        """Return the ranges of the law."""
        rest = super().validity()
        return Validity(_pair(self.valid), rest.time, rest.temperature, rest.voltage)


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


class PiecewiseFitBlock(LogFitBlock):
    """The same below a limit in x, a polynomial of x from there on."""

    below: Annotated[Number, Field(gt=0, le=1)]
    polynomial: Annotated[Numbers, Field(max_length=16)]

    def piecewise(self) -> PiecewiseFit:
        """Return the fit in two pieces."""
        return PiecewiseFit(self.below, self.fit(), tuple(self.polynomial))


class Table(Block):
    """A table that names its unit once."""

    unit: Annotated[str, Field(strict=True, max_length=10)]

    @field_validator("unit")
    @classmethod
    def _known(cls, unit: str) -> str:
        scale(unit, "S")
        return unit

    def siemens(self, values: list[float]) -> tuple[float, ...]:
        """Return numbers of the table in S."""
        factor = scale(self.unit, "S")
        return tuple(value * factor for value in values)


def check_table(states: list[float], columns: dict[str, list[float]]) -> None:
    """Raise `InputError` where states do not ascend from zero or more, or a column has another length."""
    if len(states) < 2 or states[0] < 0 or any(b <= a for a, b in pairwise(states)):
        raise InputError("states must be two or more, of zero or more, and ascend")
    for name, column in columns.items():
        if len(column) != len(states):
            raise InputError(f"{name} has {len(column)} numbers, states has {len(states)}; give one for each state")


def _pair(valid: list[float] | None) -> tuple[float, float] | None:
    return None if valid is None else (valid[0], valid[1])


Interpolation = Literal["log", "linear"]
