"""INL and DNL: sums, ladders of unit elements against their closed form, tables that cannot be.

Statistical tests have fixed seeds; five standard errors are a false alarm once in a million.
"""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbar.errors import InputError
from xbar.periphery.nonlinearity import inl_of_dnl, ladder_inl, table_inl


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=60))
def test_dnl_sums_to_inl(dnl: list[float]) -> None:
    """The INL of each level is the sum of the DNL below it, and its differences are the DNL."""
    inl = inl_of_dnl(np.array(dnl))
    assert inl[0] == 0
    assert np.diff(inl) == pytest.approx(dnl, abs=1e-12)
    assert inl[-1] == pytest.approx(sum(dnl))


def test_a_ladder_bends_as_a_brownian_bridge() -> None:
    """Deviation s sqrt(k (n - k) / n) at each level, and none at the ends."""
    n, s = 64, 0.3
    inl = ladder_inl(s * np.random.default_rng(1).standard_normal((4000, n)))
    assert np.abs(inl[:, [0, -1]]).max() < 1e-12
    k = np.arange(1, n)
    expected = s * np.sqrt(k * (n - k) / n)
    assert np.abs(inl[:, 1:-1].std(axis=0) / expected - 1).max() < 5 / math.sqrt(2 * 4000)
    assert inl[:, 32].std() == pytest.approx(s * math.sqrt(n) / 2, rel=0.05)


def test_a_table_of_either_kind_is_the_same() -> None:
    inl = (0.0, 0.5, -0.25, 0.0)
    assert table_inl(inl, None, 4, "x") == pytest.approx(inl)
    assert table_inl(None, (0.5, -0.75, 0.25), 4, "x") == pytest.approx(inl)
    assert table_inl(None, None, 4, "x") is None


@pytest.mark.parametrize(
    ("inl", "dnl", "message"),
    [
        ((0.0,) * 3, None, "inl has 3 values; a converter of these bits has 4"),
        (None, (0.0,) * 4, "dnl has 4 values; a converter of these bits has 3"),
        ((0.0,) * 4, (0.0,) * 3, "give one of them"),
        ((0.0, math.nan, 0.0, 0.0), None, "not finite"),
    ],
)
def test_a_table_that_cannot_be_is_refused(
    inl: Sequence[float] | None, dnl: Sequence[float] | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        table_inl(inl, dnl, 4, "converter")
