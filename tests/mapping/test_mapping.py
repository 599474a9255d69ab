"""Weights to conductances and back: tiles, differential pairs, converter ranges, the map file."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import xbar
from xbar.errors import FileError, FormatError, InputError
from xbar.mapping.converter_range import RangeRecord, expected_range
from xbar.mapping.decode_kernel import add_lines
from xbar.mapping.differential_pair import DifferentialPair
from xbar.mapping.map_file import load_map, map_hash, save_map
from xbar.mapping.mapped_network import MappedNetwork
from xbar.mapping.tiling import tile_grid


@given(st.integers(1, 300), st.integers(1, 90), st.integers(1, 128), st.integers(1, 64))
def test_tiles_hold_every_weight_once(inputs: int, outputs: int, rows: int, weights: int) -> None:
    """Tiles are equal, fit the array, are as few as can be, and give the matrix back."""
    grid = tile_grid((inputs, outputs), rows, weights)
    assert grid.rows <= rows
    assert grid.weights <= weights
    assert grid.tiles == -(-inputs // rows) * -(-outputs // weights)
    matrix = np.arange(1.0, inputs * outputs + 1).reshape(inputs, outputs)
    tiles = grid.cut(matrix)
    assert tiles.shape == (grid.tiles, grid.rows, grid.weights)
    assert sorted(tiles[tiles > 0]) == sorted(matrix.ravel())
    blocks = tiles.reshape(grid.down, grid.across, grid.rows, grid.weights).transpose(0, 2, 1, 3)
    back = blocks.reshape(grid.down * grid.rows, -1)[:inputs, :outputs]
    np.testing.assert_array_equal(back, matrix)


def test_a_tile_that_holds_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="holds nothing"):
        tile_grid((4, 4), 4, 0)


tiles_of_weights = arrays(np.float64, (2, 5, 3), elements=st.floats(-1e3, 1e3, allow_subnormal=False))


@given(tiles_of_weights, st.sampled_from([(0.0, 25e-6), (1e-6, 1e-4)]))
def test_weights_come_back(weights: np.ndarray, span: tuple[float, float]) -> None:
    """Conductances lie in the range, one cell of a pair at its low end, and stand for the weights."""
    low, high = span
    pair = DifferentialPair(low, high)
    coded = pair.encode(weights)
    assert coded.clipped == 0
    assert (coded.targets >= low).all()
    assert (coded.targets <= high).all()
    assert (np.minimum(coded.targets[..., 0::2], coded.targets[..., 1::2]) == low).all()
    largest = np.maximum(np.abs(weights).max(axis=1, keepdims=True), 1e-30)
    back = pair.layout(3).decode(coded.targets, coded.scale)
    np.testing.assert_allclose(back / largest, weights / largest, atol=1e-12)


def test_every_column_takes_the_whole_range() -> None:
    """Scales are per column of a tile: one that is a thousand times smaller loses nothing."""
    weights = np.array([[[1.0, 1e-3], [-0.5, -1e-3]]])
    coded = DifferentialPair(0.0, 1e-5).encode(weights)
    assert coded.targets.reshape(-1, 2, 2).max(axis=(0, 2)).tolist() == [1e-5, 1e-5]


def test_clipping_is_counted() -> None:
    weights = np.linspace(0.1, 1, 10).reshape(1, 10, 1)
    pair = DifferentialPair(0.0, 1e-5)
    coded = pair.encode(weights, keep=0.8)
    back = pair.layout(1).decode(coded.targets, coded.scale)
    assert coded.clipped == int((weights > back.max() * (1 + 1e-9)).sum()) == 1
    with pytest.raises(InputError, match="quantile"):
        pair.encode(weights, keep=0.0)


@given(st.integers(0, 2**32 - 1), st.booleans(), st.integers(1, 3))
def test_lines_are_added_as_numpy_adds_them(seed: int, each: bool, slices: int) -> None:
    """Gains, differences, a computed line behind the measured ones, slices and tiles: the sum is NumPy's."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(-127, 128, (3, 7, 8)).astype(np.int8)
    step, offset, gain = rng.uniform(0.1, 1, (3, 8)), rng.standard_normal((3, 8)), rng.uniform(0.5, 2, (3, 8))
    base, inputs = rng.uniform(0.1, 1, slices), rng.standard_normal((3, 7))
    plus, minus = rng.integers(0, 8, 4 * slices), rng.integers(0, 8 + slices, 4 * slices)
    weight, factor = rng.uniform(0.1, 1, (3, 4 * slices)), rng.uniform(0.5, 2, 7 if each else 1)
    out = np.empty((7, 4), np.float32)
    add_lines((codes, step, offset), gain, (base, inputs), (plus, minus), weight, factor, out)
    current = (codes * step[:, None] + offset[:, None]) * gain[:, None]
    current = np.concatenate([current, inputs[:, :, None] * base], axis=2)
    parts = (current[..., plus] - current[..., minus]) * weight[:, None]
    want = parts.reshape(3, 7, 4, slices).sum(axis=(0, 3)) * factor[:, None]
    np.testing.assert_allclose(out, want, rtol=1e-4, atol=1e-4)


