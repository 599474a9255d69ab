"""Pulse response: how far a SET or RESET pulse moves a cell, by a closed form, or by a table where none fits."""

from typing import Final

import numpy as np

from xbar_calibration.fit import Fit, Outcome, Refusal, simplest
from xbar_calibration.observations import Ramps
from xbar_calibration.pulse_device_law import fit_population
from xbar_calibration.pulse_devices import by_device
from xbar_calibration.pulse_form_fit import fit_form, form_law
from xbar_calibration.pulse_shapes import FORMS
from xbar_calibration.pulse_table_fit import table_law, table_of, table_residuals
from xbar_calibration.pulse_trains import LAW, Trains, ends_of, noise_share, seen_values, spread_of, wrong_way
from xbar_calibration.quantities import time_text, voltage_text

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
    wrong = wrong_way(ramps)
    if wrong:
        return Refusal(LAW, wrong), ends
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
    if ramps.devices is not None:
        devices = by_device(ramps.up, ramps.down, *ramps.devices, ramps.every)
        if devices is not None:
            likely = sorted(BY_DEVICE, key=lambda kind: fits[kind].variance)[:2]
            forms = {str(kind): fits[kind] for kind in BY_DEVICE if kind in likely or kind == "soft_bounds"}
            law, card = fit_population(trains, devices, forms, (hold_out, seed), ramps.reading, bounds is not None)
            if abs(law.keys["up_down"]) < 1:
                return law, card
            # Steps that differ more than the card's forms can: a table of all devices, or no law.
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
