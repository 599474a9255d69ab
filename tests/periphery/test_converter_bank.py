"""The converters of an array: errors that belong to the converter, noise that belongs to the event, closed forms.

Statistical tests have fixed seeds; five standard errors are a false alarm once in a million.
"""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from xbar.errors import InputError
from xbar.periphery.converter_bank import ConverterBank, ConverterPart, Plan
from xbar.periphery.real_converters import real_converters

Floats = NDArray[np.float64]


def plan(dac_bits: int | None = 8, adc_bits: int | None = 8, seed: int = 1, **errors: Any) -> Plan:
    return Plan(real_converters(errors), dac_bits, adc_bits, seed)


def bank(rows: int = 8, cols: int = 8, array: int = 0, **how: Any) -> ConverterBank:
    return ConverterBank(plan(**how), array, rows, cols)


def convert(part: ConverterPart, currents: Floats, first_event: int = 0, plane: int = 0) -> tuple[Floats, Floats]:
    events = np.arange(first_event, first_event + len(currents), dtype=np.uint64)
    codes, clipped = part.convert(currents, events, plane)
    return np.asarray(codes), np.asarray(clipped)


# ---- errors


def test_gains_and_offsets_are_spread_as_asked() -> None:
    found = bank(cols=4000, adc={"gain_sigma": 0.05, "offset_sigma": 4.0}, sense={"gain_sigma": 0.01})
    for values, mean, sigma in ((found.gain, 1, 0.05), (found.offset, 0, 4.0), (found.sense_gain, 1, 0.01)):
        assert abs(values.mean() - mean) < 5 * sigma / math.sqrt(4000)
        assert abs(values.std() / sigma - 1) < 5 / math.sqrt(2 * 4000)
    assert abs(np.corrcoef(found.gain, found.offset)[0, 1]) < 5 / math.sqrt(4000)
    assert abs(np.corrcoef(found.gain, found.sense_gain)[0, 1]) < 5 / math.sqrt(4000)


def test_errors_belong_to_the_converter() -> None:
    """The same for a smaller array; others for another array or chip."""
    errors: dict[str, Any] = {"adc": {"dnl_sigma": 0.2, "gain_sigma": 0.1}, "dac": {"dnl_sigma": 0.2}}
    whole, part = bank(16, 16, **errors), bank(5, 7, **errors)
    assert whole.transitions is not None
    assert part.transitions is not None
    assert whole.levels is not None
    assert part.levels is not None
    np.testing.assert_array_equal(whole.transitions[:7], part.transitions)
    np.testing.assert_array_equal(whole.levels[:5], part.levels)
    np.testing.assert_array_equal(whole.gain[:7], part.gain)
    for other in (bank(5, 7, array=1, **errors), bank(5, 7, seed=2, **errors)):
        assert other.transitions is not None
        assert (other.gain != part.gain).all()
        assert (other.transitions[:, 1:-1] != part.transitions[:, 1:-1]).all()


def test_columns_that_share_a_converter_share_its_errors() -> None:
    found = bank(cols=10, adc={"gain_sigma": 0.1, "dnl_sigma": 0.1, "columns_per_adc": 4})
    assert found.transitions is not None
    assert len(set(found.gain.tolist())) == 3
    assert (found.gain[:4] == found.gain[0]).all()
    np.testing.assert_array_equal(found.transitions[4], found.transitions[7])
    assert (found.gain[8:] != found.gain[4]).all()


def test_input_levels_are_whole_numbers_with_gain_offset_and_steps() -> None:
    """At 4000 word lines: gain and offset spread as asked, around the codes."""
    found = bank(rows=4000, dac={"gain_sigma": 0.02, "offset_sigma": 0.5})
    assert found.levels is not None
    levels = found.levels.astype(np.float64)
    assert (levels == np.rint(levels)).all()
    assert np.abs(levels).max() < 2**20
    volts = levels / found.parts
    offset, gain = volts[:, 127], (volts[:, -1] - volts[:, 0]) / 254
    assert offset.std() == pytest.approx(0.5, rel=5 / math.sqrt(2 * 4000))
    assert gain.std() == pytest.approx(0.02, rel=5 / math.sqrt(2 * 4000))
    assert gain.mean() == pytest.approx(1, abs=5 * 0.02 / math.sqrt(4000))


