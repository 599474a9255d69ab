"""Closed forms of the pulse response, fitted to trains."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import optimize, stats

from xbar_calibration.fit import (
    LEVEL,
    Bools,
    Fit,
    Floats,
    Parameter,
    Residuals,
    held_out,
    ranked,
)
from xbar_calibration.pulse_shapes import PulseForm, train
from xbar_calibration.pulse_trains import LAW, Trains, neighbours, spread_of
from xbar_calibration.quantities import number

FREE_STARTS: Final = 8
"""Trains whose first state is fitted; of more, each begins at its first reading."""


@dataclass(frozen=True, eq=False)
class FormFit:
    """A closed form with its best parameters."""

    form: PulseForm
    up: Floats
    down: Floats
    low: float
    high: float
    errors: Floats
    """Standard errors of up, down, and of the bounds where they were fitted."""
    residual: dict[int, Floats]
    fitted: dict[int, Floats]
    sigma: float
    variance: float
    """Of the residuals, in widths of the data."""
    independent: float
    """Residuals that count, by the correlation of neighbours."""
    size: int
    """Parameters."""
    determined: bool
    """Whether the data tell all parameters of the shape."""


def fit_form(form: PulseForm, trains: Trains, mask: dict[int, Bools], fixed: bool) -> FormFit:
    """Return the best parameters of a form for the values in `mask`; `fixed` holds the bounds at the trains' ends."""
    size = len(form.names)
    width = trains.high - trains.low
    rise = float(np.nanmean(np.diff(trains.up, axis=0)) / trains.every / width * 2)
    fall = float(-np.nanmean(np.diff(trains.down, axis=0)) / trains.every / width * 2)
    first = [max(abs(rise), 1e-6), *form.start, max(abs(fall), 1e-6), *form.start]
    low, high = [1e-9, *form.low] * 2, [1.9, *form.high] * 2
    free = not fixed
    if free:
        # The bounds in the data's range: 0 and 1 are its ends. Where they only cut trains off they lie near these.
        far = (2.0, 0.5) if form.free_bounds else (0.1, 0.2)
        first, low, high = [*first, -0.02, 1.02], [*low, -far[0], 1 - far[1]], [*high, far[1], 1 + far[0]]
    own_starts = trains.noisy and sum(ramp.shape[1] for _, ramp in trains.parts()) <= FREE_STARTS
    if own_starts:
        starts = [
            float(np.nanmean(ramp[: max(3, len(ramp) // 50), k]) - trains.low) / width
            for _, ramp in trains.parts()
            for k in range(ramp.shape[1])
        ]
        first, low, high = [*first, *starts], [*low, *([-2.0] * len(starts))], [*high, *([3.0] * len(starts))]

    def unpack(p: Floats) -> tuple[Floats, Floats, float, float, Floats]:
        ends = p[2 * size : 2 * size + 2] if free else np.array([0.0, 1.0])
        begin = p[2 * size + 2 * free :]
        return p[:size], p[size : 2 * size], trains.low + width * ends[0], trains.low + width * ends[1], begin

    def predict(p: Floats) -> dict[int, Floats]:
        up, down, a, b, begin = unpack(p)
        return _predict(form, trains, (up, down), (a, b), trains.low + width * begin if own_starts else None)

    def cost(p: Floats) -> Floats:
        found = predict(p)
        return np.concatenate(
            [((ramp - found[s]) / width)[mask[s] & np.isfinite(found[s])] for s, ramp in trains.parts()]
        )

    first = [float(np.clip(v, a + 1e-9, b - 1e-9)) for v, a, b in zip(first, low, high, strict=True)]
    found = optimize.least_squares(cost, first, bounds=(low, high), x_scale="jac", max_nfev=60)
    up, down, a, b, _ = unpack(found.x)
    fitted = predict(found.x)
    residual = {s: np.where(np.isfinite(fitted[s]), ramp - fitted[s], np.nan) for s, ramp in trains.parts()}
    n = len(found.fun)
    rho = neighbours(residual)
    variance = float(found.fun @ found.fun) / max(n - len(first), 1)
    covariance = np.linalg.pinv(found.jac.T @ found.jac) * variance * (1 + rho) / (1 - rho)
    errors = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    known = _determined(form, found.x, errors, free and form.free_bounds)
    return FormFit(
        form,
        up,
        down,
        a,
        b,
        errors,
        residual,
        fitted,
        spread_of(residual, mask),
        variance,
        n * (1 - rho) / (1 + rho),
        len(first),
        known,
    )


def _determined(form: PulseForm, values: Floats, errors: Floats, free: bool) -> bool:
    """Tell whether steps are known to their own size, shapes to 1 and bounds to half the data's width."""
    size = len(form.names)
    shape = [k + offset for offset in (0, size) for k in range(1, size)]
    steps_known = all(errors[k] < values[k] for k in (0, size))
    bounds_known = not free or max(errors[2 * size : 2 * size + 2]) < 0.5
    return steps_known and bounds_known and all(errors[k] < max(1.0, 0.5 * abs(values[k])) for k in shape)


def _predict(
    form: PulseForm, trains: Trains, p: tuple[Floats, Floats], bounds: tuple[float, float], starts: Floats | None
) -> dict[int, Floats]:
    """Return what readings should be: along each train from its start where they are noisy, else one step further."""
    middle, half = (bounds[0] + bounds[1]) / 2, (bounds[1] - bounds[0]) / 2
    found, used = {}, 0
    for sign, ramp in trains.parts():
        own = p[0] if sign > 0 else p[1]
        if trains.noisy:
            if starts is None:
                begin = ramp[0]
            else:
                begin = starts[used : used + ramp.shape[1]]
                used += ramp.shape[1]
            w = train(form, own, (begin - middle) / half, sign, len(ramp) - 1, trains.every)
        else:
            w = np.full(ramp.shape, np.nan)
            state = (ramp[:-1] - middle) / half
            for _ in range(trains.every):
                state = np.clip(state + form.step(own, state, sign), -1.0, 1.0)
            w[1:] = state
        found[sign] = middle + half * w
    return found


def _noises(trains: Trains, found: FormFit) -> tuple[float, float, float]:
    """Return noise of a step, noise of a reading, mean size of a step; in the data's unit.

    Steps between residuals have the variance q^2 + 2 r^2, and neighbours the covariance -r^2.
    """
    along = found
    if not trains.noisy:
        steps = np.concatenate([r[1:].ravel() for r in along.residual.values()])
        pairs = np.concatenate([(r[2:] * r[1:-1]).ravel() for r in along.residual.values()])
    else:
        difference = [np.diff(r, axis=0) for r in along.residual.values()]
        steps = np.concatenate([d.ravel() for d in difference])
        pairs = np.concatenate([(d[1:] * d[:-1]).ravel() for d in difference])
    variance, lag = float(np.nanvar(steps)), float(np.nanmean(pairs))
    reading = max(-lag, 0.0)
    pulse = max(variance - 2 * reading, 0.0) / trains.every
    sizes = [
        np.abs(np.diff(f, axis=0)) if trains.noisy else np.abs(f[1:] - r[:-1])
        for f, (_, r) in zip(along.fitted.values(), trains.parts(), strict=True)
    ]
    size = float(np.sqrt(np.nanmean(np.concatenate([s.ravel() for s in sizes]) ** 2))) / trains.every
    return float(np.sqrt(pulse)), float(np.sqrt(reading)), size


def form_law(trains: Trains, found: FormFit, mask: dict[int, Bools], scores: dict[str, float], vague: list[str]) -> Fit:
    """Return the law of a fitted form; `scores` are AIC of its rivals, `vague` those that the data do not tell."""
    form, half = found.form, (found.high - found.low) / 2
    pulse, reading, size = _noises(trains, found)
    reach = float(stats.norm.ppf((1 + LEVEL) / 2))
    names = [f"{n}_{way}" for way in ("up", "down") for n in form.names]
    values = np.concatenate([found.up, found.down])
    parameters = [
        Parameter(n, float(v), float(v - reach * e), float(v + reach * e))
        for n, v, e in zip(names, values, found.errors, strict=False)
    ]
    if form.free_bounds and len(found.errors) >= len(values) + 2:
        width = trains.high - trains.low
        for name, value, error in zip(
            ("lower_bound", "upper_bound"),
            (found.low, found.high),
            found.errors[len(values) : len(values) + 2],
            strict=True,
        ):
            parameters.append(Parameter(name, value, value - reach * error * width, value + reach * error * width))
    step_up, step_down = float(found.up[0]), float(found.down[0])
    step = max(step_up, step_down)
    keys: dict[str, Any] = {"step": number(step), "state_min": -1.0, "state_max": 1.0}
    keys["up_down"] = number(1 - step_down / step_up if step_up >= step_down else step_up / step_down - 1)
    keys |= shape_keys(form, found)
    keys |= {"step_noise": number(pulse / max(size, 1e-300)), "write_noise": number(reading / half / step)}
    seen = int(sum(m.sum() for m in mask.values()))
    z = {s: r / found.sigma for s, r in found.residual.items()}
    unseen = np.concatenate([z[s][~mask[s]] for s in z])
    notes = (
        f"residual {found.sigma:.4g} in the data's unit, {'along trains' if trains.noisy else 'of single steps'}",
        f"neighbouring residuals correlate by {neighbours(found.residual):.2f}",
        f"noise of a pulse {pulse:.3g}, of a reading {reading:.3g}",
        *((f"the data do not determine {', '.join(vague)}",) if vague else ()),
    )
    return Fit(
        LAW,
        form.kind,
        tuple(parameters),
        keys,
        seen,
        ranked(scores),
        held_out(unseen),
        _shown(trains, found, z),
        notes=notes,
        model=found,
    )


def shape_keys(form: PulseForm, found: FormFit) -> dict[str, float]:
    """Return the keys of a card that the shape of the steps has."""
    up, down = found.up, found.down
    if form.kind in ("linear_step", "power_step"):
        return {"gamma_up": number(float(up[1])), "gamma_down": number(float(down[1]))}
    if form.kind == "exponential_step":
        keys = {
            "a": 1.0,
            "b": 0.0,
            "gamma_up": up[1],
            "gamma_down": down[1],
            "amplitude_up": up[2],
            "amplitude_down": down[2],
        }
        return {name: number(float(value)) for name, value in keys.items()}
    return {}


def _shown(trains: Trains, found: FormFit, z: dict[int, Floats]) -> Residuals:
    count, measured, fitted, residual, last = list[Floats](), list[Floats](), list[Floats](), list[Floats](), 0.0
    for sign, ramp in trains.parts():
        number_of = np.broadcast_to(np.arange(len(ramp))[:, None] + last, ramp.shape)
        for target, values in ((count, number_of), (measured, ramp), (fitted, found.fitted[sign]), (residual, z[sign])):
            target.append(values.ravel())
        last += len(ramp)
    names = ("pulse response, up then down", "reading in the train", "value after the pulse")
    x, y, law, rest = (np.concatenate(part) for part in (count, measured, fitted, residual))
    return Residuals(*names, x, y, law, rest)
