"""The shipped PCM card against the published constants, their table, and the law integrated numerically."""

import math
from typing import Any

import numpy as np
import pytest

from xbar.devices.card import DeviceCard
from xbar.devices.card_file import load_card
from xbar.devices.drift import Drift, LogFit
from xbar.devices.flicker_noise import FlickerNoise
from xbar.devices.programming_error import ProgrammingError
from xbar.devices.read_noise import ReadNoise
from xbar.units import MONTH, YEAR

ROWS = range(7)


@pytest.fixture(scope="module")
def card() -> DeviceCard:
    return load_card("pcm")


def laws(card: DeviceCard) -> tuple[ProgrammingError, Drift, FlickerNoise]:
    assert isinstance(card.programming_error, ProgrammingError)
    assert card.drift is not None
    assert isinstance(card.flicker_noise, FlickerNoise)
    return card.programming_error, card.drift, card.flicker_noise


def test_constants(card: DeviceCard) -> None:
    """Every published constant stands in the card, in SI units."""
    error, drift, flicker = laws(card)
    assert (card.g_min, card.g_max) == (0.0, 25e-6)
    assert error.coefficients == (0.26348e-6, 1.9650e-6, -1.1731e-6)
    assert (error.g_ref, error.g_max) == (25e-6, 25e-6)
    assert isinstance(drift.mean, LogFit)
    assert isinstance(drift.spread, LogFit)
    assert (drift.mean.slope, drift.mean.offset, drift.mean.low, drift.mean.high) == (-0.0155, 0.0244, 0.049, 0.1)
    assert (drift.spread.slope, drift.spread.offset, drift.spread.low, drift.spread.high) == (
        -0.0125,
        -0.0059,
        0.008,
        0.045,
    )
    assert (drift.t0, flicker.t0, flicker.t_read) == (20.0, 20.0, 250e-9)
    assert (flicker.coefficient, flicker.exponent, flicker.floor, flicker.ceiling) == (0.0088, 0.65, 1e-3, 0.2)
    assert isinstance(card.read_noise, ReadNoise)
    assert (card.read_noise.kind, card.read_noise.relative) == ("sqrt", 0.0175)
    assert card.stuck_cells is None


@pytest.mark.parametrize("index", ROWS)
def test_table(card: DeviceCard, pcm: Any, index: int) -> None:
    """Every law gives the printed digits of the table, drift by its closed form."""
    row = pcm.TABLE[index]
    error, drift, flicker = laws(card)
    g = np.array([row.x * card.g_max])
    half = 0.5001e-4
    assert error.sigma(g)[0] * 1e6 == pytest.approx(row.error_uS, abs=half)
    mean = drift.exponents(g, np.zeros(1))[0]
    spread = drift.exponents(g, np.ones(1))[0] - mean
    assert mean == pytest.approx(row.mean, abs=half)
    assert spread == pytest.approx(row.spread, abs=half)
    assert flicker.amplitude(g)[0] == pytest.approx(row.q, abs=half)
    for seconds, factor, noise in zip(pcm.TIMES, row.factors, row.noises, strict=True):
        log_time = -math.log(drift.factor(np.ones(1), seconds)[0])
        assert math.exp(-mean * log_time + (spread * log_time) ** 2 / 2) == pytest.approx(factor, abs=0.00051)
        assert flicker.sigma(g, g, seconds)[0] / g[0] == pytest.approx(noise, abs=0.00051)


def test_times_of_the_table(pcm: Any) -> None:
    """A month and a year of the table are the units that `--at` understands."""
    assert pcm.TIMES[3:] == (MONTH, YEAR, 10 * YEAR)


def test_two_published_fits_of_the_programming_error_agree(card: DeviceCard) -> None:
    """An independent fit of the same devices (CrossSim, `devices/custom/PCM_Joshi.py`) agrees to 10 %."""
    g = np.array([0.25, 2.5, 6.25, 12.5, 18.75, 25.0])
    other = -0.00178767 * g**2 + 0.07585724 * g + 0.28638599
    ratio = laws(card)[0].sigma(g * 1e-6) * 1e6 / other
    assert np.all(np.abs(ratio - 1) < 0.10)
    assert np.all(np.abs(ratio[1:] - 1) < 0.05)


@pytest.mark.parametrize("index", ROWS)
def test_million_cells_follow_the_law(card: DeviceCard, pcm: Any, index: int) -> None:
    """10^6 written cells per conductance follow law and table at every time.

    25 comparisons a conductance at five standard errors: one false alarm in 10,000 sets of seeds.
    """
    row = pcm.TABLE[index]
    error, drift, flicker = laws(card)
    rng = np.random.default_rng(1000 + index)
    target = np.full(1_000_000, row.x * card.g_max)

    def draw() -> Any:
        return rng.standard_normal(target.size, dtype=np.float32)

    programmed = error.program(target, draw())
    nu = drift.exponents(target, draw())
    drifted = {t: drift.conductance(programmed, nu, t) for t in pcm.TIMES}
    read = {t: flicker.read(programmed, g, t, draw()) for t, g in drifted.items()}
    pcm.check_cells(row, programmed, drifted, read)


def test_check_notices_a_wrong_law(card: DeviceCard, pcm: Any) -> None:
    """The comparison of a million cells notices 1 % too much error, drift from 21 s on, and a missing clamp."""
    row = pcm.TABLE[3]
    error, drift, flicker = laws(card)
    rng = np.random.default_rng(7)
    n = [rng.standard_normal(1_000_000) for _ in range(3)]
    target = np.full(n[0].size, row.x * card.g_max)
    programmed = error.program(target, n[0])
    nu = drift.exponents(target, n[1])
    with pytest.raises(AssertionError, match="programmed"):
        pcm.check_cells(row, target + 1.01 * (programmed - target), {}, {})
    late = {3600.0: programmed * (3621 / 21) ** -nu}
    with pytest.raises(AssertionError, match="drift"):
        pcm.check_cells(row, programmed, late, {})
    small = pcm.TABLE[0]
    target = np.full(n[0].size, small.x * card.g_max)
    programmed = error.program(target, n[0])
    drifted = {3600.0: drift.conductance(programmed, drift.exponents(target, n[1]), 3600.0)}
    unclamped = {3600.0: drifted[3600.0] + flicker.sigma(programmed, drifted[3600.0], 3600.0) * n[2]}
    with pytest.raises(AssertionError, match="1/f noise"):
        pcm.check_cells(small, programmed, drifted, unclamped)


def test_unused_device_of_a_pair_takes_programming_error(card: DeviceCard) -> None:
    """A target of zero gets the error of x = 0, half of it clamped away."""
    programmed = laws(card)[0].program(np.zeros(3), np.array([-1.0, 0.0, 1.0]))
    assert programmed == pytest.approx([0.0, 0.0, 0.26348e-6])


def test_drift_starts_and_flicker_noise_does_not(card: DeviceCard) -> None:
    """At the end of programming nothing has drifted, and the 1/f noise of the first reading is there already."""
    _, drift, flicker = laws(card)
    g = np.array([12.5e-6])
    assert drift.conductance(g, np.array([0.05]), 0.0)[0] == g[0]
    expected = 0.0088 / 0.5**0.65 * math.sqrt(math.log((20 + 250e-9) / 500e-9))
    assert flicker.sigma(g, g, 0.0)[0] / g[0] == pytest.approx(expected, rel=1e-12)
