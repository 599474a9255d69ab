"""Which nodes become analog, and for every other node the reason why it stays digital."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from onnx import ModelProto, NodeProto, TensorProto, shape_inference

from xbar.errors import Unsupported
from xbar.network.analog_node import AnalogNode, StaysDigital
from xbar.network.conv import Conv
from xbar.network.gemm import Gemm
from xbar.network.graph import ONNX_DOMAINS, subgraphs, walk
from xbar.network.matmul import MatMul

OPERATORS: Mapping[str, type[AnalogNode]] = {"Conv": Conv, "Gemm": Gemm, "MatMul": MatMul}
"""ONNX operators that can become analog."""
NOT_YET = frozenset(
    {
        "Attention",
        "ConvInteger",
        "ConvTranspose",
        "DeformConv",
        "DynamicQuantizeLSTM",
        "DynamicQuantizeMatMul",
        "Einsum",
        "FusedConv",
        "FusedGemm",
        "FusedMatMul",
        "GRU",
        "LSTM",
        "MatMulInteger",
        "MatMulNBits",
        "MultiHeadAttention",
        "QAttention",
        "QGemm",
        "QLinearConv",
        "QLinearMatMul",
        "RNN",
    }
)
"""Other operators with matrix products inside, which run digitally so far."""
MOST_NODES = 4095
"""Analog nodes of a network: the random numbers of a node are addressed by 12 bits."""


@dataclass(frozen=True)
class NodeReport:
    """Where one node of the normalised graph runs, and why."""

    name: str
    op: str
    place: Literal["analog", "digital"]
    reason: str
    weights: int
    """Constant weights of a linear operator, without bias; 0 for other nodes."""
    macs: int | None
    """Multiplications with additions for one sample; None where the shapes are not known."""


def place_nodes(model: ModelProto, samples: int) -> tuple[dict[int, AnalogNode], tuple[NodeReport, ...]]:
    """Decide for every node of a normalised model whether it is analog.

    Args:
        model: normalised model.
        samples: samples of a fixed batch, 1 where the batch is open.

    Returns:
        The analog nodes by position in the graph, and one report per node.

    Raises:
        Unsupported: no node is analog, or more than 4095 are.
        FormatError: a weight is NaN or infinite.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    shapes = _shapes(model)
    analog: dict[int, AnalogNode] = {}
    reports = []
    for position, node in enumerate(model.graph.node):
        try:
            built = _build(node, constants, len(analog))
        except StaysDigital as reason:
            reports.append(_digital(node, str(reason), constants))
            continue
        analog[position] = built
        weights = sum(matrix.weights.size for matrix in built.matrices)
        out = shapes.get(built.output)
        macs = None if out is None else math.prod(out) * built.matrices[0].weights.shape[0] // samples
        reports.append(NodeReport(node.name, node.op_type, "analog", "constant weights", weights, macs))
    if len(analog) > MOST_NODES:
        raise Unsupported(f"the network has {len(analog)} analog nodes; at most {MOST_NODES} can be told apart")
    if not analog:
        raise Unsupported(_nothing_analog(reports))
    return analog, tuple(reports)


def _build(node: NodeProto, constants: Mapping[str, TensorProto], index: int) -> AnalogNode:
    """Return the analog node of an ONNX node, or raise StaysDigital with the reason."""
    standard = node.domain in ONNX_DOMAINS
    if standard and node.op_type in OPERATORS:
        return OPERATORS[node.op_type].from_onnx(node, constants, index)
    if subgraphs(node):
        inside = sum(_weights(inner, constants) > 0 or _is_linear(inner) for inner in walk([node]) if inner is not node)
        raise StaysDigital(f"control flow stays whole ({inside} matrix operators inside)")
    if _is_linear(node):
        if _weights(node, constants):
            raise StaysDigital(f"{node.op_type} with constant weights is not mapped by this version")
        raise StaysDigital("every operand is computed: no constant weights")
    raise StaysDigital("no matrix product with constant weights")


def _is_linear(node: NodeProto) -> bool:
    """Say whether an operator contains matrix products."""
    return node.op_type in NOT_YET or node.op_type in OPERATORS


def _weights(node: NodeProto, constants: Mapping[str, TensorProto]) -> int:
    """Return the constant weights of a linear operator: its constant operands of two axes and more."""
    if not _is_linear(node):
        return 0
    held = [constants[name] for name in node.input if name in constants]
    return sum(math.prod(tensor.dims) for tensor in held if len(tensor.dims) >= 2)


def _digital(node: NodeProto, reason: str, constants: Mapping[str, TensorProto]) -> NodeReport:
    """Return the report of a digital node."""
    macs = None if _is_linear(node) or subgraphs(node) else 0
    return NodeReport(node.name, node.op_type, "digital", reason, _weights(node, constants), macs)


def _shapes(model: ModelProto) -> dict[str, list[int]]:
    """Return the shapes that are known when the batch is one sample (or as fixed by the model)."""
    single = ModelProto()
    single.CopyFrom(model)
    for value in single.graph.input:
        dims = value.type.tensor_type.shape.dim
        if dims and not dims[0].HasField("dim_value"):
            dims[0].dim_value = 1
    try:
        graph = shape_inference.infer_shapes(single, data_prop=True).graph
    except (shape_inference.InferenceError, ValueError):
        return {}
    known = {}
    for value in [*graph.value_info, *graph.output]:
        dims = value.type.tensor_type.shape.dim
        if value.type.tensor_type.HasField("shape") and all(dim.HasField("dim_value") for dim in dims):
            known[value.name] = [dim.dim_value for dim in dims]
    return known


def _nothing_analog(reports: Sequence[NodeReport]) -> str:
    """Return the message for a network that has nothing to map."""
    seen = Counter(f"{report.op}: {report.reason}" for report in reports)
    listed = "; ".join(f"{count} x {text}" for text, count in seen.most_common(8))
    more = f"; and {len(seen) - 8} other kinds" if len(seen) > 8 else ""
    return (
        f"the network has no {', '.join(sorted(OPERATORS))} with constant weights, so there is nothing to map. "
        f"It has {listed or 'no nodes'}{more}"
    )
