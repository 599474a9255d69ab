"""SAR, ramp and pipeline: transitions against circuits worked out by hand, searches step by step, and closed forms.

Statistical tests have fixed seeds; five standard errors are a false alarm once in a million.
"""

import importlib
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from xbar.errors import InputError
from xbar.periphery import pipeline_adc, ramp_adc, sar_adc
from xbar.periphery.adc_errors import AdcErrors
from xbar.periphery.real_codes import (
    array_look_up,
    array_transition_codes,
    look_up,
    pipeline_codes,
    transition_codes,
)

Floats = NDArray[np.float64]


def ideal(bits: int) -> Floats:
    top = (1 << (bits - 1)) - 1
    return np.arange(-top + 1, top + 1, dtype=np.float64) - 0.5


# ---- SAR


@pytest.mark.parametrize("bits", [2, 5, 8, 12])
def test_matching_capacitors_have_ideal_transitions(bits: int) -> None:
    units = sar_adc.capacitors(bits, 0.1, np.zeros((3, bits + 1)))
    assert units[0].tolist() == [*(2.0**i for i in range(bits)), 1.0]
    assert sar_adc.levels(units)[1] == pytest.approx(np.arange(2**bits))
    found = AdcErrors(model="sar").transitions(bits, np.zeros((3, bits + 1)))
    assert found.shape == (3, 2**bits - 2)
    assert found[2] == pytest.approx(ideal(bits))


def test_inl_of_known_capacitors() -> None:
    """A capacitor of 8 units that has 9 lifts the upper half and lowers the rest, by what the divider says."""
    units = np.array([[1.0, 2.0, 4.0, 9.0, 1.0]])
    levels = sar_adc.levels(units)[0]
    total = 17.0
    assert levels[8] == pytest.approx(16 * 9 / total)
    assert levels[7] == pytest.approx(16 * 7 / total)
    inl = levels - np.arange(16)
    assert inl[1:8] == pytest.approx(-np.arange(1, 8) / total)
    assert inl[8:] == pytest.approx((16 - np.arange(8, 16)) / total)
    # The DNL sums to the INL, and the one large step is in the middle.
    assert np.diff(inl).sum() == pytest.approx(inl[-1])
    assert int(np.argmax(np.diff(inl))) == 7
    assert np.diff(inl).max() == pytest.approx(15 / total)


def test_mismatch_spreads_levels_as_parallel_cells_do() -> None:
    """Level k has the deviation sigma sqrt(k (1 - k / 2**n)), the most at half scale: sigma 2**(n / 2 - 1)."""
    bits, sigma, count = 8, 0.02, 4000
    normals = np.random.default_rng(2).standard_normal((count, bits + 1))
    found = sar_adc.levels(sar_adc.capacitors(bits, sigma, normals))[:, 1:]
    k = np.arange(1, 2**bits)
    expected = sigma * np.sqrt(k * (1 - k / 2**bits))
    # The ratio of sums is linear in the errors but for terms of their square: half a per mille.
    assert np.abs(found.std(axis=0) / expected - 1).max() < 5 / math.sqrt(2 * count) + 1e-3
    assert expected[127] == pytest.approx(sigma * 2 ** (bits / 2 - 1))


@given(st.integers(0, 2**32 - 1), st.integers(2, 7))
def test_transitions_are_those_of_the_search(seed: int, bits: int) -> None:
    """Bit by bit, as the circuit does it; capacitors so bad that codes are missing."""
    rng = np.random.default_rng(seed)
    units = np.abs(sar_adc.capacitors(bits, 0.5, rng.standard_normal(bits + 1)))
    levels, edges = sar_adc.levels(units), sar_adc.transitions(units)
    assert (np.diff(edges) >= 0).all()
    for x in rng.uniform(-1, 2**bits, 40):
        word = 0
        for bit in reversed(range(bits)):
            if x >= levels[word | (1 << bit)]:
                word |= 1 << bit
        assert np.count_nonzero(edges <= x) == word


# ---- ramp


def test_a_slow_ramp_has_wide_steps() -> None:
    found = ramp_adc.transitions(127, 0.01, 0.0)
    assert np.diff(found) == pytest.approx(np.full(253, 1.01))
    assert found[0] == pytest.approx(-127.5 + 1.01)


def test_a_bent_ramp_is_off_the_line_by_its_bow_in_the_middle() -> None:
    bow = ramp_adc.transitions(127, 0.0, 2.0) - ideal(8)
    assert bow.max() == pytest.approx(2.0, rel=1e-3)
    assert bow == pytest.approx(bow[::-1])
    assert 0 < bow[0] < 0.05


def test_one_ramp_serves_all_columns() -> None:
    normals = np.random.default_rng(3).standard_normal((5, 1))
    found = AdcErrors(model="ramp", slope_sigma=0.02).transitions(6, normals)
    assert (found == found[0]).all()
    assert np.diff(found[0]) == pytest.approx(np.full(61, 1 + 0.02 * normals[0, 0]))


# ---- pipeline


