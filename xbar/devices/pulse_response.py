"""Pulse response by steps: how far one SET or RESET pulse moves a cell, in closed form."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from xbar.devices.pulse_law import broadcast, moved
from xbar.devices.pulse_shapes import PulsedDevices, Shape
from xbar.namespace import Array, as_float64, namespace
from xbar.units import show


@dataclass(frozen=True)
class PulseResponse:
    """Steps of a state w between bounds, as aihwkit has them, and the conductance that a state stands for.

        w += up factor(w) (1 + step_noise N)      (multiplicative noise)
        w += up (factor(w) + step_noise N)        (additive noise)
        w += up factor(w) + step_noise (up factor(w) + noise_floor + noise_slope |w|) N   (where either is given)
        clipped to the device's bounds; down alike with the other sign
        G = g_min + (g_max - g_min) u, or g_min (g_max / g_min)^u,  u = (w - w_min) / (w_max - w_min)

    Devices: up = step |gain + min(up_down, 0) + up_down_spread N|, down = step |gain + min(-up_down, 0) -
    up_down_spread N| with the same N, gain = 1 + step_spread N or exp(step_spread N); bounds w (1 + spread N), kept on
    their side of zero. A share `corrupt` of the devices is stuck at a state within `corrupt_range` of zero. RESET
    brings a one-sided device back to `rest` at once. Source: aihwkit, `rpu_pulsed_device.cpp` and the files of its
    devices.
    """

    shape: Shape
    step: float
    """Mean step at w = 0 (dw_min)."""
    w_min: float
    """Mean lower bound, zero or less; the state of g_min."""
    w_max: float
    """Mean upper bound, above zero; the state of g_max."""
    g_min: float
    """[S]."""
    g_max: float
    """[S]."""
    step_spread: float = 0.0
    """Device-to-device spread of the step, relative (dw_min_dtod)."""
    lognormal: bool = False
    """Whether that spread is lognormal."""
    up_down: float = 0.0
    """Asymmetry: above zero, RESET steps are smaller by this share of the mean step."""
    up_down_spread: float = 0.0
    w_min_spread: float = 0.0
    """Device-to-device spread of the lower bound, relative (w_min_dtod)."""
    w_max_spread: float = 0.0
    step_noise: float = 0.0
    """Cycle-to-cycle noise of a step, relative (dw_min_std)."""
    multiplicative: bool = True
    """Whether that noise vanishes with the step."""
    noise_floor: float = 0.0
    noise_slope: float = 0.0
    write_noise: float = 0.0
    """Noise of what readings see of a state after each write, in steps (write_noise_std)."""
    corrupt: float = 0.0
    """Share of devices that nothing moves, 0 to 1."""
    corrupt_range: float = math.inf
    """Largest distance of their state from zero."""
    one_sided: bool = False
    """Whether RESET goes back to `rest` at once, as the melting pulse of phase-change memory does."""
    rest: float = 0.0
    rest_spread: float = 0.0
    """Device-to-device standard deviation of `rest`."""
    rest_noise: float = 0.0
    """Cycle-to-cycle standard deviation of `rest`."""
    scale: Literal["linear", "log"] = "linear"
    """Whether G or ln G is linear in w."""
    source: str = ""

    draws: ClassVar[Literal["normals", "uniforms"]] = "normals"
    device_normals: ClassVar[int] = 7
    """Upper bound, lower bound, gain, asymmetry, shape (2), rest."""
    device_uniforms: ClassVar[int] = 2
    """Whether corrupt, and where."""

    def devices(self, normals: Array, uniforms: Array) -> PulsedDevices:
        """Return what differs between devices, from `(7, ...)` standard normals and `(2, ...)` uniform numbers."""
        xp = namespace(normals, uniforms)
        z, u = as_float64(normals), as_float64(uniforms)
        high = xp.abs(self.w_max * (1 + self.w_max_spread * z[0, ...]))
        low = -xp.abs(self.w_min * (1 + self.w_min_spread * z[1, ...]))
        low = xp.maximum(low, self._dark)
        gain = xp.exp(self.step_spread * z[2, ...]) if self.lognormal else 1 + self.step_spread * z[2, ...]
        tilt = self.up_down_spread * z[3, ...]
        up = xp.abs(gain + min(self.up_down, 0.0) + tilt) * self.step
        down = xp.abs(gain + min(-self.up_down, 0.0) - tilt) * self.step
        shape_up, shape_down = self.shape.spread(low, high, z[4:6, ...])
        corrupt = u[0, ...] < self.corrupt
        first, last = xp.maximum(low, -self.corrupt_range), xp.minimum(high, self.corrupt_range)
        stuck = first + (last - first) * u[1, ...]
        low, high = xp.where(corrupt, stuck, low), xp.where(corrupt, stuck, high)
        up, down = xp.where(corrupt, 0.0, up), xp.where(corrupt, 0.0, down)
        return PulsedDevices(up, down, low, high, shape_up, shape_down, self.rest + self.rest_spread * z[6, ...])

    def pulse(self, state: Array, devices: PulsedDevices, drive: Array, numbers: Array) -> Array:
        """Return the states after one pulse each: drive 1 SET, -1 RESET, 0 none, or stronger or weaker; normals.

        A one-sided device whose RESET is weaker than the nominal one goes that part of the way to `rest`.
        """
        xp = namespace(state, drive, numbers)
        w, z = as_float64(state), as_float64(numbers)
        strength = broadcast(drive, w)
        factor_up, factor_down = self.shape.factors(w, devices)
        own = xp.where(strength > 0, devices.up, devices.down)
        factor = xp.where(strength > 0, factor_up, factor_down)
        if self.noise_floor or self.noise_slope:
            step = own * factor
            step = step + self.step_noise * (step + self.noise_floor + self.noise_slope * xp.abs(w)) * z
        elif self.multiplicative:
            step = own * factor * (1.0 + self.step_noise * z)
        else:
            step = own * (factor + self.step_noise * z)
        if self.one_sided:
            strength = xp.maximum(strength, -1.0)
            step = xp.where(strength < 0, w - (devices.rest + self.rest_noise * z), step)
        return moved(w, step, strength, devices)

    def apparent(self, state: Array, normals: Array) -> Array:
        """Return the states that readings see until the next pulse: w + write_noise step N."""
        return as_float64(state) + self.write_noise * self.step * as_float64(normals)

    def conductance(self, state: Array) -> Array:
        """Return the conductances [S] of states; never below zero."""
        xp = namespace(state)
        u = (as_float64(state) - self.w_min) / (self.w_max - self.w_min)
        if self.scale == "log":
            return self.g_min * xp.exp(u * math.log(self.g_max / self.g_min))
        return xp.maximum(self.g_min + (self.g_max - self.g_min) * u, 0.0)

    def state(self, g: Array) -> Array:
        """Return the states of conductances [S]; above 0 S on the logarithmic scale."""
        xp = namespace(g)
        if self.scale == "log":
            u = xp.log(as_float64(g) / self.g_min) / math.log(self.g_max / self.g_min)
        else:
            u = (as_float64(g) - self.g_min) / (self.g_max - self.g_min)
        return self.w_min + (self.w_max - self.w_min) * u

    @property
    def _dark(self) -> float:
        """State of zero conductance: no lower bound lies below it."""
        if self.scale == "log":
            return -math.inf
        return self.w_min - self.g_min * (self.w_max - self.w_min) / (self.g_max - self.g_min)

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        step = self.step / (self.w_max - self.w_min)
        size = show(step * (self.g_max - self.g_min), "S") if self.scale == "linear" else f"{self.step:.3g} in ln G"
        written = f", write noise {self.write_noise:g} steps" if self.write_noise else ""
        return f"{self.shape.describe()}, mean step {size}, noise {self.step_noise:g} steps{written}"
