"""Writes that differ by factors are told from writes with an error that is added, where the data can tell."""

import numpy as np
import pytest

from xbar.devices.card_file import parse_card
from xbar.devices.variation import Variation
from xbar_calibration.calibrate import calibrate
from xbar_calibration.card_text import write_card
from xbar_calibration.cycle_variation import Writes, fit_cycle_variation
from xbar_calibration.fit import Bools, Fit, Outcome, Refusal
from xbar_calibration.observations import Observations, Visits
from xbar_calibration.observations import Writes as Written

LOW, HIGH = 5e-6, 100e-6
ENDS = (LOW, HIGH)


def written(
    seed: int, cycle: tuple[float, float], device: tuple[float, float] = (0.0, 0.0), added: float = 0.0
) -> Writes:
    """Return 150 devices that were written four times each."""
    rng = np.random.default_rng(seed)
    cell = np.repeat(np.arange(150), 4)
    target = rng.choice(np.geomspace(LOW, HIGH, 12), len(cell))
    g = target + added * rng.standard_normal(len(cell))
    g = np.asarray(Variation(*device, LOW, HIGH).apply(g, np.repeat(rng.standard_normal(150), 4)))
    g = np.asarray(Variation(*cycle, LOW, HIGH).apply(g, rng.standard_normal(len(cell))))
    return cell, target, g, np.full(len(cell), 1e-9)


def everything(writes: Writes) -> Bools:
    """Return that all writes are seen."""
    return np.ones(len(writes[0]), np.bool_)


def fit_of(outcome: Outcome | None) -> Fit:
    """Return the fit, which must be one."""
    assert isinstance(outcome, Fit), outcome
    return outcome


def test_factors_from_write_to_write_come_back() -> None:
    """Large factors, lognormal as resistances are, come back: of twelve intervals two miss at most."""
    held = []
    for seed in range(3):
        writes = written(seed, (0.06, 0.4), (0.1, 0.3))
        cycle, between = (fit_of(part) for part in fit_cycle_variation(writes, everything(writes), ENDS))
        held += [cycle.parameter("on").covers(0.06), cycle.parameter("off").covers(0.4)]
        held += [between.parameter("on").covers(0.1), between.parameter("off").covers(0.3)]
        assert cycle.rivals[0] == ("lognormal", 0.0)
        assert cycle.rivals[1][1] > 10
    assert held.count(False) <= 2


def test_unseen_devices_are_predicted() -> None:
    """Devices that were held out spread as the law says."""
    writes = written(4, (0.06, 0.4))
    cycle, between = fit_cycle_variation(writes, writes[0] % 3 > 0, ENDS)
    held = fit_of(cycle).held_out
    assert held is not None
    assert held.points == 50
    assert held.agrees
    assert isinstance(between, Refusal)
    assert "devices do not differ" in between.reason


def test_an_error_that_is_added_stays_one() -> None:
    """A constant error, and writes that end at zero, are no factors; single writes tell nothing."""
    added = written(1, (0.0, 0.0), added=8e-7)
    outcome, _ = fit_cycle_variation(added, everything(added), ENDS)
    assert isinstance(outcome, Refusal)
    assert "polynomial of degree 0 describes the writes as well, or better" in outcome.reason
    cell, target, g, error = added
    outcome, _ = fit_cycle_variation((cell, target, np.where(g < 6e-6, 0.0, g), error), everything(added), ENDS)
    assert isinstance(outcome, Refusal)
    assert "end at zero" in outcome.reason
    outcome, _ = fit_cycle_variation((np.arange(600), target, g, error), everything(added), ENDS)
    assert isinstance(outcome, Refusal)
    assert "written twice or more" in outcome.reason


def test_one_device_that_was_cycled() -> None:
    """A device alone tells what its writes differ by; what devices differ by is refused."""
    rng = np.random.default_rng(5)
    target = np.tile([LOW, HIGH], 100)
    g = np.asarray(Variation(0.05, 0.3, LOW, HIGH).apply(target, rng.standard_normal(200)))
    writes = (np.zeros(200, np.int64), target, g, np.full(200, 1e-9))
    cycle, between = fit_cycle_variation(writes, everything(writes), ENDS)
    assert fit_of(cycle).parameter("on").covers(0.05)
    assert fit_of(cycle).parameter("off").covers(0.3)
    assert isinstance(between, Refusal)


def test_the_card_has_it_in_place_of_the_programming_error() -> None:
    """A calibration of such writes gives a card with both variations and no programming error."""
    cell, target, g, _ = written(2, (0.06, 0.4), (0.1, 0.3))
    number = np.arange(len(cell))
    visits = Visits(cell, number, np.ones(len(cell)), g, np.ones(len(cell), np.int64), np.zeros(len(cell)))
    writes = Written(cell, target, number.astype(np.float64))
    places = np.column_stack([np.zeros(150), np.arange(150) // 10, np.arange(150) % 10]).astype(np.int64)
    found = calibrate(Observations(("made.csv",), "0" * 64, "2026-01-01T00:00:00", places, 0.2, writes, visits))
    assert any(r.law == "programming_error" and "see cycle_variation" in r.reason for r in found.refusals)
    card = parse_card(write_card("twin", found.observed, found.fits, found.g_min, found.g_max, 0.2), "twin")
    assert card.cycle_variation is not None
    assert card.device_variation is not None
    assert card.cycle_variation.off == pytest.approx(0.4, rel=0.2)
