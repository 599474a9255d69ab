"""Write a pattern of conductances by pulses and readings in turn (program-verify).

python scripts/lab/program_verify.py --trace pattern.h5 --figure pattern.png
python scripts/lab/program_verify.py --bench lab.toml --low "60 uS" --high "90 uS" --band "5 uS" \
    --width "1 ms" --unselected ground --trace pattern.h5
"""

from collections.abc import Sequence

import numpy as np
from lab_bench import (
    arguments,
    confirm,
    finish,
    largest_voltage,
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
from xbar.figures import style
from xbar.programming.write_report import WriteReport
from xbar.programming.write_settings import WriteVerify
from xbar.programming.write_verify import write_verify
from xbar.units import show


def main(argv: Sequence[str] | None = None) -> None:
    """Write, print what came of each level, draw."""
    parser = arguments(__doc__, card="reram_array_hfo2", size="12x12")
    parser.add_argument("--pattern", choices=["checkerboard", "gradient", "random"], default="checkerboard")
    parser.add_argument("--low", type=quantity("S"), help="lowest target [at 0.3 of the card's range]")
    parser.add_argument("--high", type=quantity("S"), help="highest target [at 0.7 of the card's range]")
    parser.add_argument("--band", type=quantity("S"), help="largest distance from a target [0.05 of the card's range]")
    parser.add_argument("--max-pulses", type=int, default=100, help="pulses after which a cell is given up [100]")
    offer_pulses(parser)
    args = parser.parse_args(argv)
    card = xbar.load_card(args.card)
    span = card.g_max - card.g_min
    settings = WriteVerify.for_device(
        write_pulses(card),
        args.band or 0.05 * span,
        max_pulses=args.max_pulses,
        read=xbar.ReadConfig(voltage=card.read_voltage),
        width=args.width or write_pulses(card).width,
        unselected=Unselected(args.unselected),
    )
    with open_lab(args) as bench:
        shape = (bench.capabilities.rows, bench.capabilities.cols)
        what = f"{shape[0] * shape[1]} cells, at most {args.max_pulses} pulses each"
        confirm(args, bench, what, largest_voltage(settings), settings.current_limit)
        low, high = args.low or card.g_min + 0.3 * span, args.high or card.g_min + 0.7 * span
        report = write_verify(bench[0], low + (high - low) * pattern(args.pattern, shape, args.seed), settings)
    print(report)
    print_table(["target", "reached", "mean", "spread", "pulses"], [*levels(report)])
    finish(args, draw(report))


def pattern(name: str, shape: tuple[int, int], seed: int) -> NDArray[np.float64]:
    """Return a pattern of 0 to 1."""
    if name == "checkerboard":
        return np.asarray(np.indices(shape).sum(axis=0) % 2, np.float64)
    if name == "gradient":
        return np.linspace(0, 1, shape[0] * shape[1]).reshape(shape)
    return np.random.default_rng(seed).random(shape)


def levels(report: WriteReport) -> list[list[str]]:
    """Return a row for each level, of at most eight groups of targets."""
    edges = np.unique(np.quantile(report.target, np.linspace(0, 1, 9)))
    group = np.searchsorted(edges, report.target, side="right")
    rows = []
    for k in np.unique(group):
        own = group == k
        found = report.conductance[own]
        row = [show(float(report.target[own].mean()), "S"), share(int(report.reached[own].sum()), int(own.sum()))]
        rows.append(
            [*row, show(float(found.mean()), "S"), show(float(found.std()), "S"), str(report.pulses[own].sum())]
        )
    return rows


def draw(report: WriteReport) -> Figure:
    """Draw targets, what was read last, and how the cells got there pulse by pulse."""
    figure = style.new_figure(12, 4)
    wanted, found, progress = style.panels(figure, 3, 3)
    ends = style.extent(report.target, report.conductance)
    style.conductance_image(wanted, report.target, *ends)
    style.describe(wanted, "target", "bit line", "word line")
    image = style.conductance_image(found, report.conductance, *ends)
    rows, cols = np.nonzero(report.given_up)
    found.scatter(cols, rows, marker="x", color=style.RED, label="given up")
    style.describe(found, "last reading (x: given up)", "bit line", "word line")
    style.colour_bar(image, [wanted, found], "conductance [µS]")
    took = np.sort(report.pulses[report.reached])
    progress.step(np.r_[0, took], 100 * np.r_[0, np.arange(1, len(took) + 1)] / report.asked.sum(), where="post")
    progress.set_ylim(0, 100)
    style.describe(progress, "cells in the band", "pulses of a cell", "share [%]")
    style.headline(figure, f"program-verify: {100 * report.success:.1f} % reached")
    return figure


if __name__ == "__main__":
    start(main)
