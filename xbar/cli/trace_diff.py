"""`xbar trace diff`: where two traces part."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xbar.cli.options import Json
from xbar.cli.output import print_json, progress
from xbar.cli.trace_options import Timeout
from xbar.errors import ExitCode

if TYPE_CHECKING:
    from xbar.trace.difference import Comparison

SHOWN_HEAD = 20
"""Differences of the heads that are shown; --json has all."""


def diff(
    first: Annotated[Path, typer.Argument(metavar="A.h5", help="A trace.")],
    second: Annotated[Path, typer.Argument(metavar="B.h5", help="Another trace.")],
    ignore_time: Annotated[
        bool, typer.Option("--ignore-time", help="Leave out the bench clock, which differs between runs on hardware.")
    ] = False,
    timeout: Timeout = None,
    json: Json = False,
) -> None:
    """Name the first operation in which two traces part, and what differs; exit code 6 where they do.

    Numbers are equal when all their bits are; times of day are not compared. Differences of the heads (bench, card,
    seed, limits, what was run) are told too, and do not change the exit code.
    """
    from xbar.trace.difference import compare, to_json

    with progress() as shown:
        found = compare(
            first,
            second,
            ignore_time=ignore_time,
            timeout=timeout,
            progress=lambda done: shown("operations", done, done),
        )
    if json:
        print_json(to_json(found))
    else:
        _print(found)
    if not found.equal:
        raise typer.Exit(int(ExitCode.REPLAY))


def _print(found: "Comparison") -> None:
    for difference in found.head[:SHOWN_HEAD]:
        print(f"head, {difference.text}")
    if len(found.head) > SHOWN_HEAD:
        print(f"head, {len(found.head) - SHOWN_HEAD} more differences: see --json")
    if found.difference is None:
        print(f"equal: {found.same} operations")
        return
    print(f"{found.same} operations are equal; they part in number {found.difference.operation}:")
    print(f"  {found.difference.text}")
    if found.difference.largest is not None:
        print(f"  largest difference {found.difference.largest:.6g} {found.difference.unit}".rstrip())
    if found.operations is not None:
        print(f"  {found.operations[0]} operations in the first trace, {found.operations[1]} in the second")
