"""Fold a BatchNormalization behind a Conv or Gemm into that node's weights and bias."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from xbar.errors import FormatError
from xbar.network.constant_folding import Constants
from xbar.network.graph import ONNX_DOMAINS, attributes, free_names, replace_nodes


def fold_batch_normalizations(model: ModelProto) -> None:
    """Merge y = gamma (x - mean) / sqrt(variance + epsilon) + beta into the Conv or Gemm that makes x.

    Source: the inference form in the ONNX operator specification, BatchNormalization-15. The new weights
    are computed in float64 and stored in the type of the old ones.

    Raises:
        FormatError: a parameter is NaN or infinite, or a variance is negative.
    """
    graph = model.graph
    constants: Constants = {tensor.name: tensor for tensor in graph.initializer}
    uses = Counter(name for node in graph.node for name in free_names(node))
    uses.update(output.name for output in graph.output)
    producer = {node.output[0]: node for node in graph.node if len(node.output) == 1}
    kept = []
    for node in graph.node:
        source = producer.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        if source is None or uses[node.input[0]] != 1 or not _foldable(source, node, constants):
            kept.append(node)
            continue
        _fold(source, node, model, constants)
        producer[source.output[0]] = source
    if len(kept) < len(graph.node):
        replace_nodes(graph, kept)


def _foldable(source: NodeProto, node: NodeProto, constants: Constants) -> bool:
    """Say whether a normalization has constant parameters and follows a node with constant weights."""
    if source.op_type not in ("Conv", "Gemm") or {source.domain, node.domain} - set(ONNX_DOMAINS):
        return False
    if len(node.input) != 5 or any(name for name in node.output[1:]) or attributes(node).get("training_mode", 0):
        return False
    needed = [*node.input[1:], *(name for name in source.input[1:] if name)]
    if not all(name in constants for name in needed) or len(source.input) < 2:
        return False
    channels = list(constants[node.input[1]].dims)
    weight = list(constants[source.input[1]].dims)
    axis = 0 if source.op_type == "Conv" or attributes(source).get("transB", 0) else 1
    if len(weight) <= axis or channels != [weight[axis]]:
        return False
    if len(source.input) > 2 and source.input[2]:
        return list(constants[source.input[2]].dims) in ([], [1], channels, [1, 1], [1, *channels])
    return True


def _finite(name: str, constants: Constants) -> NDArray[np.float64]:
    """Return a constant in float64 after checking that it is finite."""
    values = numpy_helper.to_array(constants[name]).astype(np.float64)
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise FormatError(
            f"the initialiser {name!r} holds {bad} values that are NaN or infinite: train or export again"
        )
    return values


def _fold(source: NodeProto, node: NodeProto, model: ModelProto, constants: Constants) -> None:
    """Change `source` so that it gives what the normalization `node` gave."""
    gamma, beta, mean, variance = (_finite(name, constants) for name in node.input[1:5])
    epsilon = attributes(node).get("epsilon", 1e-5)
    if variance.size and variance.min() + epsilon <= 0:
        raise FormatError(f"the initialiser {node.input[4]!r} holds the variance {variance.min():g}, below zero")
    scale = gamma / np.sqrt(variance + epsilon)
    weights = _finite(source.input[1], constants)
    has_bias = len(source.input) > 2 and bool(source.input[2])
    bias = _finite(source.input[2], constants).reshape(-1) if has_bias else np.zeros(1)
    if source.op_type == "Gemm":
        options = attributes(source)
        bias = bias * options.get("beta", 1.0)
        shape = (-1, 1) if options.get("transB", 0) else (1, -1)
        kept = [attribute for attribute in source.attribute if attribute.name != "beta"]
        del source.attribute[:]
        source.attribute.extend(kept)
    else:
        shape = (-1, *[1] * (weights.ndim - 1))  # type: ignore[assignment]  # a tuple of another length
    dtype = numpy_helper.to_array(constants[source.input[1]]).dtype
    names = [f"{node.output[0]}/weight", f"{node.output[0]}/bias"]
    for name, values in zip(names, (weights * scale.reshape(shape), (bias - mean) * scale + beta), strict=True):
        _add(name, values.astype(dtype), model, constants)
    del source.input[1:]
    source.input.extend(names)
    source.output[0] = node.output[0]


def _add(name: str, values: NDArray[Any], model: ModelProto, constants: Constants) -> None:
    """Add an initialiser to the graph."""
    tensor = numpy_helper.from_array(np.ascontiguousarray(values), name)
    model.graph.initializer.append(tensor)
    constants[name] = tensor
