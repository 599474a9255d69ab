"""Form the cells of an array: pulses of growing amplitude until each conducts.

A cell that conducts already is left alone. With --chip the file remembers which cells were formed.

python scripts/lab/forming.py --trace forming.h5 --figure forming.png
python scripts/lab/forming.py --bench lab.toml --to "3 V" --width "1 ms" --unselected ground --trace forming.h5
"""

from collections.abc import Sequence
from dataclasses import replace

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
from xbar.bench.cell_life import CellFlag
from xbar.bench.crossbar import Crossbar
from xbar.bench.settings import Unselected
from xbar.figures import style
from xbar.programming.write_settings import WriteVerify
from xbar.units import show


def main(argv: Sequence[str] | None = None) -> None:
    """Form, print the statistics, draw."""
    parser = arguments(__doc__, card="reram_array_hfo2", size="8x8")
    parser.add_argument(
        "--target", type=quantity("S"), help="conductance of a formed cell [middle of the card's range]"
    )
    parser.add_argument("--from", dest="first", type=quantity("V"), help="first amplitude [by the card]")
    parser.add_argument("--step", type=quantity("V"), help="rise from pulse to pulse [by the card]")
    parser.add_argument("--to", dest="last", type=quantity("V"), help="last amplitude [by the card]")
    parser.add_argument("--current-limit", type=quantity("A"), default=1e-3, help="compliance of a pulse [1 mA]")
    offer_pulses(parser)
    args = parser.parse_args(argv)
    card = xbar.load_card(args.card)
    asked = {"start": args.first, "step": args.step, "stop": args.last}
    stairs = WriteVerify.for_device(write_pulses(card), band=1.0).set
    stairs = replace(stairs, **{name: value for name, value in asked.items() if value is not None})
    target = args.target or (card.g_min + card.g_max) / 2
    width = args.width or write_pulses(card).width
    pulses = [
        xbar.Pulse(volts, width, current_limit=args.current_limit, unselected=Unselected(args.unselected))
        for volts in stairs.voltages().tolist()
    ]
    with open_lab(args) as bench:
        what = f"{bench.capabilities.rows * bench.capabilities.cols} cells, at most {len(pulses)} pulses each"
        confirm(args, bench, what, abs(stairs.stop), args.current_limit)
        formed_at, conductance = form(bench[0], pulses, target, xbar.ReadConfig(voltage=card.read_voltage, repeat=4))
        if bench.chip is not None:
            bench.chip.flag(0, np.argwhere(np.isfinite(formed_at)), CellFlag.FORMED)
    pulsed = formed_at[formed_at > 0]
    rows = [["conducted before", share(int((formed_at == 0).sum()), formed_at.size)]]
    rows += [["formed", share(pulsed.size, formed_at.size)]]
    rows += [["not formed", share(int(np.isnan(formed_at).sum()), formed_at.size)]]
    if pulsed.size:
        names = ("lowest voltage", "median voltage", "highest voltage")
        rows += [[n, show(float(v), "V")] for n, v in zip(names, np.quantile(pulsed, [0, 0.5, 1]), strict=True)]
    rows += [["mean conductance", show(float(conductance[np.isfinite(formed_at)].mean()), "S")]]
    print_table(["cells", "result"], rows)
    finish(args, draw(formed_at, conductance))


Floats = NDArray[np.float64]


def form(crossbar: Crossbar, pulses: list[xbar.Pulse], target: float, config: xbar.ReadConfig) -> tuple[Floats, Floats]:
    """Return the forming voltage of each cell [V], 0 where it conducted before, NaN where it never did; and G [S]."""
    conductance = crossbar.read_all(config).conductance.mean(axis=1)
    conductance = conductance.reshape(crossbar.capabilities.rows, crossbar.capabilities.cols)
    formed_at = np.where(conductance >= target, 0.0, np.nan)
    for pulse in pulses:
        left = np.argwhere(np.isnan(formed_at))
        if not len(left):
            break
        crossbar.pulse(left, pulse)
        found = crossbar.read(left, config).conductance.mean(axis=1)
        where = (left[:, 0], left[:, 1])
        conductance[where] = found
        formed_at[where] = np.where(found >= target, abs(pulse.voltage), np.nan)
    return formed_at, conductance


def draw(formed_at: Floats, conductance: Floats) -> Figure:
    """Draw the share of formed cells over voltage, and the map of conductances."""
    figure = style.new_figure(9, 4)
    left, right = style.panels(figure, 2, 2)
    ordered = np.sort(formed_at[formed_at > 0])
    before = int((formed_at == 0).sum())
    left.step(ordered, 100 * (before + np.arange(1, len(ordered) + 1)) / formed_at.size, where="post", color=style.BLUE)
    left.set_ylim(0, 100)
    style.describe(left, "cells that conduct", "amplitude [V]", "share [%]")
    image = style.conductance_image(right, conductance, *style.extent(conductance))
    style.describe(right, "after forming", "bit line", "word line")
    style.colour_bar(image, right, "conductance [µS]")
    style.headline(figure, "forming")
    return figure


if __name__ == "__main__":
    start(main)
