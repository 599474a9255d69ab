"""Forming: amplitudes that rise, check readings, compliance, cells given up, the guard and the chip file."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xbar
from xbar.bench import combined
from xbar.bench.bench import Bench
from xbar.bench.cell_life import CellFlag
from xbar.bench.chip import open_chip
from xbar.bench.limits import Limits
from xbar.bench.settings import Pulse, ReadConfig, Unselected
from xbar.devices.card import DeviceCard
from xbar.devices.card_file import load_card, parse_card
from xbar.devices.forming import Forming
from xbar.devices.stuck_cells import StuckCells
from xbar.errors import FormatError, InputError, LimitError, Unsupported, XbarError
from xbar.programming.form_cells import form_cells
from xbar.programming.form_settings import FormCells
from xbar.programming.write_settings import Staircase, WriteVerify
from xbar.programming.write_verify import write_verify
from xbar_drivers.simulated import SimulatedDriver

CARD = load_card("generic_forming")
LAW = Forming(3.0, 0.05, 10e-9, 100e-6, 0.5)
PLAIN = FormCells.for_card(CARD, current_limit=20e-6)
SIZE = 12


def make(card: DeviceCard = CARD, size: int = SIZE, **options: Any) -> Bench:
    return Bench(SimulatedDriver(card, rows=size, cols=size, seed=5), **options)


def cells(bench: Bench) -> Any:
    driver: Any = bench._drivers[0].driver
    return driver._arrays.cells(0)


def test_each_cell_is_formed_at_the_first_amplitude_beyond_its_voltage() -> None:
    """The ramp finds the forming voltage of every cell to one step, and the compliance the conductance."""
    with make() as bench:
        fresh = bench[0].read_all().conductance
        np.testing.assert_allclose(fresh, LAW.pristine, rtol=0.05)
        report = form_cells(bench[0], PLAIN)
        volts = PLAIN.ramp.voltages()
        needed = cells(bench).forming_voltage
        expected = volts[np.searchsorted(volts, needed)]
        np.testing.assert_allclose(report.formed_at, expected)
        assert report.success == 1.0
        np.testing.assert_array_equal(report.pulses, np.searchsorted(volts, needed) + 1)
        np.testing.assert_allclose(report.conductance, 40e-6, rtol=0.05)
        found = report.to_dict()
        assert json.loads(json.dumps(found, allow_nan=False)) == found
        assert found["forming_voltage_median_V"] == pytest.approx(3.0, abs=0.15)
        assert found["pulses"] == report.pulses.sum()
        assert 0 < report.seconds <= bench.clock
        assert "144 of 144 cells: 100.00 % formed, at " in str(report)


def test_cells_that_conduct_take_no_pulse() -> None:
    """A second forming reads, and says so; cells that nobody asked for stay fresh."""
    some = np.zeros((SIZE, SIZE), bool)
    some[::3] = True
    with make() as bench:
        first = form_cells(bench[0], PLAIN, some)
        np.testing.assert_array_equal(first.formed, some)
        assert np.isnan(first.conductance[~some]).all()
        np.testing.assert_array_equal(cells(bench).formed != 0, some)
        again = form_cells(bench[0], PLAIN, some)
        assert (again.to_dict()["pulses"], again.to_dict()["formed_before"]) == (0, some.sum())
        assert form_cells(bench[0], PLAIN, np.zeros((SIZE, SIZE), bool)).to_dict()["yield"] is None


def test_sweeps_form_too() -> None:
    """A sweep shows the jump at the cell's own voltage, and its compliance limits what the cell becomes."""
    with make() as bench:
        config = ReadConfig(current_limit=20e-6)
        volts = np.linspace(0.05, 3.8, 76)
        seen = bench[0].sweep((2, 3), volts, config)
        jump = int(np.argmax(seen.current[:, 0] > 1e-6))
        assert volts[jump - 1] < cells(bench).forming_voltage[2, 3] <= volts[jump]
        np.testing.assert_allclose(seen.current[:jump, 0], LAW.pristine * volts[:jump], rtol=0.05)
        assert (seen.current[jump:, 0] == 20e-6).all()
        report = form_cells(bench[0], replace(PLAIN, way="sweep", ramp=Staircase(1.0, 0.1, 3.8)))
        assert report.success == 1.0
        assert report.formed_at[2, 3] == 0
        others = np.delete(report.formed_at.ravel(), 2 * SIZE + 3)
        needed = np.delete(cells(bench).forming_voltage.ravel(), 2 * SIZE + 3)
        np.testing.assert_allclose(others, 1.0 + 0.1 * np.ceil((needed - 1.0) / 0.1 - 1e-9), rtol=1e-9)
        np.testing.assert_allclose(report.conductance, 40e-6, rtol=0.05)


