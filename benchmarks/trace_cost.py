"""What recording costs: a network run without, with the default and with the full trace, and one operation on hardware.

    python benchmarks/trace_cost.py [--images 1000] [--rounds 5] [--threads N] [--operations 3000] [--json]

The runs of a round follow each other, in another order each round, so that what the machine does besides falls on all
of them. The overhead is taken within each round: all that a call of `run_network` takes longer, set-up and closing of
the file included, as a part of the time that the unrecorded run is on the bench. "again" is the unrecorded run once
more: its overhead is the machine's own spread. Embedding of map and data is left out, as it does not grow with the run.
Limits: 25 % for `outputs`, 60 % for `full`, 0.3 ms for an operation that is flushed by itself.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

import xbar
from xbar.bench.bench import Bench
from xbar.bench.capabilities import Capabilities, Identity
from xbar.bench.driver import Driver, Unsafe
from xbar.bench.limits import Limits
from xbar.bench.readings import CellReadings
from xbar.bench.settings import ReadConfig
from xbar.trace.encoding import Level
from xbar.trace.recorder import TraceRecorder

LIMITS = {"outputs": 25.0, "full": 60.0}
"""Largest overhead of a level [%]."""
OPERATION_LIMIT = 0.3
"""Largest time that recording adds to an operation on hardware, in the median [ms]."""
KINDS: dict[str, Level | None] = {"none": None, "again": None, "outputs": "outputs", "full": "full"}


class Board(Driver):
    """Answers at once, so that what remains is bench and recorder."""

    hardware = True
    capabilities = Capabilities(1, 64, 64, 1.0, 1.0, hardware=True)

    @classmethod
    def from_address(cls, rest: str, options: Mapping[str, Any]) -> Self:
        """Return the board."""
        return cls()

    def open(self) -> Identity:
        """Say who answers."""
        return Identity("board", "emulated:board")

    def close(self) -> None:
        """Do nothing."""

    def safe_off(self) -> Unsafe:
        """Have nothing to switch off."""
        return ()

    def read(self, array: int, cells: NDArray[np.int64], config: ReadConfig) -> CellReadings:
        """Return the same for every cell."""
        shape = (len(cells), config.repeat)
        values = np.full(shape, 1e-6)
        return CellReadings(
            np.full(shape, self.clock()), values, values, values, np.zeros(shape, np.uint32), np.full(shape, 1e-5)
        )

    def wait(self, seconds: float) -> None:
        """Do nothing: no time passes."""


class NoTrace:
    """A recorder that keeps nothing."""

    def start(self, header: object) -> None:
        """Do nothing."""

    def record(self, operation: object) -> None:
        """Do nothing."""

    def flush(self) -> None:
        """Do nothing."""

    def conclude(self, result: object) -> None:
        """Do nothing."""

    def close(self, status: str) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Took:
    """Times of one run [s]."""

    wall: float
    """Of the whole call of `run_network`."""
    cpu: float
    """Of all threads of the process: what other programs do meanwhile is not in it."""
    bench_wall: float
    """From the first operation to the last, without the digital reference and the set-up."""


def network_rounds(images: int, rounds: int, threads: int | None, folder: Path) -> dict[str, list[Took]]:
    """Return the times of each kind of run, by round; one round before the first is not counted."""
    sample = xbar.sample("fashion-mnist")
    with np.load(sample.data) as data, np.load(sample.calibration) as calibration:
        x = np.concatenate([data["x"]] * (1 + images // len(data["x"])))[:images]
        mapped = xbar.map_network(xbar.load_network(sample.model), xbar.load_card("pcm"), calibration=calibration["x"])
    found: dict[str, list[Took]] = {kind: [] for kind in KINDS}
    for number in range(-1, rounds):
        order = list(KINDS)
        order = order[number % len(order) :] + order[: number % len(order)]
        for kind in order:
            path, level = folder / f"{kind}.h5", KINDS[kind]
            path.unlink(missing_ok=True)
            settings = xbar.RunSettings(
                error_samples=0, threads=threads, embed=False, trace=path if level else None, level=level or "outputs"
            )
            started, cpu = time.perf_counter(), time.process_time()
            result = xbar.run_network(mapped, x, settings=settings)
            if number >= 0:
                found[kind].append(Took(time.perf_counter() - started, time.process_time() - cpu, result.wall_s))
    return found


def overheads(kind: list[Took], base: list[Took]) -> dict[str, list[float]]:
    """Return seconds, and overhead over the unrecorded runs in wall time and in CPU time [%]: min, median, max.

    All that a call takes longer counts, as a part of the time that the unrecorded run is on the bench; of CPU time, as
    the same part of the unrecorded call.
    """
    on_bench = np.array([one.bench_wall / one.wall for one in base])

    def over(name: str) -> NDArray[np.float64]:
        more, without = (np.array([getattr(one, name) for one in runs]) for runs in (kind, base))
        return np.asarray(100 * (more - without) / (without * on_bench))

    values = {"seconds": np.array([one.wall for one in kind]), "overhead": over("wall"), "cpu": over("cpu")}
    return {name: [float(np.min(v)), float(np.median(v)), float(np.max(v))] for name, v in values.items()}


def operation_times(operations: int, recorded: bool, folder: Path) -> NDArray[np.float64]:
    """Return the time of each read of one cell [ms], flushed each if recorded."""
    path = folder / "operations.h5"
    path.unlink(missing_ok=True)
    recorder = TraceRecorder(path, provenance={}) if recorded else NoTrace()
    times = np.zeros(operations)
    with Bench(Board(), recorder=recorder, limits=Limits(1.0, 1.0)) as bench:
        for number in range(operations):
            started = time.perf_counter()
            bench.read(0, [(number % 64, 3)])
            times[number] = time.perf_counter() - started
    return 1e3 * times


def report(chosen: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Measure and return all figures."""
    found = network_rounds(chosen.images, chosen.rounds, chosen.threads, folder)
    figures: dict[str, Any] = {"images": chosen.images, "rounds": chosen.rounds, "runs": {}, "operation": {}}
    for kind, runs in found.items():
        size = (folder / f"{kind}.h5").stat().st_size / 1e6 if KINDS[kind] else 0.0
        figures["runs"][kind] = overheads(runs, found["none"]) | {"MB": size}
    times: dict[str, list[NDArray[np.float64]]] = {"bench alone": [], "recorded": []}
    for _ in range(3):
        for name, series in times.items():
            series.append(operation_times(chosen.operations, name == "recorded", folder))
    for name, series in times.items():
        every = np.concatenate(series)
        figures["operation"][name] = [*map(float, np.percentile(every, [50, 99, 100])), float(every.mean())]
    figures["operation_ms"] = figures["operation"]["recorded"][0] - figures["operation"]["bench alone"][0]
    return figures


