"""Dynamic models: a state that moves while a voltage stands across the cell, and its integration over a waveform."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from array_api_compat import device

from xbar.errors import InputError
from xbar.namespace import Array, as_float64, namespace
from xbar.units import show

STEPS_MAX: Final = 20_000
"""Steps of the integrator for one stretch of constant voltage; a few tens are usual."""

BISECTIONS: Final = 60
"""Halvings of an interval: down to the last bit of a float64."""


class DynamicModel(Protocol):
    """A cell with one state between two ends; voltages in V, currents in A, times in s."""

    @property
    def source(self) -> str:
        """Where the numbers come from."""

    @property
    def low(self) -> float:
        """Smallest state."""

    @property
    def high(self) -> float:
        """Largest state."""

    def current(self, state: Array, volts: Array) -> Array:
        """Return the currents, 0 A at 0 V and rising with the voltage."""

    def voltage(self, state: Array, amps: Array) -> Array:
        """Return the voltages at which these currents flow."""

    def rate(self, state: Array, volts: Array) -> Array:
        """Return how fast the states move [1/s], 0 at 0 V."""

    def describe(self) -> str:
        """Return the model in a few words, for logs."""


@dataclass(frozen=True, eq=False)
class Response:
    """What cells did over a waveform; the first axis counts its steps."""

    state: Array
    """State at the end of each step."""
    voltage: Array
    """Voltage across the cell at the end of each step [V]: below the source's where the compliance acts."""
    current: Array
    """Current at the end of each step [A]."""


def respond(
    model: DynamicModel,
    state: Array,
    volts: Array,
    seconds: Array,
    compliance: float | None = None,
    tolerance: float = 1e-6,
) -> Response:
    """Integrate cells over a waveform of constant voltages.

    A Rosenbrock method of second order with the step of each cell its own (the one of Matlab's ode23s, L. F. Shampine
    and M. W. Reichelt, SIAM J. Sci. Comput. 18, 1 (1997)), so that what a cell does depends on no other cell; a state
    stops at its ends.

    Args:
        model: the dynamic model.
        state: states before, of any shape.
        volts: `(steps,)` voltage of each step for all cells, or `(steps, ...)` for each its own [V].
        seconds: `(steps,)` duration of each step, 0 s or longer [s].
        compliance: largest current of the source, either sign [A]; None for no limit.
        tolerance: error of one step relative to the range of the state.

    """
    if compliance is not None and not compliance > 0:
        raise InputError(f"compliance {show(compliance, 'A')} must be above 0 A; leave it out for no limit")
    xp = namespace(state, volts, seconds)
    volts, durations = as_float64(volts), as_float64(seconds)
    if len(volts.shape) == 0 or len(durations.shape) != 1 or volts.shape[0] != durations.shape[0]:
        raise InputError(f"waveform: voltages {volts.shape} and durations {durations.shape} must have as many steps")
    if durations.shape[0] and not float(xp.min(durations)) >= 0:
        raise InputError(f"waveform: a step of {show(float(xp.min(durations)), 's')}; durations are 0 s or longer")
    x = xp.clip(as_float64(state), model.low, model.high)
    states: list[Array] = []
    across: list[Array] = []
    currents: list[Array] = []
    for k in range(durations.shape[0]):
        v = xp.broadcast_to(volts[k, ...], x.shape)
        x = _advance(model, x, v, float(durations[k]), compliance, tolerance)
        limited, amps = limit(model, x, v, compliance)
        for found, value in ((states, x), (across, limited), (currents, amps)):
            found.append(value)
    if not states:
        empty = xp.zeros((0, *x.shape), dtype=xp.float64, device=device(x))
        return Response(empty, empty, empty)
    return Response(xp.stack(states), xp.stack(across), xp.stack(currents))


