"""Compute at load time what depends on constants only, so that weights behind Cast, Transpose or Dequantize show."""

import math

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper, shape_inference

from xbar.errors import FormatError, Unsupported
from xbar.network.graph import ONNX_DOMAINS, replace_nodes, subgraphs
from xbar.network.model_file import LARGEST_TENSOR
from xbar.network.session import open_session, run_session

Constants = dict[str, TensorProto]
"""Initialisers of a graph by name."""

RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
"""Operators that give another result at every call."""
SHRINKING = frozenset({"Compress", "NonZero", "Unique", "StringNormalizer"})
"""Operators whose output has an unknown shape but never many more values than their input."""
LARGEST_GROWTH = 2**26
"""Bytes up to which a constant may grow by folding; larger ones stay computed by the segment that needs them."""


def lift_constants(graph: GraphProto) -> None:
    """Turn the Constant nodes of a graph into initialisers (Paddle and TensorFlow exports keep all weights there)."""
    kept = []
    for node in graph.node:
        tensor = _constant_value(node) if node.op_type == "Constant" and node.domain in ONNX_DOMAINS else None
        if tensor is None:
            kept.append(node)
        else:
            tensor.name = node.output[0]
            graph.initializer.append(tensor)
    if len(kept) < len(graph.node):
        replace_nodes(graph, kept)


def _constant_value(node: NodeProto) -> TensorProto | None:
    """Return the value of a Constant node, or None for one that has no dense form here."""
    if len(node.attribute) != 1 or len(node.output) != 1:
        return None
    attribute = node.attribute[0]
    value: np.ndarray[tuple[int, ...], np.dtype[np.generic]]
    if attribute.name == "value":
        tensor = TensorProto()
        tensor.CopyFrom(attribute.t)
        return tensor
    if attribute.name == "value_float":
        value = np.array(attribute.f, np.float32)
    elif attribute.name == "value_int":
        value = np.array(attribute.i, np.int64)
    elif attribute.name == "value_floats":
        value = np.array(attribute.floats, np.float32)
    elif attribute.name == "value_ints":
        value = np.array(attribute.ints, np.int64)
    else:
        return None
    return numpy_helper.from_array(value)


def fold_constants(model: ModelProto) -> None:
    """Replace every node whose inputs are all constant by its value, computed by ONNX Runtime.

    Quantised weights become the exact float numbers that the quantised product would have used
    (QuantizeLinear and DequantizeLinear of constants are folded like everything else).

    Raises:
        FormatError: a constant would have more than `LARGEST_TENSOR` values.
    """
    graph = model.graph
    constants: Constants = {tensor.name: tensor for tensor in graph.initializer}
    kept = []
    for node in graph.node:
        values = _fold(node, constants, model) if _foldable(node, constants) else None
        if values is None:
            kept.append(node)
            continue
        for tensor in values:
            graph.initializer.append(tensor)
            constants[tensor.name] = tensor
    if len(kept) < len(graph.node):
        replace_nodes(graph, kept)


def _foldable(node: NodeProto, constants: Constants) -> bool:
    """Say whether a node depends on constants only and gives the same at every call."""
    if node.op_type in RANDOM or subgraphs(node) or not node.input:
        return False
    return all(not name or name in constants for name in node.input)


def _fold(node: NodeProto, constants: Constants, model: ModelProto) -> list[TensorProto] | None:
    """Return the outputs of a node as constants, or None where it must stay a node."""
    inputs = [constants[name] for name in dict.fromkeys(node.input) if name]
    outputs = [name for name in node.output if name]
    graph = helper.make_graph([node], "fold", [], [ValueInfoProto(name=name) for name in outputs], inputs)
    single = helper.make_model(graph, opset_imports=list(model.opset_import), ir_version=model.ir_version)
    if not _bounded(single, node, inputs):
        return None
    try:
        session = open_session(single.SerializeToString(), f"node {node.name!r}", optimise=False)
        results = run_session(session, outputs, {}, f"node {node.name!r}")
    except Unsupported:
        return None  # a type that Python cannot receive, or an operator without this kernel: the segment will tell
    if not all(isinstance(value, np.ndarray) for value in results):
        return None
    return [numpy_helper.from_array(value, name) for value, name in zip(results, outputs, strict=True)]


def _bounded(single: ModelProto, node: NodeProto, inputs: list[TensorProto]) -> bool:
    """Say whether the outputs of a one-node model are known to be of a size worth storing."""
    stored: int = sum(math.prod(tensor.dims) for tensor in inputs)
    if node.op_type in SHRINKING:
        return stored <= LARGEST_TENSOR
    try:
        graph = shape_inference.infer_shapes(single).graph
    except (shape_inference.InferenceError, ValueError):
        return False
    shapes = {value.name: value.type.tensor_type for value in [*graph.output, *graph.value_info]}
    for name in (name for name in node.output if name):
        if name not in shapes or not shapes[name].HasField("shape"):
            return False
        sizes = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in shapes[name].shape.dim]
        if min(sizes, default=0) < 0:
            return False
        count = math.prod(sizes)
        if count > LARGEST_TENSOR:
            raise FormatError(
                f"node {node.name or node.op_type!r} ({node.op_type}) makes a constant of shape {sizes}; "
                f"at most {LARGEST_TENSOR} values are accepted"
            )
        if 4 * count > max(LARGEST_GROWTH, 8 * stored):
            return False
    return True
