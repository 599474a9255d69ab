"""Pulse responses in closed form: trains against their analytic solutions, devices against their distributions.

Samples are compared at five standard errors, each a false alarm once in 1.7 million; seeds are fixed.
"""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbar.devices.card_file import load_card
from xbar.devices.pulse_law import train
from xbar.devices.pulse_response import PulseResponse
from xbar.devices.pulse_shapes import ConstantStep, ExponentialStep, LinearStep, PowerStep, PulsedDevices, Shape
from xbar.devices.write_conditions import WriteConditions
from xbar.errors import InputError, LimitError

SHAPES: dict[str, Shape] = {
    "constant": ConstantStep(),
    "soft_bounds": LinearStep(1.0, 1.0),
    "linear": LinearStep(0.4, 0.7, 0.05, 0.05, (-1.0, 1.0)),
    "exponential": ExponentialStep(-0.5, -0.5, 5.0, 5.0, -1.18445, -0.081404),
    "power": PowerStep(0.8, 1.5, 0.1),
}


def law(shape: Shape, **changes: Any) -> PulseResponse:
    return PulseResponse(shape, 0.01, -1.0, 1.0, 50e-6, 150e-6, **changes)


def average(response: PulseResponse, cells: int = 1) -> PulsedDevices:
    return response.devices(np.zeros((7, cells)), np.ones((2, cells)))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_soft_bounds_saturate(sign: float) -> None:
    """N pulses bring a cell to b - (b - w) (1 - step / b)^n, exactly, in both directions."""
    response = law(LinearStep(1.0, 1.0))
    start = np.array([-0.8, 0.0, 0.6])
    for n in (1, 10, 300):
        got = train(response, start, average(response, 3), np.array([sign]), np.zeros((n, 3)))
        bound = sign
        assert got == pytest.approx(bound - (bound - start) * (1 - 0.01) ** n, rel=1e-12)


def test_constant_steps_end_at_the_bound() -> None:
    """Steps are equal until the bound, which nothing passes; pulses of both signs and none go to their own cells."""
    response = law(ConstantStep())
    devices = average(response, 3)
    got = train(response, np.zeros(3), devices, np.array([1, 0, -1]), np.zeros((50, 3)))
    assert got == pytest.approx([0.5, 0.0, -0.5])
    got = train(response, np.zeros(3), devices, np.array([1, 0, -1]), np.zeros((150, 3)))
    assert got == pytest.approx([1.0, 0.0, -1.0])


def test_linear_steps() -> None:
    """With gamma the step falls to 1 - gamma at the bound; n pulses are a geometric series."""
    response = law(LinearStep(0.4, 0.7))
    got = train(response, np.zeros(1), average(response), np.ones(1), np.zeros((80, 1)))
    assert got[0] == pytest.approx((1 - (1 - 0.01 * 0.4) ** 80) / 0.4, rel=1e-12)


@pytest.mark.parametrize("sign", [1, -1])
def test_exponential_steps(sign: int) -> None:
    """One pulse moves by max(1 - A exp(+- gamma z), 0) of the device's step."""
    shape = ExponentialStep(-0.5, -0.5, 5.0, 5.0, -1.18445, -0.081404)
    response = law(shape)
    w = np.array([-0.9, 0.0, 0.7])
    z = 2 * w / 2.0 * -0.5 - 0.5
    amplitude = -1.18445 if sign > 0 else -0.081404
    want = w + sign * 0.01 * np.maximum(1 - amplitude * np.exp(sign * 5 * z), 0)
    got = response.pulse(w, average(response, 3), np.array([sign]), np.zeros(3))
    assert got == pytest.approx(want, rel=1e-12)


def test_power_steps() -> None:
    """One pulse moves by a power of the distance from the bound, and by nothing at it."""
    response = law(PowerStep(0.8, 1.5))
    w = np.array([-1.0, 0.2, 1.0])
    omega = (1 - w) / 2
    up = response.pulse(w, average(response, 3), np.ones(3), np.zeros(3))
    assert up == pytest.approx(w + 0.01 * omega**0.8)
    down = response.pulse(w, average(response, 3), -np.ones(3), np.zeros(3))
    assert down == pytest.approx(w - 0.01 * (1 - omega) ** 1.5)


@given(st.sampled_from(sorted(SHAPES)), st.integers(0, 2**32 - 1))
def test_no_pulse_leaves_the_bounds_and_no_pulse_moves_nothing(name: str, seed: int) -> None:
    """Whatever shape, devices and noise: states stay within each device's bounds, and a sign of 0 changes no bit."""
    response = law(SHAPES[name], step_spread=0.5, w_max_spread=0.4, w_min_spread=0.4, step_noise=3.0, corrupt=0.1)
    rng = np.random.default_rng(seed)
    devices = response.devices(rng.standard_normal((7, 40)), rng.random((2, 40)))
    state = np.clip(rng.uniform(-1, 1, 40), devices.w_min, devices.w_max)
    signs = rng.integers(-1, 2, 40)
    got = train(response, state, devices, signs, rng.standard_normal((20, 40)))
    assert np.all((got >= devices.w_min) & (got <= devices.w_max))
    np.testing.assert_array_equal(got[signs == 0], state[signs == 0])


