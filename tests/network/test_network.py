"""The cut network as a whole: shipped models, every kind of graph, the same bits for any batch."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from xbar.errors import FormatError, InputError, Unsupported
from xbar.network import AnalogNode, Block, Network, ideal, load_network, trim

Normal = Callable[..., NDArray[np.float32]]
node = helper.make_node
SAMPLES = Path(str(resources.files("xbar.samples")))


def build(model: ModelProto) -> Network:
    return Network.from_bytes(model.SerializeToString())


def apply(network: Network, x: NDArray[Any], first: int = 0) -> dict[str, NDArray[Any]]:
    """Return the trimmed outputs with ideal products."""
    blocks = network.blocks({network.inputs[0].name: x}, first)
    return trim(blocks, network.run(blocks, ideal))


@pytest.mark.parametrize(("name", "nodes"), [("digits_mlp.onnx", 2), ("fashion_mnist_resnet8.onnx", 10)])
def test_shipped_networks(name: str, nodes: int, normal: Normal) -> None:
    """The shipped networks agree with ONNX Runtime and, for some images, with ONNX's own reference."""
    network = load_network(SAMPLES / name)
    assert [item.index for item in network.nodes] == list(range(nodes))
    spec = network.inputs[0]
    x = normal(37, *(size or 1 for size in spec.shape[1:]))
    blocks = network.blocks({spec.name: x}, 0)
    given = trim(blocks, network.run(blocks, ideal))
    expected = network.trim(blocks, network.reference(blocks))
    second = ReferenceEvaluator(ModelProto.FromString(network.model_bytes)).run(None, {spec.name: x[:3]})
    for output, other in zip(network.outputs, second, strict=True):
        scale = np.abs(expected[output]).max()
        assert given[output].shape == expected[output].shape == (37, 10)
        assert np.abs(given[output] - expected[output]).max() <= 1e-5 * scale
        assert np.abs(given[output][:3] - other).max() <= 1e-5 * scale


def test_normalised_bytes_give_the_same_network() -> None:
    """The bytes in a map file give the same bytes, hash, nodes, names and matrices."""
    network = load_network(SAMPLES / "fashion_mnist_resnet8.onnx")
    again = Network.from_bytes(network.model_bytes)
    assert again.model_bytes == network.model_bytes
    assert again.sha256 == network.sha256
    assert again.report == network.report
    for one, two in zip(network.nodes, again.nodes, strict=True):
        assert (one.name, one.op, one.index, one.input, one.output) == (
            two.name,
            two.op,
            two.index,
            two.input,
            two.output,
        )
        assert [matrix.key for matrix in one.matrices] == [matrix.key for matrix in two.matrices]


def softplus(make_model: Any, normal: Normal, batch: int | str = "batch") -> Network:
    """Return a network with Softplus, which ONNX Runtime does not compute alike at every place of a batch."""
    nodes = [node("Gemm", ["x", "w"], ["g"]), node("Softplus", ["g"], ["s"]), node("MatMul", ["s", "v"], ["y"])]
    return build(make_model(nodes, {"w": normal(5, 7), "v": normal(7, 3)}, (batch, 5)))


def test_same_bits_for_any_batch_and_threads(make_model: Any, normal: Normal) -> None:
    """Batches of 1, 7, 37 and 100 give the same bits, with and without a pool."""
    network = softplus(make_model, normal)
    x = normal(100, 5)
    whole = apply(network, x)["y"]
    for batch in (1, 7, 37):
        parts = [apply(network, x[first : first + batch], first)["y"] for first in range(0, 100, batch)]
        assert np.array_equal(np.concatenate(parts), whole)
    blocks = network.blocks({"x": x}, 0)
    with ThreadPoolExecutor(4) as pool:
        assert np.array_equal(trim(blocks, network.run(blocks, ideal, pool))["y"], whole)
        digital = trim(blocks, network.reference(blocks, pool))["y"]
    assert np.array_equal(digital, trim(blocks, network.reference(blocks))["y"])


