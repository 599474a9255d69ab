"""Pulses through the bench: how far cells move, which others move, compliance, time, and which random numbers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.array.cell_array import CellArray
from xbar.bench.bench import Bench
from xbar.bench.driver import Driver
from xbar.bench.settings import Pulse, Unselected
from xbar.circuit.bias_scheme import cell_voltages
from xbar.circuit.wires import Wires
from xbar.devices.card import DeviceCard
from xbar.devices.card_file import load_card
from xbar.devices.drift import Drift, LogFit
from xbar.devices.endurance import Endurance
from xbar.devices.pulse_response import PulseResponse
from xbar.devices.pulse_shapes import ConstantStep, LinearStep
from xbar.devices.stuck_cells import StuckCells
from xbar.devices.validity import Validity
from xbar.devices.write_conditions import WriteConditions
from xbar.errors import LimitError, Unsupported
from xbar.testing import DriverTests
from xbar_drivers.simulated import SimulatedDriver

SOFT = PulseResponse(LinearStep(1.0, 1.0), step=0.05, w_min=-1.0, w_max=1.0, g_min=1e-6, g_max=100e-6)
STEPS = replace(SOFT, shape=ConstantStep(), step=0.01)
WRITE = WriteConditions(1.0, -1.0, 1e-6, 2.0, 1e-3, 0.6, -0.6)
EAGER = replace(WRITE, set_threshold=0.2, reset_threshold=-0.2)
"""Thresholds that half and a third of the voltage pass."""
SET, RESET = Pulse(1.0, 1e-6), Pulse(-1.0, 1e-6)


def pulsed(law: PulseResponse = SOFT, write: WriteConditions = WRITE, **laws: Any) -> DeviceCard:
    return replace(load_card("generic").only([]), pulse_response=law, write=write, **laws)


def cell_array(bench: Bench) -> CellArray:
    driver: Any = bench._drivers[0].driver
    found: CellArray = driver._arrays.cells(0)
    return found


def state(g: Any) -> Any:
    return SOFT.state(np.asarray(g))


# ---- how far


@pytest.mark.parametrize(("pulse", "bound"), [(SET, 1.0), (RESET, -1.0)])
def test_a_train_saturates_as_soft_bounds_do(benches: Any, pulse: Pulse, bound: float) -> None:
    """After n pulses w = b - (b - w) (1 - step / |b|)^n, whether they come one by one or as a train."""
    with benches(pulsed()) as bench:
        benches.write(bench, 60e-6)
        start = state(60e-6)
        cells = benches.cells(bench)
        bench.pulse(0, cells, pulse)
        bench.pulse(0, cells, pulse, count=39)
        expected = bound - (bound - start) * (1 - 0.05) ** 40
        np.testing.assert_allclose(state(benches.read(bench)), expected, rtol=1e-9)


def test_a_pulse_is_worth_what_voltage_and_width_tell(benches: Any) -> None:
    """Nothing below the threshold, linear beyond, in proportion to the width."""
    with benches(pulsed(STEPS)) as bench:
        cells = np.array([[r, r] for r in range(5)])
        for cell, pulse in zip(
            cells,
            (Pulse(0.59, 1e-6), Pulse(0.8, 1e-6), Pulse(1.4, 1e-6), Pulse(1.0, 3e-6), Pulse(0.8, 2e-6)),
            strict=True,
        ):
            bench.pulse(0, [cell], pulse)
        moved = state(benches.read(bench))[cells[:, 0], cells[:, 1]] + 1
        np.testing.assert_allclose(moved, 0.01 * np.array([0.0, 0.5, 2.0, 3.0, 1.0]), atol=1e-9)


def test_steps_have_the_noise_and_the_spread_of_the_law(benches: Any) -> None:
    """From pulse to pulse and from device to device; two pulses of a cell are independent."""
    noisy = replace(STEPS, step_noise=0.3, w_max_spread=0.01)
    with benches(pulsed(noisy), 64, 64) as bench:
        benches.write(bench, 40e-6)
        found, before = [], state(benches.read(bench))
        for _ in range(2):
            bench.pulse(0, benches.cells(bench), SET)
            now = state(benches.read(bench))
            found.append(((now - before) / 0.01 - 1) / 0.3)
            before = now
            benches.check_normal(found[-1])
        assert abs(np.corrcoef(found[0].ravel(), found[1].ravel())[0, 1]) < 5 / 64
    with benches(pulsed(replace(STEPS, step_spread=0.2)), 64, 64) as bench:
        benches.write(bench, 40e-6)
        before = state(benches.read(bench))
        bench.pulse(0, benches.cells(bench), SET)
        first = state(benches.read(bench)) - before
        bench.pulse(0, benches.cells(bench), SET)
        benches.check_normal((first / 0.01 - 1) / 0.2)
        np.testing.assert_allclose(state(benches.read(bench)) - before, 2 * first, rtol=1e-9)


def test_write_noise_is_seen_until_the_next_pulse(benches: Any) -> None:
    """Readings agree with each other and are off by the noise; the state below goes on without it."""
    with benches(pulsed(replace(STEPS, write_noise=2.0)), 64, 64) as bench:
        benches.write(bench, 40e-6)
        bench.pulse(0, benches.cells(bench), SET)
        one = benches.read(bench)
        np.testing.assert_array_equal(benches.read(bench), one)
        benches.check_normal((state(one) - state(40e-6) - 0.01) / (2.0 * 0.01))
        bench.pulse(0, benches.cells(bench), SET)
        benches.check_normal((state(benches.read(bench)) - state(40e-6) - 0.02) / (2.0 * 0.01))


def test_a_one_shot_write_stays_within_the_bounds_of_each_device(benches: Any) -> None:
    """Of a card that knows pulses alone; about a fifth of full-range targets of this one are beyond them."""
    card = load_card("reram_array_hfo2")
    assert isinstance(card.pulse_response, PulseResponse)
    with benches(replace(card, pulse_response=replace(card.pulse_response, write_noise=0.0)), 64, 64) as bench:
        targets = np.random.default_rng(1).uniform(50e-6, 150e-6, (64, 64))
        bench.program(0, targets)
        reached = np.isclose(benches.read(bench), targets, rtol=1e-6)
        assert 0.6 < reached.mean() < 0.8  # a tenth does not move at all
        benches.write(bench, 150e-6)
        assert (benches.read(bench) <= 150e-6 * (1 + 1e-9)).all()


def test_a_one_shot_write_has_the_write_noise_of_a_pulse(benches: Any) -> None:
    """Drawn anew at each write; the state below is what was asked for. A law of the write error takes its place."""
    noisy = pulsed(replace(STEPS, write_noise=2.0), valid=())
    with benches(noisy, 64, 64) as bench:
        benches.write(bench, 40e-6)
        one = benches.read(bench)
        np.testing.assert_array_equal(benches.read(bench), one)
        benches.check_normal((state(one) - state(40e-6)) / (2.0 * 0.01))
        benches.write(bench, 40e-6)
        assert abs(np.corrcoef((state(benches.read(bench)) - state(40e-6)).ravel(), state(one).ravel())[0, 1]) < 0.08
        bench.pulse(0, benches.cells(bench), SET)
        benches.check_normal((state(benches.read(bench)) - state(40e-6) - 0.01) / (2.0 * 0.01))
    measured = replace(noisy, valid=(("programming_error", Validity()),))
    with benches(measured, 4, 4) as bench:
        benches.write(bench, 40e-6)
        np.testing.assert_allclose(benches.read(bench), 40e-6)


# ---- which cells


@pytest.mark.parametrize("scheme", list(Unselected))
def test_other_cells_move_as_their_voltages_tell(benches: Any, scheme: Unselected) -> None:
    """Each cell of the array moves by what the circuit says it sees, without wires."""
    with benches(pulsed(STEPS, EAGER), 6, 5) as bench:
        targets = np.random.default_rng(2).uniform(30e-6, 70e-6, (6, 5))
        bench.program(0, targets)
        bench.pulse(0, [[2, 3]], replace(SET, unselected=scheme))
        volts = cell_voltages(targets, Wires(0.0, 0.0), (2, 3), 1.0, scheme.value)
        moved = state(benches.read(bench)) - state(targets)
        np.testing.assert_allclose(moved, 0.01 * EAGER.nominal_pulses(volts, 1e-6), atol=1e-9)
        assert (moved[2] > 1e-3).all() or scheme is not Unselected.GROUND


def test_below_the_threshold_neighbours_stand_still(benches: Any) -> None:
    """Half of the write voltage moves nothing, to the bit; the ground scheme gives the whole row the whole of it."""
    with benches(pulsed()) as bench:
        before = benches.read(bench)
        bench.pulse(0, [[2, 3]], SET, count=50)
        changed = np.argwhere(benches.read(bench) != before)
        assert changed.tolist() == [[2, 3]]
        bench.pulse(0, [[5, 3]], replace(SET, unselected=Unselected.GROUND))
        changed = np.argwhere(benches.read(bench) != before)
        assert changed.tolist() == [[2, 3], *([5, col] for col in range(12))]


def test_wires_take_voltage_from_far_cells(benches: Any) -> None:
    """The selected cell moves by the voltage that the circuit leaves for it."""
    card, wires = pulsed(STEPS), {"word": 50.0, "bit": 50.0}
    with benches(card, wires=wires) as bench:
        benches.write(bench, 40e-6)
        g = np.full((16, 12), 40e-6)
        before = cell_array(bench).position.copy()
        for cell in ((0, 0), (15, 11), (0, 11)):
            volts = cell_voltages(g, Wires(50.0, 50.0), cell, 1.0, "half")[cell]
            bench.pulse(0, [cell], SET)
            moved = (cell_array(bench).position - before)[cell]
            assert moved == pytest.approx(0.01 * (volts - 0.6) / 0.4, rel=1e-2)
        assert (cell_array(bench).position - before)[0, 11] < 0.009  # the far end of the driven word line


def test_stuck_failed_and_tired_cells(benches: Any) -> None:
    """Stuck cells stay; others tire as the law tells, weak pulses counting as what they are worth, and fail."""
    card = pulsed(STEPS, stuck_cells=StuckCells(0.2, 0.2, 1e-6, 100e-6), endurance=Endurance(0.5, 3.0, 1e-6))
    with benches(card) as bench:
        cells, stuck = benches.cells(bench), cell_array(bench).stuck != 0
        before = benches.read(bench)
        bench.pulse(0, cells, Pulse(0.8, 1e-6))
        bench.pulse(0, cells, SET, count=9)
        after = benches.read(bench)
        np.testing.assert_array_equal(after[stuck], before[stuck])
        # Half a pulse, then whole ones after 0.5, 1.5 and 2.5 nominal pulses; at 3.5 the cells have failed.
        expected = 0.01 * (0.5 + 1 / 1.25 + 1 / 1.75 + 1 / 2.25)
        np.testing.assert_allclose(state(after)[~stuck] + 1, expected, rtol=1e-9)


def test_the_compliance_limits_what_a_cell_sees(benches: Any) -> None:
    """At 8 uA and 10 to 80 uS the source gives 0.8 V or less: the cell stops where it would see the threshold."""
    with benches(pulsed(STEPS)) as bench:
        cells = np.array([[0, 0]])
        benches.write(bench, 8e-6)
        bench.pulse(0, cells, replace(SET, current_limit=8e-6), count=3)
        g = benches.read(bench)[0, 0]
        expected = 8e-6
        for _ in range(3):
            across = min(1.0, 8e-6 / expected)
            expected += 99e-6 / 2 * 0.01 * max(0.0, (across - 0.6) / 0.4)
        assert g == pytest.approx(expected, rel=1e-9)
        bench.pulse(0, cells, replace(SET, current_limit=8e-6), count=500)
        assert benches.read(bench)[0, 0] == pytest.approx(8e-6 / 0.6, rel=1e-3)


def test_drift_begins_anew_from_where_the_cell_is(benches: Any) -> None:
    """A pulse takes the drifted conductance as its start; the cell drifts from its end on."""
    drift = Drift(LogFit(0, 0.1, 0, 1), LogFit(0, 0, 0, 1), 1.0, 100e-6)
    with benches(pulsed(STEPS, drift=drift)) as bench:
        benches.write(bench, 60e-6)
        bench.wait(1000.0)
        drifted = float(benches.read(bench)[0, 0])
        assert drifted == pytest.approx(60e-6 * 1001**-0.1, rel=1e-3)
        bench.pulse(0, [[0, 0]], SET)
        now = float(benches.read(bench)[0, 0])
        assert now == pytest.approx(drifted + 99e-6 / 2 * 0.01, rel=1e-3)
        assert cell_array(bench).age(bench.clock)[0, 0] < 0.01


# ---- in which order


def run(benches: Any, card: DeviceCard, groups: list[NDArray[np.int64]], **how: Any) -> tuple[CellArray, float]:
    with benches(card, 7, 6) as bench:
        for group in groups:
            bench.pulse(0, group, replace(SET, **how), count=2)
        return cell_array(bench), bench.clock


@pytest.mark.parametrize("write", [WRITE, EAGER], ids=["alone", "disturbing"])
@pytest.mark.parametrize("scheme", [Unselected.HALF, Unselected.THIRD, Unselected.GROUND])
def test_the_same_bits_for_any_grouping(
    benches: Any, write: WriteConditions, scheme: Unselected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All at once, one by one, in blocks, cells named twice: everything that the cells are, and the clock."""
    noisy = replace(SOFT, step_noise=0.3, step_spread=0.3, write_noise=0.5, w_max_spread=0.2, w_min_spread=0.2)
    card = pulsed(noisy, write, endurance=Endurance(0.01, 30.0, 1.0))
    cells = np.random.default_rng(3).integers(0, (7, 6), (60, 2))
    one, clock = run(benches, card, [cells], unselected=scheme)
    assert len(np.unique(cells, axis=0)) < 60
    for groups in ([cells[k : k + 1] for k in range(60)], np.array_split(cells, 7)):
        other, time = run(benches, card, list(groups), unselected=scheme)
        assert time == clock
        for name in one.names:
            np.testing.assert_array_equal(getattr(other, name), getattr(one, name), err_msg=name)
    monkeypatch.setattr("xbar.array.pulses.AT_ONCE", 100)
    other, _ = run(benches, card, [cells], unselected=scheme)
    np.testing.assert_array_equal(other.programmed, one.programmed)


