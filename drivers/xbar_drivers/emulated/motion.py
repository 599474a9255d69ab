"""States of cells that the network holds together: integrated with one step for all, as none of them moves alone.

Where sources keep their levels, `xbar.devices.dynamics.respond` takes each cell for itself. At a limit, behind wires
and on floating lines the voltage across a cell depends on all of them.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from xbar.devices.dynamics import DynamicModel
from xbar.errors import DriverError

Floats = NDArray[np.float64]

TOLERANCE = 1e-6
"""Error of one step relative to the range of the state: that of `respond`."""

FIRST = 0.05
"""Share of the range that the first step moves the fastest cell."""

SMALL_MOVE = 5e-5
"""Share of the range by which a state may move in one step whatever the error."""

STEPS_MAX = 5000

SHORTEST = 1e-15
"""Shortest step relative to the whole time: below it the state jumps."""

# The Rosenbrock method of second order of Matlab's ode23s (see `xbar.devices.dynamics`).
D, E = 1 / (2 + math.sqrt(2)), 6 + math.sqrt(2)


def move_together(
    model: DynamicModel, state: Floats, free: NDArray[np.bool_], seconds: float, volts: Callable[[Floats], Floats]
) -> Floats:
    """Return the states after `seconds` [s].

    Args:
        model: of the cells.
        state: before, of any shape.
        free: which cells move at all.
        seconds: how long the sources stay as they are [s].
        volts: returns the voltages across the cells [V] in given states.

    Raises `DriverError` where that takes too many steps.

    """
    span, x, left = model.high - model.low, state.copy(), seconds

    def rate(y: Floats) -> Floats:
        inside = np.clip(y, model.low, model.high)
        return np.where(free, np.asarray(model.rate(inside, volts(inside))), 0.0)

    step = min(left, FIRST * span / max(float(np.abs(rate(x)).max()), 1e-300))
    for _ in range(STEPS_MAX):
        f = rate(x)
        still = ((x >= model.high) & (f >= 0)) | ((x <= model.low) & (f <= 0)) | (f == 0)
        if left <= 0 or still.all():
            return x
        moved, error, step = _step(rate, x, f, still, min(step, left), span)
        if error <= TOLERANCE * span or step <= SHORTEST * seconds:
            x, left = np.clip(moved, model.low, model.high), left - step
        ratio = TOLERANCE * span / max(error, 1e-12 * TOLERANCE * span)
        step *= min(max(0.9 * ratio ** (1 / 3), 0.2), 5.0)
    raise DriverError(f"cells under {seconds:g} s of constant sources take more than {STEPS_MAX} steps")


def _step(
    rate: Callable[[Floats], Floats], x: Floats, f: Floats, still: NDArray[np.bool_], step: float, span: float
) -> tuple[Floats, float, float]:
    """Return (states, error of the worst, step taken) of one step of all cells."""
    small = 1e-6 * span
    # All states at once: what a cell does to itself, and in a common circuit roughly what its neighbours do to it.
    slope = np.where(still, 0.0, (rate(x + small) - rate(x - small)) / (2 * small))
    # A growing solution must not be stepped over the pole of the implicit formula.
    step = min(step, 0.5 / max(float((D * slope).max()), 1e-300))
    w = 1.0 - step * D * slope
    k1 = np.where(still, 0.0, f / w)
    f1 = rate(x + 0.5 * step * k1)
    k2 = np.where(still, 0.0, (f1 - k1) / w + k1)
    moved = x + step * k2
    k3 = (rate(moved) - E * (k2 - f1) - 2.0 * (k1 - f)) / w
    error = np.abs(step / 6 * (k1 - 2.0 * k2 + k3))
    # Where a rate ends at once, states would creep up to the place. A smooth rate makes no error in so small a move.
    error = np.where(still | (np.abs(step * k2) <= SMALL_MOVE * span), 0.0, error)
    return moved, float(error.max()), step
