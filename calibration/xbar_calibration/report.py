"""What a calibration found, as tables for people, as JSON, and as panels of a figure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xbar.units import show
from xbar_calibration.calibrate import Calibration
from xbar_calibration.fit import Fit, Parameter, Residuals

Rows = list[list[str]]
Shown = tuple[str, list[str], Rows]
"""Title, names of the columns, rows."""
MOST_STUCK = 1000
"""Stuck cells that are listed."""


@dataclass(frozen=True, eq=False)
class Report:
    """A calibration and the card that came of it."""

    found: Calibration
    card: str
    """Text of the card file."""

    @property
    def panels(self) -> Sequence[Residuals]:
        """Get the residuals of every law, for a figure."""
        return [fit.residuals for fit in self.found.fits if fit.residuals is not None]

    def tables(self) -> list[Shown]:
        """Return what to print: parameters, laws, refusals, converters."""
        fits = self.found.fits
        parameters = [[fit.law, p.name, _value(p, p.value), _interval(p)] for fit in fits for p in fit.parameters[:24]]
        laws = [[fit.law, fit.kind, str(fit.points), _rivals(fit), _unseen(fit)] for fit in fits]
        shown: list[Shown] = [
            ("laws", ["law", "kind", "values", "rivals (AIC above the best)", "held-out spread (95 % if right)"], laws),
            ("parameters", ["law", "parameter", "value", "95 % interval"], parameters),
        ]
        refused = [[refusal.law, refusal.reason] for refusal in self.found.refusals]
        if refused:
            shown.append(("not fitted", ["law", "why"], refused))
        notes = [[fit.law, note] for fit in fits for note in fit.notes] + [["data", note] for note in self.found.notes]
        if self.found.observed.dropped:
            notes.append(
                ["data", f"{self.found.observed.dropped} readings in compliance, out of range or missing left out"]
            )
        if notes:
            shown.append(("notes", ["about", "note"], notes))
        if self.found.columns is not None:
            shown.append(self.found.columns.table())
        return shown

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        observed, found = self.found.observed, self.found
        return {
            "data": list(observed.names),
            "sha256": observed.sha256,
            "date": observed.date,
            "g_min": found.g_min,
            "g_max": found.g_max,
            "read_voltage": found.read_voltage,
            "dropped": observed.dropped,
            "laws": [_law(fit) for fit in found.fits],
            "refused": {refusal.law: refusal.reason for refusal in found.refusals},
            "stuck": self._stuck(),
            "columns": None if found.columns is None else found.columns.to_json(),
            "notes": list(found.notes),
        }

    def _stuck(self) -> list[dict[str, Any]]:
        return [
            {"array": array, "row": row, "col": col, "state": state}
            for array, row, col, state in self.found.stuck[:MOST_STUCK]
        ]


def _law(fit: Fit) -> dict[str, Any]:
    held = fit.held_out
    return {
        "law": fit.law,
        "kind": fit.kind,
        "points": fit.points,
        "parameters": [
            {"name": p.name, "value": p.value, "low": p.low, "high": p.high, "unit": p.unit} for p in fit.parameters
        ],
        "rivals": [{"kind": kind, "aic_above_best": score} for kind, score in fit.rivals],
        "held_out": None
        if held is None
        else {"points": held.points, "spread": held.spread, "low": held.low, "high": held.high, "agrees": held.agrees},
        "valid": None if fit.valid is None else list(fit.valid),
        "valid_time": None if fit.valid_time is None else list(fit.valid_time),
        "valid_voltage": None if fit.valid_voltage is None else list(fit.valid_voltage),
        "valid_temperature": None if fit.valid_temperature is None else list(fit.valid_temperature),
        "notes": list(fit.notes),
    }


def _value(p: Parameter, value: float) -> str:
    if not math.isfinite(value):
        return "open"
    return show(value, p.unit, 4) if p.unit else f"{value:.4g}"


def _interval(p: Parameter) -> str:
    return f"{_value(p, p.low)} to {_value(p, p.high)}"


def _rivals(fit: Fit) -> str:
    return ", ".join(f"{kind} {score:.1f}" for kind, score in fit.rivals[1:4])


def _unseen(fit: Fit) -> str:
    held = fit.held_out
    if held is None:
        return "too few cells held out"
    verdict = (
        "" if held.agrees else ": less than the law says" if held.spread < held.low else ": more than the law says"
    )
    return f"{held.spread:.3f} ({held.low:.3f} to {held.high:.3f}), {held.points} values{verdict}"
