"""Data that tell no law, or another one than they seem to: refused with the reason, never a card of nonsense."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import xbar
from xbar.devices.card_file import load_card, parse_card
from xbar.errors import InputError
from xbar.programming.characterise import characterise, plan_steps
from xbar.programming.characterise_plan import parse_plan
from xbar_calibration.card_text import writable_card
from xbar_calibration.command import calibrate_files
from xbar_calibration.fit import Fit
from xbar_calibration.observations import Ramps
from xbar_calibration.pulse_trains import oriented
from xbar_calibration.report import Report

Measure = Callable[..., Path]


def _table(path: Path, head: str, rows: Sequence[tuple[float, ...]]) -> Path:
    path.write_text("\n".join([head, *(",".join(f"{v:.9g}" for v in row) for row in rows)]), encoding="utf-8")
    return path


def _ramps(path: Path, up: list[float], down: list[float]) -> Path:
    return _table(path, "up,down", list(zip(up, down, strict=True)))


def test_pulses_that_move_nothing_are_refused(tmp_path: Path) -> None:
    """Trains that scatter about one value have no steps."""
    rng = np.random.default_rng(1)
    flat = 50 + 0.5 * rng.standard_normal((2, 100))
    file = _ramps(tmp_path / "flat.csv", flat[0].tolist(), flat[1].tolist())
    with pytest.raises(InputError, match=r"rising trains do not rise .* and falling trains do not fall"):
        calibrate_files([file], "flat", ["up=up:uS", "down=down:uS"])


def test_exchanged_ramps_are_refused(tmp_path: Path) -> None:
    """Columns of potentiation and depression that were exchanged are noticed."""
    rise = [5 + 50 * (1 - np.exp(-k / 10)) for k in range(50)]
    file = _ramps(tmp_path / "ramps.csv", rise[::-1], rise)
    with pytest.raises(InputError, match="exchange up and down"):
        calibrate_files([file], "ramps", ["up=up:uS", "down=down:uS"])


def test_normalised_conductances_of_pulses_are_states(tmp_path: Path) -> None:
    """Values from 0 to 1 with pulse numbers are fitted once the range of the card is told."""
    rng, x, rows = np.random.default_rng(1), 0.0, list[tuple[float, ...]]()
    for _ in range(4):
        for k in range(100):
            x += (0.04 * (1 - x) if k < 50 else -0.04 * x) + 0.003 * float(rng.standard_normal())
            rows.append((k + 1, x))
    file = _table(tmp_path / "norm.csv", "pulse number,normalised G", rows)
    flags = ["pulse=1", "conductance=2:1"]
    found = calibrate_files([file], "norm", flags, settings={"g_min": 1e-6, "g_max": 1e-4}).found
    assert found.fit("pulse_response").kind == "soft_bounds"
    assert found.fit("pulse_response").parameter("step_up").covers(0.04)
    assert (found.g_min, found.g_max) == (1e-6, 1e-4)
    with pytest.raises(InputError, match="values after pulses have no unit: give the conductances"):
        calibrate_files([file], "norm", flags)
    with pytest.raises(InputError, match="neither the flag nor its head names a unit"):
        calibrate_files([file], "norm", ["pulse=1", "conductance=2"])
    with pytest.raises(InputError, match="without a unit are for values after pulses"):
        calibrate_files([file], "norm", ["cell=1", "conductance=2:1"])


@pytest.mark.parametrize(
    ("begin", "message"),
    [(-5.0, r"times are below zero: row 2 \(-4 s\), row 6 \(-4 s\)"), (1.7e9, r"times begin at 1.7e\+09 s \(row 2\)")],
)
def test_times_that_are_no_ages_are_refused(tmp_path: Path, begin: float, message: str) -> None:
    """Times count from the write: those of a clock, and those before it, are named with their rows."""
    rows = [(c, 10.0 + c, begin + t, 10.0 + c) for c in range(20) for t in (1, 10, 100, 1000)]
    file = _table(tmp_path / "times.csv", "cell,target,t,G", [tuple(map(float, row)) for row in rows])
    with pytest.raises(InputError, match=message):
        calibrate_files([file], "times", ["cell=cell", "target=target:uS", "time=t:s", "conductance=G:uS"])


def test_conductances_of_a_copper_bar_are_a_wrong_unit(tmp_path: Path) -> None:
    """Microsiemens that were called siemens are noticed."""
    rng = np.random.default_rng(1)
    rows = [(float(c), g, g + float(rng.standard_normal())) for c, g in enumerate(rng.uniform(10, 100, 60).tolist())]
    file = _table(tmp_path / "cells.csv", "cell,target,G", rows)
    with pytest.raises(InputError, match=r"largest conductance is .* correct the units"):
        calibrate_files([file], "cells", ["cell=cell", "target=target:S", "conductance=G:S"])


def test_targets_of_zero_are_no_stuck_cells(tmp_path: Path) -> None:
    """Cells written to zero are cut off there: seventeen of 25 at zero are chance, the error is that of the others."""
    draws = np.random.default_rng(3).standard_normal((4, 25))
    draws[0] = np.r_[-np.abs(draws[0, :17]), np.abs(draws[0, 17:])]
    rows = [(t, max(0.0, t + float(z))) for t, own in zip((0.0, 5.0, 20.0, 50.0), draws, strict=True) for z in own]
    file = _table(tmp_path / "zero.csv", "cell,target,G", [(float(c), *row) for c, row in enumerate(rows)])
    found = calibrate_files([file], "zero", ["cell=cell", "target=target:uS", "conductance=G:uS"]).found
    assert found.fit("stuck_cells").parameter("on").value == 0
    assert found.fit("programming_error").kind == "constant"
    assert found.fit("programming_error").parameter("c0").covers(1e-6)


def _measured(card: str, path: Path, rows: int = 16, last: float = 1e4, visits: int = 6) -> Report:
    """Return the calibration of cells written three times, the last write read over time."""
    rng = np.random.default_rng(2)
    with xbar.open_bench("sim", card=card, rows=rows, cols=rows, seed=3, record=path) as bench:
        low, high = load_card(card).g_min, load_card(card).g_max
        for spread in ("high", "levels", "levels"):
            levels = np.geomspace(max(low, 0.02 * high), high, 8)
            bench.program(0, np.full((rows, rows), high) if spread == "high" else rng.choice(levels, (rows, rows)))
            bench.wait(1.0)
            bench[0].read_all(xbar.ReadConfig(voltage=0.1, repeat=4))
        for gap in np.diff(np.geomspace(1.0, last, visits)):
            bench.wait(float(gap))
            bench[0].read_all(xbar.ReadConfig(voltage=0.1, repeat=4))
    return calibrate_files([path], "twin")


def test_writes_that_were_read_once_tell_the_error_beside_relaxation(tmp_path: Path) -> None:
    """SONOS relaxes; its error of writes, 199 nS (1 - exp(-G / 1.76 uS)), is in the card, as are cells at zero."""
    found = _measured("sonos", tmp_path / "sonos.h5", last=1e5, visits=10).found
    fit = found.fit("programming_error")
    assert fit.kind == "saturating"
    assert fit.parameter("amplitude").covers(198.87e-9)
    assert fit.parameter("scale").covers(1.763e-6)
    assert all(np.isfinite([p.low, p.high]).all() for p in found.fit("relaxation").parameters)


def test_cells_of_two_states_give_their_levels(tmp_path: Path) -> None:
    """Half of the cells of a magnetic memory are not stuck: the card has the two levels that they take."""
    report = _measured("mram", tmp_path / "mram.h5", 8)
    levels = parse_card(report.card, "twin").levels
    assert levels is not None
    assert levels.conductances == pytest.approx((139.143731e-6, 166.666667e-6), rel=1e-6)
    assert {fit.law for fit in report.found.fits} == {"levels"}


def test_devices_of_low_bounds_are_no_wires(tmp_path: Path) -> None:
    """Cells that all stand lower than they should, the same ones each time, have no wires."""
    found = _measured("reram_array_om", tmp_path / "om.h5").found
    assert "wires" not in {fit.law for fit in found.fits}


def test_cells_without_noise_give_no_laws_of_rounding(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    """What differs by the rounding of numbers alone is no noise, no error and no spread; nothing warns."""
    found = _measured("ideal", tmp_path / "ideal.h5", 8).found
    assert {fit.law for fit in found.fits} == {"stuck_cells"}
    assert not recwarn.list


def test_a_law_that_no_card_can_have_is_refused(tmp_path: Path) -> None:
    """One impossible number leaves out its law, not the card."""
    report = _measured("ideal", tmp_path / "ideal.h5", 8)
    wrong = Fit("read_noise", "proportional", (), {"relative": -1.0}, 1, valid=(0.0, 1e-4))
    open_end = replace(wrong, law="drift", kind="power_law", keys={"t0": float("inf")})
    fits = (*report.found.fits, wrong, open_end)
    text, refused = writable_card("twin", report.found.observed, fits, 0.0, 1e-4, 0.2)
    assert {refusal.law for refusal in refused} == {"read_noise", "drift"}
    assert all("a card cannot have what was fitted" in refusal.reason for refusal in refused)
    assert parse_card(text, "twin").stuck_cells is not None


def test_a_negative_set_is_told_by_what_its_pulses_do() -> None:
    """Trains of positive pulses that fall are RESET trains: up and down, voltages and devices are exchanged."""
    rise = np.linspace(1e-6, 1e-5, 20)[:, None] + np.zeros((20, 2))
    own, other = np.array([0, 1]), np.array([2, 3])
    ramps = Ramps(rise[::-1], rise, 1.0, 1, 5.0, -8.0, 1e-4, (own, other))
    found = oriented(ramps)
    assert (found.set_voltage, found.reset_voltage) == (-8.0, 5.0)
    assert found.up is ramps.down
    assert found.devices is not None
    assert found.devices[0] is other
    assert oriented(found) is found


def test_a_relaxation_with_flicker_noise_is_no_drift(tmp_path: Path) -> None:
    """A power law that would have begun 60 ns after the write is a line in ln t: -0.089 uS of reram_cmo."""
    card, path = load_card("reram_cmo"), tmp_path / "cmo.h5"
    plan = parse_plan("\n".join(['schema = "xbar-characterise/1"', "noise.skip = true", "products.skip = true"]))
    with xbar.open_bench("sim", card=card, rows=16, cols=16, seed=3, record=path, level="full") as bench:
        characterise(bench[0], plan_steps(plan, bench[0].capabilities, bench[0].limits, card, simulated=True))
    found = calibrate_files([path], "twin").found
    slope = found.fit("relaxation").parameter("mean_slope").value
    assert slope == pytest.approx(-0.089e-6, abs=0.02e-6)
    assert "drift" not in {fit.law for fit in found.fits}
