"""Bring any ONNX model into the one form that the cut understands.

Functions inlined, constants lifted and folded, constant If inlined, BatchNormalization merged, nodes sorted and
named, unused parts and comments dropped. The result is again a valid ONNX model, and always the same bytes.
"""

import math
from collections.abc import Iterable

import numpy as np
from onnx import ModelProto, NodeProto, inliner, numpy_helper

from xbar.errors import FormatError, Unsupported
from xbar.network.batch_normalization import fold_batch_normalizations
from xbar.network.constant_folding import fold_constants, lift_constants
from xbar.network.control_flow import inline_constant_ifs
from xbar.network.graph import ONNX_DOMAINS, free_names, replace_nodes, sort_nodes, subgraphs, tensors, walk
from xbar.network.model_file import LARGEST_MESSAGE
from xbar.network.session import known_operators

MARK = "xbar.normalised"
"""Key in the model's metadata that says that this module has been over it, and in which version."""
VERSION = "1"
LARGEST_EXPANSION = 100_000
"""Nodes that the functions of a model may expand to (nested functions grow exponentially)."""
DEEPEST_NESTING = 100
"""Functions within functions that are followed."""
OLDEST_IR = 8
"""IR version written at least: from 4 on, initialisers need not be inputs."""


def normalise(model: ModelProto) -> ModelProto:
    """Return the normal form of a model; a model in normal form comes back as it is.

    Raises:
        FormatError: the graph is not valid: a cycle, a missing tensor, a NaN in a normalization.
        Unsupported: an operator that ONNX Runtime does not know, or a result of more than 2 GiB.
    """
    if any(entry.key == MARK and entry.value == VERSION for entry in model.metadata_props):
        return _trusted(model)
    result = ModelProto()
    result.CopyFrom(model)
    if result.functions:
        _check_expansion(result)
        result = inliner.inline_local_functions(result)
    result.ir_version = max(result.ir_version, OLDEST_IR)
    _check_operators(result)
    graph = result.graph
    _fill_sparse(result)
    lift_constants(graph)
    initialisers = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in initialisers]
    del graph.input[:]
    graph.input.extend(inputs)
    sort_nodes(graph, _known(result))
    fold_constants(result)
    while inline_constant_ifs(result):
        fold_constants(result)
    fold_batch_normalizations(result)
    _prune(result)
    _name_nodes(result)
    _tidy(result)
    if result.ByteSize() > LARGEST_MESSAGE:
        raise Unsupported(f"the model needs {result.ByteSize()} bytes; one protobuf message holds {LARGEST_MESSAGE}")
    return result


def _trusted(model: ModelProto) -> ModelProto:
    """Return a model that says it is in normal form, after checking what the cut relies on."""
    _check_operators(model)
    if model.functions or model.graph.sparse_initializer:
        raise FormatError("the network says that it is normalised, but holds functions or sparse weights")
    sort_nodes(model.graph, _known(model))
    return model


def _known(model: ModelProto) -> list[str]:
    """Return the tensors that exist before the first node."""
    return [value.name for value in [*model.graph.input, *model.graph.initializer]]


def _check_operators(model: ModelProto) -> None:
    """Refuse operators for which ONNX Runtime has no schema, with node and domain in the message."""
    known = known_operators()
    for node in walk(model.graph.node):
        domain = "" if node.domain in ONNX_DOMAINS else node.domain
        if (domain, node.op_type) not in known:
            raise Unsupported(
                f"operator {node.op_type!r} of domain {domain or 'ai.onnx'!r} (node {node.name or '(no name)'!r}) is "
                "not known to ONNX Runtime: export the model with standard ONNX operators"
            )


def _check_expansion(model: ModelProto) -> None:
    """Refuse functions that call themselves or expand to more than `LARGEST_EXPANSION` nodes."""
    functions = {(function.domain, function.name): function for function in model.functions}
    sizes: dict[tuple[str, str], int] = {}
    open_functions: set[tuple[str, str]] = set()

    def size(key: tuple[str, str]) -> int:
        if key in open_functions:
            raise FormatError(f"the function {key[1]!r} of domain {key[0]!r} calls itself")
        if len(open_functions) > DEEPEST_NESTING:
            raise FormatError(f"the functions of the model are nested more than {DEEPEST_NESTING} deep")
        if key not in sizes:
            open_functions.add(key)
            sizes[key] = total(functions[key].node)
            open_functions.remove(key)
        return sizes[key]

    def total(nodes: Iterable[NodeProto]) -> int:
        keys = [(node.domain, node.op_type) for node in walk(nodes)]
        count = sum(size(key) if key in functions else 1 for key in keys)
        if count > LARGEST_EXPANSION:
            raise FormatError(f"the functions of the model expand to more than {LARGEST_EXPANSION} nodes")
        return count

    total(model.graph.node)


def _fill_sparse(model: ModelProto) -> None:
    """Turn sparse initialisers into dense ones (their size was bounded when the file was read)."""
    for sparse in model.graph.sparse_initializer:
        values = numpy_helper.to_array(sparse.values)
        indices = numpy_helper.to_array(sparse.indices).astype(np.int64)
        shape = tuple(sparse.dims)
        dense = np.zeros(math.prod(shape), values.dtype)
        flat = indices if indices.ndim == 1 else np.ravel_multi_index(tuple(indices.T), shape, mode="clip")
        if flat.shape != values.shape or (flat.size and (flat.min() < 0 or flat.max() >= dense.size)):
            raise FormatError(f"the sparse initialiser {sparse.values.name!r} has indices outside its shape {shape}")
        dense[flat] = values
        model.graph.initializer.append(numpy_helper.from_array(dense.reshape(shape), sparse.values.name))
    model.graph.ClearField("sparse_initializer")


def _prune(model: ModelProto) -> None:
    """Drop nodes that no output depends on and initialisers that no node uses; order initialisers by first use."""
    graph = model.graph
    needed = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(free_names(node))
    replace_nodes(graph, reversed(kept))
    held = {tensor.name: tensor for tensor in graph.initializer}
    used = [name for node in graph.node for name in free_names(node)] + [output.name for output in graph.output]
    ordered = [held[name] for name in dict.fromkeys(used) if name in held]
    copies = [type(tensor).FromString(tensor.SerializeToString()) for tensor in ordered]
    del graph.initializer[:]
    graph.initializer.extend(copies)


def _name_nodes(model: ModelProto) -> None:
    """Give every node of the main graph a name of its own, keeping the names that it can."""
    taken: set[str] = set()
    for position, node in enumerate(model.graph.node):
        base = node.name or f"{node.op_type}_{position}"
        name, count = base, 1
        while name in taken:
            count += 1
            name = f"{base}_{count}"
        taken.add(name)
        node.name = name


def _tidy(model: ModelProto) -> None:
    """Drop what does not change the result: comments, traces of the exporter, declared shapes in between."""
    graph = model.graph
    for tensor in tensors(model):
        tensor.ClearField("doc_string")
    for node in walk(graph.node):
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
        for attribute in node.attribute:
            attribute.ClearField("doc_string")
        for inner in subgraphs(node):
            inner.ClearField("doc_string")
            inner.ClearField("metadata_props")
    for field in ("doc_string", "metadata_props", "value_info", "quantization_annotation"):
        graph.ClearField(field)
    for field in ("doc_string", "metadata_props", "training_info"):
        model.ClearField(field)
    model.metadata_props.add(key=MARK, value=VERSION)
