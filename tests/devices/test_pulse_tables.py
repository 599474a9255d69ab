"""Table cards: they reproduce their tables, and measured ramps within their own cycle-to-cycle spread."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from xbar.devices.card_file import load_card, parse_card
from xbar.devices.pulse_law import PulseLaw
from xbar.devices.pulse_table import PulseLookup, PulseTable
from xbar.devices.ramp_table import pulse_table
from xbar.errors import InputError

DATA = Path(__file__).parents[1] / "data" / "devices"
Floats = NDArray[np.float64]


def lookup_file(name: str) -> tuple[Floats, Floats, Floats]:
    """Return conductances [S], shares and steps [S] of a look-up table of cross-sim-data."""
    lines = (DATA / name).read_text(encoding="utf-8").replace(",", " ").split("\n")
    states, shares = (np.array(line.split(), np.float64) for line in lines[1:3])
    return states, shares, np.array([line.split() for line in lines[3:] if line.strip()], np.float64)


def play(law: PulseLaw, start: Floats, sign: float, pulses: int, seed: int) -> tuple[Floats, Floats]:
    """Return (states, what readings see) after each pulse of a train (pulses, cells) [S]."""
    rng = np.random.default_rng(seed)
    devices = law.devices(np.zeros((law.device_normals, start.size)), np.zeros((1, start.size)))
    state, states, seen = start, [], []
    for _ in range(pulses):
        numbers = rng.standard_normal(start.size) if law.draws == "normals" else rng.random(start.size)
        state = np.asarray(law.pulse(state, devices, np.full(start.size, sign), numbers))
        states.append(state)
        seen.append(np.asarray(law.apparent(state, rng.standard_normal(start.size))))
    return np.array(states), np.array(seen)


@pytest.mark.parametrize(("file", "sign"), [("ENODe_increasing.txt", 1.0), ("ENODe_decreasing.txt", -1.0)])
def test_lookup_card_reproduces_its_table(file: str, sign: float) -> None:
    """One pulse of the ENODe card at each of 48 conductances and 122 shares is the table, to its rounding of 1 uS.

    29 shares of the original are in the card: between them the table, in whole microsiemens, is a straight line.
    """
    card = load_card("ecram_enode")
    law = card.pulse_response
    assert isinstance(law, PulseLookup)
    states, shares, steps = lookup_file(file)
    assert np.array(law.states) == pytest.approx(states, rel=1e-5)
    g, u = np.meshgrid(states, shares)
    devices = law.devices(np.zeros((1, *g.shape)), np.zeros((0, *g.shape)))
    got = np.asarray(law.pulse(g, devices, np.full(g.shape, sign), u)) - g
    free = (g + steps < states[-1]) & (g + steps > states[0])
    assert np.abs(got - steps)[free].max() < 1.01e-6
    # At the shares of the card itself it is exact.
    exact = [int(np.argmin(np.abs(shares - share))) for share in law.shares]
    same = np.abs(shares[exact] - np.array(law.shares)) < 1e-12
    rows = np.array(exact)[same]
    assert len(rows) >= 2
    assert np.abs(got - steps)[rows][free[rows]].max() < 1e-10


def test_lookup_has_the_distribution_of_the_table() -> None:
    """Mean and spread of 200,000 steps are those of the table's distribution, to 1 %."""
    law = load_card("ecram_enode").pulse_response
    assert law is not None
    states, shares, steps = lookup_file("ENODe_increasing.txt")
    column = 20
    g = np.full(200_000, states[column])
    devices = law.devices(np.zeros((1, g.size)), np.zeros((0, g.size)))
    got = np.asarray(law.pulse(g, devices, np.ones(g.size), np.random.default_rng(3).random(g.size))) - g
    fine = np.interp((np.arange(100_000) + 0.5) / 100_000, shares, steps[:, column])
    assert got.mean() == pytest.approx(fine.mean(), rel=0.01)
    assert got.std() == pytest.approx(fine.std(), rel=0.05)


def ramps(name: str) -> Floats:
    """Return conductances (pulses, ramps) [S] of measured ramps, NaN where a ramp is shorter."""
    return np.genfromtxt(DATA / name, delimiter=",", skip_header=1) / 0.1


def test_table_reproduces_measured_ramps() -> None:
    """A table of half of the measured ramps replays the other half within their cycle-to-cycle spread.

    400 ramps begin where the measured ones do on average. At every pulse their mean lies within one standard deviation
    of the measured ones around the measured mean, their own spread stays below 1.6 of it, and the steps have the
    measured mean and spread.
    """
    up, down = ramps("crosssim_set.csv"), ramps("crosssim_reset.csv")
    law = pulse_table(up[:, ::2], down[:, ::2], states=60, source="CrossSim, every other ramp")
    assert law.write_noise == 0
    for measured, sign, step in ((up[:, 1::2], 1.0, 4.43e-6), (down[:, 1::2], -1.0, -5.52e-6)):
        full = int(np.isfinite(measured).all(axis=1).sum())
        states, _ = play(law, np.full(400, measured[0].mean()), sign, full - 1, 5)
        mean, deviation = measured[1:full].mean(axis=1), measured[1:full].std(axis=1)
        assert np.all(np.abs(states.mean(axis=1) - mean) < deviation)
        assert np.all(states.std(axis=1) < 1.6 * deviation)
        assert states[-1].std() > 0.4 * deviation[-1]
        steps = np.diff(states, axis=0)
        assert steps.mean() == pytest.approx(step, rel=0.02)
        assert steps.std() == pytest.approx(float(np.nanstd(np.diff(measured, axis=0))), rel=0.05)


