"""Retention: all cells lose their state towards a floor by one stretched exponential, faster where it is warmer."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from xbar_calibration.decay import Histories, Variance
from xbar_calibration.fit import Bools, Fit, Floats, Outcome, Parameter, Refusal, Residuals, held_out, ranked, simplest
from xbar_calibration.intervals import LogLikelihood, Peak, profile
from xbar_calibration.quantities import conductance_text, number, time_text
from xbar_calibration.retention_model import Data, data_of, effective, energy_of, model_of, peak_of, rivals_of, warm

LAW: Final = "retention"
FEWEST: Final = 10
"""Visits, and five of them of one write."""
CLEAR: Final = 20.0
"""AIC by which retention must be better than every other law of time."""
FEW: Final = 3
"""Held-out writes; of fewer some visits of all are held out instead."""
HOLD_OUT: Final = 0.3
LOSS: Final = 0.02
"""Share of the state that must be lost in the data for its law to be told."""


@dataclass(frozen=True, eq=False)
class Kept:
    """What a retention law leaves to the other fits; `(w,)` each."""

    programmed: Floats
    """[S]."""
    error: Floats
    """[S]."""
    ageing: Parameter | None
    """Activation energy [eV], where cells were kept at several temperatures."""


def fit_retention(
    h: Histories, kelvin: Floats | None, train: Bools, white: Variance | None, reference: float
) -> tuple[Outcome, Kept | None]:
    """Return the law g = floor + (P - floor) exp(-(t / tau)^stretch) with a P of each write, and what it leaves.

    Maximum likelihood of normal residuals whose size is relative to the conductance and common to all, the P of the
    writes eliminated and counted as degrees of freedom. It must beat, by an AIC of 20, cells that stand still, power
    laws with an exponent of all or of each, and lines in ln t.

    Args:
        h: visits by write; those of stuck cells left out.
        kelvin: temperature of each visit `(w, k)` [K], None where it is not known. Writes whose cells were at several
            temperatures are left out: what they have been through is not known.
        train: which writes the fit may see `(w,)`.
        white: variance of a reading by conductance [S^2], None where unknown.
        reference: temperature of the law [K].

    """
    count = np.isfinite(h.g).sum(1)
    if count.sum() < FEWEST or count.max(initial=0) < 5:
        most = int(count.max(initial=0))
        reason = (
            f"{int(count.sum())} visits, {most} of one write; {FEWEST} are needed, 5 of one write: read cells again"
        )
        return Refusal(LAW, reason), None
    data, steady = data_of(h, kelvin, white, reference)
    usable = steady & (count >= 3) & (np.nanmax(np.where(np.isfinite(h.g), h.g, 0.0), axis=1) > 0)
    mine = usable & train
    if mine.sum() == 0 or data.where(mine).visits - mine.sum() < 6:
        return Refusal(LAW, f"{int(mine.sum())} writes were read three times or more at one temperature"), None
    kind, (peak, _), _ = _best(data.where(mine))
    data = data.weighted(model_of(data, peak.values, kind == "with a floor")[2], h, white)
    part = data.where(mine)
    kind, (peak, function), own = _best(part)
    rivals = rivals_of(h.where(mine), part)
    lost = 1 - float(
        np.exp(-((effective(part, energy_of(part, peak.values)).max() / np.exp(peak.values[0])) ** _s(peak)))
    )
    near = min(rivals, key=lambda name: rivals[name])
    near = "no change" if rivals["no change"] < rivals[near] + CLEAR else near
    if own[kind] + CLEAR > rivals[near] or lost < LOSS:
        return Refusal(LAW, f"no stretched exponential of all cells: {near} says as much or more"), None
    names = ["tau", "stretch", *(["floor"] if kind == "with a floor" else []), *(["ageing"] if warm(part) else [])]
    units = {"tau": "s", "floor": "S", "ageing": "eV"}
    raw = profile(function, peak, names, [units.get(name, "") for name in names])
    parameters = tuple(p.exponential() if p.name in ("tau", "stretch") else p for p in raw)
    fit, kept = _fit(h, data, (usable, train), (kind, peak, parameters), own | rivals)
    if (usable & ~train).sum() < FEW:
        fit = replace(fit, held_out=held_out(_unseen_visits(part, kind)))
    return fit, kept


def _best(part: Data) -> tuple[str, tuple[Peak, LogLikelihood], dict[str, float]]:
    """Return which form is taken, its peak and likelihood, and the AIC of both."""
    found = {kind: peak_of(part, kind == "with a floor") for kind in ("to zero", "with a floor")}
    own = {kind: -2 * peak.log_likelihood + 2 * len(peak.values) for kind, (peak, _) in found.items()}
    kind = simplest(own, {"to zero": 0, "with a floor": 1})
    return kind, found[kind], own


def _s(peak: Peak) -> float:
    return float(np.exp(peak.values[1]))


def _fit(
    h: Histories,
    data: Data,
    masks: tuple[Bools, Bools],
    chosen: tuple[str, Peak, tuple[Parameter, ...]],
    scores: dict[str, float],
) -> tuple[Fit, Kept]:
    usable, train = masks
    kind, peak, parameters = chosen
    programmed, known, model = model_of(data, peak.values, kind == "with a floor")
    part = data.weight > 0
    z = (data.g - model) * np.sqrt(data.weight)
    free = max(data.where(usable & train).visits - int((usable & train).sum()), 1)
    size = float(np.sqrt((z[usable & train] ** 2).sum() / free))
    count = part.sum(1)
    # Residuals of a write are smaller than the noise by the P that it took.
    z = np.where(part, z / size * np.sqrt(count / np.maximum(count - 1, 1))[:, None], np.nan)
    values = {p.name: p.value for p in parameters}
    keys = {"tau": time_text(values["tau"]), "stretch": number(values["stretch"])}
    keys["floor"] = conductance_text(max(values.get("floor", 0.0), 0.0))
    unseen = z[usable & ~train]
    seen = part & usable[:, None]
    names = ("retention", "time since the write [s]", "conductance [S]")
    shown = Residuals(*names, data.seconds[seen], data.g[seen], model[seen], z[seen], log_x=True)
    error = size / np.sqrt(np.maximum(known, 1e-300))
    ageing = next((p for p in parameters if p.name == "ageing"), None)
    fit = Fit(
        LAW,
        "stretched_exponential",
        tuple(p for p in parameters if p.name != "ageing"),
        keys,
        data.where(usable & train).visits,
        ranked(scores),
        held_out(unseen[np.isfinite(unseen)]),
        shown,
        valid=(float(data.g[seen].min()), float(data.g[seen].max())),
        valid_time=(0.0, float(data.seconds[seen].max())),
        notes=(f"readings scatter by {100 * size * _relative(data):.2g} % about it",),
    )
    return fit, Kept(np.maximum(programmed, 0.0), error, ageing)


def _unseen_visits(part: Data, kind: str) -> Floats:
    """Return how visits that are left out differ from what the others say, in standard deviations of these."""
    rng = np.random.default_rng(0)
    out = (part.weight > 0) & (rng.random(part.weight.shape) < HOLD_OUT)
    seen = replace(part, weight=np.where(out, 0.0, part.weight))
    enough = (seen.weight > 0).sum(1) >= 3
    if not enough.any():
        return np.zeros(0)
    part, seen, out = part.where(enough), seen.where(enough), out[enough]
    with_floor = kind == "with a floor"
    peak, _ = peak_of(seen, with_floor)
    _, known, model = model_of(seen, peak.values, with_floor)
    free = max(seen.visits - len(seen.g) - len(peak.values), 1)
    size = float(np.sqrt((seen.weight * (part.g - model) ** 2).sum() / free))
    rest = (part.g - model) * np.sqrt(part.weight)
    left = 1 + part.weight / np.maximum(known, 1e-300)[:, None]
    return np.asarray(rest[out] / (size * np.sqrt(left[out])))


def _relative(data: Data) -> float:
    seen = data.weight > 0
    return float(np.median(1 / np.sqrt(data.weight[seen]) / np.maximum(data.g[seen], 1e-300)))
