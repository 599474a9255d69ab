"""Arrays on one clock: read epochs, products of many arrays and threads, readings of single cells."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar.array.simulated_arrays as module
from xbar.array.periphery import Periphery
from xbar.array.simulated_arrays import SimulatedArrays
from xbar.devices.card_file import load_card
from xbar.devices.stuck_cells import StuckCells

ROWS, COLS = 48, 20


def make(card: str = "pcm", *only: str, arrays: int = 3, **periphery: Any) -> SimulatedArrays:
    kind = load_card(card)
    simulated = SimulatedArrays(arrays, ROWS, COLS, kind.only(only) if only else kind, Periphery(**periphery))
    rng = np.random.default_rng(1)
    for k in range(arrays):
        simulated.program(k, rng.uniform(2e-6, 25e-6, (ROWS, COLS)), 0.5)
    return simulated


def multiply(
    simulated: SimulatedArrays, arrays: tuple[int, ...], batch: slice = slice(None), rows: int = ROWS, **more: Any
) -> NDArray[Any]:
    """Multiply a slice of 300 fixed vectors on each of these arrays."""
    volts = np.random.default_rng(2).uniform(-0.2, 0.2, (3, 300, ROWS)).astype(np.float32)
    picked = volts[list(arrays)][:, batch, :rows]
    events = np.arange(300, dtype=np.uint64)[batch]
    k = len(arrays)
    return simulated.multiply(arrays, picked, np.full(k, 0.2), np.full((k, COLS), 2e-5), events, **more)[0]


@pytest.mark.parametrize("exact", [True, False])
def test_codes_do_not_depend_on_arrays_per_call_or_threads(exact: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """All arrays at once, one by one, in another order, in chunks on two threads: the same codes."""
    simulated = make(exact=exact)
    expected = multiply(simulated, (0, 1, 2))
    assert expected.std() > 20
    np.testing.assert_array_equal(multiply(simulated, (2, 0)), expected[[2, 0]])
    for k in range(3):
        np.testing.assert_array_equal(multiply(simulated, (k,))[0], expected[k])
    if exact:
        np.testing.assert_array_equal(multiply(simulated, (0, 1, 2), slice(100, 163)), expected[:, 100:163])
        monkeypatch.setattr(module, "CHUNK", 32)
        np.testing.assert_array_equal(multiply(simulated, (0, 1, 2)), expected)
    with ThreadPoolExecutor(2) as pool:
        np.testing.assert_array_equal(multiply(simulated, (0, 1, 2), pool=pool), expected)


def test_an_error_on_a_thread_reaches_the_caller() -> None:
    simulated = make()
    with ThreadPoolExecutor(2) as pool, pytest.raises(IndexError):
        simulated.multiply(
            (0, 1),
            np.zeros((2, 3, ROWS), np.float32),
            np.full(1, 0.2),
            np.full((2, COLS), 1e-5),
            np.zeros(3, np.uint64),
            pool,
        )


def test_steps_belong_to_each_bit_line() -> None:
    simulated = make()
    ranges = np.geomspace(1e-6, 1e-4, 2 * COLS).reshape(2, COLS)
    volts = np.zeros((2, 1, ROWS), np.float32)
    codes, steps = simulated.multiply((0, 1), volts, np.full(2, 0.2), ranges, np.zeros(1, np.uint64))
    np.testing.assert_array_equal(steps, ranges / 127)
    assert codes.dtype == np.int8
    assert not codes.any()  # 0 V: no current, and no noise of the cells


def test_arrays_differ() -> None:
    """The same targets and volts on two arrays: two chips' worth of errors and noise."""
    simulated = make()
    for k in (0, 1):
        simulated.program(k, np.full((ROWS, COLS), 10e-6), 0.0)
    volts = np.full((2, 50, ROWS), 0.1, np.float32)
    events = np.arange(50, dtype=np.uint64)
    codes, _ = simulated.multiply((0, 1), volts, np.full(2, 0.2), np.full((2, COLS), 1e-4), events)
    assert (codes[0] != codes[1]).mean() > 0.3


def test_products_are_frozen_within_an_epoch() -> None:
    """Reading cells and multiplying move the clock, not the product; waiting and programming open an epoch."""
    simulated = make("pcm", "drift", "flicker_noise")
    simulated.wait(100.0)
    g = simulated.conductances(0).copy()
    codes = multiply(simulated, (0,))
    simulated.clock += 1e6
    simulated.read(0, np.array([[0, 0]]), np.full((1, 3), 0.2), 10.0)
    np.testing.assert_array_equal(simulated.conductances(0), g)
    np.testing.assert_array_equal(multiply(simulated, (0,)), codes)
    simulated.wait(0.0)
    later = simulated.conductances(0)
    assert later.mean() < 0.8 * g.mean()  # a million seconds of drift are seen now
    assert (multiply(simulated, (0,)) != codes).any()
    simulated.wait(0.0)
    assert (simulated.conductances(0) != later).mean() > 0.9  # no time passed: a new draw of 1/f noise alone
    once = simulated.conductances(0).copy()
    simulated.program(2, np.full((ROWS, COLS), np.nan), 0.0)
    assert (simulated.conductances(0) != once).mean() > 0.9