def test_table_reproduces_a_noisy_ramp() -> None:
    """The ReRAM of Gong 2018, whose reading noise is a hundred steps: the mean curve and the residual come back.

    1000 SET and 1000 RESET pulses. The replayed curve lies within the residual of the measurement (0.17 in its units)
    everywhere, on average within a third of it, and what readings see spreads as the measurement does.
    """
    measured = np.loadtxt(DATA / "gong_et_al.csv", delimiter=",")
    # Weights -1.5 to 1.5 as 0 to 60 uS.
    g = (measured + 1.5) * 20e-6
    law = pulse_table(g[:, :1], g[:, 1:], states=16, window=201, source="Gong et al. 2018")
    for column, sign in ((0, 1.0), (1, -1.0)):
        curve = np.convolve(g[:, column], np.ones(201) / 201, "valid")
        residual = (g[100:-100, column] - curve).std()
        assert residual / 20e-6 == pytest.approx(0.17, abs=0.02)
        states, seen = play(law, np.full(40, curve[0]), sign, len(curve) - 1, 7)
        off = states.mean(axis=1) - curve[1:]
        assert np.abs(off).max() < residual
        assert np.sqrt(np.mean(off**2)) < residual / 3
        assert (seen - states).std() == pytest.approx(residual, rel=0.1)


def test_pulse_table_at_its_states(arrays: Any) -> None:
    """Steps have the tabulated mean and spread at the states of the table, and lie between them elsewhere."""
    law = PulseTable((10e-6, 20e-6, 40e-6), (3e-6, 2e-6, 0.0), (1e-7, 2e-7, 0.0), (0.0, -1e-6, -4e-6), (0.0,) * 3)
    g = arrays.make(np.array([10e-6, 20e-6, 40e-6, 30e-6]))
    devices = law.devices(arrays.make(np.zeros((1, 4))), arrays.make(np.zeros((0, 4))))
    ones = arrays.make(np.ones(4))
    up = arrays.back(law.pulse(g, devices, ones, ones))
    assert up * 1e6 == pytest.approx([13.1, 22.2, 40.0, 31.1])
    down = arrays.back(law.pulse(g, devices, arrays.make(-np.ones(4)), ones))
    assert down * 1e6 == pytest.approx([10.0, 19.0, 36.0, 27.5])
    none = arrays.back(law.pulse(g, devices, arrays.make(np.zeros(4)), ones))
    np.testing.assert_array_equal(none, arrays.back(g))


def test_error_table_reproduces_itself(statistics: Any) -> None:
    """A card of states, mean and std gives them back at its states, and straight lines between."""
    error = load_card("generic_all").programming_error
    assert error is not None
    g = np.array([1, 25, 50, 75, 100, 87.5]) * 1e-6
    assert error.mean(g) * 1e6 == pytest.approx([1, 25, 50, 74.5, 99, 86.75])
    assert error.sigma(g) * 1e6 == pytest.approx([0.3, 0.8, 1.0, 1.0, 1.2, 1.1])
    got = error.program(np.full(300_000, 75e-6), np.random.default_rng(9).standard_normal(300_000))
    statistics.check_normal(got, 74.5e-6, 1e-6)


def test_ramps_that_make_no_table() -> None:
    """Ramps without two steps, of different ranges, or a window of nothing are refused with a reason."""
    rising = np.linspace(1e-6, 2e-6, 50)[:, None]
    with pytest.raises(InputError, match="fewer than two steps"):
        pulse_table(rising[:2], rising[::-1])
    with pytest.raises(InputError, match="share no conductance"):
        pulse_table(rising, 100 * rising[::-1])
    with pytest.raises(InputError, match="an odd number of pulses"):
        pulse_table(rising, rising[::-1], window=0)
    table = pulse_table(rising, rising[::-1], states=5)
    assert table.up == pytest.approx(np.full(5, 1e-6 / 49))


TABLE = """
schema = "xbar-card/1"
name = "mine"
title = "t"
source = "s"
g_min = "10 uS"
g_max = "40 uS"
read_voltage = "0.1 V"
[pulse_response]
kind = "table"
unit = "uS"
states = [10, 20, 40]
up = [3, 2, 0]
up_std = [0.1, 0.2, 0]
down = [0, -1, -4]
down_std = [0, 0, 0]
valid = ["10 uS", "40 uS"]
source = "s"
"""


def test_table_from_a_file() -> None:
    """A table of a card file is the law with its unit applied."""
    law = parse_card(TABLE, "x").pulse_response
    assert isinstance(law, PulseTable)
    assert law.up == pytest.approx((3e-6, 2e-6, 0.0))
    assert law.states == pytest.approx((10e-6, 20e-6, 40e-6))