def test_cells_out_of_reach_are_given_up() -> None:
    """The last amplitude, and the number of pulses, are where a cell is left fresh."""
    with make() as bench:
        needed = cells(bench).forming_voltage
        report = form_cells(bench[0], replace(PLAIN, ramp=Staircase(1.0, 0.25, 3.0)))
        np.testing.assert_array_equal(report.given_up, needed > 3.0)
        assert (report.pulses[report.given_up] == 9).all()
        assert 0.3 < report.success < 0.7
        assert (form_cells(bench[0], replace(PLAIN, max_pulses=3)).pulses[report.given_up] == 3).all()
    dead = replace(CARD, stuck_cells=StuckCells(1.0, 0.0, 1e-6, 100e-6))
    with make(dead) as bench:
        assert form_cells(bench[0], replace(PLAIN, formed=5e-6)).given_up.all()


def test_fresh_cells_do_not_move() -> None:
    """Neither pulses nor one-shot writes move a fresh cell; formed ones are written, fresh ones among them stay."""
    wanted = np.full((SIZE, SIZE), 60e-6)
    with make() as bench:
        with pytest.raises(InputError, match="none of the 144 cells of array 0 with a target is formed"):
            bench[0].program(wanted)
        settings = WriteVerify.for_device(CARD.write, 4e-6, max_pulses=200)  # type: ignore[arg-type]  # it has pulses
        assert not write_verify(bench[0], wanted, settings).reached.any()
        some = np.arange(SIZE * SIZE).reshape(SIZE, SIZE) % 2 == 0
        form_cells(bench[0], PLAIN, some)
        reached = write_verify(bench[0], wanted, settings).reached
        assert reached[some].mean() > 0.95
        assert not reached[~some].any()
        bench[0].program(np.full((SIZE, SIZE), 30e-6))
        found = bench[0].read_all().conductance.reshape(SIZE, SIZE)
        np.testing.assert_allclose(found[some], 30e-6, rtol=0.05)
        np.testing.assert_allclose(found[~some], LAW.pristine, rtol=0.05)


def test_half_selected_cells_form_where_half_is_enough() -> None:
    """With the other lines grounded, a pulse forms weak cells of its word line too."""
    with make() as bench:
        needed = cells(bench).forming_voltage
        bench[0].pulse([[4, 4]], Pulse(3.0, 1e-6, unselected=Unselected.GROUND))
        formed = cells(bench).formed != 0
        expected = np.zeros((SIZE, SIZE), bool)
        expected[4] = needed[4] <= 3.0
        np.testing.assert_array_equal(formed, expected)
        bench[0].pulse([[7, 7]], Pulse(3.7, 1e-6))
        assert (cells(bench).formed != 0).sum() == formed.sum() + 1


