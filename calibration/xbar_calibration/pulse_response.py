"""Pulse response: how far a SET or RESET pulse moves a cell, by a closed form, or by a table where none fits."""

from typing import Final

import numpy as np

from xbar_calibration.fit import Fit, Outcome, Refusal, Residuals, ranked, simplest
from xbar_calibration.observations import Ramps
from xbar_calibration.pulse_devices import FEWEST as FEWEST_DEVICES
from xbar_calibration.pulse_devices import DeviceTrains, by_device, fit_devices, spread_keys
from xbar_calibration.pulse_form_fit import FormFit, fit_form, form_law, shape_keys
from xbar_calibration.pulse_shapes import FORMS
from xbar_calibration.pulse_table_fit import table_law, table_of, table_residuals
from xbar_calibration.pulse_trains import LAW, Trains, ends_of, noise_share, seen_values, spread_of
from xbar_calibration.quantities import number, time_text, voltage_text

FEWEST: Final = 10
"""Steps of each direction that a fit needs."""

NOISY: Final = 0.5
"""Share of the variance of steps that is noise of readings, above which trains are fitted instead of steps."""

BETTER: Final = 0.9
"""A table is taken where its residual is below this share of the best closed form's."""

BY_DEVICE: Final = ("constant_step", "soft_bounds", "linear_step", "power_step")
"""Forms that are tried on each device by itself."""


def fit_pulse_response(
    ramps: Ramps, hold_out: float, seed: int, bounds: tuple[float, float] | None = None
) -> tuple[Outcome, tuple[float, float]]:
    """Return the pulse response and the values of the data at its bounds.

    Args:
        ramps: values before and after each pulse.
        hold_out: share of the trains, of few trains that of their readings, that is predicted.
        seed: of that choice.
        bounds: values that the bounds must be; None fits them.

    """
    counts = [int(np.isfinite(np.diff(ramp, axis=0)).sum()) if ramp.size else 0 for ramp in (ramps.up, ramps.down)]
    ends = ends_of(ramps)
    if min(counts) < FEWEST:
        names = f"{counts[0]} steps up and {counts[1]} down"
        return Refusal(LAW, f"{names} were measured; {FEWEST} of each are needed: give rising and falling trains"), ends
    if not ends[0] < ends[1]:
        return Refusal(LAW, "the trains do not move: no step can be told"), ends
    trains = Trains(ramps.up, ramps.down, ramps.every, *(bounds or ends), noisy=noise_share(ramps) > NOISY)
    mask = seen_values(trains, hold_out, seed)
    fits = {form.kind: fit_form(form, trains, mask, fixed=bounds is not None) for form in FORMS}
    vague = [kind for kind, found in fits.items() if not found.determined]
    clear = [kind for kind in fits if kind not in vague] or list(fits)
    # How many residuals are independent is told by the form that leaves least: a wrong one makes neighbours alike.
    count = min(fits.values(), key=lambda found: found.variance).independent
    scores = {kind: count * float(np.log(max(fits[kind].variance, 1e-300))) + 2 * fits[kind].size for kind in clear}
    best = simplest(scores, {kind: len(fits[kind].form.names) for kind in clear})
    chosen = fits[best]
    if ramps.devices is not None and bounds is None:
        devices = by_device(ramps.up, ramps.down, *ramps.devices)
        if len(devices) >= FEWEST_DEVICES:
            return _device_fit(trains, fits, devices, scores)
    table = table_of(trains, mask, ramps.scale)
    if table is not None:
        rest = spread_of(table_residuals(trains, table), mask)
        if rest < BETTER * chosen.sigma:
            return table_law(trains, table, mask, scores, chosen.sigma, rest), ends
    return form_law(trains, chosen, mask, scores, vague), (chosen.low, chosen.high)


def write_conditions(ramps: Ramps) -> Fit | None:
    """Return the nominal pulses of trains, None where the data do not tell both.

    The voltages below which nothing moves are not measured by equal pulses: half of the nominal ones are written, which
    leaves half-selected cells alone.
    """
    nominal = (ramps.set_voltage, ramps.reset_voltage)
    if not np.isfinite([*nominal, ramps.width]).all():
        return None
    keys = {"set_voltage": voltage_text(nominal[0]), "reset_voltage": voltage_text(nominal[1])}
    keys |= {"width": time_text(ramps.width), "width_max": time_text(ramps.width)}
    keys |= {"voltage_max": voltage_text(max(abs(v) for v in nominal))}
    keys |= {"set_threshold": voltage_text(nominal[0] / 2), "reset_threshold": voltage_text(nominal[1] / 2)}
    steps = int(np.isfinite(np.diff(ramps.up, axis=0)).sum() + np.isfinite(np.diff(ramps.down, axis=0)).sum())
    note = "the thresholds are not measured: half of the nominal voltages"
    return Fit("write", "threshold", (), keys, steps, notes=(note,))


def _device_fit(
    trains: Trains, fits: dict[str, FormFit], devices: list[DeviceTrains], scores: dict[str, float]
) -> tuple[Fit, tuple[float, float]]:
    """Return the response of many devices: the shape from all together, steps and bounds from each."""
    ends = (trains.low, trains.high)
    found = {}
    for kind in BY_DEVICE:
        pooled = fits[kind]
        rows, rest, paths = fit_devices(pooled.form, (pooled.up, pooled.down), devices, ends, trains.every)
        found[kind] = (float(np.sqrt(np.mean(np.concatenate(rest) ** 2))), rows, rest, paths)
    kind = min(found, key=lambda name: found[name][0])
    sigma, rows, rest, paths = found[kind]
    keys, parameters, mean = spread_keys(rows)
    half = (mean[1] - mean[0]) / 2
    difference = [np.diff(r) for r in rest]
    lag = float(np.mean(np.concatenate([d[1:] * d[:-1] for d in difference])))
    reading = max(-lag, 0.0)
    pulse = max(float(np.var(np.concatenate(difference))) - 2 * reading, 0.0) / trains.every
    size = float(np.sqrt(np.mean(np.concatenate([np.diff(p) for p in paths]) ** 2))) / trains.every
    step = float(keys["step"])
    all_keys = {"step": step, "state_min": -1.0, "state_max": 1.0, **keys, **shape_keys(fits[kind].form, fits[kind])}
    all_keys["step_noise"] = number(float(np.sqrt(pulse)) / max(size, 1e-300))
    all_keys["write_noise"] = number(float(np.sqrt(reading)) / half / step)
    place = np.concatenate([np.arange(len(r), dtype=np.float64) for r in rest])
    z, fitted = np.concatenate(rest) / sigma, np.concatenate(paths)
    names = ("pulse response, each device by itself", "reading in the train", "value after the pulse")
    shown = Residuals(*names, place, fitted + z * sigma, fitted, z)
    notes = (f"{len(devices)} devices one by one, residual {sigma:.4g} in the data's unit",)
    fit = Fit(
        LAW, kind, tuple(parameters), all_keys, len(z), ranked(scores), None, shown, notes=notes, model=fits[kind]
    )
    return fit, mean
