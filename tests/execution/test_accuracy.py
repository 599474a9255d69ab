"""Accuracy, its paired interval, spread over chips, layer errors, drift compensation."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

import xbar
from xbar.errors import InputError
from xbar.execution.accuracy import compare, correct, spread
from xbar.mapping.mapped_network import MappedNetwork


def test_the_difference_is_paired() -> None:
    """The interval is that of the mean of pairs, narrower than that of two independent accuracies."""
    rng = np.random.default_rng(0)
    digital = rng.random(500) < 0.9
    analog = digital ^ (rng.random(500) < 0.02)
    found = compare(digital, analog)
    pairs = analog.astype(float) - digital
    low, high = stats.norm.interval(0.95, pairs.mean(), stats.sem(pairs))
    assert found.ci95 == pytest.approx((low, high))
    assert found.difference == pytest.approx(found.analog - found.digital)
    assert high - low < 2 * 1.96 * np.sqrt(2 * 0.9 * 0.1 / 500)


def test_spread_is_students() -> None:
    values = [0.91, 0.92, 0.915, 0.9, 0.93]
    found = spread(values)
    assert found.ci95 == pytest.approx(stats.t.interval(0.95, 4, np.mean(values), stats.sem(values)))
    assert np.isnan(spread([0.5]).std)
    assert spread([0.5]).to_dict()["ci95"] is None


def test_labels_must_fit() -> None:
    outputs = np.zeros((4, 3))
    for labels in (np.zeros(3, int), np.full(4, 3), np.full(4, -1), np.zeros(4), np.zeros((4, 1), int)):
        with pytest.raises(InputError):
            correct(outputs, labels)
    assert correct(np.eye(3), np.array([0, 1, 1])).tolist() == [True, True, False]


def test_layer_error_of_known_noise(digits_map: MappedNetwork, digits: dict[str, NDArray[Any]]) -> None:
    """The signal-to-error ratio of the first layer is that of its outputs, alone and cumulative alike."""
    one = xbar.run_network(digits_map, digits["x"], only=("programming_error",), error_samples=120)
    first, last = one.layers[0], one.layers[-1]
    assert first.snr_db == pytest.approx(first.cumulative_snr_db)
    assert 10 < first.snr_db < 40
    assert last.cumulative_snr_db < last.snr_db
    name = digits_map.network.outputs[0]
    got, want = one.outputs[name].astype(float), one.digital_outputs[name]
    ratio = 10 * np.log10(np.square(want).sum() / np.square(got - want).sum())
    assert last.cumulative_snr_db == pytest.approx(ratio, abs=0.05)


def test_drift_compensation_gives_the_scale_back(digits_map: MappedNetwork, digits: dict[str, NDArray[Any]]) -> None:
    """After a month outputs have shrunk by the drift; one factor for each matrix makes up for it."""
    month = 30 * 86400.0
    plain = xbar.run_network(digits_map, digits["x"], at=month)
    compensated = xbar.run_network(digits_map, digits["x"], at=month, compensate="global")
    gain = compensated.layers[0].snr_db - plain.layers[0].snr_db
    assert gain > 6
    fresh = xbar.run_network(digits_map, digits["x"])
    same = xbar.run_network(digits_map, digits["x"], compensate="global")
    assert same.layers[0].snr_db == pytest.approx(fresh.layers[0].snr_db, abs=0.5)


def test_chips_of_a_repeat_are_seeds_in_a_row(digits_map: MappedNetwork, digits: dict[str, NDArray[Any]]) -> None:
    several = xbar.repeat_network(digits_map, digits["x"], digits["y"], 2, settings=xbar.RunSettings(seed=7))
    alone = xbar.run_network(digits_map, digits["x"], digits["y"], seed=8)
    assert [chip.seed for chip in several.chips] == [7, 8]
    assert several.chips[1].accuracy == alone.accuracy
    assert "2 chips" in str(several)


def test_the_budget_switches_one_effect_at_a_time(digits_map: MappedNetwork, digits: dict[str, NDArray[Any]]) -> None:
    budget = xbar.error_budget(digits_map, digits["x"], digits["y"])
    for row in budget.rows:
        alone = {e.name for e in row.alone.effects if e.state == "applied"}
        without = {e.name for e in row.without.effects if e.state == "applied"}
        assert alone == {row.effect}
        assert without == {r.effect for r in budget.rows} - {row.effect}
    assert not [e for e in budget.nothing.effects if e.state == "applied"]
    assert "programming_error" in str(budget)


def test_results_turn_into_dicts_and_text(digits_map: MappedNetwork, digits: dict[str, NDArray[Any]]) -> None:
    result = xbar.run_network(digits_map, digits["x"], digits["y"], at=60.0)
    values = result.to_dict()
    assert values["at_s"] == 60.0
    assert values["bench_s"] > 60.0
    assert values["samples_per_s"] == pytest.approx(120 / values["wall_s"])
    assert "1 min after programming" in str(result)


def test_settings_that_are_not_known(digits_map: MappedNetwork) -> None:
    with pytest.raises(InputError, match="colour"):
        xbar.run_network(digits_map, np.zeros((1, 64), np.float32), colour="red")
    with pytest.raises(InputError, match="batch"):
        xbar.RunSettings(batch=0)