@pytest.mark.parametrize("multiplicative", [True, False])
def test_noise_from_pulse_to_pulse(statistics: Any, multiplicative: bool) -> None:
    """Steps at a state have the mean of the shape, and a spread that vanishes with the step only if multiplicative."""
    response = law(LinearStep(1.0, 1.0), step_noise=0.3, multiplicative=multiplicative)
    cells = 300_000
    rng = np.random.default_rng(3)
    w = np.full(cells, 0.5)
    steps = [response.pulse(w, average(response, cells), np.ones(1), rng.standard_normal(cells)) - w for _ in range(2)]
    statistics.check_normal(steps[0], 0.005, 0.01 * 0.3 * (0.5 if multiplicative else 1.0))
    statistics.check_uncorrelated(*steps)


def test_noise_of_phase_change_memory(statistics: Any) -> None:
    """With floor and slope the spread is step_noise (step + floor + slope w)."""
    response = PulseResponse(
        ConstantStep(), 0.01, 0.0, 2.0, 0.0, 25e-6, step_noise=0.6, noise_floor=0.042, noise_slope=0.108
    )
    cells = 300_000
    z = np.random.default_rng(5).standard_normal(cells)
    w = np.full(cells, 1.0)
    got = response.pulse(w, average(response, cells), np.ones(1), z) - w
    statistics.check_normal(got, 0.01, 0.6 * (0.01 + 0.042 + 0.108))


def test_devices_spread_as_the_source_says(statistics: Any) -> None:
    """Bounds are normal, the step lognormal, and the asymmetry moves SET and RESET apart, each device by itself."""
    response = law(
        ConstantStep(), step_spread=0.7, lognormal=True, up_down_spread=0.0, w_max_spread=0.1, w_min_spread=0.2
    )
    cells = 300_000
    rng = np.random.default_rng(7)
    devices = response.devices(rng.standard_normal((7, cells)), rng.random((2, cells)))
    statistics.check_normal(devices.w_max, 1.0, 0.1)
    statistics.check_normal(devices.w_min, -1.0, 0.2)
    statistics.check_normal(np.log(devices.up), math.log(0.01), 0.7)
    np.testing.assert_array_equal(devices.up, devices.down)
    statistics.check_uncorrelated(devices.w_max, devices.w_min)
    statistics.check_uncorrelated(devices.w_max, devices.up)
    tilted = law(ConstantStep(), up_down=0.25, up_down_spread=0.05)
    devices = tilted.devices(rng.standard_normal((7, cells)), rng.random((2, cells)))
    statistics.check_normal(devices.up, 0.01, 0.0005)
    statistics.check_normal(devices.down, 0.0075, 0.0005)


def test_corrupt_devices_do_not_move(statistics: Any) -> None:
    """A tenth of the HfO2 array stands within 0.01 of the middle whatever comes; the others keep their own bounds."""
    response = load_card("reram_array_hfo2").pulse_response
    assert isinstance(response, PulseResponse)
    cells = 200_000
    rng = np.random.default_rng(11)
    devices = response.devices(rng.standard_normal((7, cells)), rng.random((2, cells)))
    stuck = devices.w_min == devices.w_max
    statistics.check_share(stuck, 0.0977)
    assert np.abs(np.asarray(devices.w_max)[stuck]).max() <= 0.01
    got = train(response, np.asarray(devices.w_min), devices, np.ones(1), rng.standard_normal((3, cells)))
    np.testing.assert_array_equal(got[stuck], devices.w_min[stuck])


def test_a_fifth_of_targets_lies_beyond_the_bounds_of_the_hfo2_array() -> None:
    """Of targets over the whole range, 20 % lie beyond their device's bounds: no write can reach them."""
    response = load_card("reram_array_hfo2").pulse_response
    assert isinstance(response, PulseResponse)
    rng = np.random.default_rng(13)
    devices = response.devices(rng.standard_normal((7, 400_000)), np.ones((2, 400_000)))
    target = rng.uniform(-1, 1, 400_000)
    assert np.mean((target < devices.w_min) | (target > devices.w_max)) == pytest.approx(0.20, abs=0.01)


def test_write_noise_is_seen_and_not_kept(statistics: Any) -> None:
    """Readings see the state with noise in steps; the state itself goes on without it."""
    response = law(ConstantStep(), write_noise=0.5841)
    seen = response.apparent(np.full(200_000, 0.3), np.random.default_rng(17).standard_normal(200_000))
    statistics.check_normal(seen, 0.3, 0.01 * 0.5841)