@given(st.lists(st.floats(-300, 300), min_size=1, max_size=20))
def test_a_pipeline_of_gain_2_rounds(inputs: list[float]) -> None:
    """1.5-bit stages with ideal gains are a converter with ideal steps."""
    x = np.array(inputs)[None]
    gains = AdcErrors(model="pipeline").gains(np.zeros((x.size, 7))).T
    found = pipeline_codes(x, np.ascontiguousarray(gains))
    assert found[0] == pytest.approx(np.clip(np.floor(x[0] + 0.5), -127, 127))


def test_a_low_gain_leaves_out_codes_and_a_high_one_falls_back() -> None:
    """A first stage of 2 (1 + e): at its decisions, a quarter of the range from 0, codes jump by -2**(n - 2) e."""
    x = np.linspace(-127, 127, 50801)
    for error in (-0.05, 0.05):
        gains = np.full((7, 1), 2.0)
        gains[0] *= 1 + error
        codes = pipeline_codes(x[:, None], gains)[:, 0]
        at = int(np.searchsorted(x, 31.5))  # 1/4 of the reference, 128 steps, less half a step
        assert codes[at + 1] - codes[at - 1] == pytest.approx(-64 * error, abs=1)
        assert (np.diff(codes) < 0).any() == (error > 0)
        missing = set(range(-100, 101)) - {int(code) for code in codes}
        assert bool(missing) == (error < 0)


# ---- kernels and the array form


@given(st.integers(0, 2**32 - 1), st.integers(2, 9))
def test_kernels_equal_the_array_form(seed: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    top = (1 << (bits - 1)) - 1
    edges = np.sort(rng.normal(0, top, (7, 2 * top)), axis=1)
    x = rng.normal(0, 2 * top, (11, 7))
    x[0] = edges[:, top]  # exactly on a transition
    found = transition_codes(x, edges)
    np.testing.assert_array_equal(found, array_transition_codes(x, edges))
    np.testing.assert_array_equal(found[3], [np.count_nonzero(e <= v) - top for e, v in zip(edges, x[3], strict=True)])
    gains = np.ascontiguousarray(2 + 0.1 * rng.standard_normal((bits - 1, 7)))
    np.testing.assert_array_equal(pipeline_codes(x, gains), pipeline_adc.codes(x, gains))
    table = rng.integers(-(2**20), 2**20, (7, 2 * top + 1)).astype(np.float32)
    codes = rng.integers(-top, top + 1, (11, 7)).astype(np.float32)
    np.testing.assert_array_equal(look_up(codes, table), array_look_up(codes, table))
    assert look_up(codes, table)[4, 5] == table[5, int(codes[4, 5]) + top]


def test_array_forms_run_on_another_device() -> None:
    """array-api-strict on its second device: same numbers, and nothing comes back to the host."""
    xp = importlib.import_module("array_api_strict")
    device = xp.Device("device1")
    rng = np.random.default_rng(4)

    def there(values: Any) -> Any:
        return xp.asarray(np.array(values), device=device)

    x, edges = rng.normal(0, 9, (6, 4)), np.sort(rng.normal(0, 7, (4, 14)), axis=1)
    gains, table = 2 + 0.1 * rng.standard_normal((3, 4)), rng.integers(-99, 99, (4, 15)).astype(np.float32)
    codes = rng.integers(-7, 8, (6, 4)).astype(np.float32)
    pairs = [
        (transition_codes(there(x), there(edges)), transition_codes(x, edges)),
        (pipeline_codes(there(x), there(gains)), pipeline_codes(x, gains)),
        (look_up(there(codes), there(table)), look_up(codes, table)),
    ]
    for found, wanted in pairs:
        assert found.device == device
        np.testing.assert_array_equal(np.asarray(found.to_device(xp.Device("CPU_DEVICE"))), wanted)


# ---- what cannot be


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gain_sigma": -0.1}, "gain_sigma -0.1 must be finite, not below 0"),
        ({"gain_sigma": True}, "not a number"),
        ({"noise": math.inf}, "noise inf"),
        ({"model": "flash"}, "model 'flash' is not known; choose sar, ramp, pipeline"),
        ({"slope_sigma": 0.1}, "slope_sigma belongs to model 'ramp'"),
        ({"model": "sar", "curvature": 1.0}, "curvature belongs to model 'ramp'"),
        ({"model": "sar", "dnl_sigma": 0.1}, "leave inl, dnl, dnl_sigma out"),
        ({"model": "pipeline", "stage_gain_sigma": 0.6}, "at most 0.5"),
        ({"curvature": math.nan, "model": "ramp"}, "not finite"),
        ({"columns_per_adc": 0}, "at least 1"),
    ],
)
def test_numbers_that_cannot_be_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        AdcErrors(**values)


def test_a_table_must_fit_the_bits() -> None:
    errors = AdcErrors(inl=(0.1,) * 254)
    assert errors.transitions(8, np.zeros((2, 1)))[1] == pytest.approx(ideal(8) + 0.1)
    with pytest.raises(InputError, match="inl has 254 values; a converter of these bits has 126"):
        errors.transitions(7, np.zeros((2, 1)))


def test_transitions_that_cross_are_counted_in_order() -> None:
    """A converter that counts the comparators below its input never falls back."""
    found = AdcErrors(inl=(0.0, 3.0) + (0.0,) * 12).transitions(4, np.zeros((1, 1)))[0]
    assert (np.diff(found) >= 0).all()
    assert found.sum() == pytest.approx(ideal(4).sum() + 3)
