"""Likelihood of readings in time, compiled: of a cell with two levels, and of one whose noise has a memory.

Readings of all series stand one after the other; series k is `[starts[k], starts[k + 1])`. Times may lie unevenly.
"""

import math

import numba
import numpy as np

from xbar_calibration.fit import Floats, Ints

LOG_2PI = math.log(2 * math.pi)


@numba.njit(cache=True)
def _forward(
    amplitude: float,
    occupancy: float,
    kept: Floats,
    g: Floats,
    high: float,
    scale: float,
    after: Floats,
    predicted: Floats,
) -> float:
    """Fill the probabilities of the full state before and after each reading; return the log-likelihood."""
    low, found, p = high * (1 - amplitude), 0.0, occupancy
    for i in range(len(g)):
        if i:
            p = occupancy + (p - occupancy) * kept[i]
        predicted[i] = p
        a, b = (g[i] - high) / scale, (g[i] - low) / scale
        top = min(a * a, b * b)
        up, down = (1 - p) * math.exp(-0.5 * (a * a - top)), p * math.exp(-0.5 * (b * b - top))
        p = down / (up + down)
        after[i] = p
        found += math.log(up + down) - 0.5 * (top + LOG_2PI) - math.log(scale)
    return found


@numba.njit(cache=True)
def _backward(occupancy: float, kept: Floats, after: Floats, back: Floats) -> float:
    """Fill the probabilities of the full state given all readings; return the expected number of changes."""
    n, changes = len(after), 0.0
    back[n - 1] = after[n - 1]
    for i in range(n - 2, -1, -1):
        ahead = occupancy + (after[i] - occupancy) * kept[i + 1]
        to_full, stay_full = occupancy * (1 - kept[i + 1]), occupancy + (1 - occupancy) * kept[i + 1]
        one = back[i + 1] / max(ahead, 1e-300)
        zero = (1 - back[i + 1]) / max(1 - ahead, 1e-300)
        back[i] = after[i] * (stay_full * one + (1 - stay_full) * zero)
        changes += after[i] * (1 - stay_full) * zero + (1 - after[i]) * to_full * one
    return changes


@numba.njit(cache=True)
def two_levels(
    law: tuple[float, float, float],
    time: Floats,
    g: Floats,
    starts: Ints,
    level: Floats,
    sigma: Floats,
    sweeps: int,
    predicted: Floats,
) -> tuple[float, float, float]:
    """Return the log-likelihood of a hidden two-state Markov chain, and how many readings and moves it means.

    The forward and backward recursions of a hidden Markov model (Rabiner, Proc. IEEE 77, 257 (1989)); the states go
    over into each other as those of a two-state process do in the time between two readings.

    Args:
        law: amplitude dG / G, mean time empty, mean time full [s].
        time: `(n,)` [s].
        g: `(n,)` [S].
        starts: `(series + 1,)`.
        level: conductance of the empty state of each series [S]; improved in place.
        sigma: white noise of each series [S]; improved in place.
        sweeps: steps of expectation and maximisation that improve them.
        predicted: `(n,)` to be filled with the probability of the full state given all readings before.

    The second and third value are the expected number of readings in the full state, and of changes of state.

    """
    amplitude, empty, full = law
    rate, occupancy = 1 / empty + 1 / full, full / (empty + full)
    total = readings = moves = 0.0
    for k in range(len(starts) - 1):
        first, last = starts[k], starts[k + 1]
        n = last - first
        # Probability of the full state after each reading, and what a step of time keeps of a state.
        after, kept, back = np.empty(n), np.empty(n), np.empty(n)
        for i in range(n):
            kept[i] = 0.0 if i == 0 else math.exp(-rate * max(time[first + i] - time[first + i - 1], 0.0))
        for sweep in range(sweeps + 1):
            own = slice(first, last)
            found = _forward(amplitude, occupancy, kept, g[own], level[k], sigma[k], after, predicted[own])
            changes = _backward(occupancy, kept, after, back)
            if sweep == sweeps:
                total, moves, readings = total + found, moves + changes, readings + back.sum()
                break
            upper = lower = square = 0.0
            for i in range(n):
                upper += g[first + i] * (1 - amplitude * back[i])
                lower += 1 - back[i] + back[i] * (1 - amplitude) ** 2
            high = upper / lower
            low = high * (1 - amplitude)
            for i in range(n):
                square += (1 - back[i]) * (g[first + i] - high) ** 2 + back[i] * (g[first + i] - low) ** 2
            level[k], sigma[k] = high, math.sqrt(max(square / n, 1e-14 * high * high + 1e-40))
    return total, readings, moves


@numba.njit(cache=True)
def with_memory(share: float, tau: float, time: Floats, g: Floats, starts: Ints) -> float:
    """Return the log-likelihood of white noise and an Ornstein-Uhlenbeck process, mean and size at their best.

    Kalman's filter of one number (J. Basic Eng. 82, 35 (1960)), run for the readings and for their mean alike.

    Args:
        share: variance of the process over that of the white noise.
        tau: its time constant [s].
        time: `(n,)` [s].
        g: `(n,)` [S].
        starts: `(series + 1,)`.

    """
    total = 0.0
    for k in range(len(starts) - 1):
        first, last = starts[k], starts[k + 1]
        n = last - first
        x, unit, spread = 0.0, 0.0, share
        yy = yu = uu = logs = 0.0
        for i in range(n):
            if i:
                kept = math.exp(-max(time[first + i] - time[first + i - 1], 0.0) / tau)
                x, unit, spread = x * kept, unit * kept, share + (spread - share) * kept * kept
            size = spread + 1.0
            a, b = g[first + i] - x, 1.0 - unit
            yy, yu, uu, logs = yy + a * a / size, yu + a * b / size, uu + b * b / size, logs + math.log(size)
            gain = spread / size
            x, unit, spread = x + gain * a, unit + gain * b, spread * (1 - gain)
        square = max((yy - yu * yu / uu) / n, 1e-40)
        total -= 0.5 * (n * (LOG_2PI + math.log(square) + 1) + logs)
    return total
