"""`xbar trace pack`: the same trace, smaller."""

from dataclasses import asdict

from xbar.cli.options import Force, Json
from xbar.cli.output import note, print_json
from xbar.cli.trace_options import NewTrace, Timeout, TraceFile


def pack(file: TraceFile, output: NewTrace, force: Force = False, timeout: Timeout = None, json: Json = False) -> None:
    """Copy a trace into a new, compressed file that replays and reads bit for bit alike; the old one stays.

    Bulk tables are packed by zstd, which other programs read with the package hdf5plugin; the rest by gzip.
    """
    from xbar.trace.pack import pack as copy

    done = copy(file, output, force, timeout)
    if json:
        print_json(asdict(done) | {"ratio": done.ratio})
    else:
        sizes = f"{done.source_bytes / 1e6:.2f} MB to {done.target_bytes / 1e6:.2f} MB"
        print(f"{done.operations} operations packed, {sizes}: {done.ratio:.2f} times smaller")
        if not done.complete:
            print("the trace did not end or is damaged: what is behind these operations is left out")
    note(f"wrote {output}")
