"""Measure time and memory of a calibration: the whole characterisation of an array, and a trace of many readings.

python scripts/calibration_memory.py                    # 64 x 64 cells, the plan of xbar characterise
python scripts/calibration_memory.py --readings 1e7     # as many readings more, at log-spaced times
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

import xbar
from calibration_coverage import T_READ
from calibration_coverage import record as characterised
from hidden_cards import Hidden, hidden_cards
from xbar_calibration.command import calibrate_files


def record(hidden: Hidden, size: int, readings: int, path: Path) -> None:
    """Record the plan of `xbar characterise`, or at least so many readings of cells that were written once."""
    if not readings:
        characterised(hidden, size, 1, path, "")
        return
    with xbar.open_bench("sim", card=hidden.card, rows=size, cols=size, seed=1, record=path) as bench:
        levels = np.geomspace(max(hidden.card.g_min, 0.02 * hidden.card.g_max), hidden.card.g_max, 16)
        bench[0].program(np.random.default_rng(1).choice(levels, (size, size)))
        config = xbar.ReadConfig(voltage=hidden.card.read_voltage, repeat=10)
        ages = np.geomspace(1.0, 1e5, -(-readings // (size * size * config.repeat)))
        for gap in np.diff(ages, prepend=0.0):
            bench.wait(float(gap))
            bench[0].read_all(config)


def largest() -> float:
    """Return the largest memory that this process had, in MB; NaN where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print time and memory, before and after."""
    cards = hidden_cards()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--card", default="pcm", choices=list(cards))
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--readings", type=float, default=0.0, help="readings of the trace; 0 does the plan")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.h5"
        record(cards[chosen.card], chosen.size, int(chosen.readings), path)
        before, started = largest(), time.perf_counter()
        report = calibrate_files([path], "measured", settings={"t_read": T_READ})
        seconds = time.perf_counter() - started
        rows = count(path)
        size = path.stat().st_size / 1e6
    print(f"{rows} readings, {size:.0f} MB, {chosen.size} x {chosen.size} cells of {chosen.card}")
    print(f"calibrated in {seconds:.1f} s; memory at most {largest():.0f} MB, {before:.0f} MB before it")
    print(", ".join(fit.law for fit in report.found.fits))


def count(path: Path) -> int:
    """Return the number of readings of a trace."""
    with xbar.open_trace(path) as trace:
        return len(trace.reads())


if __name__ == "__main__":
    main()
