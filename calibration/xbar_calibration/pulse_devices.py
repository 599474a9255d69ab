"""What differs between devices in their pulse response: steps and bounds of each, and their spread."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import optimize

from xbar_calibration.fit import Bools, Floats, Ints, Parameter
from xbar_calibration.intervals import bootstrap
from xbar_calibration.pulse_shapes import PulseForm, train
from xbar_calibration.quantities import number

FEWEST: Final = 8
"""Devices of which a spread can be told."""
MOST: Final = 200
"""Devices that are fitted one by one."""


@dataclass(frozen=True, eq=False)
class DeviceTrains:
    """Trains of one device: polarity and values of each."""

    trains: tuple[tuple[int, Floats], ...]

    @property
    def both(self) -> bool:
        """Tell whether there are rising and falling trains."""
        return len({sign for sign, _ in self.trains}) == 2


def by_device(up: Floats, down: Floats, device_up: Ints, device_down: Ints) -> list[DeviceTrains]:
    """Return the trains of each device that has both polarities."""
    found = []
    for device in np.intersect1d(device_up, device_down)[:MOST]:
        own = [(1, up[:, k]) for k in np.flatnonzero(device_up == device)]
        own += [(-1, down[:, k]) for k in np.flatnonzero(device_down == device)]
        found.append(DeviceTrains(tuple((sign, v[np.isfinite(v)]) for sign, v in own)))
    return found


def fit_devices(
    form: PulseForm, shape: tuple[Floats, Floats], devices: list[DeviceTrains], bounds: tuple[float, float], every: int
) -> tuple[Floats, list[Floats], list[Floats]]:
    """Return (step up, step down, lower, upper bound) of each device `(devices, 4)`, residuals and fits of trains.

    Steps are those in the middle of the pooled bounds' units: a share of half the distance of a device's own bounds.

    Args:
        form: the shape that all share.
        shape: its parameters up and down; the step of each is where the fits begin.
        devices: trains.
        bounds: of all devices together, in the data's unit.
        every: pulses between two readings.

    """
    found = [_fit_one(form, shape, device, bounds, every) for device in devices]
    rows = np.array([row for row, _, _ in found]).reshape(-1, 4)
    return rows, [r for _, rest, _ in found for r in rest], [p for _, _, paths in found for p in paths]


def _fit_one(
    form: PulseForm, shape: tuple[Floats, Floats], device: DeviceTrains, bounds: tuple[float, float], every: int
) -> tuple[Floats, list[Floats], list[Floats]]:
    width = bounds[1] - bounds[0]
    values = np.concatenate([v for _, v in device.trains])
    low, high = (float(np.quantile(values, q)) for q in (0.02, 0.98))
    if not high > low:
        flat = [np.full(len(v), v.mean()) for _, v in device.trains]
        return np.array([0.0, 0.0, low, high]), [v - p for (_, v), p in zip(device.trains, flat, strict=True)], flat
    starts = [float(v[: max(2, len(v) // 20)].mean()) for _, v in device.trains]

    def paths(p: Floats) -> list[Floats]:
        ends = low + (high - low) * p[2:4]
        middle, half = ends.mean(), max((ends[1] - ends[0]) / 2, 1e-6 * width)
        made = []
        for (sign, v), start in zip(device.trains, p[4:], strict=True):
            own = shape[0].copy() if sign > 0 else shape[1].copy()
            own[0] = np.exp(p[0] if sign > 0 else p[1])
            begin = (low + (high - low) * start - middle) / half
            path = train(form, own, np.array([begin]), sign, len(v) - 1, every)[:, 0]
            made.append(np.asarray(middle + half * path))
        return made

    def residual(p: Floats) -> Floats:
        pairs = zip(device.trains, paths(p), strict=True)
        return np.concatenate([(v - path) / (high - low) for (_, v), path in pairs])

    begin = [np.log(max(shape[0][0], 1e-6)), np.log(max(shape[1][0], 1e-6)), 0.0, 1.0]
    begin += [(s - low) / (high - low) for s in starts]
    count = len(starts)
    limits = (np.r_[-16.0, -16.0, -0.6, 0.5, np.full(count, -0.5)], np.r_[0.6, 0.6, 0.5, 1.6, np.full(count, 1.5)])
    first = np.clip(begin, limits[0] + 1e-6, limits[1] - 1e-6)
    found = optimize.least_squares(residual, first, bounds=limits, max_nfev=25)
    ends = low + (high - low) * found.x[2:4]
    made = paths(found.x)
    rest = [v - path for (_, v), path in zip(device.trains, made, strict=True)]
    return np.array([np.exp(found.x[0]), np.exp(found.x[1]), ends[0], ends[1]]), rest, made


def spread_keys(rows: Floats) -> tuple[dict[str, Any], list[Parameter], tuple[float, float]]:
    """Return keys of a card, parameters with intervals, and the mean bounds from devices `(n, 4)`.

    The card's state is -1 and 1 at the mean bounds; a step is relative to half of their distance.
    """
    moving = (rows[:, 0] > 1e-6) & (rows[:, 1] > 1e-6) & (rows[:, 3] > rows[:, 2])
    good = _usual(rows, moving)
    up, down, low, high = rows[good].T
    mean_low, mean_high = float(np.median(low)), float(np.median(high))
    half = (mean_high - mean_low) / 2
    # In the card a state lies at 0 in the middle of the mean bounds; a step there goes with a device's own bound.
    middle = (mean_high + mean_low) / 2
    steps_up, steps_down = (
        up * np.maximum(high - middle, 0.05 * half) / half,
        down * np.maximum(middle - low, 0.05 * half) / half,
    )
    logs = np.log(steps_up * steps_down) / 2
    step = float(np.exp(np.median(logs)))
    tilt = np.log(steps_up / steps_down)
    ratio = float(np.exp(np.median(tilt)))
    keys: dict[str, Any] = {
        "step": number(step * max(np.sqrt(ratio), 1 / np.sqrt(ratio))),
        "up_down": number(1 - 1 / ratio if ratio >= 1 else ratio - 1),
        "step_spread": number(float(robust(logs, axis=0))),
        "lognormal": True,
        "up_down_spread": number(float(robust(tilt, axis=0)) / 2),
        "state_min_spread": number(float(low.std()) / half),
        "state_max_spread": number(float(high.std()) / half),
    }
    parameters = [
        bootstrap("step", np.exp(logs), np.median),
        bootstrap("step_spread", logs, robust),
        bootstrap("state_min_spread", low / half, np.std),
        bootstrap("state_max_spread", high / half, np.std),
        bootstrap("lower_bound", low, np.median),
        bootstrap("upper_bound", high, np.median),
    ]
    still = float(1 - moving.mean())
    if still > 0:
        keys["corrupt"] = number(still)
    return keys, parameters, (mean_low, mean_high)


def robust(values: Floats, axis: int) -> Floats:
    """Return the standard deviation along an axis from the median deviation: devices that saturate tell no step."""
    middle = np.median(values, axis=axis, keepdims=True)
    return np.asarray(1.4826 * np.median(np.abs(values - middle), axis=axis))


def _usual(rows: Floats, moving: Bools) -> Bools:
    """Return the devices whose fit is no outlier, by ten median deviations in the logarithm of the steps."""
    logs = np.log(np.maximum(rows[:, 0] * rows[:, 1], 1e-30))
    middle = np.median(logs[moving])
    reach = 10 * max(float(np.median(np.abs(logs[moving] - middle))), 1e-3)
    return np.asarray(moving & (np.abs(logs - middle) < reach))
