"""What every law of the pulse response does, and trains of pulses."""

from typing import Literal, Protocol

from xbar.devices.pulse_shapes import PulsedDevices
from xbar.errors import InputError
from xbar.namespace import Array, as_float64, namespace


class PulseLaw(Protocol):
    """How SET and RESET pulses move a cell. The state of a cell is one number, w; the law tells its conductance."""

    @property
    def source(self) -> str:
        """Where the numbers come from."""

    @property
    def draws(self) -> Literal["normals", "uniforms"]:
        """What `pulse` wants: standard normals, or uniform numbers in [0, 1)."""

    @property
    def device_normals(self) -> int:
        """Standard normals for each device that `devices` wants."""

    @property
    def device_uniforms(self) -> int:
        """Uniform numbers for each device that `devices` wants."""

    def devices(self, normals: Array, uniforms: Array) -> PulsedDevices:
        """Return what differs between devices, from `(device_normals, ...)` and `(device_uniforms, ...)` numbers."""

    def pulse(self, state: Array, devices: PulsedDevices, drive: Array, numbers: Array) -> Array:
        """Return the states after one pulse each; numbers as `draws` says.

        `drive` is the strength of each cell's pulse in nominal ones, its sign the direction: 1 SET, -1 RESET, 0 no
        pulse. A pulse of another strength (`WriteConditions.nominal_pulses`, `Endurance.step_scale`) moves the cell by
        a step, noise included, that is so much larger or smaller.
        """

    def apparent(self, state: Array, normals: Array) -> Array:
        """Return the states that readings see until the next pulse, from as many standard normals: write noise."""

    def conductance(self, state: Array) -> Array:
        """Return the conductances [S] of states; never below zero."""

    def state(self, g: Array) -> Array:
        """Return the states of conductances [S]."""

    def describe(self) -> str:
        """Return the law in a few words, for logs."""


def train(law: PulseLaw, state: Array, devices: PulsedDevices, drive: Array, numbers: Array) -> Array:
    """Return the states after a train of equal pulses, one for each entry of the first axis of `numbers`.

    Args:
        law: the pulse response.
        state: states before, of any shape.
        devices: what differs between the devices, of the same shape.
        drive: strength and direction of each cell's pulses, broadcast to the shape: 1 SET, -1 RESET, 0 none.
        numbers: `(count, ...)` normals or uniforms, as `law.draws` says.

    """
    if len(numbers.shape) != len(state.shape) + 1:
        raise InputError(
            f"random numbers of a pulse train have {len(numbers.shape)} axes; give one set for each pulse, "
            f"{len(state.shape) + 1} axes, the first of them the pulses"
        )
    for k in range(numbers.shape[0]):
        state = law.pulse(state, devices, drive, numbers[k, ...])
    return state


def broadcast(drive: Array, like: Array) -> Array:
    """Return the drive as float64 on the shape of `like`."""
    xp = namespace(drive, like)
    return xp.broadcast_to(xp.astype(drive, xp.float64), like.shape)


def moved(state: Array, step: Array, drive: Array, devices: PulsedDevices) -> Array:
    """Return states moved by `drive` steps where a pulse came, kept between the bounds of each device."""
    xp = namespace(state, step, drive)
    bounded = xp.minimum(xp.maximum(as_float64(state) + drive * step, devices.w_min), devices.w_max)
    return xp.where(drive == 0, as_float64(state), bounded)
