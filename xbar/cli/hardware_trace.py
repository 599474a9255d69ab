"""The trace that is always written where real charge moves: named by the time where nobody named it."""

import time
from pathlib import Path


def hardware_trace(address: str, trace: Path | None, what: str) -> Path | None:
    """Return the trace that was named; for a bench with hardware and none named, one named by `what` and the time.

    Raises what reading the bench file and loading its drivers do.
    """
    from xbar.bench.bench_file import load_bench_file
    from xbar.bench.registry import driver_class, split_address

    if trace is not None or address == "sim":
        return trace
    found = split_address(address)
    if found is None and not Path(address).exists():
        return None
    names = [part.driver for part in load_bench_file(address).drivers] if found is None else [found[0]]
    if not any(driver_class(name).hardware for name in names):
        return None
    return Path(f"{what}-{time.strftime('%Y%m%dT%H%M%S')}.h5")
