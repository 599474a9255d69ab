"""Figure of a run: error of the layers, outputs against the digital network, accuracy, error budget."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from xbar.errors import InputError
from xbar.figures import style

if TYPE_CHECKING:  # figures stand beside execution and do not import it
    from xbar.execution.accuracy import Accuracy
    from xbar.execution.error_budget import ErrorBudget
    from xbar.execution.layer_error import LayerError
    from xbar.execution.results import RunResult

POINTS = 3000
"""Outputs that are drawn as dots; more are drawn as a two-dimensional histogram."""
BINS = 80
"""Bins of each axis of that histogram."""


def run_figure(
    result: "RunResult",
    budget: "ErrorBudget | None" = None,
    programmed: NDArray[np.float64] | None = None,
    title: str = "",
) -> Figure:
    """Draw the result of a run.

    Args:
        result: the run.
        budget: its error budget, or None.
        programmed: conductances (rows, cols) [S] of one array to show beside it, or None.
        title: stands before the accuracy in the headline.

    Raises:
        InputError: outputs that do not fit each other, or a budget without effects.

    """
    panels: list[tuple[float, style.Draw]] = []
    if result.layers:
        panels.append((1.25, lambda axes: _draw_layers(axes, result.layers)))
    analog, digital = paired_outputs(result)
    panels.append((1.15, lambda axes: _draw_outputs(axes, analog, digital)))
    if budget is not None:
        if not budget.rows:
            raise InputError("the error budget has no effect; run it on a bench with effects, or leave it out")
        panels.append((1.1, lambda axes: _draw_budget(axes, budget)))
    if programmed is not None:
        style.check_finite(programmed, "programmed conductances")
        panels.append((1.1, lambda axes: _draw_programmed(axes, programmed)))
    bars = max(len(result.layers), 0 if budget is None else len(budget.rows))
    figure = style.new_figure(max(4.7 * len(panels) + 0.6, 9), min(4.4 + 0.22 * max(0, bars - 10), 14))
    places = style.panels(figure, len(panels), len(panels), [width for width, _ in panels])
    for place, (_, draw) in zip(places, panels, strict=True):
        draw(place)
    head = f"{title or result.bench}, {result.samples} samples"
    style.headline(figure, f"{head}\n{accuracy_text(result.accuracy)}" if result.accuracy is not None else head)
    return figure


def accuracy_text(accuracy: "Accuracy | None") -> str:
    """Return both accuracies, their difference and its confidence interval as one line."""
    if accuracy is None:
        return "no labels, no accuracy"
    low, high = accuracy.ci95
    interval = (
        f"95 % interval {100 * low:+.2f} to {100 * high:+.2f}" if np.isfinite([low, high]).all() else "one sample"
    )
    return (
        f"accuracy: digital {accuracy.digital:.2%}, analog {accuracy.analog:.2%}, "
        f"difference {100 * accuracy.difference:+.2f} points ({interval}, n = {accuracy.n})"
    )


def paired_outputs(result: "RunResult") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return all numeric outputs of the analog and of the digital network as flat, equally long arrays.

    Pairs that are not finite are left out. Raises `InputError` where names or shapes differ or nothing is left.
    """
    analog, digital = [], []
    for name, values in result.outputs.items():
        ideal = result.digital_outputs.get(name)
        if ideal is None or ideal.shape != values.shape:
            raise InputError(f"output {name} has no digital counterpart of shape {values.shape}; run the network again")
        if np.issubdtype(values.dtype, np.number):
            analog.append(np.asarray(values, np.float64).ravel())
            digital.append(np.asarray(ideal, np.float64).ravel())
    both = np.stack([np.concatenate(analog or [np.zeros(0)]), np.concatenate(digital or [np.zeros(0)])])
    both = both[:, np.isfinite(both).all(axis=0)]
    if not both.size:
        raise InputError("the network has no finite numeric output to draw")
    return both[0], both[1]


