"""Where two traces part: the first operation and the field of it, in the numbers and units of what was recorded."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields
from itertools import chain
from typing import Any

from xbar.bench.operation import OperationKind, Request
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.errors import FormatError
from xbar.trace.copying import SAME_FIELDS, equal_data, equal_rows
from xbar.trace.fault import Fault, find_fault
from xbar.trace.field_difference import Difference, difference
from xbar.trace.header_text import encode_header
from xbar.trace.reader import Trace
from xbar.trace.verification import open_checked

Readings = CellReadings | VectorReadings | None


@dataclass(frozen=True)
class Comparison:
    """Two traces, compared."""

    same: int
    """Operations from the first on that are equal."""
    operations: tuple[int, int] | None
    """Operations of each; None where they part before the end, so that nobody counted the rest."""
    difference: Difference | None
    """The first difference of an operation; None where all are equal."""
    head: tuple[Difference, ...]
    """What differs in the heads: identity, settings (card, seed), limits, capabilities, level, what was run."""

    @property
    def equal(self) -> bool:
        """Get whether both hold the same operations; their heads may differ."""
        return self.difference is None


def compare(
    first: str | os.PathLike[str],
    second: str | os.PathLike[str],
    *,
    ignore_time: bool = False,
    timeout: float | None = None,
    progress: Callable[[int], None] = lambda operations: None,
) -> Comparison:
    """Compare two traces, operation by operation, until they part. Memory holds one operation of each.

    Equal are numbers that are the same to the last bit, NaN included, whatever type they are stored in. Times of day
    are never compared. Where not both traces keep the voltages of products, their projections are compared.

    Args:
        first: a trace.
        second: another one.
        ignore_time: leave out the bench clock too (start, end, time of readings): no two runs on hardware agree there.
        timeout: seconds for the check of a file that was not closed (`verification.open_checked`).
        progress: called with the number of equal operations, now and then.

    Raises `FileError` and `FormatError` as `open_trace` does, and where a trace is damaged before the two part.
    """
    skipped = ("wall", "started", "ended", "cells/time") if ignore_time else ("wall",)
    names = [name for name in SAME_FIELDS if name not in skipped]
    with ExitStack() as stack:
        opened = [open_checked(path, timeout) for path in (first, second)]
        one, two = traces = [stack.enter_context(trace) for trace, _ in opened]
        found, index = None, 0
        while found is None and len(same := equal_rows(one, two, index, names)):
            for alike in same:
                if not (alike and equal_data(one, two, index, skipped)):
                    found = _operation_difference(one, two, index, ignore_time)
                if found is not None:
                    break
                index += 1
            progress(index)
        counts = None
        if found is None:
            counts = (_count(*opened[0]), _count(*opened[1]))
            if counts[0] != counts[1]:
                kinds = [t.request(index).kind.name.lower() if t.has(index) else "no operation" for t in traces]
                found = Difference(index, "operations", kinds[0], kinds[1])
        return Comparison(index, counts, found, tuple(_head_differences(one, two)))


def _count(trace: Trace, stop: Fault | None) -> int:
    """Return the number of operations; raises `FormatError` where they end because of damage."""
    count = len(trace)
    if trace.damaged:
        fault = find_fault(trace, count) if stop is None else stop
        reason = "the file is cut off" if fault is None else fault.message
        raise FormatError(
            f"{trace.path} is damaged at operation {count}: {reason}. Up to there the traces are equal as far as the "
            "other one goes; compare another copy of it"
        )
    return count


# ---- operations


def _operation_difference(one: Trace, two: Trace, index: int, ignore_time: bool) -> Difference | None:
    """Return the first thing that differs in an operation of two traces: of the request, then of the outcome."""
    a, b = one[index], two[index]
    pairs = chain(
        _request_pairs(a.request, b.request, one.projections(index), two.projections(index)),
        () if ignore_time else (("started", a.started, b.started), ("ended", a.ended, b.ended)),
        (("error", _error_text(a.error), _error_text(b.error)),),
        _reading_pairs(a.readings, b.readings, ignore_time),
    )
    return next((found for pair in pairs if (found := difference(index, *pair)) is not None), None)


Pair = tuple[str, Any, Any]
"""Name of a field and its two values."""


def _request_pairs(a: Request, b: Request, projections: Any, projections2: Any) -> Iterator[Pair]:
    """Give the fields of two requests, settings one by one; of products projections too, finer than codes."""
    product = OperationKind.MVM in (a.kind, b.kind)
    projected = product and (a.voltages is None or b.voltages is None)
    for field in fields(Request):
        first, second = getattr(a, field.name), getattr(b, field.name)
        if field.name == "voltages" and projected:
            yield "projections", projections, projections2
        elif field.name not in ("read", "vector", "pulse") or first is None or second is None:
            yield field.name, first, second
        else:
            for inner in fields(first):
                yield f"{field.name}.{inner.name}", getattr(first, inner.name), getattr(second, inner.name)
    if product and not projected:
        yield "projections", projections, projections2


def _reading_pairs(a: Readings, b: Readings, ignore_time: bool) -> Iterator[Pair]:
    if a is None or b is None or type(a) is not type(b):
        first, second = ("none" if readings is None else type(readings).__name__ for readings in (a, b))
        yield "readings", first, second
        return
    for field in fields(a):
        if not (ignore_time and field.name == "time"):
            yield f"readings.{field.name}", getattr(a, field.name), getattr(b, field.name)


def _error_text(error: Exception | None) -> str | None:
    return None if error is None else f"{type(error).__name__}: {error}"


# ---- heads


def _head_differences(one: Trace, two: Trace) -> Iterator[Difference]:
    """Give what differs in the heads of two traces: what they were recorded on, and what was run."""
    first, second = (dict(_flat(_head(trace))) for trace in (one, two))
    for name in first | second:
        found = difference(None, name, first.get(name), second.get(name))
        if found is not None:
            yield found


def _head(trace: Trace) -> dict[str, Any]:
    """Return what of a trace's head can be compared; versions and command line may differ, and are told."""
    told = {name: trace.provenance.get(name) for name in ("run", "network", "map", "data", "sample", "versions")}
    return {**json.loads(encode_header(trace.header)), "level": trace.level, "status": trace.status, **told}


def _flat(values: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Give nested values by their dotted names; a list that holds no mapping stays whole."""
    if isinstance(values, list) and any(isinstance(value, dict) for value in values):
        values = dict(enumerate(values))
    if not isinstance(values, dict):
        yield name, values
        return
    for key, value in values.items():
        yield from _flat(value, f"{name}.{key}" if name else str(key))


def to_json(found: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON values."""
    return {"equal": found.equal, **asdict(found)}
