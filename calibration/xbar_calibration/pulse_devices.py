"""What differs between devices in their pulse response: steps and bounds of each, by the likelihood of their trains.

Each train is filtered (Kalman, Trans. ASME J. Basic Eng. 82, 35 (1960), extended to steps that depend on the state, the
bounds by the moments of censored normal numbers). A device has four numbers of its own, found by Newton's method; noise
of steps and of readings is common, by the likelihood from which those are integrated out (Laplace's method).
"""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from xbar_calibration.fit import Bools, Floats, Ints
from xbar_calibration.pulse_filter_kernel import CONSTANT, LINEAR, POWER, filtered

FEWEST: Final = 8
"""Devices of which a spread can be told."""
MOST: Final = 200
"""Devices that are fitted one by one."""
SHAPES: Final = {"constant_step": CONSTANT, "soft_bounds": LINEAR, "linear_step": LINEAR, "power_step": POWER}
LOWEST: Final = np.array([-9.0, -9.0, -4.0, 0.02])
HIGHEST: Final = np.array([1.1, 1.1, -0.02, 4.0])
"""Limits of a device: logarithms of its steps, bounds; in states."""
LOOSE: Final = np.array([1.5, 1.5, 2.0, 2.0])
"""Standard deviation of the weak prior that keeps what a device does not tell near the middle."""
DIFFERENCE: Final = 2e-3
"""Step of the differences that stand for derivatives."""
SETTLED: Final = 0.02
"""Log-likelihood that no device gains any more where Newton's method has come to its end."""
ENOUGH: Final = 0.5
"""Share of the devices that a full step of Newton's method improves, above which no shorter one is tried."""
MOVES: Final = 12.0
"""Log-likelihood above that of a constant value by which a device counts as moving."""


@dataclass(frozen=True, eq=False)
class DeviceTrains:
    """Trains of devices that have both polarities, states from -1 to 1 over the range."""

    values: Floats
    """`(points, trains)`, NaN beyond a train's end."""
    lengths: Ints
    signs: Ints
    owners: Ints
    """Device of each train, from 0."""
    devices: Ints
    """Which cell each device is `(n,)`."""
    every: int

    def of(self, mask: Bools) -> "DeviceTrains":
        """Return the trains of some devices `(n,)`."""
        keep = mask[self.owners]
        number = np.cumsum(mask) - 1
        parts = (self.values[:, keep], self.lengths[keep], self.signs[keep], number[self.owners[keep]])
        return DeviceTrains(*parts, self.devices[mask], self.every)


def by_device(up: Floats, down: Floats, device_up: Ints, device_down: Ints, every: int) -> DeviceTrains | None:
    """Return the trains of the devices that have both polarities, None where these are too few."""
    both = np.intersect1d(device_up, device_down)[:MOST]
    if len(both) < FEWEST:
        return None
    points = max(len(up), len(down))
    columns, signs, owners = list[Floats](), list[int](), list[int]()
    for ramp, own, sign in ((up, device_up, 1), (down, device_down, -1)):
        for k in np.flatnonzero(np.isin(own, both)):
            column = np.full(points, np.nan)
            good = ramp[np.isfinite(ramp[:, k]), k]
            column[: len(good)] = good
            columns.append(column)
            signs.append(sign)
            owners.append(int(np.searchsorted(both, own[k])))
    values = np.column_stack(columns)
    lengths = np.isfinite(values).sum(axis=0).astype(np.int64)
    return DeviceTrains(values, lengths, np.array(signs), np.array(owners), both.astype(np.int64), every)


@dataclass(frozen=True, eq=False)
class DeviceModel:
    """A shape of steps, and the noises that all devices share."""

    kind: str
    gammas: Floats
    """Of the shape, up and down."""
    steps: float = 0.2
    """Noise of a step, relative."""
    readings: float = 0.05
    """Noise of a reading, in states."""
    additive: bool = False
    """Whether noise of a step does not vanish with it."""

    def likelihood(self, trains: DeviceTrains, theta: Floats) -> Floats:
        """Return the log-likelihood of each device `(n,)`; `theta` are ln steps and bounds `(n, 4)`."""
        z = np.empty_like(trains.values)
        return self.filter(trains, theta, z, z)

    def filter(self, trains: DeviceTrains, theta: Floats, z: Floats, fitted: Floats) -> Floats:
        """Return the log-likelihood of each device; fill what `filtered` does."""
        devices = np.column_stack([np.exp(theta[:, :2]), theta[:, 2:]])
        noise = np.array([self.steps, self.readings, float(self.additive)])
        which = np.column_stack([trains.lengths, trains.signs, trains.owners])
        law = (SHAPES[self.kind], self.gammas, devices, noise)
        found: Floats = filtered(*law, trains.values, which, trains.every, z, fitted)
        return found


