"""Figure of a map: conductance maps of its tiles, their distribution, column scales, use of the arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from xbar.errors import InputError
from xbar.figures import style
from xbar.mapping.mapped_network import MappedNetwork

MAPS = 8
"""Tiles that are drawn at most."""
NAMES = 16
"""Matrices whose names fit beside an axis."""


@dataclass(frozen=True, eq=False)
class _Tile:
    """One tile and what is said about it."""

    array: int
    matrix: int
    name: str
    targets: NDArray[np.float64]
    used: NDArray[np.bool_]
    """Cells that belong to the matrix; the others are padding."""
    scale: NDArray[np.float64]
    """Scales of the columns that belong to the matrix [1/S]."""


def map_figure(mapped: MappedNetwork, array: int | None = None, maps: int = MAPS) -> Figure:
    """Draw a mapped network.

    Args:
        mapped: the map.
        array: number of the only array to draw; None draws the largest tiles and the distributions over all of them.
        maps: number of tiles that are drawn at most, at least 1.

    Raises:
        InputError: no such array, or a number of maps below 1.

    """
    if maps < 1:
        raise InputError(f"number of maps {maps} must be at least 1")
    tiles = _tiles(mapped)
    if array is not None:
        if not 0 <= array < len(tiles):
            raise InputError(f"array {array} does not exist; the map has arrays 0 to {len(tiles) - 1}")
        tiles = [tiles[array]]
    rows, cols = mapped.tile
    head = f"Map for card {mapped.card.name}, arrays of {rows} × {cols} cells"
    span = (mapped.card.g_min, mapped.card.g_max)
    if len(tiles) == 1:
        figure = style.new_figure(13, 4)
        panels = style.panels(figure, 3, 3, (1, 1, 1.3))
        _draw_maps(panels[:1], tiles, span)
        share = 100 * float(tiles[0].used.sum()) / (rows * cols)
        style.headline(figure, f"{head}, array {tiles[0].array} of {mapped.arrays}: {share:.0f} % in use")
        _draw_histogram(panels[1], tiles)
        _draw_scales(panels[2], tiles, mapped)
        return figure
    # The largest first; among equals the order of the map.
    shown = sorted(sorted(tiles, key=lambda t: -int(t.used.sum()))[:maps], key=lambda t: t.array)
    down = -(-len(shown) // 4)
    figure = style.new_figure(12, 2.8 * down + 3.2)
    top, bottom = style.two_rows(figure, (2.8 * down, 3.0))
    _draw_maps(style.panels(top, len(shown), 4), shown, span)
    panels = style.panels(bottom, 3, 3, (1, 1.4, 1))
    _draw_histogram(panels[0], tiles)
    _draw_scales(panels[1], tiles, mapped)
    _draw_use(panels[2], tiles, mapped.tile)
    style.headline(figure, f"{head}, {len(shown)} of {len(tiles)} arrays shown")
    return figure


def _tiles(mapped: MappedNetwork) -> list[_Tile]:
    """Return the tiles in the order of their arrays."""
    tiles = []
    for number, matrix in enumerate(mapped.matrices):
        grid = matrix.grid
        real = grid.cut(np.ones((grid.inputs, grid.outputs), bool))
        for tile, array in enumerate(matrix.arrays):
            columns = real[tile].any(axis=0)
            used = mapped.encoding.in_use(real[tile])
            scale = matrix.scale[tile][columns]
            tiles.append(_Tile(array, number, _name(mapped, number), matrix.targets[tile], used, scale))
    return tiles


def _name(mapped: MappedNetwork, matrix: int) -> str:
    """Return the layer that a matrix belongs to, and how many more share it."""
    names = [layer.name for layer in mapped.layers if layer.matrix == matrix]
    return (names[0] if names else f"matrix {matrix}") + (f" (+{len(names) - 1})" if len(names) > 1 else "")


def _draw_maps(panels: Sequence[Axes], tiles: Sequence[_Tile], span: tuple[float, float]) -> None:
    rows = max(t.targets.shape[0] for t in tiles)
    cols = max(t.targets.shape[1] for t in tiles)
    image = None
    for panel, tile in zip(panels, tiles, strict=True):
        image = style.conductance_image(panel, tile.targets, *span)
        # All panels show the same part of an array, so that the sizes of tiles compare; cells beyond a tile are grey.
        panel.set_xlim(-0.5, cols - 0.5)
        panel.set_ylim(rows - 0.5, -0.5)
        panel.set_aspect("equal" if 0.25 <= rows / cols <= 4 else "auto")
        style.describe(panel, f"{style.shorten(tile.name)}\narray {tile.array}", "bit line", "word line")
    if image is not None:
        style.colour_bar(image, panels, "target conductance [µS]")


def _draw_histogram(panel: Axes, tiles: Sequence[_Tile]) -> None:
    values = np.concatenate([t.targets[t.used] for t in tiles]) * style.MICRO
    style.histogram(panel, values)
    panel.set_yscale("log")
    style.describe(panel, f"{values.size} cells in use", "target conductance [µS]", "cells")


def _draw_scales(panel: Axes, tiles: Sequence[_Tile], mapped: MappedNetwork) -> None:
    """Draw one dot a column, and the median of each matrix: how far apart columns are is what one scale would cost."""
    matrices = sorted({t.matrix for t in tiles})
    for place, matrix in enumerate(matrices):
        # Per microsiemens: the weight that a usual step of conductance stands for.
        scale = np.concatenate([t.scale for t in tiles if t.matrix == matrix]) / style.MICRO
        panel.plot(scale, np.full(scale.size, place), ".", color=style.SKY, markersize=4, alpha=0.6)
        panel.plot([np.median(scale)], [place], "|", color=style.BLUE, markersize=11, markeredgewidth=2)
    every = np.concatenate([t.scale for t in tiles]) / style.MICRO
    style.log_scale(panel.xaxis, float(every.min()), float(every.max()))
    panel.set_ylim(len(matrices) - 0.5, -0.5)
    named = len(matrices) <= NAMES
    style.describe(
        panel,
        "column scales (dots: outputs, bars: median)",
        "weight of one microsiemens [1/µS]",
        "" if named else "matrix",
    )
    if named:
        panel.set_yticks(range(len(matrices)), [style.shorten(_name(mapped, m), 22) for m in matrices])
    else:
        style.whole_numbers(panel, y=True)
    panel.grid(axis="x", color=style.UNUSED)


def _draw_use(panel: Axes, tiles: Sequence[_Tile], size: tuple[int, int]) -> None:
    share = [100 * float(t.used.sum()) / (size[0] * size[1]) for t in tiles]
    numbers = [t.array for t in tiles]
    panel.bar(numbers, share, color=style.BLUE, width=0.8 if len(tiles) < 100 else 1.0)
    panel.set_xlim(numbers[0] - 1, numbers[-1] + 1)
    panel.set_ylim(0, 100)
    style.whole_numbers(panel, x=True)
    style.describe(panel, f"use of the arrays, {np.mean(share):.0f} % on average", "array", "cells in use [%]")
