"""One layer on the bench: network units to volts, products on its tiles, codes back to network units."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.bench.bench import Bench
from xbar.bench.readings import VectorReadings
from xbar.bench.settings import VectorConfig
from xbar.execution.clip_counts import ClipCount
from xbar.mapping.decoder import Decoder
from xbar.mapping.mapped_network import Layer, MappedMatrix
from xbar.periphery.converter import CONTINUOUS_BITS, Converter, dac_codes

NOTHING = np.zeros((0, 0))
"""Summed inputs where nobody looks at them."""

CHUNK = 8192
"""Input vectors of one task when results are decoded on several threads."""


@dataclass(frozen=True)
class LayerProduct:
    """A layer's products on a bench."""

    bench: Bench
    layer: Layer
    matrix: MappedMatrix
    read_voltage: float
    """Voltage of the largest input [V]."""
    decoder: Decoder
    """Of the tiles of the matrix, with what drift compensation asks for."""
    tiles_per_call: int | None = None
    """Most tiles of one call; None takes a whole column of tiles. The result does not depend on it."""
    pool: Executor | None = None
    clips: ClipCount | None = None
    """Counts what the converters clipped; None counts nothing."""
    bare: Decoder | None = None
    """Without what drift compensation asks for; None where it asks for nothing."""

    @property
    def width(self) -> int:
        """Get the inputs that all rows of tiles take, padding included."""
        return self.matrix.grid.down * self.matrix.grid.rows

    def __call__(
        self, inputs: NDArray[np.float32], events: NDArray[np.uint64], tell_bare: bool = False
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return products `(vectors, outputs)` of `inputs` (vectors, width) [network units], which it overwrites.

        The second answer, from the same readings, is without drift compensation if `tell_bare`, else the first again.
        """
        grid = self.matrix.grid
        factor = self._to_volts(inputs)
        if self.clips is not None:
            bits = self.bench[self.matrix.arrays[0]].capabilities.dac_bits
            self.clips.see_inputs(inputs[:, : grid.inputs], self.read_voltage, bits)
        # Rows of tiles see neighbouring slices of the same buffer: (down, vectors, rows) without a copy.
        volts = inputs.reshape(len(inputs), grid.down, grid.rows).transpose(1, 0, 2)
        out = np.empty((len(inputs), grid.across, grid.weights), np.float32)
        decoders = [(self.decoder, out)]
        if tell_bare and self.bare is not None:
            decoders.append((self.bare, np.empty_like(out)))
        for across in range(grid.across):
            tiles, answers = self._column_of_tiles(across, volts, events)
            for decoder, found in decoders:
                self._decode(decoder.of_tiles(tiles), tiles, answers, volts, factor, found[:, across])
        made_up, bare = (found.reshape(len(inputs), -1)[:, : grid.outputs] for _, found in (decoders[0], decoders[-1]))
        return made_up, bare

    def _to_volts(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Scale the inputs to volts in place; return what a volt is worth: one number, or one for each vector."""
        scale = self.layer.input_scale
        if scale is not None:
            inputs *= np.float32(self.read_voltage / scale)
            return np.full(1, scale / self.read_voltage)
        largest = np.abs(inputs).max(axis=1, initial=0.0)
        largest[largest == 0] = 1.0
        inputs *= (np.float32(self.read_voltage) / largest)[:, None]
        factor: NDArray[np.float64] = largest.astype(np.float64) / self.read_voltage
        return factor

    def _column_of_tiles(
        self, across: int, volts: NDArray[np.float32], events: NDArray[np.uint64]
    ) -> tuple[list[int], list[VectorReadings]]:
        """Return the tiles of a column of tiles, and what the bench answers for them."""
        grid, matrix = self.matrix.grid, self.matrix
        tiles = [down * grid.across + across for down in range(grid.down)]
        answers: list[VectorReadings] = []
        for part in self._calls([matrix.arrays[tile] for tile in tiles]):
            config = VectorConfig(self.read_voltage, self.layer.output_range[tiles[part]], matrix.targets.shape[2])
            arrays = [matrix.arrays[tile] for tile in tiles[part]]
            answers.append(self.bench.mvm(arrays, volts[part], config, events))
            if self.clips is not None:
                self.clips.see_outputs(answers[-1], self.bench[arrays[0]].capabilities.adc_bits)
        return tiles, answers

    def _calls(self, arrays: Sequence[int]) -> Iterator[slice]:
        """Give the parts of a column of tiles that one product takes: of one driver, and not too many."""
        first, most = 0, self.tiles_per_call or len(arrays)
        for _, same in groupby(arrays, self.bench.driver_of):
            end = first + len(list(same))
            yield from (slice(start, min(start + most, end)) for start in range(first, end, most))
            first = end

    def _decode(
        self,
        decoder: Decoder,
        tiles: Sequence[int],
        answers: Sequence[VectorReadings],
        volts: NDArray[np.float32],
        factor: NDArray[np.float64],
        out: NDArray[np.float32],
    ) -> None:
        codes = _join([answer.codes for answer in answers])
        step, offset = _join([answer.step for answer in answers]), _join([answer.offset for answer in answers])

        def task(first: int) -> None:
            part = slice(first, first + CHUNK)
            inputs = self._summed(tiles, volts[:, part]) if decoder.layout.digital else NOTHING
            decoder(codes[:, part], step, offset, inputs, factor[part] if len(factor) > 1 else factor, out[part])

        starts = range(0, len(out), CHUNK)
        for _ in map(task, starts) if self.pool is None or len(starts) == 1 else self.pool.map(task, starts):
            pass

    def _summed(self, tiles: Sequence[int], volts: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the sum of the inputs of each tile `(tiles, vectors)` [V], as the input converters give them.

        Sums of whole codes are exact, so they do not depend on the batch.
        """
        found = np.empty(volts.shape[:2])
        for row, tile in enumerate(tiles):
            bits = self.bench[self.matrix.arrays[tile]].capabilities.dac_bits
            converter = Converter(CONTINUOUS_BITS if bits is None else bits)
            step = self.read_voltage / converter.code_max
            codes = dac_codes(volts[row], 1 / step, converter.code_max)
            found[row] = codes.sum(axis=1, dtype=np.float64) * step
        return found


def _join(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
