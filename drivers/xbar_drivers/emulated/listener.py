"""What all transports share: listening on a port, one thread for each client, a log of the wire."""

import contextlib
import errno
import select
import socket
import threading
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TextIO

from xbar.errors import InputError, XbarError

MOST_CLIENTS = 256
"""Clients of one port at once; more are turned away."""

SEND_PATIENCE = 10.0
"""How long an answer may wait for a client that does not read [s]; then the connection is closed."""

LONGEST_SHOWN = 2000
"""Bytes of a message that the wire log shows."""


class Wire:
    """The log of everything that passes, one line a message; without a file it only counts.

    Args:
        path: the log; written anew.

    """

    def __init__(self, path: Path | None = None) -> None:
        self._file: TextIO | None = None if path is None else path.open("x", encoding="utf-8")
        self._lock = threading.Lock()
        self._start = time.monotonic()
        self.messages = 0

    def received(self, link: str, data: bytes) -> None:
        """Log a message of a client."""
        self.messages += 1
        self._log(link, "C>", data)

    def sent(self, link: str, data: bytes) -> None:
        """Log an answer."""
        self._log(link, "S<", data)

    def event(self, link: str, text: str) -> None:
        """Log what is not a message, such as a connection."""
        self._log(link, "**", text.encode("utf-8", "replace"))

    def _log(self, link: str, direction: str, data: bytes) -> None:
        if self._file is None:
            return
        more = f" ({len(data)} bytes)" if len(data) > LONGEST_SHOWN else ""
        line = f"{time.monotonic() - self._start:9.4f} [{link}] {direction} {data[:LONGEST_SHOWN]!r}{more}\n"
        with self._lock:
            if not self._file.closed:
                self._file.write(line)

    def close(self) -> None:
        """Close the log."""
        if self._file is not None:
            with self._lock:
                self._file.close()


def peer_gone(connection: socket.socket) -> bool:
    """Return whether the other end has closed; looks without waiting."""
    try:
        readable, _, _ = select.select([connection], [], [], 0)
        return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
    except (OSError, ValueError):
        return True


class Listener(ABC):
    """A port that is listened at, with a thread for each client.

    Raises `InputError` where the port is taken or the address is not this machine's.
    """

    def __init__(self, host: str, port: int, what: str) -> None:
        self.host, self._what = host, what
        self._clients: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self.closing = False
        self._count = 0
        self._socket = _listening(host, port, what)
        self.port = int(self._socket.getsockname()[1])

    def start(self) -> None:
        """Begin to take clients."""
        self._acceptor = threading.Thread(target=self._accept, name=f"{self._what}-{self.port}", daemon=True)
        self._acceptor.start()

    @property
    @abstractmethod
    def address(self) -> str:
        """Get the address as clients write it."""

    @abstractmethod
    def serve(self, connection: socket.socket, name: str) -> None:
        """Serve one client until it goes; its errors of the network end it."""

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with self._lock:
                if self.closing or len(self._clients) >= MOST_CLIENTS:
                    connection.close()
                    continue
                self._clients.add(connection)
                self._count += 1
                name = f"{self._what} client {self._count}"
            thread = threading.Thread(target=self._serve, args=(connection, name), daemon=True)
            self._threads = [t for t in self._threads if t.is_alive()] + [thread]
            thread.start()

    def _serve(self, connection: socket.socket, name: str) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self.serve(connection, name)
        except (OSError, XbarError):
            return  # the client has gone, or sent what ends the connection
        finally:
            with self._lock:
                self._clients.discard(connection)
            with contextlib.suppress(OSError):
                connection.close()

    def stop(self) -> None:
        """Stop listening and end all connections; `close` waits for their threads."""
        self.closing = True
        # Closing alone does not wake a thread that waits in accept().
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def join(self, seconds: float) -> None:
        """Wait for the threads of the clients, which first execute what has arrived."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))


def _listening(host: str, port: int, what: str) -> socket.socket:
    try:
        found = socket.create_server((host, port), backlog=128)
    except OverflowError as error:
        raise InputError(f"{what}: port {port} must be 0 to 65535") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InputError(
                f"{what}: {host}:{port} is in use; end the other program or choose another port"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise InputError(f"{what}: port {port} needs administrator rights; choose one above 1023") from error
        raise InputError(f"{what}: cannot listen at {host}:{port}: {error.strerror or error}") from error
    return found


def send_all(connection: socket.socket, data: bytes) -> None:
    """Send everything, or end where the client does not read for too long."""
    connection.settimeout(SEND_PATIENCE)
    try:
        connection.sendall(data)
    finally:
        connection.settimeout(None)
