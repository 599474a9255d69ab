"""QCoDeS' drivers, as they are, measure the simulated array."""

import warnings
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    keithley = pytest.importorskip("qcodes.instrument_drivers.Keithley", reason="QCoDeS is not installed")
    keysight = pytest.importorskip("qcodes.instrument_drivers.Keysight")
    constants = pytest.importorskip("qcodes.instrument_drivers.Keysight.keysightb1500.constants")
    dataset = pytest.importorskip("qcodes.dataset")

pytestmark = pytest.mark.filterwarnings("default")
"""Warnings of the client are not ours."""

_numbers = count()


@pytest.fixture
def opened() -> Iterator[Callable[[Any, str], Any]]:
    """Open an instrument; all are closed at the end of the test."""
    made: list[Any] = []

    def start(kind: Any, address: str) -> Any:
        made.append(kind(f"i{next(_numbers)}", address, visalib="@py"))
        return made[-1]

    yield start
    for instrument in made:
        instrument.close()


@pytest.mark.parametrize("part", ["hislip", "SOCKET", "inst0"])
def test_keithley_2636b(bench: Any, opened: Any, no_errors: Callable[[str], bool], part: str) -> None:
    total = bench.row(0, 1)
    driver = opened(keithley.Keithley2636B, bench.address("smu", part))
    smu = driver.smua
    smu.mode("voltage")
    smu.limiti(1e-2)
    smu.sourcerange_v(2)
    smu.nplc(0.1)
    smu.volt(0.2)
    smu.output("on")
    assert smu.curr() == pytest.approx(0.2 * total, rel=2e-5)
    assert smu.res() == pytest.approx(1 / total, rel=2e-5)
    smu.setup_fastsweep(dataset.LinSweep(smu.volt, 0, 0.4, 5))
    swept = np.asarray(smu.fastsweep())
    assert swept == pytest.approx(total * np.linspace(0, 0.4, 5), rel=2e-5, abs=1e-10)
    smu.timetrace.npts(4) if hasattr(smu.timetrace, "npts") else smu.timetrace_npts(4)
    assert np.asarray(smu.timetrace()) == pytest.approx(0.4 * total, rel=2e-5)
    smu.limiti(1e-6)
    assert smu.curr() == pytest.approx(1e-6, rel=1e-4)
    driver.snapshot(update=True)
    smu.output("off")
    assert no_errors("smu")


def test_keithley_3706a(bench: Any, opened: Any, no_errors: Callable[[str], bool]) -> None:
    driver = opened(keithley.Keithley3706A, bench.address("switch"))
    driver.open_channel("allslots")
    driver.close_channel("1103")
    driver.exclusive_close("1102,1204")
    assert driver.get_closed_channels("allslots") == ["1102", "1204"]
    assert bench.ask("switch", "print(channel.getclose('allslots'))") == "1102;1204"
    driver.channel_connect_rule("MAKE_BEFORE_BREAK")
    assert driver.channel_connect_rule() == "MAKE_BEFORE_BREAK"
    driver.set_forbidden_channels("1101:1104")
    assert driver.get_forbidden_channels("allslots") == "1101;1102;1103;1104"
    driver.clear_forbidden_channels("allslots")
    driver.reset_channel("allslots")
    assert driver.get_closed_channels("allslots") in (None, ["nil"])
    driver.snapshot(update=True)
    assert no_errors("switch")


def test_keithley_2450(bench: Any, opened: Any, no_errors: Callable[[str], bool]) -> None:
    total = bench.row(3, 3)
    driver = opened(keithley.Keithley2450, bench.address("meter"))
    driver.source.function("voltage")
    driver.sense.function("current")
    driver.source.limit(1e-2)
    driver.sense.auto_range(True)
    driver.source.voltage(0.2)
    driver.output_enabled(True)
    assert driver.sense.current() == pytest.approx(0.2 * total, rel=2e-5)
    driver.source.sweep_setup(0, 0.4, 5)
    assert driver.sense.sweep() == pytest.approx(total * np.linspace(0, 0.4, 5), rel=2e-5, abs=1e-10)
    driver.source.limit(1e-6)
    assert driver.sense.current() == pytest.approx(1e-6, rel=1e-4)
    assert driver.source.limit_tripped()
    driver.output_enabled(False)
    assert no_errors("meter")


