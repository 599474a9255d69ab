"""Each law of a card in the simulated array, seen through the bench: its distribution against the closed form."""

from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from xbar.array.simulated_arrays import SimulatedArrays
from xbar.bench.bench import Bench
from xbar.bench.settings import Pulse, ReadConfig, VectorConfig
from xbar.devices.card_file import load_card
from xbar.devices.endurance import Endurance
from xbar.devices.iv_law import SinhIv
from xbar.devices.levels import Levels
from xbar.devices.noise_spectrum import SpectralNoise
from xbar.devices.relaxation import LogTimeRelaxation
from xbar.devices.retention import Retention
from xbar.devices.stuck_lines import StuckLines
from xbar.devices.telegraph_noise import TelegraphNoise
from xbar.devices.temperature import BOLTZMANN, Temperature
from xbar.devices.validity import ExtrapolationWarning
from xbar.devices.variation import Variation
from xbar.errors import InputError
from xbar.periphery.real_converters import EFFECTS as ERRORS

G = 40e-6


def arrays_of(bench: Bench) -> SimulatedArrays:
    """Return what the driver simulates, to look at what products see."""
    driver: Any = bench._drivers[0].driver
    found: SimulatedArrays = driver._arrays
    return found


def test_a_target_becomes_the_nearest_level(benches: Any) -> None:
    with benches(benches.card(levels=Levels((1e-6, 20e-6, 100e-6)))) as bench:
        targets = np.random.default_rng(1).uniform(1e-6, 100e-6, (16, 12))
        bench.program(0, targets)
        nearest = np.array([1e-6, 20e-6, 100e-6])
        expected = nearest[np.abs(targets[..., None] - nearest).argmin(axis=-1)]
        np.testing.assert_allclose(benches.read(bench), expected, rtol=1e-12)


def test_device_variation_stays_and_cycle_variation_does_not(benches: Any) -> None:
    """Ln G spreads around ln of the target with the sigma of the law; the device's part is the same at every write."""
    law = Variation(0.05, 0.05, 1e-6, 100e-6)
    for name in ("device_variation", "cycle_variation"):
        with benches(benches.card(**{name: law}), 64, 64) as bench:
            found = []
            for _ in range(2):
                benches.write(bench, G)
                found.append(np.log(benches.read(bench) / G) / 0.05)
            benches.check_normal(found[0])
            if name == "device_variation":
                np.testing.assert_allclose(found[0], found[1], atol=1e-9)
            else:
                assert abs(np.corrcoef(found[0].ravel(), found[1].ravel())[0, 1]) < 5 / 64


def test_relaxation_moves_on_in_its_own_direction(benches: Any) -> None:
    """Mean and spread follow the law at two times; a cell's deviation grows and keeps its sign; a write draws anew."""
    law = LogTimeRelaxation(-0.05e-6, 0.1e-6, 0.5e-6, 1.0, 1e6)
    with benches(benches.card(relaxation=law), 64, 64) as bench:
        found = []
        for _ in range(2):
            benches.write(bench, G)
            written = bench.clock
            for seconds in (10.0, 1e4):
                bench.wait(written + seconds - bench.clock)
                age = bench.clock - written
                products = arrays_of(bench).conductances(0)
                found.append((products - G + 0.05e-6 * np.log(age)) / (0.1e-6 * np.log(age) + 0.5e-6))
                benches.check_normal(found[-1])
        np.testing.assert_allclose(found[0], found[1], atol=1e-6)
        assert abs(np.corrcoef(found[0].ravel(), found[2].ravel())[0, 1]) < 5 / 64
        cell = bench.read(0, [[5, 7]]).conductance[0, 0]
        assert cell == pytest.approx(products[5, 7], rel=1e-6)


def test_retention_and_temperature_follow_their_laws(benches: Any) -> None:
    """Time runs faster in the heat, and the conductance itself moves; the option is the bench's."""
    retention = Retention(1e4, 0.7, 1e-6)
    temperature = Temperature("linear", 1e-3, 300.0, ageing=0.6)
    card = benches.card(retention=retention, temperature=temperature)
    for kelvin in (300.0, 350.0):
        with benches(card, temperature=kelvin) as bench:
            benches.write(bench, G)
            bench.wait(3600.0)
            seconds = 3600.0 * np.exp(0.6 / BOLTZMANN * (1 / 300 - 1 / kelvin))
            left = np.exp(-((seconds / 1e4) ** 0.7))
            expected = (1e-6 + (G - 1e-6) * left) * (1 + 1e-3 * (kelvin - 300))
            np.testing.assert_allclose(benches.read(bench), expected, rtol=1e-4)
            products = bench.mvm((0,), np.full((1, 1, 16), 0.2), VectorConfig(0.2, 4 * expected)).current
            np.testing.assert_allclose(products, 16 * 0.2 * expected, rtol=0.02)
            assert "at " in {e.name: e.note for e in bench.capabilities.effects}["temperature"]