def test_time_and_epochs(benches: Any) -> None:
    """Rise, width and fall of every pulse on every cell; products see the cells as they are after it."""
    with benches(pulsed()) as bench:
        volts = np.full((1, 1, 16), 0.2)
        before = bench.mvm((0,), volts).current
        start = bench.clock
        bench.pulse(0, benches.cells(bench)[:5], Pulse(1.0, 1e-6, rise=1e-7, fall=2e-7), count=30)
        assert bench.clock - start == pytest.approx(5 * 30 * 1.3e-6)
        assert (bench.mvm((0,), volts).current != before).any()
        bench.pulse(0, np.zeros((0, 2), np.int64), SET)


# ---- what is refused, and what stays


def test_pulses_that_cannot_be(benches: Any) -> None:
    """Beyond the card's limits, with a gate, or on a card that knows no pulses: refused, and nothing moved."""
    with benches(pulsed()) as bench:
        before, clock = cell_array(bench).programmed.copy(), bench.clock
        for pulse in (Pulse(1.0, 2e-3), Pulse(2.1, 1e-6)):
            with pytest.raises(LimitError):
                bench.pulse(0, [[0, 0]], pulse)
        with pytest.raises(Unsupported, match="gate"):
            bench.pulse(0, [[0, 0]], replace(SET, gate=1.0))
        assert bench.clock == clock
        np.testing.assert_array_equal(cell_array(bench).programmed, before)
    with benches("pcm") as bench, pytest.raises(Unsupported, match="pulse"):
        bench.pulse(0, [[0, 0]], Pulse(0.1, 1e-6, current_limit=1e-4))


