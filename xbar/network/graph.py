"""Walks over ONNX graphs: attributes, subgraphs, the tensors and the names that a node needs."""

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import Any

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto, helper

from xbar.errors import FormatError

ONNX_DOMAINS = ("", "ai.onnx")
"""The two spellings of the standard operator set's domain."""


def attributes(node: NodeProto) -> dict[str, Any]:
    """Return the attributes of a node by name, as Python values."""
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def subgraphs(node: NodeProto) -> list[GraphProto]:
    """Return the graphs that a node carries: the branches of If, the bodies of Loop and Scan."""
    found: list[GraphProto] = []
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            found.append(attribute.g)
        elif attribute.type == AttributeProto.GRAPHS:
            found.extend(attribute.graphs)
    return found


def walk(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """Yield every node and the nodes of its subgraphs, at any depth."""
    for node in nodes:
        yield node
        for graph in subgraphs(node):
            yield from walk(graph.node)


def free_names(node: NodeProto) -> list[str]:
    """Return the tensors that a node takes from outside, those of its subgraphs included, without repeats."""
    names = [name for name in node.input if name]
    for graph in subgraphs(node):
        names += captured_names(graph)
    return list(dict.fromkeys(names))


def captured_names(graph: GraphProto) -> list[str]:
    """Return the tensors that a subgraph takes from the graph around it."""
    inner = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    inner |= {sparse.values.name for sparse in graph.sparse_initializer}
    names: list[str] = []
    for node in graph.node:
        names += [name for name in free_names(node) if name not in inner]
        inner |= set(node.output)
    names += [output.name for output in graph.output if output.name not in inner]
    return list(dict.fromkeys(names))


def tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Yield every tensor of a model that holds data: initialisers and attributes, at any depth, functions included."""
    yield from _graph_tensors(model.graph)
    for function in model.functions:
        yield from _node_tensors(function.node)


def sparse_tensors(model: ModelProto) -> Iterator[SparseTensorProto]:
    """Yield every sparse tensor of a model, at any depth."""
    yield from model.graph.sparse_initializer
    for node in walk([*model.graph.node, *(node for function in model.functions for node in function.node)]):
        for attribute in node.attribute:
            yield from attribute.sparse_tensors
            if attribute.HasField("sparse_tensor"):
                yield attribute.sparse_tensor
        for graph in subgraphs(node):
            yield from graph.sparse_initializer


def _graph_tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _node_tensors(graph.node)


def _node_tensors(nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            sparse = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
            for tensor in [*sparse, *attribute.sparse_tensors]:
                yield from (tensor.values, tensor.indices)
        for graph in subgraphs(node):
            yield from _graph_tensors(graph)


def replace_nodes(graph: GraphProto, nodes: Iterable[NodeProto]) -> None:
    """Put `nodes` in the place of all nodes of `graph`."""
    kept = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)


def sort_nodes(graph: GraphProto, known: Iterable[str]) -> None:
    """Order the nodes of a graph so that producers stand before consumers, keeping the given order where it can.

    Args:
        graph: the graph, changed in place.
        known: tensors that exist before the first node: inputs and initialisers.

    Raises:
        FormatError: a tensor is produced by nothing or more than once, or the graph has a cycle.
    """
    producer: dict[str, int] = {}
    inputs = set(known)
    for position, node in enumerate(graph.node):
        for name in node.output:
            if name and (name in producer or name in inputs):
                raise FormatError(f"the tensor {name!r} is produced more than once: the model is not valid ONNX")
            producer[name] = position
    consumers: dict[int, list[int]] = {}
    unmet = []
    for position, node in enumerate(graph.node):
        needed = [name for name in free_names(node) if name not in inputs]
        lost = [name for name in needed if name not in producer]
        if lost:
            raise FormatError(
                f"node {node.name or node.op_type!r} needs the tensor {lost[0]!r}, which nothing produces"
            )
        sources = {producer[name] for name in needed}
        unmet.append(len(sources))
        for source in sources:
            consumers.setdefault(source, []).append(position)
    ready = [position for position, count in enumerate(unmet) if count == 0]
    order: list[int] = []
    while ready:
        position = heappop(ready)
        order.append(position)
        for consumer in consumers.get(position, []):
            unmet[consumer] -= 1
            if unmet[consumer] == 0:
                heappush(ready, consumer)
    if len(order) < len(graph.node):
        stuck = next(node for node, count in zip(graph.node, unmet, strict=True) if count)
        raise FormatError(f"the graph has a cycle through node {stuck.name or stuck.op_type!r}")
    replace_nodes(graph, [graph.node[position] for position in order])
