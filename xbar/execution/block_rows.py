"""The input vectors of one block of samples, and the way back from products to a node's output tensor."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from xbar.network.analog_node import AnalogNode
from xbar.network.blocks import Block
from xbar.random import event


@dataclass(frozen=True)
class BlockRows:
    """The input vectors of one block, of its real samples alone: those that only fill the block are not driven."""

    x: NDArray[Any]
    block: Block
    rows: list[NDArray[np.float32]]
    """For each matrix of the node `(vectors, width)`."""
    each: int
    """Vectors of one sample; 0 where samples cannot be told apart, and the whole block is driven."""

    @classmethod
    def of(cls, rows: list[NDArray[np.float32]], x: NDArray[Any], block: Block) -> Self:
        """Return the rows of a gathered block, without those of samples that only fill it."""
        samples = x.shape[0] if x.ndim else 0
        each = len(rows[0]) // samples if samples and len(rows[0]) % samples == 0 else 0
        if each:
            rows = [r[block.valid.start * each : block.valid.stop * each] for r in rows]
        return cls(x, block, rows, each)

    def events(self, node: AnalogNode) -> NDArray[np.uint64]:
        """Return the numbers of the input vectors: sample, node, position in the sample."""
        if not self.each:
            vectors = len(self.rows[0])
            return event(np.full(vectors, self.block.first), node.index, np.arange(vectors))
        real = np.arange(self.block.first + self.block.valid.start, self.block.first + self.block.valid.stop)
        return event(np.repeat(real, self.each), node.index, np.tile(np.arange(self.each), len(real)))

    def whole(self, products: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the products of the full block: zeros for the samples that only fill it."""
        vectors = self.x.shape[0] * self.each
        if not self.each or len(products) == vectors:
            return np.ascontiguousarray(products)
        full = np.zeros((vectors, products.shape[1]), np.float32)
        full[self.block.valid.start * self.each : self.block.valid.stop * self.each] = products
        return full

    def node_output(self, node: AnalogNode, products: Sequence[NDArray[np.float32]]) -> NDArray[Any]:
        """Return the node's output tensor of the full block."""
        return node.scatter([self.whole(product) for product in products], self.x)
