"""Shapes of the pulse response: how large a step is, relative to the device's own step, at a state w.

The forms are those of aihwkit (`simulator/configs/devices.py` and `rpu_*_device.cpp`), which names their sources.
"""

from dataclasses import dataclass
from typing import Protocol

from xbar.namespace import Array, as_float64, namespace


@dataclass(frozen=True, eq=False)
class PulsedDevices:
    """What differs between devices, one value a cell each, drawn once."""

    up: Array
    """Step of a SET pulse at w = 0, zero or more; zero for a device that nothing moves."""
    down: Array
    """Step of a RESET pulse at w = 0, zero or more."""
    w_min: Array
    """Lower bound of the state."""
    w_max: Array
    """Upper bound of the state."""
    shape_up: Array
    """What the shape makes of its own spread, for SET; empty meaning for shapes without."""
    shape_down: Array
    """The same for RESET."""
    rest: Array
    """State after a RESET of a one-sided device."""


class Shape(Protocol):
    """A pulse response without noise."""

    def spread(self, w_min: Array, w_max: Array, normals: Array) -> tuple[Array, Array]:
        """Return `shape_up`, `shape_down` of devices with these bounds from two standard normals each (2, ...)."""

    def factors(self, w: Array, devices: PulsedDevices) -> tuple[Array, Array]:
        """Return the steps up and down at states w, relative to `devices.up` and `devices.down`."""

    def describe(self) -> str:
        """Return the shape in a few words, for logs."""


@dataclass(frozen=True)
class ConstantStep:
    """Every step alike, up to the bounds."""

    def spread(self, w_min: Array, w_max: Array, normals: Array) -> tuple[Array, Array]:
        """Return nothing that matters: the shape has no spread."""
        return as_float64(w_min) * 0.0, as_float64(w_max) * 0.0

    def factors(self, w: Array, devices: PulsedDevices) -> tuple[Array, Array]:
        """Return ones."""
        one = as_float64(w) * 0.0 + 1.0
        return one, one + 0.0

    def describe(self) -> str:
        """Return the shape in a few words, for logs."""
        return "constant steps"


@dataclass(frozen=True)
class LinearStep:
    """Steps that fall linearly with the state: up 1 - gamma_up w / b_max, down 1 - gamma_down w / b_min.

    b is the device's own bound, or the mean one of all devices. gamma = 1 with the own bounds is soft bounds: the step
    vanishes at the bound. gamma of a device is |gamma + spread N|.
    """

    gamma_up: float
    gamma_down: float
    gamma_up_spread: float = 0.0
    gamma_down_spread: float = 0.0
    mean_bounds: tuple[float, float] | None = None
    """Lower and upper bound to divide by, instead of each device's own."""

    def spread(self, w_min: Array, w_max: Array, normals: Array) -> tuple[Array, Array]:
        """Return gamma / b of each device for SET and RESET; zero for a bound on the wrong side of zero."""
        xp = namespace(w_min, w_max, normals)
        low, high = as_float64(w_min), as_float64(w_max)
        if self.mean_bounds is not None:
            low, high = low * 0.0 + self.mean_bounds[0], high * 0.0 + self.mean_bounds[1]
        up = xp.abs(self.gamma_up + self.gamma_up_spread * as_float64(normals[0, ...]))
        down = xp.abs(self.gamma_down + self.gamma_down_spread * as_float64(normals[1, ...]))
        # A bound at zero would divide by zero; the other branch is only computed, never used.
        return (
            xp.where(high > 0, up / xp.where(high > 0, high, 1.0), 0.0),
            xp.where(low < 0, down / xp.where(low < 0, low, -1.0), 0.0),
        )

    def factors(self, w: Array, devices: PulsedDevices) -> tuple[Array, Array]:
        """Return 1 - w gamma / b, up and down."""
        w = as_float64(w)
        return 1.0 - w * devices.shape_up, 1.0 - w * devices.shape_down

    def describe(self) -> str:
        """Return the shape in a few words, for logs."""
        if self.mean_bounds is None and self.gamma_up == self.gamma_down == 1:
            return "soft bounds"
        return f"linear steps, gamma {self.gamma_up:g} up and {self.gamma_down:g} down"


@dataclass(frozen=True)
class ExponentialStep:
    """Steps max(1 - A exp(+- gamma z), 0) with z = 2 a w / (b_max - b_min) + b; + for SET, - for RESET."""

    a: float
    b: float
    gamma_up: float
    gamma_down: float
    amplitude_up: float
    """A for SET."""
    amplitude_down: float
    """A for RESET."""

    def spread(self, w_min: Array, w_max: Array, normals: Array) -> tuple[Array, Array]:
        """Return nothing that matters: the shape has no spread."""
        return as_float64(w_min) * 0.0, as_float64(w_max) * 0.0

    def factors(self, w: Array, devices: PulsedDevices) -> tuple[Array, Array]:
        """Return the steps up and down at states w, relative to those of each device; zero where bounds coincide."""
        xp = namespace(w, devices.w_min)
        width = devices.w_max - devices.w_min
        apart = width > 0
        z = 2.0 * as_float64(w) / xp.where(apart, width, 1.0) * self.a + self.b
        up = xp.maximum(1.0 - self.amplitude_up * xp.exp(self.gamma_up * z), 0.0)
        down = xp.maximum(1.0 - self.amplitude_down * xp.exp(-self.gamma_down * z), 0.0)
        return xp.where(apart, up, 0.0), xp.where(apart, down, 0.0)

    def describe(self) -> str:
        """Return the shape in a few words, for logs."""
        return f"exponential steps, gamma {self.gamma_up:g} up and {self.gamma_down:g} down"


@dataclass(frozen=True)
class PowerStep:
    """Steps omega^gamma up and (1 - omega)^gamma down, omega = (b_max - w) / (b_max - b_min).

    gamma of a device is gamma (1 + spread N), the same N for both directions, and never negative.
    """

    gamma_up: float
    gamma_down: float
    gamma_spread: float = 0.0

    def spread(self, w_min: Array, w_max: Array, normals: Array) -> tuple[Array, Array]:
        """Return gamma of each device for SET and RESET."""
        xp = namespace(w_min, w_max, normals)
        factor = xp.abs(1.0 + self.gamma_spread * as_float64(normals[0, ...]))
        return self.gamma_up * factor, self.gamma_down * factor

    def factors(self, w: Array, devices: PulsedDevices) -> tuple[Array, Array]:
        """Return the steps up and down at states w, relative to those of each device; zero where bounds coincide."""
        xp = namespace(w, devices.w_min)
        width = devices.w_max - devices.w_min
        apart = width > 0
        omega = xp.clip((devices.w_max - as_float64(w)) / xp.where(apart, width, 1.0), 0.0, 1.0)
        up, down = omega**devices.shape_up, (1.0 - omega) ** devices.shape_down
        return xp.where(apart, up, 0.0), xp.where(apart, down, 0.0)

    def describe(self) -> str:
        """Return the shape in a few words, for logs."""
        return f"power steps, gamma {self.gamma_up:g} up and {self.gamma_down:g} down"
