"""DAC and ADC: codes, rounding, clipping, and the compiled passes against the array form, bit for bit."""

import importlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from xbar.array.exact_grid import SQUARES_LIMIT
from xbar.errors import InputError
from xbar.periphery import converter_kernel as kernel
from xbar.periphery.converter import Converter, adc_codes, dac_codes, squares

BITS = st.integers(2, 16)


@pytest.mark.parametrize("bits", [-1, 0, 1, 17, 64])
def test_bits_outside_2_to_16_are_refused(bits: int) -> None:
    with pytest.raises(InputError, match=f"{bits} bits"):
        Converter(bits)


@pytest.mark.parametrize(
    ("bits", "largest", "kind"),
    [(2, 1, np.int8), (7, 63, np.int8), (8, 127, np.int8), (9, 255, np.int16), (16, 32767, np.int16)],
)
def test_codes_are_symmetric_and_fit_their_type(bits: int, largest: int, kind: type[Any]) -> None:
    converter = Converter(bits)
    assert converter.code_max == largest
    assert converter.code_type is kind
    assert np.iinfo(kind).max >= largest


def both_dac(volts: NDArray[np.float32], inverse: float, largest: int) -> NDArray[Any]:
    """Return the codes, checked to be the same from the kernel (into float32 and float64) and the array form."""
    expected = np.asarray(dac_codes(volts, inverse, largest))
    for real in (np.float32, np.float64):
        codes = np.empty(volts.shape, real)
        kernel.dac(volts, np.float32(inverse), np.float32(largest), codes)
        np.testing.assert_array_equal(codes, expected)
    return expected


def both_adc(sums: NDArray[Any], gain: NDArray[np.float64], bits: int) -> NDArray[Any]:
    """Return the codes, checked to be the same from the kernel and the array form."""
    converter = Converter(bits)
    codes = np.empty(sums.shape, converter.code_type)
    kernel.adc(sums, gain, float(converter.code_max), codes)
    np.testing.assert_array_equal(codes, adc_codes(sums, gain, converter.code_max))
    return codes


def test_halves_round_to_even() -> None:
    halves = np.array([[0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 125.5, 126.5]], np.float32)
    expected = [[0, 2, 2, 0, -2, -2, 126, 126]]
    assert both_dac(halves, 1.0, 127).tolist() == expected
    assert both_adc(halves.astype(np.float64), np.ones(8), 8).tolist() == expected
    assert both_adc(halves, np.ones(8), 8).tolist() == expected


def test_values_beyond_the_range_are_clipped_to_the_largest_codes() -> None:
    far = np.array([[-1e30, -128.0, -127.4, 127.4, 128.0, 1e30]])
    expected = [[-127, -127, -127, 127, 127, 127]]
    assert both_dac(far.astype(np.float32), 1.0, 127).tolist() == expected
    assert both_adc(far, np.ones(6), 8).tolist() == expected


@given(arrays(np.float32, (3, 17), elements=st.floats(-40, 40, width=32)), BITS, st.floats(0.01, 1000))
def test_dac_kernel_equals_the_array_form(volts: NDArray[np.float32], bits: int, inverse: float) -> None:
    largest = Converter(bits).code_max
    codes = both_dac(volts, inverse, largest)
    assert np.abs(codes).max() <= largest
    inside = np.abs(volts * np.float32(inverse)) < largest
    assert (np.abs(codes - volts * np.float32(inverse))[inside] <= 0.5).all()


@given(
    arrays(np.float64, (3, 17), elements=st.floats(-1e6, 1e6)),
    arrays(np.float64, 17, elements=st.floats(-10, 10)),
    BITS,
)
def test_adc_kernel_equals_the_array_form(sums: NDArray[np.float64], gain: NDArray[np.float64], bits: int) -> None:
    both_adc(sums, gain, bits)
    both_adc(sums.astype(np.float32), gain, bits)


