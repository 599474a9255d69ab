"""Relaxation, retention, temperature, variation, faults and wear against their closed forms.

Samples are compared at five standard errors, each a false alarm once in 1.7 million; seeds are fixed.
"""

import math
from typing import Any

import numpy as np
import pytest

from xbar.devices.card_file import load_card
from xbar.devices.card_summary import expected, written
from xbar.devices.endurance import Endurance
from xbar.devices.relaxation import LogTimeRelaxation, TabulatedRelaxation, relaxed
from xbar.devices.retention import Retention
from xbar.devices.stuck_lines import StuckLines
from xbar.devices.temperature import BOLTZMANN, Temperature
from xbar.devices.variation import Variation
from xbar.errors import InputError
from xbar.units import MONTH, YEAR

DAY = 86400.0
CELLS = 400_000


@pytest.mark.parametrize("seconds", [0.0, 0.5, 1.0, 3600.0, 43200.0, DAY, 2 * DAY])
@pytest.mark.parametrize("x", [0.05, 0.3, 1.0])
def test_relaxation_of_many_cells(statistics: Any, seconds: float, x: float) -> None:
    """Written and relaxed cells spread around their target by the published amount at each time and state."""
    card = load_card("reram_wan")
    error, law = card.programming_error, card.relaxation
    assert error is not None
    assert isinstance(law, TabulatedRelaxation)
    rng = np.random.default_rng(3)
    target = np.full(CELLS, x * card.g_max)
    programmed = target + error.sigma(target) * rng.standard_normal(CELLS)
    after = programmed + law.sigma(target, seconds) * rng.standard_normal(CELLS)
    statistics.check_normal(after, target[0], float(law.whole(target[:1], seconds)[0]))


def test_relaxation_is_interpolated_in_the_logarithm_of_time() -> None:
    """Half way in ln t the coefficients are half way; before the first time nothing has happened."""
    law = TabulatedRelaxation("polynomial", (1.0, 1e4), ((1e-6,), (3e-6,)), "log", 1e-4, 1e-4)
    g = np.array([5e-5])
    assert law.whole(g, 100.0)[0] == pytest.approx(2e-6)
    assert law.sigma(g, 100.0)[0] == pytest.approx(math.sqrt(3) * 1e-6)
    assert law.sigma(g, 0.3)[0] == law.sigma(g, 0.0)[0] == 0
    assert law.whole(g, np.array([1.0, 1e4, 1e8])) == pytest.approx([1e-6, 3e-6, 3e-6])
    linear = TabulatedRelaxation("polynomial", (0.0, 100.0), ((1e-6,), (3e-6,)), "linear", 1e-4, 1e-4)
    assert linear.whole(g, 25.0)[0] == pytest.approx(1.5e-6)


def test_each_cell_has_its_time() -> None:
    """A time for each cell gives what each time alone gives."""
    g, times = np.array([10e-6, 20e-6, 40e-6]), np.array([0.0, 3600.0, DAY])
    laws = (load_card("reram_wan").relaxation, load_card("reram_cmo").relaxation, load_card("sonos").relaxation)
    for law in laws:
        assert law is not None
        for part in (law.shift, law.sigma):
            each = [float(part(g[k : k + 1], float(times[k]))[0]) for k in range(3)]
            assert part(g, times) == pytest.approx(each, rel=1e-14)
        with pytest.raises(InputError, match="-1 s"):
            law.sigma(g, -1.0)


def test_relaxed_cells_keep_their_direction_and_stay_positive() -> None:
    """With one draw a write, a cell that rose by an hour has risen more by a day; none falls below zero."""
    law = LogTimeRelaxation(0.0, 1e-6, 1e-6, 1.0, DAY)
    rng = np.random.default_rng(5)
    g, z = np.full(1000, 2e-6), rng.standard_normal(1000)
    hour, day = (relaxed(law, g, g, t, z) for t in (3600.0, DAY))
    free = (day > 0) & (hour > 0)
    assert np.all((day - hour)[free] * z[free] > 0)
    assert day.min() == 0


def test_retention() -> None:
    """After tau a plain exponential has lost 63 % of what lies above the floor, for numbers and arrays alike."""
    law = Retention(tau=YEAR, stretch=1.0, floor=1e-6)
    g = np.array([1e-6, 11e-6])
    assert law.conductance(g, YEAR) == pytest.approx([1e-6, 1e-6 + 10e-6 / math.e])
    assert law.conductance(g, np.array([0.0, YEAR])) == pytest.approx([1e-6, 1e-6 + 10e-6 / math.e])
    half = Retention(YEAR, 0.5, 0.0)
    assert half.conductance(np.array([1.0]), 4 * YEAR)[0] == pytest.approx(math.exp(-2))
    with pytest.raises(InputError, match="-1 s"):
        law.conductance(g, -1.0)


