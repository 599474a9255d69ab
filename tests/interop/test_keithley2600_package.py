"""The package keithley2600, as it is: it builds its objects from Lua introspection and sweeps by the trigger model."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    package = pytest.importorskip(
        "keithley2600", reason="keithley2600 is not installed, or does not run on this Python"
    )

pytestmark = pytest.mark.filterwarnings("default")
"""Warnings of the client are not ours."""


@pytest.mark.parametrize("part", ["hislip", "inst0"])
def test_attributes_and_sweeps(bench: Any, no_errors: Callable[[str], bool], part: str) -> None:
    total = bench.row(1, 1)
    driver = package.Keithley2600(bench.address("smu", part))
    driver.smua.source.limiti = 1e-2
    driver.apply_voltage(driver.smua, 0.2)
    assert driver.smua.measure.i() == pytest.approx(0.2 * total, rel=2e-5)
    current, voltage = driver.smua.measure.iv()
    assert (current, voltage) == pytest.approx((0.2 * total, 0.2), rel=2e-5)
    levels = [0, 0.1, 0.2, 0.3, 0.4]
    volts, amps = driver.voltage_sweep_single_smu(driver.smua, levels, 0.002, -1, pulsed=False)
    assert volts == pytest.approx(levels, abs=1e-5)
    assert amps == pytest.approx([total * v for v in levels], rel=2e-5, abs=1e-11)
    first, _, second, _ = (
        column for pair in [driver.voltage_sweep_dual_smu(driver.smua, driver.smub, levels, levels, 0.002, -1, False)]
        for column in pair
    )  # fmt: skip
    assert first == pytest.approx(levels, abs=1e-5)
    assert second == pytest.approx(levels, abs=1e-5)
    driver.smua.source.output = 0
    driver.smub.source.output = 0
    driver.disconnect()
    assert no_errors("smu")


def test_sweep_of_a_cell_that_switches(living: Any) -> None:
    """By the trigger model: the current on the way down is above that on the way up, and a second sweep keeps it."""
    driver = package.Keithley2600(living.address("smu", "hislip"))
    driver.smua.source.limiti = 2e-3
    levels = np.round(np.concatenate([np.linspace(0, 0.9, 10), np.linspace(0.8, 0, 9)]), 6).tolist()
    volts, amps = driver.voltage_sweep_single_smu(driver.smua, levels, 0.01, 1e-3, pulsed=False)
    _, again = driver.voltage_sweep_single_smu(driver.smua, levels, 0.01, 1e-3, pulsed=False)
    driver.smua.source.output = 0
    driver.disconnect()
    up, down = np.array(amps[1:9]), np.array(amps[10:18])[::-1]
    assert max(amps) == pytest.approx(2e-3, rel=1e-4)
    assert max(volts) < 0.9
    assert (down[:6] > 1.1 * up[:6]).all()
    assert np.array(again[1:7]) == pytest.approx(down[:6], rel=0.2)
    assert abs(amps[0]) < 1e-9
