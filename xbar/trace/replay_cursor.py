"""The cursor of a replay: one place in a trace, which all drivers of the recorded bench share."""

from pathlib import Path

from xbar.bench.operation import DriverHeader, OperationKind, Request
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.errors import FileError, FormatError, ReplayError
from xbar.trace.reader import Trace, open_trace
from xbar.trace.request_match import describe, difference

NEARBY = 1000
"""How far before and after the cursor a similar operation is looked for, to name it in an error."""


class ReplayCursor:
    """Where a replay stands in its trace. Open while at least one of the drivers is.

    Args:
        path: the trace.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.position = 0
        """Operations that were replayed."""
        self.now = 0.0
        """Recorded bench clock at the end of the last operation [s]."""
        self._trace: Trace | None = None
        self._users: set[int] = set()
        self._waited: set[int] = set()

    @property
    def trace(self) -> Trace:
        """The trace, while a driver is open. Raises `FileError` otherwise."""
        if self._trace is None:
            raise FileError(f"trace {self.path} is not open; open the bench first")
        return self._trace

    @property
    def remaining(self) -> int:
        """Operations of the trace that were not asked for yet; verifies the rest of the trace. 0 when closed."""
        return 0 if self._trace is None else len(self._trace) - self.position

    def open(self, user: int) -> DriverHeader:
        """Open the trace for recorded driver `user`, at its first operation for the first who asks; return its head.

        Raises `FileError` or `FormatError` for what is no trace, or one without such a driver.
        """
        if self._trace is None:
            self._trace = open_trace(self.path)
            self.position, self.now, self._waited = 0, 0.0, set()
        if user >= len(self._trace.header.drivers):
            raise FormatError(f"{self.path} has {len(self._trace.header.drivers)} drivers, no number {user + 1}")
        self._users.add(user)
        return self._trace.header.drivers[user]

    def close(self, user: int) -> None:
        """Close the trace for a driver; idempotent."""
        self._users.discard(user)
        if self._trace is not None and not self._users:
            self._trace.close()
            self._trace = None

    def replay(self, asked: Request, user: int) -> CellReadings | VectorReadings | None:
        """Match a request with the recorded one here, move on, and return or raise what was recorded.

        A wait is one operation of the whole bench: the first driver that asks moves on, the others come along.
        """
        if asked.kind is OperationKind.WAIT and self._waited and user not in self._waited:
            self._waited.add(user)
            return None
        self._waited = {user} if asked.kind is OperationKind.WAIT else set()
        trace, step = self.trace, self.position
        if not trace.has(step):
            raise ReplayError(self._past_the_end(asked))
        recorded = trace.request(step)
        miss = difference(recorded, asked, trace.projections(step))
        if miss is not None:
            raise ReplayError(f"replay of {self.path.name}, operation {step + 1}: {miss}{self._nearest(asked)}")
        error, readings = trace.error(step), trace.readings(step)
        self.position, self.now = step + 1, float(trace.row(step)["ended"])
        if error is not None:
            raise error
        return readings

    def _past_the_end(self, asked: Request) -> str:
        """Say that one operation too many was asked for, and why the trace may be short."""
        trace = self.trace
        if trace.state == "open":
            why = "its writer was stopped there or still runs"
        elif trace.complete:
            why = "the run that it recorded ended there"
        else:
            why = "what follows does not match its checksums: the file is damaged"
        return (
            f"replay of {self.path.name}, operation {self.position + 1}: asked for {describe(asked)}, "
            f"but the trace has {len(trace)} operations ({why}){self._nearest(asked)}"
        )

    def _nearest(self, asked: Request) -> str:
        """Return where the nearest operations before and after the cursor of the same kind and arrays are."""
        trace, found = self.trace, []
        ways = (
            range(self.position - 1, max(-1, self.position - 1 - NEARBY), -1),
            range(self.position + 1, self.position + 1 + NEARBY),
        )
        for way in ways:
            for index in way:
                if not trace.has(index):
                    break
                if int(trace.row(index)["kind"]) != asked.kind:
                    continue
                recorded = trace.request(index)
                if recorded.arrays == asked.arrays:
                    same = difference(recorded, asked, trace.projections(index)) is None
                    found.append(f"operation {index + 1} ({'this very one' if same else describe(recorded)})")
                    break
        if not found:
            return "; no operation of this kind on these arrays is near"
        return f"; nearest of this kind on these arrays: {' and '.join(found)}"
