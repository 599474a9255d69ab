"""Close the loop many times: characterise arrays of known cards, calibrate them, count intervals that hold the truth.

    python scripts/calibration_coverage.py --seeds 20

Each array is simulated from a card, characterised by the plan that `xbar characterise` makes for it, and calibrated
from the trace, half of the cells held out. A pooled share of 91 to 98 % is what 95 % intervals should give; no
parameter should be outside in more than 5 of 20 seeds. Parameters of a form that the calibration did not choose are
counted apart. Of the held-out half the spread of the residuals is told, in standard deviations of the law that did not
see them.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import numpy as np

import xbar
from hidden_cards import Hidden, hidden_cards
from xbar.programming.characterise import characterise, plan_steps
from xbar.programming.characterise_plan import parse_plan
from xbar_calibration.calibrate import Calibration, calibrate
from xbar_calibration.settings import Settings
from xbar_calibration.trace_observations import trace_observations

T_READ: Final = 250e-9
"""Duration of a reading in the 1/f law of the cards [s]."""
PLAN: Final = 'schema = "xbar-characterise/1"\npulses.cells = 128\nsweeps.cells = 32\n'


def record(hidden: Hidden, size: int, seed: int, path: Path, plan: str = PLAN) -> None:
    """Record the characterisation of a chip of `size` x `size` cells."""
    wires: dict[str, Any] = {} if hidden.wires is None else {"wires": hidden.wires}
    with xbar.open_bench(
        "sim", card=hidden.card, rows=size, cols=size, seed=seed, record=path, level="full", **wires
    ) as bench:
        has, limits = bench[0].capabilities, bench[0].limits
        characterise(bench[0], plan_steps(parse_plan(plan), has, limits, hidden.card, simulated=True))


def outcomes(found: Calibration, hidden: Hidden) -> dict[str, bool | None]:
    """Return for each true parameter whether its interval holds it; None where another form was chosen."""
    names = {}
    for fit in found.fits:
        extra = f" {len(fit.parameters)}" if fit.law == "programming_error" else ""
        names[f"{fit.law} {fit.kind}{extra}"] = fit
    held: dict[str, bool | None] = {}
    for law, parameters in hidden.truth.items():
        own = {p.name: p for p in names[law].parameters} if law in names else {}
        for name, value in parameters.items():
            # Of a line with a floor that was fitted as a line alone, the line means something else.
            floor = f"{name.partition('_')[0]}_floor"
            there = name in own and (floor in own or floor not in parameters)
            held[f"{law.split()[0]} {name}"] = own[name].covers(value) if there else None
    if found.columns is not None and hidden.wires is None:
        # Ideal converters: one bit line of each array, so that seeds count alike.
        held["converters gain"] = bool(abs(found.columns.gain[0] - 1) < found.columns.gain_error[0])
        held["converters offset"] = bool(abs(found.columns.offset[0]) < found.columns.offset_error[0])
    return held


def main() -> None:
    """Print the tables of coverage and of prediction."""
    cards = hidden_cards()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--cards", nargs="+", default=list(cards), choices=list(cards))
    chosen = parser.parse_args()
    settings = Settings(hold_out=0.5, t_read=T_READ)
    inside: dict[str, list[bool | None]] = defaultdict(list)
    unseen: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for card in chosen.cards:
            for seed in range(chosen.first, chosen.first + chosen.seeds):
                path = Path(folder) / f"{card}_{seed}.h5"
                record(cards[card], chosen.size, seed, path)
                found = calibrate(trace_observations(path), settings)
                path.unlink()
                for name, held in outcomes(found, cards[card]).items():
                    inside[f"{card} {name}"].append(held)
                for fit in found.fits:
                    if fit.held_out is not None:
                        unseen[f"{card} {fit.law}"].append((fit.held_out.spread, fit.held_out.agrees))
    print(f"{'parameter':<40} inside  outside  other form")
    pooled = [held for row in inside.values() for held in row if held is not None]
    for name, row in inside.items():
        print(f"{name:<40} {row.count(True):>6} {row.count(False):>8} {row.count(None):>11}")
    print(f"pooled: {sum(pooled)} of {len(pooled)}, {100 * sum(pooled) / len(pooled):.1f} %")
    print(f"\n{'held-out half':<40} spread  within its limits")
    for name, values in unseen.items():
        spreads, agrees = zip(*values, strict=True)
        print(f"{name:<40} {np.mean(spreads):>6.3f} {sum(agrees):>8} of {len(agrees)}")
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
