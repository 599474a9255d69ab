"""I-V law: the shape of the current over the voltage, shared by all cells, and its trend over their conductances."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import stats

from xbar.devices.iv_law import PolynomialIv, PooleFrenkelIv
from xbar_calibration.fit import (
    LEVEL,
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
from xbar_calibration.intervals import maximise, profile
from xbar_calibration.observations import Curves
from xbar_calibration.quantities import number, voltage_text

LAW: Final = "iv_nonlinearity"
FEWEST: Final = 8
"""Points of a curve."""
FLOOR: Final = 1e-3
"""Currents below this share of a curve's largest count as much as it: there the instrument's noise rules."""
HYSTERESIS: Final = 0.05
ROUNDING: Final = 1e-8
"""Relative residual that every current has."""
FEWEST_CURVES: Final = 4
"""Curves of which it can be told how their noise goes with the conductance."""
MOST_CURVES: Final = 2000
CURVED: Final = 20.0
"""Difference of AIC above which straight curves are no explanation: forms of several numbers follow the noise of few
curves, whose scores are no exact likelihoods."""
RESAMPLES: Final = 399


@dataclass(frozen=True, eq=False)
class Table:
    """Curves padded with NaN, `(curves, points)`."""

    cell: Ints
    voltage: Floats
    current: Floats

    @property
    def weight(self) -> Floats:
        """Get one over the size of each current; 0 where there is none."""
        size = np.abs(self.current)
        largest = np.nanmax(size, axis=1, keepdims=True)
        weight = 1 / np.maximum(size, FLOOR * largest)
        return np.where(np.isfinite(weight) & (self.voltage != 0), weight, 0.0)


@dataclass(frozen=True, eq=False)
class IvFit:
    """One kind of law, fitted."""

    kind: str
    parameters: tuple[Parameter, ...]
    keys: dict[str, Any]
    size: int
    """Parameters shared by the curves."""
    current: Callable[[Table], Floats]
    """Currents of curves, each with its own conductance."""


def fit_iv_law(curves: Curves, train: Bools, read_voltage: float) -> Outcome:
    """Return the I-V law, the best of several kinds by AIC, each curve with a conductance of its own.

    Args:
        curves: points of the curves.
        train: which devices the fit may see, `(devices,)`.
        read_voltage: at which conductances are told [V].

    """
    table, short = _table(curves)
    if not len(table.cell):
        return Refusal(LAW, f"{short} curves have fewer than {FEWEST} points with current; none is left")
    span = float(np.nanmax(np.abs(table.voltage)))
    seen = train[table.cell] if train[table.cell].any() else np.ones(len(table.cell), np.bool_)
    part = _where(table, seen)
    fits = [_linear(), _scaled("sinh", part), _scaled("cubic", part)]
    fits += [f for f in (_polynomial(part), _poole_frenkel(part, read_voltage)) if f is not None]
    scores, rests = {}, {}
    for found in fits:
        rests[found.kind] = _rest(part, found)
        scores[found.kind] = _score(rests[found.kind], found.size)
    named = {found.kind: found for found in fits}
    best = named[simplest(scores, {found.kind: found.size for found in fits})]
    if scores["linear"] - scores[best.kind] < CURVED:
        return Refusal(LAW, f"curves are straight up to {span:g} V: no other law is clearly better by AIC")
    rest = _rest(table, best)
    # Cells differ in their noise: each curve is measured by its own.
    z = rest / np.sqrt(_variances(rest))[:, None]
    middle = float(np.median(np.sqrt(_variances(rest[seen]))))
    notes = [f"relative residual {100 * middle:.3g} %, the median of the curves"]
    loop = _hysteresis(table)
    if loop > HYSTERESIS:
        notes.append(f"currents of rising and falling voltages differ by {100 * loop:.3g} %: the law is their mean")
    if short:
        notes.append(f"{short} curves with fewer than {FEWEST} points left out")
    return Fit(
        LAW,
        best.kind,
        best.parameters,
        best.keys,
        int(np.isfinite(rests[best.kind]).sum()),
        ranked(scores),
        held_out(_by_conductance(table, rest, seen)[~seen].ravel()),
        _shown(table, best, z),
        valid=_range(table, read_voltage),
        valid_voltage=(min(float(np.nanmin(table.voltage)), 0.0), max(float(np.nanmax(table.voltage)), 0.0)),
        notes=tuple(notes),
        model=best,
    )


def _table(curves: Curves) -> tuple[Table, int]:
    order = np.argsort(curves.curve, kind="stable")
    _, start, count = np.unique(curves.curve[order], return_index=True, return_counts=True)
    rank, owner = np.arange(len(order)) - np.repeat(start, count), np.repeat(np.arange(len(start)), count)
    shape = (len(start), int(count.max(initial=0)))
    voltage, current = np.full(shape, np.nan), np.full(shape, np.nan)
    voltage[owner, rank], current[owner, rank] = curves.voltage[order], curves.current[order]
    # A current against its voltage is noise of the instrument around zero.
    current = np.where(current * voltage > 0, current, np.nan)
    good = np.isfinite(current).sum(1) >= FEWEST
    short = int((~good).sum())
    kept = np.flatnonzero(good)[:: max(1, int(good.sum()) // MOST_CURVES)]
    return Table(curves.cell[order][start][kept], voltage[kept], current[kept]), short


def _where(table: Table, mask: Bools) -> Table:
    return Table(table.cell[mask], table.voltage[mask], table.current[mask])


def _rest(table: Table, found: IvFit) -> Floats:
    """Return relative residuals, NaN where nothing was measured."""
    rest = (table.current - found.current(table)) * table.weight
    return np.where(table.weight > 0, rest, np.nan)


def _variances(rest: Floats) -> Floats:
    """Return the variance of the residuals of each curve `(curves,)`, its own conductance taken off."""
    count = np.isfinite(rest).sum(axis=1)
    return np.asarray(np.maximum(np.nansum(rest**2, axis=1) / np.maximum(count - 1, 1), ROUNDING**2))


def _score(rest: Floats, size: int) -> float:
    """Return Akaike's criterion where each curve has a noise of its own."""
    count = np.isfinite(rest).sum(axis=1)
    return float((count * np.log(_variances(rest))).sum()) + 2 * size


