"""Global drift compensation: one digital factor for each matrix, from a constant input read before and after.

All word lines of a matrix's tiles are driven at the read voltage and the bit-line currents summed: once right after
programming, once when the network is to run. Their ratio makes up for the mean loss of conductance.
Source: V. Joshi et al., Nat. Commun. 11, 2473 (2020), doi 10.1038/s41467-020-16108-9, "global drift compensation".
"""

import numpy as np
from numpy.typing import NDArray

from xbar.bench.bench import Bench
from xbar.bench.settings import VectorConfig
from xbar.mapping.mapped_network import MappedMatrix, MappedNetwork

VECTORS = 32
"""Readings that are averaged."""

ROOM = 1.5
"""Output range above the sum of the target currents: programming error must not run into the converter's end."""


def total_currents(bench: Bench, mapped: MappedNetwork) -> NDArray[np.float64]:
    """Return the summed bit-line current of every matrix at a constant input (matrices,) [A]."""
    return np.array([_total(bench, matrix, mapped.card.read_voltage) for matrix in mapped.matrices])


def _total(bench: Bench, matrix: MappedMatrix, voltage: float) -> float:
    total = 0.0
    for array, targets in zip(matrix.arrays, matrix.targets, strict=True):
        volts = np.full((1, VECTORS, targets.shape[0]), voltage, np.float32)
        largest = np.maximum(targets.sum(axis=0) * voltage, targets.max(initial=0.0) * voltage)
        ranges = np.minimum(largest * ROOM, bench[array].capabilities.current_max)
        ranges = np.maximum(ranges, 1e-3 * ranges.max())
        readings = bench.mvm((array,), volts, VectorConfig(voltage, ranges[None], targets.shape[1]))
        total += float(readings.current.mean(axis=1).sum())
    return total


def factors(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what products of each matrix are multiplied with (matrices,); 1 where a matrix carries no current."""
    good = (before > 0) & (after > 0)
    return np.where(good, before / np.where(good, after, 1.0), 1.0)
