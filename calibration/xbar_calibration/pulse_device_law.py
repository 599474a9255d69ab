"""The law of a pulse response from trains of many devices: its form, and the card's keys with their intervals."""

from dataclasses import replace
from typing import Any, Final

import numpy as np

from xbar.errors import InputError
from xbar_calibration.fit import Bools, Fit, Floats, Parameter, Residuals, held_out, ranked
from xbar_calibration.intervals import maximise, proportion
from xbar_calibration.pulse_devices import HIGHEST, LOWEST, DeviceFit, DeviceModel, DeviceTrains, first_devices
from xbar_calibration.pulse_form_fit import FormFit, shape_keys
from xbar_calibration.pulse_population import (
    BETWEEN,
    NAMES,
    ROUNDS,
    Population,
    measured_of,
    noises_of,
    population_of,
    standardised,
)
from xbar_calibration.pulse_trains import LAW, Trains
from xbar_calibration.quantities import number

FEWEST_MOVING: Final = 4
STARTS: Final = (-1.5, 0.0, 1.2)
"""Logarithms of the shares of the common step at which the search for a device's own begins."""
NEAR: Final = 0.5
"""Difference of AIC for each device within which the form with fewer parameters is taken: the evidence of each is an
approximation, wrong by some tenths."""


def fit_population(
    trains: Trains,
    devices: DeviceTrains,
    forms: dict[str, FormFit],
    chosen: tuple[float, int],
    reading: float,
    fixed: bool,
) -> tuple[Fit, tuple[float, float]]:
    """Return the response of many devices, and the values in the data's unit that are the range of the card.

    Args:
        trains: all trains, for the range in which states are -1 and 1.
        devices: the trains by device, in the data's unit.
        forms: pooled fits of the forms that compete.
        chosen: share of the devices that the population is not fitted to, and the seed of that choice.
        reading: noise of the mean of the readings after a pulse, in the data's unit.
        fixed: whether the range of the card is that of the trains, where the mean bounds do not deny it.

    Raises `InputError` where too few devices move.

    """
    hold_out, seed = chosen
    low, high = trains.low, trains.high
    own = _states(devices, low, high)
    fits = {name: _best_noise(DeviceModel(name, _gammas(form)), form, own) for name, form in forms.items()}
    sizes = {name: 2 * (name in ("linear_step", "power_step")) for name in forms}
    scores = {name: 2 * sizes[name] - 2 * fit.evidence for name, fit in fits.items()}
    lowest = min(scores.values())
    near = [name for name in fits if scores[name] <= lowest + NEAR * len(own.devices)]
    best = min(near, key=lambda name: (sizes[name], scores[name]))
    fit = fits[best]
    if not fixed:
        # States are -1 and 1 at the mean bounds, and steps are told in the middle: where that is the trains must tell.
        inner = np.median(fit.theta[fit.moving()], axis=0)[2:] if fit.moving().any() else np.array([-1.0, 1.0])
        low, high = (float((low + high) / 2 + (high - low) / 2 * v) for v in inner)
        fit = _first_fit(fit.model, forms[best], _states(devices, low, high))
    fit, noises = noises_of(fit)
    moving = fit.moving()
    if moving.sum() < FEWEST_MOVING:
        raise InputError(f"{int(moving.sum())} devices move; {FEWEST_MOVING} are needed to tell their spread")
    seen = np.random.default_rng(seed).random(len(moving)) >= hold_out
    seen = seen if (seen & moving).sum() >= FEWEST_MOVING else np.ones_like(seen)
    found = population_of(fit, moving, seen)
    return _law(found, noises, forms[best], (low, high), seen, ranked(scores), reading, fixed)


def _states(devices: DeviceTrains, low: float, high: float) -> DeviceTrains:
    """Return trains in states: -1 and 1 where the data's values are `low` and `high`."""
    return replace(devices, values=(2 * devices.values - low - high) / (high - low))


def _gammas(form: FormFit) -> Floats:
    """Return what the steps fall by, up and down."""
    return np.array([1.0, 1.0] if form.form.kind == "soft_bounds" else [form.up[-1], form.down[-1]])


def _best_noise(model: DeviceModel, form: FormFit, own: DeviceTrains) -> DeviceFit:
    """Return the devices of a form, noise of steps such as vanishes with the step or such as does not."""
    both = [_first_fit(replace(model, additive=additive), form, own) for additive in (False, True)]
    return max(both, key=lambda fit: fit.evidence)


