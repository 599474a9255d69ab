"""A weight matrix without a network, as a network of one node: it maps and runs like any other."""

import numpy as np
from numpy.typing import NDArray

from xbar.errors import InputError
from xbar.network.network import Network


def network_of(weights: NDArray[np.float64] | NDArray[np.float32], name: str = "weights") -> Network:
    """Return the network y = x @ weights for `weights` (inputs, outputs): input "x", output "y".

    Raises `InputError` for weights that are not a finite matrix of real numbers.
    """
    from onnx import TensorProto, helper, numpy_helper

    if weights.ndim != 2 or not weights.size or weights.dtype.kind not in "fiu":
        raise InputError(
            f"weights must be a matrix (inputs, outputs) of real numbers, not {weights.dtype} of shape {weights.shape}"
        )
    with np.errstate(over="ignore"):  # what float32 does not hold becomes infinite, and is refused below
        matrix = np.ascontiguousarray(weights, np.float32)
    if not np.isfinite(matrix).all():
        raise InputError(
            f"{int((~np.isfinite(matrix)).sum())} of {matrix.size} weights are NaN or infinite; they cannot be mapped"
        )
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", name], ["y"], name=name)],
        "bare weights",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", matrix.shape[0]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", matrix.shape[1]])],
        [numpy_helper.from_array(matrix, name)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return Network.from_bytes(model.SerializeToString())
