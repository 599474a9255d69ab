"""Run the samples of a mapped network through a bench, batch by batch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.bench.bench import Bench
from xbar.execution.block_rows import BlockRows
from xbar.execution.clip_counts import ClipCount, Clipped
from xbar.execution.layer_error import LayerErrors
from xbar.execution.layer_product import LayerProduct
from xbar.execution.recalibration import FIRST_SAMPLE, Correction, Moments, Recalibrated, Recalibration
from xbar.mapping.decoder import Decoder
from xbar.mapping.mapped_network import MappedNetwork
from xbar.network.analog_node import AnalogNode, ideal
from xbar.network.blocks import Block

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
        self._compensated = gains is not None
        self._watcher: Recalibration | None = None
        self._parts: dict[int, list[LayerProduct]] = {}
        for layer in mapped.layers:
            matrix = mapped.matrices[layer.matrix]
            decoder = Decoder.of(mapped.encoding, matrix, None if gains is None else gains[layer.matrix])
            count = ClipCount(layer.name)
            bare = None if gains is None else Decoder.of(mapped.encoding, matrix)
            voltage = mapped.card.read_voltage
            product = LayerProduct(bench, layer, matrix, voltage, decoder, tiles_per_call, pool, count, bare)
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

    def recalibrate(self, inputs: Arrays, batch: int, fit: str = "products") -> tuple[Recalibrated, ...]:
        """Run calibration samples, fit gain and offset of every output, and correct all later runs with them.

        Args:
            inputs: samples, network inputs by name; they go through the network together, layer by layer.
            batch: samples that go through the bench together with `fit` "together".
            fit: one of `recalibration.FITS`.

        Returns the error of every layer before and after, on these samples, each on the same inputs as its exact layer.

        """
        watcher = self._watcher = Recalibration(self._digital_moments(inputs) if fit == "statistics" else None)
        errors, self.errors = self.errors, None
        try:
            if fit == "together":
                self.run(inputs, batch, first_sample=FIRST_SAMPLE)
            else:
                network = self.mapped.network
                network.run(network.blocks(inputs, FIRST_SAMPLE), self._fit, self.pool)
        finally:
            self._watcher, self.errors = None, errors
        self._corrections = dict(watcher.corrections())
        return watcher.report()

    def _digital_moments(self, inputs: Arrays) -> Moments:
        """Return mean and standard deviation of the exact products of every layer in the digital network."""
        found = Moments()

        def watch(node: AnalogNode, xs: Sequence[NDArray[Any]], blocks: Sequence[Block]) -> list[NDArray[Any]]:
            for x, block in zip(xs, blocks, strict=True):
                rows = BlockRows.of(node.gather(x), x, block).rows
                for part, (row, matrix) in enumerate(zip(rows, node.matrices, strict=True)):
                    found.see((node.index, part), row @ matrix.weights)
            return ideal(node, xs, blocks)

        network = self.mapped.network
        network.run(network.blocks(inputs, FIRST_SAMPLE), watch, self.pool)
        return found

    def _fit(self, node: AnalogNode, xs: Sequence[NDArray[Any]], blocks: Sequence[Block]) -> list[NDArray[Any]]:
        """Run a node on all calibration samples, fit its corrections, and return its outputs with them."""
        assert self._watcher is not None
        seen: list[tuple[BlockRows, list[NDArray[np.float32]]]] = []
        for chunk in self._chunks(node, xs, blocks):
            seen += zip(chunk, self._block_products(node, self._parts[node.index], chunk), strict=True)
        found = [self._watcher.correction((node.index, part)) for part in range(len(self._parts[node.index]))]
        outputs = []
        for block, products in seen:
            made = [correct(product) for correct, product in zip(found, products, strict=True)]
            outputs.append(block.node_output(node, made))
        return outputs

    def _analog(self, node: AnalogNode, xs: Sequence[NDArray[Any]], blocks: Sequence[Block]) -> list[NDArray[Any]]:
        outputs: list[NDArray[Any]] = []
        bare: list[NDArray[Any] | None] = []
        for chunk in self._chunks(node, xs, blocks):
            plain = self._plain(chunk)
            answers = self._block_products(node, self._parts[node.index], chunk, plain)
            outputs += [block.node_output(node, answer) for block, answer in zip(chunk, answers, strict=True)]
            each = [None] * len(chunk) if plain is None else plain
            bare += [None if a is None else b.node_output(node, a) for b, a in zip(chunk, each, strict=True)]
        if self.errors is not None:
            self.errors.compare(node, xs, outputs, blocks, bare)
        return outputs

    def _plain(self, chunk: Sequence[BlockRows]) -> list[list[NDArray[np.float32]]] | None:
        """Return where products belong that nothing is made up for; None where nobody asks, or nothing is made up."""
        made_up = self._compensated or bool(self._corrections)
        asked = self.errors is not None and any(self.errors.counts(block.block) for block in chunk)
        return [[] for _ in chunk] if made_up and asked else None

    def _chunks(
        self, node: AnalogNode, xs: Sequence[NDArray[Any]], blocks: Sequence[Block]
    ) -> Iterator[list[BlockRows]]:
        """Give the input vectors of a node, of as many blocks at a time as one product may take."""
        widths = [product.width for product in self._parts[node.index]]
        spread = map if self.pool is None else self.pool.map

        def gather(pair: tuple[NDArray[Any], Block]) -> BlockRows:
            return BlockRows.of(node.gather(pair[0], widths), *pair)

        pairs = list(zip(xs, blocks, strict=True))
        done = 0
        while done < len(pairs):
            # The first block tells how many vectors a block has, and so how many blocks one product may take.
            first = gather(pairs[done])
            stop = done + max(1, VECTORS_PER_CALL // max(1, len(first.rows[0])))
            chunk = [first, *spread(gather, pairs[done + 1 : stop])]
            done += len(chunk)
            yield chunk

    def _block_products(
        self,
        node: AnalogNode,
        parts: Sequence[LayerProduct],
        waiting: Sequence[BlockRows],
        plain: Sequence[list[NDArray[np.float32]]] | None = None,
    ) -> list[list[NDArray[np.float32]]]:
        """Return the products of each matrix for each waiting block: all blocks in one product for each matrix.

        `plain`, a list for each block, gets the same without compensation and recalibration.
        """
        events = np.concatenate([block.events(node) for block in waiting])
        answers: list[list[NDArray[np.float32]]] = [[] for _ in waiting]
        for number, part in enumerate(parts):
            rows = [block.rows[number] for block in waiting]
            made_up, bare = self._product(node, number, part, np.concatenate(rows), events, plain is not None)
            ends = np.cumsum([len(r) for r in rows])[:-1]
            for result, lists in ((made_up, answers), (bare, plain)):
                for answer, piece in zip(lists or (), np.split(result, ends), strict=lists is not None):
                    answer.append(piece)
        return answers

    def _product(
        self,
        node: AnalogNode,
        number: int,
        part: LayerProduct,
        rows: NDArray[np.float32],
        events: NDArray[np.uint64],
        tell_bare: bool,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the products of one matrix `(vectors, outputs)`, corrected, and bare: as a recalibration sees them."""
        if self._watcher is None:
            (result, bare), correction = part(rows, events, tell_bare), self._corrections.get((node.index, number))
            return result if correction is None else correction(result), bare
        weights = node.matrices[number].weights
        want = rows[:, : len(weights)] @ weights  # the product scales its rows in place
        result, bare = part(rows, events)
        self._watcher.see((node.index, number), part.layer.name, result, want)
        return result, bare
