"""Drift compensation: the factor is the mean loss of conductance, and undoes it."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.devices.drift import Drift
from xbar.execution.drift_compensation import factors, total_currents
from xbar.execution.placement import program
from xbar.mapping.mapped_network import MappedNetwork

MONTH = 30 * 86400.0


def test_the_factor_is_the_mean_drift(digits_map: MappedNetwork) -> None:
    """Summed currents fall by the law's mean factor over the cells of a matrix, weighted by their targets."""
    rows, cols = digits_map.tile
    sim: dict[str, Any] = {"card": digits_map.card, "arrays": digits_map.arrays, "rows": rows, "cols": cols}
    with xbar.open_bench("sim", only=("drift",), **sim) as bench:
        program(bench, digits_map)
        before = total_currents(bench, digits_map)
        bench.wait(MONTH)
        found = factors(before, total_currents(bench, digits_map))
    law = digits_map.card.drift
    assert isinstance(law, Drift)
    normals = np.random.default_rng(0).standard_normal((200, 1))
    for matrix, factor in zip(digits_map.matrices, found, strict=True):
        targets = matrix.targets.ravel()[None]
        mean = np.asarray(law.factor(law.exponents(targets, normals), MONTH)).mean(axis=0)
        expected = targets.sum() / (targets[0] * mean).sum()
        # Cells of one chip differ: the matrices have hundreds of them, exponents spread by a third.
        assert factor == pytest.approx(expected, rel=0.04)
        assert factor > 1.5


def test_a_matrix_without_current_keeps_its_products() -> None:
    before, after = np.array([2.0, 0.0, 1.0, 1.0]), np.array([1.0, 1.0, 0.0, -1.0])
    assert factors(before, after).tolist() == [2.0, 1.0, 1.0, 1.0]


def test_accuracy_comes_back(digits_map: MappedNetwork, digits: dict[str, NDArray[Any]]) -> None:
    """After a month the compensated outputs have the size of the digital ones, the plain ones half of it."""
    name = digits_map.network.outputs[0]
    sizes = {}
    for compensate in (False, True):
        result = xbar.run_network(digits_map, digits["x"], at=MONTH, only=("drift",), compensate_drift=compensate)
        want = result.digital_outputs[name]
        sizes[compensate] = float((result.outputs[name] * want).sum() / np.square(want).sum())
    assert sizes[False] < 0.75
    assert sizes[True] == pytest.approx(1.0, abs=0.1)
