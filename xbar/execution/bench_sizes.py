"""How large the arrays of a bench file are, and so the tiles of each layer, told without opening the bench."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xbar.bench.bench_file import BenchDriver, BenchFile
from xbar.bench.driver import Driver
from xbar.bench.placement_rule import PlacementRule
from xbar.bench.registry import make_driver
from xbar.errors import InputError
from xbar.mapping.mapped_network import MappedNetwork

SIZE = 128
"""Word lines and bit lines of an array whose driver and file say nothing: those of the simulated bench."""


@dataclass(frozen=True)
class ArraySize:
    """The arrays of one driver."""

    arrays: int
    rows: int
    cols: int


def array_size(part: BenchDriver, driver: Driver) -> ArraySize:
    """Return the arrays of a driver that is not open: by what it knows of itself, else by the bench file."""
    has = vars(driver).get("capabilities")
    if has is not None:
        return ArraySize(has.arrays, has.rows, has.cols)
    arrays, rows, cols = (int(part.options.get(n, d)) for n, d in (("arrays", 1), ("rows", SIZE), ("cols", SIZE)))
    return ArraySize(arrays, rows, cols)


def array_sizes(file: BenchFile) -> dict[str, ArraySize]:
    """Return the arrays of all drivers of a bench file by name; raises what making the drivers does."""
    return {part.name: array_size(part, make_driver(part.driver, part.rest, part.options)) for part in file.drivers}


def tiles_of(layers: Sequence[str], file: BenchFile, sizes: Mapping[str, ArraySize]) -> dict[str, tuple[int, int]]:
    """Return word lines and bit lines of the tiles of each layer: those of the arrays that the rules put it on.

    Of several drivers for one layer the smallest. Raises `InputError` where no driver is left for a layer.
    """
    named = {name for rule in file.placement for name in rule.drivers}
    rest = PlacementRule((), tuple(name for name in sizes if name not in named))
    found = {}
    for layer in layers:
        rule = next((rule for rule in file.placement if rule.names(layer)), rest)
        if not rule.drivers:
            raise InputError(
                f"no rule of [[placement]] names layer {layer}, and every driver belongs to a rule; add one, such as "
                'layers = ["*"]'
            )
        here = [sizes[name] for name in rule.drivers]
        found[layer] = (min(size.rows for size in here), min(size.cols for size in here))
    return found


def check_uncut(mapped: MappedNetwork, rules: Sequence[PlacementRule]) -> None:
    """Raise `InputError` where a layer was cut into several tiles against its rule."""
    for layer in mapped.layers:
        rule, matrix = next((rule for rule in rules if rule.names(layer.name)), None), mapped.matrices[layer.matrix]
        if rule is not None and rule.too_large == "refuse" and matrix.grid.tiles > 1:
            raise InputError(
                f"layer {layer.name} takes {matrix.grid.tiles} tiles of {matrix.targets.shape[1]} x "
                f"{matrix.targets.shape[2]} cells: it does not fit an array of {' or '.join(rule.drivers)}. Put it on "
                'another driver, or cut it: too_large = "split" in its [[placement]]'
            )