def test_cells_never_written_do_not_age(benches: Any) -> None:
    card = benches.card(retention=Retention(1.0, 1.0, 1e-7), relaxation=LogTimeRelaxation(1e-6, 0, 1e-6, 1.0, 1e9))
    with benches(card) as bench:
        bench.wait(1e6)
        np.testing.assert_allclose(benches.read(bench), 1e-6, rtol=1e-12)


def test_telegraph_noise_has_its_share_of_time_and_its_memory(benches: Any) -> None:
    """One cell read 8000 times: occupancy and correlation from reading to reading, at five standard errors."""
    law = TelegraphNoise(0.1, 40e-6, 20e-6, 1.0)
    with benches(benches.card(random_telegraph_noise=law)) as bench:
        benches.write(bench, G)
        n = 8000
        parts = [bench.read(0, [[3, 4]], ReadConfig(repeat=n // 2)).conductance.ravel() for _ in range(2)]
        g = np.concatenate(parts)
        assert set(np.round(g / G, 9)) == {0.9, 1.0}
        full = (g < 0.95 * G).astype(float)
        rate, occupancy = 1 / 40e-6 + 1 / 20e-6, 20 / 60
        kept = np.exp(-rate * 1e-5)
        # Readings hang together: so many of them count as one.
        error = np.sqrt(occupancy * (1 - occupancy) / n * (1 + kept) / (1 - kept))
        assert abs(full.mean() - occupancy) < 5 * error
        assert abs(np.corrcoef(full[:-1], full[1:])[0, 1] - kept) < 5 / np.sqrt(n)


def test_traps_go_on_between_readings_and_epochs_draw_anew(benches: Any) -> None:
    """Readings a microsecond apart agree; two epochs have independent traps, only in the share of cells with one."""
    law = TelegraphNoise(0.1, 1.0, 1.0, 0.4)
    with benches(benches.card(random_telegraph_noise=law), 64, 64) as bench:
        benches.write(bench, G)
        first, second = benches.read(bench), benches.read(bench)
        assert (first != second).mean() < 0.05
        low = (first < 0.95 * G).mean()
        assert abs(low - 0.2) < 5 * np.sqrt(0.2 * 0.8 / 4096)
        arrays = arrays_of(bench)
        epochs = []
        for _ in range(2):
            bench.wait(0.0)
            epochs.append(arrays.conductances(0) < 0.95 * G)
            np.testing.assert_array_equal(arrays.conductances(0) < 0.95 * G, epochs[-1])
        trapped = arrays.cells(0).traps == 1
        assert not epochs[0][~trapped].any()
        assert abs(epochs[0][trapped].mean() - 0.5) < 5 * 0.5 / np.sqrt(trapped.sum())
        correlation = np.corrcoef(epochs[0][trapped], epochs[1][trapped])[0, 1]
        assert abs(correlation) < 5 / np.sqrt(trapped.sum())


def test_readings_in_a_row_have_the_spectrum(benches: Any) -> None:
    """The averaged spectrum of 1024 cells x 256 readings falls as 1 / f with the coefficient of the law, to 10 %."""
    # A law up to 5 kHz, read 100 000 times a second: nothing of note is folded back from beyond half of that.
    law = SpectralNoise(1e-5, 1.0, 1e-4, 1.0, f_low=100.0)
    with benches(benches.card(flicker_noise=law), 32, 32) as bench:
        benches.write(bench, G)
        repeat = 256
        g = bench.read(0, benches.cells(bench), ReadConfig(repeat=repeat)).conductance / G - 1
        power = (np.abs(np.fft.rfft(g * np.hanning(repeat), axis=1)) ** 2).mean(axis=0)
        density = power * 2 * 1e-5 / (np.hanning(repeat) ** 2).sum()
        frequency = np.fft.rfftfreq(repeat, 1e-5)
        band = slice(4, 20)
        slope, level = np.polyfit(np.log(frequency[band]), np.log(density[band]), 1)
        assert abs(slope + 1) < 0.1
        middle = np.log(frequency[band]).mean()
        assert abs(level + slope * middle + middle - np.log(1e-5)) < 0.1


def test_open_lines_carry_nothing(benches: Any) -> None:
    """Whole word and bit lines, as many as the shares tell; no noise, no current, also in products."""
    card = replace(benches.card(stuck_lines=StuckLines(0.3, 0.2)), read_noise=load_card("reram_wan").read_noise)
    with benches(card, 200, 200) as bench:
        benches.write(bench, G)
        g = benches.read(bench)
        dead = g == 0
        rows, cols = dead.all(axis=1), dead.all(axis=0)
        np.testing.assert_array_equal(dead, rows[:, None] | cols)
        assert abs(rows.mean() - 0.3) < 5 * np.sqrt(0.3 * 0.7 / 200)
        assert abs(cols.mean() - 0.2) < 5 * np.sqrt(0.2 * 0.8 / 200)
        current = bench.mvm((0,), np.full((1, 5, 200), 0.2), VectorConfig(0.2, 1e-3)).current
        assert not current[0][:, cols].any()


def test_cells_fail_after_their_lifetime(benches: Any) -> None:
    """Writes are counted; the share of failed cells is that of the lognormal law; failed cells stay as they are."""
    with benches(benches.card(endurance=Endurance(0.0, 10.0, 1.0)), 64, 64) as bench:
        for k in range(20):
            benches.write(bench, G + k * 1e-6)
        last = np.isclose(benches.read(bench), G + 19e-6)
        alive = 1 - NormalDist().cdf(np.log(19 / 10))
        assert abs(last.mean() - alive) < 5 * np.sqrt(alive * (1 - alive) / 4096)


def test_the_current_follows_the_i_v_law(benches: Any) -> None:
    """The conductance at the read voltage is the programmed one; other voltages follow the law, products do not."""
    with benches(benches.card(iv_nonlinearity=SinhIv(0.25))) as bench:
        benches.write(bench, G)
        np.testing.assert_allclose(benches.read(bench), G, rtol=1e-9)
        volts = np.array([-0.6, -0.2, 0.0, 0.1, 0.6])
        sweep = bench.sweep(0, (1, 1), volts).current[:, 0]
        np.testing.assert_allclose(sweep, G * 0.2 * np.sinh(volts / 0.25) / np.sinh(0.2 / 0.25), rtol=1e-9)
        note = {effect.name: effect for effect in bench.capabilities.effects}["iv_nonlinearity"]
        assert note.state == "applied"
        assert "linearised at the read voltage" in note.note
        current = bench.mvm((0,), np.full((1, 1, 16), 0.1), VectorConfig(0.2, 2e-4)).current
        np.testing.assert_allclose(current, 16 * 0.1 * G, rtol=0.02)


# ---- what a card does not know


def test_times_beyond_a_law_are_refused_before_anything_happens(benches: Any) -> None:
    """Readings and products two days after the write; right after it they are fine, and a warning is a choice."""
    cells = [[0, 0]]
    with benches("reram_wan") as bench:
        benches.write(bench, 20e-6)
        bench.read(0, cells)
        bench.wait(3 * 86400.0)
        clock = bench.clock
        with pytest.raises(InputError, match=r"relaxation of card 'reram_wan'.*2 days"):
            bench.read(0, cells)
        with pytest.raises(InputError, match=r"relaxation of card 'reram_wan'.*2 days"):
            bench.mvm((0,), np.zeros((1, 1, 16)))
        assert bench.clock == clock
        benches.write(bench, 20e-6)
        bench.mvm((0,), np.zeros((1, 1, 16)))
    with benches("reram_wan", outside="warn") as bench:
        benches.write(bench, 20e-6)
        bench.wait(3 * 86400.0)
        with pytest.warns(ExtrapolationWarning, match="extrapolated"):
            bench.read(0, cells)


def test_temperatures_and_voltages_beyond_a_law_are_refused(benches: Any) -> None:
    with pytest.raises(InputError, match="temperature 500 K"):
        benches("generic_all", temperature=500.0)
    with benches("reram_milo") as bench, pytest.raises(InputError, match=r"iv_nonlinearity.*voltage"):
        bench.sweep(0, (0, 0), [0.1, 0.6])
    for kelvin in (0.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="temperature"):
            benches("ideal", temperature=kelvin)
    with pytest.raises(InputError, match="'ignore'"):
        benches("ideal", outside="ignore")


def test_every_law_can_be_switched_off(benches: Any) -> None:
    """The card with every effect and none of them left: cells are what was asked for, whatever time passes."""
    with benches("generic_all", only=["temperature"]) as bench:
        targets = np.random.default_rng(1).uniform(5e-6, 95e-6, (16, 12))
        bench.program(0, targets)
        bench.wait(1e5)
        np.testing.assert_allclose(benches.read(bench), targets, rtol=1e-9)
    with benches("generic_all") as bench:
        states = {effect.name: effect.state for effect in bench.capabilities.effects}
        assert {name for name, state in states.items() if state != "applied"} == {"ir_drop", *ERRORS}
        bench.pulse(0, benches.cells(bench), Pulse(1.5, 1e-6))
        assert set(bench.settings["device_laws"]) == {"pulse_response", "write"}