def test_temperature() -> None:
    """Both forms are one at the reference; a hot cell ages by the Arrhenius factor."""
    linear = Temperature("linear", 1e-3, 300.0)
    assert linear.conductance(np.array([1e-5]), 350.0)[0] == pytest.approx(1.05e-5)
    activated = Temperature("arrhenius", 0.2, 300.0, ageing=0.6)
    assert activated.conductance(np.array([1e-5]), 300.0)[0] == pytest.approx(1e-5)
    factor = math.exp(0.2 / BOLTZMANN * (1 / 300 - 1 / 350))
    assert activated.conductance(np.array([1e-5]), 350.0)[0] == pytest.approx(factor * 1e-5)
    faster = math.exp(0.6 / BOLTZMANN * (1 / 300 - 1 / 358))
    assert activated.effective_time(1.0, 358.0) == pytest.approx(faster)
    assert np.asarray(activated.effective_time(np.array([2.0]), 358.0)) == pytest.approx(2 * faster)
    assert 40 < faster < 45
    assert linear.effective_time(5.0, 400.0) == 5.0
    for kelvin in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(InputError, match="above 0 K"):
            linear.conductance(np.array([1.0]), kelvin)


@pytest.mark.parametrize("g", [1e-6, 10e-6, 100e-6])
def test_variation_is_lognormal(statistics: Any, g: float) -> None:
    """The logarithm of R of many devices spreads by a line in R between the two ends of the range."""
    law = Variation(on=0.05, off=0.5, g_min=1e-6, g_max=1e-4)
    got = law.apply(np.full(CELLS, g), np.random.default_rng(7).standard_normal(CELLS))
    sigma = 0.05 + 0.45 * (1 / g - 1e4) / (1e6 - 1e4)
    statistics.check_normal(np.log(got), math.log(g), sigma)
    # A peer gives whole arrays one of two values: here each device has its own.
    assert np.unique(got).size > 0.99 * CELLS
    assert Variation(0.1, 0.5, 0.0, 1e-4).sigma(np.array([0.0, 1e-4])) == pytest.approx([0.1, 0.1])


def test_closed_form_of_a_written_cell(statistics: Any) -> None:
    """Table error and both variations of `generic_all` together have the mean and spread that the tables show."""
    card = load_card("generic_all")
    assert card.programming_error is not None
    assert card.device_variation is not None
    assert card.cycle_variation is not None
    rng = np.random.default_rng(11)
    g = np.full(CELLS, 60e-6)
    got = card.programming_error.program(g, rng.standard_normal(CELLS))
    # The spread of a factor belongs to the target, as in `written`.
    for law in (card.device_variation, card.cycle_variation):
        got = got * np.exp(law.sigma(g) * rng.standard_normal(CELLS))
    mean, sigma = written(card, g[:1])
    statistics.check_normal(got, float(mean[0]), float(sigma[0]))


def test_closed_form_of_time_against_many_cells() -> None:
    """`expected` agrees with a million cells of `generic_all` after a day to 1 % of the spread and 0.03 % of the mean.

    Standard errors are 0.1 % of the spread and 0.003 % of the mean: a false alarm is ten of them away. The closed form
    leaves out the absolute value of the drift exponent, which is 0.01 % here.
    """
    card = load_card("generic_all").without(["device_variation", "cycle_variation"])
    assert card.programming_error is not None
    assert card.relaxation is not None
    assert card.drift is not None
    assert card.retention is not None
    rng = np.random.default_rng(13)
    g = np.full(1_000_000, 60e-6)
    cells = card.programming_error.program(g, rng.standard_normal(g.size))
    cells = relaxed(card.relaxation, cells, g, DAY, rng.standard_normal(g.size))
    cells = card.drift.conductance(cells, card.drift.exponents(g, rng.standard_normal(g.size)), DAY)
    cells = card.retention.conductance(cells, DAY)
    mean, sigma = expected(card, g[:1], DAY)
    assert cells.mean() == pytest.approx(mean[0], rel=3e-4)
    assert cells.std() == pytest.approx(sigma[0], rel=0.01)
    with pytest.raises(InputError, match="relaxation of card 'generic_all'"):
        expected(card, g[:1], 2 * MONTH)


def test_open_lines(statistics: Any) -> None:
    """Lines open at their rates, each by itself, and no cell on one conducts."""
    law = StuckLines(word_lines=0.02, bit_lines=0.05)
    rng = np.random.default_rng(17)
    rows, cols = rng.random(40_000), rng.random(50)
    opened = law.draw(rows, cols)
    assert (opened.shape, opened.dtype) == ((40_000, 50), np.int8)
    statistics.check_share(opened.all(axis=1), 0.02)
    np.testing.assert_array_equal(opened.astype(bool), (rows < 0.02)[:, None] | (cols < 0.05)[None, :])
    g = law.apply(np.full(opened.shape, 5e-6), opened)
    assert set(np.unique(g[opened != 0])) <= {0.0}
    assert set(np.unique(g[opened == 0])) == {5e-6}


def test_endurance(statistics: Any) -> None:
    """Steps shrink by the number of pulses; lifetimes are lognormal, and a failed cell stays failed."""
    law = Endurance(fatigue=1e-4, median=1e6, spread=0.5)
    assert law.step_scale(np.array([0, 10_000])) == pytest.approx([1.0, 0.5])
    lifetimes = law.lifetimes(np.random.default_rng(19).standard_normal(CELLS))
    statistics.check_normal(np.log(lifetimes), math.log(1e6), 0.5)
    statistics.check_share(law.failed(np.full(CELLS, 1_000_000), lifetimes), 0.5)
    assert not law.failed(np.zeros(CELLS, np.int64), lifetimes).any()
    forever = Endurance(0.0, math.inf, 0.0)
    assert not forever.failed(np.full(3, 2**60), forever.lifetimes(np.zeros(3))).any()