@dataclass(eq=False)
class DeviceFit:
    """The devices of a model: where their likelihood is largest, and its curvature there."""

    model: DeviceModel
    trains: DeviceTrains
    theta: Floats
    """ln of the steps, bounds `(n, 4)`."""
    hessian: Floats = field(default_factory=lambda: np.zeros(0))
    """Of minus the log-likelihood with the weak prior `(n, 4, 4)`."""
    value: Floats = field(default_factory=lambda: np.zeros(0))
    """Log-likelihood with the prior `(n,)`."""

    @property
    def prior(self) -> Floats:
        """Get the middle of the weak prior `(4,)`."""
        middle: Floats = np.median(self.theta, axis=0)
        return middle

    def climb(self, rounds: int) -> "DeviceFit":
        """Move every device towards its largest likelihood by steps of Newton's method; return the fit itself."""
        middle = self.prior
        for _ in range(rounds):
            value, slope, hessian = self._derivatives(middle)
            values, vectors = np.linalg.eigh(hessian)
            size = np.maximum(np.abs(values), 1e-2)
            step = np.einsum("nij,nj->ni", vectors / size[:, None, :], np.einsum("nji,nj->ni", vectors, slope))
            step = np.clip(step, -0.7, 0.7)
            best, best_value = self.theta, value
            for share in (1.0, 0.5, 0.2, 0.05):
                tried = np.clip(self.theta + share * step, LOWEST, HIGHEST)
                found = self._value(tried, middle)
                better = found > best_value
                best = np.where(better[:, None], tried, best)
                best_value = np.where(better, found, best_value)
                if (best_value >= value).all() and better.mean() > ENOUGH:
                    break
            moved = float(np.max(best_value - value, initial=0.0))
            self.theta = best
            if moved < SETTLED:
                break
        self.value, _, self.hessian = self._derivatives(middle)
        return self

    def _value(self, theta: Floats, middle: Floats) -> Floats:
        prior: Floats = 0.5 * (((theta - middle) / LOOSE) ** 2).sum(axis=1)
        return self.model.likelihood(self.trains, theta) - prior

    def _derivatives(self, middle: Floats) -> tuple[Floats, Floats, Floats]:
        n, h = len(self.theta), DIFFERENCE
        value = self._value(self.theta, middle)
        sides = np.empty((2, 4, n))
        for k in range(4):
            for side, sign in enumerate((1, -1)):
                shifted = self.theta.copy()
                shifted[:, k] += sign * h
                sides[side, k] = self._value(shifted, middle)
        slope = (sides[0] - sides[1]).T / (2 * h)
        hessian = np.empty((n, 4, 4))
        for i in range(4):
            hessian[:, i, i] = -(sides[0, i] - 2 * value + sides[1, i]) / h**2
            for j in range(i):
                shifted = self.theta.copy()
                shifted[:, i] += h
                shifted[:, j] += h
                both = self._value(shifted, middle)
                hessian[:, i, j] = hessian[:, j, i] = -(both - sides[0, i] - sides[0, j] + value) / h**2
        return value, slope, hessian

    @property
    def evidence(self) -> float:
        """Get the log-likelihood of all devices, their own numbers integrated out by Laplace's method."""
        values = np.maximum(np.linalg.eigvalsh(self.hessian), 1e-2)
        return float(self.value.sum() - 0.5 * np.log(values).sum())

    @property
    def covariance(self) -> Floats:
        """Get the covariance of the measuring errors of each device `(n, 4, 4)`, without the prior."""
        own = self.hessian - np.diag(1 / LOOSE**2)
        values, vectors = np.linalg.eigh(own)
        return np.asarray(np.einsum("nij,nj,nkj->nik", vectors, 1 / np.maximum(values, 1e-3), vectors))

    def moving(self) -> Bools:
        """Return which devices the pulses move: their trains are likelier than a constant value with noise."""
        trains, count = self.trains, len(self.theta)
        still = np.empty(count)
        for k in range(count):
            own = trains.values[:, trains.owners == k]
            rest = own[1:][np.isfinite(own[1:])]
            r = self.model.readings**2 + 1e-10
            still[k] = -0.5 * (len(rest) * np.log(r) + ((rest - np.nanmean(own)) ** 2).sum() / r)
        return np.asarray(self.model.likelihood(trains, self.theta) - still > MOVES)

    def with_noise(self, steps: float, readings: float) -> "DeviceFit":
        """Return the fit with other noises, the devices where they were."""
        return DeviceFit(replace(self.model, steps=steps, readings=readings), self.trains, self.theta)


def first_devices(trains: DeviceTrains, steps: tuple[float, float]) -> Floats:
    """Return ln steps and bounds `(n, 4)` to begin with: steps of all together, bounds where the trains end."""
    count = len(trains.devices)
    theta = np.empty((count, 4))
    theta[:, 0], theta[:, 1] = np.log(max(steps[0], 1e-4)), np.log(max(steps[1], 1e-4))
    for k in range(count):
        own = trains.values[:, trains.owners == k]
        theta[k, 2:] = np.nanquantile(own, (0.03, 0.97))
    return np.clip(theta, LOWEST, HIGHEST)