def test_calibrated_ranges_cover_the_currents_seen() -> None:
    rng = np.random.default_rng(2)
    targets = rng.uniform(0, 25e-6, (2, 1, 6, 4)).astype(np.float32)
    targets[..., 3] = 0
    record = RangeRecord(targets)
    inputs = [rng.standard_normal((9, 12)).astype(np.float32) for _ in range(3)]
    for some in inputs:
        record.see(some)
    largest, ranges = record.ranges(0.2)
    every = np.concatenate(inputs)
    assert largest == np.abs(every).max()
    for tile in range(2):
        current = np.abs(every[:, 6 * tile : 6 * tile + 6] / largest * 0.2 @ targets[tile, 0]).max(axis=0)
        np.testing.assert_allclose(ranges[tile, :3], 1.05 * current[:3], rtol=1e-5)
    assert (ranges[:, 3] > 0).all()


def test_ranges_without_data_cover_even_inputs() -> None:
    """Fewer than one in a thousand sums of even inputs passes the range."""
    rng = np.random.default_rng(4)
    targets = rng.uniform(0, 25e-6, (1, 100, 6))
    ranges = expected_range(targets, 0.2)
    currents = rng.uniform(0, 0.2, (4000, 100)) @ targets[0]
    assert (currents > ranges[0]).mean() < 1e-3
    assert (ranges[0] < 2 * currents.max(axis=0)).all()


@pytest.fixture(scope="module")
def mapped() -> MappedNetwork:
    with np.load(xbar.sample("digits").calibration) as data:
        x = data["x"][:40]
    network = xbar.load_network(xbar.sample("digits").model)
    return xbar.map_network(network, xbar.load_card("pcm"), tile=(32, 32), calibration=x)


def test_a_map_file_gives_the_map_back(mapped: MappedNetwork, tmp_path: Path) -> None:
    save_map(mapped, tmp_path / "m.h5")
    back = load_map(tmp_path / "m.h5")
    assert map_hash(back) == map_hash(mapped)
    assert back.to_dict() == mapped.to_dict()
    assert back.card == mapped.card
    assert back.network.model_bytes == mapped.network.model_bytes
    for one, two in zip(mapped.matrices, back.matrices, strict=True):
        np.testing.assert_array_equal(two.targets, one.targets)
        np.testing.assert_array_equal(two.scale, one.scale)
        assert (two.key, two.grid, two.first_array) == (one.key, one.grid, one.first_array)
    for layer, other in zip(mapped.layers, back.layers, strict=True):
        np.testing.assert_array_equal(other.output_range, layer.output_range)
        assert other.input_scale == layer.input_scale


def test_a_map_that_is_cut_off_is_refused(mapped: MappedNetwork, tmp_path: Path) -> None:
    save_map(mapped, tmp_path / "m.h5")
    whole = (tmp_path / "m.h5").read_bytes()
    (tmp_path / "m.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises((FileError, FormatError)):
        load_map(tmp_path / "m.h5")


def test_layers_that_share_weights_share_tiles() -> None:
    from onnx import TensorProto, helper, numpy_helper

    from xbar.network.network import Network

    weights = np.random.default_rng(0).standard_normal((6, 6)).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("MatMul", ["h", "w"], ["y"])]
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["b", 6]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "g", info[:1], info[1:], [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    mapped = xbar.map_network(Network.from_bytes(model.SerializeToString()), xbar.load_card("ideal"))
    assert mapped.arrays == 1
    assert len(mapped.layers) == 2
    x = np.random.default_rng(1).standard_normal((8, 6)).astype(np.float32)
    result = xbar.run_network(mapped, x, only=())
    np.testing.assert_allclose(result.outputs["y"], x @ weights @ weights, rtol=1e-3, atol=1e-3)


def test_an_encoding_that_is_not_known(mapped: MappedNetwork) -> None:
    with pytest.raises(InputError, match="'pairs' is not known; known are differential, offset"):
        xbar.map_network(mapped.network, mapped.card, encoding="pairs")
