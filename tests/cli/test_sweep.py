"""`xbar sweep`: hysteresis in cycles, compliance, and what is said about loops that are none."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Run = Callable[..., Any]

LOOP = ("sweep", "--card", "vteam", "--size", "2x2", "--target", "1 mS", "--from", "-0.25 V", "--to", "0.25 V")
WAVE = ("--cycles", 2, "--points", 100, "--settle", "0.2 us", "--json")


def test_a_loop_is_pinched_and_closed(run: Run) -> None:
    """Two cycles reach both voltages and end at 0 V; no current flows there, and the branches differ elsewhere."""
    loop = json.loads(run(*LOOP, *WAVE).out)
    volts, current = np.array(loop["voltage_V"]), np.array(loop["current_A"])[:, 0]
    assert len(volts) == 201
    assert (volts.max(), volts.min()) == (pytest.approx(0.25), pytest.approx(-0.25))
    assert np.abs(np.diff(volts)).max() == pytest.approx(0.01)
    zero = np.isclose(volts, 0, atol=1e-12)
    assert zero.sum() == 5
    assert np.abs(current[zero]).max() < 1e-9
    low = np.isclose(volts[:100], -0.1)
    assert low.sum() == 2
    assert abs(current[:100][low][1]) > 5 * abs(current[:100][low][0])
    assert (np.abs(current) > 4e-3).any()


def test_the_compliance_holds(run: Run) -> None:
    """No current is above the compliance, and cells that it kept from going further conduct less afterwards."""
    loop = json.loads(run(*LOOP, *WAVE, "--compliance", "2 mA").out)
    current = np.abs(np.array(loop["current_A"]))
    assert current.max() <= 2e-3 * (1 + 1e-9)
    assert current.max() > 1.9e-3


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--from", "0.1 V", "--cycles", 1), "opposite signs"),
        (("--cycles", 1, "--points", 3), "4 or more"),
        (("--compliance", "2"), "number and its unit"),
        (("--settle", "-1 s"), "not below 0"),
    ],
)
def test_what_cannot_be_meant(run: Run, more: tuple[object, ...], said: str) -> None:
    """A loop that does not go through 0 V, quantities without units and times before now are refused."""
    ended = run("sweep", "--card", "vteam", *more)
    assert ended.code == 2
    assert said in ended.err
