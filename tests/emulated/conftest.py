"""A served bench and a plain client: what the tests of emulated instruments start from."""

import os
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest

from xbar_drivers.emulated.rack_file import load_rack_file
from xbar_drivers.emulated.server import BenchServer
from xbar_drivers.emulated.tsp.lua_process import LuaLimits

ARRAY = """
schema = "xbar-rack/1"
time_scale = "fast"

[array]
card = "generic"
seed = 3
rows = 6
cols = 8
only = []
"""

SMU = """
[[instruments]]
name = "smu"
model = "2636B"
address = ["TCPIP::127.0.0.1::0::SOCKET", "TCPIP::127.0.0.1::hislip0,0::INSTR", "TCPIP::127.0.0.1,0::inst0::INSTR"]
node = 1
noise = false
"""

SWITCH = """
[[instruments]]
name = "switch"
model = "3706A"
address = ["TCPIP::127.0.0.1::0::SOCKET", "TCPIP::127.0.0.1::hislip1,0::INSTR"]
node = 2
cards = ["3730"]
"""

WIRES = """
[wires]
"smu.a" = "switch.1.row1"
"smu.b" = "switch.1.row2"
"gnd" = "switch.1.row3"
"switch.1.col1-6" = "word0-5"
"switch.1.col7-14" = "bit0-7"
"""

RACK = ARRAY + SMU + SWITCH + WIRES


class Client:
    """A client of a raw socket that knows nothing of VISA."""

    def __init__(self, address: str, timeout: float = 10.0) -> None:
        found = re.fullmatch(r"TCPIP::([\d.]+)::(\d+)::SOCKET", address)
        assert found is not None, address
        self.socket = socket.create_connection((found[1], int(found[2])), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def write(self, text: str | bytes) -> None:
        self.socket.sendall((text if isinstance(text, bytes) else text.encode("latin-1")) + b"\n")

    def read(self) -> str:
        while b"\n" not in self._rest:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("the server closed the connection")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line.rstrip(b"\r").decode("latin-1")

    def read_exactly(self, size: int) -> bytes:
        while len(self._rest) < size:
            self._rest += self.socket.recv(65536)
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def ask(self, text: str) -> str:
        self.write(text)
        return self.read()

    def numbers(self, text: str) -> list[float]:
        return [float(part) for part in re.split(r"[\t,]\s*", self.ask(text))]

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def socket_address(server: BenchServer, name: str) -> str:
    return next(text for owner, text in server.addresses if owner == name and text.endswith("SOCKET"))


def address_of(server: BenchServer, name: str, part: str) -> str:
    """Return the address of an instrument that contains `part`, such as "hislip"."""
    return next(text for owner, text in server.addresses if owner == name and part in text)


Serve = Callable[..., BenchServer]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serve the text of a rack file; closed at the end of the test."""
    opened: list[BenchServer] = []

    def start(text: str = RACK, **options: object) -> BenchServer:
        file = tmp_path / f"rack{len(opened)}.toml"
        file.write_text(text, encoding="utf-8")
        limits = LuaLimits(memory=32 * 2**20, seconds=1.0)
        opened.append(BenchServer(load_rack_file(file), limits=limits, **options))  # type: ignore[arg-type]  # as given
        return opened[-1]

    yield start
    for server in opened:
        server.close()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchServer]:
    """Serve `RACK` for all tests of a file."""
    file = tmp_path_factory.mktemp("bench") / "rack.toml"
    file.write_text(RACK, encoding="utf-8")
    with BenchServer(load_rack_file(file), limits=LuaLimits(memory=32 * 2**20, seconds=1.0)) as server:
        yield server


@pytest.fixture
def smu(bench: BenchServer) -> Iterator[Client]:
    """Connect to the 2636B of `bench`, reset."""
    with Client(socket_address(bench, "smu")) as client:
        client.write("*CLS")
        client.write("smua.nvbuffer1.clear() smua.nvbuffer2.clear() reset()")
        yield client
        client.ask("reset() print(1)")


@pytest.fixture
def switch(bench: BenchServer) -> Iterator[Client]:
    """Connect to the 3706A of `bench`, all relays open."""
    with Client(socket_address(bench, "switch")) as client:
        client.write("*CLS")
        client.ask("reset() print(1)")
        yield client
        client.ask("reset() print(1)")


@pytest.fixture
def connect() -> Iterator[Callable[[BenchServer, str], Client]]:
    """Connect a client to an instrument of a server by its socket; closed at the end of the test."""
    opened: list[Client] = []

    def start(server: BenchServer, name: str) -> Client:
        opened.append(Client(socket_address(server, name)))
        return opened[-1]

    yield start
    for client in opened:
        client.close()


@pytest.fixture
def client_class() -> type[Client]:
    return Client


@pytest.fixture
def find_address() -> Callable[[BenchServer, str, str], str]:
    return address_of


@pytest.fixture
def rack_text() -> dict[str, str]:
    """Return the parts of rack files."""
    return {"array": ARRAY, "smu": SMU, "switch": SWITCH, "wires": WIRES, "all": RACK}


@pytest.fixture(scope="session")
def fuzz_count() -> int:
    """Messages of each fuzz test; the variable XBAR_FUZZ sets more."""
    return int(os.environ.get("XBAR_FUZZ", "1500"))
