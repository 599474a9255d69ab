"""Fit what needs writes: stuck cells, wires, the laws of time and temperature, and what differs from write to write."""

from dataclasses import replace
from typing import Any, Final

import numpy as np

from xbar.errors import InputError
from xbar.units import show
from xbar_calibration.attempt import attempt, attempt_both
from xbar_calibration.cycle_variation import fit_cycle_variation
from xbar_calibration.decay import Decays, Histories, histories
from xbar_calibration.drift import fit_drift
from xbar_calibration.fit import Bools, Fit, Floats, Outcome, Refusal
from xbar_calibration.over_time import over_time
from xbar_calibration.programming_error import FEWEST, fit_programming_error
from xbar_calibration.retention import Kept, fit_retention
from xbar_calibration.run import Run
from xbar_calibration.stuck_cells import few_levels, find_stuck, fit_stuck_cells
from xbar_calibration.temperature import at_reference, fit_temperature, reference_of, temperatures
from xbar_calibration.variation import fit_device_variation
from xbar_calibration.wires import fit_wires

ROUNDING: Final = 1e-9
"""Error of a write, relative to the card's range, that is none."""


def fit_written(run: Run, train: Bools, noise: Outcome, card: tuple[float, float, float]) -> None:
    """Fit what written cells tell, and add it to the run.

    Args:
        run: the data, and what was found before.
        train: which devices the fits may see.
        noise: white noise.
        card: g_min, g_max [S], read voltage [V].

    """
    observed = at_reference(run.observed)
    h = histories(observed)
    if not len(h):
        run.keep(Refusal("programming_error", "no cell was read after it was written"))
        return
    few = few_levels(h.target, h.g[:, 0]) if observed.targets_known else None
    if few is not None:
        run.keep(few)
        for law in ("stuck_cells", "programming_error"):
            run.keep(Refusal(law, f"{few.notes[0]}: write them to these alone to tell what misses them"))
        return
    stuck = np.zeros(len(h), np.bool_)
    if observed.targets_known:
        h, stuck = _stuck_and_wires(run, h)
    white = noise.model if isinstance(noise, Fit) else None
    free = h.where(~stuck)
    kept = _retention(run, free, h.cell[stuck], train, white)
    if kept is None:
        decays = _drift(run, free, train[free.cell], white, card[1])
    else:
        decays = _as_decays(free, kept)
    if observed.targets_known:
        _writes(run, free, decays, train[free.cell], card)
    else:
        run.keep(Refusal("programming_error", "nothing tells what was asked of the cells: --column target=..."))


def _stuck_and_wires(run: Run, h: Histories) -> tuple[Histories, Bools]:
    """Fit stuck cells and wires; return what the cells are themselves, and which are stuck."""
    run.tell("stuck_cells")
    try:
        found = find_stuck(h.cell, h.target, h.g[:, 0])
    except InputError as error:
        worst = np.argsort(-np.abs(h.g[:, 0] - h.target), kind="stable")[:3]
        said = [
            f"{run.observed.place(int(h.cell[k]))}: {show(float(h.target[k]), 'S')} was asked, "
            f"{show(float(h.g[k, 0]), 'S')} read"
            for k in worst
        ]
        raise InputError(f"{error}; the farthest are {'; '.join(said)}") from error
    run.tell("wires")
    wires, left = attempt_both("wires", lambda: fit_wires(h, run.observed.places, found.stuck))
    if left is not None:
        # What the lines take hides stuck cells, and these are loads of the lines: both once more.
        again = find_stuck(h.cell, h.target, h.g[:, 0] / left)
        wires, left = attempt_both("wires", lambda: fit_wires(h, run.observed.places, again.stuck))
    if left is not None:
        # From here on a cell is what it is itself, not what its lines leave of it.
        h = replace(h, g=h.g / left[:, None])
        found = find_stuck(h.cell, h.target, h.g[:, 0])
    run.keep(fit_stuck_cells(found))
    run.keep(wires)
    return h, found.stuck


