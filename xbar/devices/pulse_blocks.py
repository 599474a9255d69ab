"""Blocks of a card file about pulses: the pulse response in closed form or by tables, and write conditions."""

import math
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from xbar.devices.card_blocks import Device, Factor, FittedLaw, Law, Numbers, Table, check_table
from xbar.devices.pulse_law import PulseLaw
from xbar.devices.pulse_response import PulseResponse
from xbar.devices.pulse_shapes import ConstantStep, ExponentialStep, LinearStep, PowerStep, Shape
from xbar.devices.pulse_table import PulseLookup, PulseTable
from xbar.devices.write_conditions import WriteConditions
from xbar.errors import InputError
from xbar.quantity_fields import Number, Seconds, Share, Voltage


class StepBlock(Law):
    """What every pulse response in closed form has; states and steps are numbers without unit."""

    step: Annotated[Number, Field(gt=0)]
    state_min: Annotated[Number, Field(le=0)]
    state_max: Annotated[Number, Field(gt=0)]
    state_min_spread: Factor = 0.0
    state_max_spread: Factor = 0.0
    step_spread: Factor = 0.0
    lognormal: bool = False
    up_down: Annotated[Number, Field(gt=-1, lt=1)] = 0.0
    up_down_spread: Factor = 0.0
    step_noise: Factor = 0.0
    noise: Literal["multiplicative", "additive"] = "multiplicative"
    noise_floor: Factor = 0.0
    noise_slope: Factor = 0.0
    write_noise: Factor = 0.0
    corrupt: Share = 0.0
    corrupt_range: Annotated[Number, Field(gt=0)] | None = None
    one_sided: bool = False
    rest: Number = 0.0
    rest_spread: Factor = 0.0
    rest_noise: Factor = 0.0
    scale: Literal["linear", "log"] = "linear"

    def shape(self) -> Shape:
        """Return the shape of the steps."""
        return ConstantStep()

    def law(self, device: Device) -> PulseLaw:
        """Return the law for a device."""
        if self.scale == "log" and device.g_min <= 0:
            raise InputError("scale 'log' needs a g_min above 0 S")
        return PulseResponse(
            self.shape(),
            self.step,
            self.state_min,
            self.state_max,
            device.g_min,
            device.g_max,
            step_spread=self.step_spread,
            lognormal=self.lognormal,
            up_down=self.up_down,
            up_down_spread=self.up_down_spread,
            w_min_spread=self.state_min_spread,
            w_max_spread=self.state_max_spread,
            step_noise=self.step_noise,
            multiplicative=self.noise == "multiplicative",
            noise_floor=self.noise_floor,
            noise_slope=self.noise_slope,
            write_noise=self.write_noise,
            corrupt=self.corrupt,
            corrupt_range=math.inf if self.corrupt_range is None else self.corrupt_range,
            one_sided=self.one_sided,
            rest=self.rest,
            rest_spread=self.rest_spread,
            rest_noise=self.rest_noise,
            scale=self.scale,
            source=self.source,
        )


class ConstantStepBlock(StepBlock):
    """Steps of constant size."""

    kind: Literal["constant_step"]


class SoftBoundsBlock(StepBlock):
    """Steps that vanish at the bounds of each device."""

    kind: Literal["soft_bounds"]

    def shape(self) -> Shape:
        """Return the shape of the steps."""
        return LinearStep(1.0, 1.0)


class LinearStepBlock(StepBlock):
    """Steps that fall linearly with the state."""

    kind: Literal["linear_step"]
    gamma_up: Factor
    gamma_down: Factor
    gamma_up_spread: Factor = 0.0
    gamma_down_spread: Factor = 0.0
    mean_bounds: bool = False

    def shape(self) -> Shape:
        """Return the shape of the steps."""
        bounds = (self.state_min, self.state_max) if self.mean_bounds else None
        return LinearStep(self.gamma_up, self.gamma_down, self.gamma_up_spread, self.gamma_down_spread, bounds)


class ExponentialStepBlock(StepBlock):
    """Steps with an exponential of the state."""

    kind: Literal["exponential_step"]
    a: Number
    b: Number
    gamma_up: Number
    gamma_down: Number
    amplitude_up: Number
    amplitude_down: Number

    def shape(self) -> Shape:
        """Return the shape of the steps."""
        gammas = (self.gamma_up, self.gamma_down)
        return ExponentialStep(self.a, self.b, *gammas, self.amplitude_up, self.amplitude_down)


