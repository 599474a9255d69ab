"""Make the table of docs/reference/accuracy.md: a shipped network on several PCM chips at three times.

Each time with and without drift compensation.

    python scripts/accuracy_table.py            # ten chips, prints the table (two to four minutes on two cores)
"""

import argparse

import numpy as np

import xbar
from xbar.errors import XbarError
from xbar.units import parse, show

TIMES = ("1 s", "1 day", "1 month")


def main() -> None:
    """Print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", default="fashion-mnist", help="shipped network")
    parser.add_argument("--card", default="pcm", help="device card")
    parser.add_argument("--chips", type=int, default=10, help="chips for each row, seeds 0 and on")
    chosen = parser.parse_args()
    sample = xbar.sample(chosen.sample)
    data, calibration = np.load(sample.data), np.load(sample.calibration)
    mapped = xbar.map_network(
        xbar.load_network(sample.model), xbar.load_card(chosen.card), calibration=calibration["x"]
    )
    columns = ("time since programming", "drift compensation", "accuracy, mean", "chip to chip [points]")
    print("|", " | ".join((*columns, "worst", "best", "difference, 95 % interval [points]")), "|")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for time in TIMES:
        for compensate in (False, True):
            settings = xbar.RunSettings(
                at=parse(time, "s"), compensate="global" if compensate else "none", error_samples=0
            )
            result = xbar.repeat_network(mapped, data["x"], data["y"], chosen.chips, settings=settings)
            print(row(time, compensate, result), flush=True)
    digital = result.chips[0].accuracy
    assert digital is not None  # the shipped data have labels
    print(
        f"\ndigital: {digital.digital:.2%} of {digital.n} images; {mapped.arrays} arrays; card {chosen.card}, "
        f"read at {show(mapped.card.read_voltage, 'V')}"
    )


def row(time: str, compensate: bool, result: "xbar.RepeatResult") -> str:
    """Return one row of the table."""
    analog, difference = result.analog, result.difference
    assert analog is not None  # the shipped data have labels
    assert difference is not None
    each = [chip.accuracy.analog for chip in result.chips if chip.accuracy is not None]
    low, high = difference.ci95
    return (
        f"| {time} | {'yes' if compensate else 'no'} | {analog.mean:.2%} | {100 * analog.std:.2f} | {min(each):.1%} "
        f"| {max(each):.1%} | {100 * difference.mean:+.2f} ({100 * low:+.2f} to {100 * high:+.2f}) |"
    )


if __name__ == "__main__":
    try:
        main()
    except XbarError as error:
        raise SystemExit(f"accuracy_table: {error}") from error
