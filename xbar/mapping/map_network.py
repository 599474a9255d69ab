"""Map a network: tiles, conductances, and converter ranges from calibration data where there are any."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.circuit.wire_text import parse_wires
from xbar.devices.card import DeviceCard
from xbar.errors import InputError
from xbar.mapping import differential_pair
from xbar.mapping.converter_range import CALIBRATED, UNCALIBRATED, RangeRecord, expected_range
from xbar.mapping.mapped_network import Layer, MappedMatrix, MappedNetwork
from xbar.mapping.tiling import tile_grid
from xbar.mapping.wire_compensation import compensate
from xbar.network.analog_node import AnalogNode, ideal
from xbar.network.blocks import Block
from xbar.network.named_inputs import named_inputs
from xbar.network.network import Network

ENCODINGS = ("differential",)


def map_network(
    network: Network,
    card: DeviceCard,
    *,
    tile: tuple[int, int] = (128, 128),
    encoding: str = "differential",
    calibration: Mapping[str, NDArray[Any]] | NDArray[Any] | None = None,
    keep: float = 1.0,
    compensate_wires: str | None = None,
) -> MappedNetwork:
    """Return the network on tiles.

    Args:
        network: the network, cut into analog nodes and digital segments.
        card: the device; its range takes the weights.
        tile: word lines and bit lines of one array, at least 1 x 2.
        encoding: "differential".
        calibration: network inputs by name, first axis the samples, or the array of the only input; None sets
            converter ranges without data.
        keep: quantile of a column's magnitudes that takes the whole conductance range; 1 clips no weight.
        compensate_wires: wires of the arrays, such as "1 ohm" (see `xbar.circuit.wire_text`), whose losses the
            conductances are to make up for; None maps for ideal wires.

    Raises:
        InputError: an encoding that is not known, a tile that holds nothing, calibration data that do not fit.

    """
    if encoding not in ENCODINGS:
        raise InputError(f"encoding {encoding!r} is not known; known are {', '.join(ENCODINGS)}")
    rows, columns = tile
    wires = None if compensate_wires is None else parse_wires(compensate_wires)
    matrices: list[MappedMatrix] = []
    seen: list[NDArray[np.float64]] = []
    place: dict[str, int] = {}
    uses: list[tuple[AnalogNode, int, int]] = []
    for node in network.nodes:
        for part, matrix in enumerate(node.matrices):
            if matrix.key not in place:
                place[matrix.key] = len(matrices)
                grid = tile_grid(matrix.weights.shape, rows, columns // differential_pair.COLUMNS)
                coded = differential_pair.encode(grid.cut(matrix.weights), card.g_min, card.g_max, keep)
                first, targets, scale = sum(m.grid.tiles for m in matrices), coded.targets, coded.scale
                seen.append(targets)
                if wires is not None:
                    made = compensate(targets, wires, tile, (card.g_min, card.g_max))
                    targets, scale, seen[-1] = made.targets, scale / made.gain, made.seen
                matrices.append(MappedMatrix(matrix.key, grid, first, targets, scale, coded.clipped))
            uses.append((node, part, place[matrix.key]))
    samples = None if calibration is None else named_inputs(network, calibration)
    ranges = _calibrate(network, matrices, seen, uses, card, samples)
    layers = []
    for (node, part, index), (largest, output) in zip(uses, ranges, strict=True):
        name = node.name if len(node.matrices) == 1 else f"{node.name}[{part}]"
        layers.append(Layer(name, node.index, part, index, largest, output))
    rule = UNCALIBRATED if calibration is None else CALIBRATED
    return MappedNetwork(network, card, tile, encoding, rule, tuple(matrices), tuple(layers), compensate_wires)


Uses = Sequence[tuple[AnalogNode, int, int]]
Ranges = list[tuple[float | None, NDArray[np.float64]]]


def _calibrate(
    network: Network,
    matrices: Sequence[MappedMatrix],
    seen: Sequence[NDArray[np.float64]],
    uses: Uses,
    card: DeviceCard,
    calibration: Mapping[str, NDArray[Any]] | None,
) -> Ranges:
    """Return (input scale, output ranges) of each use, by the rule that fits; `seen` is what the arrays make of it."""
    if calibration is None:
        return [(None, expected_range(seen[index], card.read_voltage)) for _, _, index in uses]
    records = []
    for _, _, index in uses:
        m = matrices[index]
        shape = (m.grid.down, m.grid.across, *m.targets.shape[1:])
        records.append(RangeRecord(seen[index].reshape(shape).astype(np.float32)))
    by_node: dict[int, list[int]] = {}
    for number, (node, _, _) in enumerate(uses):
        by_node.setdefault(node.index, []).append(number)

    def watch(node: AnalogNode, xs: Sequence[NDArray[Any]], blocks: Sequence[Block]) -> list[NDArray[Any]]:
        numbers = by_node[node.index]
        widths = [matrices[uses[n][2]].grid.down * matrices[uses[n][2]].grid.rows for n in numbers]
        for x in xs:
            for number, inputs in zip(numbers, node.gather(x, widths), strict=True):
                records[number].see(inputs)
        return ideal(node, xs, blocks)

    for block in network.blocks(calibration, 0):
        network.run([block], watch)
    return [record.ranges(card.read_voltage) for record in records]
