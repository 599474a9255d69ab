"""What a whole characterisation brings together: several writes behind wires, zero targets, noisy curves, products."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import xbar
from xbar.devices.card import DeviceCard
from xbar.programming.characterise import characterise, plan_steps
from xbar.programming.characterise_plan import parse_plan
from xbar_calibration.calibrate import Calibration, calibrate
from xbar_calibration.comparison import compare, sample_of, sample_of_card
from xbar_calibration.settings import Settings
from xbar_calibration.stuck_cells import find_stuck
from xbar_calibration.trace_observations import trace_observations

Measure = Callable[..., Path]


def recorded(card: DeviceCard, folder: Path, plan: str, size: int = 16) -> Path:
    """Characterise an array of a card."""
    path = folder / "trace.h5"
    with xbar.open_bench("sim", card=card, rows=size, cols=size, seed=1, record=path, level="full") as bench:
        has, limits = bench[0].capabilities, bench[0].limits
        characterise(bench[0], plan_steps(parse_plan(plan), has, limits, card, simulated=True))
    return path


@pytest.fixture(scope="module")
def pcm(tmp_path_factory: pytest.TempPathFactory) -> Calibration:
    path = recorded(xbar.load_card("pcm"), tmp_path_factory.mktemp("pcm"), "retention.visits = 6\nnoise.skip = true\n")
    return calibrate(trace_observations(path), Settings(t_read=250e-9))


def test_zero_targets_are_no_stuck_cells(pcm: Calibration) -> None:
    """Writes to 0 S scatter upwards alone: of 256 PCM cells none is stuck (the card has none)."""
    assert pcm.observed.writes.target.min() == 0
    assert pcm.stuck == []


def test_one_sided_scatter_keeps_real_outliers() -> None:
    """Among cells written to zero and cut off there, one far above is found, and only that."""
    rng = np.random.default_rng(0)
    target = np.repeat([0.0, 20e-6], 100)
    first = np.maximum(target + 0.3e-6 * rng.standard_normal(200), 0.0)
    first[7] = 20e-6
    found = find_stuck(np.arange(200), target, first)
    assert np.flatnonzero(found.stuck).tolist() == [7]


def test_straight_noisy_curves_have_no_law(pcm: Calibration) -> None:
    """Curves of PCM cells differ in their noise a hundredfold; none of that is taken for a law."""
    assert any(r.law == "iv_nonlinearity" and "straight" in r.reason for r in pcm.refusals)


def test_gains_have_the_errors_of_the_cells(pcm: Calibration) -> None:
    """Cells have another 1/f noise in a product than when they are read: gains agree with 1 within intervals.

    Of 16 bit lines more than 4 are outside by chance in 0.02 %.
    """
    assert pcm.columns is not None
    assert len(pcm.columns.gain) == 16
    assert (np.abs(pcm.columns.gain - 1) > pcm.columns.gain_error).sum() <= 4


def test_every_write_is_corrected_for_the_wires(measure: Measure) -> None:
    """Behind wires the second and third write tell the same programming error as the first, and no spread."""
    path = measure("generic", size=16, seed=2, waits=1, writes=3, wires="word=4 ohm, bit=6 ohm")
    found = calibrate(trace_observations(path), Settings(hold_out=0.0))
    assert found.fit("wires").parameter("word").covers(4.0)
    assert found.fit("wires").parameter("bit").covers(6.0)
    error = found.fit("programming_error")
    assert error.kind == "constant"
    assert error.parameter("c0").value == pytest.approx(1e-6, rel=0.1)
    assert any(r.law == "device_variation" for r in found.refusals)


def test_writes_of_different_ages_compare_with_their_card(pcm: Calibration) -> None:
    """Some writes were read once and others up to 10^5 s: simulated as they were, the card lies near the trace."""
    other = sample_of_card(xbar.load_card("pcm"), pcm.observed)
    found = compare(("trace", "pcm"), sample_of(pcm.observed), other, pcm.observed.places)
    assert {d.quantity for d in found.distances} == {
        "noise of a reading, relative",
        "error of a write",
        "last over first reading",
    }
    # 256 cells or more against many: beyond 0.12 by chance in 1e-3.
    assert all(d.kolmogorov < 0.12 for d in found.distances)
