"""Instruments that speak TSP, Keithley's Lua: queries, error queue, scripts, buffers as binary blocks."""

import threading
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xbar.errors import DriverError
from xbar_drivers.instruments.quantities import number_of
from xbar_drivers.instruments.session import Session

LOOK = 0.1
"""Time between two looks at the stop event while a script runs [s]."""

MOST_ERRORS = 100
"""Entries of an error queue that are drained at most."""


class Stopped(Exception):  # caught by whoever started the script: no error of xbar
    """The user asked to stop, and the script was aborted."""


class TspInstrument:
    """An instrument that speaks TSP, alone or as a node of a TSP-Link.

    Args:
        session: connection to it, or to the master of its link.
        name: what errors call it.
        node: its number on the link of the session's instrument; None where the session is its own.

    """

    def __init__(self, session: Session, name: str, node: int | None = None) -> None:
        self.session, self.name, self.node = session, name, node
        self.prefix = "" if node is None else f"node[{node}]."
        self._asked = 0
        self.in_step = True
        """Whether every question got its answer; where not, an old answer may be on its way."""

    def write(self, text: str) -> None:
        """Send a chunk of TSP."""
        self.session.write(text)

    def ask(self, text: str) -> str:
        """Send a chunk that prints one line; return the line."""
        self.in_step = False
        self.session.write(text)
        answer = self.session.read()
        self.in_step = True
        return answer

    def get(self, key: str) -> str:
        """Return the printed value of an attribute of this node."""
        return self.ask(f"print({self.prefix}{key})")

    def put(self, key: str, value: str) -> None:
        """Set an attribute of this node."""
        self.write(f"{self.prefix}{key} = {value}")

    def number(self, key: str) -> float:
        """Return a number; NaN for an overflow. Raises `DriverError`."""
        return number_of(self.get(key), self.name, key)

    @property
    def model(self) -> str:
        """Get the model, such as "2636B"."""
        return self.get("localnode.model").strip()

    @property
    def serial(self) -> str:
        """Get the serial number."""
        return self.get("localnode.serialno").strip()

    @property
    def firmware(self) -> str:
        """Get the version of the firmware."""
        return self.get("localnode.revision").strip()

    @property
    def line_frequency(self) -> float:
        """Get the frequency of the mains (Hz), of which integration times are multiples."""
        return self.number("localnode.linefreq")

    def cards(self) -> tuple[str, ...]:
        """Return nothing: it has no slots."""
        return ()

    def errors(self) -> list[str]:
        """Drain the error queue of the session's instrument, which holds what its whole link reports."""
        found = []
        for _ in range(MOST_ERRORS):
            parts = self.ask("print(errorqueue.next())").split("\t")
            code = number_of(parts[0], self.name, "errorqueue.next()")
            if code == 0:
                break
            found.append(f"{self.name}: {code:.0f}, {parts[1] if len(parts) > 1 else ''}")
        return found

    def check(self, what: str) -> None:
        """Raise `DriverError` with what the error queue holds, if anything."""
        if self.number_of_errors():
            raise DriverError(f"{what}: {'; '.join(self.errors())}")

    def number_of_errors(self) -> int:
        """Return how many errors wait in the queue."""
        return int(number_of(self.ask("print(errorqueue.count)"), self.name, "errorqueue.count"))

    def run(self, lines: Sequence[str], stop: threading.Event, patience: float) -> str:
        """Run a script that prints one line at its end; return the line.

        Args:
            lines: of the script.
            stop: ends it when set: looked at every 0.1 s.
            patience: longest time that it may take [s].

        Raises:
            Stopped: `stop` was set; the script was aborted.
            DriverError: no answer in time, or none that fits.

        """
        began, self.in_step = time.monotonic(), False
        self.session.write("\n".join(["loadandrunscript", *lines, "endscript"]))
        while not self.session.ready(LOOK):
            if stop.is_set():
                self.abort()
                self.errors()  # of the abort itself
                raise Stopped
            if time.monotonic() - began > patience:
                self.abort()
                raise DriverError(
                    f"{self.name} at {self.session.address}: a script did not end within {patience:.1f} s and was "
                    f"aborted; its errors: {'; '.join(self.errors()) or 'none'}"
                )
        answer = self.session.read()
        self.in_step = True
        return answer

    def get_in_step(self) -> None:
        """Throw away answers that nobody waits for any more, where there may be some."""
        if not self.in_step:
            self.abort()

    def abort(self) -> None:
        """Stop the running script and get in step again: answers that were on their way are thrown away."""
        self.session.clear()
        self._asked += 1
        token = f"in step {self._asked}"
        self.session.write(f'print("{token}")')
        for _ in range(MOST_ERRORS):
            if self.session.read() == token:
                self.in_step = True
                return
        raise DriverError(f"{self.name} at {self.session.address} is out of step; switch it off and on")

    def fetch(self, count: int, columns: Sequence[str]) -> NDArray[np.float64]:
        """Return `count` entries of each of several columns of buffers, `(count, columns)`, in one binary block.

        Raises `DriverError` where the block is not what it should be.
        """
        if not count:
            return np.empty((0, len(columns)))
        self.in_step = False
        shape = "format.data = format.REAL64 format.byteorder = format.LITTLEENDIAN"
        self.session.write(f"{shape} printbuffer(1, {count}, {', '.join(columns)})")
        size = 8 * count * len(columns)
        block = self.session.read_bytes(2 + size + 1)
        self.in_step = True
        if block[:2] != b"#0" or block[-1:] != b"\n":
            raise DriverError(f"{self.name} at {self.session.address}: a block begins with {block[:8]!r}, not with #0")
        return np.frombuffer(block, "<f8", count * len(columns), 2).reshape(count, len(columns)).astype(np.float64)
