"""A long measurement: a million operations recorded and replayed, with the memory and the time that they take.

    python benchmarks/trace_length.py [--operations 1000000] [--folder DIR] [--json]

Each part runs in a process of its own: recording of waits and reads of one cell, one to one, on a driver that answers
at once; then the replay of that trace, operation by operation. Told are the seconds, and the largest resident memory
at a tenth of the way and at the end: what grows with the number of operations is their difference. Exit code 1 where it
is above 64 MB. Needs the module `resource`, which Windows lacks.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from trace_cost import Board

from xbar.bench.bench import Bench
from xbar.bench.limits import Limits
from xbar.execution.open_bench import open_bench
from xbar.trace.recorder import TraceRecorder

GROWTH = 64.0
"""Most that a part may grow by after a tenth of the way [MB]."""


def operate(bench: Bench, operations: int) -> dict[str, float]:
    """Wait and read in turn; return seconds and peak memory [MB]."""
    started, early = time.perf_counter(), 0.0
    for number in range(operations // 2):
        bench.wait(1e-3 * (number % 1000))
        bench.read(0, [(number % 64, number % 61)])
        if number == operations // 20:
            early = peak()
    return {"seconds": time.perf_counter() - started, "early_MB": early, "peak_MB": peak()}


def peak() -> float:
    """Return the largest resident memory of this process so far [MB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def part(name: str, path: Path, operations: int) -> dict[str, float]:
    """Record or replay in this process."""
    if name == "record":
        recorder = TraceRecorder(path, provenance={}, flush_every=0.25)
        with Bench(Board(), recorder=recorder, limits=Limits(1.0, 1.0)) as bench:
            return operate(bench, operations)
    with open_bench(f"replay:{path}") as bench:
        return operate(bench, operations)


def main() -> None:
    """Print the figures as a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--operations", type=int, default=1_000_000, help="operations")
    parser.add_argument("--folder", type=Path, help="where the trace is written (default: a temporary folder)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.part:
        print(json.dumps(part(chosen.part[0], Path(chosen.part[1]), chosen.operations)))
        return
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        path = Path(folder) / "long.h5"
        for name in ("record", "replay"):
            command = [sys.executable, __file__, "--operations", str(chosen.operations), "--part", name, str(path)]
            figures[name] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            figures[name]["file_MB"] = path.stat().st_size / 1e6
    if chosen.json:
        print(json.dumps(figures, indent=2))
    else:
        print(f"{'':<8}{'seconds':>9}{'us each':>9}{'MB early':>10}{'MB peak':>10}{'file MB':>10}")
        for name, f in figures.items():
            each = 1e6 * f["seconds"] / chosen.operations
            print(
                f"{name:<8}{f['seconds']:9.1f}{each:9.1f}{f['early_MB']:10.1f}{f['peak_MB']:10.1f}{f['file_MB']:10.1f}"
            )
    growth = np.array([f["peak_MB"] - f["early_MB"] for f in figures.values()])
    sys.exit(int((growth > GROWTH).any()))


if __name__ == "__main__":
    main()
