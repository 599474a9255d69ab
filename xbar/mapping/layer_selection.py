"""Some layers of a map, on arrays of their own: what is written on a chip that holds no more."""

from collections.abc import Sequence
from dataclasses import replace

from xbar.bench.placement_rule import PlacementRule
from xbar.errors import UnknownNameError
from xbar.mapping.mapped_network import MappedNetwork


def select_layers(mapped: MappedNetwork, names: Sequence[str]) -> MappedNetwork:
    """Return the map with the layers of these names alone, `*` standing for any text, on the arrays from 0 on.

    It is no map of its network any more: it tells what stands where. Raises `UnknownNameError` for a name of no layer.
    """
    for name in names:
        if not any(PlacementRule((name,), ()).names(layer.name) for layer in mapped.layers):
            known = ", ".join(layer.name for layer in mapped.layers)
            raise UnknownNameError(f"layer {name!r} is not in the map; it has {known}")
    rule = PlacementRule(tuple(names), ())
    layers = [layer for layer in mapped.layers if rule.names(layer.name)]
    kept = sorted({layer.matrix for layer in layers})
    matrices, first = [], 0
    for number in kept:
        matrices.append(replace(mapped.matrices[number], first_array=first, placed=None))
        first += matrices[-1].grid.tiles
    moved = tuple(replace(layer, matrix=kept.index(layer.matrix)) for layer in layers)
    return replace(mapped, matrices=tuple(matrices), layers=moved)
