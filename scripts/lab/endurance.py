"""Switch some cells on and off, cycle after cycle, and read both states now and then: how the window closes.

python scripts/lab/endurance.py --trace endurance.h5 --figure endurance.png
python scripts/lab/endurance.py --bench lab.toml --set "1.5 V" --reset "-1.5 V" --width "1 ms" --pulses 1 \
    --unselected ground --trace endurance.h5
"""

from collections.abc import Sequence

import numpy as np
from lab_bench import (
    arguments,
    confirm,
    finish,
    offer_pulses,
    open_lab,
    print_table,
    quantity,
    share,
    start,
    write_pulses,
)
from matplotlib.figure import Figure
from numpy.typing import NDArray

import xbar
from xbar.bench.crossbar import Crossbar
from xbar.bench.settings import Unselected
from xbar.figures import style
from xbar.units import show

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def main(argv: Sequence[str] | None = None) -> None:
    """Cycle, print the window over the cycles, draw."""
    parser = arguments(__doc__, card="yflash", size="4x4")
    parser.add_argument("--cells", type=int, default=4, help="cells, along the diagonal: none shares a line [4]")
    parser.add_argument("--cycles", type=int, default=200, help="cycles [200]")
    parser.add_argument("--pulses", type=int, default=30, help="pulses of one polarity in a cycle [30]")
    parser.add_argument("--set", type=quantity("V"), help="pulse that raises the conductance [by the card]")
    parser.add_argument("--reset", type=quantity("V"), help="pulse that lowers it [by the card]")
    parser.add_argument("--window", type=float, default=10.0, help="ratio below which a cell has failed [10]")
    offer_pulses(parser)
    args = parser.parse_args(argv)
    card = xbar.load_card(args.card)
    width, others = args.width or write_pulses(card).width, Unselected(args.unselected)
    both = (
        xbar.Pulse(args.set or write_pulses(card).set_voltage, width, unselected=others),
        xbar.Pulse(args.reset or write_pulses(card).reset_voltage, width, unselected=others),
    )
    seen = np.unique(np.geomspace(1, args.cycles, 25).astype(np.int64))
    with open_lab(args) as bench:
        count = min(args.cells, bench.capabilities.rows, bench.capabilities.cols)
        cells = np.stack([np.arange(count)] * 2, axis=1)
        what = f"{count} cells, {2 * args.cycles * args.pulses} pulses each"
        confirm(args, bench, what, max(abs(pulse.voltage) for pulse in both), both[0].current_limit)
        config = xbar.ReadConfig(voltage=card.read_voltage, repeat=4)
        on, off = cycle(bench[0], cells, both, args.pulses, seen, config)
    rows = []
    for k in np.unique(np.linspace(0, len(seen) - 1, 8).astype(np.int64)):
        ratio, failed = float(np.median(on[k] / off[k])), int((on[k] / off[k] < args.window).sum())
        states = [show(float(np.median(state[k])), "S") for state in (on, off)]
        rows.append([str(seen[k]), *states, f"{ratio:.4g}", share(failed, count)])
    print_table(["cycle", "on (median)", "off (median)", "window", "failed"], rows)
    finish(args, draw(seen, on, off))


def cycle(
    crossbar: Crossbar,
    cells: Ints,
    both: tuple[xbar.Pulse, xbar.Pulse],
    pulses: int,
    seen: Ints,
    config: xbar.ReadConfig,
) -> tuple[Floats, Floats]:
    """Return the conductances [S] after SET and after RESET, `(len(seen), cells)` each."""
    found: tuple[list[Floats], list[Floats]] = ([], [])
    for number in range(1, int(seen[-1]) + 1):
        for pulse, states in zip(both, found, strict=True):
            crossbar.pulse(cells, pulse, pulses)
            if number in seen:
                states.append(crossbar.read(cells, config).conductance.mean(axis=1))
    return np.array(found[0]), np.array(found[1])


def draw(seen: Ints, on: Floats, off: Floats) -> Figure:
    """Draw both states of every cell, and their medians, over the cycles."""
    figure = style.new_figure(7, 4.5)
    (axes,) = style.panels(figure, 1, 1)
    for states, colour, name in ((on, style.BLUE, "after SET"), (off, style.ORANGE, "after RESET")):
        axes.plot(seen, states * style.MICRO, color=colour, alpha=0.3, linewidth=0.8)
        axes.plot(seen, np.median(states, axis=1) * style.MICRO, color=colour, marker="o", markersize=3, label=name)
    axes.set(xscale="log", yscale="log")
    style.describe(axes, "thin: each cell; thick: median", "cycle", "conductance [µS]")
    style.legend(axes, loc="center left", bbox_to_anchor=(1, 0.5))
    style.headline(figure, "endurance")
    return figure


if __name__ == "__main__":
    start(main)
