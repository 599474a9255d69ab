"""Fit all laws of a card that some observations support, and refuse the others with the reason."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from xbar.errors import InputError
from xbar.units import show
from xbar_calibration.attempt import attempt, attempt_both
from xbar_calibration.converter_columns import ConverterColumns, fit_converter_columns
from xbar_calibration.endurance import fit_endurance, wear_of_ramps
from xbar_calibration.fit import Bools, Fit, Outcome, Refusal
from xbar_calibration.iv_law import fit_iv_law
from xbar_calibration.observations import Curves, Observations, Ramps
from xbar_calibration.pulse_response import fit_pulse_response, write_conditions
from xbar_calibration.pulse_trains import oriented
from xbar_calibration.read_noise import fit_read_noise
from xbar_calibration.run import Run, silent
from xbar_calibration.settings import Settings
from xbar_calibration.switching_curves import branches
from xbar_calibration.telegraph_noise import fit_telegraph_noise
from xbar_calibration.written_cells import fit_written

MOST_CONDUCTIVE: Final = 10.0
"""Conductance of a cell [S] above which units are wrong."""
FEWEST_DEVICES: Final = 8
"""Devices of which some are held out."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """All that was fitted, and the range and voltage of the card."""

    observed: Observations
    g_min: float
    g_max: float
    read_voltage: float
    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...] = ()
    columns: ConverterColumns | None = None
    """Gain and offset of converters by column, where products tell; see `converter_columns`."""

    @property
    def fits(self) -> tuple[Fit, ...]:
        """Get the laws that were fitted."""
        return tuple(outcome for outcome in self.outcomes if isinstance(outcome, Fit))

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Get the laws that the data do not support."""
        return tuple(outcome for outcome in self.outcomes if isinstance(outcome, Refusal))

    @property
    def stuck(self) -> list[tuple[int, int, int, str]]:
        """Get (array, row, col, "off" or "on") of every cell that was found stuck."""
        for fit in self.fits:
            if fit.law == "stuck_cells" and fit.model is not None:
                cells = {int(c): "off" for c in fit.model.cell[fit.model.off]}
                cells |= {int(c): "on" for c in fit.model.cell[fit.model.on]}
                places = self.observed.places
                return [(*(int(v) for v in places[c]), state) for c, state in sorted(cells.items())]  # type: ignore[misc]  # three numbers and a word
        return []

    def fit(self, law: str) -> Fit:
        """Return the fit of a law; raises `InputError` with the reason where it was refused."""
        for outcome in self.outcomes:
            if outcome.law == law:
                if isinstance(outcome, Refusal):
                    raise InputError(f"{law} was not fitted: {outcome.reason}")
                return outcome
        raise InputError(f"{law} was not looked for")


def calibrate(
    observed: Observations, settings: Settings | None = None, tell: Callable[[str], None] = silent
) -> Calibration:
    """Return the fits of every law that the observations support.

    Args:
        observed: the data.
        settings: what is told beside them.
        tell: called with the name of each law before it is fitted.

    Raises `InputError` where nothing can be fitted at all, or the cells do not follow their targets.

    """
    cut = None if observed.curves is None else branches(observed.curves)
    if cut is not None and cut.switching:
        observed = replace(observed, curves=cut.curves)
    if observed.ramps is not None:
        observed = replace(observed, ramps=oriented(observed.ramps))
    run = Run(observed, settings or Settings(), tell=tell)
    g_min, g_max, read_voltage = _ranges(observed, run.settings)
    train = held_in(len(observed.places), run.settings)
    noise: Outcome = Refusal("read_noise", "no readings of cells")
    quiet = _without_telegraph(run) if len(observed.visits) else observed
    if len(observed.visits) or observed.deviations is not None:
        tell("read_noise")
        noise = run.keep(attempt("read_noise", lambda: fit_read_noise(quiet, train, g_max)))
    if len(observed.writes.cell):
        fit_written(run, train, noise, (g_min, g_max, read_voltage))
    if observed.curves is not None:
        tell("iv_nonlinearity")
        curves = observed.curves
        law = attempt("iv_nonlinearity", lambda: fit_iv_law(curves, train, read_voltage))
        if isinstance(law, Refusal) and cut is not None and cut.note:
            law = replace(law, reason=f"{law.reason}; {cut.note}")
        run.keep(law)
    switching = () if cut is None or not cut.switching else (cut.note,)
    if observed.ramps is not None:
        g_min, g_max = _pulses(run, observed.ramps, (g_min, g_max))
    wear = observed.wear or (None if observed.ramps is None else wear_of_ramps(observed.ramps))
    if wear is not None:
        tell("endurance")
        run.keep(attempt("endurance", lambda: fit_endurance(wear, run.settings.hold_out, run.settings.seed)))
    if not any(isinstance(outcome, Fit) for outcome in run.outcomes):
        reasons = "; ".join(f"{o.law}: {o.reason}" for o in run.outcomes if isinstance(o, Refusal))
        raise InputError(f"{', '.join(observed.names)}: no law can be fitted ({reasons})")
    columns, why = fit_converter_columns(observed.products)
    notes = (*observed.notes, *switching)
    notes = (*notes, *((f"converters by column: {why}",) if observed.products and columns is None else ()))
    notes = (*notes, *(() if columns is None else columns.notes()))
    return Calibration(observed, g_min, g_max, read_voltage, tuple(run.outcomes), notes, columns)


