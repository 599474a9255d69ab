"""Panel of a trace: which operations ran when on the bench clock."""

from matplotlib.axes import Axes

from xbar.bench.operation import OperationKind
from xbar.figures import style
from xbar.figures.trace_data import TraceData
from xbar.units import show

WAITS = 6
"""Waits whose length is written into the time line at most."""
KIND_COLOURS = {
    OperationKind.PROGRAM: style.RED,
    OperationKind.MVM: style.BLUE,
    OperationKind.READ: style.GREEN,
    OperationKind.SWEEP: style.PURPLE,
    OperationKind.PULSE: style.ORANGE,
}


def time_line(data: TraceData) -> tuple[dict[OperationKind, list[tuple[float, float]]], list[tuple[float, float]]]:
    """Return when operations of each kind ran, and the waits, on a clock that stands still while waiting [s].

    Spans (start, end) of operations of one kind that follow each other are joined; waits are (place, length).
    """
    bars: dict[OperationKind, list[tuple[float, float]]] = {}
    cuts: list[tuple[float, float]] = []
    waited, last = 0.0, OperationKind.WAIT
    for kind, started, ended in data.times:
        if kind is OperationKind.WAIT:
            cuts.append((started - waited, ended - started))
            waited += ended - started
            continue
        spans = bars.setdefault(kind, [])
        start = spans.pop()[0] if spans and kind is last else started - waited
        spans.append((start, ended - waited))
        last = kind
    return bars, cuts


def draw_time_line(axes: Axes, data: TraceData) -> None:
    """Draw when operations ran. Waits are cut out and marked: a day of waiting would hide everything else."""
    bars, cuts = time_line(data)
    origin = data.times[0][1]
    total = max(data.times[-1][2] - sum(length for _, length in cuts) - origin, 1e-12)
    factor, unit = style.prefix([origin, origin + total], "s")
    kinds = [kind for kind in KIND_COLOURS if kind in bars]
    for place, kind in enumerate(kinds):
        # At least two thousandths of the axis: what is shorter would not be seen.
        spans = [(start * factor, max(end - start, total / 500) * factor) for start, end in bars[kind]]
        axes.broken_barh(spans, (place - 0.35, 0.7), facecolors=KIND_COLOURS[kind])
    for number, (at, length) in enumerate(cuts):
        axes.axvline(at * factor, color="black", linewidth=1, linestyle=":")
        if len(cuts) <= WAITS:
            up = len(kinds) - 0.45 if number % 2 == 0 else len(kinds) - 0.05
            axes.text(at * factor, up, f" wait {show(length, 's', 3)}", fontsize=style.SMALL, va="bottom", ha="left")
    axes.set_yticks(range(len(kinds)), [kind.name.lower() for kind in kinds])
    axes.set_ylim(-0.6, len(kinds) - 0.4 + (1.0 if 0 < len(cuts) <= WAITS else 0.0))
    axes.set_xlim((origin - 0.01 * total) * factor, (origin + 1.06 * total) * factor)
    cut = f", {len(cuts)} wait{'s' if len(cuts) > 1 else ''} cut out (dotted)" if cuts else ""
    style.describe(axes, f"time line{cut}", f"bench clock{' without waits' if cuts else ''} [{unit}]", "")
