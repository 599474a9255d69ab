"""Cut a graph into levels: one digital segment, then the analog nodes that it feeds.

The level of a tensor is the number of analog nodes on its longest path from the inputs. All digital nodes of a level
are one session; all analog nodes of a level are independent of each other. Skip connections and branches need
nothing special.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, TypeProto, ValueInfoProto, helper

from xbar.errors import InputError
from xbar.network.analog_node import AnalogNode
from xbar.network.blocks import Block
from xbar.network.graph import free_names
from xbar.network.session import open_session, run_session

Analog = Callable[[AnalogNode, Sequence[NDArray[Any]], Sequence[Block]], list[NDArray[Any]]]
"""Runs an analog node: gets its input tensor of every block, returns its output tensor of every block."""

_ELEMENT_TYPES = {
    "bool": TensorProto.BOOL,
    "bfloat16": TensorProto.BFLOAT16,
    "double": TensorProto.DOUBLE,
    "float": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "int16": TensorProto.INT16,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "int8": TensorProto.INT8,
    "string": TensorProto.STRING,
    "uint16": TensorProto.UINT16,
    "uint32": TensorProto.UINT32,
    "uint64": TensorProto.UINT64,
    "uint8": TensorProto.UINT8,
}
"""Element types by the names that ONNX Runtime prints."""


@dataclass(frozen=True, eq=False)
class Segment:
    """The digital nodes of one level as one session."""

    session: Any
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    name: str

    def run(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """Return the outputs of the segment by name."""
        feeds = {name: tensors[name] for name in self.inputs}
        return dict(zip(self.outputs, run_session(self.session, self.outputs, feeds, self.name), strict=True))


@dataclass(frozen=True, eq=False)
class Level:
    """A digital segment, where there is one, and the analog nodes after it."""

    segment: Segment | None
    analog: tuple[AnalogNode, ...]
    done_after_segment: tuple[str, ...]
    """Tensors that nobody needs once the segment has run."""
    done_after_analog: tuple[tuple[str, ...], ...]
    """For each analog node, the tensors that nobody needs once it has run."""


def cut_levels(model: ModelProto, analog: Mapping[int, AnalogNode]) -> tuple[Level, ...]:
    """Cut a normalised graph at its analog nodes and open a session for each digital segment.

    Args:
        model: normalised model, nodes sorted.
        analog: analog nodes by position in the graph.

    Raises:
        Unsupported: ONNX Runtime refuses a segment.
    """
    digital: dict[int, list[NodeProto]] = defaultdict(list)
    nodes: dict[int, list[AnalogNode]] = defaultdict(list)
    level: dict[str, int] = {}
    for position, node in enumerate(model.graph.node):
        here = max((level.get(name, 0) for name in free_names(node)), default=0)
        built = analog.get(position)
        if built is None:
            digital[here].append(node)
        else:
            nodes[here].append(built)
        level.update(dict.fromkeys(node.output, here + (built is not None)))
    wanted = {output.name for output in model.graph.output}
    wanted |= {node.input for node in analog.values()}
    last_digital = {name: number for number in sorted(digital) for node in digital[number] for name in free_names(node)}
    types = {value.name: value.type for value in model.graph.input}
    count = max([*digital, *nodes]) + 1
    segments: dict[int, Segment] = {}
    for number in range(count):
        if digital[number]:
            produced = [name for node in digital[number] for name in node.output if name]
            outputs = [name for name in produced if name in wanted or last_digital.get(name, -1) > number]
            segments[number] = _open_segment(model, number, digital[number], outputs, types)
        for built in nodes[number]:
            types[built.output] = types[built.input]
    kept = {output.name for output in model.graph.output}
    return tuple(reversed(list(_levels_backwards(range(count), segments, nodes, kept))))


def _levels_backwards(
    numbers: range, segments: Mapping[int, Segment], nodes: Mapping[int, list[AnalogNode]], kept: set[str]
) -> Iterable[Level]:
    """Yield the levels from the last to the first, with the tensors whose last consumer stands there."""
    seen = set(kept)

    def last_use(names: Iterable[str]) -> tuple[str, ...]:
        fresh = tuple(name for name in names if name not in seen)
        seen.update(fresh)
        return fresh

    for number in reversed(numbers):
        after_analog = [last_use([node.input]) for node in reversed(nodes.get(number, []))]
        segment = segments.get(number)
        after_segment = last_use(segment.inputs) if segment else ()
        yield Level(segment, tuple(nodes.get(number, [])), after_segment, tuple(reversed(after_analog)))


def _open_segment(
    model: ModelProto, number: int, nodes: Sequence[NodeProto], outputs: Sequence[str], types: dict[str, TypeProto]
) -> Segment:
    """Open the session of one segment; add the types of its outputs to `types`."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    used = list(dict.fromkeys(name for node in nodes for name in free_names(node)))
    produced = {name for node in nodes for name in node.output}
    inputs = [name for name in used if name not in constants and name not in produced]
    graph = helper.make_graph(
        nodes,
        f"segment_{number}",
        [ValueInfoProto(name=name, type=_without_shape(types[name])) for name in inputs],
        [ValueInfoProto(name=name) for name in outputs],  # without a type: ONNX Runtime infers it
        [constants[name] for name in used if name in constants],
    )
    part = helper.make_model(graph, opset_imports=list(model.opset_import), ir_version=model.ir_version)
    name = f"digital segment {number}"
    session = open_session(part.SerializeToString(), name)
    for value in session.get_outputs():
        types[value.name] = _parse_type(value.type)
    return Segment(session, tuple(inputs), tuple(outputs), name)


