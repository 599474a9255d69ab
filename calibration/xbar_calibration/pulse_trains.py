"""Trains of pulses: their ends, how much of their scatter is noise of readings, what a fit may see."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from xbar_calibration.fit import Bools, Floats
from xbar_calibration.observations import Ramps

LAW: Final = "pulse_response"


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
