"""A network on tiles: which matrix stands on which arrays, with which conductances, scales and converter ranges."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.devices.card import DeviceCard
from xbar.mapping.encoding import Encoding
from xbar.mapping.tiling import TileGrid
from xbar.network.network import Network

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MappedMatrix:
    """One weight matrix on its tiles. Layers that share weights share the tiles."""

    key: str
    """Hash of the weights."""
    grid: TileGrid
    first_array: int
    """Tile t stands on array first_array + t."""
    targets: Floats
    """Target conductances `(tiles, rows, columns)` [S]."""
    scale: Floats
    """Weight of one siemens, in the least significant slice where there are several, `(tiles, weights)` [1/S]."""
    clipped: int
    """Weights cut to the range."""
    left: Floats | None = None
    """What the wires that were compensated leave of each group of bit lines `(tiles, groups)`; None: all, or it is part
    of `scale`."""
    placed: tuple[int, ...] | None = None
    """Array of the bench that every tile stands on, where a bench places them; None: as in `first_array`."""

    @property
    def arrays(self) -> Sequence[int]:
        """Get the arrays of the tiles, row of tiles first."""
        return range(self.first_array, self.first_array + self.grid.tiles) if self.placed is None else self.placed


@dataclass(frozen=True, eq=False)
class Layer:
    """One use of a matrix by an analog node."""

    name: str
    node: int
    """Index of the node in the network."""
    part: int
    """Which of the node's matrices (groups of a convolution)."""
    matrix: int
    """Index of the matrix in the map."""
    input_scale: float | None
    """Input that takes the whole read voltage [network units]; None scales every vector by itself."""
    output_range: Floats
    """Current of the largest output code `(tiles, columns)` [A]."""


@dataclass(frozen=True, eq=False)
class MappedNetwork:
    """A network, the card it was mapped for, its matrices on tiles and its layers."""

    network: Network
    card: DeviceCard
    tile: tuple[int, int]
    """Word lines and bit lines of one array."""
    encoding: Encoding
    rule: str
    """The rule that set the converter ranges."""
    matrices: tuple[MappedMatrix, ...]
    layers: tuple[Layer, ...]
    compensated_wires: str | None = None
    """The wires whose losses the conductances make up for; None: ideal ones."""

    @property
    def arrays(self) -> int:
        """Get the number of arrays that the map needs."""
        return sum(matrix.grid.tiles for matrix in self.matrices)

    def __repr__(self) -> str:
        """Return one line: conductances are many."""
        used = f"{len(self.layers)} layers on {self.arrays} arrays of {self.tile[0]} x {self.tile[1]}"
        return f"<MappedNetwork: {used}, card {self.card.name!r}>"

    def __str__(self) -> str:
        """Return the map in a few lines: each layer, its tiles and how much of them it uses."""
        lines = [repr(self)[1:-1]]
        for row in self.to_dict()["layers"]:
            shape = f"{row['inputs']} x {row['outputs']} weights, {row['tiles']} tiles"
            lines.append(f"  {row['name']}: {shape}, {row['use']:.1%} used, {row['clipped']} clipped")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return what `xbar map` reports, as JSON values."""
        cells = self.tile[0] * self.tile[1]
        rows = []
        for layer in self.layers:
            matrix = self.matrices[layer.matrix]
            grid = matrix.grid
            rows.append(
                {
                    "name": layer.name,
                    "inputs": grid.inputs,
                    "outputs": grid.outputs,
                    "tiles": grid.tiles,
                    "tile_size": [grid.rows, self.encoding.columns(grid.weights)],
                    "use": self.encoding.cells(grid) / (grid.tiles * cells),
                    "clipped": matrix.clipped,
                    "input_scale": layer.input_scale,
                    "output_range_A": [float(layer.output_range.min()), float(layer.output_range.max())],
                }
            )
        sliced = self.encoding.slices
        digital = [r for r in self.network.report if r.place == "digital"]
        used = sum(self.encoding.cells(m.grid) for m in self.matrices)
        return {
            "card": self.card.name,
            "conductance_range_S": [self.card.g_min, self.card.g_max],
            "tile": list(self.tile),
            "encoding": self.encoding.name,
            "slices": self.encoding.count,
            "slice_bits": None if sliced is None else sliced.bits,
            "arrays": self.arrays,
            "cells_used": used,
            "use": used / (self.arrays * cells),
            "weights": sum(m.grid.used() for m in self.matrices),
            "clipped": sum(m.clipped for m in self.matrices),
            "converter_ranges": self.rule,
            "compensated_wires": self.compensated_wires,
            "layers": rows,
            "digital": [{"name": r.name, "op": r.op, "weights": r.weights, "reason": r.reason} for r in digital],
            "network_sha256": self.network.sha256,
        }
