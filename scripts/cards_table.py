"""Make docs/reference/cards-accuracy.md: a shipped network on every shipped card, at four times since programming.

Each time on several chips, without drift compensation and with a factor for each column.

    python scripts/cards_table.py                          # prints the tables (half an hour on two cores)
    python scripts/cards_table.py --cards pcm reram_cmo    # of some cards
    python scripts/cards_table.py --images 250 --write     # writes the tables of all cards into the page
"""

import argparse
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import xbar
from xbar.devices.card import DeviceCard
from xbar.devices.validity import ExtrapolationWarning
from xbar.errors import InputError, XbarError
from xbar.execution.accuracy import correct
from xbar.execution.run_network import run_digital
from xbar.mapping.mapped_network import MappedNetwork
from xbar.network.named_inputs import named_inputs
from xbar.network.network import Network
from xbar.units import parse

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "cards-accuracy.md"
TIMES = ("1 s", "1 hour", "1 day", "1 month")
WAYS = ("none", "column")
COMMAND = "python scripts/cards_table.py"
REFUSED = "n/a"
SAME = "="
LATE = "*"

LAWS_OF_TIME = ("relaxation", "drift", "retention", "flicker_noise", "random_telegraph_noise")
MOVING = ("dynamics", "write")
"""Laws of cells that pulses move; writing a target in one shot does not ask them."""


@dataclass(frozen=True, eq=False)
class Task:
    """The network, and the images that it classifies."""

    network: Network
    calibration: NDArray[Any]
    x: NDArray[Any]
    y: NDArray[Any]
    digital: float
    """Accuracy of the digital network on these images."""
    chips: int


def main() -> None:
    """Print or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", default="fashion-mnist", help="shipped network")
    parser.add_argument("--cards", nargs="+", metavar="NAME", help="cards; all shipped ones if not given")
    parser.add_argument("--images", type=int, default=1000, help="test images, from the first on")
    parser.add_argument("--chips", type=int, default=10, help="chips for each figure, seeds 0 and on")
    parser.add_argument("--write", action="store_true", help="write the page instead of printing")
    chosen = parser.parse_args()
    if chosen.write and (chosen.cards or chosen.sample != parser.get_default("sample")):
        raise InputError("--write makes the page of all cards and one network; leave --cards and --sample out")
    task = load_task(chosen.sample, chosen.images, chosen.chips)
    made = tables(task, chosen.cards or shipped_cards())
    if not chosen.write:
        print("\n\n".join(made.values()))
        return
    made["command"] = f"```\n{COMMAND} --images {chosen.images} --chips {chosen.chips} --write\n```"
    page = PAGE.read_text(encoding="utf-8")
    for mark, text in made.items():
        before, middle, rest = page.partition(f"<!-- {mark} -->\n")
        after = rest[rest.index(f"<!-- end of {mark} -->") :]
        page = before + middle + "\n" + text + "\n\n" + after
    PAGE.write_text(page, encoding="utf-8", newline="\n")


def shipped_cards() -> list[str]:
    """Return the names of the cards that xbar ships, not those of other packages."""
    folder = Path(xbar.__file__).parent / "devices" / "cards"
    return sorted(path.stem for path in folder.glob("*.toml"))


def load_task(sample: str, images: int, chips: int) -> Task:
    """Return a shipped network with its first test images; raises `InputError` for more than there are."""
    files = xbar.sample(sample)
    with np.load(files.data) as data, np.load(files.calibration) as calibration:
        x, y, shown = data["x"], data["y"], calibration["x"]
    if not 1 <= images <= len(x):
        raise InputError(f"images {images} must be 1 to {len(x)}, what the sample {sample!r} holds")
    network, x, y = xbar.load_network(files.model), x[:images], y[:images]
    outputs = run_digital(network, named_inputs(network, x))
    digital = float(np.mean(correct(outputs[network.outputs[0]], y)))
    return Task(network, shown, x, y, digital, chips)


def tables(task: Task, names: Sequence[str]) -> dict[str, str]:
    """Return what was run, the table of accuracies, and that of the cards left out, by their mark on the page."""
    rows, left_out = [], []
    for name in names:
        card = xbar.load_card(name)
        try:
            check_writable(card)
            mapped = xbar.map_network(task.network, card, calibration=task.calibration)
        except XbarError as error:
            left_out.append(f"| `{name}` | {error} |")
            continue
        for way in WAYS:
            figures = [*row(mapped, task, way), f"{task.digital:.1%}"]
            rows.append(f"| `{name}` | {way} | " + " | ".join(figures) + " |")
            print(rows[-1], file=sys.stderr, flush=True)
    heads = ["| card | compensation | " + " | ".join(TIMES) + " | digital |", "| --- " * (3 + len(TIMES)) + "|"]
    said = f"{task.chips} chips (seeds 0 to {task.chips - 1}) for each figure, the first {len(task.x)} test images."
    return {
        "run": said,
        "accuracies": "\n".join(heads + rows),
        "left out": "\n".join(["| card | why |", "| --- | --- |", *left_out]) if left_out else "None.",
    }


def check_writable(card: DeviceCard) -> None:
    """Raise `InputError` for a card whose laws say nothing about a network that is written and read."""
    laws = {name for name, _ in card.laws()}
    if card.forming is not None:
        raise InputError(
            "cells that must be formed first (`xbar program --method form`): a one-shot write leaves fresh ones as "
            "they are"
        )
    if laws and laws <= set(MOVING):
        raise InputError(
            "a dynamic model alone: `program` writes every target exactly and no law changes it, so that the figures "
            "would be those of the converters"
        )


def row(mapped: MappedNetwork, task: Task, way: str) -> list[str]:
    """Return a card's figures at all times."""
    figures: list[str] = []
    ages = any(getattr(mapped.card, law) is not None for law in LAWS_OF_TIME)
    for time in TIMES:
        seconds = parse(time, "s")
        if figures and not ages and holds(mapped.card, seconds):
            figures.append(SAME)
        else:
            figures.append(figure(mapped, task, xbar.RunSettings(at=seconds, compensate=way, error_samples=0)))
    return figures


def figure(mapped: MappedNetwork, task: Task, settings: "xbar.RunSettings") -> str:
    """Return mean and spread of the accuracy over chips, n/a where the bench refuses."""
    mark = ""
    try:
        result = xbar.repeat_network(mapped, task.x, task.y, task.chips, settings=settings)
    except InputError:
        assert settings.at is not None  # every column has its time
        if not holds(mapped.card, settings.at):
            return REFUSED
        # The bench counts from the write of each array: the first ones are older than the time asked for.
        mark = LATE
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExtrapolationWarning)
            late = replace(settings, outside="warn")
            result = xbar.repeat_network(mapped, task.x, task.y, task.chips, settings=late)
    analog = result.analog
    assert analog is not None  # the shipped data have labels
    spread = f" ± {100 * analog.std:.1f}" if task.chips > 1 else ""
    return f"{analog.mean:.1%}{spread}{mark}"


def holds(card: DeviceCard, seconds: float) -> bool:
    """Return whether all laws of a card hold at a time since programming [s], or from a later time on."""
    ends = [valid.time[1] for name, _ in card.laws() if (valid := card.validity(name)).time is not None]
    return all(seconds <= end for end in ends)


if __name__ == "__main__":
    try:
        main()
    except XbarError as error:
        raise SystemExit(f"cards_table: {error}") from error
