"""Time, memory and error of arrays with wires: xbar beside what else is installed, on the same arrays in one run.

    python benchmarks/circuit.py [--json] [--rounds N] [--sizes 16 32 ...]

The job of a square array of n x n cells, segments of 1 ohm: the bit-line currents of n input vectors, everything
built from the conductances. Limit: the plain product of the same vectors with the conductances. Then products after
set-up, and Newton's method on cells with a sinh law. One thread; CPU time, medians over interleaved rounds of ratios
within a round; peak memory from a process of its own for each figure. badcrossbar, scikit-sparse (0.4) and CrossSim
take part where they are installed.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from circuit_peers import Peer, exact, installed, problem
from products import machine, timed
from threadpoolctl import threadpool_limits

from xbar.circuit import Wires, effective_operator

SIZES = (16, 32, 64, 128, 256, 512, 1024)
SPENT = 20.0
"""CPU seconds after which a way takes part in no further round of a size."""
CHECKED = 256
"""Largest size whose currents are compared with the exact ones."""


def main() -> None:
    """Print the tables or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds of each size at most")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="sides of the arrays")
    parser.add_argument("--memory", nargs=2, metavar=("NAME", "SIZE"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.memory:
        print(json.dumps(own_memory(chosen.memory[0], int(chosen.memory[1]))))
        return
    with threadpool_limits(1, user_api="blas"):
        found = {
            "machine": machine(),
            "set_up": [set_up(n, chosen.rounds) for n in chosen.sizes],
            "inference": [inference(n, batch, chosen.rounds) for n in (128, 512) for batch in (64, 1024)],
            "newton": newton(128, chosen.rounds),
        }
    if chosen.json:
        json.dump(found, sys.stdout, indent=2)
        print()
    else:
        show(found)


def set_up(n: int, rounds: int) -> dict[str, Any]:
    """Return times [s], ratios, peak memory [MB] and errors of every way at one size."""
    p = problem(n)
    peers = {name: peer for name, peer in installed().items() if n <= peer.largest}
    calls: dict[str, Callable[[], Any]] = {"product": lambda: p.v @ p.g}
    calls |= {name: partial(peer.call, p) for name, peer in peers.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    failed: dict[str, str] = {}
    for name, peer in peers.items():
        warm(name, peer, failed)
    for _ in range(rounds):
        for name, call in calls.items():
            if name not in failed and sum(times[name]) < SPENT:
                times[name].append(cpu(call))
    reference = exact(p) if n <= CHECKED else None
    rows = []
    for name in calls:
        row: dict[str, Any] = {"name": name, "failed": failed.get(name)}
        if name not in failed:
            both = [(a, b) for a, b in zip(times[name], times["xbar"], strict=False)]
            row |= {"cpu_s": float(np.median(times[name])), "rounds": len(times[name])}
            row["ratio"] = float(np.median([a / b for a, b in both]))
            row["memory_MB"] = None if name == "product" else memory(name, n)
            row["error"] = None if reference is None or name == "product" else error(calls[name], reference)
        rows.append(row)
    return {"n": n, "rows": rows}


def warm(name: str, peer: Peer, failed: dict[str, str]) -> None:
    """Compile and import once, so that no round pays for it; keep what it says where it cannot run."""
    try:
        peer.call(problem(8))
    except Exception as problem_of_peer:  # a peer may raise anything, and the others go on
        failed[name] = f"{type(problem_of_peer).__name__}: {problem_of_peer}"


def cpu(call: Callable[[], Any]) -> float:
    """Return the CPU time of one call [s], from as many as take a tenth of a second: one tile follows another."""
    count, spent = 0, 0.0
    started = time.process_time()
    while spent < 0.1:
        call()
        count, spent = count + 1, time.process_time() - started
    return spent / count


def error(call: Callable[[], Any], reference: Any) -> float:
    """Return the largest relative error of the first vector's currents."""
    return float(np.abs(call()[0] / reference - 1).max())


def memory(name: str, n: int) -> dict[str, float] | None:
    """Return the peak memory of a process that does one job: in all, and above what it had after a small one."""
    here = Path(__file__)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, str(here), "--memory", name, str(n)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=here.parent, env=environment)
    found: dict[str, float] | None = None if done.returncode else json.loads(done.stdout.splitlines()[-1])
    return found


def own_memory(name: str, n: int) -> dict[str, float]:
    """Return the peak memory of this process over one job [MB]: NaN where the system does not tell."""
    call = installed()[name].call
    with threadpool_limits(1, user_api="blas"):
        call(problem(8))
        p = problem(n)
        before = peak_memory()
        call(p)
    return {"all": peak_memory(), "above": peak_memory() - before}


def peak_memory() -> float:
    """Return the largest resident memory that this process has had [MB]: Linux tells it, NaN elsewhere.

    Not `resource.getrusage`: a process inherits that figure from the one that started it.
    """
    try:
        lines = Path("/proc/self/status").read_text("ascii").splitlines()
    except OSError:
        return np.nan
    return float(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1e3


def inference(n: int, batch: int, rounds: int) -> dict[str, Any]:
    """Return the time of `op.currents(v)` over that of the plain product, in double and in single precision."""
    p = problem(n)
    found: dict[str, Any] = {"n": n, "batch": batch}
    for dtype in ("float64", "float32"):
        op = effective_operator(p.g, Wires(p.ohm, p.ohm), dtype=dtype)
        v: Any = np.random.default_rng(1).uniform(0, 0.2, (batch, n)).astype(dtype)
        g: Any = p.g.astype(dtype)
        found[dtype] = ratio(partial(np.matmul, v, g), partial(op.currents, v), 4 * rounds)
    return found


def ratio(plain: Callable[[], Any], other: Callable[[], Any], rounds: int) -> float:
    """Return the CPU time of the second call over that of the first, median over rounds."""
    repeats = max(1, int(5e-3 / timed(plain, 3)))
    pairs = [(cpu_of(plain, repeats), cpu_of(other, repeats)) for _ in range(rounds)]
    return float(np.median([b / a for a, b in pairs]))


def cpu_of(call: Callable[[], Any], repeats: int) -> float:
    """Return the CPU time of some calls in a row [s]."""
    started = time.process_time()
    for _ in range(repeats):
        call()
    return time.process_time() - started


def newton(n: int, rounds: int) -> list[dict[str, Any]]:
    """Return what Newton's method costs a vector, in operator set-ups, for cells of a sinh law at 5 v0."""
    from xbar.circuit import Sinh, solve

    p, v0 = problem(n), 0.04
    v = p.v / p.v.max() * 5 * v0
    wires = Wires(p.ohm, p.ohm)
    found = []
    for batch in (1, 8):
        call = partial(solve, p.g, wires, v[:batch], iv=Sinh(v0), tolerance=1e-9)
        solution = call()
        ratios = [cpu(call) / cpu(partial(effective_operator, p.g, wires)) / batch for _ in range(rounds)]
        residual = float(np.max(solution.residual))
        steps = int(np.max(solution.iterations))
        found.append({"batch": batch, "set_ups": float(np.median(ratios)), "residual": residual, "iterations": steps})
    return found


def show(found: dict[str, Any]) -> None:
    """Print the tables in Markdown."""
    print("| n | way | CPU ms | times xbar | peak MB (above start) | largest error |")
    print("| --- | --- | --- | --- | --- | --- |")
    for size in found["set_up"]:
        for row in size["rows"]:
            if row["failed"]:
                print(f"| {size['n']} | {row['name']} | failed: {row['failed'][:80]} | | | |")
                continue
            peak = (
                "" if row["memory_MB"] is None else f"{row['memory_MB']['all']:.0f} ({row['memory_MB']['above']:.0f})"
            )
            wrong = "" if row["error"] is None else f"{row['error']:.0e}"
            print(f"| {size['n']} | {row['name']} | {1e3 * row['cpu_s']:.3g} | {row['ratio']:.3g} | {peak} | {wrong} |")
    print("\n| n | batch | float64 over v @ g | float32 over v @ g |\n| --- | --- | --- | --- |")
    for row in found["inference"]:
        print(f"| {row['n']} | {row['batch']} | {row['float64']:.2f} | {row['float32']:.2f} |")
    print("\n| sinh cells at 5 v0, batch | set-ups a vector | Newton steps | residual |\n| --- | --- | --- | --- |")
    for row in found["newton"]:
        print(f"| {row['batch']} | {row['set_ups']:.2f} | {row['iterations']} | {row['residual']:.0e} |")


if __name__ == "__main__":
    main()
