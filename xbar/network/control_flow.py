"""Inline the branch of an If whose condition is constant."""

from collections.abc import Callable

from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper

from xbar.network.constant_folding import Constants, lift_constants
from xbar.network.graph import attributes, replace_nodes, subgraphs, walk


def inline_constant_ifs(model: ModelProto) -> bool:
    """Replace each If with a constant condition by the branch that it always takes; say whether there was one."""
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[NodeProto] = []
    found = False
    unused = _fresh_names(graph)
    for node in graph.node:
        branch = _taken_branch(node, constants)
        if branch is None:
            nodes.append(node)
            continue
        found = True
        body, outputs = _renamed(branch, unused)
        graph.initializer.extend(body.initializer)
        graph.sparse_initializer.extend(body.sparse_initializer)
        nodes.extend(body.node)
        nodes += [
            helper.make_node("Identity", [inner], [outer], name=unused(f"{node.name or 'If'}/{outer}"))
            for inner, outer in zip(outputs, node.output, strict=True)
            if outer
        ]
    if found:
        replace_nodes(graph, nodes)
        lift_constants(graph)
    return found


def _taken_branch(node: NodeProto, constants: Constants) -> GraphProto | None:
    """Return the branch that a node always takes, or None if that is not known."""
    if node.op_type != "If" or node.input[0] not in constants:
        return None
    condition = numpy_helper.to_array(constants[node.input[0]])
    if condition.size != 1:
        return None
    branch: GraphProto | None = attributes(node).get("then_branch" if condition.reshape(())[()] else "else_branch")
    return branch if branch is not None and len(branch.output) == len(node.output) else None


def _fresh_names(graph: GraphProto) -> Callable[[str], str]:
    """Return a function that makes a name unique among all names of a graph and those that it gave before."""
    taken = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    taken |= {name for node in walk(graph.node) for name in [node.name, *node.output]}

    def fresh(name: str) -> str:
        candidate, count = name, 0
        while candidate in taken:
            count += 1
            candidate = f"{name}_{count}"
        taken.add(candidate)
        return candidate

    return fresh


def _renamed(branch: GraphProto, fresh: Callable[[str], str]) -> tuple[GraphProto, list[str]]:
    """Return a copy of a branch whose own tensors have names unique in the outer graph, and its outputs' names."""
    body = GraphProto()
    body.CopyFrom(branch)
    names: dict[str, str] = {}
    for tensor in [*body.initializer, *(sparse.values for sparse in body.sparse_initializer)]:
        names[tensor.name] = tensor.name = fresh(f"{branch.name}/{tensor.name}")
    for node in body.node:
        for name in node.output:
            if name:
                names[name] = fresh(f"{branch.name}/{name}")
    _rename(body, names)
    return body, [names.get(output.name, output.name) for output in branch.output]


def _rename(graph: GraphProto, names: dict[str, str]) -> None:
    """Rename tensors throughout a graph; names that a subgraph defines itself hide the outer ones."""
    for node in graph.node:
        for fields in (node.input, node.output):
            renamed = [names.get(name, name) for name in fields]
            del fields[:]
            fields.extend(renamed)
        for inner in subgraphs(node):
            own = {value.name for value in inner.input} | {tensor.name for tensor in inner.initializer}
            own |= {name for child in inner.node for name in child.output}
            visible = {old: new for old, new in names.items() if old not in own}
            _rename(inner, visible)
            for output in inner.output:
                output.name = visible.get(output.name, output.name)