def test_waiting_moves_the_clock() -> None:
    simulated = make("pcm", "drift")
    start = simulated.clock
    assert start == 1.5
    simulated.wait(3600.0)
    assert simulated.clock == start + 3600.0
    cells = simulated.cells(2)
    expected = cells.programmed * ((3600.0 + 20) / 20) ** -cells.exponent
    np.testing.assert_allclose(simulated.conductances(2), expected, rtol=1e-12)


def test_readings_follow_the_clock() -> None:
    """Each reading sees the drift up to its own time, in the order cell by cell, repeat by repeat."""
    simulated = make("pcm", "drift")
    cells = simulated.cells(1)
    places = np.array([[0, 0], [5, 7], [0, 0]])
    start, age = simulated.clock, simulated.clock - cells.written_at[0, 0]
    times, current = simulated.read(1, places, np.full((3, 2), 0.1), 50.0)
    np.testing.assert_allclose(times, start + 50.0 * np.arange(1, 7).reshape(3, 2))
    assert simulated.clock == start + 300.0
    nu, g = cells.exponent[places[:, 0], places[:, 1]], cells.programmed[places[:, 0], places[:, 1]]
    expected = g[:, None] * ((times - start + age + 20) / 20) ** -nu[:, None]
    np.testing.assert_allclose(current, 0.1 * expected, rtol=1e-12)
    assert (np.diff(current[0]) < 0).all()


def test_readings_of_stuck_and_unwritten_cells_do_not_drift() -> None:
    drifting = load_card("pcm").only(["drift"])
    places, voltages = np.array([[0, 0]]), np.full((1, 3), 0.2)
    unwritten = SimulatedArrays(1, 2, 2, drifting, Periphery())
    unwritten.cells(0).programmed[:] = 5e-6
    np.testing.assert_allclose(unwritten.read(0, places, voltages, 1e6)[1], 1e-6, rtol=1e-12)
    stuck = SimulatedArrays(1, 2, 2, replace(drifting, stuck_cells=StuckCells(0.0, 1.0, 0.0, 25e-6)), Periphery())
    stuck.program(0, np.full((2, 2), 10e-6), 0.0)
    np.testing.assert_allclose(stuck.read(0, places, voltages, 1e6)[1], 5e-6, rtol=1e-12)


def test_one_draw_of_flicker_noise_for_a_reading_of_the_array() -> None:
    """Repeats within one reading agree; the next reading draws anew, and not what products of an epoch see."""
    simulated = make("pcm", "flicker_noise")
    places = np.argwhere(np.ones((ROWS, COLS), bool))
    _, one = simulated.read(0, places, np.full((len(places), 2), 0.2), 0.0)
    np.testing.assert_array_equal(one[:, 0], one[:, 1])
    _, two = simulated.read(0, places, np.full((len(places), 1), 0.2), 0.0)
    assert (one[:, 0] != two[:, 0]).mean() > 0.9
    product = simulated.conductances(0).ravel() * 0.2
    target = simulated.cells(0).target.ravel() * 0.2
    draws = [a.ravel() / target - 1 for a in (one[:, 0], two[:, 0], product)]
    assert np.abs(np.corrcoef(draws) - np.eye(3)).max() < 5 / len(places) ** 0.5


def test_readings_have_the_white_noise_of_the_card() -> None:
    """5000 readings of one cell: mean and variance within five standard errors (false alarm: 1 in 1.7 million)."""
    simulated = SimulatedArrays(1, 2, 2, load_card("generic").only(["read_noise"]), Periphery(seed=3))
    simulated.program(0, np.full((2, 2), 40e-6), 0.0)
    n = 5000
    _, current = simulated.read(0, np.array([[1, 0]]), np.full((1, n), 0.2), 1e-5)
    z = (current / 0.2 / 40e-6 - 1) / 0.005
    assert abs(z.mean()) < 5 / n**0.5
    assert abs(z.var() - 1) < 5 * (2 / n) ** 0.5


def test_a_small_cell_beside_large_ones_is_read_with_its_own_noise() -> None:
    """Readings are dominated by one cell: their variance is that of the law, not of a grid below the largest cell."""
    card = load_card("generic").only(["read_noise"])
    simulated = SimulatedArrays(1, 128, 1, card, Periphery(seed=3))
    targets = np.full((128, 1), 100e-6)
    targets[7] = 1e-6
    simulated.program(0, targets, 0.0)
    n = 20_000
    _, current = simulated.read(0, np.array([[7, 0]]), np.full((1, n), 0.2), 1e-5)
    z = (current / 0.2 / 1e-6 - 1) / 0.005
    # Five standard errors: a false alarm in 1.7 million.
    assert abs(z.mean()) < 5 / n**0.5
    assert abs(z.var() - 1) < 5 * (2 / n) ** 0.5


def test_negative_voltages_give_negative_currents() -> None:
    simulated = SimulatedArrays(1, 2, 2, load_card("ideal"), Periphery())
    simulated.program(0, np.full((2, 2), 40e-6), 0.0)
    _, current = simulated.read(0, np.array([[1, 0], [0, 1]]), np.array([[-0.2], [0.0]]), 1e-5)
    np.testing.assert_allclose(current, [[-8e-6], [0.0]])


def test_the_same_seed_is_the_same_chip() -> None:
    base = multiply(make(seed=5), (0, 1))
    np.testing.assert_array_equal(multiply(make(seed=5), (0, 1)), base)
    assert (multiply(make(seed=6), (0, 1)) != base).mean() > 0.3
