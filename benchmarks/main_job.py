"""Time of the main job on the shipped network: map, program, run 1000 images, trace, replay; and of `xbar --help`.

    python benchmarks/main_job.py [--json] [--rounds N]

Each figure is a median over rounds in one process (after one that compiles the kernels); the start of the command is
the CPU time of a fresh process.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import xbar


def main() -> None:
    """Print the figures or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--rounds", type=int, default=5, help="rounds")
    chosen = parser.parse_args()
    rounds = [main_job() for _ in range(chosen.rounds + 1)][1:]
    figures: dict[str, Any] = {name: float(np.median([r[name] for r in rounds])) for name in rounds[0]}
    figures["help_cpu_s"] = help_cpu(chosen.rounds)
    if chosen.json:
        json.dump(figures, sys.stdout, indent=2)
        print()
    else:
        for name, value in figures.items():
            print(f"{name:<28} {value:.3f}")


def main_job() -> dict[str, float]:
    """Return the seconds of each part, and images per second of the runs."""
    sample = xbar.sample("fashion-mnist")
    data, calibration = np.load(sample.data), np.load(sample.calibration)
    x, y = data["x"], data["y"]
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.h5"
        started = time.perf_counter()
        mapped = xbar.map_network(xbar.load_network(sample.model), xbar.load_card("pcm"), calibration=calibration["x"])
        xbar.save_map(mapped, Path(folder) / "mapped.h5")
        figures["map_s"] = time.perf_counter() - started
        for name, settings in {
            "exact": xbar.RunSettings(error_samples=0),
            "exact_1_thread": xbar.RunSettings(error_samples=0, threads=1),
            "float32": xbar.RunSettings(error_samples=0, dtype="float32"),
            "exact_traced": xbar.RunSettings(error_samples=0, trace=trace),
            "replay": xbar.RunSettings(error_samples=0, bench=f"replay:{trace}"),
        }.items():
            figures[f"{name}_images_per_s"] = xbar.run_network(mapped, x, y, settings=settings).throughput
        figures["trace_MB"] = trace.stat().st_size / 1e6
    return figures


def help_cpu(rounds: int) -> float:
    """Return the CPU seconds of `xbar --help`, median over fresh processes."""
    code = (
        "import resource, subprocess, sys; "
        "subprocess.run([sys.executable, '-m', 'xbar', '--help'], stdout=subprocess.DEVNULL, check=True); "
        "r = resource.getrusage(resource.RUSAGE_CHILDREN); print(r.ru_utime + r.ru_stime)"
    )
    found = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(rounds)
    ]
    return float(np.median([float(f.stdout) for f in found]))


if __name__ == "__main__":
    main()
