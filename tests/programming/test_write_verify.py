"""Write-verify on simulated arrays: yield, statistics, rules for giving up, what is refused before a pulse is spent."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.bench.bench import Bench
from xbar.bench.limits import Limits
from xbar.bench.settings import ReadConfig, Unselected
from xbar.devices.card import DeviceCard
from xbar.devices.card_file import load_card
from xbar.devices.pulse_response import PulseResponse
from xbar.devices.pulse_shapes import ConstantStep
from xbar.devices.read_noise import ReadNoise
from xbar.devices.stuck_cells import StuckCells
from xbar.devices.write_conditions import WriteConditions
from xbar.errors import InputError, LimitError, Unsupported, XbarError
from xbar.programming.write_report import WriteReport
from xbar.programming.write_settings import Staircase, WriteVerify
from xbar.programming.write_verify import write_verify
from xbar_drivers.simulated import SimulatedDriver

LAW = PulseResponse(
    ConstantStep(), step=0.05, w_min=-1.0, w_max=1.0, g_min=1e-6, g_max=100e-6, step_noise=0.3, step_spread=0.2
)
WRITE = WriteConditions(1.0, -1.0, 1e-6, 2.0, 1e-3, 0.6, -0.6)
CARD = replace(load_card("generic").only([]), pulse_response=LAW, write=WRITE)
ONE = Staircase(1.0, 0.0, 1.0)
"""Nominal pulses alone."""
PLAIN = WriteVerify(1.5e-6, ONE, Staircase(-1.0, 0.0, -1.0), 1e-6)


MANY: dict[str, Any] = {"max_pulses": 2000, "unselected": Unselected.THIRD, "width": 10e-6}
"""One device in three hundred has steps so small that 2000 nominal pulses do not cross the range."""


def make(card: str | DeviceCard = CARD, size: int = 10, **options: Any) -> Bench:
    return Bench(SimulatedDriver(card, **{"rows": size, "cols": size, "seed": 3} | options))


def targets(card: DeviceCard, size: int) -> NDArray[np.float64]:
    return np.random.default_rng(1).uniform(card.g_min, card.g_max, (size, size))


def within_bounds(bench: Bench, wanted: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which devices move, and have bounds that enclose the target."""
    driver: Any = bench._drivers[0].driver
    movable = driver._arrays.cells(0).movable
    state, devices = movable._law.state(wanted), movable._devices
    found = (devices.w_min < devices.w_max) & (devices.w_min <= state) & (state <= devices.w_max)
    return np.asarray(found)


def check_report(report: WriteReport, band: float) -> None:
    """Check that the error of what was reached is the band's, and that the statistics can be kept."""
    assert (np.abs(report.error[report.reached]) <= band).all()
    assert 0.3 * band < report.rms_error < band
    found = report.to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["reached"] + report.given_up.sum() == found["cells"] == report.asked.sum()


def test_devices_with_a_step_as_large_as_their_range_are_written() -> None:
    """The preset of measured HfO2 arrays at a band of 0.1 of the weight: 99 % of the writable cells in 100 pulses."""
    card, size, band = load_card("reram_array_hfo2"), 24, 0.1 * 50e-6
    assert card.write is not None
    with make(card, size) as bench:
        wanted = targets(card, size)
        open_loop = within_bounds(bench, wanted)
        assert 0.65 < open_loop.mean() < 0.8
        bench[0].program(wanted)
        one_shot = bench[0].read_all().conductance.reshape(size, size) - wanted
        assert np.sqrt(np.mean(one_shot[open_loop] ** 2)) > 2 * band
        report = write_verify(bench[0], wanted, WriteVerify.for_device(card.write, band))
        assert report.reached[open_loop].mean() >= 0.99
        assert report.pulses.max() <= 100
        check_report(report, band)
        again = bench[0].read_all().conductance.reshape(size, size)
        np.testing.assert_array_equal(again, report.conductance)


def test_devices_with_many_states_are_written_finely() -> None:
    """The Gokmen-Vlasov preset at a band of 0.01: 99.9 % of more than a thousand writable cells within 2000 pulses."""
    card, size, band = load_card("gokmen_vlasov"), 36, 0.01 * 50e-6
    assert card.write is not None
    with make(card, size) as bench:
        wanted = targets(card, size)
        wanted[~within_bounds(bench, wanted)] = np.nan
        report = write_verify(bench[0], wanted, WriteVerify.for_device(card.write, band, **MANY))
        assert report.asked.sum() > 1000
        assert report.success >= 0.999
        check_report(report, band)


