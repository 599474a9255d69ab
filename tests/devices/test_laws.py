"""Every law on every array library: NumPy, read-only NumPy, array-api-strict on its second device, CuPy."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from array_api_compat import array_namespace
from hypothesis import given
from hypothesis import strategies as st

from xbar.devices.drift import Drift, LogFit, PiecewiseFit
from xbar.devices.endurance import Endurance
from xbar.devices.flicker_noise import FittedFlickerNoise, FlickerNoise, LogFlickerNoise
from xbar.devices.levels import Levels
from xbar.devices.noise_spectrum import SpectralNoise
from xbar.devices.programming_error import ProgrammingError, SaturatingError, TableError
from xbar.devices.pulse_response import PulseResponse
from xbar.devices.pulse_shapes import LinearStep
from xbar.devices.pulse_table import PulseLookup
from xbar.devices.read_noise import ReadNoise, SaturatingReadNoise
from xbar.devices.relaxation import LogTimeRelaxation, TabulatedRelaxation, relaxed
from xbar.devices.retention import Retention
from xbar.devices.stuck_cells import CellState, StuckCells
from xbar.devices.stuck_lines import StuckLines
from xbar.devices.telegraph_noise import TelegraphNoise
from xbar.devices.temperature import Temperature
from xbar.devices.variation import Variation
from xbar.devices.write_conditions import WriteConditions
from xbar.errors import InputError

G_MAX = 25e-6
ERROR = ProgrammingError((0.2e-6, 2e-6, -1e-6), G_MAX, 25e-6)
DRIFT = Drift(LogFit(-0.0155, 0.0244, 0.049, 0.1), LogFit(-0.0125, -0.0059, 0.008, 0.045), 20.0, G_MAX)
FLICKER = FlickerNoise(0.0088, 0.65, 1e-3, 0.2, 250e-9, 20.0, G_MAX)
STUCK = StuckCells(0.25, 0.5, 1e-6, G_MAX)

PIECES = Drift(
    PiecewiseFit(0.3, LogFit(-0.0387, -0.0182, 0.072, 0.13), (0.0736, -0.0126, -0.0436)),
    PiecewiseFit(0.3, LogFit(-0.012, -0.0023, 0.0124, 0.04), (0.0104, 0.0116, -0.0165)),
    200.0,
    G_MAX,
)
TABLE = TabulatedRelaxation(
    "polynomial", (1.0, 100.0, 1e4), ((1e-7, 1e-6), (2e-7, 2e-6), (3e-7, 2e-6)), "log", G_MAX, 2e-5
)
SATURATING = TabulatedRelaxation("saturating", (0.0, 100.0), ((1e-7, 1e-6), (2e-7, 2e-6)), "linear", G_MAX, G_MAX)
TRAP = TelegraphNoise(0.1, 2.0, 1.0, 0.5)
PULSES = PulseResponse(LinearStep(1.0, 1.0), 0.05, -1.0, 1.0, 1e-6, G_MAX, 0.3, True, step_noise=0.2, corrupt=0.1)
LOOKUP = PulseLookup((0.0, 1e-5, G_MAX), (0.0, 0.5, 1.0), ((1e-7,) * 3, (2e-7,) * 3, (4e-7,) * 3), ((-1e-7,) * 3,) * 3)

# Arguments are scaled by powers of two, which is exact in both precisions.
CALLS: dict[str, Callable[..., Any]] = {
    "programming_error": ERROR.program,
    "drift_exponents": DRIFT.exponents,
    "drift": lambda g, n: DRIFT.conductance(g, abs(n) / 16, 3600.0),
    "drift_of_each_cell": lambda g, n: DRIFT.conductance(g, abs(n) / 16, g * 2.0**30),
    "flicker_noise": lambda g, n: FLICKER.read(g, g, 3600.0, n),
    "flicker_noise_of_each_cell": lambda g, n: FLICKER.read(g, g, g * 2.0**30, n),
    "read_noise_sqrt": lambda g, n: ReadNoise("sqrt", 0.02, G_MAX).sigma(g),
    "read_noise_proportional": lambda g, n: ReadNoise("proportional", 0.02, G_MAX).sigma(g),
    "read_noise_constant": lambda g, n: ReadNoise("constant", 0.02, G_MAX).sigma(g),
    "stuck_cells": lambda g, n: STUCK.apply(g, STUCK.draw(abs(n) / 8)),
    "saturating_error": SaturatingError(2e-7, 2e-6).program,
    "saturating_read_noise": lambda g, n: SaturatingReadNoise(2e-7, 2e-6).variance(g),
    "table_error": TableError((0.0, 1e-5, 2e-5, G_MAX), (0.0, 1e-5, 1.9e-5, 2.4e-5), (1e-7, 2e-7, 3e-7, 3e-7)).program,
    "piecewise_drift": PIECES.exponents,
    "fitted_flicker_noise": lambda g, n: FittedFlickerNoise(PIECES.mean, 1e-6, 20.0, G_MAX).read(g, g, 60.0, n),
    "log_flicker_noise": lambda g, n: LogFlickerNoise(2.7e-8, 1e-6, 0.0).read(g, g, 60.0, n),
    "spectral_noise": lambda g, n: SpectralNoise(1e-4, 0.8, 1e-6, 1.0).read(g, g, g * 2.0**30, n),
    "relaxation_log_time": lambda g, n: relaxed(LogTimeRelaxation(-1e-7, 1e-7, 1e-7, 1.0, 1e6), g, g, g * 2.0**30, n),
    "relaxation_table": lambda g, n: relaxed(TABLE, g, g, g * 2.0**30, n),
    "relaxation_saturating": lambda g, n: relaxed(SATURATING, g, g, 50.0, n),
    "retention": lambda g, n: Retention(1e4, 0.7, 0.0).conductance(g, g * 2.0**30),
    "temperature": lambda g, n: Temperature("arrhenius", 0.2, 300.0, 0.6).conductance(g, 350.0),
    "effective_time": lambda g, n: Temperature("linear", 1e-3, 300.0, 0.6).effective_time(g, 350.0),
    "variation": Variation(0.1, 0.5, 1e-6, G_MAX).apply,
    "stuck_lines": lambda g, n: StuckLines(0.3, 0.2).apply(g, StuckLines(0.3, 0.2).draw(abs(n[:, 0]), abs(n[0, :]))),
    "endurance": lambda g, n: Endurance(1e-3, 1e6, 0.5).step_scale(abs(n)),
    "levels": lambda g, n: Levels((0.0, 1e-5, G_MAX)).nearest(g),
    "telegraph_noise": lambda g, n: TRAP.conductance(
        g, TRAP.advance(TRAP.start(abs(n) / 8), 1.0, abs(n) / 8), TRAP.traps(abs(n))
    ),
    "nominal_pulses": lambda g, n: abs(WriteConditions(1.5, -1.2, 1e-6, 3.0, 1e-3, 0.9, -0.7).nominal_pulses(n, 1e-6)),
    "pulse_response": lambda g, n: PULSES.conductance(PULSES.pulse(PULSES.state(g), devices_of(PULSES, n), n, n)),
    "pulse_lookup": lambda g, n: LOOKUP.pulse(g, devices_of(LOOKUP, n), n, abs(n) / 8),
}


def devices_of(law: Any, n: Any) -> Any:
    """Return devices drawn from the given numbers, stacked as often as the law wants."""
    xp = array_namespace(n)
    return law.devices(xp.stack([n] * law.device_normals), xp.stack([abs(n) / 8] * max(law.device_uniforms, 1)))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_same_on_every_library(arrays: Any, call: Callable[..., Any], precision: Any) -> None:
    """A law stays on the library and device of its arguments, answers in double precision, and changes nothing."""
    rng = np.random.default_rng(5)
    g = rng.uniform(0, G_MAX, (3, 40)).astype(precision)
    g[0, 0] = 0
    n = rng.standard_normal((3, 40)).astype(precision)
    given_g, given_n = arrays.make(g), arrays.make(n)
    got = call(given_g, given_n)
    assert type(got) is type(given_g)
    result = arrays.back(got)
    assert result.dtype == np.float64
    assert result == pytest.approx(call(g.astype(np.float64), n.astype(np.float64)), rel=1e-13, abs=0)
    np.testing.assert_array_equal(arrays.back(given_g), g)
    np.testing.assert_array_equal(arrays.back(given_n), n)
    assert np.all(result >= 0)


def test_results_are_no_views_of_arguments() -> None:
    """Writing into a result leaves what it was computed from alone, even where the law changes nothing."""
    g = np.full(3, 5e-6)
    zero = np.zeros(3)
    results = [
        ProgrammingError((0.0,), G_MAX, G_MAX).program(g, zero),
        DRIFT.conductance(g, zero, 0.0),
        FLICKER.read(g, g, 0.0, zero),
        StuckCells(0, 0, 0, G_MAX).apply(g, zero.astype(np.int8)),
    ]
    for result in results:
        np.testing.assert_array_equal(result, g)
        assert not np.shares_memory(result, g)


def test_programming_error_scales_with_the_device() -> None:
    """A device of another g_max has the same error relative to it."""
    x = np.linspace(0, 1, 11)
    larger = ProgrammingError(ERROR.coefficients, 50e-6, 25e-6)
    assert larger.sigma(x * 50e-6) == pytest.approx(2 * ERROR.sigma(x * 25e-6), rel=1e-14)
    constant = ProgrammingError((1e-6,), 100e-6, 100e-6)
    np.testing.assert_array_equal(constant.sigma(x * 100e-6), np.full(11, 1e-6))


def test_programmed_conductance_is_never_negative() -> None:
    """A large negative error ends at zero, a positive one is kept."""
    got = ERROR.program(np.array([1e-7, 1e-7]), np.array([-5.0, 5.0]))
    sigma = 0.2e-6 + 2e-6 * 0.004 - 1e-6 * 0.004**2
    assert got == pytest.approx([0.0, 1e-7 + 5 * sigma], rel=1e-13)


def test_drift_exponents_have_limits_and_a_sign() -> None:
    """The fits are clipped, zero conductance included, and the absolute value of the exponent counts."""
    g = np.array([0.0, 1e-12, 12.5e-6, 25e-6])
    assert DRIFT.exponents(g, np.zeros(4)) == pytest.approx([0.1, 0.1, 0.049, 0.049])
    assert DRIFT.exponents(g, np.full(4, -10.0)) == pytest.approx([0.35, 0.35, 0.031, 0.031])
    assert np.all(DRIFT.exponents(g, np.random.default_rng(0).standard_normal((500, 4))) >= 0)


@given(st.floats(0, 1), st.floats(0, 1e10), st.floats(0, 1e10))
def test_drift_only_falls(nu: float, first: float, second: float) -> None:
    """A later time never gives a larger conductance, and the factor stays between 0 and 1."""
    early, late = sorted((first, second))
    exponent = np.array([nu])
    factors = DRIFT.factor(exponent, early)[0], DRIFT.factor(exponent, late)[0]
    assert 0 < factors[1] <= factors[0] <= 1


def test_time_of_each_cell() -> None:
    """A time for each cell gives what each time alone gives, an empty array included."""
    times = np.array([0.0, 25.0, 3600.0])
    g, nu = np.array([1e-6, 1e-5, 2e-5]), np.array([0.05, 0.06, 0.07])
    drifted, sigma = DRIFT.conductance(g, nu, times), FLICKER.sigma(g, g, times)
    for i, seconds in enumerate(times):
        assert drifted[i] == pytest.approx(DRIFT.conductance(g, nu, float(seconds))[i], rel=1e-14)
        assert sigma[i] == pytest.approx(FLICKER.sigma(g, g, float(seconds))[i], rel=1e-14)
        power = ((seconds + 20) / 20) ** -nu[i]
        assert drifted[i] == pytest.approx(g[i] * power, rel=1e-13)
    empty = np.zeros((0, 4))
    assert DRIFT.conductance(empty, empty, empty).shape == FLICKER.sigma(empty, empty, empty).shape == (0, 4)


@pytest.mark.parametrize("seconds", [-1.0, np.array([3.0, -1.0])])
def test_time_before_programming_is_refused(seconds: Any) -> None:
    """A negative time since programming is an error that tells the time."""
    g = np.array([1e-6, 2e-6])
    with pytest.raises(InputError, match="-1 s"):
        DRIFT.factor(g, seconds)
    with pytest.raises(InputError, match="-1 s"):
        FLICKER.sigma(g, g, seconds)


def test_flicker_noise_amplitude_has_a_ceiling_and_follows_the_programmed_conductance() -> None:
    """Q is 0.2 at zero and 0.0088 at g_max; sigma scales with the drifted conductance."""
    g = np.array([0.0, 25e-6])
    assert FLICKER.amplitude(g) == pytest.approx([0.2, 0.0088])
    octaves = math.sqrt(math.log((100 + 20 + 250e-9) / 500e-9))
    assert FLICKER.sigma(g, np.array([0.0, 10e-6]), 100.0) == pytest.approx([0.0, 10e-6 * 0.0088 * octaves], rel=1e-12)
    assert FLICKER.read(g, g, 100.0, np.array([-9.0, -1e9])) == pytest.approx([0.0, 0.0])


def test_read_noise_of_a_product_in_units_of_g_max() -> None:
    """The kind "sqrt" is w_noise sqrt(sum |w| x^2) of aihwkit's PCM_READ; the others are what they are called."""
    w, x = np.array([0.1, 0.5, 1.0, 0.0]), np.array([1.0, -0.5, 0.25, 1.0])
    noise = ReadNoise("sqrt", 0.0175, G_MAX)
    of_product = np.sqrt(np.sum(noise.variance(w * G_MAX) * x**2)) / G_MAX
    assert of_product == pytest.approx(0.0175 * np.sqrt(np.sum(np.abs(w) * x**2)), rel=1e-14)
    assert ReadNoise("proportional", 0.005, G_MAX).sigma(w * G_MAX) == pytest.approx(0.005 * w * G_MAX)
    assert ReadNoise("constant", 0.01, G_MAX).sigma(w * G_MAX) == pytest.approx(np.full(4, 0.01 * G_MAX))


