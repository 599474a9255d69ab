"""Trains of pulses with noise of steps and of readings: a Kalman filter along each, compiled."""

import math

import numba
import numpy as np

from xbar_calibration.fit import Floats, Ints

CONSTANT, LINEAR, POWER = 0, 1, 2
"""Shapes of the steps."""
ROOT: float = math.sqrt(2.0)
DENSITY: float = 1 / math.sqrt(2 * math.pi)
MOST_STEPS = 12
"""Steps between two readings that are followed one by one."""


@numba.njit(cache=True)
def _step(shape: int, gamma: float, size: float, w: float, low: float, high: float, sign: int) -> tuple[float, float]:
    """Return the mean step at w, zero or more, and its derivative by w."""
    if shape == LINEAR:
        bound = high if sign > 0 else low
        return max(size * (1 - gamma * w / bound), 0.0), -size * gamma / bound
    if shape == POWER:
        wide = max(high - low, 1e-9)
        room = (high - w) / wide if sign > 0 else (w - low) / wide
        room = min(max(room, 1e-9), 1.0)
        return size * room**gamma, -sign * size * gamma * room ** (gamma - 1) / wide
    return size, 0.0


@numba.njit(cache=True)
def _censored(m: float, p: float, bound: float, sign: int) -> tuple[float, float]:
    """Return mean and variance of a normal number that cannot pass a bound: min(X, bound), or max for sign -1."""
    s = math.sqrt(p)
    a = sign * (bound - m) / s
    if a > 6:
        return m, p
    if a < -6:
        return bound, 1e-12
    below = 0.5 * (1 + math.erf(a / ROOT))
    density = DENSITY * math.exp(-0.5 * a * a)
    # In units of s, seen from m, in the direction of the bound.
    mean = a * (1 - below) - density
    square = below - a * density + a * a * (1 - below)
    return m + sign * s * mean, max(p * (square - mean * mean), 1e-12)


@numba.njit(cache=True)
def filtered(
    shape: int,
    gammas: Floats,
    devices: Floats,
    noise: Floats,
    values: Floats,
    trains: Ints,
    every: int,
    z: Floats,
    fitted: Floats,
) -> Floats:
    """Return the log-likelihood of each device `(n,)`; fill standardised innovations and predictions of readings.

    Args:
        shape: of the steps.
        gammas: of the shape, up and down.
        devices: step up, step down at w = 0, lower bound, upper bound `(n, 4)`.
        noise: of steps, of readings, and 1 where that of steps is additive.
        values: states as read `(points, trains)`; a train begins at its first reading.
        trains: readings, polarity and device of each train `(trains, 3)`.
        every: pulses between two readings; of many, a few together are one step of as many times the size.
        z: `(points, trains)`.
        fitted: `(points, trains)`.

    """
    found = np.zeros(len(devices))
    parts = min(every, MOST_STEPS)
    share = every / parts
    r = noise[1] ** 2 + 1e-10
    for k in range(values.shape[1]):
        length, sign, own = trains[k]
        up, down, low, high = devices[own]
        size, gamma = (up, gammas[0]) if sign > 0 else (down, gammas[1])
        bound = high if sign > 0 else low
        # Where a step and its noise vanish at the bound, nothing carries a state across it.
        hard = noise[2] > 0 or shape == CONSTANT or (shape == LINEAR and gamma < 1)
        m, p = min(max(values[0, k], low), high), r
        for i in range(1, length):
            for _ in range(parts):
                step, slope = _step(shape, gamma, size, m, low, high, sign)
                loud = size if noise[2] > 0 else step
                change = 1 + sign * slope * share
                p = change * change * p + (noise[0] * loud) ** 2 * share + 1e-12
                m += sign * step * share
                if hard:
                    m, p = _censored(m, p, bound, sign)
                elif sign * (m - bound) > 0:
                    m = bound
            total = p + r
            rest = values[i, k] - m
            z[i, k] = rest / math.sqrt(total)
            fitted[i, k] = m
            found[own] -= 0.5 * (math.log(total) + rest * rest / total)
            m += p / total * rest
            p *= r / total
    return found
