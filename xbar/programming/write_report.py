"""What programming by pulses came to: cells reached, pulses, errors, time on the bench."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.units import show

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class WriteReport:
    """Cells of one array; every array is `(rows, cols)`."""

    target: Floats
    """What was asked for [S]; NaN where a cell was left as it is."""
    conductance: Floats
    """Last reading of each cell [S]; NaN where none."""
    reached: Bools
    """Inside the band, confirmed, and still there when the last cell was done."""
    pulses: Ints
    """Pulses that each cell took."""
    turns: Ints
    """Changes of the polarity of each cell."""
    readings: int
    """Readings of single cells, averaged ones counted each."""
    seconds: float
    """Time on the bench from the first reading to the last [s]."""

    @property
    def asked(self) -> Bools:
        """Get which cells had a target."""
        return ~np.isnan(self.target)

    @property
    def given_up(self) -> Bools:
        """Get which cells had a target and did not reach it."""
        return self.asked & ~self.reached

    @property
    def success(self) -> float:
        """Get the share of cells with a target that reached it, the yield; NaN where no cell had one."""
        asked = int(self.asked.sum())
        return float(self.reached.sum() / asked) if asked else float("nan")

    @property
    def error(self) -> Floats:
        """Get the last reading minus the target [S]; NaN where a cell had none."""
        return self.conductance - self.target

    @property
    def rms_error(self) -> float:
        """Get the root mean square of the error of cells that reached their target [S]; NaN where none did."""
        errors = self.error[self.reached]
        return float(np.sqrt(np.mean(errors**2))) if errors.size else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Return the statistics as JSON values; None for what cannot be told."""
        pulses = self.pulses[self.asked]
        reached = self.pulses[self.reached]

        def number(value: float) -> float | None:
            return float(value) if np.isfinite(value) else None

        return {
            "cells": int(self.asked.sum()),
            "reached": int(self.reached.sum()),
            "yield": number(self.success),
            "pulses": int(pulses.sum()),
            "pulses_per_cell": number(pulses.mean() if pulses.size else np.nan),
            "pulses_per_reached_cell_median": number(np.median(reached) if reached.size else np.nan),
            "pulses_max": int(pulses.max(initial=0)),
            "turns": int(self.turns.sum()),
            "readings": self.readings,
            "rms_error_S": number(self.rms_error),
            "bench_s": self.seconds,
        }

    def __str__(self) -> str:
        """Return the statistics in two lines."""
        found = self.to_dict()
        share = "no cell had a target" if found["yield"] is None else f"{100 * found['yield']:.2f} % reached"
        error = "" if found["rms_error_S"] is None else f", rms error {show(found['rms_error_S'], 'S')}"
        per_cell = "" if found["pulses_per_cell"] is None else f" ({found['pulses_per_cell']:.1f} a cell)"
        time = f"{found['readings']} readings, {show(found['bench_s'], 's')} on the bench"
        return (
            f"{found['reached']} of {found['cells']} cells: {share}{error}\n{found['pulses']} pulses{per_cell}, {time}"
        )
