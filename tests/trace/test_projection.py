"""The projection: moved by any change of an input converter, not by rounding."""

import numpy as np
import pytest

from xbar.trace.projection import TOLERANCE, project, weights


def test_no_weight_is_small_and_all_differ() -> None:
    w = weights(4096)
    assert np.abs(w).min() >= 0.5
    assert np.abs(w).max() <= 1.0
    assert len(np.unique(w)) == 4096
    assert 1800 < (w > 0).sum() < 2300


def test_weights_do_not_depend_on_the_number_of_rows() -> None:
    assert np.array_equal(weights(10), weights(512)[:10])


def test_weights_are_the_same_for_ever() -> None:
    """Traces of today must replay tomorrow: these numbers never change."""
    assert weights(3).tolist() == [0.8419533781707287, 0.5342253176495433, 0.9247599062509835]


@pytest.mark.parametrize("rows", [16, 512])
def test_one_converter_step_is_seen_and_rounding_is_not(rows: int) -> None:
    rng = np.random.default_rng(5)
    volts = rng.uniform(-0.2, 0.2, (2, 50, rows))
    exact = volts @ weights(rows)
    assert np.abs(project(volts.astype(np.float32)) - exact).max() < 1e-6 * 0.2 * np.sqrt(rows)
    moved = volts.copy()
    moved[1, 7, rows // 2] += 0.2 / 127
    change = np.abs(project(moved).astype(np.float64) - project(volts))
    assert change[1, 7] > 2 * TOLERANCE * 0.2
    change[1, 7] = 0
    assert change.max() == 0


def test_projections_do_not_depend_on_batch_or_layout() -> None:
    rng = np.random.default_rng(6)
    volts = rng.uniform(-0.2, 0.2, (2, 30, 64)).astype(np.float32)
    whole = project(volts)
    assert whole.dtype == np.float32
    assert np.array_equal(whole[:, :7], project(np.ascontiguousarray(volts[:, :7])))
    shared = np.broadcast_to(volts[:1], (3, 30, 64))
    assert np.array_equal(project(shared), np.broadcast_to(whole[:1], (3, 30)))
