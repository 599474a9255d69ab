"""Clipping by quantile, and bare weights: what is cut is counted, what cannot be mapped is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

import xbar
from xbar.errors import InputError
from xbar.mapping.differential_pair import DifferentialPair

tiles_of_weights = arrays(np.float64, (2, 12, 3), elements=st.floats(-100, 100, allow_subnormal=False))


@given(tiles_of_weights, st.floats(0.05, 1.0))
def test_only_what_is_counted_is_changed(weights: NDArray[np.float64], keep: float) -> None:
    """Weights come back to 1e-12 of their column's range, but for the clipped ones, which end at the range."""
    pair = DifferentialPair(1e-6, 25e-6)
    coded = pair.encode(weights, keep)
    back = pair.layout(3).decode(coded.targets, coded.scale)
    largest = (coded.scale * 24e-6)[:, None, :]
    cut = np.abs(weights) > largest * (1 + 1e-12)
    assert coded.clipped == cut.sum()
    close = np.abs(back - np.clip(weights, -largest, largest)) <= 1e-12 * largest
    assert close.all()
    assert ((coded.targets >= 1e-6) & (coded.targets <= 25e-6)).all()


def test_a_column_of_mostly_zeros_keeps_its_weights() -> None:
    """Its quantile is 0, which is no range: the largest weight takes the range, and nothing is clipped."""
    weights = np.zeros((1, 20, 2))
    weights[0, 3, 0], weights[0, 4, 1] = 0.01, -5.0
    pair = DifferentialPair(0.0, 25e-6)
    coded = pair.encode(weights, keep=0.9)
    assert coded.clipped == 0
    assert coded.targets.max(axis=(0, 1)).tolist() == pytest.approx([25e-6, 0, 0, 25e-6])
    np.testing.assert_allclose(pair.layout(2).decode(coded.targets, coded.scale), weights, atol=1e-12)


@pytest.mark.parametrize("keep", [0.0, -0.5, 1.01, float("nan")])
def test_a_quantile_that_cannot_be_meant(keep: float) -> None:
    with pytest.raises(InputError, match="quantile"):
        DifferentialPair(0.0, 1e-5).encode(np.ones((1, 2, 2)), keep)


@pytest.mark.parametrize(
    ("weights", "word"),
    [
        (np.zeros(3), "matrix"),
        (np.zeros((0, 3)), "matrix"),
        (np.zeros((2, 2), complex), "complex128"),
        (np.array([[1.0, np.nan]]), "1 of 2"),
        (np.array([[1.0, 1e300]]), "1 of 2"),
    ],
)
def test_bare_weights_that_cannot_be_mapped(weights: NDArray[np.float64], word: str) -> None:
    """A number that float32 does not hold counts as infinite."""
    with pytest.raises(InputError, match=word):
        xbar.network_of(weights)


def test_bare_weights_of_whole_numbers() -> None:
    """Integers are weights too; a column of zeros answers zeros."""
    weights = np.array([[3, 0], [-2, 0], [1, 0]])
    mapped = xbar.map_network(xbar.network_of(weights), xbar.load_card("ideal"))
    x = np.array([[1.0, 2.0, -3.0], [0.0, 0.0, 0.0]], np.float32)
    outputs = xbar.run_network(mapped, x, only=()).outputs["y"]
    np.testing.assert_allclose(outputs, x @ weights, atol=5e-4)
    assert not outputs[:, 1].any()


def test_a_weight_far_beyond_a_tiny_range_is_clipped() -> None:
    """The quantile of the column is the smallest normal number: the one large weight ends at the range."""
    weights = np.full((1, 12, 1), np.finfo(np.float64).tiny)
    weights[0, 0, 0] = 4.0
    coded = DifferentialPair(1e-6, 25e-6).encode(weights, keep=0.5)
    assert coded.clipped == 1
    assert (coded.targets[0, :, 0] == 25e-6).all()
