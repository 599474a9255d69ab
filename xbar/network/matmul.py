"""MatMul with one constant operand, plain or stacked, on the right or on the left."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto

from xbar.network.analog_node import AnalogNode, StaysDigital, constant_floats, fill_rows
from xbar.network.matrix import Matrix


@dataclass(frozen=True, eq=False)
class MatMul(AnalogNode):
    """The ONNX operator MatMul, y = x W, or y = W x computed as its transpose x^T W^T."""

    left: bool
    """The constant stands on the left."""
    vector: bool
    """The constant is a vector, so the axis of the outputs disappears."""
    stack: tuple[int, ...]
    """Batch axes of the constant; one matrix for each entry."""

    @classmethod
    def from_onnx(cls, node: NodeProto, constants: Mapping[str, TensorProto], index: int) -> Self:
        """Build from an ONNX MatMul with exactly one constant operand."""
        constant = [name in constants for name in node.input]
        if all(constant):
            raise StaysDigital("both operands are constant")
        if not any(constant):
            raise StaysDigital("both operands are computed: no constant weights")
        left = constant[0]
        weights = constant_floats(node.input[0 if left else 1], constants, "weights")
        if not weights.ndim or not weights.size:
            raise StaysDigital(f"its weights have the shape {list(weights.shape)}, not a matrix")
        vector = weights.ndim == 1
        if vector:
            weights = weights[:, None]
        elif left:
            weights = np.swapaxes(weights, -1, -2)
        stack = weights.shape[:-2]
        return cls(
            name=node.name,
            op=node.op_type,
            index=index,
            input=node.input[1 if left else 0],
            output=node.output[0],
            matrices=tuple(Matrix.of(weights[entry]) for entry in np.ndindex(*stack)),
            left=left,
            vector=vector,
            stack=stack,
        )

    def _operand(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return the input as (..., rows, inputs), with the batch axes of input and stack broadcast together."""
        inputs = self.matrices[0].weights.shape[0]
        operand = x[None, :] if x.ndim == 1 else np.swapaxes(x, -1, -2) if self.left else x
        if not x.ndim or operand.shape[-1] != inputs:
            raise self._wrong_shape(x, f"[..., {inputs}, rows]" if self.left else f"[..., rows, {inputs}]")
        try:
            batch = np.broadcast_shapes(operand.shape[:-2], self.stack)
        except ValueError:
            raise self._wrong_shape(x, f"that broadcasts with the stack {list(self.stack)} of its weights") from None
        return np.broadcast_to(operand, (*batch, *operand.shape[-2:]))

    def _entries(self) -> list[tuple[Any, ...]]:
        """Return, for each matrix, the index of its part of an operand or result."""
        return [
            (
                ...,
                *(slice(None) if size == 1 else place for size, place in zip(self.stack, entry, strict=True)),
                slice(None),
                slice(None),
            )
            for entry in np.ndindex(*self.stack)
        ]

    def gather(self, x: NDArray[Any], widths: Sequence[int] | None = None) -> list[NDArray[np.float32]]:
        """Return the vectors along the contracted axis, for every matrix those that meet it."""
        operand = self._operand(x)
        return [
            fill_rows(operand[entry].reshape(-1, operand.shape[-1]), width)
            for entry, width in zip(self._entries(), self._widths(widths), strict=True)
        ]

    def scatter(self, products: Sequence[NDArray[np.float32]], x: NDArray[Any]) -> NDArray[Any]:
        """Put the products where ONNX expects them."""
        operand = self._operand(x)
        outputs = self.matrices[0].weights.shape[1]
        entries = self._entries()
        rows = math.prod(operand.shape[:-1]) // max(1, math.prod(self.stack))
        self._check_products(products, rows)
        result = np.empty((*operand.shape[:-1], outputs), x.dtype)
        for entry, product in zip(entries, products, strict=True):
            result[entry] = product.reshape(result[entry].shape)
        if x.ndim == 1:
            result = result[..., 0, :]
        elif self.left:
            result = np.swapaxes(result, -1, -2)
        if self.vector:
            result = result[..., 0, :] if self.left and x.ndim > 1 else result[..., 0]
        return np.asarray(result, order="C")
