"""PyMeasure's drivers, as they are, measure the simulated array."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    keithley = pytest.importorskip("pymeasure.instruments.keithley", reason="PyMeasure is not installed")
    agilent = pytest.importorskip("pymeasure.instruments.agilent", reason="PyMeasure is not installed")

pytestmark = pytest.mark.filterwarnings("default")
"""Warnings of the client are not ours."""

LINES = {"read_termination": "\n", "write_termination": "\n"}


@pytest.mark.parametrize("part", ["SOCKET", "hislip", "inst0"])
def test_keithley_2600(bench: Any, no_errors: Callable[[str], bool], part: str) -> None:
    total = bench.row(2, 1)
    options = LINES if part == "SOCKET" else {}
    driver = keithley.Keithley2600(bench.address("smu", part), visa_library="@py", **options)
    channel = driver.ChA
    channel.apply_voltage(compliance_current=1e-2)
    channel.measure_current(nplc=1)
    channel.source_voltage = 0.2
    channel.source_output = "ON"
    assert channel.current == pytest.approx(0.2 * total, rel=2e-5)
    assert channel.voltage == pytest.approx(0.2, rel=2e-5)
    assert channel.resistance == pytest.approx(1 / total, rel=2e-5)
    channel.compliance_current = 1e-6
    assert channel.current == pytest.approx(1e-6, rel=1e-4)
    assert driver.next_error == (0, "Queue Is Empty")
    channel.shutdown()
    driver.adapter.close()
    assert no_errors("smu")


def test_keithley_2450(bench: Any, no_errors: Callable[[str], bool]) -> None:
    total = bench.row(4, 3)
    driver = keithley.Keithley2450(bench.address("meter"), visa_library="@py")
    driver.reset()
    driver.apply_voltage(compliance_current=1e-2)
    driver.source_voltage_range = 2
    driver.measure_current(nplc=0.1)
    driver.source_voltage = 0.2
    driver.enable_source()
    assert driver.current == pytest.approx(0.2 * total, rel=2e-5)
    driver.measure_resistance()
    assert driver.resistance == pytest.approx(1 / total, rel=2e-5)
    driver.measure_current()
    driver.config_buffer(5)
    driver.start_buffer()
    assert driver.is_buffer_full()
    assert driver.buffer_data == pytest.approx([0.2 * total] * 5, rel=2e-5)
    driver.check_errors()
    driver.shutdown()
    driver.adapter.close()
    assert no_errors("meter")


def test_keithley_2400(bench: Any, no_errors: Callable[[str], bool]) -> None:
    """A 2450 in the language of its forerunner."""
    total = bench.row(5, 5)
    driver = keithley.Keithley2400(bench.address("old"), visa_library="@py")
    driver.reset()
    driver.apply_voltage(compliance_current=1e-2)
    driver.source_voltage_range = 2
    driver.measure_current(nplc=0.1)
    driver.source_voltage = 0.2
    driver.enable_source()
    assert driver.current == pytest.approx(0.2 * total, rel=2e-5)
    driver.shutdown()
    driver.adapter.close()
    assert no_errors("old")


def test_agilent_b1500(bench: Any, no_errors: Callable[[str], bool]) -> None:
    """Over VXI-11 alone: `read_channels` leaves the end of an answer unread, which only that forgives."""
    bench.ask("switch", "reset()", "print(1)")
    paths = ":ROUT:OPEN:CARD 0", ":ROUT:AGND 0,ON", ":ROUT:CLOS (@00103)"
    assert bench.ask("matrix", "*RST", *paths, "SYST:ERR?").startswith("+0")
    total = float(bench.cells[2].sum())
    driver = agilent.AgilentB1500(bench.address("analyzer", "gpib0,17"), visa_library="@py")
    driver.reset()
    driver.initialize_all_smus()
    driver.data_format(21, mode=1)
    smu = driver.smu1
    smu.enable()
    smu.adc_type = "HRADC"
    smu.force("Voltage", 0, 0.2, 1e-2)
    driver.meas_mode("SPOT", smu)
    driver.send_trigger()
    ((_, name, kind, value),) = driver.read_channels(1)
    assert (name, kind) == ("SMU1", "Current Measurement (A)")
    assert value == pytest.approx(0.2 * total, rel=2e-5)
    driver.meas_mode("STAIRCASE_SWEEP", smu)
    driver.sweep_timing(0, 0)
    driver.sweep_auto_abort(False)
    smu.staircase_sweep_source("Voltage", "LINEAR_DOUBLE", "Auto Ranging", 0, 0.4, 5, 1e-2)
    driver.clear_buffer()
    driver.send_trigger()
    levels, currents = [], []
    for _ in range(10):
        current, level = driver.read_channels(2)
        currents.append(current[3])
        levels.append(level[3])
    assert levels == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.4, 0.3, 0.2, 0.1, 0])
    assert currents == pytest.approx([total * v for v in levels], rel=2e-5, abs=1e-11)
    driver.force_gnd()
    smu.disable()
    driver.shutdown()
    driver.adapter.close()
    assert bench.ask("matrix", "*RST", "SYST:ERR?").startswith("+0")
    assert no_errors("analyzer")
