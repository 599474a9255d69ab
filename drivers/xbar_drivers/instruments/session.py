"""The connection to one instrument as instrument classes use it: lines out, lines and blocks in."""

from typing import Protocol


class Session(Protocol):
    """A connection to one instrument. All methods raise `DriverError` naming instrument, address and command."""

    address: str
    """VISA resource string."""

    def write(self, text: str) -> None:
        """Send one message; the terminator is added."""

    def read(self) -> str:
        """Return the next answer without its terminator."""

    def read_bytes(self, count: int) -> bytes:
        """Return exactly `count` bytes of an answer; its terminator counts."""

    def ready(self, seconds: float) -> bool:
        """Return whether an answer has begun to arrive, after at most `seconds` [s].

        Where the connection cannot tell, True at once: the next read then waits for it.
        """

    def clear(self) -> None:
        """Stop what runs in the instrument and forget answers on their way (device clear)."""

    def close(self) -> None:
        """Disconnect; idempotent, never raises."""
