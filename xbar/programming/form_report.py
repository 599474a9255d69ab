"""What forming came to: cells formed, their voltages, pulses, time on the bench."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.units import show

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FormReport:
    """Cells of one array; every array is `(rows, cols)`."""

    asked: NDArray[np.bool_]
    """Cells that were to be formed."""
    formed_at: Floats
    """Amplitude after which a cell conducted [V], without sign; 0 V where it did before; NaN where it never did."""
    conductance: Floats
    """Last check reading of each cell [S]; NaN where none."""
    pulses: NDArray[np.int64]
    """Pulses, or sweeps, that each cell took."""
    readings: int
    """Check readings of single cells, averaged ones counted each."""
    seconds: float
    """Time on the bench from the first reading to the last [s]."""

    @property
    def formed(self) -> NDArray[np.bool_]:
        """Get which cells conduct now, those that did before among them."""
        return self.asked & ~np.isnan(self.formed_at)

    @property
    def given_up(self) -> NDArray[np.bool_]:
        """Get which cells were to be formed and are not."""
        return self.asked & np.isnan(self.formed_at)

    @property
    def success(self) -> float:
        """Get the share of the cells asked for that are formed, the yield; NaN where none was asked for."""
        asked = int(self.asked.sum())
        return float(self.formed.sum() / asked) if asked else float("nan")

    @property
    def voltages(self) -> Floats:
        """Get the forming voltages of the cells that were formed now [V], ascending."""
        return np.sort(self.formed_at[self.formed_at > 0])

    def to_dict(self) -> dict[str, Any]:
        """Return the statistics as JSON values; None for what cannot be told."""
        volts, conductance = self.voltages, self.conductance[self.formed]
        names = ("forming_voltage_min_V", "forming_voltage_median_V", "forming_voltage_max_V")
        quantiles = np.quantile(volts, [0, 0.5, 1]).tolist() if volts.size else [None] * 3
        asked = int(self.asked.sum())
        return {
            "cells": asked,
            "reached": int(self.formed.sum()),
            "yield": self.success if asked else None,
            "formed_before": int((self.formed_at == 0).sum()),
            **dict(zip(names, quantiles, strict=True)),
            "conductance_mean_S": float(conductance.mean()) if conductance.size else None,
            "pulses": int(self.pulses.sum()),
            "pulses_per_cell": float(self.pulses.sum() / asked) if asked else None,
            "pulses_max": int(self.pulses.max(initial=0)),
            "readings": self.readings,
            "bench_s": self.seconds,
        }

    def __str__(self) -> str:
        """Return the statistics in two lines."""
        found = self.to_dict()
        share = "no cell was asked for" if found["yield"] is None else f"{100 * found['yield']:.2f} % formed"
        before = f", {found['formed_before']} of them before" if found["formed_before"] else ""
        volts = self.voltages
        range_ = "" if not volts.size else f", at {show(float(volts[0]), 'V')} to {show(float(volts[-1]), 'V')}"
        time = f"{found['readings']} readings, {show(self.seconds, 's')} on the bench"
        return (
            f"{found['reached']} of {found['cells']} cells: {share}{before}{range_}\n{found['pulses']} pulses, {time}"
        )
