"""Fatigue and lifetimes come back from what writes needed and when cells failed."""

from pathlib import Path

import numpy as np
import pytest

from xbar.devices.card_file import parse_card
from xbar.devices.endurance import Endurance
from xbar.errors import InputError
from xbar_calibration.calibrate import calibrate
from xbar_calibration.card_text import write_card
from xbar_calibration.column_mapping import Mapping
from xbar_calibration.endurance import fit_endurance, wear_of_ramps
from xbar_calibration.fit import Fit, Outcome, Refusal
from xbar_calibration.observations import Ramps, Wear
from xbar_calibration.settings import Settings
from xbar_calibration.table_observations import table_observations

LAW = Endurance(fatigue=1e-3, median=2e4, spread=0.5)


def tired(seed: int, cells: int = 6, writes: int = 40, fatigue: float = 1e-3) -> Wear:
    """Return writes that need more pulses the more a cell has had."""
    rng = np.random.default_rng(seed)
    parts = []
    for cell in range(cells):
        had, first = 0.0, rng.uniform(20, 40)
        for _ in range(writes):
            needed = float(np.round(first * (1 + fatigue * had) * np.exp(0.05 * rng.standard_normal())))
            parts.append((cell, had, needed))
            had += needed
    cell_of, pulses, needed_of = np.array(parts).T
    return Wear(cell_of.astype(np.int64), pulses, needed_of, np.full(len(parts), np.nan))


def lived(seed: int, cells: int = 80, last: float = 3e4) -> Wear:
    """Return when cells failed; those that outlive `last` pulses were still working then."""
    rng = np.random.default_rng(seed)
    life = np.asarray(LAW.lifetimes(rng.standard_normal(cells)))
    return Wear(np.arange(cells), np.minimum(life, last), np.full(cells, np.nan), (life < last).astype(np.float64))


def fit_of(outcome: Outcome) -> Fit:
    """Return the fit, which must be one."""
    assert isinstance(outcome, Fit), outcome
    return outcome


def test_fatigue_comes_back() -> None:
    """Of four intervals of the fatigue at most one misses, and held-out writes are predicted."""
    held = []
    for seed in range(4):
        fit = fit_of(fit_endurance(tired(seed), 0.3, 0))
        held.append(fit.parameter("fatigue").covers(1e-3))
        assert fit.held_out is not None
        assert 0.8 < fit.held_out.spread < 1.25
        assert dict(fit.rivals)["none"] > 50
    assert held.count(False) <= 1


def test_lifetimes_come_back_from_cells_of_which_some_still_work() -> None:
    """Median and spread are those of the law, not of the cells that failed."""
    held = []
    for seed in range(4):
        fit = fit_of(fit_endurance(lived(seed), 0.3, 0))
        held += [fit.parameter("median").covers(2e4), fit.parameter("spread").covers(0.5)]
        assert fit.keys["fatigue"] == 0.0
    assert held.count(False) <= 2


def test_no_fatigue_and_no_failures_are_refused() -> None:
    """Writes that do not grow give an upper limit; three failures are too few."""
    outcome = fit_endurance(tired(1, fatigue=0.0), 0.3, 0)
    assert isinstance(outcome, Refusal)
    assert "no fatigue up to" in outcome.reason
    few = lived(2, cells=10, last=6e3)
    outcome = fit_endurance(few, 0.3, 0)
    assert isinstance(outcome, Refusal)
    assert f"{int(few.failed.sum())} of 10 cells failed; 4 are needed" in outcome.reason


def test_a_table_of_cycles(tmp_path: Path) -> None:
    """A column of the pulses that each cycle took gives a card with the fatigue."""
    wear = tired(3)
    rows = [f"{cell},{int(needed)}" for cell, needed in zip(wear.cell, wear.needed, strict=True)]
    (tmp_path / "cycles.csv").write_text("device,pulses needed\n" + "\n".join(rows), encoding="utf-8")
    observed = table_observations([tmp_path / "cycles.csv"], Mapping.of(["cell=device", "needed=pulses needed"]))
    assert observed.wear is not None
    assert observed.wear.pulses == pytest.approx(wear.pulses)
    found = calibrate(observed, Settings(g_min=1e-6, g_max=1e-4))
    assert found.fit("endurance").parameter("fatigue").value == pytest.approx(1e-3, rel=0.1)
    card = parse_card(write_card("worn", observed, found.fits, found.g_min, found.g_max, 0.2), "worn")
    assert card.endurance is not None
    assert card.endurance.fatigue == pytest.approx(1e-3, rel=0.1)


def test_failures_need_pulses(tmp_path: Path) -> None:
    """A table that says which cells failed, but not after how many pulses, is an error that names the flag."""
    (tmp_path / "t.csv").write_text("device,failed\n" + "\n".join(f"{k},1" for k in range(8)), encoding="utf-8")
    with pytest.raises(InputError, match="--column pulses"):
        table_observations([tmp_path / "t.csv"], Mapping.of(["cell=device", "failed=failed"]))


def test_trains_that_shrink(tmp_path: Path) -> None:
    """Trains of two devices whose steps shrink tell fatigue; trains of unknown devices tell nothing."""
    rng = np.random.default_rng(5)
    pulses, trains = 60, 12
    up = np.empty((pulses + 1, 2 * trains))
    down, owner = np.empty_like(up), np.repeat([0, 1], trains)
    for k in range(2 * trains):
        for side, block in enumerate((up, down)):
            strength = 1 / (1 + 2e-4 * (2 * (k % trains) + side) * pulses)
            w = -0.8 if side == 0 else 0.8
            for i in range(pulses + 1):
                block[i, k] = w
                sign = 1 - 2 * side
                w += sign * 0.03 * strength * (1 - sign * w) * (1 + 0.2 * rng.standard_normal())
    ramps = Ramps(up, down, 1.0, devices=(owner, owner))
    wear = wear_of_ramps(ramps)
    assert wear is not None
    assert wear.pulses.max() == 2 * pulses * (trains - 1)
    fit = fit_of(fit_endurance(wear, 0.0, 0))
    assert fit.parameter("fatigue").value == pytest.approx(2e-4, rel=0.3)
    assert wear_of_ramps(Ramps(up, down, 1.0)) is None
