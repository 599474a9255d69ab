"""A long measurement is recorded and replayed in bounded memory."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np

from xbar.bench.operation import Operation, OperationKind, Request
from xbar.bench.readings import CellReadings
from xbar.bench.settings import ReadConfig
from xbar.execution.open_bench import open_bench
from xbar.trace.recorder import TraceRecorder

OPERATIONS = 4000


def peaks(steps: Any) -> tuple[int, int]:
    """Return the largest memory [bytes] in the second and in the last quarter of some steps."""
    tracemalloc.start()
    found = []
    for number, _ in enumerate(steps):
        if number in (OPERATIONS // 4, OPERATIONS * 3 // 4):
            tracemalloc.reset_peak()
        if number in (OPERATIONS // 2 - 1, OPERATIONS - 1):
            found.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    return found[0], found[1]


def test_memory_does_not_grow_with_operations(tmp_path: Path, make_header: Any) -> None:
    """Recording and replay take no more in the last quarter than in the second, but for some bytes an operation."""
    recorder = TraceRecorder(tmp_path / "t.h5", provenance={})
    recorder.start(make_header())

    def record() -> Any:
        for number in range(OPERATIONS):
            values = np.full((1, 1), number / 7)
            readings = CellReadings(values, values, values, values, np.zeros((1, 1), np.uint32), values)
            cells = np.array([[number % 16, number % 8]])
            request = Request(OperationKind.READ, (0,), cells=cells, read=ReadConfig(0.1))
            recorder.record(Operation(request, 0.0, 1.0, readings))
            yield

    middle, end = peaks(record())
    recorder.close()
    assert end < middle + 100_000
    with open_bench(f"replay:{tmp_path / 't.h5'}") as bench:

        def replay() -> Any:
            for number in range(OPERATIONS):
                found = bench.read(0, [(number % 16, number % 8)], ReadConfig(0.1))
                assert found.current[0, 0] == number / 7
                yield

        middle, end = peaks(replay())
    assert end < middle + 100_000