class PowerStepBlock(StepBlock):
    """Steps with a power of the distance from the bound."""

    kind: Literal["power_step"]
    gamma_up: Factor
    gamma_down: Factor
    gamma_spread: Factor = 0.0

    def shape(self) -> Shape:
        """Return the shape of the steps."""
        return PowerStep(self.gamma_up, self.gamma_down, self.gamma_spread)


class PulseTableBlock(FittedLaw, Table):
    """Mean and standard deviation of measured steps."""

    kind: Literal["table"]
    states: Numbers
    up: Numbers
    up_std: Numbers
    down: Numbers
    down_std: Numbers
    write_noise: Factor = 0.0
    step_spread: Factor = 0.0

    @model_validator(mode="after")
    def _equal_columns(self) -> "PulseTableBlock":
        columns = {"up": self.up, "up_std": self.up_std, "down": self.down, "down_std": self.down_std}
        check_table(self.states, columns)
        for name in ("up_std", "down_std"):
            if min(columns[name]) < 0:
                raise InputError(f"{name} holds {min(columns[name]):g}; standard deviations are zero or more")
        return self

    def law(self, device: Device) -> PulseLaw:
        """Return the law for a device."""
        columns = (self.states, self.up, self.up_std, self.down, self.down_std)
        states, up, up_sigma, down, down_sigma = (self.siemens(column) for column in columns)
        noise = self.siemens([self.write_noise])[0]
        return PulseTable(states, up, up_sigma, down, down_sigma, noise, self.step_spread, self.source)


class PulseLookupBlock(FittedLaw, Table):
    """Measured distributions of steps, dG(G, u)."""

    kind: Literal["lookup"]
    states: Numbers
    shares: Numbers
    up: Annotated[list[Numbers], Field(min_length=2, max_length=512)]
    down: Annotated[list[Numbers], Field(min_length=2, max_length=512)]
    step_spread: Factor = 0.0

    @model_validator(mode="after")
    def _shape(self) -> "PulseLookupBlock":
        check_table(self.states, {})
        shares = self.shares
        if shares[0] != 0 or shares[-1] != 1 or any(b <= a for a, b in pairwise(shares)):
            raise InputError("shares must ascend from 0 to 1")
        for name, rows in (("up", self.up), ("down", self.down)):
            if len(rows) != len(shares) or any(len(row) != len(self.states) for row in rows):
                raise InputError(f"{name} must have one row for each of the shares, one column for each of the states")
        return self

    def law(self, device: Device) -> PulseLaw:
        """Return the law for a device."""
        up, down = (tuple(self.siemens(row) for row in rows) for rows in (self.up, self.down))
        return PulseLookup(self.siemens(self.states), tuple(self.shares), up, down, self.step_spread, self.source)


class WriteBlock(Law):
    """Nominal pulses and limits."""

    kind: Literal["threshold"]
    set_voltage: Voltage
    reset_voltage: Voltage
    width: Annotated[Seconds, Field(gt=0)]
    voltage_max: Annotated[Voltage, Field(gt=0)]
    width_max: Annotated[Seconds, Field(gt=0)]
    set_threshold: Voltage
    reset_threshold: Voltage

    @model_validator(mode="after")
    def _signs(self) -> "WriteBlock":
        if not self.set_voltage * self.reset_voltage < 0:
            raise InputError("set_voltage and reset_voltage must have opposite signs and not be 0 V")
        for name in ("set", "reset"):
            nominal, threshold = getattr(self, f"{name}_voltage"), getattr(self, f"{name}_threshold")
            if not 0 <= threshold / nominal < 1:
                raise InputError(f"{name}_threshold must have the sign of {name}_voltage and be smaller")
            if abs(nominal) > self.voltage_max:
                raise InputError(f"{name}_voltage is beyond voltage_max")
        if self.width > self.width_max:
            raise InputError("width is longer than width_max")
        return self

    def law(self, device: Device) -> WriteConditions:
        """Return the law for a device."""
        return WriteConditions(
            self.set_voltage,
            self.reset_voltage,
            self.width,
            self.voltage_max,
            self.width_max,
            self.set_threshold,
            self.reset_threshold,
            self.source,
        )
