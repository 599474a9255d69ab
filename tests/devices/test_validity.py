"""Valid ranges: refused outside, unless the caller asks for a warning."""

import math
from typing import Any

import numpy as np
import pytest

from xbar.devices.card_file import load_card
from xbar.devices.card_summary import n_a
from xbar.devices.validity import ExtrapolationWarning, Validity
from xbar.errors import InputError, UnknownNameError
from xbar.units import MONTH

RANGES = Validity((1e-6, 40e-6), (0.0, 86400.0), (273.0, 358.0), (-0.5, 0.5))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"conductance": 41e-6}, "conductance 41 uS lies outside 1 uS to 40 uS"),
        ({"conductance": 0.0}, "conductance 0 S lies outside"),
        ({"time": 90000.0}, "time 1.042 days lies outside 0 s to 1 day"),
        ({"time": -1.0}, "time -1 s lies outside"),
        ({"temperature": 400.0}, "temperature 400 K lies outside 273 K to 358 K"),
        ({"voltage": -0.6}, "voltage -600 mV lies outside -500 mV to 500 mV"),
    ],
)
def test_outside_is_refused_or_warned(values: dict[str, Any], message: str) -> None:
    """A value outside is an error that names law, quantity, value and range; with "warn" the same as a warning."""
    with pytest.raises(InputError, match=f"drift of card 'x': {message}"):
        RANGES.check("drift of card 'x'", **values)
    with pytest.warns(ExtrapolationWarning, match=f"{message}.*extrapolated"):
        RANGES.check("drift of card 'x'", "warn", **values)
    assert not RANGES.covers(**values)


def test_inside_passes(arrays: Any) -> None:
    """The ends, rounding, NaN, empty arrays, and quantities without a range are inside."""
    RANGES.check("x", conductance=1e-6 * (1 - 1e-10), time=86400.0, temperature=None, voltage=-0.5)
    RANGES.check("x", conductance=arrays.make(np.array([1e-6, math.nan, 40e-6])))
    RANGES.check("x", conductance=arrays.make(np.zeros((0, 3))), time=math.nan)
    assert Validity().covers(conductance=-1.0, time=1e99)
    with pytest.raises(InputError, match=r"conductance 50 uS"):
        RANGES.check("x", conductance=arrays.make(np.array([2e-6, 50e-6])))


def test_unknown_quantity() -> None:
    """A misspelt quantity is an error, not ignored."""
    with pytest.raises(InputError, match="'temp' is no quantity"):
        RANGES.check("x", temp=300.0)


def test_a_card_refuses_times_that_were_not_measured() -> None:
    """The NeuRRAM card ends after two days, SONOS after five, the fit of CrossSim after a second; PCM does not say."""
    for name, last in (("reram_wan", 2 * 86400.0), ("sonos", 5 * 86400.0), ("reram_wan_cubic", 1.0)):
        card = load_card(name)
        card.check_valid(seconds=last)
        with pytest.raises(InputError, match=f"of card '{name}': time"):
            card.check_valid(seconds=1.01 * last)
        with pytest.warns(ExtrapolationWarning):
            card.check_valid(seconds=1.01 * last, outside="warn")
    load_card("pcm").check_valid(seconds=1e9)
    with pytest.raises(InputError, match="temperature 400 K"):
        load_card("generic_all").check_valid(temperature=400.0)
    with pytest.raises(InputError, match="voltage 600 mV"):
        load_card("reram_milo").check_valid(voltage=0.6)


def test_switched_off_laws_do_not_limit() -> None:
    """A card whose relaxation is switched off says nothing of its time."""
    load_card("reram_wan").without(["relaxation"]).check_valid(seconds=MONTH)


def test_tables_say_not_available() -> None:
    """Where a card does not hold, means and spreads are NaN, never extrapolated."""
    g = np.array([20e-6])
    assert np.isnan(n_a(load_card("reram_wan"), g, MONTH)).all()
    assert np.isfinite(n_a(load_card("reram_wan"), g, 86400.0)).all()
    with pytest.raises(UnknownNameError, match="unknown law 'drfit'"):
        load_card("pcm").validity("drfit")
    assert load_card("pcm").validity("drift").describe() == "conductance 0 S to 25 uS"
