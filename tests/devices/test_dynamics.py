"""Dynamic models: analytic solutions, pinched loops, compliance, and cells that do not disturb each other."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from xbar.devices.card_file import load_card
from xbar.devices.data_driven import DataDriven
from xbar.devices.dynamics import DynamicModel, conductance, limit, respond, state_of
from xbar.devices.ion_drift import IonDrift
from xbar.devices.stanford_pku import StanfordPku
from xbar.devices.vteam import Vteam
from xbar.devices.yakopcic import Yakopcic
from xbar.errors import InputError

NAMES = ("vteam", "ion_drift", "stanford_pku", "yakopcic_nbsto", "data_driven")
# Amplitude [V] and period [s] of a sweep that moves the state through much of its range.
SWEEPS = {
    "vteam": (0.3, 1e-6),
    "ion_drift": (1.0, 10.0),
    "stanford_pku": (1.6, 1e-5),
    "yakopcic_nbsto": (1.0, 3.0),
    "data_driven": (1.5, 1e-2),
}


def model(name: str) -> DynamicModel:
    found = load_card(name).dynamics
    assert found is not None
    return found


def middle(found: DynamicModel, cells: int = 1) -> NDArray[np.float64]:
    return np.full(cells, (found.low + found.high) / 2)


@pytest.mark.parametrize("volts", [0.5, 0.05, -0.3, -0.25])
def test_vteam_under_constant_voltage(volts: float) -> None:
    """The state moves at constant speed, x + k (V/v - 1)^alpha t, until an end, where it stays."""
    law = model("vteam")
    assert isinstance(law, Vteam)
    speed = law.k_off * (volts / law.v_off - 1) if volts > 0 else law.k_on * (volts / law.v_on - 1) ** 3
    start = np.array([0.2, 0.5, 0.8]) * law.thickness
    for share in (0.1, 0.7, 30.0):
        seconds = share * law.thickness / abs(speed)
        got = respond(law, start, np.array([volts]), np.array([seconds]))
        want = np.clip(start + speed * seconds, 0, law.thickness)
        np.testing.assert_allclose(got.state[0], want, rtol=1e-9, atol=1e-9 * law.thickness)
        assert got.current[0] == pytest.approx(volts / (50 + 950 * want / law.thickness), rel=1e-6)


def test_vteam_between_the_thresholds() -> None:
    """Nothing moves between the thresholds, however long: reading is safe."""
    law = model("vteam")
    got = respond(law, middle(law), np.array([0.019, -0.19]), np.array([1e9, 1e9]))
    np.testing.assert_array_equal(got.state, np.full((2, 1), middle(law)[0]))


@pytest.mark.parametrize("volts", [1.0, -1.0])
def test_data_driven_under_constant_voltage(volts: float) -> None:
    """The distance from the boundary falls as 1 / (1 / u + k t), the closed form of du/dt = -k u^2."""
    law = model("data_driven")
    assert isinstance(law, DataDriven)
    side = 0 if volts > 0 else 1
    rest = law.r0[side] + law.r1[side] * volts
    start = np.array([rest + 400.0 if side == 0 else rest - 400.0])
    k = abs(law.a[side] * math.expm1(abs(volts) / law.t[side]))
    times = np.geomspace(1e-6, 1.0, 7)
    got = respond(law, start, np.full(7, volts), np.diff(times, prepend=0.0), tolerance=1e-8)
    left = 1 / (1 / 400.0 + k * times)
    assert np.abs(got.state[:, 0] - rest) == pytest.approx(left, rel=1e-4, abs=2e-4)


def test_ion_drift_follows_the_charge() -> None:
    """Without a window R dR/dt is constant: the resistance falls as sqrt(R0^2 - 2 s V t)."""
    shipped = model("ion_drift")
    assert isinstance(shipped, IonDrift)
    law = replace(shipped, window="none")
    scale = law.mobility * law.r_on / law.thickness**2
    start, volts, seconds = 0.1, 1.0, 0.01
    resistance = law.r_off + (law.r_on - law.r_off) * start
    # dR/dt = (r_on - r_off) scale V / R
    want = math.sqrt(resistance**2 + 2 * (law.r_on - law.r_off) * scale * volts * seconds)
    got = respond(law, np.array([start]), np.array([volts]), np.array([seconds]), tolerance=1e-9)
    assert float(law.r_off + (law.r_on - law.r_off) * got.state[0, 0]) == pytest.approx(want, rel=1e-6)


def test_rates_of_yakopcic_and_stanford() -> None:
    """Speeds at single points are those of the published formulas, computed here by hand."""
    law = model("yakopcic_nbsto")
    assert isinstance(law, Yakopcic)
    rise = 90 * (math.exp(0.8) - math.exp(0.5))
    x = np.array([0.05, 0.6])
    want = [rise, rise * math.exp(-0.5) * ((0.1 - 0.6) / 0.9 + 1)]
    assert law.rate(x, np.array([0.8, 0.8])) == pytest.approx(want, rel=1e-12)
    fall = -10 * (math.exp(0.8) - math.exp(0.5))
    want = [fall * math.exp(0.05 + 0.242 - 1) * 0.05 / 0.758, fall]
    assert law.rate(np.array([0.05, 0.9]), np.array([-0.8, -0.8])) == pytest.approx(want, rel=1e-12)
    assert law.rate(x, np.array([0.4, -0.4])) == pytest.approx([0.0, 0.0], abs=0)
    filament = model("stanford_pku")
    assert isinstance(filament, StanfordPku)
    gap, volts = 1e-9, 1.2
    current = 1e-3 * math.exp(-4) * math.sinh(volts / 0.25)
    kt = 8.617333262e-5 * (298 + 2100 * volts * current)
    speed = -10 * math.exp(-0.6 / kt) * math.sinh((16 - 0.8) * 0.25 / 12 * volts / kt)
    assert filament.rate(np.array([gap]), np.array([volts]))[0] == pytest.approx(speed, rel=1e-9)
    assert filament.rate(np.array([gap]), np.array([0.5]))[0] == 0


@pytest.mark.parametrize("name", NAMES)
def test_loops_are_pinched_and_enclose_an_area(name: str) -> None:
    """At 0 V no current flows whatever the state; over a cycle the two branches differ: hysteresis."""
    law = model(name)
    amplitude, period = SWEEPS[name]
    phase = np.linspace(0, 2, 401)
    volts = amplitude * np.sin(2 * np.pi * phase)
    volts[::100] = 0.0
    got = respond(law, middle(law), volts, np.full(401, period / 200), tolerance=1e-5)
    current = np.asarray(got.current)[:, 0]
    assert np.all(current[::100] == 0)
    assert np.all(current * volts >= 0)
    rising, falling = current[201:250], current[250:299][::-1]
    assert np.max(np.abs(rising - falling)) > 0.05 * np.abs(current).max()
    state = np.asarray(got.state)[:, 0]
    assert np.ptp(state) > 0.05 * (law.high - law.low)
    assert np.all((state >= law.low) & (state <= law.high))


@pytest.mark.parametrize("name", NAMES)
def test_compliance_is_respected(name: str) -> None:
    """No current passes the compliance; where it acts, the voltage across the cell is that of the limited current."""
    law = model(name)
    amplitude, period = SWEEPS[name]
    volts = amplitude * np.sin(2 * np.pi * np.linspace(0, 1, 101))
    free = respond(law, middle(law), volts, np.full(101, period / 100), tolerance=1e-4)
    ceiling = 0.3 * float(np.abs(free.current).max())
    got = respond(law, middle(law), volts, np.full(101, period / 100), ceiling, 1e-4)
    assert np.abs(got.current).max() <= ceiling * (1 + 1e-12)
    acting = np.abs(got.current) >= ceiling * (1 - 1e-12)
    assert acting.any()
    across = np.asarray(law.current(got.state, got.voltage))
    np.testing.assert_allclose(across, got.current, rtol=1e-6, atol=1e-9 * ceiling)
    assert np.all(np.abs(got.voltage) <= np.abs(volts)[:, None] * (1 + 1e-9))
    np.testing.assert_array_equal(
        np.asarray(got.voltage)[~acting], np.broadcast_to(volts[:, None], acting.shape)[~acting]
    )


@pytest.mark.parametrize("name", NAMES)
def test_cells_do_not_disturb_each_other(name: str) -> None:
    """A cell gives the same bits alone and beside others; two half steps are a whole one to the tolerance."""
    law = model(name)
    amplitude, period = SWEEPS[name]
    start = law.low + np.array([0.1, 0.5, 0.9]) * (law.high - law.low)
    volts, seconds = np.array([amplitude, -amplitude]), np.full(2, period / 20)
    together = respond(law, start, volts, seconds)
    for k in range(3):
        alone = respond(law, start[k : k + 1], volts, seconds)
        np.testing.assert_array_equal(alone.state[:, 0], together.state[:, k])
    halves = respond(law, start, np.repeat(volts, 2), np.repeat(seconds / 2, 2))
    np.testing.assert_allclose(halves.state[1::2], together.state, atol=2e-3 * (law.high - law.low))


@pytest.mark.parametrize("name", NAMES)
def test_tolerance_is_kept(name: str) -> None:
    """A hundred times finer tolerance moves the end state by no more than a thousandth of the range."""
    law = model(name)
    amplitude, period = SWEEPS[name]
    volts = amplitude * np.sin(2 * np.pi * np.linspace(0.02, 0.98, 25))
    seconds = np.full(25, period / 25)
    coarse = respond(law, middle(law), volts, seconds, tolerance=1e-5)
    fine = respond(law, middle(law), volts, seconds, tolerance=1e-7)
    np.testing.assert_allclose(coarse.state, fine.state, atol=1e-3 * (law.high - law.low))


@pytest.mark.parametrize("name", NAMES)
def test_state_and_conductance_are_inverse(name: str) -> None:
    """The state of a conductance has that conductance; the ends of the card are those of the model to 1 %."""
    card, law = load_card(name), model(name)
    g = np.linspace(card.g_min, card.g_max, 7)
    found = state_of(law, g, card.read_voltage)
    assert conductance(law, found, card.read_voltage) == pytest.approx(g, rel=1e-6)
    ends = np.sort(conductance(law, np.array([law.low, law.high]), card.read_voltage))
    assert (card.g_min, card.g_max) == pytest.approx(tuple(ends), rel=0.01)
    beyond = state_of(law, np.array([0.1 * card.g_min, 10 * card.g_max]), card.read_voltage)
    assert sorted(beyond) == pytest.approx([law.low, law.high], abs=1e-6 * (law.high - law.low))


@pytest.mark.parametrize("name", NAMES)
def test_voltage_is_the_inverse_of_current(name: str) -> None:
    """The voltage of the current at a voltage is that voltage, of both signs and at zero."""
    law = model(name)
    volts = np.array([-1.5, -0.2, 0.0, 1e-3, 0.7, 2.0])
    state = np.full(6, law.low + 0.3 * (law.high - law.low))
    np.testing.assert_allclose(law.voltage(state, law.current(state, volts)), volts, rtol=1e-9, atol=1e-15)
    across, amps = limit(law, state, volts, None)
    np.testing.assert_array_equal(across, volts)
    np.testing.assert_array_equal(amps, law.current(state, volts))


def test_runs_on_every_library(arrays: Any) -> None:
    """Models stay on the library and device of their arrays, and change none of them."""
    for name in NAMES:
        law = model(name)
        amplitude, period = SWEEPS[name]
        start = law.low + np.array([0.2, 0.6]) * (law.high - law.low)
        volts, seconds = np.array([amplitude, -amplitude]), np.full(2, period / 50)
        given = arrays.make(start)
        got = respond(law, given, arrays.make(volts), arrays.make(seconds), 1e-2, 1e-2)
        want = respond(law, start, volts, seconds, 1e-2, 1e-2)
        np.testing.assert_allclose(arrays.back(got.state), want.state, rtol=1e-9)
        np.testing.assert_allclose(arrays.back(got.current), want.current, rtol=1e-9)
        np.testing.assert_array_equal(arrays.back(given), start)


@pytest.mark.parametrize(
    ("volts", "seconds", "compliance", "message"),
    [
        (np.ones(3), np.ones(2), None, "as many steps"),
        (np.ones(2), np.array([1.0, -1.0]), None, "a step of -1 s"),
        (np.ones(2), np.array([1.0, math.nan]), None, "a step of nan s"),
        (np.ones(2), np.ones(2), 0.0, "compliance 0 A must be above 0 A"),
    ],
)
def test_bad_waveforms(volts: Any, seconds: Any, compliance: float | None, message: str) -> None:
    """A waveform that cannot be meant is refused with what is wrong."""
    law = model("vteam")
    with pytest.raises(InputError, match=message):
        respond(law, middle(law), volts, seconds, compliance)


def test_an_empty_waveform_changes_nothing() -> None:
    """No steps give no readings."""
    law = model("vteam")
    got = respond(law, middle(law, 3), np.zeros(0), np.zeros(0))
    assert got.state.shape == got.current.shape == (0, 3)
