"""Write levels, wait, and read them at times evenly spaced in log t: how well the cells keep them.

python scripts/lab/retention.py --trace retention.h5 --figure retention.png
python scripts/lab/retention.py --bench lab.toml --write pulses --to "1 h" --trace retention.h5 --figure retention.png
"""

from collections.abc import Sequence

import numpy as np
from lab_bench import arguments, finish, offer_write, open_lab, print_table, quantity, start, write_first
from matplotlib.figure import Figure
from numpy.typing import NDArray

import xbar
from xbar.bench.bench import Bench
from xbar.figures import style
from xbar.units import show

Floats = NDArray[np.float64]


def main(argv: Sequence[str] | None = None) -> None:
    """Write, wait and read, print the levels at the first and the last time, draw."""
    parser = arguments(__doc__, card="pcm", size="16x16")
    parser.add_argument("--levels", type=int, default=4, help="levels, one column after the other [4]")
    parser.add_argument("--from", dest="first", type=quantity("s"), default=1.0, help="first time [1 s]")
    parser.add_argument("--to", dest="last", type=quantity("s"), default=86400.0, help="last time [1 day]")
    parser.add_argument("--points", type=int, default=16, help="times [16]")
    parser.add_argument("--repeat", type=int, default=4, help="readings of a cell that are averaged [4]")
    offer_write(parser)
    args = parser.parse_args(argv)
    card = xbar.load_card(args.card)
    config = xbar.ReadConfig(voltage=card.read_voltage, repeat=args.repeat)
    with open_lab(args) as bench:
        shape = (bench.capabilities.rows, bench.capabilities.cols)
        count = min(args.levels, shape[1])
        level = np.broadcast_to(np.arange(shape[1]) % count, shape)
        targets = card.g_min + (level + 1) / (count + 1) * (card.g_max - card.g_min)
        write_first(args, bench, bench[0], targets)
        ages, found = watch(bench, np.geomspace(args.first, args.last, args.points), config)
    means = np.array([found[:, level.ravel() == k].mean(axis=1) for k in range(count)])
    spreads = np.array([found[:, level.ravel() == k].std(axis=1) for k in range(count)])
    rows = []
    for k in range(count):
        exponent = -np.polyfit(np.log(ages), np.log(np.abs(means[k])), 1)[0]
        values = [show(float(v), "S") for v in (means[k, 0], spreads[k, 0], means[k, -1], spreads[k, -1])]
        rows.append([str(k), *values, f"{exponent:.4f}"])
    early, late = (f"at {show(float(age), 's', 3)}" for age in (ages[0], ages[-1]))
    print_table(["level", early, "spread", late, "spread", "exponent"], rows)
    finish(args, draw(ages, means, spreads))


def watch(bench: Bench, times: Floats, config: xbar.ReadConfig) -> tuple[Floats, Floats]:
    """Return the ages of the readings [s] and the conductances `(times, cells)` [S].

    The clock is that of the readings, counted from one just after the write: so a replay waits as long as the bench.
    """
    now = written = float(bench[0].read([(0, 0)], config).time.max())
    ages, found = [], []
    for age in times.tolist():
        bench.wait(max(0.0, written + age - now))
        readings = bench[0].read_all(config)
        now = float(readings.time.max())
        ages.append(float(readings.time.mean()) - written)
        found.append(readings.conductance.mean(axis=1))
    return np.array(ages), np.array(found)


def draw(ages: Floats, means: Floats, spreads: Floats) -> Figure:
    """Draw mean and spread of each level over time."""
    figure = style.new_figure(7, 4.5)
    (axes,) = style.panels(figure, 1, 1)
    for k, (mean, spread) in enumerate(zip(means * style.MICRO, spreads * style.MICRO, strict=True)):
        colour = style.PALETTE[k % len(style.PALETTE)]
        axes.plot(ages, mean, color=colour, marker="o", markersize=3, label=f"level {k}")
        axes.fill_between(ages, mean - spread, mean + spread, color=colour, alpha=0.2, linewidth=0)
    axes.set_xscale("log")
    style.describe(axes, "mean and standard deviation over cells", "time after the write [s]", "conductance [µS]")
    style.legend(axes, loc="upper left", bbox_to_anchor=(1, 1))
    style.headline(figure, "retention")
    return figure


if __name__ == "__main__":
    start(main)