def test_stuck_cells_by_uniform() -> None:
    """The unit interval is cut into off, on and free; the state is one byte a cell."""
    states = STUCK.draw(np.array([0.0, 0.2499, 0.25, 0.7499, 0.75, 0.999]))
    assert states.dtype == np.int8
    assert [CellState(s).name for s in states] == ["OFF", "OFF", "ON", "ON", "FREE", "FREE"]
    assert STUCK.apply(np.full(6, 5e-6), states) == pytest.approx([1e-6, 1e-6, 25e-6, 25e-6, 5e-6, 5e-6])


def test_stuck_cells_rates() -> None:
    """Rates of a million cells lie within five standard errors of those of the card (two comparisons)."""
    stuck = StuckCells(0.001, 0.003, 0.0, G_MAX)
    states = stuck.draw(np.random.default_rng(3).random(1_000_000))
    for state, rate in ((CellState.OFF, 0.001), (CellState.ON, 0.003)):
        assert abs(np.mean(states == state) - rate) < 5 * math.sqrt(rate * (1 - rate) / 1e6)


def test_descriptions_tell_the_numbers() -> None:
    """The words for the log carry the law's own numbers."""
    assert ERROR.describe() == "Gaussian, sigma 200 nS at zero, 1.2 uS at g_max"
    assert ProgrammingError((1e-6,), 1e-4, 1e-4).describe() == "Gaussian, sigma 1 uS"
    assert "t0 20 s" in DRIFT.describe()
    assert "0.0088" in FLICKER.describe()
    assert STUCK.describe() == "25 % stuck off, 50 % stuck on"
    kinds = [ReadNoise(kind, 0.02, G_MAX).describe() for kind in ("sqrt", "proportional", "constant")]
    assert len(set(kinds)) == 3
    assert kinds[1] == "white, sigma 2 % of the conductance"
