"""The loop closes: arrays simulated from known cards give the cards back, within their intervals."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from xbar.devices.card_file import load_card, parse_card
from xbar_calibration.calibrate import Calibration, calibrate
from xbar_calibration.card_text import write_card
from xbar_calibration.comparison import compare, sample_of, sample_of_card
from xbar_calibration.settings import Settings
from xbar_calibration.trace_observations import trace_observations

Measure = Callable[..., Path]


def fitted(path: Path, hold_out: float = 0.3) -> Calibration:
    """Return the calibration of a trace with the duration of a reading that the shipped cards have."""
    return calibrate(trace_observations(path), Settings(hold_out=hold_out, t_read=250e-9))


@pytest.fixture(scope="module")
def pcm(measure: Measure) -> Calibration:
    return fitted(measure("pcm", size=20, seed=3, waits=10))


def test_pcm_comes_back_within_its_intervals(pcm: Calibration) -> None:
    """Of nine parameters at most two lie outside their 95 % intervals; by chance three or more do in 0.8 %."""
    assert pcm.fit("read_noise").kind == "sqrt"
    assert pcm.fit("programming_error").kind == "polynomial"
    truth = {
        "read_noise": {"relative": 0.0175},
        "flicker_noise": {"coefficient": 0.0088, "exponent": 0.65, "t0": 20.0},
        "programming_error": {"c0": 0.26348e-6, "c1": 1.9650e-6, "c2": -1.1731e-6},
    }
    held = [pcm.fit(law).parameter(name).covers(value) for law, own in truth.items() for name, value in own.items()]
    # The law of the drift exponent may come as a line or with a floor: its mean at two targets is compared.
    mean = pcm.fit("drift").model(np.array([20e-6, 2.5e-6]))
    assert mean == pytest.approx([0.049, 0.0601], rel=0.12)
    assert held.count(False) <= 2
    assert all(p.high - p.low > 0 for fit in pcm.fits for p in fit.parameters)


def test_held_out_cells_are_predicted(pcm: Calibration) -> None:
    """Every law predicts the cells that it has not seen: spread of residuals within 99.9 % limits of one."""
    for law in ("read_noise", "flicker_noise", "drift", "programming_error"):
        held = pcm.fit(law).held_out
        assert held is not None, law
        # The limits are those of 95 %: twice as wide is 99.99 %.
        assert abs(held.spread - 1) < 2 * (held.high - 1), law


def test_the_twin_is_the_array(pcm: Calibration, measure: Measure) -> None:
    """The calibrated card is valid and scatters as another chip of the true card does: Kolmogorov below 0.12."""
    text = write_card("twin", pcm.observed, pcm.fits, pcm.g_min, pcm.g_max, pcm.read_voltage)
    card = parse_card(text, "twin")
    assert pcm.observed.sha256 in card.source
    assert card.drift is not None
    assert card.drift.source.startswith("Fitted to trace.h5")
    assert card.validity("drift").time == pytest.approx((0.0, 1e5), rel=1e-3)
    other = trace_observations(measure("pcm", size=20, seed=4, waits=10))
    found = compare(("chip", "twin"), sample_of(other), sample_of_card(card, other), other.places)
    assert {d.quantity for d in found.distances} >= {"error of a write", "last over first reading"}
    # 400 cells against many: beyond 0.12 by chance in 2e-5.
    assert all(d.kolmogorov < 0.12 for d in found.distances)


def test_another_card_is_told_apart(measure: Measure) -> None:
    """A trace of the generic device lies far from the PCM card's drift, and near its own card."""
    observed = trace_observations(measure("generic", size=16, seed=5))
    own = sample_of(observed)
    far = compare(("t", "pcm"), own, sample_of_card(load_card("pcm"), observed), observed.places)
    near = compare(("t", "generic"), own, sample_of_card(load_card("generic"), observed), observed.places)
    drift = "last over first reading"
    assert next(d for d in far.distances if d.quantity == drift).kolmogorov > 0.9
    assert next(d for d in near.distances if d.quantity == drift).kolmogorov < 0.13
    assert len(near.worst) == 0 or abs(near.worst[0][5]) >= abs(near.worst[-1][5])


def test_generic_comes_back_and_time_laws_are_refused(measure: Measure) -> None:
    """Read noise and programming error come back to 3 standard errors; drift and 1/f noise are refused, with why."""
    found = fitted(measure("generic", size=16, seed=5))
    noise = found.fit("read_noise")
    assert noise.kind == "proportional"
    assert noise.parameter("relative").value == pytest.approx(0.005, rel=0.05)
    assert found.fit("programming_error").kind == "constant"
    assert found.fit("programming_error").parameter("c0").value == pytest.approx(1e-6, rel=0.2)
    reasons = {refusal.law: refusal.reason for refusal in found.refusals}
    assert "no drift up to" in reasons["drift"]
    assert "no more than its white noise" in reasons["flicker_noise"]
    assert "written twice" in reasons["device_variation"]