def test_keysight_b1500_through_b2201(bench: Any, opened: Any, no_errors: Callable[[str], bool]) -> None:
    bench.ask("switch", "reset()", "print(1)")
    matrix = opened(keysight.KeysightB220X, bench.address("matrix"))
    matrix.connection_rule("free")
    matrix.disconnect_all()
    matrix.gnd_mode(True)
    matrix.connect_paths([(1, 3), (2, 8)])
    assert matrix.connections() == {(1, 3), (2, 8)}
    driver = opened(keysight.KeysightB1500, bench.address("analyzer", "SOCKET"))
    first, second = driver.smu1, driver.smu2
    for smu in (first, second):
        smu.enable_outputs()
        smu.source_config(output_range=constants.VOutputRange.AUTO, compliance=1e-2)
        smu.voltage(0)
    first.voltage(0.2)
    cell = float(bench.cells[2, 1])
    assert second.current() == pytest.approx(-0.2 * cell, rel=2e-5)
    assert first.current() == pytest.approx(0.2 * bench.cells[2].sum(), rel=2e-5)
    first.setup_staircase_sweep(v_start=0, v_end=0.4, n_steps=5, i_comp=1e-2)
    driver.set_measurement_mode(mode=constants.MM.Mode.STAIRCASE_SWEEP, channels=(1, 2))
    _, sensed = driver.run_iv_staircase_sweep.get()
    assert sensed == pytest.approx(-cell * np.linspace(0, 0.4, 5), rel=2e-5, abs=1e-11)
    assert driver.error_message() == '+0,"No Error."'
    driver.disable_channels()
    matrix.disconnect_all()
    assert no_errors("analyzer")
    assert no_errors("matrix")


def test_fastsweep_of_a_cell_that_switches(living: Any, opened: Any) -> None:
    """QCoDeS' Lua sweep drives the cell up to 0.9 V; the next one, of small voltages, sees what it has become."""
    driver = opened(keithley.Keithley2636B, living.address("smu", "hislip"))
    smu = driver.smub
    smu.mode("voltage")
    smu.limiti(2e-3)
    smu.sourcerange_v(2)
    smu.nplc(0.05)
    smu.volt(0)
    smu.output("on")
    found = []
    for high in (0.3, 0.9, 0.3):
        smu.setup_fastsweep(dataset.LinSweep(smu.volt, 0, high, 10))
        found.append(np.asarray(smu.fastsweep()))
        smu.volt(0)
    smu.output("off")
    assert found[1].max() == pytest.approx(2e-3, rel=1e-4)
    assert (found[2][1:] > 1.2 * found[0][1:]).all()


def test_staircase_of_a_cell_that_switches(living: Any, opened: Any) -> None:
    """A B1500A by QCoDeS: a second staircase over the same voltages reads more."""
    driver = opened(keysight.KeysightB1500, living.address("analyzer", "SOCKET"))
    for smu in (driver.smu1, driver.smu2):  # QCoDeS sweeps with two channels; nothing is wired to the second
        smu.enable_outputs()
        smu.source_config(output_range=constants.VOutputRange.AUTO, compliance=2e-3)
        smu.voltage(0)
    auto = constants.IMeasRange.AUTO
    driver.smu1.setup_staircase_sweep(v_start=0, v_end=0.9, n_steps=10, i_comp=2e-3, i_meas_range=auto)
    driver.set_measurement_mode(mode=constants.MM.Mode.STAIRCASE_SWEEP, channels=(1, 2))
    first = np.asarray(driver.run_iv_staircase_sweep.get()[0])
    second = np.asarray(driver.run_iv_staircase_sweep.get()[0])
    driver.disable_channels()
    assert np.nanmax(first) == pytest.approx(2e-3, rel=1e-4)
    assert np.isnan(first[9])  # QCoDeS lets the sweep end at the limit
    assert (second[1:6] > 1.2 * first[1:6]).all()
