"""Programming on the error of products: down to the noise, with pulses and in one shot, lost cells made up for."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.bench.bench import Bench
from xbar.devices.card import DeviceCard
from xbar.devices.card_file import load_card
from xbar.devices.pulse_response import PulseResponse
from xbar.devices.pulse_shapes import ConstantStep
from xbar.devices.stuck_cells import StuckCells
from xbar.devices.write_conditions import WriteConditions
from xbar.errors import InputError, Unsupported, XbarError
from xbar.programming.product_descent import descend
from xbar.programming.product_estimate import ProductEstimate, compensation, second_moments
from xbar.programming.product_report import ProductReport
from xbar.programming.product_settings import ProductDescent, even_inputs
from xbar.programming.write_settings import WriteVerify
from xbar.programming.write_verify import write_verify
from xbar_drivers.simulated import SimulatedDriver

LAW = PulseResponse(
    ConstantStep(), step=0.05, w_min=-1.0, w_max=1.0, g_min=1e-6, g_max=100e-6, step_noise=0.3, step_spread=0.2
)
WRITE = WriteConditions(1.0, -1.0, 1e-6, 2.0, 1e-3, 0.6, -0.6)
CARD = replace(load_card("generic").only(["read_noise"]), pulse_response=LAW, write=WRITE)
PULSES = WriteVerify.for_device(WRITE, 1.5e-6)


def make(card: str | DeviceCard, rows: int, cols: int, **options: Any) -> Bench:
    return Bench(SimulatedDriver(card, rows=rows, cols=cols, **{"seed": 3} | options))


def targets(card: DeviceCard, rows: int, cols: int) -> NDArray[np.float64]:
    return np.random.default_rng(1).uniform(card.g_min, card.g_max, (rows, cols))


def decibels(report: ProductReport) -> tuple[float, float, float]:
    found = report.to_dict()
    return found["error_before_dB"], found["error_after_dB"], found["noise_dB"]


def test_pulses_bring_products_below_write_verify_to_their_noise() -> None:
    """On a pulse law: 8 dB below what write-verify leaves, within 2 dB of the noise of a product, by few pulses."""
    wanted = targets(CARD, 16, 16)
    with make(CARD, 16, 16, dac_bits=12, adc_bits=12) as bench:
        written = write_verify(bench[0], wanted, PULSES)
        report = descend(bench[0], wanted, ProductDescent(write=replace(PULSES, max_pulses=200)))
        before, after, noise = decibels(report)
        assert after < before - 8
        assert after < noise + 2
        assert report.success > 0.98
        assert report.writes.sum() < 0.5 * written.pulses.sum()
        truth = bench[0].read_all().conductance.reshape(16, 16)
        assert np.sqrt(np.mean((report.conductance - truth) ** 2)) < 0.5e-6
        assert np.sqrt(np.mean((truth - wanted) ** 2)) < 0.5 * written.rms_error
        driver: Any = bench._drivers[0].driver
        np.testing.assert_array_equal(driver._arrays.cells(0).pulses, written.pulses + report.writes)


def test_writes_in_one_shot_bring_phase_change_memory_to_its_noise() -> None:
    """3 dB below a one-shot write, and within 1 dB of what cells without programming error have: 1/f noise rules."""
    card = load_card("pcm")
    wanted = targets(card, 32, 16)
    with make(card, 32, 16) as bench:
        bench[0].program(wanted)
        before, after, noise = decibels(report := descend(bench[0], wanted, ProductDescent()))
    with make(card.without("programming_error"), 32, 16) as bench:
        floors = []
        for seed in range(4):
            bench[0].program(wanted)
            floors.append(descend(bench[0], wanted, ProductDescent(max_rounds=1, seed=seed)).error_before)
    floor = 20 * np.log10(np.mean(floors))
    assert before > floor + 2.5
    assert after < floor + 1.0
    assert noise < floor
    assert report.success > 0.98
    assert 1 < report.writes.mean() < 10


def test_statistics_can_be_kept() -> None:
    wanted = targets(CARD, 8, 4)
    with make(CARD, 8, 4) as bench:
        report = descend(bench[0], wanted, ProductDescent(write=PULSES))
        found = report.to_dict()
        assert json.loads(json.dumps(found, allow_nan=False)) == found
        assert found["rounds"] == len(report.errors) > 3
        assert found["vectors"] == 64 * found["rounds"] + 2 * 32
        assert 0 < report.seconds <= bench.clock
        assert report.errors[-1] < 0.2 * report.errors[0]
        assert "error of products" in str(report)


def test_cells_without_target_stay_and_are_counted_in() -> None:
    """They conduct: products are wanted of the others and of them as they are."""
    wanted = targets(CARD, 12, 6)
    wanted[::3], wanted[:, 5], wanted[11] = np.nan, np.nan, np.nan
    with make(CARD, 12, 6) as bench:
        bench[0].program(np.full((12, 6), 60e-6))
        report = descend(bench[0], wanted, ProductDescent(write=replace(PULSES, max_pulses=300)))
        assert report.success > 0.95
        assert not report.writes[np.isnan(wanted)].any()
        assert np.isnan(report.conductance[np.isnan(wanted)]).all()
        truth = bench[0].read_all().conductance.reshape(12, 6)
        assert np.nanmax(np.abs(truth - wanted)[report.reached]) < 3e-6


def test_inputs_with_a_mean_let_cells_make_up_for_stuck_ones() -> None:
    """With positive inputs the error that stuck cells leave falls by more than 6 dB; with even inputs it cannot."""
    card = replace(CARD, stuck_cells=StuckCells(0.06, 0.0, 1e-6, 100e-6))
    wanted = np.clip(targets(card, 24, 12), 30e-6, 70e-6)
    gains = []
    for low in (0.0, -0.2):
        inputs = np.random.default_rng(5).uniform(low, 0.2, (24 * 12, 24))
        settings = ProductDescent(write=replace(PULSES, max_at_stop=5), inputs=inputs)
        with make(card, 24, 12) as bench:
            write_verify(bench[0], wanted, replace(PULSES, max_pulses=60))
            before, after, _ = decibels(report := descend(bench[0], wanted, settings))
            driver: Any = bench._drivers[0].driver
            stuck = driver._arrays.cells(0).stuck != 0
            assert stuck.sum() > 8
            assert (report.given_up | ~stuck).all()
            gains.append(before - after)
    assert gains[0] > 6
    assert gains[1] < 1


def test_a_recorded_descent_replays(tmp_path: Path) -> None:
    """The plan knows nothing but the verbs of an array."""
    trace, wanted = tmp_path / "descent.h5", targets(load_card("pcm"), 6, 4)
    with xbar.open_bench("sim", card="pcm", rows=6, cols=4, record=trace) as bench:
        first = descend(bench[0], wanted, ProductDescent(max_rounds=5))
    with xbar.open_bench(f"replay:{trace}") as bench:
        second = descend(bench[0], wanted, ProductDescent(max_rounds=5))
    assert second.to_dict() | {"bench_s": 0} == first.to_dict() | {"bench_s": 0}
    np.testing.assert_array_equal(second.conductance, first.conductance)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"input_range": 0.0}, InputError, "above 0 V"),
        ({"max_rounds": 0}, InputError, "max_rounds is 0"),
        ({"max_writes": 0}, InputError, "max_writes is 0"),
        ({"patience": 0}, InputError, "patience is 0"),
        ({"tolerance": -1e-6}, InputError, "tolerance -1 uS"),
        ({"vectors": 10}, InputError, "10 vectors to fit 8 word lines are too few"),
        ({"inputs": np.zeros((100, 3))}, InputError, r"inputs of shape \(100, 3\)"),
        ({"inputs": np.full((100, 8), np.nan)}, InputError, "finite"),
        ({"write": replace(PULSES, max_pulses=0)}, InputError, "max_pulses is 0"),
        ({"input_range": 50.0}, XbarError, "50 V"),
    ],
)
def test_settings_that_cannot_be(changes: dict[str, Any], error: type[XbarError], message: str) -> None:
    """Told before anything is written."""
    with make(CARD, 8, 4) as bench:
        with pytest.raises(error, match=message):
            descend(bench[0], targets(CARD, 8, 4), replace(ProductDescent(write=PULSES), **changes))
        driver: Any = bench._drivers[0].driver
        assert not driver._arrays.cells(0).pulses.any()


def test_targets_and_benches_that_cannot_be() -> None:
    with make(CARD, 8, 4) as bench:
        with pytest.raises(InputError, match="no cell has a target"):
            descend(bench[0], np.full((8, 4), np.nan), ProductDescent())
        with pytest.raises(InputError, match="targets lie outside"):
            descend(bench[0], np.full((8, 4), 1.0), ProductDescent())
    with make("pcm", 8, 4) as bench, pytest.raises(Unsupported, match="does not take pulses"):
        descend(bench[0], np.full((8, 4), 5e-6), ProductDescent(write=PULSES))


def test_errors_of_cells_come_from_errors_of_products() -> None:
    """Unbiased, as sure as it says, the mean of rounds surer; and the noise of cells from epoch to epoch is told."""
    rng = np.random.default_rng(0)
    inputs, truth = even_inputs(400, 10, 0.2, 0), rng.normal(0, 1e-6, (10, 30))
    estimate = ProductEstimate(inputs, 30)
    for _ in range(16):
        flicker = rng.normal(0, 0.2e-6, truth.shape)
        estimate.add(inputs @ (truth + flicker) + rng.normal(0, 0.3e-6, (400, 30)))
    # 300 cells and 4500 differences: five standard errors, a false alarm in two million.
    assert estimate.cell_noise == pytest.approx(0.2e-6, rel=0.15)
    np.testing.assert_allclose(estimate.noise, 0.3e-6, rtol=5 / np.sqrt(2 * 390))
    z = (estimate.mean - truth) / estimate.standard_error()
    assert abs(z.mean()) < 5 / np.sqrt(300)
    assert z.std() == pytest.approx(1.0, abs=5 / np.sqrt(600))
    cells = np.zeros((10, 30), bool)
    cells[2, 3] = True
    estimate.forget(cells)
    assert (estimate.count[2, 3], estimate.count[0, 0], estimate.mean[2, 3]) == (0, 16, 0.0)


def test_what_makes_up_for_lost_cells() -> None:
    """The errors asked for leave the smallest mean square of all; without mean or correlation there are none."""
    rng = np.random.default_rng(2)
    errors, free = rng.normal(0, 1, (6, 3)), rng.random((6, 3)) > 0.4
    positive = rng.uniform(0, 1, (5000, 6))
    moments = second_moments(positive)
    np.testing.assert_allclose(moments, positive.T @ positive / 5000, rtol=2e-3)
    wanted = compensation(moments, errors, free)
    assert not wanted[~free].any()

    def square(part: NDArray[np.float64]) -> NDArray[np.float64]:
        left = np.where(free, part, errors)
        return np.asarray(np.einsum("ij,ik,kj->j", left, moments, left))

    best = square(wanted)
    for _ in range(20):
        assert (square(wanted + rng.normal(0, 0.05, (6, 3))) >= best - 1e-12).all()
    even = second_moments(rng.uniform(-1, 1, (100, 6)))
    assert np.abs(compensation(even, errors, free)).max() < 0.2 * np.abs(wanted).max()


def test_what_makes_products_worse_is_taken_back() -> None:
    """On a card of two states an aim that is moved crosses to the other state: the cells end as they were best."""
    card = load_card("mram")
    targets = np.random.default_rng(0).uniform(card.g_min, card.g_max, (32, 32))
    with make(card, 32, 32) as bench:
        bench.program(0, targets)
        report = descend(bench[0], targets, ProductDescent())
    assert max(report.errors) > 1.02 * report.error_before  # it was tried
    assert report.error_after <= 1.01 * report.error_before