def test_statistics_count_what_happened() -> None:
    """Pulses, readings, time; cells without a target, and those in the band, take no pulse and stay to the bit."""
    with make() as bench:
        wanted = targets(CARD, 10)
        wanted[::2] = np.nan
        report = write_verify(bench[0], wanted, PLAIN)
        driver: Any = bench._drivers[0].driver
        np.testing.assert_array_equal(driver._arrays.cells(0).pulses, report.pulses)
        assert report.success == 1.0
        assert report.pulses[1::2].mean() > 5
        assert not report.pulses[::2].any()
        assert report.readings >= report.pulses.sum() + 3 * 50
        assert 0 < report.seconds <= bench.clock
        assert report.seconds == pytest.approx(report.readings * 1e-5 + report.pulses.sum() * 1e-6, rel=1e-2)
        again = write_verify(bench[0], wanted, PLAIN)
        assert (again.to_dict()["pulses"], again.readings) == (0, 150)
        np.testing.assert_array_equal(again.conductance, report.conductance)
        assert "50 of 50 cells: 100.00 % reached" in str(report)
        nothing = write_verify(bench[0], np.full((10, 10), np.nan), PLAIN)
        assert nothing.to_dict()["yield"] is None
        assert "no cell had a target" in str(nothing)


def test_cells_that_do_not_get_there_are_given_up() -> None:
    """Each rule alone: pulses, pulses of the last amplitude in a row, changes of polarity."""
    stuck = replace(CARD, stuck_cells=StuckCells(1.0, 0.0, 1e-6, 100e-6))
    wanted = np.full((4, 4), 50e-6)
    with make(stuck, 4) as bench:
        assert (write_verify(bench[0], wanted, replace(PLAIN, max_pulses=17)).pulses == 17).all()
        stairs = replace(PLAIN, set=Staircase(0.8, 0.1, 1.2), max_at_stop=3)
        report = write_verify(bench[0], wanted, stairs)
        assert (report.pulses == 4 + 3).all()
        assert report.given_up.all()
        assert np.isnan(report.rms_error)
    # Steps ten times the band: cells jump to and fro.
    with make(replace(CARD, pulse_response=replace(LAW, step=0.2, step_spread=0.0, step_noise=0.0)), 4) as bench:
        report = write_verify(bench[0], np.full((4, 4), 45e-6), replace(PLAIN, band=0.1e-6, max_turns=6))
        assert (report.turns == 6).all()


def test_cells_that_others_disturb_are_not_called_reached() -> None:
    """Beyond twice the threshold every pulse moves rows and columns: the report tells what is there at the end."""
    stairs = replace(PLAIN, set=Staircase(0.7, 0.1, 2.0), reset=Staircase(-0.7, 0.1, -2.0))
    with make() as bench:
        wanted = targets(CARD, 10)
        report = write_verify(bench[0], wanted, stairs)
        now = bench[0].read_all().conductance.reshape(10, 10)
        np.testing.assert_array_equal(report.conductance[report.reached], now[report.reached])
        assert (np.abs(now - wanted)[report.reached] <= PLAIN.band).all()
        assert report.success < 0.9
        calm = replace(stairs, set=Staircase(0.7, 0.1, 1.2), reset=Staircase(-0.7, 0.1, -1.2))
        assert write_verify(bench[0], wanted, calm).success == 1.0


def test_a_change_of_polarity_begins_at_the_first_amplitude() -> None:
    """The amplitudes that a cell sees rise from pulse to pulse and start again when it turns."""
    seen = []
    with make(size=1) as bench:
        original = bench.pulse

        def noted(array: int, cells: Any, pulse: Any, count: int = 1) -> None:
            seen.append(pulse.voltage)
            original(array, cells, pulse, count)

        bench.pulse = noted  # type: ignore[method-assign]  # to see what is asked of the bench
        stairs = replace(PLAIN, set=Staircase(0.7, 0.1, 2.0), reset=Staircase(-0.65, 0.05, -2.0), band=0.3e-6)
        write_verify(bench[0], [[40e-6]], stairs)
    volts = np.array(seen)
    turns = np.flatnonzero(np.diff(np.sign(volts))) + 1
    assert len(turns)
    for part in np.split(volts, turns):
        first, step = (0.7, 0.1) if part[0] > 0 else (-0.65, -0.05)
        np.testing.assert_allclose(part, first + step * np.arange(len(part)))