def _by_conductance(table: Table, rest: Floats, seen: Bools) -> Floats:
    """Return residuals in standard deviations as curves of that conductance have them that the fit saw: a power law.

    Of one curve alone its own variance would be told too small or too large by what its points happen to be.
    """
    level = np.log(np.nanmedian(np.abs(table.current / np.where(table.voltage == 0, np.nan, table.voltage)), axis=1))
    log = np.log(_variances(rest))
    slope = np.ptp(level[seen]) > 0.3 and seen.sum() > FEWEST_CURVES
    design = np.column_stack([np.ones_like(level), level * slope])
    usual = design @ np.linalg.lstsq(design[seen], log[seen], rcond=None)[0]
    # The logarithm of a variance of n values lies below that of the mean variance by about 1 / n.
    usual += 1 / max(float(np.median(np.isfinite(rest).sum(axis=1))) - 1, 1.0)
    return np.asarray(rest / np.exp(usual / 2)[:, None])


def _own(table: Table, shape: Floats) -> Floats:
    """Return shape `(curves, points)` times the conductance that fits each curve best."""
    w2 = table.weight**2
    g = np.nansum(w2 * table.current * shape, axis=1) / np.nansum(w2 * shape**2, axis=1)
    return np.asarray(g[:, None] * shape)


def _linear() -> IvFit:
    return IvFit("linear", (), {}, 0, lambda table: _own(table, table.voltage))


