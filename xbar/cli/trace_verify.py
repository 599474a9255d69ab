"""`xbar trace verify`: check every operation of a trace."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from xbar.cli.options import Json
from xbar.cli.output import print_json
from xbar.cli.trace_options import Timeout, TraceFile
from xbar.errors import ExitCode

if TYPE_CHECKING:
    from xbar.trace.verification import Verification


def verify(file: TraceFile, timeout: Timeout = None, json: Json = False) -> None:
    """Check every operation's checksums, in order, and name the first bad one; exit code 3 where it is damaged.

    The check runs in a process of its own: a torn file may keep its reader waiting for good, which is damage too.
    """
    from xbar.trace.verification import verify as check

    found = check(file, timeout)
    if json:
        print_json(asdict(found))
    else:
        print(_text(found))
    if found.damaged:
        raise typer.Exit(int(ExitCode.FILE))


def _text(found: "Verification") -> str:
    good = found.operations
    if found.complete:
        return f"all {good} operations are right; status {found.status}"
    if not found.damaged and found.status == "failed":
        return f"{good} operations are right; the run failed, and its writer could not write the end"
    if not found.damaged:
        last = f" (operation {good} was not finished: {found.fault.message})" if found.fault else ""
        return (
            f"{good} operations are right{last}; the trace did not end: it is being written, or its writer was killed"
        )
    cut = "the file is cut off; " if found.cut_off else ""
    if found.fault is None:
        return (
            f"damaged: {cut}{good} operations are right, the row of the end is missing; recover keeps those before it"
        )
    return (
        f"damaged: {cut}{good} operations are right, number {good} is not: {found.fault.message}; xbar trace recover "
        "keeps those before it"
    )
