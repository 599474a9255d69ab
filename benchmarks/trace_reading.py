"""CPU time of a column of 10^7 readings through `trace.reads()` beside a plain h5py read of it, interleaved in one run.

    python benchmarks/trace_reading.py [--json] [--rounds N] [--readings N]

Three traces of the same readings: in one operation, in 1000 and in 10 000. Columns: opening the file and reading
`run/cells/current` with h5py; the ratio to it of `xbar.open_trace(path).reads()["current"]`, every checksum of row and
column tested ("first"), of the same once they were tested ("again"), and of all ten columns in bounded tables of 65536
rows ("chunks"). Interleaved rounds, medians; the file is in the page cache, one thread, CPU time, so that neighbours
disturb little. "spread" is the range of the middle half of the plain reads over their median: the machine's own.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import xbar
from xbar.bench.operation import Operation, OperationKind, Request
from xbar.bench.readings import CellReadings
from xbar.trace.recorder import TraceRecorder
from xbar.trace.selection import Selection

OPERATIONS = (1, 1000, 10_000)
RATIOS = ("first", "again", "chunks")


def main() -> None:
    """Print the table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds of each trace")
    parser.add_argument("--readings", type=int, default=10**7, help="readings of each trace")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(Path(folder), chosen.readings, count, chosen.rounds) for count in OPERATIONS]
    if chosen.json:
        json.dump({"rows": rows}, sys.stdout, indent=2)
        print()
        return
    print(f"{'operations':>10} {'readings':>10} {'h5py ms':>9} {'spread':>7} " + " ".join(f"{n:>7}" for n in RATIOS))
    for row in rows:
        ratios = " ".join(f"{row['ratio'][name]:>7.2f}" for name in RATIOS)
        print(f"{row['operations']:>10} {row['readings']:>10} {row['h5py_ms']:>9.1f} {row['spread']:>7.2f} {ratios}")


def measure(folder: Path, readings: int, operations: int, rounds: int) -> dict[str, Any]:
    """Return the time of the plain read [ms] and the ratios to it of a trace of so many operations."""
    path = folder / f"{operations}.h5"
    record(path, readings, operations)
    times: dict[str, list[float]] = {"h5py": [], **{name: [] for name in RATIOS}}
    for number in range(rounds + 1):
        times["h5py"].append(timed(partial(plain, path)))
        times["first"].append(timed(partial(first, path)))
        with xbar.open_trace(path) as trace:
            selection = trace.reads()
            selection["current"]
            times["again"].append(timed(partial(selection.__getitem__, "current")))
            if number < 4:
                times["chunks"].append(timed(partial(count, selection)))
    path.unlink()
    base = np.array(times.pop("h5py")[1:])  # the first round warms up
    low, middle, high = np.quantile(base, (0.25, 0.5, 0.75))
    return {
        "operations": operations,
        "readings": readings,
        "h5py_ms": float(middle) * 1e3,
        "spread": float((high - low) / middle),
        "ratio": {name: float(np.median(values[1:]) / middle) for name, values in times.items()},
    }


def plain(path: Path) -> Any:
    """Read the column as anybody would."""
    with h5py.File(path) as file:
        return file["run/cells/current"][:]


def first(path: Path) -> Any:
    """Read it through the trace, which tests the checksums of the rows and of the column."""
    with xbar.open_trace(path) as trace:
        return trace.reads()["current"]


def count(selection: Selection) -> int:
    """Go through all columns in tables of bounded size."""
    return sum(len(part) for part in selection.chunks())


def record(path: Path, readings: int, operations: int) -> None:
    """Write a trace of reads of noise-like currents."""
    rng = np.random.default_rng(1)
    with xbar.open_bench("sim", card="pcm", rows=128, cols=128, record=folder_trace(path)) as bench:
        bench[0].read_all()
    with xbar.open_trace(folder_trace(path)) as trace:
        head = trace.header
    folder_trace(path).unlink()
    recorder = TraceRecorder(path, provenance={})
    recorder.start(head)
    size = readings // operations
    cells = np.stack([np.arange(size) // 128 % 128, np.arange(size) % 128], axis=1)
    for i in range(operations):
        constant = {name: np.full((size, 1), value) for name, value in (("time", float(i)), ("applied", 0.2))}
        values = CellReadings(
            **constant,
            voltage=constant["applied"],
            current=rng.normal(1e-6, 1e-7, (size, 1)),
            status=np.zeros((size, 1), np.uint32),
            range=np.full((size, 1), 1e-5),
        )
        recorder.record(
            Operation(Request(OperationKind.READ, (0,), cells=cells, read=xbar.ReadConfig()), i, i + 1.0, values)
        )
    recorder.close()


def folder_trace(path: Path) -> Path:
    """Return the place of a small trace whose head is taken."""
    return path.with_name("head.h5")


def timed(call: Callable[[], object]) -> float:
    """Return the CPU seconds of a call."""
    started = time.process_time()
    call()
    return time.process_time() - started


if __name__ == "__main__":
    main()
