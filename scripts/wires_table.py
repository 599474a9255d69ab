"""Make docs/reference/wires.md: what wires cost a shipped network, layer by layer, and what compensation wins back.

python scripts/wires_table.py            # prints the tables (about five minutes on two cores)
python scripts/wires_table.py --write    # writes them between the marks of the page
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import xbar
from xbar.circuit.technology import KINDS, NODES, technology
from xbar.errors import XbarError
from xbar.units import show

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "wires.md"
TILES = ((128, 128), (64, 64))
WIRES = ("1 ohm", "5 ohm", "65nm-1t1r", "22nm-1t1r", "7nm-1t1r")
ALONE = ("ir_drop", "dac", "adc")
"""Effects of the runs that show wires alone: converters stay, so that their ranges count too."""


@dataclass(frozen=True)
class Cell:
    """What one way of mapping gives on wires."""

    alone: "xbar.RunResult"
    """Wires and converters alone."""
    chips: "xbar.RepeatResult"
    """With all effects of the card."""


def main() -> None:
    """Print or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", default="fashion-mnist", help="shipped network")
    parser.add_argument("--card", default="pcm", help="device card")
    parser.add_argument("--chips", type=int, default=3, help="chips for each figure with all effects")
    parser.add_argument("--write", action="store_true", help="write the page instead of printing")
    chosen = parser.parse_args()
    if not chosen.write:
        print(costs(chosen.sample, chosen.card, chosen.chips))
        return
    page = PAGE.read_text(encoding="utf-8")
    for mark, text in (
        ("costs", costs(chosen.sample, chosen.card, chosen.chips)),
        ("technology", technologies()),
    ):
        before, middle, rest = page.partition(f"<!-- {mark} -->\n")
        after = rest[rest.index(f"<!-- end of {mark} -->") :]
        page = before + middle + "\n" + text + "\n\n" + after
    PAGE.write_text(page, encoding="utf-8", newline="\n")


def costs(sample: str, card: str, chips: int) -> str:
    """Return the tables of accuracy and of layer errors."""
    found = {tile: measure(sample, card, chips, tile) for tile in TILES}
    rows = [
        "| tile | wires | wires alone | compensated | all effects | compensated |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for tile, cells in found.items():
        for wires, pair in cells.items():
            figures = [accuracy(cell) for cell in pair if cell is not None]
            alone = [figure[0] for figure in figures]
            every = [figure[1] for figure in figures]
            blank = [""] * (2 - len(figures))
            rows.append(f"| {tile[0]} x {tile[1]} | {wires} | " + " | ".join([*alone, *blank, *every, *blank]) + " |")
    return "\n\n".join(["\n".join(rows), *(layers(tile, cells) for tile, cells in found.items())])


Cells = dict[str, tuple[Cell, Cell | None]]


def measure(sample: str, card: str, chips: int, tile: tuple[int, int]) -> Cells:
    """Return runs of one tile size by wires: mapped for ideal wires, and with compensation."""
    files = xbar.sample(sample)
    with np.load(files.data) as data, np.load(files.calibration) as calibration:
        x, y, shown = data["x"], data["y"], calibration["x"]
    network, device = xbar.load_network(files.model), xbar.load_card(card)
    plain = xbar.map_network(network, device, tile=tile, calibration=shown)

    def run(mapped: "xbar.MappedNetwork", wires: str | None) -> Cell:
        alone = xbar.run_network(mapped, x, y, settings=xbar.RunSettings(wires=wires, only=ALONE))
        settings = xbar.RunSettings(wires=wires, error_samples=0)
        return Cell(alone, xbar.repeat_network(mapped, x, y, chips, settings=settings))

    cells: Cells = {"none": (run(plain, None), None)}
    for wires in WIRES:
        made = xbar.map_network(network, device, tile=tile, calibration=shown, compensate_wires=wires)
        cells[wires] = (run(plain, wires), run(made, wires))
    return cells


def accuracy(cell: Cell) -> tuple[str, str]:
    """Return the accuracy with wires alone, and the mean over chips with all effects and their spread."""
    alone, every = cell.alone.accuracy, cell.chips.analog
    assert alone is not None  # the shipped data have labels
    assert every is not None
    return f"{alone.analog:.1%}", f"{every.mean:.1%} ± {100 * every.std:.1f}"


def layers(tile: tuple[int, int], cells: Cells) -> str:
    """Return the table of layer errors of one tile size."""
    names = [layer.name for layer in cells["none"][0].alone.layers]
    rows = [f"| {tile[0]} x {tile[1]}: layer | " + " | ".join(cells) + " |", "| --- " * (1 + len(cells)) + "|"]
    for number, name in enumerate(names):
        figures = []
        for pair in cells.values():
            both = [f"{cell.alone.layers[number].snr_db:.1f}" for cell in pair if cell is not None]
            figures.append(" / ".join(both))
        rows.append(f"| {name} | " + " | ".join(figures) + " |")
    return "\n".join(rows)


def technologies() -> str:
    """Return the table of technology nodes."""
    rows = ["| node | 1T1R: word line | 1T1R: bit line | cross-point: both |", "| --- | --- | --- | --- |"]
    for node in NODES:
        found = {kind: technology(f"{node}nm-{kind}") for kind in KINDS}
        word, bit = found["1t1r"]
        rows.append(f"| {node} nm | {show(word, 'ohm')} | {show(bit, 'ohm')} | {show(found['crosspoint'][0], 'ohm')} |")
    return "\n".join(rows)


if __name__ == "__main__":
    try:
        main()
    except XbarError as error:
        raise SystemExit(f"wires_table: {error}") from error
