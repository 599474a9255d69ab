"""Run the samples of a mapped network through a bench, batch by batch."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.bench.bench import Bench
from xbar.execution.clip_counts import ClipCount, Clipped
from xbar.execution.layer_error import LayerErrors
from xbar.execution.layer_product import LayerProduct
from xbar.execution.recalibration import FIRST_SAMPLE, Correction, Recalibrated, Recalibration
from xbar.mapping.decoder import Decoder
from xbar.mapping.mapped_network import MappedNetwork
from xbar.network.analog_node import AnalogNode
from xbar.network.blocks import Block
from xbar.random import event

VECTORS_PER_CALL = 2**17
"""Input vectors of one product at most, unless a single block has more: bounds the memory of a large network."""

Arrays = Mapping[str, NDArray[Any]]


class Runner:
    """A programmed network on a bench.

    Args:
        bench: the bench, programmed with the map.
        mapped: the map.
        gains: what groups of bit lines are multiplied with `(tiles, groups)`, None without drift compensation.
        tiles_per_call: most tiles in one product; the result does not depend on it.
        pool: threads for digital segments and decoding; the result does not depend on them.
        errors: where layer errors are collected, or None.
        corrections: gain and offset of the outputs of layers, by (node, part), from `recalibration`; None has none.

    """

    def __init__(
        self,
        bench: Bench,
        mapped: MappedNetwork,
        *,
        gains: Sequence[NDArray[np.float64]] | None = None,
        tiles_per_call: int | None = None,
        pool: Executor | None = None,
        errors: LayerErrors | None = None,
        corrections: Mapping[tuple[int, int], Correction] | None = None,
    ) -> None:
        self.mapped, self.pool, self.errors = mapped, pool, errors
        self._corrections = dict(corrections or {})
        self._watcher: Recalibration | None = None
        self._parts: dict[int, list[LayerProduct]] = {}
        for layer in mapped.layers:
            matrix = mapped.matrices[layer.matrix]
            decoder = Decoder.of(mapped.encoding, matrix, None if gains is None else gains[layer.matrix])
            count = ClipCount(layer.name)
            product = LayerProduct(bench, layer, matrix, mapped.card.read_voltage, decoder, tiles_per_call, pool, count)
            self._parts.setdefault(layer.node, []).append(product)

    def run(
        self,
        inputs: Arrays,
        batch: int,
        progress: Callable[[int], None] = lambda _: None,
        first_sample: int = 0,
    ) -> dict[str, NDArray[Any]]:
        """Return the network's outputs by name for all samples of `inputs` (axis 0).

        `batch` samples go through the bench together; `progress` is called with the samples done so far. The read
        noise of sample i is that of number `first_sample` + i.
        """
        count = len(next(iter(inputs.values())))
        for counted in self._clip_counts():
            counted.reset()
        parts: list[dict[str, NDArray[Any]]] = []
        for first in range(0, count, batch):
            some = {name: array[first : first + batch] for name, array in inputs.items()}
            blocks = self.mapped.network.blocks(some, first_sample + first)
            results = self.mapped.network.run(blocks, self._analog, self.pool)
            parts.append(self.mapped.network.trim(blocks, results))
            progress(min(first + batch, count))
        return {name: np.concatenate([part[name] for part in parts]) for name in self.mapped.network.outputs}

    @property
    def clipped(self) -> tuple[Clipped, ...]:
        """Get what the converters of each layer clipped in the last run, in the order of the network."""
        return tuple(count.result() for count in self._clip_counts())

    def _clip_counts(self) -> list[ClipCount]:
        parts = [part for node in sorted(self._parts) for part in self._parts[node]]
        return [part.clips for part in parts if part.clips is not None]

    def recalibrate(self, inputs: Arrays, batch: int) -> tuple[Recalibrated, ...]:
        """Run calibration samples, fit gain and offset of every output, and correct all later runs with them.

        Returns the error of every layer before and after, on these samples.
        """
        watcher = self._watcher = Recalibration()
        errors, self.errors = self.errors, None
        try:
            self.run(inputs, batch, first_sample=FIRST_SAMPLE)
        finally:
            self._watcher, self.errors = None, errors
        self._corrections = dict(watcher.corrections())
        return watcher.report()

    def _analog(self, node: AnalogNode, xs: Sequence[NDArray[Any]], blocks: Sequence[Block]) -> list[NDArray[Any]]:
        products = self._parts[node.index]
        widths = [product.width for product in products]
        spread = map if self.pool is None else self.pool.map

        def gather(pair: tuple[NDArray[Any], Block]) -> _BlockRows:
            return _BlockRows.of(node.gather(pair[0], widths), *pair)

        outputs: list[NDArray[Any]] = []
        pairs = list(zip(xs, blocks, strict=True))
        while len(outputs) < len(pairs):
            # The first block tells how many vectors a block has, and so how many blocks one product may take.
            first = gather(pairs[len(outputs)])
            stop = len(outputs) + max(1, VECTORS_PER_CALL // max(1, len(first.rows[0])))
            outputs += self._products(node, products, [first, *spread(gather, pairs[len(outputs) + 1 : stop])])
        if self.errors is not None:
            self.errors.compare(node, xs, outputs, blocks)
        return outputs

    def _products(
        self, node: AnalogNode, parts: Sequence[LayerProduct], waiting: Sequence["_BlockRows"]
    ) -> list[NDArray[Any]]:
        """Return the node's output for each waiting block: all of them in one product for each matrix."""
        if not waiting:
            return []
        events = np.concatenate([block.events(node) for block in waiting])
        answers: list[list[NDArray[np.float32]]] = [[] for _ in waiting]
        for number, part in enumerate(parts):
            rows = [block.rows[number] for block in waiting]
            result = self._product(node, number, part, np.concatenate(rows), events)
            ends = np.cumsum([len(r) for r in rows])[:-1]
            for answer, piece in zip(answers, np.split(result, ends), strict=True):
                answer.append(piece)
        return [b.node_output(node, a) for b, a in zip(waiting, answers, strict=True)]

    def _product(
        self,
        node: AnalogNode,
        number: int,
        part: LayerProduct,
        rows: NDArray[np.float32],
        events: NDArray[np.uint64],
    ) -> NDArray[np.float32]:
        """Return the products of one matrix `(vectors, outputs)`, corrected; a recalibration sees them bare."""
        if self._watcher is None:
            result, correction = part(rows, events), self._corrections.get((node.index, number))
            return result if correction is None else correction(result)
        weights = node.matrices[number].weights
        want = rows[:, : len(weights)] @ weights  # the product scales its rows in place
        result = part(rows, events)
        self._watcher.see((node.index, number), part.layer.name, result, want)
        return result


@dataclass(frozen=True)
class _BlockRows:
    """The input vectors of one block, of its real samples alone: those that only fill the block are not driven."""

    x: NDArray[Any]
    block: Block
    rows: list[NDArray[np.float32]]
    """For each matrix of the node `(vectors, width)`."""
    each: int
    """Vectors of one sample; 0 where samples cannot be told apart, and the whole block is driven."""

    @classmethod
    def of(cls, rows: list[NDArray[np.float32]], x: NDArray[Any], block: Block) -> "_BlockRows":
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
