"""The connection of one client to one instrument: the answers on their way to it, and its wish to stop."""

import threading
import time
from collections.abc import Callable

MOST_PENDING = 64 * 2**20
"""Answers that wait for one client [bytes]; what is beyond is thrown away."""

GRACE = 5.0
"""How long a message goes on being executed when its client has gone [s of the wall clock]."""


class Link:
    """What an instrument knows of one client.

    Args:
        name: how logs and the audit name the client.
        closed: tells whether the client has gone; asked while a script runs.

    """

    def __init__(self, name: str, closed: Callable[[], bool] = lambda: False) -> None:
        self.name = name
        self.stop = threading.Event()
        """Set by a device clear: what runs for this client is to end."""
        self.script: list[str] | None = None
        """Lines of a script on its way, of TSP instruments."""
        self.errors = 0
        """Errors that its messages put into the queue."""
        self.input_lost = False
        """Whether a message of this client was too long and is being thrown away."""
        self._closed = closed
        self._began = 0.0
        self._answers: list[bytes] = []
        self._size = 0
        self._lock = threading.Lock()

    def put(self, answer: bytes) -> None:
        """Add one complete answer, its terminator included."""
        with self._lock:
            if self._size + len(answer) <= MOST_PENDING:
                self._answers.append(answer)
                self._size += len(answer)

    def take(self) -> list[bytes]:
        """Return the answers that wait, and forget them."""
        with self._lock:
            answers, self._answers, self._size = self._answers, [], 0
        return answers

    @property
    def waiting(self) -> bool:
        """Whether answers wait."""
        return bool(self._answers)

    def begin(self) -> None:
        """Note that a message of the client begins to be executed."""
        self._began = time.monotonic()

    def stopped(self) -> bool:
        """Return whether what runs is to end: the client said so, or went a while ago.

        A client may write "output off" and go at once: what it sent is executed. Only what takes longer is ended.
        """
        return self.stop.is_set() or (time.monotonic() - self._began > GRACE and self._closed())
