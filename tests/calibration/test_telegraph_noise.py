"""Telegraph noise comes back from readings in time, and is refused where these cannot tell it."""

from pathlib import Path

import numpy as np
import pytest

import xbar
from xbar.bench.settings import ReadConfig
from xbar.devices.card_file import parse_card
from xbar.devices.telegraph_noise import TelegraphNoise
from xbar_calibration.calibrate import calibrate
from xbar_calibration.card_text import write_card
from xbar_calibration.column_mapping import Mapping
from xbar_calibration.fit import Fit, Refusal
from xbar_calibration.reading_series import Series, SeriesBuilder
from xbar_calibration.settings import Settings
from xbar_calibration.table_observations import table_observations
from xbar_calibration.telegraph_cell import CellSeries, fit_levels
from xbar_calibration.telegraph_kernel import two_levels
from xbar_calibration.telegraph_noise import fit_telegraph_noise
from xbar_calibration.trace_observations import trace_observations

LAW = TelegraphNoise(amplitude=0.03, empty=2e-3, full=1e-3, share=0.4)
STEP = 3e-4

CARD = """schema = "xbar-card/1"
name = "hidden"
title = "A card that the fit does not see"
source = "Round numbers"
g_min = "5 uS"
g_max = "100 uS"
read_voltage = "0.2 V"
[random_telegraph_noise]
kind = "two_state"
amplitude = "3 %"
empty = "200 us"
full = "100 us"
share = "50 %"
valid = ["0 uS", "100 uS"]
source = "Round numbers"
[read_noise]
kind = "proportional"
relative = 0.005
valid = ["0 uS", "100 uS"]
source = "Round number"
"""


def telegraph(seed: int, cells: int = 20, n: int = 300, law: TelegraphNoise = LAW, sigma: float = 0.01) -> Series:
    """Return series of cells of which some have two levels; white noise relative to the conductance."""
    rng = np.random.default_rng(seed)
    traps, g = law.traps(rng.random(cells)), rng.uniform(5e-6, 50e-6, cells)
    state, readings = law.start(rng.random(cells)), []
    for k in range(n):
        state = law.advance(state, STEP, rng.random(cells)) if k else state
        readings.append(np.asarray(law.conductance(g, state, traps)) * (1 + sigma * rng.standard_normal(cells)))
    number = np.repeat(np.arange(cells), n)
    return Series(number, number, np.tile(np.arange(n) * STEP, cells), np.array(readings).T.ravel())


def fitted(series: Series | None, hold_out: float = 0.0) -> Fit:
    """Return the fit, which must be one."""
    outcome, _ = fit_telegraph_noise(series, hold_out, 0)
    assert isinstance(outcome, Fit), outcome
    return outcome


def refused(series: Series | None) -> str:
    """Return the reason of a refusal, which it must be."""
    outcome, _ = fit_telegraph_noise(series, 0.3, 0)
    assert isinstance(outcome, Refusal), outcome
    return outcome.reason


def test_the_law_comes_back() -> None:
    """Over three seeds at most two of twelve intervals miss: more by chance in 2 %."""
    held = []
    for seed in range(3):
        fit = fitted(telegraph(seed, n=250))
        truth = {"amplitude": 0.03, "empty": 2e-3, "full": 1e-3, "share": 0.4}
        held += [fit.parameter(name).covers(value) for name, value in truth.items()]
        assert fit.parameter("empty").high < 2 * fit.parameter("empty").low
        assert fit.rivals[0][0] == "two_state"
        assert min(score for _, score in fit.rivals[1:]) > 50
    assert held.count(False) <= 2


def test_unseen_cells_are_predicted() -> None:
    """Readings of cells that were held out follow from those before them: spread within 10 % of one."""
    held = fitted(telegraph(3, cells=40), hold_out=0.3).held_out
    assert held is not None
    assert held.points >= 300
    assert 0.9 < held.spread < 1.1


def test_few_cells_hold_out_the_end_of_their_series() -> None:
    """One cell alone is fitted to the first part of its series, and the rest is predicted."""
    fit = fitted(telegraph(5, cells=1, n=1500, law=TelegraphNoise(0.03, 2e-3, 1e-3, 1.0)), hold_out=0.3)
    assert fit.held_out is not None
    assert fit.held_out.points == 450
    assert 0.9 < fit.held_out.spread < 1.1
    assert fit.parameter("amplitude").value == pytest.approx(0.03, rel=0.06)


def test_likelihood_by_hand() -> None:
    """With levels far apart the chain's likelihood is the product of known probabilities."""
    time, g = np.array([0.0, 1.0, 3.0]), np.array([1.0, 0.5, 0.5])
    starts, level, sigma = np.array([0, 3]), np.ones(1), np.full(1, 1e-3)
    found, full, moves = two_levels((0.5, 2.0, 4.0), time, g, starts, level, sigma, 0, np.empty(3))
    occupancy, rate = 4 / 6, 1 / 2 + 1 / 4
    first = occupancy * (1 - np.exp(-rate))
    second = occupancy + (1 - occupancy) * np.exp(-2 * rate)
    expected = np.log((1 - occupancy) * first * second) - 3 * np.log(1e-3 * np.sqrt(2 * np.pi))
    assert found == pytest.approx(expected)
    assert full == pytest.approx(2.0)
    assert moves == pytest.approx(1.0)