def _without_shape(kind: TypeProto) -> TypeProto:
    """Return a type without its shape: blocks give the batch, and declared shapes may be wrong."""
    bare = TypeProto()
    bare.CopyFrom(kind)
    if bare.HasField("tensor_type"):
        bare.tensor_type.ClearField("shape")
    return bare


def _parse_type(text: str) -> TypeProto:
    """Return the type that ONNX Runtime prints as `tensor(float)` or `seq(tensor(float))`.

    A type that has no such form gives an empty one: the session that takes it as an input then refuses it.
    """
    match = re.fullmatch(r"(tensor|seq)\((.+)\)", text)
    if match and match[1] == "tensor" and match[2] in _ELEMENT_TYPES:
        return helper.make_tensor_type_proto(_ELEMENT_TYPES[match[2]], None)
    if match and match[1] == "seq":
        return helper.make_sequence_type_proto(_parse_type(match[2]))
    return TypeProto()


def run_levels(
    levels: Sequence[Level],
    blocks: Sequence[Block],
    constants: Mapping[str, NDArray[Any]],
    analog: Analog,
    pool: Executor | None,
) -> list[dict[str, Any]]:
    """Run all levels over all blocks; return for every block the tensors that are left: the outputs of the network.

    Args:
        levels: the cut graph.
        blocks: full blocks of samples.
        constants: outputs of the network that depend on no input.
        analog: runs an analog node over all blocks.
        pool: maps the blocks of a digital segment; None runs them one after the other.

    Raises:
        InputError: `analog` returned something else than one tensor for each block.
        Unsupported: ONNX Runtime failed in a segment.
    """
    tensors: list[dict[str, Any]] = [{**constants, **block.feeds} for block in blocks]
    for level in levels:
        if level.segment is not None:
            results = (pool.map if pool else map)(level.segment.run, tensors)
            for held, result in zip(tensors, results, strict=True):
                held.update(result)
                _drop(held, level.done_after_segment)
        for node, done in zip(level.analog, level.done_after_analog, strict=True):
            outputs = analog(node, [held[node.input] for held in tensors], blocks)
            if len(outputs) != len(blocks):
                raise InputError(f"node {node.name!r} was given {len(blocks)} blocks but {len(outputs)} came back")
            for held, output in zip(tensors, outputs, strict=True):
                held[node.output] = output
                _drop(held, done)
    return tensors


def _drop(held: dict[str, Any], names: Sequence[str]) -> None:
    """Forget tensors whose last consumer has run."""
    for name in names:
        held.pop(name, None)
