"""Map a network: tiles, conductances, and converter ranges from calibration data where there are any."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.circuit.wire_text import parse_wires
from xbar.devices.card import DeviceCard
from xbar.errors import InputError
from xbar.mapping.converter_range import CALIBRATED, UNCALIBRATED, RangeRecord, expected_range
from xbar.mapping.differential_pair import DifferentialPair
from xbar.mapping.encoding import Encoding
from xbar.mapping.encodings import choose_encoding
from xbar.mapping.mapped_network import Layer, MappedMatrix, MappedNetwork
from xbar.mapping.tiling import tile_grid
from xbar.mapping.wire_compensation import Compensated, compensate
from xbar.network.analog_node import AnalogNode, ideal
from xbar.network.blocks import Block
from xbar.network.named_inputs import named_inputs
from xbar.network.network import Network


def map_network(
    network: Network,
    card: DeviceCard,
    *,
    tile: tuple[int, int] | Mapping[str, tuple[int, int]] = (128, 128),
    encoding: str = "differential",
    slice_bits: int | None = None,
    weight_bits: int | None = None,
    calibration: Mapping[str, NDArray[Any]] | NDArray[Any] | None = None,
    keep: float = 1.0,
    compensate_wires: str | None = None,
) -> MappedNetwork:
    """Return the network on tiles.

    Args:
        network: the network, cut into analog nodes and digital segments.
        card: the device; its range takes the weights.
        tile: word lines and bit lines of one array, of bit lines at least those of one weight; or those of the array
            that each layer stands on, by the layer's name.
        encoding: how a weight becomes conductances: "differential", "offset", "digital-offset", or in bit slices
            "slices", "offset-slices", "digital-offset-slices".
        slice_bits: bits of a slice; None takes 2, or as many as the states of the card hold.
        weight_bits: bits of a weight that the slices make up at least, sign included; None takes 8.
        calibration: network inputs by name, first axis the samples, or the array of the only input; None sets
            converter ranges without data.
        keep: quantile of a column's magnitudes that takes the whole conductance range; 1 clips no weight.
        compensate_wires: wires of the arrays, such as "1 ohm" (see `xbar.circuit.wire_text`), whose losses the
            conductances are to make up for; None maps for ideal wires.

    Raises:
        InputError: an encoding that is not known or that the card does not hold, a tile that holds nothing,
            calibration data that do not fit.

    """
    code = choose_encoding(encoding, card, slice_bits, weight_bits)
    sizes = dict.fromkeys(layer_names(network), tile) if isinstance(tile, tuple) else tile
    wires = None if compensate_wires is None else parse_wires(compensate_wires)
    _check_compensation(code, card, wires is not None)
    matrices: list[MappedMatrix] = []
    seen: list[NDArray[np.float64]] = []
    place: dict[str, int] = {}
    uses: list[tuple[AnalogNode, int, int]] = []
    for node in network.nodes:
        for part, matrix in enumerate(node.matrices):
            if matrix.key not in place:
                place[matrix.key] = len(matrices)
                rows, columns = size = sizes[layer_name(node, part)]
                _check_tile(code, columns)
                grid = tile_grid(matrix.weights.shape, rows, code.weights(columns))
                coded = code.encode(grid.cut(matrix.weights), keep)
                first = sum(m.grid.tiles for m in matrices)
                mapped = MappedMatrix(matrix.key, grid, first, coded.targets, coded.scale, coded.clipped)
                seen.append(coded.targets)
                if wires is not None:
                    made = compensate(coded.targets, code, wires, size)
                    mapped, seen[-1] = _compensated(mapped, code, made), made.seen
                matrices.append(mapped)
            uses.append((node, part, place[matrix.key]))
    samples = None if calibration is None else named_inputs(network, calibration)
    ranges = _calibrate(network, matrices, seen, uses, card, samples)
    layers = []
    for (node, part, index), (largest, output) in zip(uses, ranges, strict=True):
        layers.append(Layer(layer_name(node, part), node.index, part, index, largest, output))
    rule = UNCALIBRATED if calibration is None else CALIBRATED
    return MappedNetwork(network, card, _largest(tile), code, rule, tuple(matrices), tuple(layers), compensate_wires)


def layer_name(node: AnalogNode, part: int) -> str:
    """Return the name of the layer that one of a node's matrices makes."""
    return node.name if len(node.matrices) == 1 else f"{node.name}[{part}]"


def layer_names(network: Network) -> list[str]:
    """Return the names of all layers of a network."""
    return [layer_name(node, part) for node in network.nodes for part in range(len(node.matrices))]


def _largest(tile: tuple[int, int] | Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    sizes = [tile] if isinstance(tile, tuple) else list(tile.values())
    return max(rows for rows, _ in sizes), max(columns for _, columns in sizes)


def _check_tile(encoding: Encoding, columns: int) -> None:
    if encoding.weights(columns) < 1:
        raise InputError(
            f"an array of {columns} bit lines holds no weight: encoding {encoding.name!r} takes {encoding.columns(1)} "
            "for one; use a larger --tile"
        )


def _check_compensation(encoding: Encoding, card: DeviceCard, asked: bool) -> None:
    if asked and card.levels is not None and encoding.slices is not None:
        raise InputError(
            f"the cells of card {card.name!r} have {len(card.levels.conductances)} states; their conductances cannot "
            "be moved to make up for wires. Leave the compensation out, or use smaller tiles"
        )


def _compensated(matrix: MappedMatrix, encoding: Encoding, made: Compensated) -> MappedMatrix:
    """Return a matrix with compensated conductances; what the wires leave is divided out of the products."""
    if isinstance(encoding, DifferentialPair) and encoding.slices is None:
        return replace(matrix, targets=made.targets, scale=matrix.scale / made.gain)
    return replace(matrix, targets=made.targets, left=made.gain)


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
