"""A program that records until it is killed or the disk is full; run by `test_crash.py`.

crash_writer.py PATH           record and print the number of acknowledged operations after each, until killed
crash_writer.py PATH kills N   fork N such writers one after another, kill each at some moment, check what is left
crash_writer.py PATH limit     record under a limit of the file's size, print what was acknowledged and the error
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import BinaryIO

import numpy as np

from xbar.bench.capabilities import Capabilities, Identity
from xbar.bench.limits import Limits
from xbar.bench.operation import DriverHeader, Header, Operation, OperationKind, Request
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.bench.settings import ReadConfig, VectorConfig
from xbar.errors import TraceWriteError, XbarError
from xbar.trace.reader import open_trace
from xbar.trace.recorder import TraceRecorder

CAPABILITIES = Capabilities(4, 64, 64, 1.0, 1.0, adc_bits=8)
HEADER = Header("x", (DriverHeader("", Identity("fake", "sim:fake"), CAPABILITIES, {}, Limits(1.0, 1.0)),))


def operation(index: int) -> Operation:
    """Return the operation of a number: one can tell from it what must be in the file."""
    size = 1 + index * 7 % 59
    if index % 2:
        places = np.stack([np.arange(size), np.full(size, index % 64)], axis=1)
        values = np.full((size, 1), float(index))
        readings = CellReadings(values, values, values, values, np.zeros((size, 1), np.uint32), values)
        return Operation(Request(OperationKind.READ, (index % 4,), cells=places, read=ReadConfig()), 0.0, 1.0, readings)
    codes = np.full((1, size, 64), index % 100, np.int8)
    volts = np.full((1, size, 8), index % 7 / 10)
    request = Request(OperationKind.MVM, (0,), voltages=volts, events=None, vector=VectorConfig())
    step = np.full((1, 64), float(index // 20))
    return Operation(request, 0.0, 1.0, VectorReadings(codes, step, step, np.zeros((), np.uint32)))


def record(path: Path, out: BinaryIO) -> None:
    """Record for ever; write one byte after each operation that was acknowledged."""
    recorder = TraceRecorder(path, provenance={}, flush_every=0)
    recorder.start(HEADER)
    index = 0
    while True:
        recorder.record(operation(index))
        index += 1
        assert recorder.acknowledged == index
        out.write(b".")
        out.flush()


def check(path: Path, acknowledged: int) -> str | None:
    """Return what is wrong with a killed file, or None."""
    try:
        with open_trace(path) as trace:
            if not acknowledged <= len(trace) <= acknowledged + 1:
                return f"{acknowledged} operations acknowledged, {len(trace)} readable"
            for index, found in enumerate(trace):
                expected = operation(index).readings
                assert expected is not None
                assert found.readings is not None
                for name in vars(expected):
                    if not np.array_equal(getattr(found.readings, name), getattr(expected, name)):
                        return f"operation {index}: {name} differs"
    except XbarError as error:
        return f"unreadable after {acknowledged} acknowledged operations: {error}"
    return None


def kills(folder: Path, number: int) -> dict[str, object]:
    """Kill writers after more and more acknowledged operations, at uneven moments after the last one."""
    wrong, total, state = [], 0, np.uint64(1)
    for kill in range(number):
        path = folder / f"kill{kill}.h5"
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read_end)
            record(path, os.fdopen(write_end, "wb"))
        os.close(write_end)
        with os.fdopen(read_end, "rb") as acks:
            acknowledged = len(acks.read(1 + kill * 13 % 300))
            state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
            end = time.perf_counter_ns() + int(state >> np.uint64(44))  # up to 1 ms
            while time.perf_counter_ns() < end:
                pass
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            acknowledged += len(acks.read())
        total += acknowledged
        if problem := check(path, acknowledged):
            wrong.append(problem)
        path.unlink()
    return {"acknowledged": total, "wrong": wrong}


def limited(path: Path) -> dict[str, object]:
    """Record until the file may not grow; return what was acknowledged and what was said."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
    recorder = TraceRecorder(path, provenance={}, flush_every=0)
    recorder.start(HEADER)
    for index in range(100_000):
        try:
            recorder.record(operation(index))
        except TraceWriteError as error:
            return {"acknowledged": recorder.acknowledged, "message": str(error)}
    return {"acknowledged": recorder.acknowledged, "message": None}


if __name__ == "__main__":
    place = Path(sys.argv[1])
    with np.errstate(over="ignore"):
        if sys.argv[2:3] == ["kills"]:
            print(json.dumps(kills(place, int(sys.argv[3]))))
        elif sys.argv[2:3] == ["limit"]:
            print(json.dumps(limited(place)), flush=True)
            sys.exit(7)  # HDF5's own teardown would crash: the recorder sees to it that there is none
        else:
            record(place, sys.stdout.buffer)
