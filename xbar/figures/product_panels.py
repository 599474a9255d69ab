"""Panels of a trace about products: output currents of one array, output codes of all arrays."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from xbar.figures import style
from xbar.figures.trace_data import BINS, ProductHistory, TraceData

BARS = 40
"""Products up to this number have a bar each; more are a band."""


def product_panels(data: TraceData, array: int) -> list[style.Draw]:
    """Return the panels about products that the trace has data for; currents are those of one array."""
    panels: list[style.Draw] = []
    own = data.products.get(array)
    if own is not None and own.time:
        panels.append(lambda axes: _draw_currents(axes, own))
    known = {a: p for a, p in sorted(data.products.items()) if p.codes}
    if known and data.code_max is not None:
        panels.append(lambda axes: _draw_codes(axes, known))
        if any(p.at_end for p in known.values()):
            panels.append(lambda axes: _draw_ends(axes, known))
    return panels


def _draw_currents(axes: Axes, products: ProductHistory) -> None:
    low, middle, high = np.array(products.quantiles).T
    factor, unit = style.prefix(np.array(products.quantiles), "A")
    number = np.arange(len(middle))
    if len(number) > BARS:
        axes.fill_between(
            number, low * factor, high * factor, color=style.SKY, alpha=0.4, linewidth=0, label="5 to 95 %"
        )
    else:
        axes.vlines(number, low * factor, high * factor, color=style.SKY, linewidth=4, label="5 to 95 %")
    axes.plot(number, middle * factor, ".-", color=style.BLUE, markersize=4, linewidth=1, label="median")
    style.whole_numbers(axes, x=True)
    axes.set_xlim(-0.5, len(number) - 0.5)
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, top + 0.15 * (top - bottom))
    style.describe(axes, "output currents of the array", "product, in the order of time", f"bit-line current [{unit}]")
    style.legend(axes, loc="upper right", ncols=2)


def _draw_codes(axes: Axes, products: dict[int, ProductHistory]) -> None:
    """Draw the share of codes in each bin for each array: whether layers use the range of their converters."""
    share = np.array([p.bins / p.bins.sum() for p in products.values()]).T * 100
    image = axes.imshow(
        np.where(share > 0, share, np.nan),
        aspect="auto",
        origin="lower",
        interpolation="nearest",
        cmap=style.SEQUENTIAL,
        norm=LogNorm(0.01, 100),
        extent=(-0.5, len(products) - 0.5, -1.0, 1.0),
    )
    axes.set_facecolor(style.UNUSED)
    _array_ticks(axes, list(products))
    ends = 100 * sum(p.at_end for p in products.values()) / sum(p.codes for p in products.values())
    title = f"output codes of all products, {f'{ends:.2g} %' if ends else 'none'} at an end"
    style.describe(axes, title, "array", "code / largest code")
    style.colour_bar(image, axes, f"share of codes in each of {BINS} bins [%]")


def _draw_ends(axes: Axes, products: dict[int, ProductHistory]) -> None:
    share = [100 * p.at_end / p.codes for p in products.values()]
    axes.bar(range(len(share)), share, color=style.BLUE)
    axes.set_xlim(-0.6, len(share) - 0.4)
    axes.set_ylim(0, max(share) * 1.1 or 1.0)
    _array_ticks(axes, list(products))
    style.describe(axes, "output codes at the ends of the converter", "array", "codes at an end [%]")


def _array_ticks(axes: Axes, arrays: list[int]) -> None:
    """Name places by array; with many arrays, only some of them."""
    step = -(-len(arrays) // 16)
    axes.set_xticks(range(0, len(arrays), step), [str(a) for a in arrays[::step]])
