"""Pulse response by tables: measured steps at each conductance, as mean and spread or as whole distributions.

The state of a cell is its conductance [S].
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from xbar.devices.interpolation import constants, interpolate, place
from xbar.devices.pulse_law import broadcast, moved
from xbar.devices.pulse_shapes import PulsedDevices
from xbar.namespace import Array, as_float64, namespace
from xbar.units import show


def table_devices(normals: Array, ends: tuple[float, float], step_spread: float) -> PulsedDevices:
    """Return devices that all have the bounds `ends`, their steps scaled by exp(step_spread N)."""
    xp = namespace(normals)
    scale = xp.exp(step_spread * as_float64(normals[0, ...]))
    zero = scale * 0.0
    return PulsedDevices(scale, scale + 0.0, zero + ends[0], zero + ends[1], zero, zero + 0.0, zero + ends[0])


@dataclass(frozen=True)
class PulseTable:
    """Mean and standard deviation of the step of a SET and a RESET pulse at some conductances, linear in between."""

    states: tuple[float, ...]
    """Conductances, ascending [S]."""
    up: tuple[float, ...]
    """Mean step of SET at each [S]."""
    up_sigma: tuple[float, ...]
    """Its cycle-to-cycle standard deviation [S]."""
    down: tuple[float, ...]
    """Mean step of RESET at each, below zero where it lowers the conductance [S]."""
    down_sigma: tuple[float, ...]
    write_noise: float = 0.0
    """Standard deviation of what readings see of a state after each write [S]."""
    step_spread: float = 0.0
    """Device-to-device standard deviation of ln of the step."""
    source: str = ""

    draws: ClassVar[Literal["normals", "uniforms"]] = "normals"
    device_normals: ClassVar[int] = 1
    device_uniforms: ClassVar[int] = 0

    def devices(self, normals: Array, uniforms: Array) -> PulsedDevices:
        """Return what differs between devices, from `(1, ...)` standard normals."""
        return table_devices(normals, (self.states[0], self.states[-1]), self.step_spread)

    def pulse(self, state: Array, devices: PulsedDevices, drive: Array, numbers: Array) -> Array:
        """Return the conductances [S] after one pulse each: drive 1 SET, -1 RESET, 0 none; standard normals."""
        xp = namespace(state, drive, numbers)
        g = as_float64(state)
        strength = broadcast(drive, g)
        mean = xp.where(strength > 0, interpolate(g, self.states, self.up), -interpolate(g, self.states, self.down))
        spread = (interpolate(g, self.states, s) for s in (self.up_sigma, self.down_sigma))
        step = devices.up * (mean + xp.where(strength > 0, *spread) * as_float64(numbers))
        return moved(g, step, strength, devices)

    def apparent(self, state: Array, normals: Array) -> Array:
        """Return the conductances [S] that readings see until the next pulse; never below zero."""
        xp = namespace(state, normals)
        return xp.maximum(as_float64(state) + self.write_noise * as_float64(normals), 0.0)

    def conductance(self, state: Array) -> Array:
        """Return the state, which is the conductance [S]."""
        return as_float64(state) + 0.0

    def state(self, g: Array) -> Array:
        """Return the conductance [S], which is the state."""
        return as_float64(g) + 0.0

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        up, down = sum(self.up) / len(self.up), sum(self.down) / len(self.down)
        return f"table of {len(self.states)} states, mean steps {show(up, 'S')} and {show(down, 'S')}"


@dataclass(frozen=True)
class PulseLookup:
    """Distributions of the step at some conductances: its value at some shares of the distribution, linear in between.

    A uniform number picks the step: dG(G, u), the look-up tables of CrossSim.
    """

    states: tuple[float, ...]
    """Conductances, ascending [S]."""
    shares: tuple[float, ...]
    """Values of the cumulative distribution, ascending from 0 to 1."""
    up: tuple[tuple[float, ...], ...]
    """Step of SET [S]: one row a share, one column a state."""
    down: tuple[tuple[float, ...], ...]
    """Step of RESET [S]."""
    step_spread: float = 0.0
    """Device-to-device standard deviation of ln of the step."""
    source: str = ""

    draws: ClassVar[Literal["normals", "uniforms"]] = "uniforms"
    device_normals: ClassVar[int] = 1
    device_uniforms: ClassVar[int] = 0

    def devices(self, normals: Array, uniforms: Array) -> PulsedDevices:
        """Return what differs between devices, from `(1, ...)` standard normals."""
        return table_devices(normals, (self.states[0], self.states[-1]), self.step_spread)

    def pulse(self, state: Array, devices: PulsedDevices, drive: Array, numbers: Array) -> Array:
        """Return the conductances [S] after one pulse each: drive 1 SET, -1 RESET, 0 none; uniform numbers."""
        xp = namespace(state, drive, numbers)
        g = as_float64(state)
        strength = broadcast(drive, g)
        step = xp.where(strength > 0, self._step(g, numbers, self.up), -self._step(g, numbers, self.down))
        return moved(g, devices.up * step, strength, devices)

    def _step(self, g: Array, numbers: Array, rows: tuple[tuple[float, ...], ...]) -> Array:
        xp = namespace(g, numbers)
        column, across = place(g, self.states)
        row, along = place(numbers, self.shares)
        table = xp.reshape(constants(rows, g), (-1,))
        width = len(self.states)

        def at(i: int, j: int) -> Array:
            return xp.take(table, (row + i) * width + column + j, axis=0)

        low = at(0, 0) + across * (at(0, 1) - at(0, 0))
        high = at(1, 0) + across * (at(1, 1) - at(1, 0))
        return xp.reshape(low + along * (high - low), g.shape)

    def apparent(self, state: Array, normals: Array) -> Array:
        """Return the state: the table has all the noise."""
        return as_float64(state) + 0.0

    def conductance(self, state: Array) -> Array:
        """Return the state, which is the conductance [S]."""
        return as_float64(state) + 0.0

    def state(self, g: Array) -> Array:
        """Return the conductance [S], which is the state."""
        return as_float64(g) + 0.0

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        return f"look-up table dG(G, u), {len(self.states)} states and {len(self.shares)} shares"
