"""Cells of dynamic models through the bench: hysteresis, compliance, pulses, disturbed neighbours."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.bench.settings import Pulse, ReadConfig, Unselected
from xbar.bench.status import Status
from xbar.devices.card_file import load_card
from xbar.devices.dynamics import respond, state_of
from xbar.devices.stuck_cells import StuckCells
from xbar.devices.stuck_lines import StuckLines
from xbar.devices.vteam import Vteam

LINEAR = Vteam(50.0, 1000.0, 3e-9, -10.0, 5e-4, 1.0, 1.0, -0.2, 0.02)
"""VTEAM whose state moves at a constant speed that is linear in the voltage beyond the threshold."""


def loop(peak: float, points: int = 200) -> NDArray[np.float64]:
    """Return a voltage that starts and ends at 0 V, one period of a sine."""
    return peak * np.sin(2 * np.pi * np.arange(points + 1) / points).round(15)


@pytest.mark.parametrize(
    ("card", "peak", "settle"),
    [("vteam", -0.5, 0.0), ("yakopcic_nbsto", 1.0, 5e-3), ("stanford_pku", 1.6, 0.0), ("data_driven", 1.0, 0.0)],
)
def test_a_sweep_draws_a_pinched_loop(benches: Any, card: str, peak: float, settle: float) -> None:
    """No current at 0 V, an open loop in the first and the third quadrant, and the state that it ends in stays."""
    with benches(card) as bench:
        volts = loop(peak)
        found = bench.sweep(0, (3, 4), volts, ReadConfig(settle=settle, current_limit=bench.limits.current))
        current = found.current[:, 0]
        assert (current[volts == 0] == 0).all()
        assert (current * volts >= 0).all()
        half = len(volts) // 2
        for part in (slice(0, half + 1), slice(half, None)):
            area = abs(np.trapezoid(current[part], volts[part]))
            assert area > 0.002 * np.abs(volts[part]).max() * np.abs(current[part]).max()


def test_a_sweep_is_the_waveform_of_the_model(benches: Any) -> None:
    """Each step stands for the time of a reading; the next sweep goes on from there; other cells stay."""
    card = load_card("vteam")
    assert card.dynamics is not None
    with benches(card) as bench:
        volts = np.concatenate([loop(0.1), loop(0.3)])
        parts = [bench.sweep(0, (1, 1), v, ReadConfig(repeat=2)).current for v in (volts[:150], volts[150:])]
        start = state_of(card.dynamics, np.array([card.g_min]), card.read_voltage)
        expected = respond(card.dynamics, start, np.repeat(volts, 2)[:, None], np.full(2 * len(volts), 1e-5))
        np.testing.assert_allclose(np.concatenate(parts).ravel(), expected.current[:, 0], rtol=1e-9)
        g = benches.read(bench, 0.01)
        assert np.unique(np.delete(g.ravel(), 13)).size == 1


def test_the_compliance_holds_current_and_switching(benches: Any) -> None:
    """The source gives no more than asked, says so, and its voltage falls; the cell switches less far."""
    # Positive voltages close the gap: SET, which would run away without a limit.
    final = []
    for limit in (3e-3, 0.3e-3):
        with benches("stanford_pku") as bench:
            volts = np.concatenate([np.linspace(0, 2.0, 81), np.linspace(2.0, 0, 81)])
            found = bench.sweep(0, (0, 0), volts, ReadConfig(current_limit=limit))
            limited = found.status[:, 0] == Status.COMPLIANCE
            assert 5 < limited.sum() < 150
            np.testing.assert_allclose(found.current[limited, 0], limit, rtol=1e-9)
            assert (found.voltage[limited] < found.applied[limited]).all()
            np.testing.assert_array_equal(found.voltage[~limited], found.applied[~limited])
            assert (found.current <= limit * (1 + 1e-12)).all()
            final.append(float(bench.read(0, [[0, 0]], ReadConfig(voltage=0.05)).conductance[0, 0]))
    assert final[1] < 0.5 * final[0]


def test_a_pulse_moves_the_state_as_the_model_tells(benches: Any) -> None:
    """VTEAM at constant voltage moves at a constant speed; edges count as the mean of what they pass through."""
    card = replace(load_card("vteam"), dynamics=LINEAR)
    with benches(card) as bench:

        def boundary() -> float:
            return float((1 / benches.read(bench, 0.01)[0, 0] - 50.0) / 950.0 * 3e-9)

        bench.program(0, np.full((16, 12), 1 / 500))
        start = boundary()
        bench.pulse(0, [[0, 0]], Pulse(0.1, 1e-7, current_limit=0.2), count=3)
        assert boundary() - start == pytest.approx(3 * 1e-7 * 5e-4 * 4, rel=1e-6)
        start = boundary()
        bench.pulse(0, [[0, 0]], Pulse(0.1, 2e-7, rise=1e-7, fall=1e-7, current_limit=0.2), count=2)
        # From 0.02 V on, 0.8 of an edge moves the state, at half the speed on average.
        expected = 2 * 5e-4 * 4 * (1e-7 + 2 * 1e-7 * 0.8 * 0.5)
        assert boundary() - start == pytest.approx(expected, rel=0.01)
        start = boundary()
        bench.pulse(0, [[0, 0]], Pulse(-0.3, 1e-11, current_limit=0.2))
        assert boundary() - start == pytest.approx(-1e-11 * 10 * 0.5, rel=1e-6)


def test_half_selected_cells_move_where_there_is_no_threshold(benches: Any) -> None:
    """Half of 1.2 V moves the cells of row and column of the data-driven model; the others see nothing."""
    with benches("data_driven") as bench:
        benches.write(bench, 330e-6)
        driver: Any = bench._drivers[0].driver
        cells = driver._arrays.cells(0)  # a reading would move them, too
        before = cells.position.copy()
        bench.pulse(0, [[4, 5]], Pulse(1.2, 1e-6), count=3)
        moved = np.abs(cells.position / before - 1)
        row, col = np.arange(16)[:, None] == 4, np.arange(12)[None, :] == 5
        assert moved[4, 5] > 1.5 * moved[4, 0]
        assert (moved[row ^ col] > 1e-3).all()
        assert not moved[~(row | col)].any()


def test_half_selected_cells_below_the_threshold_stand_still(benches: Any) -> None:
    """To the bit; and whole arrays are written in one go without disturbing each other."""
    with benches("yakopcic_nbsto") as bench:
        before = benches.read(bench)
        bench.pulse(0, [[4, 5]], Pulse(0.99, 1e-3))
        after = benches.read(bench)
        assert np.argwhere(after != before).tolist() == [[4, 5]]
        bench.pulse(0, benches.cells(bench), Pulse(0.99, 1e-3))
        after = benches.read(bench)
        np.testing.assert_allclose(np.delete(after.ravel(), 53), after[0, 0], rtol=1e-12)
        assert after[0, 0] > before[0, 0]


def test_the_same_bits_for_any_grouping(benches: Any) -> None:
    """Of cells that disturb each other, too."""
    found = []
    cells = np.random.default_rng(1).integers(0, (5, 4), (12, 2))
    for parts in (1, 4, 12):
        with benches("data_driven", 5, 4) as bench:
            for group in np.array_split(cells, parts):
                bench.pulse(0, group, Pulse(1.0, 1e-7, unselected=Unselected.THIRD))
            driver: Any = bench._drivers[0].driver
            found.append(driver._arrays.cells(0).position)
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


def test_stuck_cells_and_open_lines_do_not_follow(benches: Any) -> None:
    """Stuck cells draw a straight line, cells on open lines no current; neither moves."""
    card = load_card("yakopcic_nbsto")
    volts = loop(2.0, 20)
    with benches(replace(card, stuck_cells=StuckCells(1.0, 0.0, 140e-6, 523e-6))) as bench:
        np.testing.assert_allclose(bench.sweep(0, (0, 0), volts).current[:, 0], 140e-6 * volts, rtol=1e-9)
    with benches(replace(card, stuck_lines=StuckLines(1.0, 0.0))) as bench:
        assert not bench.sweep(0, (0, 0), volts).current.any()
        bench.pulse(0, benches.cells(bench), Pulse(2.0, 1e-3))
        assert not benches.read(bench).any()


def test_cells_named_twice_follow_one_reading_after_the_other(benches: Any) -> None:
    """A read of (a, b, a) is a read of a, then b, then a."""
    config = ReadConfig(voltage=0.9, repeat=2, settle=1e-3)
    cells = np.array([[0, 0], [1, 1], [0, 0]])
    with benches("yakopcic_nbsto") as bench:
        together = bench.read(0, cells, config).current
    with benches("yakopcic_nbsto") as bench:
        alone = np.concatenate([bench.read(0, cells[k : k + 1], config).current for k in range(3)])
    np.testing.assert_allclose(together, alone, rtol=1e-12)
    assert together[2, 1] > together[0, 0] * 1.001


def test_a_chip_keeps_the_state_of_the_model(tmp_path: Path) -> None:
    options: dict[str, Any] = {"card": "vteam", "rows": 4, "cols": 4}
    config = ReadConfig(voltage=0.01)
    with xbar.open_bench("sim", chip=tmp_path / "chip.h5", **options) as bench:
        bench.pulse(0, [[1, 2]], Pulse(-0.5, 2e-11, current_limit=0.05))
        expected = bench.read(0, [[1, 2], [0, 0]], config).conductance
        assert expected[0] > 1.2 * expected[1]
    with xbar.open_bench("sim", chip=tmp_path / "chip.h5", **options) as bench:
        np.testing.assert_array_equal(bench.read(0, [[1, 2], [0, 0]], config).conductance, expected)