def test_a_table_of_steps_moves_levels_and_ladders_bend_them() -> None:
    found = bank(dac_bits=4, dac={"dnl": [0.25] + [0.0] * 13}).levels
    assert found is not None
    parts = bank(dac_bits=4, dac={"dnl": [0.25] + [0.0] * 13}).parts
    assert (found[3] / parts).tolist() == [-7, *(c + 0.25 for c in range(-6, 8))]
    bent = bank(rows=3000, dac_bits=4, dac={"dnl_sigma": 0.1})
    assert bent.levels is not None
    inl = bent.levels / bent.parts - np.arange(-7, 8)
    assert np.abs(inl[:, [0, -1]]).max() == 0
    assert inl[:, 7].std() == pytest.approx(0.1 * math.sqrt(14) / 2, rel=5 / math.sqrt(6000))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"dac_bits": 13, "dac": {"gain_sigma": 0.01}}, "at most 12 bits"),
        ({"adc_bits": 13, "adc": {"dnl_sigma": 0.01}}, "at most 12 bits; take fewer than 13"),
        ({"dac": {"offset_sigma": 1000.0}}, "times its range"),
        ({"dac_bits": 6, "dac": {"inl": [0.0] * 255}}, "inl has 255 values; a converter of these bits has 63"),
    ],
)
def test_errors_that_converters_of_these_bits_cannot_have_are_refused(how: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        bank(**how)


def test_a_converter_that_is_off_has_no_errors() -> None:
    found = bank(dac_bits=None, adc_bits=None, dac={"gain_sigma": 0.1}, adc={"dnl_sigma": 0.5})
    assert found.levels is None
    assert found.transitions is None


# ---- conversions


def test_gain_offset_and_saturation_do_what_they_say() -> None:
    made = bank(cols=5, sense={"gain_sigma": 0.1, "offset_sigma": 2e-6, "saturation": 50e-6}, adc_bits=None)
    part = ConverterPart(made, 8, np.ones(5))
    x = np.full((1, 5), 10e-6)
    found, clipped = convert(part, x)
    assert found[0] == pytest.approx(10e-6 * made.sense_gain + made.sense_offset)
    assert not clipped.any()
    found, clipped = convert(part, np.array([[-1e-3, 1e-3, 0, 0, 0]]))
    assert found[0, :2].tolist() == [-50e-6, 50e-6]
    assert clipped[0].tolist() == [True, True, False, False, False]


def test_offsets_of_the_amplifier_count_in_steps_of_the_range() -> None:
    made = bank(cols=3, sense={"offset_sigma": 1e-6})
    steps = np.array([1e-6, 2e-6, 4e-6])
    found, _ = convert(ConverterPart(made, 8, steps), np.zeros((1, 3)))
    assert found[0].tolist() == np.rint(made.sense_offset / steps).tolist()


def test_clipped_is_what_lies_half_a_step_beyond_the_end() -> None:
    part = ConverterPart(bank(cols=1, adc={"noise": 1e-9}), 8, np.ones(1))
    codes, clipped = convert(part, np.array([[127.4], [127.6], [-127.4], [-127.6], [0.0]]))
    assert codes[:, 0].tolist() == [127, 127, -127, -127, 0]
    assert clipped[:, 0].tolist() == [False, True, False, True, False]


def test_noise_belongs_to_the_event_and_the_plane() -> None:
    """The same for any grouping of events, another for each plane, and spread as asked."""
    made = bank(cols=40, adc={"noise": 3.0}, adc_bits=12)
    part = ConverterPart(made, 8, np.ones(40))
    zero = np.zeros((500, 40))
    whole, _ = convert(part, zero)
    np.testing.assert_array_equal(whole[120:300], convert(part, zero[:180], 120)[0])
    other, _ = convert(part, zero, plane=1)
    assert abs(np.corrcoef(whole.ravel(), other.ravel())[0, 1]) < 5 / math.sqrt(20000)
    assert whole.std() == pytest.approx(math.sqrt(9 + 1 / 12), rel=5 / math.sqrt(40000))


def test_noise_of_amplifier_and_converter_are_two_draws() -> None:
    made = bank(cols=40, adc={"noise": 3.0}, adc_bits=12, sense={"bandwidth": 1e6, "time": 1.0, "noise_density": 4e-9})
    sigma = 4e-9 * math.sqrt(math.pi / 2 * 1e6)
    found, _ = convert(ConverterPart(made, 8, np.full(40, sigma / 4)), np.zeros((500, 40)))
    assert found.std() == pytest.approx(math.sqrt(9 + 16 + 1 / 12), rel=5 / math.sqrt(40000))


@pytest.mark.parametrize(("bits", "noise"), [(8, 0.0), (8, 0.5), (10, 1.5)])
def test_enob_of_a_full_scale_sine_is_the_formula(bits: int, noise: float) -> None:
    """Signal A**2 / 2 against 1 / 12 + sigma**2 LSB**2: within 0.03 bits of (SINAD - 1.76 dB) / 6.02 dB."""
    amplitude = float((1 << (bits - 1)) - 1)
    phase = 2 * math.pi * 1009 * np.arange(8192) / 8192
    part = ConverterPart(bank(cols=1, adc_bits=bits, adc={"noise": noise, "offset_sigma": 1e-9}), 8, np.ones(1))
    codes, _ = convert(part, (amplitude * np.sin(phase))[:, None])
    basis = np.stack([np.sin(phase), np.cos(phase), np.ones_like(phase)], axis=1)
    fitted, *_ = np.linalg.lstsq(basis, codes[:, 0], rcond=None)
    error = codes[:, 0] - basis @ fitted
    sinad = 10 * math.log10((fitted[0] ** 2 + fitted[1] ** 2) / 2 / np.square(error).mean())
    expected = 10 * math.log10(amplitude**2 / 2 / (1 / 12 + noise**2))
    assert (sinad - 1.76) / 6.02 == pytest.approx((expected - 1.76) / 6.02, abs=0.03)
    if noise == 0:
        assert (sinad - 1.76) / 6.02 == pytest.approx(bits, abs=0.05)


@pytest.mark.parametrize(("bits", "adc_bits", "way", "most"), [(8, 8, "sign-magnitude", 15), (8, 8, None, 8)])
def test_output_bits_hold_the_sum_of_planes(bits: int, adc_bits: int, way: str | None, most: int) -> None:
    found = plan(bits, adc_bits, bit_serial=way)
    assert found.output_bits == most
    assert 127 * sum(abs(w) for w in found.weights) < 2 ** (most - 1)
