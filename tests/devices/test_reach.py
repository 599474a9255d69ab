"""The share of devices that cannot be brought to a target, against closed forms."""

from dataclasses import replace
from math import erf, sqrt

import numpy as np
import pytest

from xbar.devices.card_file import card_names, load_card
from xbar.devices.pulse_response import PulseResponse
from xbar.devices.reach import out_of_reach


def normal(x: float) -> float:
    return 0.5 * (1 + erf(x / sqrt(2)))


def test_bounds_and_devices_that_do_not_move() -> None:
    """Lost are the corrupt ones, and of the others those whose bound, |1 + spread N|, is short of the target."""
    card = load_card("reram_array_hfo2")
    found = out_of_reach(card, np.array([100e-6, 125e-6, 150e-6]))
    assert found is not None
    high = 0.4295
    short = [0.0] + [normal((w - 1) / high) - normal((-w - 1) / high) for w in (0.5, 1.0)]
    # Five standard errors of 65536 devices: a false alarm in two million.
    np.testing.assert_allclose(found, [0.0977 + (1 - 0.0977) * s for s in short], atol=5 * 0.5 / 256)


def test_a_fifth_of_full_range_targets_lies_beyond_the_bounds() -> None:
    """Of the devices that move; what the header of the card says."""
    card = load_card("reram_array_hfo2")
    found = out_of_reach(card, np.linspace(card.g_min, card.g_max, 1001))
    assert found is not None
    assert (found.mean() - 0.0977) / (1 - 0.0977) == pytest.approx(0.2, abs=0.02)


def test_equal_bounds_lose_nobody() -> None:
    """The ends of the range count as within."""
    law = load_card("reram_array_hfo2").pulse_response
    assert isinstance(law, PulseResponse)
    equal = replace(law, w_min_spread=0.0, w_max_spread=0.0, corrupt=0.0)
    card = replace(load_card("reram_array_hfo2"), pulse_response=equal)
    assert out_of_reach(card, np.array([50e-6, 90e-6, 150e-6])) == pytest.approx([0, 0, 0])


def test_cards_that_say_nothing_of_it() -> None:
    """No pulse response, or a law of the write error; every other card gives shares."""
    assert out_of_reach(load_card("pcm"), np.array([1e-6])) is None
    assert out_of_reach(load_card("generic_all"), np.array([50e-6])) is None
    for name in card_names():
        card = load_card(name)
        found = out_of_reach(card, np.array([card.g_min, card.g_max]))
        assert found is None or ((found >= 0) & (found <= 1)).all()
