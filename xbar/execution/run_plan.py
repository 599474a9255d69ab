"""What a run of a map on a bench would take, layer by layer, found out without the bench."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.bench.placement_rule import PlacementRule
from xbar.errors import InputError
from xbar.execution.placement import not_written, place
from xbar.mapping.mapped_network import MappedNetwork
from xbar.network.analog_node import AnalogNode, ideal
from xbar.network.blocks import Block


@dataclass(frozen=True)
class LayerPlan:
    """One layer of a run."""

    layer: str
    tiles: Mapping[str, int]
    """Tiles by the name of the driver that they stand on."""
    size: tuple[int, int]
    """Word lines and bit lines of a tile."""
    written: bool
    """Whether a run writes them."""
    vectors: int
    """Input vectors of one sample."""
    signed: bool
    """Whether the layer has inputs below 0."""


def plan_run(
    mapped: MappedNetwork,
    inputs: Mapping[str, NDArray[Any]],
    parts: Mapping[str, range],
    rules: Sequence[PlacementRule],
) -> list[LayerPlan]:
    """Return what every layer of a map would take on a bench.

    Args:
        mapped: the map.
        inputs: network inputs by name, axis 0 the samples, at least one; one block of them is run, digitally.
        parts: the arrays of each driver, as `Bench.parts` has them.
        rules: which layers stand on which drivers.

    Raises what `place` does, and `InputError` where there are too few arrays.

    """
    standing = not_written(mapped, rules)
    placed = place(parts, mapped, rules)
    seen = _seen(mapped, inputs)
    plans = []
    for layer in mapped.layers:
        matrix = placed.matrices[layer.matrix]
        tiles = {name: sum(array in own for array in matrix.arrays) for name, own in parts.items()}
        here = {name: count for name, count in tiles.items() if count}
        if sum(here.values()) < matrix.grid.tiles:
            have = sum(map(len, parts.values()))
            raise InputError(f"the map needs {mapped.arrays} arrays, the bench has {have}; map with larger tiles")
        size = (matrix.targets.shape[1], matrix.targets.shape[2])
        written = layer.matrix not in standing
        plans.append(LayerPlan(layer.name, here, size, written, *seen[layer.node, layer.part]))
    return plans


def _seen(mapped: MappedNetwork, inputs: Mapping[str, NDArray[Any]]) -> dict[tuple[int, int], tuple[int, bool]]:
    """Return input vectors of one sample, and whether some inputs are below 0, by (node, part)."""
    network = mapped.network
    found: dict[tuple[int, int], tuple[int, bool]] = {}
    some = {name: array[: network.block] for name, array in inputs.items()}

    def watch(node: AnalogNode, xs: Sequence[NDArray[Any]], blocks: Sequence[Block]) -> list[NDArray[Any]]:
        gathered = [node.gather(x) for x in xs]
        for part in range(len(node.matrices)):
            vectors = sum(len(rows[part]) for rows in gathered)
            signed = any(float(np.min(rows[part], initial=0.0)) < 0 for rows in gathered)
            found[node.index, part] = (-(-vectors // (len(blocks) * network.block)), signed)
        return ideal(node, xs, blocks)

    network.run(network.blocks(some, 0), watch)
    return found
