"""Make the table of docs/reference/twin.md: networks on a hidden card and on the card that was fitted to its trace.

    python scripts/twin_table.py                    # ten chips each, prints the tables

An array of each hidden card is characterised as `xbar characterise` does it, and calibrated: the fit sees no card.
Then the shipped networks run on chips of the hidden card and on as many of the fitted one, a day after programming,
with a factor for each column against drift.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

import xbar
from calibration_coverage import PLAN, T_READ, record
from hidden_cards import Hidden, hidden_cards, perturbed_pcm
from xbar.devices.card import DeviceCard
from xbar.devices.card_file import parse_card
from xbar.errors import XbarError
from xbar.units import parse
from xbar_calibration.command import calibrate_files

SAMPLES: Final = ("digits", "fashion-mnist")
"""Shipped networks."""
FIRST_CHIP: Final = 1000
"""Seed of the first chip that runs a network: none of those that were characterised."""


@dataclass(frozen=True, eq=False)
class Runs:
    """A network on several chips of one card."""

    accuracy: np.ndarray[tuple[int], np.dtype[np.float64]]
    """Of each chip."""
    layers: dict[str, float]
    """Mean over the chips of what each layer alone has of signal over error [dB]."""
    digital: float


def fitted(hidden: Hidden, size: int, seed: int, plan: str = PLAN) -> DeviceCard:
    """Return the card that is fitted to the characterisation of one array."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.h5"
        record(hidden, size, seed, path, plan)
        report = calibrate_files([path], "twin", settings={"t_read": T_READ})
    return parse_card(report.card, "twin")


def run(card: DeviceCard, sample: str, images: int, chips: int, at: float | None) -> Runs:
    """Run a shipped network on chips of a card; images are the first of its test images."""
    files = xbar.sample(sample)
    with np.load(files.data) as data, np.load(files.calibration) as calibration:
        x, y, shown = data["x"][:images], data["y"][:images], calibration["x"]
    mapped = xbar.map_network(xbar.load_network(files.model), card, calibration=shown)
    found, layers = list[float](), dict[str, list[float]]()
    digital = 0.0
    for chip in range(chips):
        settings = xbar.RunSettings(seed=FIRST_CHIP + chip, at=at, error_samples=min(50, images), compensate="column")
        result = xbar.run_network(mapped, x, y, settings=settings)
        assert result.accuracy is not None  # the shipped data have labels
        found.append(result.accuracy.analog)
        digital = result.accuracy.digital
        for layer in result.layers:
            layers.setdefault(layer.name, []).append(layer.snr_db)
    return Runs(np.array(found), {name: float(np.mean(values)) for name, values in layers.items()}, digital)


def rows(name: str, sample: str, origin: Runs, twin: Runs) -> list[str]:
    """Return the row of the table of accuracies, and that of layers."""
    worst = max(origin.layers, key=lambda layer: abs(twin.layers[layer] - origin.layers[layer]))
    gap = 100 * float(twin.accuracy.mean() - origin.accuracy.mean())
    spread = 100 * float(np.hypot(origin.accuracy.std(ddof=1), twin.accuracy.std(ddof=1)) / np.sqrt(len(twin.accuracy)))
    texts = [f"{r.accuracy.mean():.2%} ± {100 * r.accuracy.std(ddof=1):.2f}" for r in (origin, twin)]
    layer = f"{twin.layers[worst] - origin.layers[worst]:+.2f} dB (`{worst}`)"
    return [name, sample, f"{origin.digital:.2%}", *texts, f"{gap:+.2f} ± {spread:.2f}", layer]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chips", type=int, default=10, help="chips of each card [10]")
    parser.add_argument("--images", type=int, default=250, help="images of each network [250]")
    parser.add_argument("--size", type=int, default=32, help="word and bit lines of the characterised array [32]")
    parser.add_argument("--seed", type=int, default=1, help="number of the characterised chip [1]")
    parser.add_argument("--at", default="1 day", help="time since programming [1 day]")
    parser.add_argument("--samples", nargs="+", default=list(SAMPLES), choices=list(SAMPLES), help="networks")
    chosen = parser.parse_args(arguments)
    cards = {"perturbed `pcm`": Hidden(perturbed_pcm(), {}), "ReRAM with a pulse law": hidden_cards()["reram"]}
    heads = ("hidden card", "network", "digital", "on the hidden card", "on the twin")
    print("|", " | ".join((*heads, "difference of the means [points]", "layer that differs most")), "|")
    print("| " + " | ".join(["---"] * 7) + " |")
    for name, hidden in cards.items():
        twin = fitted(hidden, chosen.size, chosen.seed)
        for sample in chosen.samples:
            both = [run(c, sample, chosen.images, chosen.chips, parse(chosen.at, "s")) for c in (hidden.card, twin)]
            print("|", " | ".join(rows(name, sample, *both)), "|", flush=True)


if __name__ == "__main__":
    try:
        main()
    except XbarError as error:
        raise SystemExit(f"twin_table: {error}") from error