def test_stuck_cells_are_mapped(measure: Measure, hidden: Callable[..., str]) -> None:
    """The stuck cells are found, and their shares lie within the exact intervals (seed chosen once)."""
    found = fitted(measure(hidden("stuck"), size=20, seed=2, waits=2))
    fit = found.fit("stuck_cells")
    assert fit.parameter("off").covers(0.04)
    assert fit.parameter("on").covers(0.02)
    assert {state for *_, state in found.stuck} == {"off", "on"}
    assert found.fit("programming_error").parameter("c0").covers(0.8e-6)


def test_relaxation_comes_back(measure: Measure, hidden: Callable[..., str]) -> None:
    """Shift, spread and programming error beside it come back; power-law drift is refused for lines in ln t."""
    found = fitted(measure(hidden("relaxation"), size=20, seed=1), hold_out=0.0)
    fit = found.fit("relaxation")
    truth = {"mean_slope": -0.09e-6, "spread_slope": 0.15e-6, "spread": 0.6e-6, "programming_error": 0.8e-6}
    # Four parameters: two or more outside by chance in 1.4 %.
    assert [fit.parameter(name).covers(value) for name, value in truth.items()].count(False) <= 1
    assert fit.valid_time == pytest.approx((1.0, 1e5), rel=1e-3)


def test_device_variation_comes_back(measure: Measure, hidden: Callable[..., str]) -> None:
    """Repeated writes tell the spread between devices from that of writes."""
    found = fitted(measure(hidden("variation"), size=16, seed=1, waits=1, writes=4), hold_out=0.0)
    fit = found.fit("device_variation")
    held = [fit.parameter("on").covers(0.03), fit.parameter("off").covers(0.12)]
    held.append(found.fit("programming_error").parameter("c0").covers(0.8e-6))
    assert held.count(False) <= 1


def test_iv_law_comes_back(measure: Measure, hidden: Callable[..., str]) -> None:
    """The kind of the I-V law is found, its parameter to 1 %, and the current of other cells within their noise."""
    found = fitted(measure(hidden("sinh"), size=10, waits=2, sweeps=60))
    fit = found.fit("iv_nonlinearity")
    assert fit.kind == "sinh"
    assert fit.parameter("v0").value == pytest.approx(0.35, rel=0.01)
    assert fit.valid_voltage == (-0.5, 0.5)
    assert fit.held_out is not None
    assert 0.85 < fit.held_out.spread < 1.15


def test_straight_curves_have_no_law(measure: Measure, hidden: Callable[..., str]) -> None:
    """Where cells are linear the I-V law is refused."""
    found = fitted(measure(hidden(), size=8, waits=1, sweeps=30))
    assert any(r.law == "iv_nonlinearity" and "straight" in r.reason for r in found.refusals)


def test_converters_by_column(measure: Measure, hidden: Callable[..., str]) -> None:
    """Ideal converters have gain 1 and offset 0: at most 3 of 12 columns outside 95 % (by chance more in 0.2 %)."""
    found = fitted(measure(hidden(), size=12, waits=1, products=300))
    columns = found.columns
    assert columns is not None
    assert len(columns.gain) == 12
    assert columns.unseen is not None
    assert abs(columns.unseen.spread - 1) < 2 * (columns.unseen.high - 1)
    assert any("gains of converters differ from 1 by no more" in note for note in found.notes)
    # The cells' own readings have an error of 0.4 % / 2, twelve of them in a column.
    assert (np.abs(columns.gain - 1) > columns.gain_error + 0.003).sum() <= 3
    assert (np.abs(columns.offset) > columns.offset_error).sum() <= 3


def test_wires_come_back(measure: Measure) -> None:
    """Resistances of both directions lie within their intervals (seed chosen once), as does the write error."""
    found = fitted(measure("generic", size=20, seed=2, waits=1, wires="word=2 ohm, bit=3 ohm"), hold_out=0.0)
    wires = found.fit("wires")
    assert wires.parameter("word").covers(2.0)
    assert wires.parameter("bit").covers(3.0)
    assert found.fit("programming_error").parameter("c0").value == pytest.approx(1e-6, rel=0.12)
    assert "[wires]" not in write_card("w", found.observed, found.fits, found.g_min, found.g_max, 0.2)


def test_ideal_wires_are_told(measure: Measure) -> None:
    """Without wires the resistance is refused."""
    found = fitted(measure("generic", size=16, seed=5))
    assert any(r.law == "wires" and "ideal wires" in r.reason for r in found.refusals)
