"""The sense amplifier: settling and noise against the differential equation of its pole, and numbers that cannot be."""

import math
from typing import Any

import numpy as np
import pytest

from xbar.errors import InputError
from xbar.periphery.sense_amplifier import SenseAmplifier


def test_an_ideal_one_does_nothing() -> None:
    ideal = SenseAmplifier()
    assert (ideal.settled, ideal.noise) == (1.0, 0.0)


def test_what_settles_in_the_time_it_has() -> None:
    """After ln 2 time constants it shows half; after many, all."""
    f = 1e6
    half = SenseAmplifier(bandwidth=f, time=math.log(2) / (2 * math.pi * f))
    assert half.settled == pytest.approx(0.5)
    assert SenseAmplifier(bandwidth=f, time=1e-3).settled == 1.0


def test_noise_of_a_settled_pole_has_its_noise_bandwidth() -> None:
    found = SenseAmplifier(bandwidth=1e6, time=1e-3, noise_density=2e-12).noise
    assert found == pytest.approx(2e-12 * math.sqrt(math.pi / 2 * 1e6))


@pytest.mark.parametrize("constants", [0.2, 1.0, 4.0])
def test_noise_builds_up_as_the_pole_filters_white_noise(constants: float) -> None:
    """A pole that starts at 0, followed in small steps; 20000 runs, five standard errors."""
    f, density, runs, steps = 1e6, 1e-12, 20000, 400
    tau = 1 / (2 * math.pi * f)
    time = constants * tau
    dt = time / steps
    rng = np.random.default_rng(5)
    y = np.zeros(runs)
    # One-sided density S**2: white noise of a step has the variance S**2 / (2 dt).
    for _ in range(steps):
        y += dt / tau * (density * math.sqrt(1 / (2 * dt)) * rng.standard_normal(runs) - y)
    found = SenseAmplifier(bandwidth=f, time=time, noise_density=density).noise
    assert y.std() / found == pytest.approx(1, abs=5 / math.sqrt(2 * runs) + constants / steps)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bandwidth": 1e6}, "bandwidth and time belong together"),
        ({"time": 1e-6}, "bandwidth and time belong together"),
        ({"noise_density": 1e-12}, "noise needs a bandwidth"),
        ({"saturation": 0.0}, "saturation 0 leaves no signal"),
        ({"bandwidth": 0.0, "time": 1e-6}, "bandwidth 0 leaves no signal"),
        ({"gain_sigma": 2.0}, "at most 1"),
        ({"offset_sigma": -1e-9}, "not below 0"),
    ],
)
def test_numbers_that_cannot_be_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SenseAmplifier(**values)
