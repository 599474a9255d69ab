"""Kill writers of traces at random moments and look whether anything that was acknowledged is lost.

    python scripts/soak_trace.py [--kills 1000] [--minutes M] [--crash-points N] [--seed 0] [--folder DIR]

Two jobs (the digits network; reads and sweeps of single cells), each with `--flush every` and with the default.
A forked child records; after each flush it tells how many operations are acknowledged; it is killed (SIGKILL) at a
random moment of its run. What the file holds is compared, operation by operation, with a run that was not killed.
Every fifth file is recovered as well. The jobs take turns. `--crash-points N` rebuilds and reads every state of a run
of N operations too (`tests/trace/crash_points.py`). Prints a table; exit code 1 where anything was lost or unreadable.
Needs `fork`.
"""

import argparse
import hashlib
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import xbar
from xbar.bench.operation import Operation
from xbar.errors import XbarError
from xbar.trace.reader import Trace, open_trace
from xbar.trace.recorder import TraceRecorder
from xbar.trace.recovery import recover

Job = Callable[[Path, float | None], None]
"""Records into a file, with seconds between flushes (None: the default, then a longer run)."""
POLICIES = {"every": 0.0, "default": None}
NOTHING = "before anything was recorded"
CRASH_POINTS = Path(__file__).parents[1] / "tests" / "trace" / "crash_points.py"


@dataclass
class Tally:
    """What became of the files of one job and policy."""

    kills: int = 0
    set_up: int = 0
    """Killed before the first operation: the file says so, or is not there yet."""
    ended: int = 0
    """Ended before the kill came."""
    acknowledged: int = 0
    recovered: int = 0
    unreadable: int = 0
    lost: int = 0
    """Files in which an acknowledged operation is missing or differs."""
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Expected:
    """A run that was not killed."""

    rows: NDArray[Any]
    operations: list[Operation]


def network_job() -> Job:
    """Return a job that runs the digits network, mapped and warmed once."""
    sample = xbar.sample("digits")
    with np.load(sample.calibration) as calibration, np.load(sample.data) as data:
        mapped = xbar.map_network(xbar.load_network(sample.model), xbar.load_card("pcm"), calibration=calibration["x"])
        x = data["x"][:300]
    more = np.concatenate([x] * 3)

    def job(path: Path, flush: float | None) -> None:
        settings = xbar.RunSettings(error_samples=0, threads=1, batch=2, trace=path, flush=flush)
        xbar.run_network(mapped, more if flush is None else x, settings=settings)

    return job


def cells_job(path: Path, flush: float | None) -> None:
    """Read and sweep single cells."""
    with xbar.open_bench("sim", card="pcm", rows=16, cols=16, seed=1, record=path, flush=flush) as bench:
        bench.program(0, np.full((16, 16), 5e-6))
        for number in range(1200 if flush is None else 600):
            cell = (number % 16, number // 16 % 16)
            bench.read(0, [cell] * (1 + number % 5))
            if number % 3 == 0:
                bench.sweep(0, cell, np.linspace(-0.1, 0.1, 1 + number % 40))
            if number % 10 == 0:
                bench.wait(1e-3)


def record_and_tell(job: Job, path: Path, flush: float | None, pipe: int) -> None:
    """Record in this (forked) process and tell after each flush how many operations are acknowledged; never return."""

    def tell(self: TraceRecorder, acknowledged: int) -> None:
        vars(self)["acknowledged"] = acknowledged
        os.write(pipe, acknowledged.to_bytes(4, "little"))

    told = property(lambda self: vars(self)["acknowledged"], tell)
    TraceRecorder.acknowledged = told  # type: ignore[assignment]  # in this process alone
    code = 1
    try:
        job(path, flush)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def start_writer(job: Job, path: Path, flush: float | None) -> tuple[int, FileIO]:
    """Fork a writer; return its process number and what it tells, when it is about to make its file."""
    told, telling = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(told)
        record_and_tell(job, path, flush, telling)
    os.close(telling)
    pipe = os.fdopen(told, "rb", buffering=0)
    pipe.read(4)  # the recorder is there
    return pid, pipe


def kill_one(job: Job, path: Path, flush: float | None, after: float) -> tuple[int, bool]:
    """Kill a writer after some seconds; return what it had acknowledged and whether it had ended."""
    pid, pipe = start_writer(job, path, flush)
    time.sleep(after)
    os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    with pipe:
        said = pipe.readall()
    if not os.WIFSIGNALED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"a writer failed by itself with code {os.WEXITSTATUS(status)}")
    whole = len(said) // 4 * 4
    return int.from_bytes(said[whole - 4 : whole], "little") if whole else 0, not os.WIFSIGNALED(status)


def timed(job: Job, path: Path, flush: float | None) -> float:
    """Let a job record to its end; return how long that takes from the making of the file [s]."""
    pid, pipe = start_writer(job, path, flush)
    started = time.perf_counter()
    with pipe:
        pipe.readall()
    lasts = time.perf_counter() - started
    if os.waitpid(pid, 0)[1]:
        raise SystemExit("a writer failed by itself")
    return lasts


def differs(found: Operation, expected: Operation) -> bool:
    """Return whether two operations differ in what was asked, in the bench clock, or in what came back."""
    plain = [(o.started, o.ended, o.request.kind, o.request.arrays, o.readings is None) for o in (found, expected)]
    if plain[0] != plain[1]:
        return True
    parts: list[tuple[Any, Any]] = [(found.request, expected.request)]
    parts += [(found.readings, expected.readings)] if expected.readings is not None else []
    arrays = [
        (getattr(one, name), value)
        for one, other in parts
        for name, value in vars(other).items()
        if isinstance(value, np.ndarray)
    ]
    return not all(np.array_equal(a, b, equal_nan=b.dtype.kind == "f") for a, b in arrays)


