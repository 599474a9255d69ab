"""Connections over VISA: PyVISA with PyVISA-py, or the library of NI or Keysight where one is installed."""

import select
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from xbar.errors import DriverError, Unsupported

PYTHON_BACKEND = "@py"
"""PyVISA-py, which needs no library of a vendor."""

TIMEOUT = 10.0
"""Longest wait for an answer [s]."""

MESSAGE_AVAILABLE = 0x10
"""Bit of the status byte: an answer waits (IEEE 488.2, 11.2)."""

POLL = 0.02
"""Time between two looks at the status byte [s]."""

LONGEST_SHOWN = 80
"""Characters of a command that an error shows."""


def _manager(backend: str) -> Any:
    try:
        import pyvisa
    except ImportError as error:
        raise Unsupported(
            'instruments need PyVISA, which is not installed; pip install "xbar-emulator[instruments]"'
        ) from error
    try:
        return pyvisa.ResourceManager(backend)
    except (ValueError, OSError) as error:
        raise Unsupported(
            f"PyVISA has no backend {backend!r} ({error}); install one: pip install "
            '"xbar-emulator[instruments]" brings PyVISA-py ("@py"), "@ivi" needs the library of NI or Keysight'
        ) from error


def list_resources(backend: str = PYTHON_BACKEND) -> list[str]:
    """Return the VISA resource strings that the backend finds, sorted.

    Raises `Unsupported` where PyVISA or the backend is missing, `DriverError` where the search fails.
    """
    manager = _manager(backend)
    try:
        with warnings.catch_warnings():
            # Of optional packages that would find more kinds of instruments.
            warnings.simplefilter("ignore")
            return sorted(manager.list_resources("?*"))
    except Exception as error:  # backends raise whatever their libraries do
        raise DriverError(f"the search for instruments failed: {error}") from error


def open_session(name: str, address: str, *, timeout: float = TIMEOUT, backend: str = PYTHON_BACKEND) -> "VisaSession":
    """Connect to an instrument.

    Args:
        name: what errors call it.
        address: VISA resource string.
        timeout: longest wait for an answer [s].
        backend: "@py", "@ivi" or the path of a VISA library.

    Raises:
        Unsupported: PyVISA or the backend is missing.
        DriverError: nobody answers there, or the address is no resource string.

    """
    manager = _manager(backend)
    try:
        resource = manager.open_resource(address, open_timeout=int(timeout * 1000))
    except Exception as error:  # PyVISA-py lets errors of sockets, imports and its own pass
        raise DriverError(
            f"{name} does not answer at {address}: {_reason(error)}; check that it is on, the address, and that no "
            "other program holds it"
        ) from error
    try:
        return VisaSession(name, address, resource, timeout)
    except Exception as error:
        with suppress(Exception):
            resource.close()
        raise DriverError(f"{name} at {address} cannot be set up: {_reason(error)}") from error


def who(address: str, timeout: float = 1.0) -> str:
    """Return what an instrument answers to *IDN?, or why it does not; changes nothing there."""
    try:
        session = open_session("instrument", address, timeout=timeout)
    except DriverError:
        return "no answer"
    try:
        session.write("*IDN?")
        return session.read().strip()
    except DriverError:
        return "no answer to *IDN?"
    finally:
        session.close()


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error
    return str(cause) or type(cause).__name__


class VisaSession:
    """A `Session` on a VISA resource.

    Args:
        name: what errors call the instrument.
        address: its resource string.
        resource: the open message-based resource of PyVISA.
        timeout: longest wait for an answer [s].

    """

    def __init__(self, name: str, address: str, resource: Any, timeout: float = TIMEOUT) -> None:
        self.name, self.address, self._resource = name, address, resource
        self._socket = address.upper().endswith("::SOCKET")
        resource.timeout = int(timeout * 1000)
        resource.write_termination = "\n"
        resource.encoding = "latin-1"
        # A block of numbers may contain a line feed: reads end at END, but on sockets and serial lines, without END.
        resource.read_termination = "\n" if self._socket or address.upper().startswith("ASRL") else None
        self._last = ""
        link = self._link()
        if isinstance(link, socket.socket):
            # PyVISA-py leaves Nagle's algorithm on, which costs 40 ms whenever two messages follow each other.
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _link(self) -> socket.socket | None:
        """Return the socket on which answers arrive, where PyVISA-py shows it."""
        with suppress(AttributeError, KeyError, TypeError):
            interface = self._resource.visalib.sessions[self._resource.session].interface
            found = interface if isinstance(interface, socket.socket) else getattr(interface, "_sync", None)
            if isinstance(found, socket.socket) and found.fileno() >= 0:
                return found
        return None

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Turn whatever a backend raises into a `DriverError` that names instrument, address, command, time."""
        if self._resource is None:
            raise DriverError(f"{self.name} at {self.address} is disconnected; open the bench again")
        began = time.monotonic()
        try:
            yield
        except DriverError:
            raise
        except Exception as error:
            shown = self._last if len(self._last) <= LONGEST_SHOWN else self._last[: LONGEST_SHOWN - 3] + "..."
            raise DriverError(
                f"{self.name} at {self.address}: {_reason(error)} after {time.monotonic() - began:.2f} s, command "
                f"{shown!r}; check the instrument and its cable"
            ) from error

    def write(self, text: str) -> None:
        """Send one message."""
        self._last = text
        with self._reported():
            self._resource.write(text)

    def _check_alive(self) -> None:
        """Raise where the other end of a socket has gone: PyVISA-py would wait for the time-out."""
        link = self._link()
        if link is None or not self._socket or self._pending():
            return
        waiting, _, _ = select.select([link], [], [], 0)
        if waiting and link.recv(1, socket.MSG_PEEK) == b"":
            raise ConnectionError("the instrument closed the connection")

    def _pending(self) -> bool:
        with suppress(AttributeError, KeyError):
            return bool(self._resource.visalib.sessions[self._resource.session]._pending_buffer)  # noqa: SLF001  # no other way to see it
        return False

    def read(self) -> str:
        """Return the next answer."""
        with self._reported():
            self._await()
            return str(self._resource.read()).rstrip("\r\n")

    def _await(self) -> None:
        """Wait for the first byte, so that a connection that ends is noticed at once."""
        end = time.monotonic() + self._resource.timeout / 1000
        while self._link() is not None and not self._ready(0.1) and time.monotonic() < end:
            pass
        self._check_alive()

    def read_bytes(self, count: int) -> bytes:
        """Return exactly `count` bytes."""
        with self._reported():
            self._await()
            return bytes(self._resource.read_bytes(count, chunk_size=max(count, 20), break_on_termchar=False))

    def ready(self, seconds: float) -> bool:
        """Return whether an answer has begun to arrive."""
        with self._reported():
            return self._ready(seconds)

    def _ready(self, seconds: float) -> bool:
        link = self._link()
        if link is not None:
            return self._pending() or bool(select.select([link], [], [], seconds)[0])
        end = time.monotonic() + seconds
        while True:
            try:
                if self._resource.read_stb() & MESSAGE_AVAILABLE:
                    return True
            except Exception:  # a transport without status byte
                return True
            if time.monotonic() >= end:
                return False
            time.sleep(POLL)

    def clear(self) -> None:
        """Stop what runs; on a socket, which has no device clear, by the word `abort` of TSP instruments."""
        with self._reported():
            if self._socket:
                self._resource.write("abort")
            self._resource.clear()

    def close(self) -> None:
        """Disconnect."""
        resource, self._resource = self._resource, None
        if resource is not None:
            with suppress(Exception):
                resource.close()
