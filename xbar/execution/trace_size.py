"""How large the trace of a run will be, told before it starts and refused where the disk lacks the room."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.errors import FileError
from xbar.mapping.mapped_network import MappedNetwork
from xbar.network.analog_node import AnalogNode
from xbar.network.blocks import Block

PROJECTION, EVENT, ROW, CELL = 4, 8, 320, 56
"""Bytes of a projection, an event, an operation's row, and the reading of a cell."""

FIXED = 1_500_000
"""Bytes of a small trace: columns grow by whole chunks."""

RESERVE = 50_000_000
"""Bytes of the disk that a run leaves free."""

Arrays = Mapping[str, NDArray[Any]]


def trace_size(
    mapped: MappedNetwork, inputs: Arrays, *, batch: int, level: str, adc_bits: int | None = 8, dac_bits: int | None = 8
) -> int:
    """Return the expected size of a run's trace [bytes], to about a tenth, without what is embedded.

    One block of samples is run, with products of zero, to see how many input vectors every layer has. `dac_bits` are
    those of the input converters, None where voltages are kept as they are.
    """
    if level == "off":
        return 0
    samples = len(next(iter(inputs.values())))
    vectors = _vectors_per_sample(mapped, inputs)
    width = 4 if adc_bits is None else 1 if adc_bits <= 8 else 2 if adc_bits <= 16 else 4
    asked = 4 if dac_bits is None else 1 if dac_bits <= 8 else 2
    total = FIXED + sum(m.targets.nbytes for m in mapped.matrices)
    batches = -(-samples // batch)
    for layer in mapped.layers:
        matrix = mapped.matrices[layer.matrix]
        tiles, columns = matrix.grid.tiles, matrix.targets.shape[2]
        # The matrices of one node have the same events, which are kept once.
        each = (EVENT if layer.part == 0 else 0) + tiles * (columns * width + PROJECTION)
        if level == "full":
            each += tiles * matrix.grid.rows * asked
        total += int(vectors[layer.node] * samples * each) + batches * matrix.grid.across * ROW
    return total


def _vectors_per_sample(mapped: MappedNetwork, inputs: Arrays) -> dict[int, float]:
    found: dict[int, float] = {}

    def count(node: AnalogNode, xs: Sequence[NDArray[Any]], blocks: Sequence[Block]) -> list[NDArray[Any]]:
        rows = [len(node.gather(x)[0]) for x in xs]
        found[node.index] = sum(rows) / (len(blocks) * mapped.network.block)
        zeros = [[np.zeros((n, m.weights.shape[1]), np.float32) for m in node.matrices] for n in rows]
        return [node.scatter(products, x) for products, x in zip(zeros, xs, strict=True)]

    mapped.network.run(mapped.network.blocks({name: a[:1] for name, a in inputs.items()}, 0), count)
    return found


def check_room(path: Path, size: int) -> None:
    """Raise `FileError` where the disk of `path` has no room for `size` bytes."""
    free = shutil.disk_usage(os.path.abspath(path.parent)).free
    if size + RESERVE > free:
        raise FileError(
            f"trace {path} will take about {size / 1e6:.0f} MB; its disk has {free / 1e6:.0f} MB free. Free space, "
            "choose another disk, or record less: --record off, fewer --samples"
        )