def test_one_sided_device_goes_back_at_once(statistics: Any) -> None:
    """A RESET of phase-change memory brings any state to rest, with its spread and noise; SET goes step by step."""
    response = load_card("pcm_pulse").pulse_response
    assert isinstance(response, PulseResponse)
    cells = 200_000
    rng = np.random.default_rng(19)
    devices = response.devices(rng.standard_normal((7, cells)), rng.random((2, cells)))
    melted = response.pulse(np.full(cells, 1.5), devices, -np.ones(1), rng.standard_normal(cells))
    # Below zero the state is cut off.
    spread = math.hypot(0.02, 0.01)
    statistics.check_share(melted > 0, 0.5 * (1 + math.erf(0.01 / spread / math.sqrt(2))))
    assert melted.max() < 0.01 + 6 * spread
    one = response.pulse(np.zeros(1), average(response), np.ones(1), np.zeros(1))
    assert one[0] == pytest.approx(0.01 * (1 + 27.235), rel=1e-6)


def test_conductance_and_state_are_inverse() -> None:
    """Both scales take g_min and g_max to the ends; no lower bound lies below 0 S."""
    response = law(ConstantStep(), w_min_spread=3.0)
    w = np.array([-1.0, 0.3, 1.0])
    assert response.conductance(w) == pytest.approx([50e-6, 115e-6, 150e-6])
    assert response.state(response.conductance(w)) == pytest.approx(w)
    devices = response.devices(np.random.default_rng(23).standard_normal((7, 1000)), np.ones((2, 1000)))
    assert np.asarray(devices.w_min).min() == pytest.approx(-2.0)
    assert response.conductance(np.array([-2.0, -3.0])) == pytest.approx([0.0, 0.0], abs=1e-18)
    log = law(ConstantStep(), scale="log")
    assert log.conductance(np.array([0.0]))[0] == pytest.approx(math.sqrt(50e-6 * 150e-6))
    assert log.state(log.conductance(w)) == pytest.approx(w)


def test_stronger_and_weaker_pulses() -> None:
    """The step, noise included, is in proportion to the drive and ends at the bound; a RESET melts once at most."""
    response = law(LinearStep(1.0, 1.0), step_noise=0.3)
    w, z = np.full(5, 0.5), np.full(5, 1.3)
    got = response.pulse(w, average(response, 5), np.array([1.0, 0.25, -0.5, 1e3, 0.0]), z)
    up, down = 0.01 * 0.5 * (1 + 0.3 * 1.3), 0.01 * 1.5 * (1 + 0.3 * 1.3)
    assert got == pytest.approx([0.5 + up, 0.5 + up / 4, 0.5 - down / 2, 1.0, 0.5], rel=1e-12)
    pcm = load_card("pcm_pulse").pulse_response
    assert isinstance(pcm, PulseResponse)
    melted = pcm.pulse(np.full(3, 1.0), average(pcm, 3), np.array([-1.0, -0.5, -9.0]), np.zeros(3))
    assert melted == pytest.approx([0.01, 0.505, 0.01])


def test_wrong_numbers_of_random_numbers() -> None:
    """One set of random numbers a pulse, of the shape of the states: anything else is an error."""
    response = law(ConstantStep())
    with pytest.raises(InputError, match="one set for each pulse"):
        train(response, np.zeros(3), average(response, 3), np.ones(3), np.zeros(3))


WRITE = WriteConditions(1.5, -1.2, 1e-6, 3.0, 1e-3, 0.9, -0.7)


def test_weak_pulses_count_less() -> None:
    """None below the threshold, one at the nominal voltage, in proportion to the width; signs tell SET and RESET."""
    volts = np.array([0.0, 0.75, 0.9, 1.2, 1.5, 2.1, -0.6, -0.7, -1.2])
    assert WRITE.nominal_pulses(volts, 1e-6) == pytest.approx([0, 0, 0, 0.5, 1, 2, 0, 0, -1])
    assert WRITE.nominal_pulses(volts, 2e-6) == pytest.approx(2 * WRITE.nominal_pulses(volts, 1e-6))
    turned = WriteConditions(-8.0, 5.0, 1e-4, 8.0, 1e-3, -4.0, 2.5)
    assert turned.nominal_pulses(np.array([-8.0, 5.0, 2.5]), 1e-4) == pytest.approx([1, -1, 0])


@pytest.mark.parametrize(
    ("voltage", "width", "message"),
    [
        (3.1, 1e-6, "pulse of 3.1 V is above 3 V"),
        (-3.1, 1e-6, "pulse of -3.1 V is above 3 V"),
        (math.nan, 1e-6, "pulse of nan V"),
        (1.0, 0.0, "width 0 s must be above 0 s"),
        (1.0, 2e-3, "width 2 ms must be above 0 s and at most 1 ms"),
    ],
)
def test_pulses_beyond_the_limits_are_refused(voltage: float, width: float, message: str) -> None:
    """The message tells the pulse, the limit and whose it is."""
    WRITE.check(3.0, 1e-3)
    with pytest.raises(LimitError, match=message):
        WRITE.check(voltage, width)
