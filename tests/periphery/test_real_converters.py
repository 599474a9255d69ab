"""Real converters: made of nested values and back, what is switched off, and what cannot be."""

from typing import Any

import pytest

from xbar.errors import InputError
from xbar.periphery.real_converters import EFFECTS, RealConverters, real_converters

ALL: dict[str, Any] = {
    "dac": {"gain_sigma": 0.01},
    "sense": {"bandwidth": 1e7, "time": 1e-7, "noise_density": 1e-12},
    "adc": {"model": "sar", "unit_capacitor_sigma": 0.02, "noise": 0.5, "columns_per_adc": 8},
    "bit_serial": "sign-magnitude",
    "range_factor": 2.0,
}


def test_values_come_back() -> None:
    made = real_converters(ALL)
    assert made.to_dict() == ALL
    assert real_converters(made.to_dict()) == made
    assert real_converters({"adc": {"inl": [0.0, 1.0]}}).adc.inl == (0.0, 1.0)


def test_nothing_told_is_ideal() -> None:
    assert RealConverters().is_ideal
    assert real_converters({"adc": {"columns_per_adc": 4}}).is_ideal
    assert RealConverters().notes() == {}
    assert RealConverters().to_dict() == {}
    for name, value in ALL.items():
        assert not real_converters({name: value}).is_ideal


def test_every_effect_is_told_with_units() -> None:
    assert real_converters(ALL).notes() == {
        "dac_errors": "gain sigma 1 %",
        "sense_amplifier": "bandwidth 10 MHz, time 100 ns, noise density 1 pA/rtHz",
        "adc_errors": "model sar, unit capacitor sigma 2 %, columns per adc 8",
        "adc_noise": "0.5 LSB at the input of each conversion",
    }


def test_effects_are_switched_one_at_a_time() -> None:
    made = real_converters(ALL)
    everything = {"dac", "adc", *EFFECTS}
    assert made.only(everything) == made
    for effect in EFFECTS:
        assert set(made.only(everything - {effect}).notes()) == set(EFFECTS) - {effect}
    without_adc = made.only(everything - {"adc"})
    assert set(without_adc.notes()) == {"dac_errors", "sense_amplifier"}
    assert without_adc.range_factor == 1.0
    without_dac = made.only(everything - {"dac"})
    assert without_dac.bit_serial is None
    assert "dac_errors" not in without_dac.notes()
    assert made.only(set()).is_ideal


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"adx": {}}, "'adx' is not known; known are dac, sense, adc"),
        ({"adc": {"nois": 1}}, "converters: adc: 'nois' is not known"),
        ({"adc": 3}, "adc 3 is not a table"),
        ({"bit_serial": "gray"}, "choose sign-magnitude or twos-complement"),
        ({"range_factor": 0.0}, "leaves no range"),
        ({"range_factor": -1.0}, "not below 0"),
        ({"bit_serial": "sign-magnitude", "dac": {"dnl_sigma": 0.1}}, "leave inl, dnl, dnl_sigma out"),
    ],
)
def test_values_that_cannot_be_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        real_converters(values)
