"""Drift compensation: the factors are the mean loss of conductance, and undo it."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.devices.drift import Drift
from xbar.errors import InputError
from xbar.execution.drift_compensation import gains, total_currents
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
        found = gains(before, total_currents(bench, digits_map), "global")
    law = digits_map.card.drift
    assert isinstance(law, Drift)
    normals = np.random.default_rng(0).standard_normal((200, 1))
    for matrix, factor in zip(digits_map.matrices, found, strict=True):
        targets = matrix.targets.ravel()[None]
        mean = np.asarray(law.factor(law.exponents(targets, normals), MONTH)).mean(axis=0)
        expected = targets.sum() / (targets[0] * mean).sum()
        # Cells of one chip differ: the matrices have hundreds of them, exponents spread by a third.
        assert factor.shape == matrix.scale.shape
        assert factor == pytest.approx(expected, rel=0.04)
        assert factor.min() > 1.5


def test_what_carries_no_current_keeps_its_products() -> None:
    """A matrix that nothing came back from keeps its size; so does one that never carried a current."""
    for before, after in ((2.0, 1.0), (0.0, 1.0), (1.0, 0.0), (1.0, -1.0)):
        for way in ("global", "column"):
            found = gains([np.full((1, 2), before)], [np.full((1, 2), after)], way)
            assert found[0].tolist() == [[2.0, 2.0] if (before, after) == (2.0, 1.0) else [1.0, 1.0]]


def test_each_output_has_a_factor_of_its_own() -> None:
    """By column, outputs that lost more get more; one too weak to tell takes the factor of its matrix."""
    before, after = [np.array([[4.0, 2.0, 0.01]])], [np.array([[1.0, 1.0, 0.0001]])]
    assert gains(before, after, "column")[0] == pytest.approx(np.array([[4.0, 2.0, 6.01 / 2.0001]]))
    assert gains(before, after, "global")[0] == pytest.approx(np.full((1, 3), 6.01 / 2.0001))


def test_accuracy_comes_back(digits_map: MappedNetwork, digits: dict[str, NDArray[Any]]) -> None:
    """After a month the compensated outputs have the size of the digital ones, the plain ones half of it."""
    name = digits_map.network.outputs[0]
    sizes = {}
    for way in ("none", "global", "column"):
        result = xbar.run_network(digits_map, digits["x"], at=MONTH, only=("drift",), compensate=way)
        want = result.digital_outputs[name]
        sizes[way] = float((result.outputs[name] * want).sum() / np.square(want).sum())
    assert sizes["none"] < 0.75
    assert sizes["global"] == pytest.approx(1.0, abs=0.1)
    assert sizes["column"] == pytest.approx(1.0, abs=0.1)


def test_by_column_is_nearer_where_columns_differ(digits_map: MappedNetwork, digits: dict[str, NDArray[Any]]) -> None:
    """Outputs lose differently, by the conductances on their bit lines: a factor for each leaves less error."""
    snr = {}
    for way in ("global", "column"):
        result = xbar.run_network(digits_map, digits["x"], at=MONTH, only=("drift",), compensate=way)
        snr[way] = [layer.snr_db for layer in result.layers]
    assert all(column > whole for column, whole in zip(snr["column"], snr["global"], strict=True))


def test_a_way_that_does_not_exist() -> None:
    with pytest.raises(InputError, match="'row' is not known; choose none, global, column"):
        xbar.RunSettings(compensate="row")


def test_the_report_tells_before_and_after(digits_map: MappedNetwork, digits: dict[str, NDArray[Any]]) -> None:
    """What each layer would be without is told from the same readings, and equals a run without; factors are told."""
    how: dict[str, Any] = {"at": MONTH, "only": ("drift", "dac", "adc")}
    plain = xbar.run_network(digits_map, digits["x"][:30], **how)
    made_up = xbar.run_network(digits_map, digits["x"][:30], compensate="column", **how)
    assert [layer.bare_snr_db for layer in plain.layers] == [None, None]
    first = made_up.layers[0]
    assert first.bare_snr_db == pytest.approx(plain.layers[0].snr_db, abs=0.05)
    assert made_up.layers[1].bare_snr_db is not None
    assert all(layer.snr_db > (layer.bare_snr_db or 0.0) + 6 for layer in made_up.layers)
    assert plain.compensated == ()
    for layer in made_up.compensated:
        assert 1 < layer.least < layer.mean < layer.largest < 3
    assert "bare_snr_db" in made_up.to_dict()["layers"][0]