def _draw_layers(axes: Axes, layers: "Sequence[LayerError]") -> None:
    places = np.arange(len(layers), dtype=np.float64)
    kinds = (("of the layer alone", style.BLUE, -0.2), ("with the layers before", style.ORANGE, 0.2))
    values = np.array([[v.snr_db for v in layers], [v.cumulative_snr_db for v in layers]])
    finite = values[np.isfinite(values)]
    longest = max(float(finite.max(initial=0.0)), 1.0)
    for (name, colour, shift), row in zip(kinds, values, strict=True):
        # A layer without any error has an infinite ratio: its bar ends at the axis and says so.
        drawn = np.where(np.isposinf(row), 1.1 * longest, row)
        axes.barh(places + shift, drawn, 0.4, color=colour, label=name)
        for place in np.flatnonzero(np.isposinf(row)):
            axes.text(1.1 * longest, places[place] + shift, " no error", va="center", ha="left", fontsize=style.SMALL)
    axes.set_yticks(places, [style.shorten(v.name, 22) for v in layers])
    axes.set_ylim(len(layers) - 0.4, -0.6)
    if np.isposinf(values).any():
        axes.set_xlim(right=1.4 * longest)
    axes.axvline(0.0, color=style.GREY, linewidth=0.8)
    axes.grid(axis="x", color=style.UNUSED)
    axes.set_axisbelow(True)
    style.describe(axes, "error of the layers", "signal-to-error ratio [dB]", "")
    _legend_below(axes)


def _legend_below(axes: Axes) -> None:
    """Put a legend under the axis: bars leave no free corner."""
    style.legend(axes, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3)


def _draw_outputs(axes: Axes, analog: NDArray[np.float64], digital: NDArray[np.float64]) -> None:
    low, high = style.extent(analog, digital)
    margin = 0.03 * (high - low)
    low, high = low - margin, high + margin
    if analog.size <= POINTS:
        axes.plot(digital, analog, ".", color=style.BLUE, markersize=3, alpha=0.5)
    else:
        span = ((low, high), (low, high))
        *_, image = axes.hist2d(digital, analog, bins=BINS, range=span, norm=LogNorm(), cmap=style.SEQUENTIAL)
        style.colour_bar(image, axes, "outputs")
    style.identity(axes, low, high)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    error = float(np.sqrt(np.mean(np.square(analog - digital))))
    title = f"{analog.size} outputs, root mean square error {error:.3g}"
    style.describe(axes, title, "digital output [network units]", "analog output [network units]")
    style.legend(axes, loc="upper left")


def _draw_budget(axes: Axes, budget: "ErrorBudget") -> None:
    """Draw what each effect costs, in points of accuracy; in layer error where there are no labels."""
    labelled = budget.everything.accuracy is not None
    places = np.arange(len(budget.rows), dtype=np.float64)
    alone, without = [row.alone for row in budget.rows], [row.without for row in budget.rows]
    for name, colour, shift, runs in (("alone", style.BLUE, -0.2, alone), ("all but this", style.ORANGE, 0.2, without)):
        values = np.array([budget_value(run) for run in runs])
        axes.barh(places + shift, np.where(np.isfinite(values), values, np.nan), 0.4, color=colour, label=name)
        ends = np.array([(np.nan, np.nan) if run.accuracy is None else run.accuracy.ci95 for run in runs]) * 100
        reach = np.abs(ends - values[:, None]).T
        known = np.isfinite(reach).all(axis=0)
        if known.any():
            where = places[known] + shift
            axes.errorbar(
                values[known], where, xerr=reach[:, known], fmt="none", ecolor="black", elinewidth=1, capsize=2
            )
    whole = budget_value(budget.everything)
    if np.isfinite(whole):
        axes.axvline(whole, color=style.RED, linewidth=1.2, linestyle="--", label="all effects")
    axes.axvline(0.0, color=style.GREY, linewidth=0.8)
    axes.set_yticks(places, [style.shorten(row.effect.replace("_", " "), 22) for row in budget.rows])
    axes.set_ylim(len(places) - 0.4, -0.6)
    axes.grid(axis="x", color=style.UNUSED)
    axes.set_axisbelow(True)
    title = f"error budget, {budget.everything.samples} samples" + (" (95 % intervals)" if labelled else "")
    name = "accuracy, analog − digital [points]" if labelled else "mean signal-to-error ratio of the layers [dB]"
    style.describe(axes, title, name, "")
    _legend_below(axes)


def budget_value(run: "RunResult") -> float:
    """Return what a run of an error budget is worth: difference to the digital accuracy [points].

    Without labels the mean signal-to-error ratio of its layers [dB], NaN where none is finite.
    """
    if run.accuracy is not None:
        return 100 * run.accuracy.difference
    ratios = np.array([layer.snr_db for layer in run.layers])
    ratios = ratios[np.isfinite(ratios)]
    return float(ratios.mean()) if ratios.size else float("nan")


def _draw_programmed(axes: Axes, programmed: NDArray[np.float64]) -> None:
    image = style.conductance_image(axes, programmed, *style.extent(programmed))
    style.describe(axes, "programmed array", "bit line", "word line")
    style.colour_bar(image, axes, "conductance [µS]")