def limit(model: DynamicModel, state: Array, volts: Array, compliance: float | None) -> tuple[Array, Array]:
    """Return (voltage across the cell [V], current [A]) of a source of `volts` that gives `compliance` [A] at most."""
    xp = namespace(state, volts)
    v = as_float64(volts) + 0.0
    amps = model.current(state, v)
    if compliance is None:
        return v, amps
    over = xp.abs(amps) > compliance
    capped = xp.where(v < 0, -compliance, 0.0 * amps + compliance)
    return xp.where(over, model.voltage(state, capped), v), xp.where(over, capped, amps)


def conductance(model: DynamicModel, state: Array, read_voltage: float) -> Array:
    """Return the conductances [S] of states, read at a voltage other than zero [V]."""
    xp = namespace(state)
    volts = as_float64(state) * 0.0 + read_voltage
    return model.current(xp.clip(as_float64(state), model.low, model.high), volts) / read_voltage


def state_of(model: DynamicModel, g: Array, read_voltage: float) -> Array:
    """Return the states whose conductance at `read_voltage` [V] is `g` [S]; the nearer end where there is none."""
    xp = namespace(g)
    wanted = as_float64(g)
    low, high = wanted * 0.0 + model.low, wanted * 0.0 + model.high
    rising = conductance(model, high, read_voltage) > conductance(model, low, read_voltage)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        beyond = (conductance(model, middle, read_voltage) > wanted) == rising
        low, high = xp.where(beyond, low, middle), xp.where(beyond, middle, high)
    return (low + high) / 2


def _advance(
    model: DynamicModel, x: Array, volts: Array, seconds: float, compliance: float | None, tolerance: float
) -> Array:
    """Return the states after one stretch of constant voltage."""
    xp = namespace(x, volts)
    span = model.high - model.low

    def rate(y: Array) -> Array:
        y = xp.clip(y, model.low, model.high)
        return model.rate(y, limit(model, y, volts, compliance)[0])

    left = x * 0.0 + seconds
    # A first step that moves the state by a twentieth of its range; tiny keeps the quotient finite where nothing moves.
    step = xp.minimum(left, 0.05 * span / xp.maximum(xp.abs(rate(x)), 1e-300))
    for _ in range(STEPS_MAX):
        f = rate(x)
        still = ((x >= model.high) & (f >= 0)) | ((x <= model.low) & (f <= 0)) | (f == 0)
        left = xp.where(still, 0.0, left)
        if not bool(xp.any(left > 0)):
            return x
        step = xp.minimum(step, left)
        moved, error, step = _rosenbrock(rate, x, f, step, span)
        good = (error <= tolerance * span) & (left > 0)
        x = xp.where(good, xp.clip(moved, model.low, model.high), x)
        left = xp.where(good, left - step, left)
        ratio = tolerance * span / xp.maximum(error, 1e-12 * tolerance * span)
        step = step * xp.clip(0.9 * ratio ** (1 / 3), 0.2, 5.0)
    raise InputError(
        f"{type(model).__name__}: {show(seconds, 's')} at constant voltage take more than {STEPS_MAX} steps; "
        "shorten the pulse or lower the voltage"
    )


def _rosenbrock(
    rate: Callable[[Array], Array], x: Array, f: Array, step: Array, span: float
) -> tuple[Array, Array, Array]:
    """Return (new state, error, step taken) of one step of each cell."""
    xp = namespace(x)
    d, e = 1 / (2 + math.sqrt(2)), 6 + math.sqrt(2)
    small = 1e-6 * span
    slope = (rate(x + small) - rate(x - small)) / (2 * small)
    # A growing solution must not be stepped over the pole of the implicit formula.
    step = xp.minimum(step, 0.5 / xp.maximum(d * slope, 1e-300))
    w = 1.0 - step * d * slope
    k1 = f / w
    f1 = rate(x + 0.5 * step * k1)
    k2 = (f1 - k1) / w + k1
    moved = x + step * k2
    f2 = rate(moved)
    k3 = (f2 - e * (k2 - f1) - 2.0 * (k1 - f)) / w
    return moved, xp.abs(step / 6 * (k1 - 2.0 * k2 + k3)), step
