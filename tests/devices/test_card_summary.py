"""What `xbar cards show` says of cells: the cut at zero, and the write noise of cells that pulses wrote."""

import numpy as np
import pytest

import xbar
from xbar.devices.card_file import load_card
from xbar.devices.card_summary import expected, written


def test_negative_conductances_are_cut_off() -> None:
    """An unused cell of `pcm` is half a normal number: mean sigma / sqrt(2 pi), not 0; a written one is untouched."""
    card = load_card("pcm")
    mean, spread = expected(card, np.array([0.0, 12.5e-6]), 0.0)
    sigma = 0.26348e-6
    assert mean[0] == pytest.approx(sigma / np.sqrt(2 * np.pi), rel=1e-9)
    assert spread[0] == pytest.approx(sigma * np.sqrt(0.5 - 0.5 / np.pi), rel=1e-9)
    assert mean[1] == pytest.approx(12.5e-6, rel=1e-9)


def test_the_simulated_array_has_these_moments() -> None:
    """16384 cells near zero, a day after the write, agree with the table within 4 standard errors and 1 %."""
    card = load_card("reram_wan")
    target, day = 2e-6, 86400.0
    mean, spread = (float(found[0]) for found in expected(card, np.array([target]), day))
    with xbar.open_bench("sim", card="reram_wan", rows=128, cols=128, seed=5, without=("read_noise",)) as bench:
        bench.program(0, np.full((128, 128), target))
        bench.wait(day)
        seen = bench[0].read_all().conductance
    assert seen.mean() == pytest.approx(mean, abs=4 * spread / 128 + 0.01 * mean)
    assert seen.std() == pytest.approx(spread, rel=0.03)


def test_write_noise_of_pulsed_cells_is_a_write_error() -> None:
    """What readings see of a cell differs from write to write: 0.5841 steps of 23.11 uS on `reram_array_hfo2`."""
    g = np.array([60e-6, 100e-6])
    assert written(load_card("reram_array_hfo2"), g)[1] == pytest.approx([0.5841 * 0.4622 * 50e-6] * 2, rel=1e-4)
    assert (written(load_card("capacitor"), g)[1] == 0).all()
