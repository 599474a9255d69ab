"""Binary grids: the bound that makes products exact, and grids that keep values on average."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from xbar.array.exact_grid import SQUARES_LIMIT, VARIANCE_BITS, grid_step, mean_bits, snap, snap_variance
from xbar.errors import InputError

TABLE = [
    (1, 128, 46),
    (4, 128, 43),
    (8, 128, 39),
    (8, 512, 37),
    (8, 1024, 36),
    (12, 512, 33),
    (16, 512, 29),
    (16, 1024, 28),
    (20, 256, 26),
    (24, 512, 21),
]
"""DAC bits, rows, and bits that are left for conductances."""


def largest_code(bits: int) -> int:
    return max(1, (1 << (bits - 1)) - 1)


@pytest.mark.parametrize(("dac_bits", "rows", "bits"), TABLE)
def test_bits_of_the_conductances_follow_the_table(dac_bits: int, rows: int, bits: int) -> None:
    assert mean_bits(largest_code(dac_bits), rows) == bits


@given(st.integers(1, 32767), st.integers(1, 8192))
def test_the_bound_holds_and_is_tight(largest: int, rows: int) -> None:
    """C x rows x 2**p <= 2**53, in whole numbers, and one bit more would pass it (or p is at its own limit)."""
    bits = mean_bits(largest, rows)
    assert largest * rows * 2**bits <= 2**53
    assert bits == 52 or largest * rows * 2 ** (bits + 1) > 2**53


def test_too_few_bits_are_refused() -> None:
    with pytest.raises(InputError, match="smaller tiles"):
        mean_bits(2**23 - 1, 2048)


def test_variances_times_squares_fit_into_float32() -> None:
    assert SQUARES_LIMIT * 2**VARIANCE_BITS == 2**24


@pytest.mark.parametrize(("dac_bits", "rows", "bits"), [row for row in TABLE if row[0] <= 16])
def test_products_equal_python_integers(dac_bits: int, rows: int, bits: int) -> None:
    """All word lines at the full code, any order of rows: the float64 product is the whole number it should be."""
    rng = np.random.default_rng(rows + dac_bits)
    g = snap(rng.uniform(0.5e-6, 25e-6, (rows, 5)), bits)
    g[0, 0] = 25e-6
    g = snap(g, bits)
    step = float(grid_step(np.abs(g).max(), bits))
    largest = largest_code(dac_bits)
    codes = np.vstack([np.full((2, rows), largest), rng.integers(-largest, largest + 1, (3, rows))])
    whole = np.array([[int(v / step) for v in row] for row in g], dtype=object)
    assert all(value / step == int(value / step) for value in g.ravel())
    assert max(abs(v) for v in whole.ravel()) <= 2**bits
    exact = codes.astype(object) @ whole
    assert max(abs(v) for v in exact.ravel()) <= 2**53
    for order in (np.arange(rows), np.arange(rows)[::-1], rng.permutation(rows)):
        product = np.ascontiguousarray(codes[:, order], np.float64) @ np.ascontiguousarray(g[order])
        assert [[int(v / step) for v in row] for row in product] == exact.tolist()


def test_the_grid_step_is_the_finest_power_of_two() -> None:
    for largest in (1.0, 1.0 + 2**-52, 0.75, 25e-6, 2.0**-300):
        step = float(grid_step(largest, 10))
        assert np.frexp(step)[0] == 0.5
        assert step * 2**9 < largest <= step * 2**10


FINITE = st.floats(-1e-3, 1e-3, allow_subnormal=False)


@given(arrays(np.float64, (4, 6), elements=FINITE), st.integers(20, 46))
def test_snapping_twice_changes_nothing(values: NDArray[np.float64], bits: int) -> None:
    once = snap(values, bits)
    np.testing.assert_array_equal(snap(once, bits), once)
    largest = np.abs(values).max()
    assert np.abs(once - values).max() <= largest * 2.0**-bits


def test_zeros_stay_zeros() -> None:
    assert not snap(np.zeros((3, 2)), 39).any()
    whole, step = snap_variance(np.zeros((3, 2)), 0, 0)
    assert not whole.any()
    assert (step > 0).all()


def test_snapped_variances_are_right_on_average() -> None:
    """Values of a millionth to all of the largest: the mean over 1000 dithers within five standard errors.

    One dither has a standard deviation of at most half a step.
    """
    variance = np.geomspace(1e-6, 1, 40)[:, None] * 3.7e-13
    total = np.zeros(variance.shape)
    n = 1000
    for seed in range(n):
        whole, step = snap_variance(variance, seed, 3)
        assert whole.dtype == np.float32
        assert (whole == np.rint(whole)).all()
        assert whole.max() <= 2**VARIANCE_BITS
        total += whole * step
    fraction = variance / step % 1
    error = step * np.sqrt(fraction * (1 - fraction) / n)
    assert (np.abs(total / n - variance) <= 5 * error + step / n).all()


def test_the_dither_belongs_to_the_chip() -> None:
    """The same seed and array give the same variances, another seed or array gives others."""
    variance = np.random.default_rng(0).uniform(0, 1, (30, 20))

    def whole(seed: int, array: int) -> Any:
        return snap_variance(variance, seed, array)[0]

    np.testing.assert_array_equal(whole(5, 1), whole(5, 1))
    assert (whole(5, 1) != whole(6, 1)).any()
    assert (whole(5, 1) != whole(5, 2)).any()
