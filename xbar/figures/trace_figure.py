"""Figure of a trace: only panels for which it holds data."""

from matplotlib.figure import Figure

from xbar.errors import InputError
from xbar.figures import style
from xbar.figures.cell_panels import cell_panels
from xbar.figures.product_panels import product_panels
from xbar.figures.time_line import draw_time_line
from xbar.figures.trace_data import collect
from xbar.trace.reader import Trace


def trace_figure(trace: Trace, array: int | None = None) -> Figure:
    """Draw a trace.

    Targets and read conductances of one array side by side and against each other, drift, I-V sweeps, output currents
    and codes of products, and the time line of all operations: each where the trace holds it.

    Args:
        trace: the open trace.
        array: the array whose cells and currents are drawn; None takes the one that the trace tells most of.

    Raises:
        InputError: a trace without anything to draw, or without the array; the message says what to record.
        FormatError: a damaged trace.

    """
    has = trace.header.capabilities
    data = collect(trace, (has.rows, has.cols), has.adc_bits)
    chosen = data.most_told() if array is None else array
    if chosen is None:
        raise InputError(
            f"{trace.path} holds no write, reading, sweep or product, there is nothing to draw; record some with "
            "`xbar run --trace`, `xbar read --trace` or a bench opened with record=..."
        )
    if chosen not in data.arrays:
        raise InputError(
            f"{trace.path} holds nothing of array {chosen}; it holds arrays {_ranges(data.arrays)}. Choose one of "
            "them, or record writes (program) and readings (read) of this array"
        )
    panels = cell_panels(data, chosen) + product_panels(data, chosen)
    if not panels:
        raise InputError(
            f"{trace.path}: no operation on array {chosen} gave a number; record readings of cells (read) after a "
            "write (program), or products (mvm)"
        )
    across = min(3, len(panels))
    down = -(-len(panels) // across)
    figure = style.new_figure(max(4.6 * across, 8), 3.9 * down + 2.2)
    top, bottom = style.two_rows(figure, (3.9 * down, 1.9))
    for place, draw in zip(style.panels(top, len(panels), across), panels, strict=True):
        draw(place)
    draw_time_line(bottom.subplots(), data)
    who = trace.header.identity.model
    style.headline(figure, f"Trace {trace.path.name} of {who}: array {chosen}, {len(data.times)} operations")
    return figure


def _ranges(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:12])) + (f" and {len(numbers) - 12} more" if len(numbers) > 12 else "")
