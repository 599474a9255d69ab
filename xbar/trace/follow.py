"""Follow a trace that another process writes: what came since the last look, until its writer closes it or is gone."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from xbar.errors import FileError, XbarError
from xbar.hdf5 import is_marked_open
from xbar.trace.reader import Trace, open_trace
from xbar.trace.schema import KINDS
from xbar.trace.verification import open_checked
from xbar.trace.writer_process import Writer, writer_of

SETUP_LOOKS = 10
"""Looks at a file that is still being set up before that is an error."""
BUDGET = 0.5
"""Seconds that a look verifies rows: a long file is caught up with in several looks."""


@dataclass(frozen=True)
class Look:
    """A running trace at one moment."""

    operations: int
    """Operations that were committed and verified."""
    new: int
    """How many of them came since the last look."""
    rate: float | None
    """Operations per second of the writer's time of day, over the new ones; None where there is no telling."""
    kind: str | None
    """Kind of the last operation, such as "mvm"."""
    failed: bool
    """Whether the last operation ended in an error."""
    bench_s: float
    """Bench clock at the end of the last operation [s]."""
    status: str
    """"setting up", "running", "killed" (its writer is gone), "damaged", or how the run ended: "ok", "failed"..."""
    behind: bool
    """Whether there is more to verify already."""

    @property
    def ended(self) -> bool:
        """Get whether nothing more will come."""
        return not self.behind and self.status not in ("setting up", "running")


class Follower:
    """Look at a running trace again and again; a context manager. The file is opened for reading alone.

    Only new rows are verified. A file that is still being set up is waited for, `SETUP_LOOKS` looks long. A file whose
    writer is gone may be torn, and is opened so that it cannot keep this process waiting (`verification.open_checked`).

    Args:
        path: the trace.
        writer: tells from the provenance whether the writing process runs.
        clock: monotonic time [s].
        stop: ends the check of a torn file with `KeyboardInterrupt`.

    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        writer: Callable[[Any], Writer] = writer_of,
        clock: Callable[[], float] = time.monotonic,
        stop: threading.Event | None = None,
    ) -> None:
        self.path = Path(path)
        self._writer, self._clock, self._stop = writer, clock, stop
        self._trace: Trace | None = None
        self._seen, self._wall, self._setups = 0, 0.0, 0
        self._safe, self._torn = False, False

    @property
    def trace(self) -> Trace | None:
        """The open trace, for reading the operations that were seen; None while it is being set up."""
        return self._trace

    def look(self) -> Look:
        """Look once; raises `FileError` and `FormatError` as `open_trace` does, and where the file becomes damaged."""
        trace = self._open() if self._trace is None else self._trace
        if trace is None:
            return Look(0, 0, None, None, False, 0.0, "setting up", False)
        # Asked for first: what a writer did before it closed the file or went must not be overlooked.
        closed = trace.state == "closed" or not is_marked_open(self.path)
        gone = not closed and self._writer(trace.provenance) == "gone"
        if gone and not self._safe:
            trace = self._open_safely()
        else:
            trace.refresh()
        before, end, behind = self._seen, self._clock() + BUDGET, True
        while behind and self._clock() < end:
            now_seen = trace.advance()
            behind, self._seen = now_seen > self._seen, now_seen
        if behind:
            return self._looked(trace, before, "running", behind)
        left = "damaged" if self._torn else "killed"
        return self._looked(trace, before, self._end() if closed else left if gone else "running", behind)

    def _open(self) -> Trace | None:
        """Open the trace; None while it is being set up."""
        try:
            if self._is_left():
                return self._open_safely()
            self._trace = open_trace(self.path)
        except FileError:
            self._setups += 1
            setting_up = is_marked_open(self.path) or (self.path.is_file() and not self.path.stat().st_size)
            if not setting_up or self._setups > SETUP_LOOKS:
                raise
            return None
        return self._trace

    def _is_left(self) -> bool:
        """Return whether the file was not closed and its writer is gone; read in a way that never waits."""
        if not is_marked_open(self.path):
            return False
        try:
            with open_trace(self.path, frozen=True) as trace:
                return self._writer(trace.provenance) == "gone"
        except XbarError:  # as of a file that is being written at this moment
            return False

    def _open_safely(self) -> Trace:
        """Open a trace whose writer is gone, and go on where this follower stands."""
        self.close()
        self._trace, fault = open_checked(self.path, stop=self._stop)
        self._safe, self._torn = True, fault is not None
        there = 0
        while there < self._seen and (now := self._trace.advance()) > there:
            there = now
        return self._trace

    def _end(self) -> str:
        """Return how the run ended; only a file that is opened after it was closed says so."""
        with open_trace(self.path) as trace:
            return trace.status if trace.status == "failed" or self._ended_well() else "damaged"

    def _ended_well(self) -> bool:
        """Return whether the last row is the one of the end."""
        return self._trace is not None and self._trace.complete

    def _looked(self, trace: Trace, before: int, status: str, behind: bool) -> Look:
        new = max(0, self._seen - before)  # the check of a torn file may reach less
        if not self._seen:
            return Look(0, 0, None, None, False, 0.0, status, behind)
        row = trace.row(self._seen - 1)
        rate, wall = None, float(row["wall"])
        if new:
            since = self._wall if before else float(trace.row(0)["wall"])
            count = new if before else new - 1
            rate = count / (wall - since) if wall > since and count else None
            self._wall = wall
        kind = KINDS.get(int(row["kind"]), str(int(row["kind"])))
        return Look(
            self._seen, new, rate, kind, trace.error(self._seen - 1) is not None, float(row["ended"]), status, behind
        )

    def close(self) -> None:
        """Close the file; idempotent."""
        if self._trace is not None:
            self._trace.close()

    def __enter__(self) -> Self:
        """Return the follower."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()


def follow(follower: Follower, wait: Callable[[], bool]) -> Iterator[Look]:
    """Give a look, wait, and look again, until nothing more will come or `wait` returns False.

    `wait` returns when it is time for the next look.
    """
    while True:
        look = follower.look()
        yield look
        if look.ended or not wait():
            return
