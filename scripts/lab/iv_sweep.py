"""Sweep the voltage of one cell up and down, cycle after cycle: an I-V curve with its hysteresis.

python scripts/lab/iv_sweep.py --trace iv.h5 --figure iv.png
python scripts/lab/iv_sweep.py --bench lab.toml --amplitude "0.4 V" --trace iv.h5 --figure iv.png
"""

import argparse
from collections.abc import Sequence

import numpy as np
from lab_bench import arguments, finish, numbers, open_lab, print_table, quantity, start
from matplotlib.figure import Figure

import xbar
from xbar.bench.readings import CellReadings
from xbar.figures import style
from xbar.units import show


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print the branches of each cycle, draw."""
    parser = arguments(__doc__, card="yakopcic_nbsto", size="4x4")
    parser.add_argument("--cell", type=numbers(","), default=(0, 0), help="word line, bit line [0,0]")
    parser.add_argument("--amplitude", type=quantity("V"), default=1.0, help="turning points are plus and minus this")
    parser.add_argument("--points", type=int, default=50, help="voltages of a quarter of a cycle [50]")
    parser.add_argument("--cycles", type=int, default=3, help="cycles [3]")
    parser.add_argument("--settle", type=quantity("s"), default=1e-3, help="time at each voltage [1 ms]")
    parser.add_argument("--current-limit", type=quantity("A"), help="compliance [the limit of the bench]")
    args = parser.parse_args(argv)
    quarter = np.linspace(0, args.amplitude, args.points)
    volts = np.concatenate([quarter, quarter[-2::-1], -quarter[1:], -quarter[-2::-1]])
    config = xbar.ReadConfig(settle=args.settle, current_limit=args.current_limit)
    with open_lab(args) as bench:
        cycles = [bench[0].sweep(args.cell, volts, config) for _ in range(args.cycles)]
    head = ["cycle", "sign", "at", "outward", "back", "ratio", "loop", "limited"]
    print_table(head, [row for k, cycle in enumerate(cycles) for row in branches(k, cycle, args)])
    finish(args, draw(cycles, args.cell))


def branches(number: int, cycle: CellReadings, args: argparse.Namespace) -> list[list[str]]:
    """Return a row for each polarity: currents at half the amplitude outward and back, the area of the loop."""
    volts, current = cycle.applied[:, 0], cycle.current[:, 0]
    n, at, rows = args.points, args.amplitude / 2, []
    for sign, first in ((1, 0), (-1, 2 * n - 2)):
        v, i = sign * volts[first : first + 2 * n - 1], sign * current[first : first + 2 * n - 1]
        out, back = np.interp(at, v[:n], i[:n]), np.interp(at, v[: n - 2 : -1], i[: n - 2 : -1])
        limited = int((cycle.status[first : first + 2 * n - 1] != 0).sum())
        loop = abs(float(np.trapezoid(i, v)))
        row = [show(sign * at, "V"), show(sign * out, "A"), show(sign * back, "A"), f"{back / out:.3f}" if out else "-"]
        rows.append([str(number + 1), "+" if sign > 0 else "-", *row, show(loop, "W"), str(limited)])
    return rows


def draw(cycles: list[CellReadings], cell: tuple[int, int]) -> Figure:
    """Draw all cycles, linear and as |I| on a logarithmic axis."""
    figure = style.new_figure(9, 4)
    left, right = style.panels(figure, 2, 2)
    factor, unit = style.prefix(np.concatenate([cycle.current.ravel() for cycle in cycles]), "A")
    for k, cycle in enumerate(cycles):
        volts, current = cycle.applied[:, 0], factor * cycle.current[:, 0]
        colour = style.PALETTE[k % len(style.PALETTE)]
        left.plot(volts, current, color=colour, linewidth=1.2, label=f"cycle {k + 1}")
        right.plot(volts, np.where(current != 0, np.abs(current), np.nan), color=colour, linewidth=1.2)
    right.set_yscale("log")
    style.describe(left, "I-V", "voltage [V]", f"current [{unit}]")
    style.describe(right, "|I|", "voltage [V]", f"current [{unit}]")
    style.legend(left)
    style.headline(figure, f"I-V sweep of cell {cell}")
    return figure


if __name__ == "__main__":
    start(main)
