"""A network on converters with errors: the same bits anyhow, replayed, won back by recalibration, and counted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.errors import InputError
from xbar.execution.replay_trace import replay_trace
from xbar.execution.trace_size import trace_size
from xbar.mapping.mapped_network import MappedNetwork

COLUMNS: dict[str, Any] = {"adc": {"gain_sigma": 0.1, "offset_sigma": 4.0}}
ALL: dict[str, Any] = {
    "dac": {"gain_sigma": 0.01, "dnl_sigma": 0.1},
    "sense": {"offset_sigma": 1e-8, "bandwidth": 1e7, "time": 1e-7, "noise_density": 1e-12},
    "adc": {"gain_sigma": 0.02, "offset_sigma": 1.0, "noise": 0.3, "model": "sar", "unit_capacitor_sigma": 0.02},
}


@pytest.mark.parametrize("errors", [ALL, {"bit_serial": "sign-magnitude", "range_factor": 2.0}])
def test_the_same_bits_for_any_batch_threads_and_tiles(
    digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], errors: dict[str, Any]
) -> None:
    base = xbar.run_network(digits_map, digits["x"][:40], converters=errors, threads=1)
    other = xbar.run_network(digits_map, digits["x"][:40], converters=errors, threads=3, batch=7, tiles_per_call=1)
    name = digits_map.network.outputs[0]
    assert np.array_equal(base.outputs[name], other.outputs[name])
    assert base.clipped == other.clipped
    plain = xbar.run_network(digits_map, digits["x"][:40])
    assert not np.array_equal(base.outputs[name], plain.outputs[name])


@pytest.mark.parametrize("errors", [ALL, {"bit_serial": "twos-complement", "range_factor": 2.0}])
def test_it_replays_with_its_clip_counts(
    digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], tmp_path: Path, errors: dict[str, Any]
) -> None:
    """Codes and flags are recorded: nobody simulates converters again."""
    path = tmp_path / "t.h5"
    run = xbar.run_network(digits_map, digits["x"][:30], converters=errors, adc_bits=7, trace=path)
    report = replay_trace(path)
    assert report.reproduced
    assert report.run.clipped == run.clipped
    assert sum(layer.outputs for layer in run.clipped) > 0
    with xbar.open_trace(path) as trace:
        (driver,) = trace.header.drivers
        assert driver.settings["converters"] == errors
    with pytest.raises(InputError, match="converters belong to the simulated bench"):
        xbar.run_network(digits_map, digits["x"][:30], bench=f"replay:{path}", converters=errors)


def test_gains_and_offsets_of_columns_are_won_back(digits_map: MappedNetwork, digits: dict[str, NDArray[Any]]) -> None:
    """10 % of gain and 4 steps of offset between converters, and nothing else: at least 6 dB in every layer."""
    how: dict[str, Any] = {"converters": COLUMNS, "only": ("dac", "adc", "adc_errors")}
    plain = xbar.run_network(digits_map, digits["x"][:60], **how)
    fitted = xbar.run_network(digits_map, digits["x"][:60], recalibration={"x": digits["x"][60:]}, **how)
    for before, after in zip(plain.layers, fitted.layers, strict=True):
        assert after.snr_db > before.snr_db + 6


def test_ranges_that_are_too_small_clip_and_are_counted(
    digits_map: MappedNetwork, digits: dict[str, NDArray[Any]]
) -> None:
    """Half the range clips outputs; twice the samples' values clip inputs; the largest range clips nothing."""
    x = digits["x"][:40]
    small = xbar.run_network(digits_map, x, converters={"range_factor": 0.5})
    large = xbar.run_network(digits_map, x, converters={"range_factor": 4.0})
    assert all(layer.output_share > 0.005 for layer in small.clipped)
    assert all(layer.outputs_clipped == 0 for layer in large.clipped)
    loud = xbar.run_network(digits_map, 2 * x)
    assert loud.clipped[0].input_share > 0.05
    assert loud.clipped[0].inputs == 40 * digits_map.matrices[0].grid.inputs
    assert loud.to_dict()["clipped"][0]["inputs_clipped"] == loud.clipped[0].inputs_clipped


def test_bits_are_asked_for(digits_map: MappedNetwork, digits: dict[str, NDArray[Any]]) -> None:
    """Fewer bits, larger errors; and a trace's size follows the codes."""
    few = xbar.run_network(digits_map, digits["x"][:20], dac_bits=4, adc_bits=5)
    many = xbar.run_network(digits_map, digits["x"][:20], dac_bits=10, adc_bits=10)
    assert few.layers[0].snr_db < many.layers[0].snr_db - 3
    notes = {effect.name: effect.note for effect in few.effects}
    assert notes["adc"] == "5 bits, ideal steps"
    how = xbar.RunSettings(converters={"bit_serial": "sign-magnitude"}, dac_bits=10)
    assert (how.input_bits, how.output_bits) == (10, 18)
    assert xbar.RunSettings(without=("dac",)).input_bits is None
    sizes = [
        trace_size(digits_map, {"x": digits["x"]}, batch=20, level="outputs", adc_bits=bits) for bits in (8, 16, 18)
    ]
    assert sizes[0] < sizes[1] < sizes[2]


def test_the_budget_names_errors_of_converters(digits_map: MappedNetwork, digits: dict[str, NDArray[Any]]) -> None:
    """Alone means with the converter they belong to."""
    how = xbar.RunSettings(converters={"adc": {"gain_sigma": 0.1}}, card="ideal")
    budget = xbar.error_budget(digits_map, digits["x"][:20], digits["y"][:20], settings=how)
    rows = {row.effect: row for row in budget.rows}
    assert set(rows) == {"dac", "adc", "adc_errors"}
    alone, adc = rows["adc_errors"].alone, rows["adc"].alone
    assert alone.layers[0].snr_db < adc.layers[0].snr_db - 3
