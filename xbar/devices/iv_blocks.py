"""Blocks of a card file about the current at any voltage: I-V laws and dynamic models."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from xbar.devices.card_blocks import (
    Device,
    ElectronVolts,
    Factor,
    FittedLaw,
    Kelvin,
    Law,
    Length,
    Numbers,
    Resistance,
)
from xbar.devices.data_driven import DataDriven
from xbar.devices.dynamics import DynamicModel
from xbar.devices.ion_drift import IonDrift
from xbar.devices.iv_law import CubicIv, IvLaw, PolynomialIv, PooleFrenkelIv, SinhIv
from xbar.devices.stanford_pku import StanfordPku
from xbar.devices.vteam import Vteam
from xbar.devices.yakopcic import Yakopcic
from xbar.errors import InputError
from xbar.quantity_fields import Current, Number, Voltage

Volts = Annotated[Voltage, Field(gt=0)]
Above = Annotated[Number, Field(gt=0)]
Two = Annotated[list[Number], Field(min_length=2, max_length=2)]
TwoCurrents = Annotated[list[Annotated[Current, Field(ge=0)]], Field(min_length=2, max_length=2)]
TwoVolts = Annotated[list[Voltage], Field(min_length=2, max_length=2)]


class SinhBlock(FittedLaw):
    """I = g v0 sinh(V / v0)."""

    kind: Literal["sinh"]
    v0: Volts

    def law(self, device: Device) -> IvLaw:
        """Return the law for a device."""
        return SinhIv(self.v0, self.source)


class CubicBlock(FittedLaw):
    """I = g V (1 + per_square_volt V^2)."""

    kind: Literal["cubic"]
    per_square_volt: Number

    def law(self, device: Device) -> IvLaw:
        """Return the law for a device."""
        return CubicIv(self.per_square_volt, self.source)


class PolynomialIvBlock(FittedLaw):
    """I = g V + n2 V^2 + n3 V^3, n2 and n3 polynomials of log10 g."""

    kind: Literal["polynomial"]
    square: Annotated[Numbers, Field(max_length=8)]
    cube: Annotated[Numbers, Field(max_length=8)]

    def law(self, device: Device) -> IvLaw:
        """Return the law for a device."""
        return PolynomialIv(tuple(self.square), tuple(self.cube), self.source)


class PooleFrenkelBlock(FittedLaw):
    """I = c V exp(b sqrt|V|)."""

    kind: Literal["poole_frenkel"]
    c1: Number
    c0: Number
    b1: Number
    b0: Number

    def law(self, device: Device) -> IvLaw:
        """Return the law for a device."""
        return PooleFrenkelIv(self.c1, self.c0, self.b1, self.b0, self.source)


class VteamBlock(Law):
    """VTEAM."""

    kind: Literal["vteam"]
    r_on: Resistance
    r_off: Resistance
    thickness: Length
    k_on: Annotated[Number, Field(lt=0)]
    k_off: Above
    alpha_on: Above
    alpha_off: Above
    v_on: Annotated[Voltage, Field(lt=0)]
    v_off: Volts

    def law(self, device: Device) -> DynamicModel:
        """Return the model."""
        resistances, speeds = (self.r_on, self.r_off), (self.k_on, self.k_off, self.alpha_on, self.alpha_off)
        return Vteam(*resistances, self.thickness, *speeds, self.v_on, self.v_off, self.source)


class IonDriftBlock(Law):
    """Linear ion drift."""

    kind: Literal["ion_drift"]
    r_on: Resistance
    r_off: Resistance
    thickness: Length
    mobility: Above
    threshold: Annotated[Voltage, Field(ge=0)]
    window: Literal["none", "joglekar", "biolek", "prodromakis"]
    p: Above = 1.0

    def law(self, device: Device) -> DynamicModel:
        """Return the model."""
        numbers = (self.r_on, self.r_off, self.thickness, self.mobility, self.threshold)
        return IonDrift(*numbers, self.window, self.p, self.source)


class StanfordBlock(Law):
    """Stanford-PKU."""

    kind: Literal["stanford_pku"]
    i0: Annotated[Current, Field(gt=0)]
    g0: Length
    v0: Volts
    velocity: Above
    activation: Annotated[ElectronVolts, Field(gt=0)]
    gamma0: Above
    beta: Factor
    a0: Length
    t_ox: Length
    field_min: Factor
    r_th: Factor
    temperature: Kelvin
    gap_min: Length
    gap_max: Length

    @model_validator(mode="after")
    def _gap(self) -> "StanfordBlock":
        if not self.gap_min < self.gap_max:
            raise InputError("gap_min must be below gap_max")
        return self

    def law(self, device: Device) -> DynamicModel:
        """Return the model."""
        return StanfordPku(
            self.i0,
            self.g0,
            self.v0,
            self.velocity,
            self.activation,
            self.gamma0,
            self.beta,
            self.a0,
            self.t_ox,
            self.field_min,
            self.r_th,
            self.temperature,
            self.gap_min,
            self.gap_max,
            self.source,
        )


class YakopcicBlock(Law):
    """Yakopcic's generalised memristor."""

    kind: Literal["yakopcic"]
    on: TwoCurrents
    b_on: Two
    off: TwoCurrents
    b_off: Two
    ap: Above
    an: Above
    vp: Volts
    vn: Volts
    xp: Annotated[Number, Field(ge=0, lt=1)]
    xn: Annotated[Number, Field(ge=0, lt=1)]
    alpha_p: Factor = 1.0
    alpha_n: Factor = 1.0

    def law(self, device: Device) -> DynamicModel:
        """Return the model."""
        on, b_on, off, b_off = ((pair[0], pair[1]) for pair in (self.on, self.b_on, self.off, self.b_off))
        motion = (self.ap, self.an, self.vp, self.vn, self.xp, self.xn, self.alpha_p, self.alpha_n)
        return Yakopcic(on, b_on, off, b_off, *motion, self.source)


class DataDrivenBlock(Law):
    """The data-driven model."""

    kind: Literal["data_driven"]
    a: Two
    t: TwoVolts
    r0: Annotated[list[Number], Field(min_length=2, max_length=2)]
    r1: Two
    scale: Volts
    slope: Above
    r_on: Resistance
    r_off: Resistance

    def law(self, device: Device) -> DynamicModel:
        """Return the model."""
        a, t, r0, r1 = ((pair[0], pair[1]) for pair in (self.a, self.t, self.r0, self.r1))
        return DataDriven(a, t, r0, r1, self.scale, self.slope, self.r_on, self.r_off, self.source)