def timeless(trace: Trace) -> NDArray[Any]:
    """Return the rows of the operations as bytes `(operations, size)`, without the time of the wall clock.

    They have the checksums of their data in them, and reading them compares those with the data.
    """
    rows = trace.operations
    rows["wall"] = rows["crc"] = 0
    return rows.view(np.uint8).reshape(len(rows), rows.dtype.itemsize)


def first_difference(trace: Trace, expected: Expected) -> int | None:
    """Return the first operation that is not as expected: by its row and, for every twentieth and the last, in full."""
    rows = timeless(trace)
    count = min(len(rows), len(expected.rows))
    unequal = np.flatnonzero((rows[:count] != expected.rows[:count]).any(axis=1))
    if len(unequal):
        return int(unequal[0])
    some = [*range(0, count, 20), count - 1] if count else []
    return next((i for i in some if differs(trace[i], expected.operations[i])), None)


def look(path: Path, acknowledged: int, expected: Expected, tally: Tally) -> None:
    """Judge one file that a kill left."""
    if not path.exists() and not acknowledged:
        tally.set_up += 1
        return
    try:
        with open_trace(path) as trace:
            wrong = first_difference(trace, expected)
            if len(trace) < acknowledged or wrong is not None:
                tally.lost += 1
                tally.problems.append(
                    f"{acknowledged} acknowledged, {len(trace)} readable, first that differs: {wrong}"
                )
    except XbarError as error:
        if NOTHING in str(error) and not acknowledged:
            tally.set_up += 1
        else:
            tally.unreadable += 1
            tally.problems.append(f"{acknowledged} acknowledged, but: {error}")


def look_recovered(path: Path, acknowledged: int, expected: Expected, tally: Tally) -> None:
    """Judge the recovered copy of a file, and whether the original stayed as it was."""
    copy, before = path.with_name("recovered.h5"), hashlib.sha256(path.read_bytes()).digest()
    try:
        recover(path, copy)
    except XbarError as error:
        if acknowledged:
            tally.unreadable += 1
            tally.problems.append(f"not recovered: {error}")
        return
    look(copy, acknowledged, expected, tally)
    copy.unlink()
    tally.recovered += 1
    if hashlib.sha256(path.read_bytes()).digest() != before:
        tally.problems.append(f"{path} was changed by recover")
        tally.lost += 1


class Soak:
    """One job with one policy, whose writers are killed at random moments."""

    def __init__(self, job: Job, flush: float | None, folder: Path) -> None:
        """Let the job run to its end once."""
        folder.mkdir()
        self.job, self.flush, self.folder, self.tally = job, flush, folder, Tally()
        whole = folder / "whole.h5"
        self.lasts = timed(job, whole, flush)
        with open_trace(whole) as trace:
            self.expected = Expected(timeless(trace), list(trace))

    def kill(self, moments: random.Random) -> None:
        """Kill one writer and judge its file."""
        path, tally = self.folder / "killed.h5", self.tally
        acknowledged, ended = kill_one(self.job, path, self.flush, moments.uniform(0, self.lasts))
        tally.ended += ended
        tally.acknowledged += acknowledged
        look(path, acknowledged, self.expected, tally)
        if tally.kills % 5 == 0 and path.exists():
            look_recovered(path, acknowledged, self.expected, tally)
        tally.kills += 1
        path.unlink(missing_ok=True)


def crash_points(operations: int, folder: Path) -> dict[str, Any]:
    """Read every state of a run between two system calls, and cut at each page."""
    command = [sys.executable, str(CRASH_POINTS), str(folder), str(operations)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"states": 0, "wrong": [done.stderr]}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> int:
    """Print what was found; return 1 where anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000, help="kills in all (default: 1000)")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop killing after this time")
    parser.add_argument("--crash-points", type=int, default=0, metavar="N", help="operations whose states are rebuilt")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument("--folder", type=Path, help="where the files are written (default: a temporary folder)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        problems = soak(chosen.kills, chosen.minutes, random.Random(chosen.seed), Path(name))
        if chosen.crash_points:
            found = crash_points(chosen.crash_points, Path(name))
            print(f"crash points: {found['states']} states, {found.get('cut', 0)} of them cut at a page, ", end="")
            print(f"{found.get('nothing_recorded', 0)} of the set-up, {len(found['wrong'])} wrong")
            problems += found["wrong"]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def soak(kills: int, minutes: float, moments: random.Random, folder: Path) -> list[str]:
    """Kill the writers of all jobs in turn, print what was found and return what is wrong."""
    jobs: dict[str, Job] = {"network": network_job(), "cells": cells_job}
    names = [(job, policy) for job in jobs for policy in POLICIES]
    soaks = [Soak(jobs[job], POLICIES[policy], folder / f"{job}-{policy}") for job, policy in names]
    end = time.monotonic() + 60 * minutes
    for number in range(kills):
        if time.monotonic() < end:
            soaks[number % len(soaks)].kill(moments)
    titles = ("kills", "set_up", "ended", "acknowledged", "recovered", "unreadable", "lost")
    print(f"{'job':<10}{'flush':<10}" + "".join(f"{title:>14}" for title in titles))
    for (job, policy), one in zip(names, soaks, strict=True):
        print(f"{job:<10}{policy:<10}" + "".join(f"{getattr(one.tally, title):>14}" for title in titles))
    named = zip(names, soaks, strict=True)
    return [f"{job}, {policy}: {problem}" for (job, policy), one in named for problem in one.tally.problems]


if __name__ == "__main__":
    sys.exit(main())
