"""`xbar read` and `xbar sweep` at the voltage, the temperature and in the range of the card."""

import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Run = Callable[..., Any]


@pytest.mark.parametrize("card", ["vteam", "stanford_pku"])
def test_cells_are_read_at_the_voltage_of_their_card(run: Run, card: str) -> None:
    """0.2 V would switch every cell of `vteam` off: without --voltage the card says how it is read."""
    found = json.loads(run("read", "--card", card, "--size", "4x4", "--json").out)
    low, high = {"vteam": (1e-3, 20e-3), "stanford_pku": (4.575e-6, 1.845e-3)}[card]
    wanted = np.linspace(low, high, 16).reshape(4, 4)
    assert np.array(found["conductance_S"]) == pytest.approx(wanted, rel=2e-3)
    assert found["voltage_V"] == {"vteam": 0.01, "stanford_pku": 0.1}[card]


def test_a_recorded_reading_replays_at_its_voltage(run: Run) -> None:
    """The trace knows the card, so a replay asks for the same voltage."""
    assert run("read", "--card", "vteam", "--size", "2x2", "--trace", "t.h5").code == 0
    again = run("read", "--bench", "replay:t.h5", "--target", "ramp", "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["voltage_V"] == 0.01


def test_temperature_and_range_of_a_law(run: Run) -> None:
    """Cells conduct as the card says at 350 K; a voltage beyond its I-V law is refused, or warned of if asked for."""
    given = ("read", "--card", "generic_all", "--size", "2x2", "--target", "50 uS", "--json")
    cold, hot = (json.loads(run(*given, "--temperature", t).out)["conductance_S"] for t in ("300 K", "350 K"))
    assert np.array(hot) / np.array(cold) == pytest.approx(1.05, abs=0.03)
    milo = ("sweep", "--card", "reram_milo", "--size", "2x2", "--from", "0 V", "--to", "0.6 V", "--points", 3)
    assert run(*milo).code == 2
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        asked = run(*milo, "--outside", "warn")
    assert asked.code == 0
    assert "extrapolated" in asked.err
