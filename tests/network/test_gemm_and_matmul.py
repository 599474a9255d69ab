"""Gemm and MatMul with constant weights: against ONNX Runtime and ONNX's own reference."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper
from onnx.reference import ReferenceEvaluator

from xbar.errors import InputError
from xbar.network import Network, ideal

Normal = Callable[..., NDArray[np.float32]]


@pytest.mark.parametrize("bias", [None, (3,), (1, 3), (1, 1), (), (20, 3), (20, 1)])
@pytest.mark.parametrize(
    "options",
    [{}, {"transB": 1}, {"alpha": 0.5, "beta": -2.0}, {"transA": 1, "transB": 1, "alpha": -1.5}],
    ids=["plain", "transB", "alpha beta", "transA"],
)
def test_gemm(
    options: dict[str, Any], bias: tuple[int, ...] | None, make_model: Any, agree: Any, normal: Normal
) -> None:
    """Every attribute and every shape of the bias gives what ONNX Runtime gives."""
    weights = normal(3, 5) if options.get("transB") else normal(5, 3)
    shape = (5, 20) if options.get("transA") else (20, 5)
    constants = {"w": weights} | ({} if bias is None else {"c": normal(*bias)})
    model = make_model([helper.make_node("Gemm", ["x", *constants], ["y"], **options)], constants, shape)
    x = normal(*shape)
    network = Network.from_bytes(model.SerializeToString())
    (expected,) = ReferenceEvaluator(model).run(None, {"x": x})
    given = ideal(network.nodes[0], [x], [])[0]
    assert np.abs(given - expected).max() <= 1e-5 * np.abs(expected).max()
    agree(model, {"x": x})


@pytest.mark.parametrize(
    ("sample", "weights", "left"),
    [
        ((5,), (5, 3), False),
        ((7, 5), (5, 3), False),
        ((2, 7, 5), (5, 3), False),
        ((7, 5), (5,), False),
        ((4, 7, 5), (4, 5, 3), False),
        ((4, 7, 5), (1, 5, 3), False),
        ((1, 7, 5), (4, 5, 3), False),
        ((2, 4, 7, 5), (2, 1, 5, 3), False),
        ((7, 5), (2, 4, 1, 5, 3), False),
        ((5, 7), (3, 5), True),
        ((5, 7), (5,), True),
        ((4, 5, 7), (4, 3, 5), True),
    ],
)
def test_matmul(
    sample: tuple[int, ...], weights: tuple[int, ...], left: bool, make_model: Any, agree: Any, normal: Normal
) -> None:
    """Vectors, stacks that broadcast either way and a constant on the left give what ONNX Runtime gives."""
    names = ["w", "x"] if left else ["x", "w"]
    model = make_model([helper.make_node("MatMul", names, ["y"])], {"w": normal(*weights)}, ("batch", *sample))
    network = agree(model, {"x": normal(20, *sample)})
    assert len(network.nodes[0].matrices) == np.prod(weights[:-2], dtype=int)


@pytest.mark.parametrize(("weights", "left"), [((3, 5), True), ((5,), True), ((5, 3), False), ((2, 5, 3), False)])
def test_matmul_of_one_vector(weights: tuple[int, ...], left: bool, make_model: Any, normal: Normal) -> None:
    """An input of one axis gives what NumPy's matmul gives."""
    names = ["w", "x"] if left else ["x", "w"]
    w, x = normal(*weights), normal(5)
    model = make_model([helper.make_node("MatMul", names, ["y"])], {"w": w}, (5,))
    given = ideal(Network.from_bytes(model.SerializeToString()).nodes[0], [x], [])[0]
    expected = np.matmul(w, x) if left else np.matmul(x, w)
    assert given.shape == expected.shape
    assert np.allclose(given, expected, rtol=1e-5, atol=1e-6)


def test_stacked_rows_are_sample_major(make_model: Any, normal: Normal) -> None:
    """Every matrix of a stack gets the rows of its own entry, sample after sample."""
    model = make_model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": normal(4, 5, 3)}, ("batch", 4, 7, 5))
    node = Network.from_bytes(model.SerializeToString()).nodes[0]
    x = normal(2, 4, 7, 5)
    for head, rows in enumerate(node.gather(x, [8] * 4)):
        assert rows.shape == (14, 8)
        assert rows.flags.c_contiguous
        assert np.array_equal(rows[:, :5], x[:, head].reshape(14, 5))
        assert not rows[:, 5:].any()


def test_half_precision_weights_keep_the_type(make_model: Any) -> None:
    """A float16 network stays float16 between its nodes."""
    from onnx import TensorProto

    rng = np.random.default_rng(3)
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16),
        helper.make_node("MatMul", ["h", "w"], ["y"]),
    ]
    model = make_model(nodes, {"w": rng.standard_normal((4, 3)).astype(np.float16)})
    network = Network.from_bytes(model.SerializeToString())
    blocks = network.blocks({"x": rng.standard_normal((20, 4)).astype(np.float32)}, 0)
    given, expected = network.run(blocks, ideal)[0]["y"], network.reference(blocks)[0]["y"]
    assert given.dtype == expected.dtype == np.float16
    assert np.abs(given - expected).max() <= 2e-3 * np.abs(expected).max()


def test_wrong_shapes_are_refused(make_model: Any, normal: Normal) -> None:
    """The message names node, operator, expected and given shape."""
    gemm = make_model([helper.make_node("Gemm", ["x", "w"], ["y"], name="g")], {"w": normal(4, 3)})
    node = Network.from_bytes(gemm.SerializeToString()).nodes[0]
    with pytest.raises(InputError, match=r"node 'g' \(Gemm\) needs an input of shape \[rows, 4\], not \[2, 5\]"):
        node.gather(normal(2, 5))
    stacked = make_model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": normal(2, 4, 3)}, ("b", "c", "d", 4))
    node = Network.from_bytes(stacked.SerializeToString()).nodes[0]
    with pytest.raises(InputError, match="that broadcasts with the stack"):
        node.gather(normal(2, 3, 1, 4))
    with pytest.raises(InputError, match="products of shapes"):
        node.scatter([normal(5, 3)] * 2, normal(2, 2, 3, 4))