def test_the_chip_file_knows_what_is_formed_and_the_guard_reads_it(tmp_path: Path) -> None:
    """Fresh cells may see the forming voltage; formed ones only the limit of cells, now and later."""
    limits, pulse = Limits(2.0, 1e-3, forming_voltage=3.8), Pulse(3.0, 1e-6)
    with make(limits=limits, chip=open_chip(tmp_path / "chip.h5")) as bench:
        assert form_cells(bench[0], PLAIN).success == 1.0
        with pytest.raises(LimitError, match=r"3 V is above 2 V, the limit for cells that are formed"):
            bench[0].pulse([[0, 0]], pulse)
    chip = open_chip(tmp_path / "chip.h5", lock=False)
    assert (chip.cells(0).flags == int(CellFlag.FORMED)).all()
    with make(limits=limits, chip=open_chip(tmp_path / "chip.h5")) as bench:
        assert (cells(bench).formed != 0).all()
        with pytest.raises(LimitError, match="not all of these are known to be fresh"):
            bench[0].pulse([[0, 0]], pulse)
        bench[0].pulse([[0, 0]], Pulse(2.0, 1e-6))
    with make(limits=limits) as bench, pytest.raises(LimitError, match=r"--chip"):
        bench[0].pulse([[0, 0]], pulse)


def test_the_others_on_the_lines_stay_below_the_limit_of_cells(tmp_path: Path) -> None:
    limits = Limits(1.2, 1e-3, forming_voltage=3.8)
    with make(limits=limits, chip=open_chip(tmp_path / "chip.h5")) as bench:
        with pytest.raises(LimitError, match=r"other cells on the lines .* 1.5 V across a cell is above"):
            bench[0].pulse([[0, 0]], Pulse(3.0, 1e-6))
        bench[0].pulse([[0, 0]], Pulse(3.0, 1e-6, unselected=Unselected.THIRD))
        with pytest.raises(LimitError, match=r"pulse that forms: 3\.9 V"):
            bench[0].pulse([[0, 1]], Pulse(3.9, 1e-6, unselected=Unselected.THIRD))


def test_the_limit_of_forming_is_told_in_the_bench_file(tmp_path: Path) -> None:
    """And in the head of a trace; of several drivers the smallest holds, where all have one."""
    (tmp_path / "lab.toml").write_text(
        'schema = "xbar-bench/1"\ndriver = "sim"\ncard = "generic_forming"\n[geometry]\nrows = 4\ncols = 4\n'
        '[limits]\ncell_voltage = "2 V"\ncurrent = "1 mA"\nforming_voltage = "3.8 V"\n'
    )
    with xbar.open_bench(tmp_path / "lab.toml", record=tmp_path / "t.h5", chip=tmp_path / "c.h5") as bench:
        assert bench.limits.forming_voltage == 3.8
        assert form_cells(bench[0], PLAIN).success == 1.0
    with xbar.open_trace(tmp_path / "t.h5") as trace:
        assert trace.header.limits.forming_voltage == 3.8
    one, two = Limits(1.0, 1e-3, forming_voltage=3.0), Limits(2.0, 1e-3, forming_voltage=2.5)
    assert combined.limits([one, two]).forming_voltage == 2.5
    assert combined.limits([one, replace(two, forming_voltage=None)]).forming_voltage is None


def test_a_recorded_forming_replays(tmp_path: Path) -> None:
    trace = tmp_path / "form.h5"
    with xbar.open_bench("sim", card="generic_forming", rows=4, cols=4, record=trace) as bench:
        first = form_cells(bench[0], PLAIN)
    with xbar.open_bench(f"replay:{trace}") as bench:
        second = form_cells(bench[0], PLAIN)
    assert second.to_dict() == first.to_dict()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"way": "magic"}, InputError, "way 'magic'"),
        ({"formed": 0.0}, InputError, "above 0 S"),
        ({"repeats": 0}, InputError, "repeats is 0"),
        ({"max_pulses": 0}, InputError, "max_pulses is 0"),
        ({"read": ReadConfig(voltage=0.0)}, InputError, "at 0 V"),
        ({"read": ReadConfig(voltage=1.6)}, InputError, "readings would form them"),
        ({"ramp": Staircase(1.0, 0.1, 9.0)}, LimitError, "9 V are beyond"),
        ({"ramp": Staircase(1.0, 0.1, -2.0)}, InputError, "one sign"),
    ],
)
def test_settings_that_cannot_be(changes: dict[str, Any], error: type[XbarError], message: str) -> None:
    with make() as bench:
        with pytest.raises(error, match=message):
            form_cells(bench[0], replace(PLAIN, **changes))
        assert bench.clock == 0


