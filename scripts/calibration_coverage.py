"""Close the loop many times: simulate arrays of known cards, calibrate them, count intervals that hold the truth.

    python scripts/calibration_coverage.py --seeds 20 --size 24

Each array is written to levels over the card's range and read at log-spaced times, four readings a visit, through
`xbar.open_bench` alone. A pooled share of 91 to 98 % is what 95 % intervals should give; no parameter should be outside
in more than 5 of 20 seeds. Parameters of a form that the calibration did not choose are counted apart.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

import xbar
from xbar.bench.settings import ReadConfig
from xbar_calibration.calibrate import Calibration, calibrate
from xbar_calibration.settings import Settings
from xbar_calibration.trace_observations import trace_observations

TRUTH: Final[Mapping[str, Mapping[str, Mapping[str, float]]]] = {
    "pcm": {
        "read_noise sqrt": {"relative": 0.0175},
        "flicker_noise accumulated": {"coefficient": 0.0088, "exponent": 0.65, "t0": 20.0},
        "programming_error polynomial 3": {"c0": 0.26348e-6, "c1": 1.9650e-6, "c2": -1.1731e-6},
        "drift power_law": {
            "mean_offset": 0.0244,
            "mean_slope": -0.0155,
            "mean_floor": 0.049,
            "spread_offset": -0.0059,
            "spread_slope": -0.0125,
            "spread_floor": 0.008,
        },
    },
    "generic": {
        "read_noise proportional": {"relative": 0.005},
        "programming_error constant 1": {"c0": 1e-6},
        "stuck_cells independent": {"off": 0.001, "on": 0.001},
    },
}
"""What the cards say, by law and kind; of the programming error with the number of coefficients."""
T_READ: Final = 250e-9
"""Duration of a reading in the 1/f law of the cards [s]."""


def characterise(card: str, size: int, seed: int, path: Path, waits: int = 10) -> None:
    """Record a trace: `size` x `size` cells written to 16 levels, read four times after each of `waits` waits."""
    laws = xbar.load_card(card)
    rng = np.random.default_rng(seed)
    levels = np.geomspace(max(laws.g_min, 0.02 * laws.g_max), laws.g_max, 16)
    config = ReadConfig(voltage=laws.read_voltage, repeat=4)
    with xbar.open_bench("sim", card=card, rows=size, cols=size, seed=seed, record=path) as bench:
        bench.program(0, rng.choice(levels, (size, size)))
        before = 0.0
        for seconds in np.geomspace(1.0, 1e5, waits):
            bench.wait(float(seconds - before))
            before = float(seconds)
            bench[0].read_all(config)


def outcomes(found: Calibration, card: str) -> dict[str, bool | None]:
    """Return for each true parameter whether its interval holds it; None where another form was chosen."""
    names = {}
    for fit in found.fits:
        extra = f" {len(fit.parameters)}" if fit.law == "programming_error" else ""
        names[f"{fit.law} {fit.kind}{extra}"] = fit
    held: dict[str, bool | None] = {}
    for law, parameters in TRUTH[card].items():
        own = {p.name: p for p in names[law].parameters} if law in names else {}
        for name, value in parameters.items():
            # Of a line with a floor that was fitted as a line alone, the line means something else.
            part = name.partition("_")[0]
            floor = f"{part}_floor"
            there = name in own and (floor in own or floor not in parameters)
            held[f"{law.split()[0]} {name}"] = own[name].covers(value) if there else None
    return held


def main() -> None:
    """Print the table of coverage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--size", type=int, default=24)
    parser.add_argument("--cards", nargs="+", default=list(TRUTH), choices=list(TRUTH))
    chosen = parser.parse_args()
    settings = Settings(hold_out=0.0, t_read=T_READ)
    inside: dict[str, list[bool | None]] = defaultdict(list)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for card in chosen.cards:
            for seed in range(chosen.first, chosen.first + chosen.seeds):
                path = Path(folder) / f"{card}_{seed}.h5"
                characterise(card, chosen.size, seed, path)
                for name, held in outcomes(calibrate(trace_observations(path), settings), card).items():
                    inside[f"{card} {name}"].append(held)
                path.unlink()
    print(f"{'parameter':<40} inside  outside  other form")
    pooled = [held for row in inside.values() for held in row if held is not None]
    for name, row in inside.items():
        print(f"{name:<40} {row.count(True):>6} {row.count(False):>8} {row.count(None):>11}")
    print(f"pooled: {sum(pooled)} of {len(pooled)}, {100 * sum(pooled) / len(pooled):.1f} %")
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
