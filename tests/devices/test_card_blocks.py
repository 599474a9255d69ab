"""Blocks of card files beyond the first: what is wrong with one is told with its place and the remedy."""

import pytest

from xbar.devices.card import LAWS, SWITCHES
from xbar.devices.card_file import card_names, load_card, parse_card
from xbar.errors import FormatError, XbarError

ALL = load_card("generic_all").text


def errors(old: str, new: str, text: str = ALL) -> str:
    assert old in text
    with pytest.raises(FormatError) as caught:
        parse_card(text.replace(old, new, 1), "my.toml")
    return str(caught.value)


def test_generic_card_has_every_effect() -> None:
    """`generic_all` has every effect that can be switched off, each alone and none."""
    card = load_card("generic_all")
    assert [name for name, _ in card.laws()] == [*SWITCHES, "pulse_response", "write"]
    for name in SWITCHES:
        alone = card.only([name])
        assert [law for law, _ in alone.laws()] == [name, "pulse_response", "write"]
        assert getattr(card.without([name]), name) is None
    assert set(LAWS) == {law for name in card_names() for law, _ in load_card(name).laws()}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("std = [0.3,", "std = [-0.3,", "programming_error: std holds -0.3; standard deviations are zero or more"),
        ("mean = [1,", "mean = [1, 2,", "programming_error: mean has 6 numbers, states has 5"),
        ("states = [1, 25", "states = [1, 1", "programming_error: states must be two or more"),
        ('unit = "uS"', 'unit = "uA"', "programming_error.unit: unit 'uA' is not a unit of S"),
        ('unit = "uS"\n', "", "programming_error.unit: is missing"),
        ("states = [1, 25", "states = [2, 25", "programming_error: valid goes beyond the table"),
        ('mean_slope = "-0.02 uS"', "mean_slope = -0.02", "relaxation.mean_slope: a number without unit"),
        ('valid_time = ["1 s", "1 month"]\n', "", "relaxation: valid_time is needed"),
        (
            'valid_time = ["1 s", "1 month"]',
            'valid_time = ["1 month", "1 s"]',
            "relaxation.valid_time: write the smaller",
        ),
        ('valid_time = ["1 s", "1 month"]', 'valid_time = ["1 s", "1 uS"]', "relaxation.valid_time[1]: unit 'uS'"),
        ('tau = "100 years"', 'tau = "0 s"', "retention.tau: Input should be greater than 0"),
        ('reference = "300 K"', 'reference = "27"', "temperature.reference: '27' has no unit"),
        ('reference = "300 K"', 'reference = "-3 K"', "temperature.reference: Input should be greater than 0"),
        ('ageing = "0.6 eV"', 'ageing = "0.6 J"', "temperature.ageing: unit 'J' is not a unit of eV"),
        ('valid_temperature = ["273 K", "398 K"]\n', "", "temperature: valid_temperature is needed"),
        ("exponent = 1.0", "exponent = 2.0", "flicker_noise.exponent: Input should be less than 2"),
        ('amplitude = "2 %"', "amplitude = 2", "random_telegraph_noise.amplitude: not a share"),
        ('empty = "10 ms"', 'empty = "0 s"', "random_telegraph_noise.empty: Input should be greater than 0"),
        ('word_lines = "0.1 %"', 'word_lines = "200 %"', "stuck_lines.word_lines: not a share"),
        ("median = 1e7", "median = -1.0", "endurance.median: Input should be greater than 0"),
        ('v0 = "0.5 V"', 'v0 = "0.5 A"', "iv_nonlinearity.v0: unit 'A' is not a unit of V"),
        ("state_min = -1", "state_min = 0.5", "pulse_response.state_min: Input should be less than or equal to 0"),
        ("state_min = -1", "state_mim = -1", "pulse_response.state_min: is missing"),
        ('kind = "soft_bounds"', 'kind = "hard_bounds"', "pulse_response: Input tag 'hard_bounds'"),
        ('kind = "soft_bounds"', 'kind = "__main__"', "pulse_response: Input tag '__main__'"),
        (
            'reset_voltage = "-1.5 V"',
            'reset_voltage = "1.5 V"',
            "write: set_voltage and reset_voltage must have opposite",
        ),
        ('set_threshold = "0.9 V"', 'set_threshold = "1.6 V"', "write: set_threshold must have the sign"),
        ('voltage_max = "3 V"', 'voltage_max = "1 V"', "write: set_voltage is beyond voltage_max"),
        ('width_max = "1 ms"', 'width_max = "1 ns"', "write: width is longer than width_max"),
        ('g_max = "100 uS"', 'g_max = "200 uS"', "device_variation: the law is valid from 1 uS to 100 uS"),
        ('name = "generic_all"', 'name = "plot"', "name: 'plot' is a word of the command xbar cards"),
    ],
)
def test_one_wrong_value(old: str, new: str, message: str) -> None:
    """A missing unit, an impossible number or a table of the wrong shape is told with its place."""
    assert f"\n  {message}" in errors(old, new)


