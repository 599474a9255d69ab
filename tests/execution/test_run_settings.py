"""Settings and data that cannot be meant are refused in words, before anything is programmed or written."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.errors import FileError, InputError, UnknownNameError, XbarError
from xbar.mapping.mapped_network import MappedNetwork


@pytest.mark.parametrize(
    ("how", "word"),
    [
        ({"tiles_per_call": 0}, "tiles per call 0"),
        ({"tiles_per_call": -1}, "tiles per call -1"),
        ({"flush": -1.0}, "flush -1"),
        ({"flush": float("nan")}, "flush nan"),
        ({"batch": 0}, "batch 0"),
        ({"threads": 0}, "threads 0"),
        ({"error_samples": -1}, "error samples -1"),
        ({"at": -1.0}, "-1"),
        ({"at": float("nan")}, "nan"),
        ({"seed": -1}, "seed -1"),
        ({"dtype": "float16"}, "float16"),
        ({"device": "tpu"}, "tpu"),
        ({"level": "some"}, "some"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_meant(
    digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], tmp_path: Path, how: dict[str, Any], word: str
) -> None:
    with pytest.raises(InputError, match=word):
        xbar.run_network(digits_map, digits["x"], **{"trace": tmp_path / "t.h5", **how})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", [{"only": ("gravity",)}, {"without": ["gravity"]}], ids=str)
def test_effects_that_do_not_exist(
    digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], tmp_path: Path, how: dict[str, Any]
) -> None:
    """The message lists those that do; no trace is begun."""
    with pytest.raises(UnknownNameError, match=r"gravity.*programming_error.*adc"):
        xbar.run_network(digits_map, digits["x"], trace=tmp_path / "t.h5", **how)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("labels", [np.array(3), np.zeros(119, np.int64), np.zeros((3, 120), np.int64)], ids=np.shape)
def test_labels_of_another_number(
    digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], labels: NDArray[Any]
) -> None:
    with pytest.raises(InputError, match="120 samples"):
        xbar.run_network(digits_map, digits["x"], labels)


@pytest.mark.parametrize("kind", ["<U1", "c16", "M8[s]", "f4,f4"])
def test_inputs_of_a_type_that_is_no_number(digits_map: MappedNetwork, kind: str) -> None:
    with pytest.raises(XbarError, match="float32"):
        xbar.run_network(digits_map, np.zeros((2, 64), kind))


def test_inputs_by_name_and_by_alias(digits_map: MappedNetwork, digits: dict[str, NDArray[Any]]) -> None:
    """An array, "x" and the network's own name stand for its only input; other names are refused."""
    own, output = digits_map.network.inputs[0].name, digits_map.network.outputs[0]
    usual = xbar.run_network(digits_map, digits["x"]).outputs[output]
    for inputs in ({"x": digits["x"]}, {own: digits["x"]}):
        np.testing.assert_array_equal(xbar.run_network(digits_map, inputs).outputs[output], usual)
    for inputs in ({"z": digits["x"]}, {own: digits["x"], "z": digits["x"]}, {}):
        with pytest.raises(InputError, match=own):
            xbar.run_network(digits_map, inputs)


@pytest.fixture(scope="module")
def two_inputs() -> tuple[MappedNetwork, NDArray[np.float32], NDArray[np.float32]]:
    """Return the network y = a @ u + b @ v, mapped, with its weights."""
    from onnx import TensorProto, helper, numpy_helper

    from xbar.network.network import Network

    rng = np.random.default_rng(5)
    u, v = (rng.standard_normal(shape).astype(np.float32) for shape in ((4, 3), (6, 3)))
    nodes = [
        helper.make_node("MatMul", ["a", "u"], ["p"]),
        helper.make_node("MatMul", ["b", "v"], ["q"]),
        helper.make_node("Add", ["p", "q"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", w]) for n, w in (("a", 4), ("b", 6))]
    graph = helper.make_graph(
        nodes,
        "two",
        inputs,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(u, "u"), numpy_helper.from_array(v, "v")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    network = Network.from_bytes(model.SerializeToString())
    return xbar.map_network(network, xbar.load_card("ideal"), tile=(4, 4)), u, v


def test_several_inputs(two_inputs: tuple[MappedNetwork, NDArray[np.float32], NDArray[np.float32]]) -> None:
    mapped, u, v = two_inputs
    rng = np.random.default_rng(6)
    a, b = (rng.standard_normal((9, width)).astype(np.float32) for width in (4, 6))
    for batch in (2, 100):
        result = xbar.run_network(mapped, {"a": a, "b": b}, only=(), batch=batch)
        np.testing.assert_allclose(result.outputs["y"], a @ u + b @ v, rtol=1e-3, atol=1e-3)
    with pytest.raises(InputError, match="a, b"):
        xbar.run_network(mapped, {"x": a})
    with pytest.raises(InputError):
        xbar.run_network(mapped, {"a": a, "b": b[:5]})


def test_one_sample_has_no_interval(digits_map: MappedNetwork, digits: dict[str, NDArray[Any]]) -> None:
    result = xbar.run_network(digits_map, digits["x"][:1], digits["y"][:1])
    assert "95 % interval unknown" in str(result)


def test_the_traces_of_a_repeat_are_checked_before_the_first_chip(
    digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], tmp_path: Path
) -> None:
    """A trace of the last chip that exists is told at once; with `force` it is renamed."""
    (tmp_path / "t.chip1.h5").write_text("mine", encoding="utf-8")
    how = xbar.RunSettings(trace=tmp_path / "t.h5")
    with pytest.raises(FileError, match=r"t\.chip1\.h5 exists"):
        xbar.repeat_network(digits_map, digits["x"], digits["y"], 2, settings=how)
    assert [path.name for path in tmp_path.iterdir()] == ["t.chip1.h5"]
    forced = xbar.RunSettings(trace=tmp_path / "t.h5", force=True)
    xbar.repeat_network(digits_map, digits["x"], digits["y"], 2, settings=forced)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.chip0.h5", "t.chip1.1.h5", "t.chip1.h5"]


WIDER = "cells are numbered row by row over the whole array (xbar/array/cell_array.py): a wider array is another chip"


@pytest.mark.parametrize(
    ("more", "rows", "cols"),
    [
        (0, 24, 32),
        (4, 24, 32),
        (4, 70, 32),
        pytest.param(4, 24, 90, marks=pytest.mark.xfail(reason=WIDER, strict=True)),
    ],
)
def test_a_bench_file_gives_the_same_bits(
    digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], tmp_path: Path, more: int, rows: int, cols: int
) -> None:
    """A bench that is larger than the map needs gives every bit of the chip with the same seed and card."""
    lab = tmp_path / "lab.toml"
    lab.write_text(
        'schema = "xbar-bench/1"\ndriver = "sim"\ncard = "pcm"\nseed = 3\n'
        f"[geometry]\narrays = {digits_map.arrays + more}\nrows = {rows}\ncols = {cols}\n",
        encoding="utf-8",
    )
    usual = xbar.run_network(digits_map, digits["x"], digits["y"], seed=3, at=60.0)
    other = xbar.run_network(digits_map, digits["x"], digits["y"], bench=lab, at=60.0)
    for name, outputs in usual.outputs.items():
        np.testing.assert_array_equal(other.outputs[name], outputs)
    assert (other.seed, other.accuracy, other.layers) == (3, usual.accuracy, usual.layers)
