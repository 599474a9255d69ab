"""`xbar trace recover`: save what is right of a trace."""

from dataclasses import asdict

from xbar.cli.options import Force, Json
from xbar.cli.output import note, print_json
from xbar.cli.trace_options import NewTrace, Timeout, TraceFile


def recover(
    file: TraceFile, output: NewTrace, force: Force = False, timeout: Timeout = None, json: Json = False
) -> None:
    """Copy every committed operation of a trace that was cut off, damaged or left open into a new one.

    The old file is only read. Each operation of the copy is compared with it before the copy gets its name.
    """
    from xbar.trace.recovery import recover as copy

    done = copy(file, output, force, timeout)
    if json:
        print_json(asdict(done))
    else:
        print(f"{done.operations} operations recovered" + (": the trace was whole" if done.complete else ""))
    note(f"wrote {output}")