def _first_fit(model: DeviceModel, form: FormFit, own: DeviceTrains) -> DeviceFit:
    """Return the devices of a form, its noises roughly known."""
    rough = float(np.sqrt(np.nanmean(np.diff(own.values, n=2, axis=0) ** 2) / 6))
    start = first_devices(own, (float(form.up[0]), float(form.down[0])))
    quiet = replace(model, steps=0.2, readings=rough)
    # A device far from the others has peaks of its own: each takes the best that its steps lead to from below or above.
    starts = [start + np.array([lift, lift, 0.0, 0.0]) for lift in STARTS]
    tried = [DeviceFit(quiet, own, np.clip(one, LOWEST, HIGHEST)).climb(ROUNDS) for one in starts]
    likely = np.array([quiet.likelihood(own, one.theta) for one in tried]).argmax(axis=0)
    fit = DeviceFit(quiet, own, np.array([one.theta for one in tried])[likely, np.arange(len(start))]).climb(BETWEEN)
    for _ in range(2):
        fit = fit.with_noise(*_quick(fit)).climb(BETWEEN)
    return fit


def _quick(fit: DeviceFit) -> tuple[float, float]:
    """Return the noises that are likeliest for the devices as they stand."""

    def function(p: Floats) -> float:
        if p.min() < -12 or p.max() > 3:
            return -np.inf
        other = fit.with_noise(float(np.exp(p[0])), float(np.exp(p[1])))
        return float(other.model.likelihood(fit.trains, fit.theta).sum())

    begin = [float(np.log(max(v, 1e-5))) for v in (fit.model.steps, fit.model.readings)]
    peak = maximise(function, begin, [0.3, 0.3])
    return float(np.exp(peak.values[0])), float(np.exp(peak.values[1]))


def _law(
    found: Population,
    noises: tuple[Parameter, ...],
    form: FormFit,
    ends: tuple[float, float],
    seen: Bools,
    rivals: tuple[tuple[str, float], ...],
    reading: float,
    fixed: bool,
) -> tuple[Fit, tuple[float, float]]:
    """Return the law of a card, and the range that it belongs to."""
    fit, by_name = found.fit, {p.name: p for p in found.parameters}
    middle, half = (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2
    lower, upper = (
        _scaled(by_name[n], new, middle, half)
        for n, new in (("state_min", "lower_bound"), ("state_max", "upper_bound"))
    )
    same = by_name["state_min"].covers(-1.0) and by_name["state_max"].covers(1.0)
    card = ends if fixed and same else (lower.value, upper.value)
    step_noise, write = noises[0], _write_noise(noises[1], by_name["step"], reading / half)
    still = proportion("corrupt", int((~found.moving).sum()), len(found.moving))
    shown = [by_name[n] for n in NAMES if n not in ("state_min", "state_max")]
    keys: dict[str, Any] = {"state_min": -1.0, "state_max": 1.0, "lognormal": found.lognormal}
    keys |= {p.name: number(p.value) for p in shown} | shape_keys(form.form, form)
    keys |= {"step_noise": number(step_noise.value), "write_noise": number(write.value)}
    keys |= {"noise": "additive"} if fit.model.additive else {}
    keys |= {"corrupt": number(still.value)} if still.value > 0 else {}
    z, fitted = np.full_like(fit.trains.values, np.nan), np.full_like(fit.trains.values, np.nan)
    fit.model.filter(fit.trains, fit.theta, z, fitted)
    place = np.broadcast_to(np.arange(len(z), dtype=np.float64)[:, None], z.shape)
    names = ("pulse response, each device by itself", "reading in the train", "value after the pulse")
    measured, law_says = (middle + half * part.ravel() for part in (fit.trains.values, fitted))
    residuals = Residuals(*names, place.ravel(), measured, law_says, z.ravel())
    unseen = found.moving & ~seen
    other = standardised(found.values, measured_of(fit, unseen), found.lognormal) if unseen.any() else None
    notes = [f"{len(found.moving)} devices one by one, {int(found.moving.sum())} of them move"]
    if fixed and not same:
        notes.append("the mean bounds are not the range of the targets: the range of the card is that of the bounds")
    if not np.isfinite(reading):
        notes.append("noise of reading was not measured apart: write_noise holds it")
    law = Fit(
        LAW,
        fit.model.kind,
        (*shown, lower, upper, step_noise, write, still),
        keys,
        int(np.isfinite(z).sum()),
        rivals,
        None if other is None else held_out(other[0].ravel()),
        residuals,
        notes=tuple(notes),
        model=fit,
    )
    return law, card


def _scaled(p: Parameter, name: str, middle: float, half: float) -> Parameter:
    value, low, high = (middle + half * v for v in (p.value, p.low, p.high))
    return Parameter(name, value, low, high, "S")


def _write_noise(total: Parameter, step: Parameter, reading: float) -> Parameter:
    """Return the noise of writing in steps: that of a value after a pulse without that of its reading."""
    own = [float(np.sqrt(max(v**2 - np.nan_to_num(reading) ** 2, 0.0))) for v in (total.value, total.low, total.high)]
    value = own[0] / step.value
    share = (step.high - step.low) / (2 * step.value)
    low = np.hypot(own[0] - own[1], own[0] * share) / step.value
    high = np.hypot(own[2] - own[0], own[0] * share) / step.value
    return Parameter("write_noise", value, max(value - float(low), 0.0), value + float(high))
