"""1/f and random telegraph noise in time: variances, spectra and dwell times against their closed forms.

Spectra are means over many cells; each comparison says how far chance may carry it.
"""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from xbar.devices.card_file import load_card
from xbar.devices.noise_spectrum import SpectralNoise
from xbar.devices.telegraph_noise import TelegraphNoise
from xbar.errors import InputError

TRAP = TelegraphNoise(amplitude=0.1, empty=0.02, full=0.005, share=0.25)


def series(law: SpectralNoise, cells: int, readings: int, step: float, seed: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    shape = (law.processes, cells)
    state, found = law.start(rng.standard_normal(shape)), []
    for _ in range(readings):
        found.append(law.relative(state))
        state = law.advance(state, step, rng.standard_normal(shape))
    return np.array(found)


@pytest.mark.parametrize("exponent", [0.7, 1.0, 1.4])
def test_spectrum_has_the_asked_exponent(exponent: float) -> None:
    """The periodogram of readings follows coefficient / f^a over more than a decade: level to 12 %, slope to 0.05.

    Standard errors are 3.5 % in the lowest of six bands (four frequencies of 300 cells) and 0.012 of the slope: three
    to four of them away.
    """
    step, n = 1e-4, 4096
    # Its processes end at 5 kHz, half the sampling rate: few aliases.
    law = SpectralNoise(4e-6, exponent, t_read=1e-3, t0=0.0, f_low=0.1)
    found = series(law, 300, n, step, 23)
    window = np.hanning(n)[:, None]
    power = np.abs(np.fft.rfft((found - found.mean(axis=0)) * window, axis=0)) ** 2
    power = power.mean(axis=1) * 2 * step / (window**2).sum()
    f = np.fft.rfftfreq(n, step)
    bands = [(f >= low) & (f < high) for low, high in pairwise(np.geomspace(12.0, 200.0, 7))]
    level = np.array([power[band].mean() for band in bands])
    want = np.array([law.spectrum(f[band]).mean() for band in bands])
    middle = np.array([np.log(f[band]).mean() for band in bands])
    assert level / want == pytest.approx(np.ones(6), abs=0.12)
    slope, _ = np.polyfit(middle, np.log(level), 1)
    assert slope == pytest.approx(-exponent, abs=0.05)


def test_state_is_stationary_for_any_step(statistics: Any) -> None:
    """Readings seconds or microseconds apart have the same spread, that of the processes together."""
    law = SpectralNoise(1e-4, 1.0, t_read=1e-3, t0=0.0, f_low=0.01)
    rng = np.random.default_rng(29)
    shape = (law.processes, 100_000)
    state = law.start(rng.standard_normal(shape))
    first = law.relative(state)
    sigma = float(np.sqrt(np.mean(first**2)))
    # The band of the processes, a decade beyond both ends, times K.
    band = math.log(0.5e3 / 0.01) + 2 * math.log(10)
    statistics.check_normal(first, 0.0, math.sqrt(1e-4 * band))
    for seconds in (0.0, 1e-6, 0.1, 1e6):
        moved = law.relative(law.advance(state, seconds, rng.standard_normal(shape)))
        assert moved.std() == pytest.approx(sigma, rel=0.02)
    np.testing.assert_allclose(law.relative(law.advance(state, 0.0, rng.standard_normal(shape))), first, rtol=1e-12)
    statistics.check_uncorrelated(law.relative(law.advance(state, 1e9, rng.standard_normal(shape))), first)


def test_variance_is_the_integral_of_the_spectrum() -> None:
    """K ln(f2 / f1) for the exponent 1, the power law's integral otherwise, continuous between them."""
    one = SpectralNoise(1e-6, 1.0, 1e-6, 1.0)
    assert one.variance(1.0, math.e) == pytest.approx(1e-6)
    other = SpectralNoise(1e-6, 1.5, 1e-6, 1.0)
    f = np.geomspace(1.0, 1e4, 200_001)
    assert other.variance(1.0, 1e4) == pytest.approx(np.trapezoid(other.spectrum(f), f), rel=1e-6)
    near = SpectralNoise(1e-6, 1 + 1e-9, 1e-6, 1.0)
    assert near.variance(1.0, 1e4) == pytest.approx(one.variance(1.0, 1e4), rel=1e-6)
    assert one.variance(np.array([1.0, 2.0]), 8.0) == pytest.approx(1e-6 * np.log([8.0, 4.0]))
    with pytest.raises(InputError, match="0 < low <= high"):
        one.variance(2.0, 1.0)


def test_epochs_grow_with_time_and_conductance(statistics: Any) -> None:
    """The draw of a read epoch has the variance of its band, in proportion to the conductance."""
    law = load_card("generic_all").flicker_noise
    assert isinstance(law, SpectralNoise)
    g = np.array([10e-6, 100e-6])
    hour = law.sigma(g, g, 3600.0)
    want = 1e-3 * math.sqrt(math.log(0.5e6 * (3600 + 1 + 2e-6)))
    assert hour / g == pytest.approx([want, want], rel=1e-12)
    assert law.sigma(g, g, np.array([3600.0, 3600.0])) == pytest.approx(hour, rel=1e-14)
    drawn = law.read(
        np.full(300_000, 5e-5), np.full(300_000, 5e-5), 3600.0, np.random.default_rng(31).standard_normal(300_000)
    )
    statistics.check_normal(drawn, 5e-5, 5e-5 * want)
    with pytest.raises(InputError, match="-1 s"):
        law.sigma(g, g, -1.0)
    with pytest.raises(InputError, match="must be 0 s or longer"):
        law.advance(np.zeros((law.processes, 1)), -1.0, np.zeros((law.processes, 1)))


def test_telegraph_occupancy_and_transitions(statistics: Any) -> None:
    """A fifth of the time is full; a step of any length keeps that, and forgets the start by its rate."""
    rng = np.random.default_rng(37)
    cells = 500_000
    state = TRAP.start(rng.random(cells))
    assert state.dtype == np.int8
    statistics.check_share(state, 0.2)
    for seconds in (1e-4, 4e-3, 10.0):
        later = TRAP.advance(state, seconds, rng.random(cells))
        statistics.check_share(later, 0.2)
        kept = math.exp(-seconds * (1 / 0.02 + 1 / 0.005))
        statistics.check_share(later[state == 1], 0.2 + 0.8 * kept)
        statistics.check_share(later[state == 0], 0.2 - 0.2 * kept)
    each = TRAP.advance(state, np.full(cells, 4e-3), rng.random(cells))
    statistics.check_share(each, 0.2)
    with pytest.raises(InputError, match="-1 s"):
        TRAP.advance(state, -1.0, rng.random(cells))


def test_telegraph_dwell_times_are_exponential() -> None:
    """Times in each state have the stated mean and a standard deviation equal to it (both to 5 %, six sigma)."""
    rng = np.random.default_rng(41)
    step = 1e-4
    state, found = TRAP.start(rng.random(400)), []
    for _ in range(8000):
        state = TRAP.advance(state, step, rng.random(400))
        found.append(state)
    trace = np.array(found)
    times: dict[int, list[float]] = {0: [], 1: []}
    for cell in trace.T:
        edges = np.flatnonzero(np.diff(cell))
        for first, last in pairwise(edges):
            times[int(cell[first + 1])].append((last - first) * step)
    for level, mean in ((0, 0.02), (1, 0.005)):
        dwell = np.array(times[level])
        assert dwell.mean() == pytest.approx(mean, rel=0.05)
        assert dwell.std() == pytest.approx(mean, rel=0.05)


def test_telegraph_spectrum() -> None:
    """The periodogram of many traps is the Lorentzian of the law, to 10 % in each of six bands."""
    rng = np.random.default_rng(43)
    step, n = 5e-4, 4096
    state, found = TRAP.start(rng.random(300)), []
    ones = np.ones(300, np.int8)
    for _ in range(n):
        state = TRAP.advance(state, step, rng.random(300))
        found.append(TRAP.conductance(np.ones(300), state, ones))
    trace = np.array(found)
    window = np.hanning(n)[:, None]
    power = np.abs(np.fft.rfft((trace - trace.mean()) * window, axis=0)) ** 2
    power = power.mean(axis=1) * 2 * step / (window**2).sum()
    f = np.fft.rfftfreq(n, step)
    edges = np.geomspace(2.0, 100.0, 7)
    for low, high in pairwise(edges):
        band = (f >= low) & (f < high)
        assert power[band].mean() == pytest.approx(TRAP.spectrum(f[band]).mean(), rel=0.1)


def test_only_cells_with_a_trap_switch(statistics: Any) -> None:
    """The share of cells with a trap is that of the card; the others keep their conductance."""
    rng = np.random.default_rng(47)
    traps = TRAP.traps(rng.random(200_000))
    statistics.check_share(traps, 0.25)
    g = TRAP.conductance(np.full(200_000, 1e-5), np.ones(200_000, np.int8), traps)
    assert g[traps == 1] == pytest.approx(0.9e-5)
    assert g[traps == 0] == pytest.approx(1e-5)
