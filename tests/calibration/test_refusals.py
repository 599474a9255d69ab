"""What the data cannot support is refused with the reason, or is an error that says what to do."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from xbar.devices.card_file import parse_card
from xbar.errors import InputError
from xbar_calibration.calibrate import calibrate
from xbar_calibration.card_text import card_name, toml_value, write_card
from xbar_calibration.fit import Fit
from xbar_calibration.observations import Observations, VisitBuilder, Visits, Writes, assign
from xbar_calibration.settings import Settings
from xbar_calibration.stuck_cells import find_stuck


def observations(targets: np.ndarray, g: np.ndarray, ages: list[float] | None = None) -> Observations:
    """Return readings `(cells, times)` [S] of cells with these targets."""
    cells, times = g.shape
    age = np.tile(ages or list(range(1, times + 1)), cells).astype(float)
    numbers = np.arange(cells)
    places = np.column_stack([np.zeros(cells), numbers // 10, numbers % 10]).astype(np.int64)
    count, squares = np.ones(cells * times, np.int64), np.zeros(cells * times)
    owner = np.repeat(numbers, times)
    visits = Visits(owner, owner, age, g.ravel(), count, squares)
    writes = Writes(numbers, targets, np.zeros(cells))
    return Observations(("made.csv",), "0" * 64, "2026-01-01T00:00:00", places, 0.2, writes, visits)


def test_all_cells_stuck() -> None:
    """Cells that stand still whatever their targets are an error."""
    targets = np.linspace(1e-6, 50e-6, 60)
    with pytest.raises(
        InputError, match=r"do not follow their targets.*farthest are array 0, cell \(5, 9\): 50 uS was"
    ):
        calibrate(observations(targets, np.full((60, 2), 3e-6)))


def test_too_few_cells() -> None:
    """Six cells make no law; the error lists why for each."""
    targets = np.linspace(1e-6, 50e-6, 6)
    with pytest.raises(InputError, match=r"no law can be fitted .*programming_error: .* 20 are needed"):
        calibrate(observations(targets, targets[:, None] * np.ones(2)))


def test_readings_once_only(measure: Callable[..., Path]) -> None:
    """One target and one reading each: the error's size is found, its shape and all laws of time are not."""
    rng = np.random.default_rng(11)
    targets = np.full(200, 20e-6)
    found = calibrate(
        observations(targets, targets[:, None] + 1e-6 * rng.standard_normal((200, 1))),
        Settings(g_min=10e-6, g_max=20e-6),
    )
    fit = found.fit("programming_error")
    assert fit.parameter("c0").covers(1e-6)
    assert "one target alone" in fit.notes[0]
    reasons = {refusal.law: refusal.reason for refusal in found.refusals}
    assert "read each cell repeatedly" in reasons["read_noise"]
    assert "read cells again later" in reasons["drift"]


def test_stuck_cells_by_hand() -> None:
    """Three cells far from their targets are found, at the right ends."""
    rng = np.random.default_rng(8)
    targets = rng.uniform(20e-6, 40e-6, 300)
    g = targets + 0.5e-6 * rng.standard_normal(300)
    g[[3, 7]], g[11] = 1e-6, 60e-6
    found = find_stuck(np.arange(300), targets, g)
    assert np.flatnonzero(found.off).tolist() == [3, 7]
    assert np.flatnonzero(found.on).tolist() == [11]


@pytest.mark.parametrize(("name", "value"), [("hold_out", 1.0), ("g_max", -1.0), ("t0", 0.0)])
def test_settings_that_cannot_be_meant(name: str, value: float) -> None:
    """Settings outside their range are an error that names them."""
    with pytest.raises(InputError, match=name.replace("_", "[_-]")):
        Settings(**{name: value})  # type: ignore[arg-type]  # a wrong value on purpose


def test_visits_do_not_depend_on_chunks() -> None:
    """Readings that arrive in two parts make the same visits as in one."""
    rng = np.random.default_rng(9)
    group, cell = np.repeat(np.arange(5), 12), np.tile(np.repeat(np.arange(3), 4), 5)
    time, g = np.arange(60.0), rng.random(60)
    whole, parts = VisitBuilder(), VisitBuilder()
    whole.add(group, cell, time, g)
    for chosen in (slice(0, 17), slice(17, 18), slice(18, 60)):
        parts.add(group[chosen], cell[chosen], time[chosen], g[chosen])
    for a, b in zip(whole.finish(), parts.finish(), strict=True):
        assert a == pytest.approx(b)
    assert whole.finish()[4].tolist() == [4] * 15


def test_visits_after_pulses_belong_to_no_write() -> None:
    """A reading belongs to the last write before it, and to none once pulses moved the cell."""
    writes = Writes(np.array([0, 0, 1]), np.array([1.0, 2.0, 3.0]), np.array([0.0, 10.0, 0.0]))
    cell, time = np.array([0, 0, 1, 1, 2]), np.array([5.0, 12.0, 4.0, 30.0, 9.0])
    write, age = assign(cell, time, writes, [(np.array([1]), np.array([20.0]))])
    assert write.tolist() == [0, 1, 2, -1, -1]
    assert age[:3] == pytest.approx([5.0, 2.0, 4.0])
    assert np.isnan(age[3:]).all()


def test_card_text() -> None:
    """A card from fits is read back with hash and date as source; odd names and texts become valid ones."""
    assert card_name("Wafer 3 (new).v2") == "wafer_3_new_v2"
    assert card_name("7up") == "card_7up"
    assert toml_value('a"b\\c\n') == '"a\\"b\\\\c?"'
    with pytest.raises(InputError, match="do not determine"):
        toml_value(float("inf"))
    observed = observations(np.array([1e-6]), np.ones((1, 1)))
    fit = Fit("read_noise", "proportional", (), {"relative": 0.01}, 7, valid=(1e-6, 9e-6))
    card = parse_card(write_card("made", observed, [fit], 1e-6, 1 / 3 * 1e-5, 0.2), "made")
    assert card.read_noise is not None
    assert card.read_noise.source == f"Fitted to made.csv, sha256 {'0' * 64}, measured 2026-01-01T00:00:00"
