"""Temperature: what it does to the conductance of cells that were read at several, and how it speeds up time."""

from dataclasses import replace
from typing import Final

import numpy as np

from xbar.devices.temperature import BOLTZMANN
from xbar_calibration.decay import Histories, histories
from xbar_calibration.fit import (
    Bools,
    Fit,
    Floats,
    Ints,
    Outcome,
    Parameter,
    Refusal,
    Residuals,
    held_out,
    ranked,
    simplest,
)
from xbar_calibration.intervals import LogLikelihood, maximise, profile
from xbar_calibration.observations import Observations
from xbar_calibration.quantities import number

LAW: Final = "temperature"
ROOM: Final = 300.0
"""[K]."""
SAME: Final = 1.0
"""Temperatures nearer than this are one [K]."""
FEWEST: Final = 6


def reference_of(kelvin: Floats) -> float:
    """Return the temperature nearest to 300 K of those that were measured at [K]."""
    known = kelvin[np.isfinite(kelvin)]
    nearest = known[np.abs(known - ROOM).argmin()]
    return float(np.median(known[np.abs(known - nearest) < SAME]))


def at_reference(observed: Observations) -> Observations:
    """Return the visits at the reference temperature alone: the other laws of a card hold there."""
    if observed.kelvin is None:
        return observed
    kept = np.abs(observed.kelvin - reference_of(observed.kelvin)) < SAME
    return replace(observed, visits=observed.visits.where(kept), kelvin=observed.kelvin[kept])


def temperatures(observed: Observations) -> Floats | None:
    """Return the temperature of each visit as `histories` lays them out `(w, k)` [K]; None where it is not known."""
    if observed.kelvin is None:
        return None
    return histories(replace(observed, visits=replace(observed.visits, mean=observed.kelvin))).g


def fit_temperature(h: Histories, kelvin: Floats, train: Bools, reference: float, ageing: Parameter | None) -> Outcome:
    """Return the law of temperature: linear, or activated, by least squares of cells read at several temperatures.

    ln g of a write is ln P + ln f(T) with a P of its own; residuals are relative to the conductance. Cells that drift
    between the temperatures would count as following them: read both quickly, or in both orders.

    Args:
        h: visits by write.
        kelvin: temperature of each visit `(w, k)` [K].
        train: which writes the fit may see `(w,)`.
        reference: T0 [K].
        ageing: activation energy of the laws of time, where retention told it.

    """
    span = (float(np.nanmin(kelvin)), float(np.nanmax(kelvin)))
    if span[1] - span[0] < SAME:
        return Refusal(LAW, f"all was measured at {reference:g} K")
    varied = np.nanmax(kelvin, axis=1) - np.nanmin(kelvin, axis=1) > SAME
    seen = np.isfinite(h.g) & (h.g > 0) & varied[:, None]
    if (seen & train[:, None]).sum() < FEWEST:
        if ageing is None:
            return Refusal(LAW, "no cell was read at several temperatures, and no law of time tells how they age")
        return _law("linear", (Parameter("per_kelvin", 0.0, 0.0, 0.0),), ageing, (reference, *span))
    log_g = np.log(np.where(seen, h.g, 1.0))
    owner = np.broadcast_to(np.arange(len(h))[:, None], h.g.shape)
    data = (owner[seen], kelvin[seen], log_g[seen])
    mine = train[data[0]]
    seen_data = (data[0][mine], data[1][mine], data[2][mine])
    functions = {kind: _likelihood(kind, *seen_data, reference) for kind in ("linear", "arrhenius")}
    starts = {"linear": ([0.0], [1e-3]), "arrhenius": ([0.0], [0.01])}
    peaks = {kind: maximise(function, *starts[kind]) for kind, function in functions.items()}
    scores = {kind: peak.aic for kind, peak in peaks.items()}
    scores["none"] = -2 * functions["linear"](np.zeros(1))
    kind = simplest(scores, {"linear": 1, "arrhenius": 1, "none": 0})
    if kind == "none" and ageing is None:
        return Refusal(LAW, f"conductances do not follow the temperature from {span[0]:g} K to {span[1]:g} K")
    if kind == "none":
        kind = "linear"
    name, unit = ("per_kelvin", "") if kind == "linear" else ("activation", "eV")
    parameters = profile(functions[kind], peaks[kind], [name], [unit])
    rest = _rest(kind, peaks[kind].values, *data, reference)
    size = float(np.sqrt((rest[mine] ** 2).sum() / max(mine.sum() - len(np.unique(data[0][mine])), 1)))
    count = np.bincount(data[0], minlength=len(h))[data[0]]
    z = rest / size * np.sqrt(count / np.maximum(count - 1, 1))
    shown = Residuals(
        "temperature", "temperature [K]", "conductance over that of the cell", data[1], np.exp(rest), 0 * rest + 1, z
    )
    found = _law(kind, parameters, ageing, (reference, *span))
    return replace(found, points=int(mine.sum()), rivals=ranked(scores), held_out=held_out(z[~mine]), residuals=shown)


def _law(
    kind: str, parameters: tuple[Parameter, ...], ageing: Parameter | None, kelvin: tuple[float, float, float]
) -> Fit:
    reference, low, high = kelvin
    keys: dict[str, object] = {p.name: number(p.value) if not p.unit else f"{number(p.value):g} eV" for p in parameters}
    keys["reference"] = f"{number(reference):g} K"
    if ageing is None:
        note = "how time runs at other temperatures is not measured: as at the reference"
    else:
        keys["ageing"] = f"{number(max(ageing.value, 0.0)):g} eV"
        note = "ageing from retention at several temperatures"
    notes = [note] + ([] if parameters[0].high else ["no cell was read at several temperatures: no effect at once"])
    told = parameters if ageing is None else (*parameters, ageing)
    return Fit(LAW, kind, told, keys, 0, valid_temperature=(low, high), notes=tuple(notes))


def _shape(kind: str, p: Floats, kelvin: Floats, reference: float) -> Floats:
    """Return ln f(T)."""
    if kind == "linear":
        return np.asarray(np.log(np.maximum(1 + p[0] * (kelvin - reference), 1e-9)))
    return np.asarray(-p[0] / BOLTZMANN * (1 / kelvin - 1 / reference))


def _rest(kind: str, p: Floats, owner: Ints, kelvin: Floats, log_g: Floats, reference: float) -> Floats:
    value = log_g - _shape(kind, p, kelvin, reference)
    count = np.bincount(owner)
    return np.asarray(value - (np.bincount(owner, value) / np.maximum(count, 1))[owner])


def _likelihood(kind: str, owner: Ints, kelvin: Floats, log_g: Floats, reference: float) -> LogLikelihood:
    free = len(owner) - len(np.unique(owner))

    def function(p: Floats) -> float:
        square = float((_rest(kind, p, owner, kelvin, log_g, reference) ** 2).sum())
        return -0.5 * free * float(np.log(max(square, 1e-300)))

    return function
