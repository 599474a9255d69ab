"""Pulse tables from measured ramps: conductance after each pulse of rising and falling trains."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from xbar.devices.pulse_table import PulseTable
from xbar.errors import InputError

Floats = NDArray[np.float64]


def pulse_table(up: Floats, down: Floats, states: int = 24, window: int = 1, source: str = "") -> PulseTable:
    """Return the pulse table of measured ramps.

    Args:
        up: `(pulses, ramps)` conductance [S] after each SET pulse; NaN where a ramp is shorter.
        down: the same for RESET pulses.
        states: number of conductances of the table, evenly spread over what was measured.
        window: pulses over which each ramp is averaged first, an odd number. 1 takes steps as they are, noise included.
            More is for readings whose noise is larger than a step: the steps are those of the averages, without noise
            of their own, and the rest becomes write noise. Half a window at each end of a ramp is not used.
        source: where the ramps come from.

    A table knows the conductance alone: where steps grow with it, replayed ramps that begin apart go further apart,
    which measured ones need not. Raises `InputError` for ramps without two readings that follow each other.
    """
    if window < 1 or window % 2 == 0 or states < 2:
        raise InputError(
            f"window {window} and states {states}: an odd number of pulses and 2 states or more are needed"
        )
    ramps = [np.atleast_2d(np.asarray(r, np.float64).T).T for r in (up, down)]
    smooth = [_averaged(r, window) for r in ramps]
    if any(np.isfinite(np.diff(r, axis=0)).sum() < 2 for r in smooth):
        raise InputError("ramps hold fewer than two steps; give the conductance after each pulse, one column a ramp")
    ends = (max(np.nanmin(r) for r in smooth), min(np.nanmax(r) for r in smooth))
    if not ends[0] < ends[1]:
        raise InputError("rising and falling ramps share no conductance; give ramps of one device and one unit")
    low, high = min(np.nanmin(r) for r in smooth), max(np.nanmax(r) for r in smooth)
    at = np.linspace(low, high, states)
    (up_mean, up_sigma), (down_mean, down_sigma) = (_steps(r, at) for r in smooth)
    rest = np.concatenate([(r - s).ravel() for r, s in zip(ramps, smooth, strict=True)])
    noise = 0.0 if window == 1 else float(np.nanstd(rest))
    if window > 1:
        up_sigma, down_sigma = np.zeros(states), np.zeros(states)
    a, b, c, d, e = (tuple(map(float, column)) for column in (at, up_mean, up_sigma, down_mean, down_sigma))
    return PulseTable(a, b, c, d, e, write_noise=noise, source=source)


def _averaged(ramps: Floats, window: int) -> Floats:
    """Return running averages over `window` pulses; NaN where fewer were measured."""
    if window == 1:
        return ramps
    reach = window // 2
    averages = np.full_like(ramps, np.nan)
    if len(ramps) >= window:
        averages[reach : len(ramps) - reach] = sliding_window_view(ramps, window, axis=0).mean(axis=-1)
    return averages


def _steps(ramps: Floats, at: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of the steps around each conductance, by triangular weights."""
    start, step = ramps[:-1].ravel(), np.diff(ramps, axis=0).ravel()
    good = np.isfinite(start) & np.isfinite(step)
    start, step = start[good], step[good]
    weight = np.maximum(1 - np.abs(start[:, None] - at) / (at[1] - at[0]), 0.0)
    total = weight.sum(axis=0)
    full = total > 0
    mean = np.divide(step @ weight, total, out=np.zeros_like(at), where=full)
    square = np.divide((step**2) @ weight, total, out=np.zeros_like(at), where=full)
    # A conductance that this direction never had takes the nearest one that it had.
    known = np.flatnonzero(full)
    nearest = known[np.abs(np.arange(len(at))[:, None] - known).argmin(axis=1)]
    return mean[nearest], np.sqrt(np.maximum(square - mean**2, 0.0))[nearest]