def test_quiet_cells_and_noise_with_a_memory_are_refused() -> None:
    """White noise has no levels, and a process that wanders is not taken for a trap."""
    quiet = telegraph(1, law=TelegraphNoise(0.03, 2e-3, 1e-3, 0.0))
    assert "none of 20 cells has two levels (with 95 % fewer than 17 % have)" in refused(quiet)
    rng = np.random.default_rng(2)
    walk = np.zeros((20, 300))
    for k in range(1, 300):
        walk[:, k] = 0.95 * walk[:, k - 1] + 0.01 * rng.standard_normal(20)
    wander = Series(quiet.number, quiet.cell, quiet.time, 2e-5 * (1 + walk.ravel() + 0.01 * rng.standard_normal(6000)))
    assert "has a memory, but not that of two levels" in refused(wander)


def test_one_jump_tells_no_times() -> None:
    """A cell that jumps once may have jumped for any reason; without series nothing is fitted."""
    rng = np.random.default_rng(3)
    g = 2e-5 * (1 - 0.05 * (np.arange(400) > 250)) * (1 + 0.002 * rng.standard_normal(400))
    zero = np.zeros(400, np.int64)
    assert "none of 1 cells has two levels" in refused(Series(zero, zero, np.arange(400.0), g))
    assert "the longest series of one cell has 0 readings" in refused(None)


def test_switching_faster_than_readings_is_told() -> None:
    """Levels that change from one reading to the next have no times that readings tell."""
    fast = TelegraphNoise(0.2, STEP / 20, STEP / 20, 1.0)
    assert "read faster" in refused(telegraph(4, law=fast, cells=6))


def test_cells_of_different_traps() -> None:
    """Where cells differ the parameters are geometric means, with intervals of the scatter between cells."""
    parts = [telegraph(s, 1, 600, TelegraphNoise(a, 3e-3, 2e-3, 1.0), 0.004) for s, a in enumerate([0.02, 0.04, 0.08])]
    numbers = np.repeat(np.arange(3), 600)
    series = Series(numbers, numbers, np.tile(parts[0].time, 3), np.concatenate([part.g for part in parts]))
    fit = fitted(series)
    assert "cells differ by factors (amplitude 2" in fit.notes[1]
    assert fit.parameter("amplitude").low < 0.02
    assert fit.parameter("amplitude").value == pytest.approx(0.04, rel=0.05)


def test_series_are_cut_into_parts() -> None:
    """The first and the last part of each series together are the series."""
    cell = CellSeries(7, np.arange(10.0), np.arange(10.0), np.array([0, 6, 10]))
    first, rest = cell.part(0.5), cell.part(0.5, rest=True)
    assert first.g.tolist() == [0, 1, 2, 6, 7]
    assert rest.g.tolist() == [3, 4, 5, 8, 9]
    assert rest.starts.tolist() == [0, 3, 5]
    assert fit_levels(CellSeries(7, np.arange(80.0), np.ones(80), np.array([0, 80]))) is None


def test_only_long_series_with_times_are_kept() -> None:
    """Short visits, and series whose readings all have one time, tell no noise in time."""
    builder = SeriesBuilder()
    builder.add(np.zeros(5, np.int64), np.zeros(5, np.int64), np.arange(5.0), np.ones(5))
    builder.add(np.zeros(50, np.int64), np.zeros(50, np.int64), np.zeros(50), np.ones(50))
    assert builder.finish() is None
    group = np.repeat([1, 2, 3], [40, 5, 40])
    builder.add(group, np.zeros(85, np.int64), np.arange(85.0), np.ones(85))
    found = builder.finish()
    assert found is not None
    assert np.unique(found.number, return_counts=True)[1].tolist() == [40, 40]


def test_bursts_of_a_trace(tmp_path: Path) -> None:
    """Bursts of a bench give a card with the law, and the white noise without it."""
    (tmp_path / "hidden.toml").write_text(CARD, encoding="utf-8")
    cells = np.array([[k // 8, k % 8] for k in range(20)])
    with xbar.open_bench(
        "sim", card=str(tmp_path / "hidden.toml"), rows=8, cols=8, seed=3, record=tmp_path / "t.h5"
    ) as bench:
        bench.program(0, np.random.default_rng(1).uniform(5e-6, 100e-6, (8, 8)))
        for settle in (0.0, 5e-5, 1e-4):
            for cell in cells:
                bench[0].read(cell[None], ReadConfig(voltage=0.2, repeat=150, settle=settle))
    found = calibrate(trace_observations(tmp_path / "t.h5"), Settings(hold_out=0.0))
    fit = found.fit("random_telegraph_noise")
    truth = {"amplitude": 0.03, "empty": 2e-4, "full": 1e-4, "share": 0.5}
    assert [fit.parameter(name).covers(value) for name, value in truth.items()].count(False) <= 1
    assert found.fit("read_noise").parameter("relative").value == pytest.approx(0.005, rel=0.06)
    text = write_card("twin", found.observed, found.fits, found.g_min, found.g_max, found.read_voltage)
    law = parse_card(text, "twin").random_telegraph_noise
    assert law is not None
    assert law.amplitude == pytest.approx(0.03, rel=0.05)


def test_a_series_in_a_table(tmp_path: Path) -> None:
    """The readings of one cell in a table give amplitude and dwell times."""
    series = telegraph(5, cells=1, n=1000, law=TelegraphNoise(0.03, 2e-3, 1e-3, 1.0), sigma=0.005)
    rows = "\n".join(f"{t:.7g},{g * 1e6:.7g}" for t, g in zip(series.time, series.g, strict=True))
    (tmp_path / "rtn.csv").write_text(f"Time (s),Conductance [uS]\n{rows}\n", encoding="utf-8")
    observed = table_observations([tmp_path / "rtn.csv"], Mapping.of(["time=Time (s)", "conductance=Conductance"]))
    fit = calibrate(observed).fit("random_telegraph_noise")
    assert fit.parameter("amplitude").value == pytest.approx(0.03, rel=0.05)
    assert fit.parameter("full").low < 1e-3 < fit.parameter("full").high
