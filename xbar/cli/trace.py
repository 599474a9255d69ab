"""`xbar trace`: look at a trace, check it, recover one that did not end, export its tables."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xbar.cli.options import Force, Json
from xbar.cli.output import note, print_json, print_table
from xbar.errors import ExitCode
from xbar.units import show

if TYPE_CHECKING:
    from xbar.trace.reader import Trace

TraceFile = Annotated[Path, typer.Argument(metavar="TRACE.h5", help="A trace.")]


def info(file: TraceFile, json: Json = False) -> None:
    """Show what a trace holds: operations, times, who answered, where it comes from."""
    from xbar.trace.reader import open_trace

    with open_trace(file) as trace:
        values = _values(trace, file)
    if json:
        print_json(values)
        return
    rows = [[kind, str(count)] for kind, count in values["operations"].items()]
    print_table(f"{file}, {values['size_bytes'] / 1e6:.1f} MB", ["operation", "count"], rows)
    print(f"status {values['status']}, {'complete' if values['complete'] else 'not complete: see xbar trace recover'}")
    print(f"bench {values['bench']} ({values['address']}), bench time {show(values['bench_s'], 's')}")
    print(f"started {values['started']}, recorded at level {values['level']}")
    print(f"carries {', '.join(values['embedded']) or 'no files'}; command: {values['command']}")


def _values(trace: "Trace", file: Path) -> dict[str, Any]:
    from xbar.bench.operation import OperationKind

    table = trace.operations
    counts = Counter(OperationKind(int(kind)).name.lower() for kind in table["kind"])
    return {
        "file": str(file),
        "size_bytes": file.stat().st_size,
        "status": trace.status,
        "complete": trace.complete,
        "damaged": trace.damaged,
        "operations": dict(sorted(counts.items())),
        "bench": trace.header.identity.model,
        "address": trace.header.address,
        "bench_s": float(table["ended"].max(initial=0.0)),
        "level": trace.level,
        "started": trace.provenance.get("start_time"),
        "command": trace.provenance.get("command"),
        "versions": trace.provenance.get("versions"),
        "run": trace.provenance.get("run"),
        "sample": trace.provenance.get("sample"),
        "embedded": sorted(trace.embedded),
        "result": trace.result,
    }


def verify(file: TraceFile, json: Json = False) -> None:
    """Check every operation's checksum, in order; exit code 3 where a finished trace is damaged."""
    from xbar.trace.reader import open_trace

    with open_trace(file) as trace:
        good, complete, status, damaged = len(trace), trace.complete, trace.status, trace.damaged
    if json:
        print_json({"operations": good, "complete": complete, "status": status, "damaged": damaged})
    elif complete:
        print(f"all {good} operations are right; status {status}")
    elif damaged:
        print(f"damaged: {good} operations are right, number {good} is not; xbar trace recover keeps those before it")
    else:
        print(f"{good} operations are right; the trace did not end: it is being written, or its writer was killed")
    if damaged:
        raise typer.Exit(int(ExitCode.FILE))


def recover(
    file: TraceFile,
    output: Annotated[Path, typer.Option("--output", "-o", help="New trace to write (.h5).")],
    force: Force = False,
    json: Json = False,
) -> None:
    """Copy every committed operation of a trace that was cut off or damaged into a new one; the old one stays."""
    from xbar.trace.recovery import recover as copy

    done = copy(file, output, force)
    if json:
        print_json({"operations": done.operations, "complete": done.complete})
    else:
        print(f"{done.operations} operations recovered" + (": the trace was whole" if done.complete else ""))
    note(f"wrote {output}")


def export(
    file: TraceFile,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write (.csv or .npz).")],
    table: Annotated[
        str, typer.Option("--table", help="operations, reads (of cells) or vectors (output codes).")
    ] = "reads",
    array: Annotated[int | None, typer.Option("--array", min=0, help="Rows of this array alone.")] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Write a table of a trace for other programs; units stand in the headers."""
    from xbar.trace.export import export as write

    rows = write(file, table, output, array=array, force=force)
    if json:
        print_json({"table": table, "rows": rows, "file": str(output)})
    else:
        print(f"{rows} rows of {table}")
    note(f"wrote {output}")
