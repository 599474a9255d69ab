"""Instruments that speak SCPI: queries, identity, error queue."""

import time

from xbar.errors import DriverError
from xbar_drivers.instruments.quantities import number_of
from xbar_drivers.instruments.session import Session

LOOK = 0.1
"""Time between two looks whether an answer has come [s]."""

MOST_ERRORS = 100
"""Entries of an error queue that are drained at most."""


class ScpiInstrument:
    """An instrument that speaks SCPI-1999.

    Args:
        session: connection to it.
        name: what errors call it.

    """

    def __init__(self, session: Session, name: str) -> None:
        self.session, self.name = session, name
        self._identity: tuple[str, ...] | None = None
        self.in_step = True
        """Whether every question got its answer; where not, an old answer may be on its way."""

    def write(self, text: str) -> None:
        """Send a command."""
        self.session.write(text)

    def ask(self, text: str) -> str:
        """Send a query and return its answer."""
        self.in_step = False
        self.session.write(text)
        answer = self.session.read().strip()
        self.in_step = True
        return answer

    def await_end(self, timeout: float, abort: str) -> None:
        """Wait until what was started has ended, by `*OPC?`.

        Raises `DriverError` after `timeout` [s]; then the command `abort` was sent.
        """
        began, self.in_step = time.monotonic(), False
        self.session.write("*OPC?")
        while not self.session.ready(LOOK):
            if time.monotonic() - began > timeout:
                self.get_in_step()
                self.write(abort)
                raise DriverError(f"{self.name} at {self.session.address}: a sweep did not end within {timeout:g} s")
        self.session.read()
        self.in_step = True

    def get_in_step(self) -> None:
        """Throw away answers that nobody waits for any more, where there may be some."""
        if not self.in_step:
            self.session.clear()
            self.in_step = True

    def get(self, key: str) -> str:
        """Return the answer to the query of a setting."""
        return self.ask(f"{key}?")

    def put(self, key: str, value: str) -> None:
        """Send a setting."""
        self.write(f"{key} {value}")

    def number(self, query: str) -> float:
        """Return the answer to a query as a number; NaN for an overflow. Raises `DriverError`."""
        return number_of(self.ask(query), self.name, query)

    def _identified(self) -> tuple[str, ...]:
        """Return maker, model, serial number and firmware. Raises `DriverError` for an answer that is none."""
        if self._identity is None:
            parts = tuple(part.strip() for part in self.ask("*IDN?").split(","))
            if len(parts) != 4:
                raise DriverError(f"{self.name} at {self.session.address} answered {parts} to *IDN?, not four parts")
            self._identity = parts
        return self._identity

    @property
    def model(self) -> str:
        """Get the model, such as "2450"."""
        return self._identified()[1].upper().removeprefix("MODEL").strip()

    @property
    def serial(self) -> str:
        """Get the serial number."""
        return self._identified()[2]

    @property
    def firmware(self) -> str:
        """Get the version of the firmware."""
        return self._identified()[3]

    def cards(self) -> tuple[str, ...]:
        """Return nothing: it has no slots."""
        return ()

    def errors(self) -> list[str]:
        """Drain the error queue."""
        found = []
        for _ in range(MOST_ERRORS):
            answer = self.ask(":SYST:ERR?")
            code, _, text = answer.partition(",")
            if number_of(code, self.name, ":SYST:ERR?") == 0:
                break
            found.append(f"{self.name}: {code}, {text.strip(chr(34))}")
        return found
