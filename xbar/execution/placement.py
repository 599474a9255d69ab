"""Put the tiles of a map onto the arrays of a bench: one tile, one array, from its first cell."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from xbar.bench.bench import Bench
from xbar.bench.chip import Chip
from xbar.bench.placement_rule import PlacementRule
from xbar.bench.settings import ReadConfig
from xbar.errors import InputError, UnknownNameError, Unsupported
from xbar.mapping.map_file import map_hash
from xbar.mapping.mapped_network import Layer, MappedMatrix, MappedNetwork
from xbar.units import show

Rules = Sequence[PlacementRule]


def place(parts: Mapping[str, range], mapped: MappedNetwork, rules: Rules) -> MappedNetwork:
    """Return the map with the array of the bench that every tile stands on.

    `parts` are the arrays of each driver, as `Bench.parts` has them. Without rules tile t of the map stands on array t.
    With rules, layers that none of them names take the arrays of the drivers that none of them names.

    Raises:
        InputError: more tiles than arrays, layers that share weights and are told to stand on two drivers.
        UnknownNameError: a rule that names a layer or a driver which is not there.

    """
    if not rules:
        return mapped
    free = {name: list(arrays) for name, arrays in parts.items()}
    chosen = _rule_of_matrices(mapped, rules, tuple(parts))
    matrices = []
    for number, matrix in enumerate(mapped.matrices):
        rule, name = chosen[number], _names(mapped, number)
        there = [array for driver in rule.drivers for array in free[driver]]
        if len(there) < matrix.grid.tiles:
            raise InputError(
                f"{name} needs {matrix.grid.tiles} arrays; {' and '.join(rule.drivers) or 'no driver'} has "
                f"{len(there)} free. Correct [[placement]] or the number of arrays in the bench file"
            )
        taken = tuple(there[: matrix.grid.tiles])
        for driver in rule.drivers:
            free[driver] = [array for array in free[driver] if array not in taken]
        matrices.append(replace(matrix, placed=taken))
    return replace(mapped, matrices=tuple(matrices))


def _rule_of_matrices(mapped: MappedNetwork, rules: Rules, drivers: tuple[str, ...]) -> list[PlacementRule]:
    """Return the rule that holds for each matrix."""
    named = {name for rule in rules for name in rule.drivers}
    missing = [name for name in named if name not in drivers]
    if missing:
        raise UnknownNameError(f"[[placement]] names the driver {missing[0]!r}; the bench has {', '.join(drivers)}")
    for rule in rules:
        if not any(rule.names(layer.name) for layer in mapped.layers):
            raise UnknownNameError(
                f"[[placement]] names the layers {', '.join(rule.layers)}; the map has "
                f"{', '.join(layer.name for layer in mapped.layers)}"
            )
    rest = PlacementRule((), tuple(name for name in drivers if name not in named))
    chosen: dict[int, tuple[PlacementRule, Layer]] = {}
    for layer in mapped.layers:
        rule = next((rule for rule in rules if rule.names(layer.name)), rest)
        before = chosen.setdefault(layer.matrix, (rule, layer))
        if before[0] != rule:
            raise InputError(
                f"layers {before[1].name} and {layer.name} share their weights, and so their tiles; let one rule of "
                "[[placement]] name both"
            )
    return [chosen[number][0] for number in range(len(mapped.matrices))]


def not_written(mapped: MappedNetwork, rules: Rules, program: bool = True) -> frozenset[int]:
    """Return the numbers of the matrices that stand on their arrays already, by the rules; all without `program`."""
    if not program:
        return frozenset(range(len(mapped.matrices)))
    return frozenset(
        layer.matrix
        for layer in mapped.layers
        for rule in [next((rule for rule in rules if rule.names(layer.name)), None)]
        if rule is not None and not rule.program
    )


def written_arrays(mapped: MappedNetwork, standing: frozenset[int]) -> set[int]:
    """Return the arrays that a run writes: all but those of the matrices `standing`."""
    return {a for number, matrix in enumerate(mapped.matrices) if number not in standing for a in matrix.arrays}


def check_standing(bench: Bench, mapped: MappedNetwork, standing: frozenset[int]) -> None:
    """Raise `InputError` where a matrix of `standing` is known not to stand on its arrays.

    An array that can be written in one shot is a simulated one, and blank without a chip file.
    """
    arrays = {a for number in standing for a in mapped.matrices[number].arrays}
    for name, own in bench.parts.items():
        used = sorted(arrays.intersection(own))
        if not used:
            continue
        chip = bench.chips.get(name)
        blank = "program" in bench[used[0]].capabilities.native
        if chip is None and blank:
            raise InputError(
                f"nothing stands on a new chip; give the chip file of an earlier run, or program{_of(name)}"
            )
        said = None if chip is None else chip.notes.get("map")
        if chip is not None and said != map_hash(mapped) and (said is not None or blank):
            raise InputError(
                f"chip {chip.path} was not programmed with this map; leave --no-program, or program = false, out to "
                "program it"
            )
        _check_layers(mapped, standing, arrays.intersection(own), chip)


def _check_layers(mapped: MappedNetwork, standing: frozenset[int], arrays: set[int], chip: Chip | None) -> None:
    """Check that a chip on which some layers alone were written holds those that stand on these arrays."""
    written = None if chip is None else chip.notes.get("layers")
    if chip is None or not isinstance(written, list):
        return
    for layer in mapped.layers:
        here = layer.matrix in standing and arrays.intersection(mapped.matrices[layer.matrix].arrays)
        if here and layer.name not in written:
            raise InputError(
                f"chip {chip.path} holds the layers {', '.join(map(str, written))}, not {layer.name}; write it with "
                "xbar program --layer"
            )


def _of(name: str) -> str:
    return f" (driver {name!r})" if name else ""


def check_fit(
    bench: Bench,
    mapped: MappedNetwork,
    verbs: Sequence[str] = ("mvm", "program"),
    standing: frozenset[int] = frozenset(),
) -> None:
    """Check, before anything is written, that a map fits the bench, whose arrays must have `verbs` of their own.

    `standing` are the matrices that are not written, from `not_written`.

    Raises:
        InputError: too few or too small arrays, conductances or converter ranges beyond those of the bench.
        Unsupported: a bench that cannot multiply, or not write.

    """
    if len(bench) < mapped.arrays:
        raise _too_few(bench, mapped)
    for number, matrix in enumerate(mapped.matrices):
        asked = set(verbs) - {"program"} if number in standing else set(verbs)
        for array in sorted(set(matrix.arrays)):
            _check_array(bench, mapped, number, array, asked)
    for layer in mapped.layers:
        arrays = mapped.matrices[layer.matrix].arrays
        for array, ranges in zip(arrays, layer.output_range, strict=True):
            largest, most = float(ranges.max()), bench[array].capabilities.current_max
            if largest > most:
                raise InputError(
                    f"layer {layer.name} needs an output range of {show(largest, 'A')}; the bench converts up to "
                    f"{show(most, 'A')}. Map again with smaller tiles"
                )


def _check_array(bench: Bench, mapped: MappedNetwork, number: int, array: int, verbs: set[str]) -> None:
    """Check one array of a matrix."""
    has, name = bench[array].capabilities, _names(mapped, number)
    lacking = sorted(verbs - has.native)
    if lacking == ["program"]:
        raise Unsupported(
            f"{name} cannot be written here: the driver{_driver(bench, array)} has no one-shot write. Write the cells "
            "with `xbar program` and run on them: --no-program, or program = false in [[placement]]"
        )
    if lacking:
        raise Unsupported(
            f"this bench cannot do what is asked: its driver{_driver(bench, array)} has no {' and no '.join(lacking)}"
        )
    matrix = mapped.matrices[number]
    if matrix.placed is None and (has.rows < matrix.targets.shape[1] or has.cols < matrix.targets.shape[2]):
        raise _too_few(bench, mapped)
    rows, columns = matrix.targets.shape[1:]
    check_size(name, (rows, columns), _driver(bench, array), (has.rows, has.cols))
    low, high = has.conductance_range or (0.0, float("inf"))
    if mapped.card.g_min < low * (1 - 1e-9) or mapped.card.g_max > high * (1 + 1e-9):
        raise InputError(
            f"the map was made for card {mapped.card.name!r}, {show(mapped.card.g_min, 'S')} to "
            f"{show(mapped.card.g_max, 'S')}; the card of the bench takes {show(low, 'S')} to {show(high, 'S')}. "
            "Map again with its card"
        )


def check_size(name: str, tile: tuple[int, int], driver: str, array: tuple[int, int]) -> None:
    """Raise `InputError` where a tile is larger than an array: word lines and bit lines of both."""
    if array[0] < tile[0] or array[1] < tile[1]:
        raise InputError(
            f"{name} has tiles of {tile[0]} x {tile[1]} cells; an array of driver{driver} has "
            f'{array[0]} x {array[1]}. Put the layer on another driver, or cut it: too_large = "split" in its '
            "[[placement]], and map again with --bench"
        )


def _too_few(bench: Bench, mapped: MappedNetwork) -> InputError:
    has, (rows, columns) = bench.capabilities, mapped.tile
    return InputError(
        f"the map needs {mapped.arrays} arrays of {rows} x {columns} cells; the bench has {has.arrays} of "
        f"{has.rows} x {has.cols}. Map again with --tile {has.rows}x{has.cols}, or use a larger bench"
    )


def _names(mapped: MappedNetwork, matrix: int) -> str:
    found = [layer.name for layer in mapped.layers if layer.matrix == matrix]
    return f"layer{'s' * (len(found) > 1)} {', '.join(found)}"


def _driver(bench: Bench, array: int) -> str:
    return next(f" {name!r}" if name else "" for name, arrays in bench.parts.items() if array in arrays)


def program(bench: Bench, mapped: MappedNetwork, standing: frozenset[int] = frozenset()) -> None:
    """Write every tile of a map but those of the matrices `standing`; the cells outside a tile are left as they are."""
    for number, matrix in enumerate(mapped.matrices):
        if number not in standing:
            _program(bench, matrix)


def _program(bench: Bench, matrix: MappedMatrix) -> None:
    for array, tile in zip(matrix.arrays, matrix.targets, strict=True):
        has = bench[array].capabilities
        targets = np.full((has.rows, has.cols), np.nan)
        targets[: tile.shape[0], : tile.shape[1]] = tile
        bench.program(array, targets)


def read_back(bench: Bench, mapped: MappedNetwork) -> None:
    """Read every cell of a map once, at its read voltage; the readings stand in the trace."""
    config = ReadConfig(voltage=mapped.card.read_voltage)
    for matrix in mapped.matrices:
        for array, tile in zip(matrix.arrays, matrix.targets, strict=True):
            bench.read(array, np.argwhere(np.ones(tile.shape, bool)), config)


def placed_layers(bench: Bench, mapped: MappedNetwork, standing: frozenset[int]) -> list[Mapping[str, Any]]:
    """Return on which arrays of which drivers each layer stands, and whether it was written, as JSON values."""
    found: list[Mapping[str, Any]] = []
    for layer in mapped.layers:
        arrays = mapped.matrices[layer.matrix].arrays
        drivers = [name for name, own in bench.parts.items() if any(array in own for array in arrays)]
        written = layer.matrix not in standing
        found.append({"layer": layer.name, "drivers": drivers, "arrays": list(arrays), "written": written})
    return found