def test_benches_and_cells_that_cannot_be() -> None:
    with make() as bench, pytest.raises(InputError, match="give bool"):
        form_cells(bench[0], PLAIN, np.ones((2, 2), bool))
    pcm = load_card("pcm")
    with make(pcm) as bench, pytest.raises(Unsupported, match="does not take pulses"):
        form_cells(bench[0], PLAIN)
    with pytest.raises(InputError, match="neither write pulses nor a law of forming"):
        FormCells.for_card(pcm)


def test_a_device_without_a_law_of_forming_is_ramped_through_its_set_pulses() -> None:
    """Real benches of which the card knows the write pulses alone."""
    settings = FormCells.for_card(load_card("reram_array_hfo2"))
    np.testing.assert_allclose(settings.ramp.voltages(), np.linspace(0.6, 2.0, 20))
    assert settings.formed == pytest.approx(100e-6)
    assert settings.unselected is Unselected.THIRD


def test_the_law_of_forming() -> None:
    """Lognormal voltages, the compliance over the hold voltage, and what a card file may say."""
    assert CARD.forming is not None
    assert replace(CARD.forming, source="") == LAW
    law = Forming(-2.0, 0.1, 1e-9, 50e-6, 0.4)
    z = np.random.default_rng(0).normal(size=100_000)
    volts = np.asarray(law.voltages(z))
    # Five standard errors: a false alarm in two million.
    assert np.log(-volts).mean() == pytest.approx(np.log(2.0), abs=5 * 0.1 / 316)
    assert np.log(-volts).std() == pytest.approx(0.1, rel=5 / 447)
    assert [law.conductance(limit) for limit in (8e-6, 1e-3, np.inf, None)] == pytest.approx(
        [20e-6, 50e-6, 50e-6, 50e-6]
    )
    assert replace(law, hold_voltage=None).conductance(8e-6) == 50e-6
    assert "median -2 V" in law.describe()
    for old, new, message in (
        ('voltage = "3 V"', 'voltage = "0 V"', "must not be 0 V"),
        ('pristine = "10 nS"', 'pristine = "1 mS"', "pristine must be below formed"),
        ("[write]", "[writ]", "writ"),
    ):
        with pytest.raises(FormatError, match=message):
            parse_card(CARD.text.replace(old, new), "a card")
    head, _, rest = CARD.text.partition("[pulse_response]")
    with pytest.raises(FormatError, match="forming needs cells that move"):
        parse_card(head + "[forming]" + rest.partition("[forming]")[2], "a card")


def test_cells_of_a_dynamic_model_are_formed() -> None:
    """A sweep forms the cell, and the next one moves it."""
    card = replace(load_card("yakopcic_nbsto"), forming=Forming(1.5, 0.0, 1e-9, 300e-6))
    with make(card, 2) as bench:
        fresh = bench[0].sweep((0, 0), np.linspace(0.1, 1.4, 14))
        np.testing.assert_allclose(fresh.current[:, 0], 1e-9 * np.linspace(0.1, 1.4, 14))
        bench[0].sweep((0, 0), [1.5])
        before = bench[0].read([[0, 0]]).conductance[0, 0]
        assert before > 1e-6
        bench[0].pulse([[0, 0]], Pulse(-1.4, 1e-3))
        assert bench[0].read([[0, 0]]).conductance[0, 0] < before
        assert bench[0].read([[1, 1]]).conductance[0, 0] == pytest.approx(1e-9)
