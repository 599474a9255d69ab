"""A network: ONNX graph in normal form, its analog nodes, and the digital segments between them."""

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

from xbar.errors import Unsupported
from xbar.network.blocks import SAMPLES, Block, TensorSpec, cut_blocks, trim
from xbar.network.coverage import place_nodes
from xbar.network.model_file import parse_model, read_model
from xbar.network.normalise import normalise
from xbar.network.segments import Analog, cut_levels, run_levels
from xbar.network.session import check_onnxruntime, open_session, run_session

LARGEST_BLOCK = 2**28
"""Values of the largest block of inputs that a model may fix by its shapes."""


def load_network(path: str | Path) -> "Network":
    """Read an `.onnx` file.

    Args:
        path: the file; external data may lie in its folder.

    Raises:
        FileError: there is no such file, or it cannot be read.
        FormatError: it is not a valid ONNX model, or weights are NaN or infinite.
        Unsupported: no node can be mapped, or ONNX Runtime is missing or does not know an operator.
    """
    check_onnxruntime()
    return Network(normalise(read_model(Path(path))))


class Network:
    """A network cut into analog nodes and digital segments; safe to share between threads.

    Attributes:
        model_bytes: the normalised model, serialised deterministically.
        sha256: its hash, in hexadecimal.
        inputs: name, type and shape of every input.
        outputs: names of the outputs.
        nodes: the analog nodes in topological order; `node.index` is the position.
        report: for every node of the normalised graph where it runs and why.
        block: samples of one digital block: 20, or the fixed batch of the model.
    """

    def __init__(self, model: ModelProto) -> None:
        """Build from a normalised model (`from_bytes` and `load_network` do that)."""
        self.model_bytes: bytes = model.SerializeToString(deterministic=True)
        self.sha256 = hashlib.sha256(self.model_bytes).hexdigest()
        self.inputs = tuple(_spec(value) for value in model.graph.input)
        self.outputs = tuple(output.name for output in model.graph.output)
        self.block, fixed = _block(self.inputs)
        self._reference = open_session(self.model_bytes, "the model")
        analog, self.report = place_nodes(model, self.block if fixed else 1)
        self.nodes = tuple(analog.values())
        self._levels = cut_levels(model, analog)
        held = {tensor.name: tensor for tensor in model.graph.initializer}
        self._constants = {name: numpy_helper.to_array(held[name]) for name in self.outputs if name in held}

    def __repr__(self) -> str:
        """Return one line."""
        inputs = ", ".join(spec.name for spec in self.inputs)
        return f"<Network: {len(self.nodes)} analog nodes, {inputs} -> {', '.join(self.outputs)}>"

    @classmethod
    def from_bytes(cls, model_bytes: bytes) -> Self:
        """Build from a serialised ONNX model without external data, normalised or not.

        Normalised bytes give the same bytes, nodes, names and matrices.

        Raises:
            FormatError, Unsupported: see `load_network`.
        """
        check_onnxruntime()
        return cls(normalise(parse_model(model_bytes, "the network")))

    def blocks(self, inputs: Mapping[str, NDArray[Any]], first: int = 0) -> list[Block]:
        """Cut input arrays into full blocks aligned to the sample index.

        Args:
            inputs: array by input name; axis 0 is the samples.
            first: index of the first sample.

        Raises:
            InputError: a name, shape, type or value does not fit the model.
        """
        return cut_blocks(self.inputs, inputs, first, self.block)

    def run(
        self, blocks: Sequence[Block], analog: Analog, pool: Executor | None = None
    ) -> list[dict[str, NDArray[Any]]]:
        """Run the network with the analog nodes in the hands of `analog`.

        Args:
            blocks: full blocks of samples, from `blocks`.
            analog: called once for each analog node, in order, with its input tensor of every block.
            pool: executor over which the blocks of a digital segment are mapped.

        Returns:
            For each block the outputs by name, not trimmed (see `trim`).

        Raises:
            InputError: `analog` returned something else than one tensor for each block.
            Unsupported: ONNX Runtime failed in a digital segment.
        """
        tensors = run_levels(self._levels, blocks, self._constants, analog, pool)
        return [{name: held[name] for name in self.outputs} for held in tensors]

    def reference(self, blocks: Sequence[Block], pool: Executor | None = None) -> list[dict[str, NDArray[Any]]]:
        """Run the whole network digitally in one session: what the analog result is compared with.

        Args:
            blocks: full blocks of samples, from `blocks`.
            pool: executor over which the blocks are mapped.

        Raises:
            Unsupported: ONNX Runtime failed.
        """

        def whole(block: Block) -> dict[str, NDArray[Any]]:
            results = run_session(self._reference, self.outputs, block.feeds, "the digital network")
            return dict(zip(self.outputs, results, strict=True))

        return list((pool.map if pool else map)(whole, blocks))

    @staticmethod
    def trim(blocks: Sequence[Block], results: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
        """Join the outputs of all blocks without the samples that only fill them; see `xbar.network.trim`."""
        return trim(blocks, results)


def _spec(value: ValueInfoProto) -> TensorSpec:
    """Return what the model says about an input."""
    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type") or kind.elem_type == TensorProto.UNDEFINED:
        raise Unsupported(f"the input {value.name!r} is not a tensor: export the model with tensors as inputs")
    if not kind.HasField("shape"):
        raise Unsupported(
            f"the input {value.name!r} declares no shape: export the model with shapes (axes may be open)"
        )
    dtype = (
        np.dtype(object) if kind.elem_type == TensorProto.STRING else helper.tensor_dtype_to_np_dtype(kind.elem_type)
    )
    shape = tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim)
    if any(size is not None and size < 1 for size in shape):
        shape = tuple(None if size is not None and size < 1 else size for size in shape)  # 0 and -1: older exporters
    return TensorSpec(value.name, dtype, shape)


def _block(inputs: Sequence[TensorSpec]) -> tuple[int, bool]:
    """Return the samples of a block, and whether the model fixes them."""
    if not inputs:
        raise Unsupported("the network has no input: there is nothing to run it on")
    fixed = {spec.name: spec.shape[0] for spec in inputs if spec.shape and spec.shape[0]}
    sizes = sorted({size for size in fixed.values() if size})
    if len(sizes) > 1:
        raise Unsupported(f"the inputs fix different batches on axis 0: {fixed}. Export the model with an open batch")
    block = sizes[0] if sizes else SAMPLES
    for spec in inputs:
        count = block
        for size in spec.shape[1:]:
            count *= size or 1
        if count > LARGEST_BLOCK:
            raise Unsupported(
                f"the input {spec.name!r} has the shape {list(spec.shape)}: a block of {block} samples would hold "
                f"{count} values; at most {LARGEST_BLOCK} are accepted"
            )
    return block, bool(sizes)
