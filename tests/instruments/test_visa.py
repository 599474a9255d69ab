"""Connections: what is missing, who does not answer, what breaks off; against small servers on loopback."""

import socket
import sys
import threading
from collections.abc import Iterator

import pytest

from xbar.errors import DriverError, Unsupported
from xbar_drivers.instruments.visa import open_session, who


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def address(server: socket.socket) -> str:
    return f"TCPIP::127.0.0.1::{server.getsockname()[1]}::SOCKET"


def test_pyvisa_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvisa", None)
    with pytest.raises(Unsupported, match=r"pip install \"xbar-emulator\[instruments\]\""):
        open_session("smu", "TCPIP::127.0.0.1::1::SOCKET")


def test_backend_missing() -> None:
    with pytest.raises(Unsupported, match="no backend '@nosuch'"):
        open_session("smu", "TCPIP::127.0.0.1::1::SOCKET", backend="@nosuch")


def test_address_that_is_no_resource() -> None:
    with pytest.raises(DriverError, match="smu does not answer at nonsense"):
        open_session("smu", "nonsense")


def test_nagle_is_off(server: socket.socket) -> None:
    """Two messages in a row must not wait for an acknowledgement."""
    session = open_session("smu", address(server))
    link = session._link()
    assert link is not None
    assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    session.close()
    session.close()


def test_connection_that_ends_is_noticed_before_the_time_out(server: socket.socket) -> None:
    """The message names instrument, address and command."""
    session = open_session("smu", address(server), timeout=30.0)
    connection, _ = server.accept()
    session.write("print(1)")
    connection.recv(100)
    threading.Timer(0.05, connection.close).start()
    with pytest.raises(DriverError, match=r"smu at TCPIP::127.*closed the connection after 0.*'print\(1\)'"):
        session.read()
    session.close()


def test_time_out_names_the_command(server: socket.socket) -> None:
    session = open_session("smu", address(server), timeout=0.2)
    session.write("print(smua.measure.i())")
    assert session.ready(0.0) is False
    with pytest.raises(DriverError, match=r"print\(smua\.measure\.i\(\)\)"):
        session.read()
    session.close()
    with pytest.raises(DriverError, match="is disconnected"):
        session.write("print(1)")


def test_block_with_line_feeds(server: socket.socket) -> None:
    session = open_session("smu", address(server), timeout=5.0)
    connection, _ = server.accept()
    connection.sendall(b"#0\n\n\nabc\nrest\n")
    assert session.ready(1.0)
    assert session.read_bytes(9) == b"#0\n\n\nabc\n"
    assert session.read() == "rest"
    session.close()
    connection.close()


def test_truncated_block_is_an_error(server: socket.socket) -> None:
    session = open_session("smu", address(server), timeout=0.3)
    connection, _ = server.accept()
    connection.sendall(b"#0\n\n")
    with pytest.raises(DriverError, match="smu at TCPIP"):
        session.read_bytes(19)
    session.close()
    connection.close()


def test_who_answers(server: socket.socket) -> None:
    def answer() -> None:
        connection, _ = server.accept()
        connection.recv(100)
        connection.sendall(b"MAKER,MODEL 1,2,3\n")
        connection.close()

    thread = threading.Thread(target=answer)
    thread.start()
    assert who(address(server)) == "MAKER,MODEL 1,2,3"
    thread.join()
