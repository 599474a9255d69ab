"""Figure of what wires do to one array: cell voltages, what of the drive is lost, bit-line currents."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from xbar.circuit.operator import effective_operator
from xbar.circuit.wire_text import parse_wires
from xbar.circuit.wires import Wires
from xbar.errors import InputError
from xbar.figures import style
from xbar.mapping.array_targets import array_targets
from xbar.mapping.mapped_network import MappedNetwork
from xbar.units import show

Floats = NDArray[np.float64]


def map_wires_figure(mapped: MappedNetwork, text: str, array: int | None = None) -> Figure:
    """Draw one array of a map with the wires that a text such as "1 ohm" names, its tile driven at the read voltage.

    The circuit is the whole array, drawn is the tile. `array`: None takes the largest tile. Raises `InputError` where
    the map has no such array, and what `parse_wires` raises.
    """
    wires = parse_wires(text)
    largest = max(mapped.matrices, key=lambda matrix: matrix.targets[0].size).first_array
    number = largest if array is None else array
    tile = array_targets(mapped, number)
    v = np.where(np.arange(len(tile.conductances)) < tile.rows, mapped.card.read_voltage, 0.0)
    head = f"Wires of {text}: array {number}, {style.shorten(tile.layer, 40)}"
    head = f"{head}, all word lines at {show(mapped.card.read_voltage, 'V')}"
    return wires_figure(tile.conductances, wires, v, head, (tile.rows, tile.cols))


def wires_figure(
    g: ArrayLike, wires: Wires, v: ArrayLike, title: str = "", part: tuple[int, int] | None = None
) -> Figure:
    """Draw an array of conductances `g` (rows, cols) [S] with inputs `v` (rows,) [V], or its first `part` lines.

    Left: voltage across each cell. Middle: share of the drive voltage of its word line that each cell does not see,
    grey where that is 0 V. Right: currents of the bit lines beside those without wires, with what is lost.

    Raises `InputError` for shapes that do not fit, and where every input is 0 V.
    """
    op = effective_operator(g, wires)
    inputs = np.asarray(v, float)
    if op.g.ndim != 2 or inputs.ndim != 1:
        raise InputError(f"one array (rows, cols) and one vector (rows,) are drawn, got {op.g.shape}, {inputs.shape}")
    if not inputs.any():
        raise InputError("all word lines stand at 0 V: there is nothing to draw")
    rows, cols = op.g.shape if part is None else part
    word, bit = (nodes[0, :rows, :cols] for nodes in op.node_voltages(inputs[None]))
    seen = word - bit
    drive = np.where(inputs == 0, np.nan, inputs)[:rows, None]
    figure = style.new_figure(13.5, 4.4)
    left, middle, right = style.panels(figure, 3, 3, (1, 1, 1.25))
    factor, unit = style.prefix(seen, "V")
    _draw_map(left, seen * factor, "voltage across the cells", f"word minus bit line [{unit}]")
    lost = 100 * (1 - seen / drive)
    mean = f"IR drop: {np.nanmean(lost):.3g} % on average, {np.nanmax(lost):.3g} % at worst"
    _draw_map(middle, lost, mean, "drive voltage lost [%]", "magma")
    _draw_currents(right, op.currents(inputs[None])[0, :cols], (inputs @ op.g)[:cols])
    if title:
        style.headline(figure, title)
    return figure


def _draw_map(panel: Axes, values: Floats, title: str, name: str, colours: str = style.SEQUENTIAL) -> None:
    panel.set_facecolor(style.UNUSED)
    low, high = style.extent(values)
    image = panel.imshow(values, cmap=colours, vmin=low, vmax=high, interpolation="nearest", origin="upper")
    rows, cols = values.shape
    panel.set_aspect("equal" if 0.25 <= rows / cols <= 4 else "auto")
    style.whole_numbers(panel, x=True, y=True)
    style.describe(panel, title, "bit line, sensed below", "word line, driven at the left")
    style.colour_bar(image, panel, name)


def _draw_currents(panel: Axes, current: Floats, ideal: Floats) -> None:
    factor, unit = style.prefix(ideal, "A")
    lines = np.arange(len(current))
    panel.plot(lines, ideal * factor, ".", color=style.SKY, markersize=5, label="without wires")
    panel.plot(lines, current * factor, ".", color=style.BLUE, markersize=5, label="with wires")
    panel.vlines(lines, current * factor, ideal * factor, color=style.UNUSED, linewidth=1, zorder=0)
    whole = float(np.abs(ideal).sum())
    share = 100 * float(np.abs(ideal - current).sum()) / whole if whole else 0.0
    style.describe(panel, f"bit-line currents: {share:.3g} % lost over all", "bit line", f"current [{unit}]")
    style.whole_numbers(panel, x=True)
    style.legend(panel, loc="best", ncols=2)