def test_a_band_narrower_than_the_noise_is_refused_before_a_pulse() -> None:
    """Averaging more readings makes it possible."""
    noisy = replace(CARD, read_noise=ReadNoise("constant", 0.02, 100e-6))
    with make(noisy) as bench:
        wanted = targets(CARD, 10)
        with pytest.raises(InputError, match=r"band of 1.5 uS is narrower .* Average more readings"):
            write_verify(bench[0], wanted, PLAIN)
        driver: Any = bench._drivers[0].driver
        assert not driver._arrays.cells(0).pulses.any()
        report = write_verify(bench[0], wanted, replace(PLAIN, band=2e-6, read=ReadConfig(repeat=8), max_pulses=300))
        assert report.success > 0.9
        assert report.readings % 8 == 0


def test_a_recorded_write_replays(tmp_path: Path) -> None:
    """The plan knows nothing but the verbs of an array: on the replayed bench it does the same."""
    trace, wanted = tmp_path / "write.h5", np.full((4, 4), 90e-6)
    settings = WriteVerify(5e-6, ONE, Staircase(-1.0, 0.0, -1.0), 1e-6)
    with xbar.open_bench("sim", card="reram_array_hfo2", rows=4, cols=4, record=trace) as bench:
        first = write_verify(bench[0], wanted, settings)
    with xbar.open_bench(f"replay:{trace}") as bench:
        second = write_verify(bench[0], wanted, settings)
    assert second.to_dict() == first.to_dict()
    np.testing.assert_array_equal(second.conductance, first.conductance)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"band": 0.0}, InputError, "band"),
        ({"band": float("nan")}, InputError, "band"),
        ({"max_pulses": 0}, InputError, "max_pulses is 0"),
        ({"max_turns": 0}, InputError, "max_turns is 0"),
        ({"read": ReadConfig(voltage=0.0)}, InputError, "0 V"),
        ({"reset": Staircase(1.0, 0.0, 1.0)}, InputError, "opposite signs"),
        ({"set": Staircase(1.0, 0.1, -1.0)}, InputError, "one sign"),
        ({"set": Staircase(1.0, 0.1, 0.9)}, InputError, "not below"),
        ({"set": Staircase(1.0, -0.1, 1.5)}, InputError, "step of 0 V"),
        ({"set": Staircase(1.0, 0.1, 2.5)}, LimitError, "2.5 V are beyond"),
    ],
)
def test_settings_that_cannot_be(changes: dict[str, Any], error: type[XbarError], message: str) -> None:
    with make() as bench:
        with pytest.raises(error, match=message):
            write_verify(bench[0], targets(CARD, 10), replace(PLAIN, **changes))
        assert bench.clock == 0


def test_targets_that_cannot_be() -> None:
    with make() as bench:
        for wanted, message in (
            (np.ones((3, 3)), "pad them with NaN"),
            (np.full((10, 10), 200e-6), "100 targets lie outside 1 uS to 100 uS"),
            (np.full((10, 10), np.inf), "outside"),
        ):
            with pytest.raises(InputError, match=message):
                write_verify(bench[0], wanted, PLAIN)
    with make("pcm") as bench, pytest.raises(Unsupported, match="does not take pulses"):
        write_verify(bench[0], np.full((10, 10), 5e-6), PLAIN)


def test_the_limits_of_the_bench_hold() -> None:
    """The guard counts the pulses of every cell."""
    driver = SimulatedDriver(CARD, rows=4, cols=4)
    with Bench(driver, limits=Limits(2.0, 1e-3, pulses_per_cell=5)) as bench, pytest.raises(LimitError, match="5"):
        write_verify(bench[0], np.full((4, 4), 90e-6), PLAIN)


def test_amplitudes_of_a_staircase() -> None:
    np.testing.assert_allclose(Staircase(0.6, 0.1, 1.0).voltages(), [0.6, 0.7, 0.8, 0.9, 1.0])
    np.testing.assert_allclose(Staircase(-0.6, 0.15, -1.0).voltages(), [-0.6, -0.75, -0.9, -1.0])
    assert Staircase(1.0, 0.0, 1.5).voltages().tolist() == [1.0]
    assert Staircase(1.0, 0.5, 1.0).voltages().tolist() == [1.0]
