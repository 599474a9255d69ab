"""Time of a tile's products beside a bare float32 matrix product of the same shape, side by side in one run.

    python benchmarks/products.py [--json] [--rounds N]

Columns: the converters and the noisy product of the exact and of the float32 path, from float32 volts to int8 codes,
and the noisy exact product through `Bench.mvm`, checks included; then the noisy products of aihwkit and CrossSim where
these are installed (benchmarks/products_peers.py says what they compute). One BLAS thread, interleaved rounds, medians
of ratios.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from products_peers import peer_calls
from threadpoolctl import threadpool_info, threadpool_limits

import xbar
from xbar.array.periphery import Periphery
from xbar.array.product import ArrayProduct

SIZES, BATCHES = (128, 512), (1, 64, 1024)
CASES = {"exact": (True, False), "exact_noise": (True, True), "float32": (False, False), "float32_noise": (False, True)}
SLOW = 0.1
"""Seconds of a call of another simulator above which three rounds do."""


def main() -> None:
    """Print the table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--rounds", type=int, default=41, help="interleaved rounds of each shape")
    chosen = parser.parse_args()
    with threadpool_limits(1, user_api="blas"):
        rows = [measure(size, batch, chosen.rounds) for size in SIZES for batch in BATCHES]
    if chosen.json:
        json.dump({"machine": machine(), "rows": rows}, sys.stdout, indent=2)
        print()
        return
    names = list(dict.fromkeys(name for row in rows for name in row["ratio"]))
    print(f"{'n':>4} {'batch':>6} {'x @ W us':>9} " + " ".join(f"{name:>14}" for name in names))
    for row in rows:
        ratios = " ".join(f"{row['ratio'].get(name, np.nan):>14.2f}" for name in names)
        print(f"{row['n']:>4} {row['batch']:>6} {row['matmul_us']:>9.1f} {ratios}")


def measure(size: int, batch: int, rounds: int) -> dict[str, Any]:
    """Return the time of the bare product [us] and the ratio of each case to it, medians over rounds."""
    rng = np.random.default_rng(1)
    g = rng.uniform(1e-6, 1e-4, (size, size))
    volts = rng.uniform(-0.2, 0.2, (batch, size)).astype(np.float32)
    bare = g.astype(np.float32)
    full = np.full(size, 0.2 * 5e-5 * np.sqrt(size) * 4)
    calls: dict[str, Callable[[], object]] = {"matmul": lambda: volts @ bare}
    for name, (exact, noisy) in CASES.items():
        calls[name] = product(g, volts, full, exact, noisy)
    card = xbar.load_card("generic")
    with xbar.open_bench("sim", card=card, rows=size, cols=size, seed=7) as bench:
        bench.program(0, g)
        config, numbers = xbar.VectorConfig(0.2, full[None]), np.arange(batch, dtype=np.uint64)
        calls["bench_mvm"] = lambda: bench.mvm((0,), volts[None], config, numbers)
        calls.update(peer_calls(g, volts))
        times: dict[str, list[float]] = {name: [] for name in calls}
        for call in calls.values():
            call()
        repeats = max(1, int(2e-4 / timed(calls["matmul"], 1)))
        for _ in range(rounds):
            for name, call in calls.items():
                slow = name not in CASES and bool(times[name]) and times[name][0] > SLOW
                if not slow or len(times[name]) < 3:
                    times[name].append(timed(call, 1 if slow else repeats))
    base = np.array(times.pop("matmul"))
    ratio = {name: float(np.median(np.array(values) / base[: len(values)])) for name, values in times.items()}
    return {"n": size, "batch": batch, "matmul_us": float(np.median(base)) * 1e6, "ratio": ratio}


def product(
    g: NDArray[np.float64], volts: NDArray[np.float32], full: NDArray[np.float64], exact: bool, noisy: bool
) -> Callable[[], object]:
    """Return a call that converts `volts` (batch, rows) [V] to codes on conductances `g` [S]."""
    part = ArrayProduct(g, 0.005 * g if noisy else None, 0, Periphery(exact=exact, seed=7))
    out = np.empty((len(volts), g.shape[1]), np.int8)
    events = np.arange(len(volts), dtype=np.uint64)
    return lambda: part.convert(volts, 0.2 / 127, full / 127, events, out)


def timed(call: Callable[[], object], repeats: int) -> float:
    """Return the seconds of one call, from `repeats` in a row."""
    started = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - started) / repeats


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    blas = [f"{lib['internal_api']} {lib.get('version')} {lib.get('architecture', '')}" for lib in threadpool_info()]
    return {
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": blas,
    }


if __name__ == "__main__":
    main()