def show(figures: dict[str, Any]) -> None:
    """Print the figures as tables."""
    print(f"{figures['images']} images, {figures['rounds']} rounds: minimum, median, maximum")
    print(f"{'run':<10}{'seconds':>24}{'overhead %':>24}{'of CPU time %':>24}{'limit %':>9}{'MB':>9}")
    for kind, found in figures["runs"].items():
        columns = "".join(f"{value:8.2f}" for name in ("seconds", "overhead", "cpu") for value in found[name])
        print(f"{kind:<10}{columns}{LIMITS.get(kind, '')!s:>9}{found['MB']:9.1f}")
    print("\nread of one cell, flushed each [ms]: median, 99 %, maximum, mean")
    for name, values in figures["operation"].items():
        print(f"{name:<12}" + "".join(f"{v:9.3f}" for v in values))
    print(f"recording adds {figures['operation_ms']:.3f} ms in the median; the limit is {OPERATION_LIMIT} ms")


def main() -> None:
    """Print the figures or JSON; exit code 1 where a median is above its limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1000, help="images of a run")
    parser.add_argument("--rounds", type=int, default=5, help="rounds")
    parser.add_argument("--threads", type=int, help="threads of the run (default: the usable cores)")
    parser.add_argument("--operations", type=int, default=3000, help="reads of one cell, three times")
    parser.add_argument("--folder", type=Path, help="where traces are written (default: a temporary folder)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        figures = report(chosen, Path(folder))
    if chosen.json:
        json.dump(figures, sys.stdout, indent=2)
        print()
    else:
        show(figures)
    above = [kind for kind, limit in LIMITS.items() if figures["runs"][kind]["overhead"][1] > limit]
    sys.exit(1 if above or figures["operation_ms"] > OPERATION_LIMIT else 0)


if __name__ == "__main__":
    main()
