"""Read cells over and over at higher and higher voltages: at which voltage, and how fast, reading moves them.

Each voltage has a cell of its own, those of the diagonal first; between bursts it is read at the safe voltage.

python scripts/lab/read_disturb.py --trace disturb.h5 --figure disturb.png
python scripts/lab/read_disturb.py --bench lab.toml --write none --stress "0.2 V" --stress "0.3 V" --trace disturb.h5
"""

from collections.abc import Sequence

import numpy as np
from lab_bench import arguments, finish, offer_write, open_lab, print_table, quantity, start, write_first
from matplotlib.figure import Figure
from numpy.typing import NDArray

import xbar
from xbar.bench.crossbar import Crossbar
from xbar.errors import InputError
from xbar.figures import style
from xbar.units import show

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def main(argv: Sequence[str] | None = None) -> None:
    """Stress, print the change of each cell, draw."""
    parser = arguments(__doc__, card="yakopcic_nbsto", size="6x6")
    parser.add_argument("--stress", type=quantity("V"), action="append", help="voltage, may be repeated [0.4 to 0.6 V]")
    parser.add_argument("--readings", type=int, default=1000, help="readings of each cell at its stress [1000]")
    parser.add_argument("--settle", type=quantity("s"), default=0.0, help="time at the voltage before a reading [0 s]")
    offer_write(parser)
    args = parser.parse_args(argv)
    card = xbar.load_card(args.card)
    stress = args.stress or [0.4, 0.5, 0.55, 0.6]
    counts = np.unique(np.geomspace(1, args.readings, 13).astype(np.int64))
    with open_lab(args) as bench:
        shape = (bench.capabilities.rows, bench.capabilities.cols)
        places = cells_of(shape, len(stress))
        write_first(args, bench, bench[0], np.full(shape, (card.g_min + card.g_max) / 2))
        safe = xbar.ReadConfig(voltage=card.read_voltage, repeat=4)
        found = []
        for cell, volts in zip(places, stress, strict=True):
            loud = xbar.ReadConfig(voltage=volts, settle=args.settle)
            found.append(disturb(bench[0], cell, loud, counts, safe))
    change = [values / values[0] - 1 for values in found]
    rows = [
        [show(volts, "V"), show(float(values[0]), "S"), show(float(values[-1]), "S"), f"{100 * float(part[-1]):+.3f} %"]
        for volts, values, part in zip(stress, found, change, strict=True)
    ]
    print_table(["stress", "before", f"after {counts[-1]} readings", "change"], rows)
    finish(args, draw(counts, stress, change))


def cells_of(shape: tuple[int, int], count: int) -> list[tuple[int, int]]:
    """Return different cells, those of the diagonal first: while they last, no two share a line."""
    if count > shape[0] * shape[1]:
        raise InputError(
            f"{count} voltages for {shape[0]} x {shape[1]} cells; each needs a cell of its own: give fewer"
        )
    cells = [(row, (row + turn) % shape[1]) for turn in range(shape[1]) for row in range(shape[0])]
    return cells[:count]


def disturb(
    crossbar: Crossbar, cell: tuple[int, int], loud: xbar.ReadConfig, counts: Ints, safe: xbar.ReadConfig
) -> Floats:
    """Return the conductance of a cell [S] before any stress, and after each of the counts of readings."""
    found = [crossbar.read([cell], safe).conductance.mean()]
    for more in np.diff(counts, prepend=0).tolist():
        crossbar.read([cell], xbar.ReadConfig(voltage=loud.voltage, repeat=more, settle=loud.settle))
        found.append(crossbar.read([cell], safe).conductance.mean())
    return np.array(found)


def draw(counts: Ints, stress: Sequence[float], change: Sequence[Floats]) -> Figure:
    """Draw the relative change over the number of readings."""
    figure = style.new_figure(7, 4.5)
    (axes,) = style.panels(figure, 1, 1)
    for k, (volts, values) in enumerate(zip(stress, change, strict=True)):
        colour = style.PALETTE[k % len(style.PALETTE)]
        axes.plot(counts, 100 * values[1:], color=colour, marker="o", markersize=3, label=show(volts, "V"))
    axes.axhline(0, color=style.GREY, linewidth=0.8)
    axes.set_xscale("log")
    style.describe(axes, "read at the safe voltage between bursts", "readings at the stress voltage", "change [%]")
    style.legend(axes, loc="upper left")
    style.headline(figure, "read disturb")
    return figure


if __name__ == "__main__":
    start(main)
