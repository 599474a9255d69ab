"""The same seed gives the same result, bit for bit, however the work is cut, with and without a recorder."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.mapping.mapped_network import MappedNetwork


@pytest.mark.parametrize(
    "how",
    [
        {"batch": 1},
        {"batch": 7},
        {"batch": 37},
        {"batch": 100},
        {"threads": 2},
        {"tiles_per_call": 1},
        {"tiles_per_call": 2, "threads": 2, "batch": 13},
    ],
    ids=str,
)
def test_batch_threads_and_tiles_do_not_matter(
    digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], how: dict[str, Any]
) -> None:
    x, y = digits["x"], digits["y"]
    if how == {"batch": 1}:
        x, y = x[:30], y[:30]
    usual = xbar.run_network(digits_map, x, y, seed=4, threads=1, at=3600.0)
    other = xbar.run_network(digits_map, x, y, seed=4, at=3600.0, **{"threads": 1, **how})
    for name, outputs in usual.outputs.items():
        np.testing.assert_array_equal(other.outputs[name], outputs)
    assert other.accuracy == usual.accuracy
    assert other.layers == usual.layers


@pytest.mark.parametrize(
    "how", [{"batch": 1}, {"batch": 7}, {"batch": 37, "threads": 2}, {"tiles_per_call": 1}], ids=str
)
def test_convolutions_and_digital_segments_too(
    conv_map: MappedNetwork, images: NDArray[np.float32], how: dict[str, Any]
) -> None:
    usual = xbar.run_network(conv_map, images, seed=1, threads=1)
    other = xbar.run_network(conv_map, images, seed=1, **{"threads": 1, **how})
    np.testing.assert_array_equal(other.outputs["y"], usual.outputs["y"])
    assert other.layers == usual.layers


def test_a_recorder_changes_nothing(digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], tmp_path: Path) -> None:
    usual = xbar.run_network(digits_map, digits["x"], digits["y"])
    traced = xbar.run_network(digits_map, digits["x"], digits["y"], trace=tmp_path / "t.h5")
    for name, outputs in usual.outputs.items():
        np.testing.assert_array_equal(traced.outputs[name], outputs)


def test_another_seed_is_another_chip(digits_map: MappedNetwork, digits: dict[str, NDArray[Any]]) -> None:
    one, two = (xbar.run_network(digits_map, digits["x"], seed=seed) for seed in (0, 1))
    name = digits_map.network.outputs[0]
    assert not np.array_equal(one.outputs[name], two.outputs[name])


def test_without_effects_the_analog_network_is_the_digital_one(
    conv_map: MappedNetwork, images: NDArray[np.float32]
) -> None:
    """Mapping, tiling, groups and padding are right: only rounding of inputs and conductances is left."""
    result = xbar.run_network(conv_map, images, only=())
    want = result.digital_outputs["y"]
    assert np.abs(result.outputs["y"] - want).max() <= 2e-4 * np.abs(want).max()
    assert all(layer.snr_db > 60 for layer in result.layers)


def test_float32_is_as_accurate(digits_map: MappedNetwork, digits: dict[str, NDArray[Any]]) -> None:
    exact = xbar.run_network(digits_map, digits["x"], digits["y"])
    fast = xbar.run_network(digits_map, digits["x"], digits["y"], dtype="float32")
    name = digits_map.network.outputs[0]
    scale = np.abs(exact.outputs[name]).max()
    # The noise of both is drawn from the same counters: outputs differ by rounding and few codes.
    assert np.abs(fast.outputs[name] - exact.outputs[name]).max() < 0.1 * scale
    assert exact.accuracy is not None
    assert fast.accuracy is not None
    assert abs(exact.accuracy.analog - fast.accuracy.analog) <= 2 / 120
