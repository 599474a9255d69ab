"""Compare products of the array with what the conductances of its cells, read one by one, should give.

python scripts/lab/mvm_characterisation.py --trace mvm.h5 --figure mvm.png
python scripts/lab/mvm_characterisation.py --bench lab.toml --write none --trace mvm.h5 --figure mvm.png
"""

from collections.abc import Sequence

import numpy as np
from lab_bench import arguments, finish, offer_write, open_lab, print_table, quantity, start, write_first
from matplotlib.figure import Figure
from numpy.typing import NDArray

import xbar
from xbar.figures import style
from xbar.units import show

Floats = NDArray[np.float64]


def main(argv: Sequence[str] | None = None) -> None:
    """Write, read every cell, multiply, print the errors, draw."""
    parser = arguments(__doc__, card="pcm", size="32x16")
    parser.add_argument("--vectors", type=int, default=64, help="random input vectors [64]")
    parser.add_argument("--voltage", type=quantity("V"), help="largest input [read voltage of the card]")
    parser.add_argument("--repeat", type=int, default=8, help="readings of a cell that are averaged [8]")
    offer_write(parser)
    args = parser.parse_args(argv)
    card = xbar.load_card(args.card)
    largest = args.voltage or card.read_voltage
    draws = np.random.default_rng(args.seed)
    with open_lab(args) as bench:
        rows, cols = bench.capabilities.rows, bench.capabilities.cols
        write_first(args, bench, bench[0], draws.uniform(card.g_min, card.g_max, (rows, cols)))
        cells = bench[0].read_all(xbar.ReadConfig(voltage=largest, repeat=args.repeat)).conductance.mean(axis=1)
        voltages = draws.uniform(-largest, largest, (args.vectors, rows))
        expected = voltages @ cells.reshape(rows, cols)
        # The converters' range fits the currents that are expected, with a quarter more.
        full = min(1.25 * float(np.abs(expected).max()), bench.capabilities.current_max)
        products = bench[0].mvm(voltages, xbar.VectorConfig(largest, full))
    measured = np.asarray(products.current[0])
    gain, offset = lines(expected, measured)
    error = measured - expected
    rms = float(np.sqrt(np.mean(error**2)))
    flagged = int((np.broadcast_to(products.status, (1, *measured.shape)) != 0).sum())
    print_table(
        ["quantity", "value"],
        [
            ["full scale", show(full, "A")],
            ["rms error", show(rms, "A")],
            ["of full scale", f"{100 * rms / full:.3f} %"],
            ["signal to error", f"{10 * np.log10(np.mean(expected**2) / np.mean(error**2)):.2f} dB"],
            ["gain of bit lines", f"{gain.mean():.4f} ± {gain.std():.4f}"],
            ["offset of bit lines", f"{show(float(offset.mean()), 'A')} ± {show(float(offset.std()), 'A')}"],
            ["flagged outputs", str(flagged)],
        ],
    )
    finish(args, draw(expected, measured, gain))


def lines(expected: Floats, measured: Floats) -> tuple[Floats, Floats]:
    """Return gain and offset [A] of each bit line, by least squares."""
    fits = np.array([np.polyfit(x, y, 1) for x, y in zip(expected.T, measured.T, strict=True)])
    return fits[:, 0], fits[:, 1]


def draw(expected: Floats, measured: Floats, gain: Floats) -> Figure:
    """Draw measured over expected currents, their errors, and the gain of each bit line."""
    figure = style.new_figure(12, 4)
    both, errors, gains = style.panels(figure, 3, 3)
    factor, unit = style.prefix(np.concatenate([expected, measured]), "A")
    both.plot(expected.ravel() * factor, measured.ravel() * factor, ".", color=style.BLUE, markersize=2)
    style.identity(both, *style.extent(expected * factor, measured * factor))
    style.describe(both, "products", f"from the cells [{unit}]", f"measured [{unit}]")
    factor, unit = style.prefix(measured - expected, "A")
    style.histogram(errors, ((measured - expected) * factor).ravel())
    style.describe(errors, "errors", f"measured minus expected [{unit}]", "outputs")
    gains.plot(np.arange(len(gain)), gain, "o", color=style.BLUE, markersize=4)
    gains.axhline(1, color=style.GREY, linewidth=0.8)
    style.whole_numbers(gains, x=True)
    style.describe(gains, "gain", "bit line", "measured over expected")
    style.headline(figure, "matrix-vector products")
    return figure


if __name__ == "__main__":
    start(main)