@pytest.mark.parametrize("batch", [1, 8])
def test_fixed_batch(batch: int, make_model: Any, agree: Any, normal: Normal) -> None:
    """A model with a fixed batch runs any number of samples, in blocks of that batch."""
    network = softplus(make_model, normal, batch)
    assert network.block == batch
    assert network.report[0].macs == 35
    x = normal(13, 5)
    whole = apply(network, x)["y"]
    assert whole.shape == (13, 3)
    assert np.array_equal(np.concatenate([apply(network, x[:5])["y"], apply(network, x[5:], 5)["y"]]), whole)


def test_skip_connections_and_branches(make_model: Any, agree: Any, normal: Normal) -> None:
    """Branches of different depth, a skip over two levels and a tensor used by several nodes agree."""
    nodes = [
        node("Conv", ["x", "a"], ["p"], pads=[1, 1, 1, 1]),
        node("Relu", ["p"], ["q"]),
        node("Conv", ["q", "b"], ["r"]),
        node("Conv", ["q", "c"], ["s"], pads=[1, 1, 1, 1]),
        node("Sigmoid", ["s"], ["t"]),
        node("Conv", ["t", "b"], ["u"]),
        node("Concat", ["r", "u", "x"], ["v"], axis=1),
        node("GlobalAveragePool", ["v"], ["g"]),
        node("Flatten", ["g"], ["f"]),
        node("Gemm", ["f", "d"], ["h"]),
        node("Softmax", ["h"], ["y"]),
    ]
    weights = {"a": normal(4, 3, 3, 3), "b": normal(4, 4, 1, 1), "c": normal(4, 4, 3, 3), "d": normal(11, 5)}
    network = agree(make_model(nodes, weights, ("batch", 3, 6, 6), ("y", "t", "p")), {"x": normal(23, 3, 6, 6)})
    assert [item.name for item in network.nodes] == ["Conv_0", "Conv_2", "Conv_3", "Conv_5", "Gemm_9"]
    shared = [item.matrices[0].key for item in network.nodes]
    assert shared[1] == shared[3]
    assert len(set(shared)) == 4
    assert [report.macs for report in network.report if report.place == "analog"] == [3888, 576, 5184, 576, 55]


def test_tensors_are_dropped_after_their_last_consumer(make_model: Any, normal: Normal) -> None:
    """While the second node runs, only what later nodes need is alive."""
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("Relu", ["a"], ["b"]), node("MatMul", ["b", "w"], ["y"])]
    network = build(make_model(nodes, {"w": normal(4, 4)}))
    blocks = network.blocks({"x": normal(20, 4)}, 0)
    first, second = network._levels
    assert first.done_after_analog == (("x",),)
    assert second.done_after_segment == ("a",)
    assert second.done_after_analog == (("b",),)
    assert set(network.run(blocks, ideal)[0]) == {"y"}
    assert set(blocks[0].feeds) == {"x"}


def test_everything_else_runs_digitally_with_a_reason(make_model: Any, agree: Any, normal: Normal) -> None:
    """LSTM, ConvTranspose, a product of two computed tensors and a live If run, and the report says why."""
    branches = {
        f"{name}_branch": helper.make_graph(
            [node("MatMul", ["h", "v"], ["m"])], name, [], [ValueInfoProto(name="m")],
            [numpy_helper.from_array(normal(4, 4), "v")],
        )
        for name in ("then", "else")
    }  # fmt: skip
    nodes = [
        node("MatMul", ["x", "w"], ["h"], name="first"),
        node("ReduceSum", ["h"], ["sum"], keepdims=0),
        node("Greater", ["sum", "zero"], ["yes"]),
        node("If", ["yes"], ["c"], name="choice", **branches),
        node("Transpose", ["c"], ["ct"], perm=[0, 2, 1]),
        node("MatMul", ["c", "ct"], ["s"], name="scores"),
        node("ConvTranspose", ["s", "k"], ["d"], name="up"),
        node("LSTM", ["d", "lw", "lr"], ["l"], hidden_size=2, name="memory"),
        node("Squeeze", ["l", "one"], ["y"]),
    ]
    weights = {
        "w": normal(4, 4), "zero": np.float32(0), "k": normal(6, 5, 3), "lw": normal(1, 8, 8), "lr": normal(1, 8, 2),
        "one": np.array([1]),
    }  # fmt: skip
    network = agree(make_model(nodes, weights, ("batch", 6, 4)), {"x": normal(25, 6, 4)})
    reasons = {report.name: report for report in network.report}
    assert len(network.report) == 9
    assert reasons["first"].place == "analog"
    assert reasons["choice"].reason == "control flow stays whole (2 matrix operators inside)"
    assert reasons["scores"].reason == "both operands are computed: no constant weights"
    assert reasons["up"].reason == "ConvTranspose with constant weights is not mapped by this version"
    assert (reasons["up"].weights, reasons["up"].macs) == (90, None)
    assert reasons["memory"].weights == 80
    assert all(report.place == "digital" for name, report in reasons.items() if name != "first")


