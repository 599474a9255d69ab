"""Converters by column: gain and offset of each bit line, from products beside the readings of single cells."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from scipy import stats

from xbar_calibration.fit import LEVEL, Bools, Floats, HeldOut, held_out
from xbar_calibration.observations import Products

FEWEST: Final = 10
"""Vectors beyond the word lines that a fit needs."""
HOLD_OUT: Final = 0.3
"""Share of the vectors that is predicted by a fit to the rest; the numbers are of all."""
IDEAL: Final = 0.01
"""False-alarm level of the test whether gains differ from 1, and offsets from 0."""


@dataclass(frozen=True, eq=False)
class ConverterColumns:
    """One row a bit line; `(n,)` each."""

    array: Floats
    column: Floats
    gain: Floats
    """Current of a product over what the single cells say; 1 is right."""
    gain_error: Floats
    """Half of the 95 % interval."""
    offset: Floats
    """[A]."""
    offset_error: Floats
    noise: Floats
    """Standard deviation of an output about the fit [A]."""
    unseen: HeldOut | None = None
    """Outputs that a fit to the other vectors predicts, all bit lines together."""

    def notes(self) -> list[str]:
        """Return whether gains and offsets are told from ideal ones, and how unseen outputs were predicted."""
        found = list[str]()
        for name, off, error in (
            ("gains", self.gain - 1, self.gain_error),
            ("offsets", self.offset, self.offset_error),
        ):
            z = off / np.maximum(error, 1e-300) * float(stats.norm.ppf((1 + LEVEL) / 2))
            if stats.chi2.sf(float(z @ z), len(z)) > IDEAL:
                found.append(
                    f"{name} of converters differ from {'1' if name == 'gains' else '0'} by no more than errors"
                )
        if self.unseen is not None:
            u = self.unseen
            found.append(f"held-out products: spread {u.spread:.3f} ({u.low:.3f} to {u.high:.3f}), {u.points} outputs")
        return found

    def table(self) -> tuple[str, list[str], list[list[str]]]:
        """Return what to print of at most 32 bit lines."""
        rows = [
            [
                f"{self.array[k]:g}",
                f"{self.column[k]:g}",
                f"{self.gain[k]:.5f} ± {self.gain_error[k]:.5f}",
                f"{self.offset[k] * 1e9:.4g} ± {self.offset_error[k] * 1e9:.2g} nA",
                f"{self.noise[k] * 1e9:.4g} nA",
            ]
            for k in range(min(len(self.gain), 32))
        ]
        return "converters by column", ["array", "bit line", "gain", "offset", "noise"], rows

    def to_json(self) -> list[dict[str, Any]]:
        """Return all as JSON values."""
        names = ("array", "column", "gain", "gain_error", "offset", "offset_error", "noise")
        return [{name: float(getattr(self, name)[k]) for name in names} for k in range(len(self.gain))]


def fit_converter_columns(products: Sequence[Products]) -> tuple[ConverterColumns | None, str]:
    """Return gains and offsets, or None and why.

    Where there are more vectors than word lines, least squares of the currents over the voltages gives the
    conductances that a column sees and its offset; the gain is their sum over that of the cells as read alone. With
    fewer vectors the currents are fitted over those that the cells predict. The error of a gain has that of the
    conductances in it.
    """
    unseen = list[Floats]()
    parts, why = list[Floats](), "no products whose inputs were kept (record='full')"
    for product in products:
        usable = np.isfinite(product.conductances).all(axis=0)
        rows = np.flatnonzero(np.abs(product.voltages).max(axis=0) > 0)
        if not usable.any():
            why = "the cells of the products were not read alone: read all of them before or after"
            continue
        if len(product.voltages) < FEWEST:
            why = f"{len(product.voltages)} vectors; {FEWEST} are needed"
            continue
        volts, g = product.voltages[:, rows], product.conductances[rows]
        solve = _by_cells if len(volts) >= len(rows) + FEWEST else _by_prediction
        mine = np.random.default_rng(0).random(len(volts)) >= HOLD_OUT
        for column in np.flatnonzero(usable):
            own = (g[:, column], product.errors[rows, column])
            found = solve(volts, product.currents[:, column], *own)
            parts.append(np.array([product.array, column, *found]))
            design = volts if int(mine.sum()) >= len(rows) + FEWEST else (volts @ g[:, column])[:, None]
            unseen.append(_predicted(design, product.currents[:, column], mine))
    if not parts:
        return None, why
    return replace(ConverterColumns(*np.array(parts).T), unseen=held_out(np.concatenate(unseen))), ""


def _predicted(columns: Floats, currents: Floats, mine: Bools) -> Floats:
    """Return what outputs differ by from a fit to the others, in standard deviations."""
    design = np.column_stack([columns, np.ones(len(columns))])
    found, _, _, _ = np.linalg.lstsq(design[mine], currents[mine], rcond=None)
    rest = currents - design @ found
    noise = np.sqrt((rest[mine] ** 2).sum() / max(int(mine.sum()) - design.shape[1], 1))
    inverse = np.linalg.pinv(design[mine].T @ design[mine])
    leverage = np.einsum("ij,jk,ik->i", design[~mine], inverse, design[~mine])
    return np.asarray(rest[~mine] / np.maximum(noise * np.sqrt(1 + leverage), 1e-300))


def _by_cells(volts: Floats, currents: Floats, g: Floats, error: Floats) -> tuple[float, ...]:
    design = np.column_stack([volts, np.ones(len(volts))])
    found, _, _, _ = np.linalg.lstsq(design, currents, rcond=None)
    rest = currents - design @ found
    dof = max(len(currents) - design.shape[1], 1)
    variance = float(rest @ rest) / dof
    covariance = np.linalg.pinv(design.T @ design) * variance
    total = float(g.sum())
    reach = float(stats.t.ppf((1 + LEVEL) / 2, dof))
    gain_error = float(np.sqrt(max(covariance[:-1, :-1].sum(), 0.0))) / total
    offset_error = float(np.sqrt(covariance[-1, -1]))
    gain = float(found[:-1].sum()) / total
    gain_error = float(np.hypot(gain_error, gain * np.sqrt(error @ error) / total))
    return gain, reach * gain_error, float(found[-1]), reach * offset_error, float(np.sqrt(variance))


def _by_prediction(volts: Floats, currents: Floats, g: Floats, error: Floats) -> tuple[float, ...]:
    found = stats.linregress(volts @ g, currents)
    rest = currents - found.slope * (volts @ g) - found.intercept
    dof = len(currents) - 2
    reach = float(stats.t.ppf((1 + LEVEL) / 2, dof))
    noise = float(np.sqrt(rest @ rest / dof))
    own = float(np.sqrt((g * error) @ (g * error)) / (g @ g))
    gain_error = reach * float(np.hypot(found.stderr, found.slope * own))
    return found.slope, gain_error, found.intercept, reach * found.intercept_stderr, noise