@pytest.mark.parametrize(
    ("card", "old", "new", "message"),
    [
        ("reram_wan", 'times = ["1 s", "1 day", "2 days"]', 'times = ["1 s", "2 days"]', "one row for each time"),
        ("reram_wan", '"1 day", "2 days"]', '"2 days", "1 day"]', "times must ascend"),
        ("reram_wan", 'valid_time = ["0 s", "2 days"]', 'valid_time = ["0 s", "1 month"]', "does not extrapolate"),
        ("reram_wan", 'times = ["1 s"', 'times = ["0 s"', "has no logarithm"),
        ("sonos", 'scales = ["176.3115 nA", ', "scales = [", "one number for each time"),
        ("sonos", 'amplitude = "19.88665 nA"', 'amplitude = "19.88665 nS"', "unit 'nS' is not a unit of A"),
        ("mram", '["139.143731 uS", "166.666667 uS"]', '["166.666667 uS", "139.143731 uS"]', "must ascend"),
        ("mram", 'g_max = "166.666667 uS"', 'g_max = "160 uS"', "levels: levels 139.1 uS to 166.7 uS lie outside"),
        ("yflash", 'g_min = "0.8 nS"', 'g_min = "0 S"', "scale 'log' needs a g_min above 0 S"),
        ("reram_cmo", "coefficients = [0.00081107,", "coefficients = [-0.5,", "the standard deviation is negative"),
        ("ecram_enode", "shares = [0, ", "shares = [0.1, ", "shares must ascend from 0 to 1"),
        ("ecram_enode", "shares = [0, ", "shares = [", "shares must ascend from 0 to 1"),
        ("vteam", "k_on = -10", "k_on = 10", "k_on: Input should be less than 0"),
        ("stanford_pku", 'gap_min = "0.2000547 nm"', 'gap_min = "2 nm"', "gap_min must be below gap_max"),
        ("yakopcic_nbsto", 'on = ["90 uA", "170 uA"]', 'on = ["90 uA"]', "on: List should have at least 2 items"),
    ],
)
def test_wrong_values_of_shipped_cards(card: str, old: str, new: str, message: str) -> None:
    """What no device can have is refused, with the quantity and the remedy."""
    assert message in errors(old, new, load_card(card).text)


def test_large_tables_are_bounded() -> None:
    """A table of more than 512 numbers is refused, not computed with."""
    long = "[" + ", ".join(str(k) for k in range(600)) + "]"
    text = load_card("ecram_enode").text
    start = text.index("states = ")
    line = text[start : text.index("\n", start)]
    assert "at most 512 items" in errors(line, f"states = {long}", text)


def test_out_of_range_targets_of_every_card() -> None:
    """Each card refuses conductances beyond its range."""
    import numpy as np

    for name in card_names():
        card = load_card(name)
        card.check_targets(np.array([card.g_min, card.g_max]))
        for g in (card.g_max * 1.01, -card.g_max):
            with pytest.raises(XbarError, match=f"range of card '{name}'"):
                card.check_targets(np.array([g]))