def test_more_reasons_to_stay_digital(make_model: Any, agree: Any, normal: Normal) -> None:
    """Computed weights, integer products and a constant first operand of Gemm say so."""
    nodes = [
        node("MatMul", ["x", "w"], ["h"]),
        node("Gemm", ["w", "h"], ["g"], transB=1, name="left"),
        node("Transpose", ["g"], ["t"], perm=[1, 0]),
        node("Cast", ["t"], ["i"], to=TensorProto.INT32),
        node("MatMul", ["i", "n"], ["j"], name="integer"),
        node("Gemm", ["h", "w", "x"], ["e"], name="bias"),
        node("Cast", ["j"], ["f"], to=TensorProto.FLOAT),
        node("Add", ["e", "f"], ["y"]),
    ]
    network = agree(make_model(nodes, {"w": normal(4, 4), "n": np.eye(4, dtype=np.int32)}), {"x": normal(20, 4)})
    reasons = {report.name: report.reason for report in network.report}
    assert reasons["left"] == "its first operand is the constant one"
    assert reasons["integer"] == "weights of type INT32, not float"
    assert reasons["bias"] == "no constant bias: 'x' is computed"


def test_sequences_cross_levels(make_model: Any, agree: Any, normal: Normal) -> None:
    """A sequence made in one segment is read in a later one."""
    nodes = [
        node("SplitToSequence", ["x", "sizes"], ["parts"], axis=1),
        node("MatMul", ["x", "w"], ["h"]),
        node("ReduceMean", ["h"], ["m"], axes=[0, 1], keepdims=0),
        node("Mul", ["m", "zero"], ["z"]),
        node("Cast", ["z"], ["index"], to=TensorProto.INT64),
        node("SequenceAt", ["parts", "index"], ["part"]),
        node("Concat", ["part", "h"], ["y"], axis=1),
    ]
    constants = {"w": normal(4, 3), "sizes": np.array([1, 3]), "zero": np.float32(0)}
    agree(make_model(nodes, constants), {"x": normal(20, 4)})


def test_several_inputs_and_a_constant_output(make_model: Any, normal: Normal) -> None:
    """Two inputs are cut alike; an output that is a constant or an input is given back."""
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("Add", ["a", "z"], ["y"])]
    model = make_model(nodes, {"w": normal(4, 3)}, {"x": ("n", 4), "z": ("n", 3)}, ("y", "w", "z"))
    network = build(model)
    feeds = {"x": normal(3, 4), "z": normal(3, 3)}
    blocks = network.blocks(feeds, 0)
    result = network.run(blocks, ideal)[0]
    assert np.allclose(result["y"][:3], feeds["x"] @ network.nodes[0].matrices[0].weights + feeds["z"], atol=1e-5)
    assert result["w"].shape == (4, 3)
    assert np.array_equal(result["z"][:3], feeds["z"])
    with pytest.raises(InputError, match=r"needs the inputs \['x', 'z'\], not \['x'\]"):
        network.blocks({"x": feeds["x"]}, 0)
    with pytest.raises(Unsupported, match="output 'w' is not the samples"):
        trim(blocks, [result])


def test_callback_gets_every_block(make_model: Any, normal: Normal) -> None:
    """The callback sees the node, its input of every block and the blocks; too few results are refused."""
    network = softplus(make_model, normal)
    blocks = network.blocks({"x": normal(45, 5)}, 0)
    seen = []

    def analog(item: AnalogNode, xs: Sequence[NDArray[Any]], given: Sequence[Block]) -> list[NDArray[Any]]:
        seen.append((item.index, [x.shape for x in xs], [block.first for block in given]))
        return ideal(item, xs, given)

    network.run(blocks, analog)
    assert seen == [(0, [(20, 5)] * 3, [0, 20, 40]), (1, [(20, 7)] * 3, [0, 20, 40])]
    with pytest.raises(InputError, match="3 blocks but 0 came back"):
        network.run(blocks, lambda item, xs, given: [])


