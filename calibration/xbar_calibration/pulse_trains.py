"""Trains of pulses: their ends, how much of their scatter is noise of readings, what a fit may see."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from xbar_calibration.fit import Bools, Floats
from xbar_calibration.observations import Ramps

LAW: Final = "pulse_response"
EXCHANGED: Final = "rising trains fall and falling ones rise: exchange up and down, or the signs of the pulses"
CLEAR: Final = 3.0
"""Standard errors by which the end of trains must differ from their beginning."""


@dataclass(frozen=True, eq=False)
class Trains:
    """Ramps in both directions, in the data's unit."""

    up: Floats
    down: Floats
    every: int
    low: float
    """Lower end of the data."""
    high: float
    noisy: bool
    """Whether readings scatter more than pulses do."""

    def parts(self) -> tuple[tuple[int, Floats], ...]:
        """Return (polarity, ramps) of each direction that was measured."""
        return tuple((sign, ramp) for sign, ramp in ((1, self.up), (-1, self.down)) if ramp.size)


def ends_of(ramps: Ramps) -> tuple[float, float]:
    """Return the smallest and the largest value of all trains, zeros where there is none."""
    values = np.concatenate([ramps.up.ravel(), ramps.down.ravel()])
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 0.0
    return float(values.min()), float(values.max())


def noise_share(ramps: Ramps) -> float:
    """Return the share of the variance of steps that readings make.

    Differences of neighbouring steps hold nothing of a slow law. With the variance q^2 of pulses and r^2 of readings
    theirs is 2 q^2 + 6 r^2, and two places apart they correlate by r^2.
    """
    variances, products = [np.zeros(1)], [np.zeros(1)]
    for ramp in (ramps.up, ramps.down):
        for values in ramp.T:
            change = np.diff(values[np.isfinite(values)], n=2)
            variances.append(change**2)
            products.append(change[2:] * change[:-2])
    reading = max(float(np.concatenate(products).mean()), 0.0)
    pulse = max(float(np.concatenate(variances).mean()) / 2 - 3 * reading, 0.0)
    return 2 * reading / max(pulse + 2 * reading, 1e-300)


def oriented(ramps: Ramps) -> Ramps:
    """Return ramps of which those up rise: where the voltages of a trace tell pulses apart, SET may be negative."""
    known = np.isfinite(ramps.set_voltage) and np.isfinite(ramps.reset_voltage)
    if not known or wrong_way(ramps) != EXCHANGED:
        return ramps
    devices = None if ramps.devices is None else ramps.devices[::-1]
    up, down = ramps.reset_voltage, ramps.set_voltage
    return replace(ramps, up=ramps.down, down=ramps.up, devices=devices, set_voltage=up, reset_voltage=down)


def wrong_way(ramps: Ramps) -> str:
    """Return why trains tell no steps: pulses do not move the state, or move it the other way; empty where they do.

    Compared are the means of the first and the last tenth of the trains, their error from differences of neighbours.
    """
    moved = {}
    for sign, ramp in ((1, ramps.up), (-1, ramps.down)):
        changes, squares, short = list[float](), [np.zeros(0)], 1
        for values in ramp.T:
            good = values[np.isfinite(values)]
            if len(good) >= 2:
                short = max(len(good) // 10, 1)
                changes.append(sign * float(good[-short:].mean() - good[:short].mean()))
                squares.append(np.diff(good, n=2) ** 2)
        # Differences of differences of values that scatter independently have six times their variance.
        curved = np.concatenate(squares)
        noise = float(np.sqrt(curved.mean() / 6)) if len(curved) else 0.0
        error = noise * float(np.sqrt(2 / (short * max(len(changes), 1))))
        moved[sign] = (float(np.mean(changes)), error) if changes else (0.0, 0.0)
    if all(change < -CLEAR * error for change, error in moved.values()):
        return EXCHANGED
    still = [sign for sign, (change, error) in moved.items() if change <= CLEAR * error]
    names = {1: "rising trains do not rise", -1: "falling trains do not fall"}
    said = [f"{names[s]} (by {moved[s][0]:.3g}, with an error of {moved[s][1]:.3g})" for s in still]
    return " and ".join(said) + ": pulses do not move the state beyond its noise" if said else ""


def seen_values(trains: Trains, hold_out: float, seed: int) -> dict[int, Bools]:
    """Return which values of each direction the fit may see, shaped as the ramps."""
    rng = np.random.default_rng(seed)
    found = {}
    for sign, ramp in trains.parts():
        if ramp.shape[1] >= 6:
            found[sign] = np.broadcast_to(rng.random(ramp.shape[1]) >= hold_out, ramp.shape)
        else:
            found[sign] = rng.random(ramp.shape) >= hold_out
        found[sign] = found[sign] & np.isfinite(ramp)
    return found


def neighbours(residual: dict[int, Floats]) -> float:
    """Return the correlation of neighbouring residuals, 0 to 0.95."""
    pairs = [(r[1:] * r[:-1]).ravel() for r in residual.values()]
    squares = [(r**2).ravel() for r in residual.values()]
    total = float(np.nanmean(np.concatenate(squares)))
    return float(np.clip(np.nanmean(np.concatenate(pairs)) / max(total, 1e-300), 0.0, 0.95))


def spread_of(residual: dict[int, Floats], mask: dict[int, Bools]) -> float:
    """Return the standard deviation of residuals that the fit saw, in the data's unit."""
    values = np.concatenate([r[mask[s]] for s, r in residual.items()])
    return float(np.sqrt(np.nanmean(values**2)))
