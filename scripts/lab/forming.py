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
from xbar.bench.settings import Unselected
from xbar.devices.card import DeviceCard
from xbar.figures import style
from xbar.programming.form_cells import form_cells
from xbar.programming.form_settings import FormCells
from xbar.programming.write_settings import Staircase, WriteVerify
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
    settings = FormCells(
        args.target or (card.g_min + card.g_max) / 2,
        ramp(card, {"start": args.first, "step": args.step, "stop": args.last}),
        args.width or write_pulses(card).width,
        args.current_limit,
        read=xbar.ReadConfig(voltage=card.read_voltage, repeat=4),
        max_pulses=1000,
        unselected=Unselected(args.unselected),
    )
    count, worst = len(settings.ramp.voltages()), abs(settings.ramp.stop)
    with open_lab(args) as bench:
        what = f"{bench.capabilities.rows * bench.capabilities.cols} cells, at most {count} pulses each"
        confirm(args, bench, what, worst, args.current_limit)
        report = form_cells(bench[0], settings)
    formed_at, conductance = report.formed_at, report.conductance
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


def ramp(card: DeviceCard, asked: dict[str, float | None]) -> Staircase:
    """Return the amplitudes: those of the card's law of forming, else of its SET pulses, but for what was asked for."""
    law = FormCells.for_card(card).ramp if card.forming is not None else None
    stairs = law or WriteVerify.for_device(write_pulses(card), band=1.0).set
    return replace(stairs, **{name: value for name, value in asked.items() if value is not None})


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