def test_a_chip_keeps_what_pulses_did(tmp_path: Path) -> None:
    """A train that is split over two commands gives the cells of one that is not."""
    options: dict[str, Any] = {"card": "reram_array_hfo2", "rows": 8, "cols": 8, "seed": 7}
    cells = np.argwhere(np.ones((8, 8), bool))
    with xbar.open_bench("sim", **options) as bench:
        bench.pulse(0, cells, SET, count=2)
        bench.pulse(0, cells, RESET, count=1)
        expected = bench[0].read_all().conductance
    for pulse, count in ((SET, 2), (RESET, 1)):
        with xbar.open_bench("sim", chip=tmp_path / "chip.h5", **options) as bench:
            bench.pulse(0, cells, pulse, count=count)
    with xbar.open_bench("sim", chip=tmp_path / "chip.h5", **options) as bench:
        np.testing.assert_array_equal(bench[0].read_all().conductance, expected)


class TestPulsed(DriverTests):
    """Cards whose cells take pulses pass the suite of all drivers."""

    address = "sim"

    # Where reading is to move nothing, the voltage stays below the threshold of the model.
    @pytest.fixture(autouse=True, params=[("generic_all", 1.0), ("reram_array_hfo2", 1.0), ("yakopcic_nbsto", 0.2)])
    def _card(self, request: pytest.FixtureRequest) -> None:
        self.card, self.voltage = request.param

    def make_driver(self) -> Driver:
        return SimulatedDriver(self.card, arrays=2, rows=12, cols=5, seed=3)