@pytest.mark.parametrize(("value", "counts"), [(np.nan, "1 NaN and 0 infinite"), (np.inf, "0 NaN and 1 infinite")])
def test_weights_that_are_not_finite(value: float, counts: str, make_model: Any, normal: Normal) -> None:
    """NaN and infinite weights are refused with the initialiser's name and their number."""
    weights = normal(4, 3)
    weights[1, 2] = value
    with pytest.raises(FormatError, match=rf"initialiser 'w' \(weights\) holds {counts} values among 12"):
        build(make_model([node("MatMul", ["x", "w"], ["y"])], {"w": weights}))


def test_nothing_to_map(make_model: Any) -> None:
    """A network without constant weights is refused, and what it has is listed."""
    nodes = [node("Relu", ["x"], ["a"]), node("Relu", ["a"], ["b"]), node("Mul", ["a", "b"], ["y"])]
    with pytest.raises(Unsupported, match=r"nothing to map\. It has 2 x Relu: no matrix product"):
        build(make_model(nodes, {}))


def test_too_many_nodes(make_model: Any, monkeypatch: pytest.MonkeyPatch, normal: Normal) -> None:
    """More analog nodes than the random numbers can address are refused."""
    from xbar.network import coverage

    monkeypatch.setattr(coverage, "MOST_NODES", 1)
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("MatMul", ["a", "w"], ["y"])]
    with pytest.raises(Unsupported, match="has 2 analog nodes; at most 1"):
        build(make_model(nodes, {"w": normal(4, 4)}))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"x": (10**12, 4)}, "a block of 1000000000000 samples would hold 4000000000000 values"),
        ({"x": (2, 4), "z": (3, 4)}, "fix different batches"),
        ({}, "has no input"),
    ],
)
def test_hostile_inputs(shape: dict[str, Any], message: str, make_model: Any, normal: Normal) -> None:
    """Huge and contradicting declared batches, and no input at all, are refused."""
    source = "x" if shape else "r"
    nodes = [] if shape else [node("RandomNormal", [], ["r"], shape=[2, 4])]
    nodes += [node("MatMul", [source, "w"], ["y"])]
    with pytest.raises(Unsupported, match=message):
        build(make_model(nodes, {"w": normal(4, 3)}, shape))


def test_inputs_without_shape_or_tensor(make_model: Any, normal: Normal) -> None:
    """An input without a shape and one that is a sequence are refused by name."""
    model = make_model([node("MatMul", ["x", "w"], ["y"])], {"w": normal(4, 3)})
    model.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(Unsupported, match="input 'x' declares no shape"):
        build(model)
    sequence = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, None))
    model.graph.input[0].type.CopyFrom(sequence)
    model.graph.node.insert(0, node("ConcatFromSequence", ["x"], ["c"], axis=0))
    model.graph.node[1].input[0] = "c"
    with pytest.raises(Unsupported, match="input 'x' is not a tensor"):
        build(model)


def test_failing_operator_is_our_error(make_model: Any, normal: Normal, capfd: pytest.CaptureFixture[str]) -> None:
    """An operator that fails while running is Unsupported with the segment's name; nothing is printed."""
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("Reshape", ["a", "shape"], ["y"])]
    network = build(make_model(nodes, {"w": normal(4, 3), "shape": np.array([7, 1])}))
    blocks = network.blocks({"x": normal(1, 4)}, 0)
    with pytest.raises(Unsupported, match="ONNX Runtime failed in digital segment 1"):
        network.run(blocks, ideal)
    with pytest.raises(Unsupported, match="ONNX Runtime failed in the digital network"):
        network.reference(blocks)
    assert capfd.readouterr() == ("", "")


def test_package_is_light() -> None:
    """Importing the package loads neither onnx nor onnxruntime nor numba; an unknown name is an AttributeError."""
    code = (
        "import sys, xbar.network as n; heavy = {'onnx', 'onnxruntime', 'numba', 'numpy'} & set(sys.modules); "
        "assert not heavy, heavy; assert 'load_network' in dir(n); "
        "assert not hasattr(n, 'nothing'); n.Network; assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
