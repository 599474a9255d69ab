"""An analog node: a linear operator of the network with constant weights, run as matrix products on arrays."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, numpy_helper

from xbar.errors import FormatError, InputError
from xbar.network.matrix import Matrix

FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)
"""Weight types that can be mapped."""


class StaysDigital(Exception):
    """Say why a node of a linear operator is not analog; caught when the graph is cut, never seen by users."""


@dataclass(frozen=True, eq=False)
class AnalogNode(ABC):
    """One linear operator: digital gathering, one product per matrix, digital scattering.

    The rows of `gather` stand in the order of the input tensor's axes. With axis 0 the samples, row r of M
    belongs to sample r // (M // samples) wherever the samples divide M.
    """

    name: str
    """Name of the ONNX node, unique in the network."""
    op: str
    """ONNX operator."""
    index: int
    """Position in `Network.nodes`."""
    input: str
    """Tensor that the node takes."""
    output: str
    """Tensor that the node gives."""
    matrices: tuple[Matrix, ...]
    """One matrix; a convolution has one per group, a stacked constant MatMul one per entry of the stack."""

    @classmethod
    @abstractmethod
    def from_onnx(cls, node: NodeProto, constants: Mapping[str, TensorProto], index: int) -> Self:
        """Build the analog node of an ONNX node.

        Raises:
            StaysDigital: this node cannot be mapped; the message is the reason.
            FormatError: a weight is NaN or infinite.
        """

    @abstractmethod
    def gather(self, x: NDArray[Any], widths: Sequence[int] | None = None) -> list[NDArray[np.float32]]:
        """Return the input vectors of every matrix.

        Args:
            x: input tensor of one block.
            widths: columns wanted for each matrix, at least its inputs; the rest is zero. Default: its inputs.

        Returns:
            Per matrix a C-contiguous (rows, width) array. It may share memory with `x`: do not write into it.

        Raises:
            InputError: `x` does not have the shape that the node needs, or a width is too small.
        """

    @abstractmethod
    def scatter(self, products: Sequence[NDArray[np.float32]], x: NDArray[Any]) -> NDArray[Any]:
        """Return the output tensor, in the type of `x`, from the products (rows, outputs) of every matrix.

        Raises:
            InputError: a product does not have the shape that belongs to `x`.
        """

    def _widths(self, widths: Sequence[int] | None) -> list[int]:
        """Return the width of the gathered rows of every matrix."""
        inputs = [matrix.weights.shape[0] for matrix in self.matrices]
        if widths is None:
            return inputs
        if len(widths) != len(inputs) or any(width < least for width, least in zip(widths, inputs, strict=True)):
            raise InputError(f"node {self.name!r} needs widths of at least {inputs}, not {list(widths)}")
        return list(widths)

    def _wrong_shape(self, x: NDArray[Any], expected: str) -> InputError:
        """Return the error for an input tensor of a shape that does not fit the weights."""
        return InputError(f"node {self.name!r} ({self.op}) needs an input of shape {expected}, not {list(x.shape)}")

    def _check_products(self, products: Sequence[NDArray[np.float32]], rows: int) -> None:
        """Refuse products that do not belong to this node and input."""
        expected = [(rows, matrix.weights.shape[1]) for matrix in self.matrices]
        given = [product.shape for product in products]
        if given != expected:
            raise InputError(f"node {self.name!r} needs products of shapes {expected}, not {given}")


def fill_rows(rows: NDArray[Any], width: int) -> NDArray[np.float32]:
    """Return rows (M, K) as a C-contiguous float32 array (M, width), zero beyond K."""
    if width == rows.shape[1]:
        return np.ascontiguousarray(rows, np.float32)
    filled = np.empty((rows.shape[0], width), np.float32)
    filled[:, : rows.shape[1]] = rows
    filled[:, rows.shape[1] :] = 0
    return filled


def constant_floats(name: str, constants: Mapping[str, TensorProto], what: str) -> NDArray[np.float32]:
    """Return a constant as float32 array.

    Args:
        name: tensor name.
        constants: the initialisers of the graph.
        what: "weights" or "bias", for the reason.

    Raises:
        StaysDigital: the tensor is computed, or of a type that cannot be mapped.
        FormatError: a value is NaN, infinite, or infinite in float32.
    """
    if name not in constants:
        raise StaysDigital(f"no constant {what}: {name!r} is computed")
    tensor = constants[name]
    if tensor.data_type not in FLOATS:
        raise StaysDigital(f"{what} of type {TensorProto.DataType.Name(tensor.data_type)}, not float")
    with np.errstate(over="ignore"):
        values: NDArray[np.float32] = numpy_helper.to_array(tensor).astype(np.float32)
    nans, infinities = int(np.count_nonzero(np.isnan(values))), int(np.count_nonzero(np.isinf(values)))
    if nans or infinities:
        raise FormatError(
            f"the initialiser {name!r} ({what}) holds {nans} NaN and {infinities} infinite values among "
            f"{values.size}: only finite weights can be mapped; train or export the network again"
        )
    return values


def ideal(node: AnalogNode, xs: Sequence[NDArray[Any]], blocks: Sequence[Any]) -> list[NDArray[Any]]:
    """Run an analog node with float32 products and no array: the callback that should equal the digital network."""
    outputs = []
    for x in xs:
        rows = node.gather(x)
        products = [row @ matrix.weights for row, matrix in zip(rows, node.matrices, strict=True)]
        outputs.append(node.scatter(products, x))
    return outputs
