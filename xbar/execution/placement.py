"""Put the tiles of a map onto the arrays of a bench: one tile, one array, from its first cell."""

from collections.abc import Sequence

import numpy as np

from xbar.bench.bench import Bench
from xbar.bench.settings import ReadConfig
from xbar.errors import InputError, Unsupported
from xbar.mapping.mapped_network import MappedNetwork
from xbar.units import show


def check_fit(bench: Bench, mapped: MappedNetwork, verbs: Sequence[str] = ("mvm", "program")) -> None:
    """Check, before anything is written, that a map fits the bench, which must have `verbs` of its own.

    Raises:
        InputError: too few or too small arrays, conductances or converter ranges beyond those of the bench.
        Unsupported: a bench that cannot multiply.

    """
    has = bench.capabilities
    rows, columns = mapped.tile
    lacking = sorted(set(verbs) - has.native)
    if lacking:
        raise Unsupported(f"this bench cannot do what is asked: its driver has no {' and no '.join(lacking)}")
    if has.arrays < mapped.arrays or has.rows < rows or has.cols < columns:
        raise InputError(
            f"the map needs {mapped.arrays} arrays of {rows} x {columns} cells; the bench has {has.arrays} of "
            f"{has.rows} x {has.cols}. Map again with --tile {has.rows}x{has.cols}, or use a larger bench"
        )
    low, high = has.conductance_range or (0.0, float("inf"))
    if mapped.card.g_min < low * (1 - 1e-9) or mapped.card.g_max > high * (1 + 1e-9):
        raise InputError(
            f"the map was made for card {mapped.card.name!r}, {show(mapped.card.g_min, 'S')} to "
            f"{show(mapped.card.g_max, 'S')}; the card of the bench takes {show(low, 'S')} to {show(high, 'S')}. "
            "Map again with its card"
        )
    largest = max(float(layer.output_range.max()) for layer in mapped.layers)
    if largest > has.current_max:
        raise InputError(
            f"a layer needs an output range of {show(largest, 'A')}; the bench converts up to "
            f"{show(has.current_max, 'A')}. Map again with smaller tiles"
        )


def program(bench: Bench, mapped: MappedNetwork) -> None:
    """Write every tile of a map; the cells outside the tile are left as they are."""
    for matrix in mapped.matrices:
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
