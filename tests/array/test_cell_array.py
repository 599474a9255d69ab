"""The cells of one array: writing, drift, 1/f noise of an epoch, stuck cells, and which random numbers they are."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from xbar.array.cell_array import CellArray
from xbar.devices.card import DeviceCard
from xbar.devices.card_file import load_card
from xbar.devices.stuck_cells import CellState
from xbar.random import Purpose

ROWS, COLS = 40, 30


def card(name: str, *only: str) -> DeviceCard:
    return load_card(name).only(only)


def make(name: str, *only: str, seed: int = 1, array: int = 0) -> CellArray:
    return CellArray(ROWS, COLS, card(name, *only), seed, array)


@pytest.fixture
def targets() -> NDArray[np.float64]:
    return np.random.default_rng(3).uniform(1e-6, 25e-6, (ROWS, COLS))


def test_ideal_cells_hold_what_was_written(targets: NDArray[np.float64]) -> None:
    array = make("pcm")
    array.program(targets, 5.0)
    np.testing.assert_array_equal(array.conductances(1e9, 3), targets)
    assert array.sigma(targets) is None


def test_cells_that_were_never_written_stand_at_the_smallest_conductance() -> None:
    """Without error, drift or 1/f noise, at any time."""
    array = CellArray(ROWS, COLS, load_card("generic").without(["stuck_cells"]), 0, 0)
    np.testing.assert_array_equal(array.conductances(1e6, 1), np.full((ROWS, COLS), 1e-6))
    assert np.isnan(array.target).all()


@pytest.mark.parametrize("seconds", [0.0, 25.0, 3600.0, 86400.0, 3.15e8])
def test_drift_follows_the_power_law_at_exact_times(seconds: float, targets: NDArray[np.float64]) -> None:
    """g(t) = g_prog ((t + t0) / t0)^-nu with t0 = 20 s, t from the end of programming."""
    array = make("pcm", "programming_error", "drift")
    array.program(targets, 100.0)
    expected = array.programmed * ((seconds + 20) / 20) ** -array.exponent
    np.testing.assert_allclose(array.conductances(100.0 + seconds, 0), expected, rtol=1e-12)
    assert array.exponent.min() >= 0
    assert 0.04 < array.exponent.mean() < 0.08


def test_nan_leaves_cells_as_they_are(targets: NDArray[np.float64]) -> None:
    """Target, conductance, exponent and time of writing of the others stay, to the bit."""
    array = make("pcm", "programming_error", "drift")
    array.program(targets, 1.0)
    before = [a.copy() for a in (array.target, array.programmed, array.exponent, array.written_at)]
    some = np.full((ROWS, COLS), np.nan)
    some[3, 4] = 12e-6
    array.program(some, 50.0)
    others = np.isnan(some)
    for now, then in zip((array.target, array.programmed, array.exponent, array.written_at), before, strict=True):
        np.testing.assert_array_equal(now[others], then[others])
    assert array.target[3, 4] == 12e-6
    assert array.written_at[3, 4] == 50.0


def test_drift_exponents_are_drawn_once_per_device(targets: NDArray[np.float64]) -> None:
    """Writing the same target again gives another programming error and the same exponent."""
    array = make("pcm", "programming_error", "drift")
    array.program(targets, 1.0)
    exponent, programmed = array.exponent.copy(), array.programmed.copy()
    array.program(targets, 2.0)
    np.testing.assert_array_equal(array.exponent, exponent)
    assert (array.programmed != programmed).mean() > 0.99


def test_an_epoch_has_one_draw_of_flicker_noise(targets: NDArray[np.float64]) -> None:
    """The same epoch and time give the same noise; another epoch a new draw, of the size of its law."""
    array = make("pcm", "flicker_noise")
    array.program(targets, 0.0)
    first = array.conductances(25.0, 0)
    np.testing.assert_array_equal(array.conductances(25.0, 0), first)
    second = array.conductances(25.0, 1)
    assert (first != second).mean() > 0.99
    law = card("pcm", "flicker_noise").flicker_noise
    assert law is not None
    z = (np.stack([first, second]) - targets) / law.sigma(targets, targets, 25.0)
    assert abs(z.mean()) < 5 / z.size**0.5
    assert abs(z.var() - 1) < 5 * (2 / z.size) ** 0.5
    assert abs(np.corrcoef(z[0].ravel(), z[1].ravel())[0, 1]) < 5 / (ROWS * COLS) ** 0.5


def test_stuck_cells_stand_at_one_end_whatever_is_written(targets: NDArray[np.float64]) -> None:
    array = CellArray(300, 300, load_card("generic").only(["stuck_cells"]), 4, 0)
    wanted = np.full((300, 300), 50e-6)
    array.program(wanted, 1.0)
    g = array.conductances(1.0, 0)
    low, high = array.stuck == CellState.OFF, array.stuck == CellState.ON
    assert (g[low] == 1e-6).all()
    assert (g[high] == 100e-6).all()
    assert (g[~low & ~high] == 50e-6).all()
    # 0.1 % each of 90 000 cells: 90, standard deviation 9.5; five of them are a false alarm in 1.7 million.
    assert abs(int(low.sum()) - 90) < 48
    assert abs(int(high.sum()) - 90) < 48


def state(**kind: Any) -> tuple[NDArray[np.float64], ...]:
    array = CellArray(ROWS, COLS, load_card("pcm"), **kind)
    array.program(np.full((ROWS, COLS), 10e-6), 1.0)
    return array.programmed, array.exponent, array.conductances(100.0, 1)


def test_everything_random_follows_seed_and_array() -> None:
    """The same seed and array number are the same chip; another of either is another chip."""
    base = state(seed=1, array=0)
    for a, b in zip(base, state(seed=1, array=0), strict=True):
        np.testing.assert_array_equal(a, b)
    for other in (state(seed=2, array=0), state(seed=1, array=1)):
        assert all((a != b).mean() > 0.99 for a, b in zip(base, other, strict=True))


def test_the_noises_of_a_cell_are_independent() -> None:
    """Programming error, drift exponent and 1/f noise of a cell do not share their normals."""
    programmed, exponent, _ = state(seed=1, array=0)
    flicker = make("pcm", "flicker_noise")
    flicker.program(np.full((ROWS, COLS), 10e-6), 1.0)
    draws = np.stack([a.ravel() for a in (programmed, exponent, flicker.conductances(100.0, 0))])
    assert np.abs(np.corrcoef(draws) - np.eye(3)).max() < 5 / (ROWS * COLS) ** 0.5
    assert len({Purpose.PROGRAMMING_ERROR, Purpose.DRIFT, Purpose.FLICKER_NOISE}) == 3


def test_read_noise_follows_the_conductance() -> None:
    array = make("generic", "read_noise")
    g = np.linspace(1e-6, 100e-6, ROWS * COLS).reshape(ROWS, COLS)
    sigma = array.sigma(g)
    assert sigma is not None
    np.testing.assert_allclose(sigma, 0.005 * g)