def _scaled(kind: str, part: Table) -> IvFit:
    """Return a law in which the conductance is a factor: one parameter, by maximum likelihood."""
    span = float(np.nanmax(np.abs(part.voltage)))

    def shape(p: float, v: Floats) -> Floats:
        if kind == "cubic":
            return v * (1 + p * v**2)
        v0 = np.exp(p)
        return np.asarray(v0 * np.sinh(np.clip(v / v0, -300, 300)))

    def function(p: Floats) -> float:
        if kind == "sinh" and not -9 < p[0] - np.log(span) < 7:
            return -np.inf
        rest = np.where(
            part.weight > 0, (part.current - _own(part, shape(float(p[0]), part.voltage))) * part.weight, np.nan
        )
        return -0.5 * _score(rest, 0)

    start = float(np.log(span)) if kind == "sinh" else 0.1 / span**2
    peak = maximise(function, [start], [0.5 if kind == "sinh" else 0.3 / span**2])
    name, unit = ("v0", "V") if kind == "sinh" else ("per_square_volt", "1/V^2")
    p = profile(function, peak, [name], [unit])[0]
    value = float(peak.values[0])
    if kind == "sinh":
        p = p.exponential()
    keys: dict[str, Any] = {name: voltage_text(p.value) if kind == "sinh" else number(p.value)}
    return IvFit(kind, (p,), keys, 1, lambda table: _own(table, shape(value, table.voltage)))


def _columns(table: Table, columns: list[Floats]) -> Floats:
    """Return the weighted least-squares coefficients of each curve `(curves, columns)`."""
    w = table.weight
    a = np.stack([np.where(w > 0, c * w, 0.0) for c in columns], axis=-1)
    y = np.where(w > 0, table.current * w, 0.0)
    normal = np.einsum("cpi,cpj->cij", a, a)
    right = np.einsum("cpi,cp->ci", a, y)
    return np.asarray(
        np.linalg.solve(
            normal + 1e-12 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(len(columns)), right[..., None]
        )[..., 0]
    )


def _sum(coefficients: Floats, columns: list[Floats]) -> Floats:
    return np.asarray(np.einsum("ci,icp->cp", coefficients, np.stack(columns)))