@given(
    arrays(np.int32, (3, 13), elements=st.integers(-32767, 32767)),
    st.sampled_from([6, 64, 4096]),
)
def test_squares_kernel_equals_the_array_form(codes: NDArray[np.int32], half: int) -> None:
    """The sum of squares stays at the limit or below it, and squares times factor are the true squares nearly."""
    volts = codes.astype(np.float32)
    found, q, factors = np.empty(codes.shape), np.empty(codes.shape, np.float32), np.empty(3, np.float32)
    kernel.dac_with_squares(volts, np.float32(1), np.float32(32767), SQUARES_LIMIT, half, found, q, factors)
    expected, scale = squares(dac_codes(volts, 1.0, 32767), SQUARES_LIMIT, half)
    np.testing.assert_array_equal(found, codes)
    np.testing.assert_array_equal(q, expected)
    np.testing.assert_array_equal(factors, scale)
    assert (q.sum(axis=1) <= SQUARES_LIMIT).all()
    assert (np.abs(q * factors[:, None].astype(float) - codes.astype(float) ** 2) <= factors[:, None] / 2).all()
    # No coarser than needed: one bit less would pass the limit, or what rounding may add to it.
    finer = factors > 1
    total = (codes.astype(np.int64) ** 2).sum(axis=1)
    rounded = np.where(factors > 2, half, 0)
    assert (2 * total / factors + 2 + rounded > SQUARES_LIMIT)[finer].all()


def test_squares_reach_the_limit_at_the_largest_array() -> None:
    """8192 word lines at the full code of 16 bits: the sum is still at most 2**15."""
    codes = np.full((1, 8192), 32767, np.float32)
    q, factors = squares(codes, SQUARES_LIMIT, 4096)
    assert 0 < q.sum() <= SQUARES_LIMIT
    assert abs(q.sum() * factors[0] / (8192 * 32767.0**2) - 1) < 0.5


def test_squares_do_not_see_word_lines_at_0_volts() -> None:
    """Leaving out zero codes changes nothing, so a part of an array has the noise of the whole."""
    rng = np.random.default_rng(1)
    codes = np.rint(rng.uniform(-60, 60, (2000, 20)) * rng.uniform(0, 1, (2000, 1))).astype(np.float32)
    whole = np.zeros((2000, 400), np.float32)
    whole[:, :20] = codes
    few, all_of_them = squares(codes, 1000, 200), squares(whole, 1000, 200)
    np.testing.assert_array_equal(few[0], all_of_them[0][:, :20])
    np.testing.assert_array_equal(few[1], all_of_them[1])
    assert (squares(codes, 1000, 10)[1] != few[1]).any()  # what `half` is for


@given(st.integers(0, 2**32 - 1), BITS)
def test_noise_kernel_equals_the_array_form(seed: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (4, 19)
    sums, gain = rng.uniform(-1e4, 1e4, shape), rng.uniform(0, 0.1, 19)
    variances = rng.integers(0, 2**24, shape).astype(np.float32)
    factors = (2.0 ** rng.integers(0, 12, 4)).astype(np.float32)
    spread = rng.uniform(0, 1e-2, 19).astype(np.float32)
    z = rng.standard_normal(shape).astype(np.float32)
    converter = Converter(bits)
    codes = np.empty(shape, converter.code_type)
    kernel.adc_with_noise(sums, variances, factors, spread, z, gain, float(converter.code_max), codes)
    noise = (np.sqrt(variances * factors[:, None]) * spread) * z
    assert noise.dtype == np.float32
    np.testing.assert_array_equal(codes, adc_codes(sums, gain, converter.code_max, noise))


def test_array_forms_run_on_another_device() -> None:
    """array-api-strict on its second device: same integers, and nothing comes back to the host."""
    xp = importlib.import_module("array_api_strict")
    device = xp.Device("device1")
    rng = np.random.default_rng(2)
    volts = rng.uniform(-1.2, 1.2, (5, 9)).astype(np.float32)
    there = xp.asarray(volts, dtype=xp.float32, device=device)
    codes = dac_codes(there, 127.0, 127)
    q, factors = squares(codes, 1000, 4)
    gain = xp.asarray(np.full(9, 0.7), dtype=xp.float64, device=device)
    out = adc_codes(codes, gain, 63, codes * 0.25)
    plain = dac_codes(volts, 127.0, 127)
    expected = (plain, *squares(plain, 1000, 4), adc_codes(plain, np.full(9, 0.7), 63, plain * np.float32(0.25)))
    for found, wanted in zip((codes, q, factors, out), expected, strict=True):
        assert found.device == device
        np.testing.assert_array_equal(np.asarray(found.to_device(xp.Device("CPU_DEVICE"))), wanted)
