"""What programming on the error of products came to: errors before and after, pulses, time on the bench."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.units import show

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def decibels(ratio: float) -> float | None:
    """Return a ratio of amplitudes in dB, None for one that is not above zero or not finite."""
    return 20 * math.log10(ratio) if 0 < ratio < math.inf else None


@dataclass(frozen=True, eq=False)
class ProductReport:
    """Cells of one array; every array is `(rows, cols)`."""

    target: Floats
    """What was asked for [S]; NaN where a cell was left as it is."""
    conductance: Floats
    """What the products say of each cell in the end [S]; NaN where a cell had no target."""
    reached: Bools
    """Within the tolerance of its target, or of what makes up for others, as far as the noise lets one tell."""
    given_up: Bools
    """Moved as often as the rules allow, and still off: others make up for them where the inputs allow it."""
    writes: NDArray[np.int64]
    """Pulses, or one-shot writes, that each cell took."""
    error_before: float
    """Root mean square of the error of products, relative to that of the wanted ones, of vectors that nothing was
    fitted to."""
    error_after: float
    """The same in the end."""
    noise: float
    """The part of it that is noise of a single product, ADC included."""
    errors: tuple[float, ...]
    """The error of each round, of the vectors that are fitted."""
    vectors: int
    """Input vectors that were driven."""
    seconds: float
    """Time on the bench [s]."""

    @property
    def asked(self) -> Bools:
        """Get which cells had a target."""
        return ~np.isnan(self.target)

    @property
    def success(self) -> float:
        """Get the share of cells with a target that reached it, the yield; NaN where no cell had one."""
        asked = int(self.asked.sum())
        return float(self.reached.sum() / asked) if asked else float("nan")

    @property
    def rms_error(self) -> float:
        """Get the root mean square of the error of cells that reached their target [S]; NaN where none did."""
        errors = (self.conductance - self.target)[self.reached]
        return float(np.sqrt(np.mean(errors**2))) if errors.size else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Return the statistics as JSON values; None for what cannot be told."""
        asked = int(self.asked.sum())
        writes = self.writes[self.asked]
        return {
            "cells": asked,
            "reached": int(self.reached.sum()),
            "yield": self.success if asked else None,
            "given_up": int(self.given_up.sum()),
            "pulses": int(writes.sum()),
            "pulses_per_cell": float(writes.mean()) if asked else None,
            "pulses_max": int(writes.max(initial=0)),
            "rounds": len(self.errors),
            "vectors": self.vectors,
            "rms_error_S": self.rms_error if self.reached.any() else None,
            "error_before_dB": decibels(self.error_before),
            "error_after_dB": decibels(self.error_after),
            "noise_dB": decibels(self.noise),
            "bench_s": self.seconds,
        }

    def __str__(self) -> str:
        """Return the statistics in two lines."""
        found = self.to_dict()
        share = "no cell had a target" if found["yield"] is None else f"{100 * found['yield']:.2f} % reached"

        def level(name: str) -> str:
            return "n/a" if found[name] is None else f"{found[name]:.1f} dB"

        errors = f"error of products {level('error_before_dB')} before, {level('error_after_dB')} after"
        effort = f"{found['pulses']} writes, {self.vectors} vectors in {len(self.errors)} rounds"
        return (
            f"{found['reached']} of {found['cells']} cells: {share}; {errors} (noise {level('noise_dB')})\n"
            f"{effort}, {show(self.seconds, 's')} on the bench"
        )
