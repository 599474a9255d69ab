"""Sweeps of cells of a pulse law: beyond a threshold the cell moves, as it would under pulses of that length."""

import numpy as np
import pytest

import xbar
from xbar.bench.bench import Bench
from xbar.bench.settings import Pulse, ReadConfig, Unselected

SETTLE = 90e-6
CURRENT = 1e-3  # more than any cell takes
WIDTH = SETTLE + 10e-6  # a reading takes 10 us


def bench(card: str = "gokmen_vlasov") -> Bench:
    found = xbar.open_bench("sim", card=card, rows=3, cols=4, seed=2, only=[])
    found.program(0, np.full((3, 4), xbar.load_card(card).g_min))
    return found


def test_a_sweep_beyond_the_threshold_is_a_train_of_pulses() -> None:
    """The same random numbers as single pulses of these voltages, a reading after each; other cells stay."""
    volts = np.array([0.3, 0.7, 1.0, 0.7, 0.2, -0.9, 0.1])
    config = ReadConfig(settle=SETTLE)
    with bench() as swept, bench() as pulsed:
        found = swept.sweep(0, (1, 2), volts, config)
        expected = []
        for v in volts:
            if abs(v) > 0.6:
                pulsed.pulse(0, [(1, 2)], Pulse(float(v), WIDTH, current_limit=CURRENT, unselected=Unselected.HALF))
            expected.append(pulsed.read(0, [(1, 2)], ReadConfig(0.1)).current[0, 0] / 0.1)
        cells = np.argwhere(np.ones((3, 4)))
        after = swept.read(0, cells, ReadConfig(0.1)).current
        wanted = pulsed.read(0, cells, ReadConfig(0.1)).current
    np.testing.assert_allclose(found.conductance[:, 0], expected, rtol=1e-12)
    np.testing.assert_allclose(after, wanted, rtol=1e-12)
    assert expected[3] > expected[2] > expected[1] > expected[0] == expected[0]
    assert expected[5] < expected[4] == expected[3]


def test_a_sweep_takes_the_time_of_its_readings() -> None:
    """Two readings of a point are two pulses, each at the end of its own; points below the threshold are as before."""
    with bench() as made:
        began = made.clock
        found = made.sweep(0, (0, 0), [0.1, 0.9, 0.1], ReadConfig(settle=SETTLE, repeat=2))
        assert found.time.ravel() - began == pytest.approx(WIDTH * np.arange(1, 7))
        assert made.clock - began == pytest.approx(6 * WIDTH)
    assert found.current[1, 1] > found.current[1, 0] > 0
    assert found.current[2, 0] == found.current[2, 1]


def test_a_sweep_below_the_threshold_moves_nothing() -> None:
    with bench() as made:
        found = made.sweep(0, (0, 0), np.linspace(-0.55, 0.55, 12), ReadConfig(settle=SETTLE))
    assert np.unique(found.conductance.round(15)).size == 1


def test_compliance_limits_how_far_a_sweep_moves_a_cell() -> None:
    """A source at its limit gives the cell less than the threshold."""
    config = ReadConfig(settle=SETTLE, current_limit=20e-6)
    with bench() as free, bench() as limited:
        far = free.sweep(0, (0, 0), [1.0, 0.1], ReadConfig(settle=SETTLE)).conductance[-1, 0]
        near = limited.sweep(0, (0, 0), [1.0, 0.1], config).conductance[-1, 0]
    assert near < far