def _polynomial(part: Table) -> IvFit | None:
    """Return g V + n2 V^2 + n3 V^3 with n2, n3 polynomials of log10 g."""
    size = np.abs(part.voltage)
    found = _columns(part, [part.voltage, part.voltage * size, part.voltage**3])
    good = found[:, 0] > 0
    if not good.any():
        return None
    log = np.log10(found[good, 0])
    degree = 0 if np.ptp(log) < 0.1 else min(2, max(len(log) // 4, 0))
    parameters, rows = list[Parameter](), []
    rest = (part.current - _sum(found, [part.voltage, part.voltage * size, part.voltage**3])) * part.weight
    clear = 1 / (np.sqrt(_variances(np.where(part.weight > 0, rest, np.nan)[good])) * found[good, 0])
    for name, column in (("square", found[good, 1]), ("cube", found[good, 2])):
        fitted, some = _trend(name, log, column, degree, clear)
        parameters += some
        rows.append([float(c) for c in fitted])
    law = PolynomialIv(tuple(rows[0]), tuple(rows[1]))
    keys = {"square": [number(c) for c in rows[0]], "cube": [number(c) for c in rows[1]]}
    return IvFit("polynomial", tuple(parameters), keys, 2 * (degree + 1), lambda table: _by_law(table, law))


def _by_law(table: Table, law: PolynomialIv) -> Floats:
    """Return currents of a law whose shape depends on g, each curve's g found by repeated scaling."""
    g = np.nanmedian(table.current / table.voltage, axis=1)
    for _ in range(12):
        shape = np.asarray(law.current(table.voltage, np.maximum(g, 1e-15)[:, None])) / np.maximum(g, 1e-15)[:, None]
        w2 = table.weight**2
        g = np.nansum(w2 * table.current * shape, axis=1) / np.maximum(np.nansum(w2 * shape**2, axis=1), 1e-300)
    return np.asarray(law.current(table.voltage, np.maximum(g, 1e-15)[:, None]))


def _poole_frenkel(part: Table, read_voltage: float) -> IvFit | None:
    """Return c V exp(b sqrt|V|) with ln c and b lines over the logarithm of the resistance at the read voltage."""
    log_c, b = _log_lines(part)
    log_r = -(log_c + b * np.sqrt(read_voltage))
    good = np.isfinite(log_r)
    if good.sum() < 3 or np.ptp(log_r[good]) < 0.1:
        return None
    (c0, c1), first = _trend("c", log_r[good], log_c[good], 1)
    (b0, b1), second = _trend("b", log_r[good] / np.log(10), b[good], 1)
    law = PooleFrenkelIv(float(c1), float(c0), float(b1), float(b0))
    keys = {"c1": number(law.c1), "c0": number(law.c0), "b1": number(law.b1), "b0": number(law.b0)}

    def current(table: Table) -> Floats:
        own_c, own_b = _log_lines(table)
        g = np.exp(own_c + own_b * np.sqrt(read_voltage))
        return np.asarray(law.current(table.voltage, g[:, None]))

    return IvFit("poole_frenkel", (*first, *second), keys, 4, current)


def _log_lines(table: Table) -> tuple[Floats, Floats]:
    """Return ln c and b of each curve: a line through ln(I / V) over sqrt|V|."""
    good = table.weight > 0
    x = np.where(good, np.sqrt(np.abs(table.voltage)), 0.0)
    y = np.where(good, np.log(np.where(good, table.current / np.where(good, table.voltage, 1.0), 1.0)), 0.0)
    n, sx, sy = good.sum(1), x.sum(1), y.sum(1)
    determinant = n * (x * x).sum(1) - sx**2
    with np.errstate(divide="ignore", invalid="ignore"):
        b = (n * (x * y).sum(1) - sx * sy) / determinant
    return (sy - b * sx) / n, b


def _trend(
    name: str, x: Floats, y: Floats, degree: int, weight: Floats | None = None
) -> tuple[Floats, list[Parameter]]:
    """Return a polynomial trend, powers from 0 on, and its coefficients with bootstrap intervals over the curves."""
    w = np.ones_like(x) if weight is None else weight / weight.mean()

    def fit(a: Floats, b: Floats, c: Floats) -> Floats:
        # Not polyfit: a resample of few curves may leave a power open, for which it warns.
        design = np.polynomial.polynomial.polyvander(a, degree) * c[:, None]
        return np.asarray(np.linalg.lstsq(design, b * c, rcond=None)[0])

    value = fit(x, y, w)
    if len(x) < degree + 3:
        return value, [Parameter(f"{name}{k}", float(v), -np.inf, np.inf) for k, v in enumerate(value)]
    found = stats.bootstrap(
        (x, y, w), fit, paired=True, vectorized=False, n_resamples=RESAMPLES, confidence_level=LEVEL,
        method="percentile", rng=np.random.default_rng(0),
    )  # fmt: skip
    low, high = found.confidence_interval
    return value, [Parameter(f"{name}{k}", float(v), float(low[k]), float(high[k])) for k, v in enumerate(value)]


def _hysteresis(table: Table) -> float:
    """Return the median relative difference between currents at rising and falling |V| of one curve."""
    found = []
    for volts, current in zip(table.voltage[:200], table.current[:200], strict=True):
        good = np.isfinite(volts) & np.isfinite(current)
        v, i = np.abs(volts[good]), current[good]
        for sign in (1, -1):
            side = np.sign(volts[good]) == sign
            rising = side & (np.gradient(v) > 0) if len(v) > 2 else side
            falling = side & ~rising
            if rising.sum() > 3 and falling.sum() > 3:
                up = np.interp(v[falling], np.sort(v[rising]), np.abs(i[rising])[np.argsort(v[rising])])
                found.append(float(np.median(np.abs(np.abs(i[falling]) / np.maximum(up, 1e-300) - 1))))
    return float(np.median(found)) if found else 0.0


def _range(table: Table, read_voltage: float) -> tuple[float, float] | None:
    nearest = np.nanargmin(
        np.where(np.isfinite(table.current), np.abs(np.abs(table.voltage) - read_voltage), np.inf), axis=1
    )
    rows = np.arange(len(nearest))
    g = table.current[rows, nearest] / table.voltage[rows, nearest]
    low, high = float(g.min()), float(g.max())
    return (low, high) if low < high else None


def _shown(table: Table, best: IvFit, z: Floats) -> Residuals:
    fitted = best.current(table)
    scale = 1 / np.nanmax(np.abs(table.current), axis=1, keepdims=True)
    names = ("voltage [V]", "current / largest of the curve")
    x, measured = table.voltage.ravel(), (table.current * scale).ravel()
    return Residuals("I-V law", *names, x, measured, (fitted * scale).ravel(), z.ravel())
