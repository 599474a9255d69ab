"""The figure of a calibration: for each law what was measured beside what was fitted, and the residuals."""

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from xbar.errors import InputError
from xbar.figures import style

Floats = NDArray[np.float64]

MOST_POINTS: Final = 5000
"""Points that a panel draws; of more, as many spread evenly."""
RANGE: Final = 4.0
"""Ends of the histogram of standardised residuals."""


class Residuals(Protocol):
    """What one law left over; x, measured and fitted are of equal length."""

    @property
    def title(self) -> str:
        """Get the name of the law."""

    @property
    def x_name(self) -> str:
        """Get the name of x, with its unit."""

    @property
    def y_name(self) -> str:
        """Get the name of what was measured, with its unit."""

    @property
    def x(self) -> Floats:
        """Get what the law depends on."""

    @property
    def measured(self) -> Floats:
        """Get the measured values."""

    @property
    def fitted(self) -> Floats:
        """Get those of the law."""

    @property
    def standardised(self) -> Floats:
        """Get the residuals in standard deviations of the law."""

    @property
    def log_x(self) -> bool:
        """Tell whether x is drawn on a logarithmic axis."""


def calibration_figure(laws: Sequence[Residuals], title: str) -> Figure:
    """Return two panels for each law: measured and fitted values, and the distribution of the residuals.

    Raises `InputError` where there is nothing to draw.
    """
    if not laws:
        raise InputError("no fitted law has residuals to draw")
    figure = style.new_figure(9.0, 2.9 * len(laws) + 0.5)
    style.headline(figure, title)
    places = style.panels(figure, 2 * len(laws), 2, widths=(2.0, 1.0))
    for k, law in enumerate(laws):
        _values(places[2 * k], law)
        _histogram(places[2 * k + 1], law)
    return figure


def _values(axes: Axes, law: Residuals) -> None:
    pick = np.flatnonzero(np.isfinite(law.x) & np.isfinite(law.measured))
    pick = pick[:: max(1, len(pick) // MOST_POINTS)]
    order = pick[np.argsort(law.x[pick], kind="stable")]
    axes.plot(law.x[order], law.measured[order], ".", color=style.SKY, markersize=3, label="measured", rasterized=True)
    axes.plot(law.x[order], law.fitted[order], "-", color=style.RED, linewidth=1.2, label="fitted")
    if law.log_x and len(order) and law.x[order].min() > 0:
        axes.set_xscale("log")
    style.describe(axes, law.title, law.x_name, law.y_name)
    style.legend(axes)


def _histogram(axes: Axes, law: Residuals) -> None:
    z = law.standardised[np.isfinite(law.standardised)]
    axes.hist(np.clip(z, -RANGE, RANGE), bins=40, range=(-RANGE, RANGE), density=True, color=style.BLUE)
    grid = np.linspace(-RANGE, RANGE, 161)
    axes.plot(grid, np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi), color=style.RED, linewidth=1.2, label="normal")
    style.describe(
        axes, f"residuals, spread {z.std():.2f}" if len(z) else "residuals", "in standard deviations", "density"
    )
    style.legend(axes)
