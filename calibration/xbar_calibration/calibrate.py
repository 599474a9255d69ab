"""Fit all laws of a card that some observations support, and refuse the others with the reason."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from xbar.errors import InputError
from xbar_calibration.attempt import attempt, attempt_both
from xbar_calibration.converter_columns import ConverterColumns, fit_converter_columns
from xbar_calibration.decay import histories
from xbar_calibration.drift import fit_drift
from xbar_calibration.fit import Bools, Fit, Outcome, Refusal
from xbar_calibration.iv_law import fit_iv_law
from xbar_calibration.observations import Observations
from xbar_calibration.over_time import over_time
from xbar_calibration.programming_error import fit_programming_error
from xbar_calibration.pulse_response import fit_pulse_response, write_conditions
from xbar_calibration.read_noise import fit_read_noise
from xbar_calibration.settings import Settings
from xbar_calibration.stuck_cells import find_stuck, fit_stuck_cells
from xbar_calibration.variation import fit_device_variation
from xbar_calibration.wires import fit_wires


def silent(law: str) -> None:
    """Tell nobody which law is fitted."""


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


@dataclass
class _Run:
    """One calibration on its way."""

    observed: Observations
    settings: Settings
    outcomes: list[Outcome] = field(default_factory=list)

    def keep(self, outcome: Outcome) -> Outcome:
        self.outcomes.append(outcome)
        return outcome


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
    run = _Run(observed, settings or Settings())
    g_min, g_max, read_voltage = _ranges(observed, run.settings)
    train = held_in(len(observed.places), run.settings)
    noise: Outcome = Refusal("read_noise", "no readings of cells")
    if len(observed.visits) or observed.deviations is not None:
        tell("read_noise")
        noise = run.keep(attempt("read_noise", lambda: fit_read_noise(observed, train, g_max)))
    if len(observed.writes.cell):
        _written(run, train, noise, (g_min, g_max, read_voltage), tell)
    if observed.curves is not None:
        tell("iv_nonlinearity")
        curves = observed.curves
        run.keep(attempt("iv_nonlinearity", lambda: fit_iv_law(curves, train, read_voltage)))
    if observed.ramps is not None:
        tell("pulse_response")
        told = run.settings.g_min is not None and run.settings.g_max is not None
        fixed = (g_min, g_max) if len(observed.writes.cell) or (told and np.isfinite(observed.ramps.scale)) else None
        outcome, ends = fit_pulse_response(observed.ramps, run.settings.hold_out, run.settings.seed, fixed)
        run.keep(outcome)
        nominal = write_conditions(observed.ramps) if isinstance(outcome, Fit) else None
        if nominal is not None:
            run.keep(nominal)
        if fixed is None and np.isfinite(observed.ramps.scale) and isinstance(outcome, Fit) and outcome.kind != "table":
            # A closed form goes from bound to bound: they are the card's range.
            g_min = max(ends[0], 0.0) if run.settings.g_min is None else g_min
            g_max = ends[1] if run.settings.g_max is None else g_max
    if not any(isinstance(outcome, Fit) for outcome in run.outcomes):
        reasons = "; ".join(f"{o.law}: {o.reason}" for o in run.outcomes if isinstance(o, Refusal))
        raise InputError(f"{', '.join(observed.names)}: no law can be fitted ({reasons})")
    columns, why = fit_converter_columns(observed.products)
    notes = (*observed.notes, *((f"converters by column: {why}",) if observed.products and columns is None else ()))
    return Calibration(observed, g_min, g_max, read_voltage, tuple(run.outcomes), notes, columns)


def held_in(devices: int, settings: Settings) -> Bools:
    """Return which devices the fits may see `(devices,)`."""
    return np.asarray(np.random.default_rng(settings.seed).random(devices) >= settings.hold_out)


def _ranges(observed: Observations, settings: Settings) -> tuple[float, float, float]:
    """Return g_min, g_max [S] and the read voltage [V] of the card: as told, else those of the data."""
    targets, means = observed.writes.target, observed.visits.mean
    low, high = settings.g_min, settings.g_max
    if len(targets):
        low = float(targets.min()) if low is None else low
        high = float(targets.max()) if high is None else high
    elif len(means):
        low = max(float(means.min()), 0.0) if low is None else low
        high = float(means.max()) if high is None else high
    if observed.ramps is not None and np.isfinite(observed.ramps.scale):
        both = np.concatenate([observed.ramps.up.ravel(), observed.ramps.down.ravel()]) * observed.ramps.scale
        low = float(np.nanmin(both)) if low is None else low
        high = float(np.nanmax(both)) if high is None else high
    if low is None and high is not None:
        low = 0.0
    if low is None or high is None or not 0 <= low < high:
        raise InputError(
            f"range of the card is {low} S to {high} S; the data have no spread of conductances: give it, for example "
            "--g-min '0 uS' --g-max '50 uS'"
        )
    voltage = settings.read_voltage
    if voltage is None:
        voltage = observed.read_voltage if np.isfinite(observed.read_voltage) else 0.2
    return low, high, voltage


def _written(
    run: _Run, train: Bools, noise: Outcome, card: tuple[float, float, float], tell: Callable[[str], None]
) -> None:
    """Fit what needs targets: stuck cells, 1/f noise, drift, writes; `card` is g_min, g_max [S], read voltage [V]."""
    g_min, g_max, read_voltage = card
    h = histories(run.observed)
    if not len(h):
        run.keep(Refusal("programming_error", "no cell was read after it was written"))
        return
    tell("stuck_cells")
    found = find_stuck(h.cell, h.target, h.g[:, 0])
    run.keep(fit_stuck_cells(found))
    tell("wires")
    wires, left = attempt_both("wires", lambda: fit_wires(h, run.observed.places, found.stuck))
    run.keep(wires)
    if left is not None:
        # From here on a cell is what it is itself, not what its lines leave of it.
        h = replace(h, g=h.g / left[:, None])
    white = noise.model if isinstance(noise, Fit) else None
    free = h.where(~found.stuck)
    seen = train[free.cell]
    tell("drift")
    decays, noise_of_visit, t0, over = over_time((run.settings, run.observed.seconds), free, seen, white, g_max, tell)
    run.outcomes += over
    if t0 is not None:
        fitted_t0 = t0
        run.keep(attempt("drift", lambda: fit_drift(free, decays, seen, noise_of_visit, fitted_t0, g_max)))
    tell("programming_error")
    zero = decays.programmed < 1e-4 * g_max
    programmed = np.where(zero, 0.0, decays.programmed)
    tell("device_variation")
    writes = (free.target, programmed, decays.programmed_error, seen)
    between, of_write = attempt_both(
        "device_variation", lambda: fit_device_variation(free.cell, *writes, (g_min, g_max))
    )
    run.keep(of_write or attempt("programming_error", lambda: fit_programming_error(*writes, g_max, read_voltage)))
    run.keep(between)
