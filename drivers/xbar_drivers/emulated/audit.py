"""What went wrong on a served bench, by client: outputs left on, relays switched hot, limits exceeded, bad commands."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

_client: ContextVar[str] = ContextVar("client", default="bench")

MOST_FAULTS = 10_000
"""Faults that are kept one by one; all are counted."""


class FaultKind(StrEnum):
    """What kind of thing went wrong."""

    LEFT_ON = "output left on"
    HOT_SWITCHING = "hot switching"
    OVER_LIMIT = "limit exceeded"
    SHORTED = "sources shorted"
    ERRORS_LEFT = "errors left in the queue"
    UNKNOWN = "unknown command"
    LUA = "script stopped"
    HOSTILE = "refused input"
    INTERNAL = "mistake of the emulation"


@dataclass(frozen=True)
class Fault:
    """One thing that went wrong."""

    time: float
    """Bench time [s]."""
    client: str
    kind: FaultKind
    text: str


@contextmanager
def acting_for(client: str) -> Iterator[None]:
    """Attribute what happens inside, in this thread, to a client."""
    token = _client.set(client)
    try:
        yield
    finally:
        _client.reset(token)


class Audit:
    """The faults of a served bench."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._counts: Counter[tuple[str, FaultKind]] = Counter()

    def note(self, time: float, kind: FaultKind, text: str) -> None:
        """Keep a fault of the client that is being served in this thread."""
        client = _client.get()
        with self._lock:
            self._counts[client, kind] += 1
            if len(self._faults) < MOST_FAULTS:
                self._faults.append(Fault(time, client, kind, text))

    @property
    def faults(self) -> tuple[Fault, ...]:
        """All faults kept, in order."""
        with self._lock:
            return tuple(self._faults)

    def report(self) -> list[str]:
        """Return the audit as lines: for every client what it did, each kind with its first example; empty if clean."""
        with self._lock:
            counts, faults = dict(self._counts), list(self._faults)
        first: dict[tuple[str, FaultKind], Fault] = {}
        for fault in faults:
            first.setdefault((fault.client, fault.kind), fault)
        lines = []
        for (client, kind), count in sorted(counts.items()):
            example = first.get((client, kind))
            told = f": {example.text}" if example else ""
            more = f" (and {count - 1} more)" if count > 1 else ""
            lines.append(f"{client}: {kind}{told}{more}")
        return lines