def _retention(
    run: Run, free: Histories, stuck: Any, train: Bools, white: Any
) -> dict[int, tuple[float, float]] | None:
    """Fit retention and temperature; return P and its error [S] by write where cells lose their state, else None."""
    run.tell("retention")
    kelvin, h, reference = None, free, 300.0
    if run.observed.kelvin is not None:
        # The other laws hold at the reference temperature; these two are told by all of them.
        h, kelvin = histories(run.observed), temperatures(run.observed)
        assert kelvin is not None
        moving = ~np.isin(h.cell, stuck)
        h, kelvin, reference = h.where(moving), kelvin[moving], reference_of(run.observed.kelvin)
    outcome, kept = attempt_both("retention", lambda: fit_retention(h, kelvin, train[h.cell], white, reference))
    run.keep(outcome)
    if kelvin is not None:
        ageing, temperature = None if kept is None else kept.ageing, kelvin
        run.tell("temperature")
        fit = attempt("temperature", lambda: fit_temperature(h, temperature, train[h.cell], reference, ageing))
        run.keep(fit)
    return None if kept is None else _by_write(h, kept)


def _by_write(h: Histories, kept: Kept) -> dict[int, tuple[float, float]]:
    rows = zip(h.write.tolist(), kept.programmed.tolist(), kept.error.tolist(), strict=True)
    return {write: (programmed, error) for write, programmed, error in rows}


def _as_decays(free: Histories, kept: dict[int, tuple[float, float]]) -> Decays:
    """Return what a law of retention says that was written, in place of drift."""
    found = np.array([kept[write] for write in free.write.tolist()]).reshape(-1, 2)
    still = np.zeros(len(free))
    return Decays(found[:, 0], still, found[:, 1], still + np.inf, np.full_like(free.g, np.nan), 0.0)


def _drift(run: Run, free: Histories, seen: Bools, white: Any, g_max: float) -> Decays:
    """Fit drift, relaxation and 1/f noise; return each write as it was right after it."""
    run.tell("drift")
    told = (run.settings, run.observed.seconds)
    decays, noise_of_visit, t0, over = over_time(told, free, seen, white, g_max, run.tell)
    run.outcomes += over
    if t0 is not None:
        fitted_t0 = t0
        run.keep(attempt("drift", lambda: fit_drift(free, decays, seen, noise_of_visit, fitted_t0, g_max)))
    return decays


def _writes(run: Run, free: Histories, decays: Decays, seen: Bools, card: tuple[float, float, float]) -> None:
    """Fit what writes differ by: factors of each write, factors of each device, an error that is added."""
    g_min, g_max, read_voltage = card
    programmed: Floats = np.where(decays.programmed < 1e-4 * g_max, 0.0, decays.programmed)
    missed = np.abs(programmed - free.target)
    if seen.sum() >= FEWEST and np.nanmax(missed, initial=0.0) <= ROUNDING * g_max:
        reason = "cells reach their targets to the rounding of numbers: no error of writes"
        run.keep(Refusal("programming_error", reason))
        return
    run.tell("cycle_variation")
    writes = (free.target, programmed, decays.programmed_error)
    cycle: Outcome
    between: Outcome | None
    cycle, between = attempt_both(
        "cycle_variation", lambda: fit_cycle_variation((free.cell, *writes), seen, (g_min, g_max))
    )
    run.keep(cycle)
    if between is not None:
        run.keep(Refusal("programming_error", "writes differ by factors: see cycle_variation"))
        run.keep(between)
        return
    run.tell("device_variation")
    found, of_write = attempt_both(
        "device_variation", lambda: fit_device_variation(free.cell, *writes, seen, (g_min, g_max))
    )
    run.tell("programming_error")
    if of_write is None:
        run.keep(attempt("programming_error", lambda: fit_programming_error(*writes, seen, g_max, read_voltage)))
    else:
        run.keep(of_write)
    run.keep(found)
