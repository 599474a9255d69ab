"""Conv with constant weights, in any number of dimensions, with groups, strides, dilations and padding.

The inputs of a matrix stand in the order (kernel offsets..., channels): a field is then a few contiguous runs of
the channels-last tensor.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto

from xbar.errors import InputError
from xbar.network.analog_node import AnalogNode, StaysDigital, constant_floats
from xbar.network.graph import attributes
from xbar.network.matrix import Matrix


@dataclass(frozen=True, eq=False)
class Conv(AnalogNode):
    """The ONNX operator Conv; one matrix (kernel size x channels of a group, outputs of a group) for each group."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    """Zeros before and after each axis, where `auto_pad` is NOTSET."""
    auto_pad: str
    """NOTSET, VALID, SAME_UPPER or SAME_LOWER."""
    channels: int
    """Input channels of one group."""
    bias: NDArray[np.float32]
    """(outputs of all groups,)"""

    @classmethod
    def from_onnx(cls, node: NodeProto, constants: Mapping[str, TensorProto], index: int) -> Self:
        """Build from an ONNX Conv whose weights, and bias where there is one, are constant."""
        if node.input[0] in constants:
            raise StaysDigital("its input is constant")
        weights = constant_floats(node.input[1], constants, "weights")
        axes = weights.ndim - 2
        if axes < 1 or not weights.size:
            raise StaysDigital(f"its weights have the shape {list(weights.shape)}")
        options = attributes(node)
        groups = int(options.get("group", 1))
        outputs = weights.shape[0]
        pads = [int(pad) for pad in options.get("pads", [0] * (2 * axes))]
        strides = tuple(int(stride) for stride in options.get("strides", [1] * axes))
        dilations = tuple(int(dilation) for dilation in options.get("dilations", [1] * axes))
        if min(*pads, 0) < 0:
            raise StaysDigital(f"its pads {pads} are negative")
        if groups < 1 or outputs % groups or min(*strides, *dilations) < 1 or len(pads) != 2 * axes:
            raise StaysDigital("its attributes contradict its weights")
        bias = np.zeros(outputs, np.float32)
        if len(node.input) > 2 and node.input[2]:
            bias = constant_floats(node.input[2], constants, "bias").reshape(-1)
        ordered = np.moveaxis(weights, (0, 1), (-1, -2)).reshape(-1, outputs)
        return cls(
            name=node.name,
            op=node.op_type,
            index=index,
            input=node.input[0],
            output=node.output[0],
            matrices=tuple(Matrix.of(part) for part in np.split(ordered, groups, axis=1)),
            kernel=weights.shape[2:],
            strides=strides,
            dilations=dilations,
            pads=tuple(zip(pads[:axes], pads[axes:], strict=True)),
            auto_pad=options.get("auto_pad", b"NOTSET").decode(),
            channels=weights.shape[1],
            bias=bias,
        )

    def _geometry(self, x: NDArray[Any]) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
        """Return the sizes of the output axes and the zeros around each input axis.

        Source: the ONNX operator specification, Conv-11; SAME_LOWER puts the odd zero before.
        """
        if x.ndim != len(self.kernel) + 2 or x.shape[1] != self.channels * len(self.matrices):
            sizes = ", ".join(["samples", str(self.channels * len(self.matrices)), *["size"] * len(self.kernel)])
            raise self._wrong_shape(x, f"[{sizes}]")
        spans = [(size - 1) * dilation + 1 for size, dilation in zip(self.kernel, self.dilations, strict=True)]
        pads = []
        for size, span, stride, given in zip(x.shape[2:], spans, self.strides, self.pads, strict=True):
            total = max((-(-size // stride) - 1) * stride + span - size, 0)
            if self.auto_pad == "SAME_UPPER":
                pads.append((total // 2, total - total // 2))
            elif self.auto_pad == "SAME_LOWER":
                pads.append((total - total // 2, total // 2))
            else:
                pads.append(given if self.auto_pad == "NOTSET" else (0, 0))
        out = tuple(
            (size + sum(pad) - span) // stride + 1
            for size, pad, span, stride in zip(x.shape[2:], pads, spans, self.strides, strict=True)
        )
        if min(out) < 1:
            raise InputError(
                f"node {self.name!r} has a kernel that spans {spans}, larger than its padded input {list(x.shape[2:])}"
            )
        return out, tuple(pads)

    def gather(self, x: NDArray[Any], widths: Sequence[int] | None = None) -> list[NDArray[np.float32]]:
        """Return the field of every output position, sample by sample, in C order of the positions."""
        out, pads = self._geometry(x)
        values = np.ascontiguousarray(x, np.float32)
        copy = self._copy_rows if len(self.kernel) <= 2 else self._copy_rows_strided
        rows = [np.empty((len(x) * math.prod(out), width), np.float32) for width in self._widths(widths)]
        copy(values, rows, out, pads)
        return rows

    def _copy_rows(
        self,
        x: NDArray[np.float32],
        rows: list[NDArray[np.float32]],
        out: tuple[int, ...],
        pads: tuple[tuple[int, int], ...],
    ) -> None:
        """Fill `rows` with the compiled kernels; one axis is an image of one line."""
        from xbar.network import conv_kernel  # numba compiles or loads its cache here, not for `xbar map --help`

        samples, channels = x.shape[:2]
        one = len(self.kernel) == 1
        height, width = (1, *x.shape[2:]) if one else x.shape[2:]
        (top, bottom), (left, right) = ((0, 0), *pads) if one else pads
        kernel_height, kernel_width = (1, *self.kernel) if one else self.kernel
        stride_height, stride_width = (1, *self.strides) if one else self.strides
        dilation_height, dilation_width = (1, *self.dilations) if one else self.dilations
        out_height, out_width = (1, *out) if one else out
        padded_height, padded_width = height + top + bottom, width + left + right
        padded = np.zeros(samples * padded_height * padded_width * channels, np.float32)
        source = (samples, padded_height, padded_width, channels)
        inside = (samples, channels, height, width, padded_height, padded_width, top, left)
        conv_kernel.channels_last(x.reshape(-1), padded, inside)
        joined = len(rows) == 1 and dilation_width == 1
        runs, run = (1, kernel_width * channels) if joined else (kernel_width, self.channels)
        kernel = (kernel_height, runs, run, dilation_width * channels)
        steps = (stride_height, stride_width, dilation_height)
        for group, target in enumerate(rows):
            sizes = (out_height, out_width, target.shape[1], group * self.channels)
            conv_kernel.gather_rows(padded, target.reshape(-1), source, sizes, kernel, steps)

    def _copy_rows_strided(
        self,
        x: NDArray[np.float32],
        rows: list[NDArray[np.float32]],
        out: tuple[int, ...],
        pads: tuple[tuple[int, int], ...],
    ) -> None:
        """Fill `rows` by strided copies in NumPy, for three axes and more."""
        sizes = [size + sum(pad) for size, pad in zip(x.shape[2:], pads, strict=True)]
        padded = np.zeros((len(x), *sizes, x.shape[1]), np.float32)
        inside = tuple(slice(before, before + size) for (before, _), size in zip(pads, x.shape[2:], strict=True))
        padded[(slice(None), *inside)] = np.moveaxis(x, 1, -1)
        steps = padded.strides[1:-1]
        moves = [step * stride for step, stride in zip(steps, self.strides, strict=True)]
        offsets = [step * dilation for step, dilation in zip(steps, self.dilations, strict=True)]
        for group, target in enumerate(rows):
            inputs = self.matrices[group].weights.shape[0]
            part = padded[..., group * self.channels : (group + 1) * self.channels]
            fields = as_strided(
                part,
                (len(x), *out, *self.kernel, self.channels),
                (padded.strides[0], *moves, *offsets, padded.strides[-1]),
                writeable=False,
            )
            target[:, :inputs] = fields.reshape(-1, inputs)
            target[:, inputs:] = 0

    def scatter(self, products: Sequence[NDArray[np.float32]], x: NDArray[Any]) -> NDArray[Any]:
        """Add the bias and put the channels behind the samples."""
        from xbar.network import conv_kernel  # as in _copy_rows

        out, _ = self._geometry(x)
        positions = math.prod(out)
        self._check_products(products, len(x) * positions)
        result = np.empty((len(x), len(self.bias), *out), np.float32)
        first = 0
        for product in products:
            outputs = product.shape[1]
            flat = np.ascontiguousarray(product, np.float32).reshape(-1)
            sizes = (len(x), positions, outputs, len(self.bias), first)
            conv_kernel.scatter_rows(flat, self.bias, result.reshape(-1), sizes)
            first += outputs
        return result.astype(x.dtype, copy=False)
