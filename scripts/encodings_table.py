"""Make the table of docs/explanation/mapping.md: the shipped networks in every encoding, on two cards.

One second after programming, 8-bit converters calibrated on the shipped samples, arrays of 128 x 128 cells.

    python scripts/encodings_table.py --write                # two minutes on two cores; without --write it prints
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import xbar
from cards_table import Task, load_task
from xbar.errors import InputError, XbarError
from xbar.mapping.encodings import ENCODINGS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "explanation" / "mapping.md"
MARK = "encodings"
SAMPLES = ("digits", "fashion-mnist")
CARDS = ("pcm", "mram")
IMAGES, CHIPS = 250, 3
REFUSED = "refused"


def main() -> None:
    """Print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=IMAGES, help="test images, from the first on")
    parser.add_argument("--chips", type=int, default=CHIPS, help="chips for each figure, seeds 0 and on")
    parser.add_argument("--write", action="store_true", help="write the page instead of printing")
    chosen = parser.parse_args()
    if chosen.write and (chosen.images, chosen.chips) != (IMAGES, CHIPS):
        raise InputError("the page says how many images and chips there are; leave --images and --chips out")
    made = table([load_task(sample, chosen.images, chosen.chips) for sample in SAMPLES])
    if not chosen.write:
        print(made)
        return
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(f"<!-- {MARK} -->\n")
    after = rest[rest.index(f"<!-- end of {MARK} -->") :]
    PAGE.write_text(f"{before}<!-- {MARK} -->\n\n{made}\n\n{after}", encoding="utf-8", newline="\n")


def table(tasks: Sequence[Task], cards: Sequence[str] = CARDS, encodings: Sequence[str] = ENCODINGS) -> str:
    """Return the table in Markdown: a row for each encoding, arrays and accuracy for each network and card."""
    heads = [f"{sample}, `{card}`" for sample in SAMPLES[: len(tasks)] for card in cards]
    lines = ["| `--encoding` | " + " | ".join(heads) + " |", "| --- " * (1 + len(heads)) + "|"]
    for encoding in encodings:
        figures = [figure(task, card, encoding) for task in tasks for card in cards]
        lines.append(f"| `{encoding}` | " + " | ".join(figures) + " |")
    lines.append("| digital | " + " | ".join(f"{task.digital:.1%}" for task in tasks for _ in cards) + " |")
    return "\n".join(lines)


def figure(task: Task, card: str, encoding: str) -> str:
    """Return mean and spread of the accuracy over chips, and the arrays that the network takes."""
    try:
        mapped = xbar.map_network(task.network, xbar.load_card(card), encoding=encoding, calibration=task.calibration)
    except InputError:
        return REFUSED
    result = xbar.repeat_network(mapped, task.x, task.y, task.chips, settings=xbar.RunSettings(at=1.0, error_samples=0))
    assert result.analog is not None  # the shipped data have labels
    spread = f" ± {100 * result.analog.std:.1f}" if task.chips > 1 else ""
    return f"{result.analog.mean:.1%}{spread} ({mapped.arrays})"


if __name__ == "__main__":
    try:
        main()
    except XbarError as error:
        raise SystemExit(f"encodings_table: {error}") from error
