"""Drift compensation: digital factors from a constant input, read right after programming and when the network runs.

All word lines of a matrix's tiles are driven at the read voltage and the bit-line currents summed. The ratio of then
and now makes up for the mean loss of conductance: of a whole matrix, or of each output by itself. Bit lines that are
subtracted from each other as a pair have one factor; those that stand alone, reference lines too, have their own.
Source: V. Joshi et al., Nat. Commun. 11, 2473 (2020), doi 10.1038/s41467-020-16108-9, "global drift compensation".
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xbar.bench.bench import Bench
from xbar.bench.settings import VectorConfig
from xbar.mapping.encoding import Encoding
from xbar.mapping.mapped_network import MappedMatrix, MappedNetwork

Floats = NDArray[np.float64]

WAYS: Final = ("none", "global", "column")
"""Nothing is made up for; one factor for each matrix; one for each group of bit lines of each tile."""

VECTORS = 32
"""Readings that are averaged."""

LEAST = 0.02
"""Least current of a group, relative to the largest of its matrix, that a factor of its own is taken from."""

ROOM = 1.5
"""Output range above the sum of the target currents: programming error must not run into the converter's end."""


@dataclass(frozen=True)
class Compensated:
    """Factors of drift compensation of one layer, over its tiles and groups of bit lines."""

    name: str
    least: float
    mean: float
    largest: float

    @classmethod
    def of(cls, name: str, factors: Floats) -> "Compensated":
        """Return what the factors `(tiles, groups)` of a layer come to."""
        return cls(name, float(factors.min()), float(factors.mean()), float(factors.max()))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)


def total_currents(bench: Bench, mapped: MappedNetwork) -> list[Floats]:
    """Return the current of every group of bit lines at a constant input, `(tiles, groups)` for each matrix [A]."""
    return [_totals(bench, mapped.encoding, matrix, mapped.card.read_voltage) for matrix in mapped.matrices]


def _totals(bench: Bench, encoding: Encoding, matrix: MappedMatrix, voltage: float) -> Floats:
    totals = []
    for array, targets in zip(matrix.arrays, matrix.targets, strict=True):
        volts = np.full((1, VECTORS, targets.shape[0]), voltage, np.float32)
        largest = np.maximum(targets.sum(axis=0) * voltage, targets.max(initial=0.0) * voltage)
        ranges = np.minimum(largest * ROOM, bench[array].capabilities.current_max)
        ranges = np.maximum(ranges, 1e-3 * ranges.max())
        readings = bench.mvm((array,), volts, VectorConfig(voltage, ranges[None], targets.shape[1]))
        totals.append(encoding.totals(readings.current[0].mean(axis=0)))
    return np.stack(totals)


def gains(fresh: Sequence[Floats], now: Sequence[Floats], way: str) -> list[Floats]:
    """Return what the groups of bit lines of each matrix are multiplied with `(tiles, groups)`.

    Args:
        fresh: summed currents right after programming, from `total_currents`.
        now: the same now.
        way: "global", one factor for a matrix, or "column", one for each group of each tile. What carries no current
            takes 1, and a group whose current is too small to tell takes that of its matrix.

    """
    found = []
    for before, after in zip(fresh, now, strict=True):
        whole = float(_ratio(before.sum(keepdims=True), after.sum(keepdims=True)).max())
        each = _ratio(before, after) if way == "column" else np.ones_like(before)
        tell = before > LEAST * float(before.max(initial=0.0))
        found.append(np.where(tell, each, whole) if way == "column" else np.full_like(before, whole))
    return found


def _ratio(before: Floats, after: Floats) -> Floats:
    good = (before > 0) & (after > 0)
    return np.where(good, before / np.where(good, after, 1.0), 1.0)