def _pulses(run: Run, ramps: Ramps, ends: tuple[float, float]) -> tuple[float, float]:
    """Fit the pulse response; return the range of the card [S]: a closed form goes from bound to bound."""
    run.tell("pulse_response")
    settings, known = run.settings, np.isfinite(ramps.scale)
    told = settings.g_min is not None and settings.g_max is not None
    fixed = ends if len(run.observed.writes.cell) or (told and known) else None
    outcome, bounds = attempt_both(
        "pulse_response", lambda: fit_pulse_response(ramps, settings.hold_out, settings.seed, fixed)
    )
    run.keep(outcome)
    if not isinstance(outcome, Fit) or bounds is None:
        return ends
    nominal = write_conditions(ramps)
    if nominal is not None:
        run.keep(nominal)
    if (fixed is not None and bounds == fixed) or not known or outcome.kind == "table":
        return ends
    low, high = settings.g_min, settings.g_max
    return max(bounds[0], 0.0) if low is None else ends[0], bounds[1] if high is None else ends[1]


def _without_telegraph(run: Run) -> Observations:
    """Fit telegraph noise; return the observations whose white noise it is not in.

    Where there is any, other cells than those that were looked at may have it: they tell no white noise.
    """
    law, observed, settings = "random_telegraph_noise", run.observed, run.settings
    run.tell(law)
    outcome, examined = attempt_both(
        law, lambda: fit_telegraph_noise(observed.series, settings.hold_out, settings.seed)
    )
    run.keep(outcome)
    if examined is None or not len(examined.trapped):
        return observed
    return replace(observed, visits=observed.visits.where(np.isin(observed.visits.cell, examined.quiet)))


def held_in(devices: int, settings: Settings) -> Bools:
    """Return which devices the fits may see `(devices,)`: of fewer than `FEWEST_DEVICES` all."""
    if devices < FEWEST_DEVICES:
        return np.ones(devices, np.bool_)
    return np.asarray(np.random.default_rng(settings.seed).random(devices) >= settings.hold_out)


def _ranges(observed: Observations, settings: Settings) -> tuple[float, float, float]:
    """Return g_min, g_max [S] and the read voltage [V] of the card: as told, else those of the data."""
    targets, means = observed.writes.target, observed.visits.mean
    if not observed.targets_known:
        targets = targets[:0]
    low, high = settings.g_min, settings.g_max
    if len(targets):
        low = float(targets.min()) if low is None else low
        high = float(targets.max()) if high is None else high
    elif len(means):
        low = max(float(means.min()), 0.0) if low is None else low
        high = float(means.max()) if high is None else high
    if observed.curves is not None and low is None and high is None and not len(targets):
        low, high = _range_of(observed.curves, settings.read_voltage)
    if observed.ramps is not None and np.isfinite(observed.ramps.scale):
        both = np.concatenate([observed.ramps.up.ravel(), observed.ramps.down.ravel()]) * observed.ramps.scale
        low = float(np.nanmin(both)) if low is None else low
        high = float(np.nanmax(both)) if high is None else high
    if low is None and high is not None:
        low = 0.0
    if high is not None and high > MOST_CONDUCTIVE:
        raise InputError(
            f"the largest conductance is {show(high, 'S')}, more than {show(MOST_CONDUCTIVE, 'S')}: no cell conducts "
            "so well; correct the units of the columns"
        )
    if observed.ramps is not None and not np.isfinite(observed.ramps.scale) and (low is None or high is None):
        raise InputError(
            "values after pulses have no unit: give the conductances that the card is to have, for example "
            "--g-min '1 uS' --g-max '100 uS'"
        )
    if low is None or high is None or not 0 <= low < high:
        found = "unknown" if low is None or high is None else f"{show(low, 'S')} to {show(high, 'S')}"
        sign = "conductances are negative: check the signs of currents and voltages; " if (high or 0) < 0 else ""
        raise InputError(
            f"range of the card is {found}; {sign}the data have no spread of conductances: give it, for example "
            "--g-min '0 uS' --g-max '50 uS'"
        )
    voltage = settings.read_voltage
    if voltage is None:
        voltage = observed.read_voltage if np.isfinite(observed.read_voltage) else 0.2
    return low, high, voltage


def _range_of(curves: Curves, read_voltage: float | None) -> tuple[float | None, float | None]:
    """Return the smallest and largest conductance of curves, at the read voltage or half of the largest [S]."""
    at = read_voltage or float(np.abs(curves.voltage).max()) / 2
    near = np.abs(np.abs(curves.voltage) - at) < 0.25 * at
    if not near.any():
        return None, None
    own, place = np.unique(curves.curve[near], return_inverse=True)
    chord = curves.current[near] / curves.voltage[near]
    levels = np.bincount(place.ravel(), chord, len(own)) / np.bincount(place.ravel(), minlength=len(own))
    levels = levels[levels > 0]
    if len(levels) < 2 or not levels.max() > 1.001 * levels.min():
        return 0.0, float(levels.max()) if len(levels) else None
    return float(levels.min()), float(levels.max())
