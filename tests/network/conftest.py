"""Models built on the spot, and the oracle that the cut network is compared with."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from xbar.network import Network, ideal

Shape = Sequence[int | str | None]
MakeModel = Callable[..., ModelProto]
Agree = Callable[..., Network]


def _make_model(
    nodes: Sequence[NodeProto],
    constants: Mapping[str, NDArray[Any]],
    shape: Shape | Mapping[str, Shape] = ("batch", 4),
    outputs: Sequence[str] = ("y",),
    *,
    opset: int = 17,
    ir_version: int = 8,
    domains: Sequence[str] = (),
) -> ModelProto:
    """Return a model of float inputs (`x`, or as the mapping says) with outputs whose type is left to be inferred."""
    shapes = shape if isinstance(shape, Mapping) else {"x": shape}
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(sizes)) for name, sizes in shapes.items()],
        [ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=ir_version)


def _agree(model: ModelProto, feeds: Mapping[str, NDArray[Any]], tolerance: float = 1e-5) -> Network:
    """Check the cut network with ideal products against ONNX Runtime on the untouched model."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in model.graph.output]
    network = Network.from_bytes(model.SerializeToString())
    blocks = network.blocks(feeds, 0)
    for block, result, digital in zip(blocks, network.run(blocks, ideal), network.reference(blocks), strict=True):
        expected = dict(zip(names, session.run(names, block.feeds), strict=True))
        for name in names:
            scale = np.abs(expected[name]).max() + 1e-12
            for given in (result[name], digital[name]):
                assert given.shape == expected[name].shape
                assert given.dtype == expected[name].dtype
                assert np.abs(given - expected[name]).max() <= tolerance * scale
    return network


@pytest.fixture(scope="session")
def make_model() -> MakeModel:
    return _make_model


@pytest.fixture(scope="session")
def agree() -> Agree:
    return _agree


@pytest.fixture(scope="session")
def normal() -> Callable[..., NDArray[np.float32]]:
    """Return a function that draws standard normal float32 numbers of a shape, the same in every run."""
    rng = np.random.default_rng(20)

    def draw(*shape: int) -> NDArray[np.float32]:
        return rng.standard_normal(shape, dtype=np.float32)

    return draw
