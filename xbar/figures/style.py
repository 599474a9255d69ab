"""What all figures share: size of letters, colours that colour-blind readers tell apart, axes with units.

Figures are made of matplotlib's objects alone: no pyplot, no change of matplotlib's global settings, no window.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike, NDArray

from xbar.errors import InputError

SMALL: Final = 8
"""Size of tick labels and legends [points]."""
NORMAL: Final = 9
"""Size of axis labels and titles of panels [points]."""
LARGE: Final = 11
"""Size of the title of a figure [points]."""

BLUE, ORANGE, GREEN, RED, SKY, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7"
"""Colours of Okabe and Ito, Color Universal Design, 2008."""
PALETTE: Final = (BLUE, ORANGE, GREEN, RED, SKY, PURPLE)
GREY: Final = "#7F7F7F"
UNUSED: Final = "#E4E4E4"
"""Colour of cells that are not used or were not measured."""
SEQUENTIAL: Final = "viridis"
"""Colour map of conductances and counts."""

Draw = Callable[[Axes], None]
"""Fills a panel."""

MICRO: Final = 1e6
"""Microsiemens in a siemens."""


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size [inches] that draws into memory and keeps its labels from overlapping."""
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        # Room between a colour bar's name and the next panel's axis.
        engine.set(w_pad=0.09, h_pad=0.06)
    FigureCanvasAgg(figure)
    return figure


def headline(figure: Figure, text: str) -> None:
    """Give a figure its title."""
    figure.suptitle(text, fontsize=LARGE)


def describe(axes: Axes, title: str, x: str, y: str) -> None:
    """Give a panel its title and its axes their names, units included."""
    axes.set_title(title, fontsize=NORMAL)
    axes.set_xlabel(x, fontsize=NORMAL)
    axes.set_ylabel(y, fontsize=NORMAL)
    axes.tick_params(labelsize=SMALL)


def legend(axes: Axes, **where: Any) -> None:
    """Show a small legend; `where` are matplotlib's options for its place and columns."""
    axes.legend(fontsize=SMALL, frameon=False, **where)


def whole_numbers(axes: Axes, *, x: bool = False, y: bool = False) -> None:
    """Put ticks on whole numbers alone: numbers of lines, arrays, operations."""
    if x:
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    if y:
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))


def log_scale(axis: XAxis | YAxis, low: float, high: float) -> None:
    """Make an axis logarithmic from `low` to `high` with ticks that stay apart over part of a decade and over many."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log", f"{axis.axis_name}lim": (low / 1.2, high * 1.2)})
    if high < 300 * low:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def conductance_image(axes: Axes, conductances: NDArray[np.float64], low: float, high: float) -> AxesImage:
    """Draw conductances (rows, cols) [S] in microsiemens, word line 0 on top; NaN stays grey.

    `low` and `high` are the ends of the colours [S]. Very long arrays are drawn with cells that are not square.
    """
    rows, cols = conductances.shape
    axes.set_facecolor(UNUSED)
    span = (low * MICRO, high * MICRO if high > low else low * MICRO + 1)
    image = axes.imshow(
        conductances * MICRO, cmap=SEQUENTIAL, vmin=span[0], vmax=span[1], interpolation="nearest", origin="upper"
    )
    axes.set_aspect("equal" if 0.25 <= rows / cols <= 4 else "auto")
    whole_numbers(axes, x=True, y=True)
    return image


def colour_bar(image: ScalarMappable, axes: Axes | Sequence[Axes], name: str) -> Colorbar:
    """Show what the colours of an image mean, beside the panels that it belongs to."""
    panels: Any = axes if isinstance(axes, Axes) else list(axes)
    owner = (axes if isinstance(axes, Axes) else axes[0]).get_figure(root=False)
    if owner is None:
        raise InputError("the panel belongs to no figure; give one that does")
    bar = owner.colorbar(image, ax=panels, shrink=0.9, pad=0.02)
    bar.set_label(name, fontsize=NORMAL)
    bar.ax.tick_params(labelsize=SMALL)
    return bar


def two_rows(figure: Figure, heights: tuple[float, float]) -> tuple[SubFigure, SubFigure]:
    """Cut a figure into an upper and a lower part."""
    parts: Any = figure.subfigures(2, 1, height_ratios=heights)
    return parts[0], parts[1]


def panels(figure: SubFigure | Figure, count: int, across: int, widths: Sequence[float] | None = None) -> list[Axes]:
    """Return `count` panels in rows of at most `across`; `widths` are the relative ones of a row."""
    across = min(across, count)
    grid: Any = figure.subplots(-(-count // across), across, squeeze=False, width_ratios=widths)
    places: list[Axes] = list(grid.flat)
    for place in places[count:]:
        place.remove()
    return places[:count]


def identity(axes: Axes, low: float, high: float) -> None:
    """Draw the line on which both axes are equal, from `low` to `high`."""
    axes.plot([low, high], [low, high], color=GREY, linewidth=1, linestyle="--", label="equal", zorder=3)


def histogram(axes: Axes, values: NDArray[np.float64]) -> None:
    """Draw how often values occur, in fifty bins; values that are equal but for rounding fall into one."""
    low, high = extent(values)
    margin = 1e-9 * max(abs(low), abs(high))
    if high - low < margin:
        low, high = low - margin, high + margin
    axes.hist(values, bins=50, range=(low, high), color=BLUE)


def extent(*values: ArrayLike) -> tuple[float, float]:
    """Return the smallest and the largest finite value of some arrays, a little apart; (0, 1) where there is none."""
    flat = np.concatenate([np.asarray(v, np.float64).ravel() for v in values])
    flat = flat[np.isfinite(flat)]
    if not flat.size:
        return 0.0, 1.0
    low, high = float(flat.min()), float(flat.max())
    return (low, high) if high > low else (low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2)


def prefix(values: ArrayLike, unit: str) -> tuple[float, str]:
    """Return a factor and a unit that make the largest of some values [`unit`] a number of 1 to 1000: (1e6, "µA")."""
    low, high = extent(values)
    largest = max(abs(low), abs(high))
    for power, name in ((9, "G"), (6, "M"), (3, "k"), (0, ""), (-3, "m"), (-6, "µ"), (-9, "n"), (-12, "p")):
        if largest >= float(f"1e{power}") * (1 - 1e-9):
            return float(f"1e{-power}"), name + unit
    return 1e15, "f" + unit


def shorten(text: str, most: int = 26) -> str:
    """Return a name of at most `most` letters: the middle of a longer one is left out."""
    if len(text) <= most:
        return text
    end = (most - 1) * 2 // 3
    return f"{text[: most - 1 - end]}…{text[-end:]}"


def check_finite(values: ArrayLike, what: str) -> None:
    """Raise `InputError` where not one of some values is a number."""
    if not np.isfinite(np.asarray(values, np.float64)).any():
        raise InputError(f"{what}: nothing was measured (all values are NaN), there is nothing to draw")
