"""The shipped digits network, mapped once, and a small convolution network of the tests' own."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.mapping.mapped_network import MappedNetwork


@pytest.fixture(scope="session")
def digits() -> dict[str, NDArray[Any]]:
    """Return inputs x and labels y of 120 digits."""
    with np.load(xbar.sample("digits").data) as data:
        return {"x": data["x"][:120], "y": data["y"][:120]}


@pytest.fixture(scope="session")
def digits_map() -> MappedNetwork:
    """Return the digits network on PCM tiles small enough that its matrices are cut."""
    sample = xbar.sample("digits")
    with np.load(sample.calibration) as calibration:
        x = calibration["x"]
    return xbar.map_network(xbar.load_network(sample.model), xbar.load_card("pcm"), tile=(24, 32), calibration=x)


@pytest.fixture(scope="session")
def conv_map() -> MappedNetwork:
    """Return a network with a plain and a grouped convolution, a skip and a matrix product, without calibration."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(3)

    def weights(name: str, *shape: int) -> Any:
        return numpy_helper.from_array((rng.standard_normal(shape) / 3).astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="plain", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], name="grouped", pads=[1, 1, 1, 1], group=2),
        helper.make_node("Add", ["c2", "r1"], ["sum"]),
        helper.make_node("Softplus", ["sum"], ["soft"]),
        helper.make_node("GlobalAveragePool", ["soft"], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w3"], ["y"], name="last"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 5])],
        [weights("w1", 4, 2, 3, 3), weights("b1", 4), weights("w2", 4, 2, 3, 3), weights("w3", 4, 5)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    from xbar.network.network import Network

    return xbar.map_network(Network.from_bytes(model.SerializeToString()), xbar.load_card("pcm"), tile=(16, 16))


@pytest.fixture(scope="session")
def images() -> NDArray[np.float32]:
    """Return 45 inputs of the convolution network: more than two digital blocks, and a part of a third."""
    return np.random.default_rng(8).standard_normal((45, 2, 6, 6)).astype(np.float32)
