"""Gemm with constant weights: y = alpha x W + beta c."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto

from xbar.network.analog_node import AnalogNode, StaysDigital, constant_floats, fill_rows
from xbar.network.graph import attributes
from xbar.network.matrix import Matrix


@dataclass(frozen=True, eq=False)
class Gemm(AnalogNode):
    """The ONNX operator Gemm; alpha is part of the stored weights, beta of the digital bias."""

    transposed: bool
    """The input is (inputs, rows), not (rows, inputs)."""
    bias: NDArray[np.float32] | None
    """Constant of a shape that broadcasts to (rows, outputs), added digitally."""

    @classmethod
    def from_onnx(cls, node: NodeProto, constants: Mapping[str, TensorProto], index: int) -> Self:
        """Build from an ONNX Gemm whose B, and C where there is one, are constant."""
        options = attributes(node)
        if node.input[0] in constants:
            raise StaysDigital("its first operand is the constant one")
        weights = constant_floats(node.input[1], constants, "weights")
        if weights.ndim != 2 or not weights.size:
            raise StaysDigital(f"its weights have the shape {list(weights.shape)}, not a matrix")
        weights = (weights.T if options.get("transB", 0) else weights) * np.float32(options.get("alpha", 1.0))
        bias = None
        if len(node.input) > 2 and node.input[2]:
            bias = constant_floats(node.input[2], constants, "bias") * np.float32(options.get("beta", 1.0))
        return cls(
            name=node.name,
            op=node.op_type,
            index=index,
            input=node.input[0],
            output=node.output[0],
            matrices=(Matrix.of(weights),),
            transposed=bool(options.get("transA", 0)),
            bias=bias,
        )

    def gather(self, x: NDArray[Any], widths: Sequence[int] | None = None) -> list[NDArray[np.float32]]:
        """Return the rows of `x`."""
        inputs = self.matrices[0].weights.shape[0]
        rows = x.T if self.transposed else x
        if x.ndim != 2 or rows.shape[1] != inputs:
            raise self._wrong_shape(x, f"[{inputs}, rows]" if self.transposed else f"[rows, {inputs}]")
        return [fill_rows(rows, self._widths(widths)[0])]

    def scatter(self, products: Sequence[NDArray[np.float32]], x: NDArray[Any]) -> NDArray[Any]:
        """Add the bias."""
        self._check_products(products, x.shape[1 if self.transposed else 0])
        result = products[0] if self.bias is None else products[0] + self.bias
        return result.astype(x.dtype, copy=False)
