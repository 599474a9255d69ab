"""`xbar serve` in a process of its own, for unmodified third-party clients.

Without these clients the tests are skipped; `scripts/interop.py` installs them, and takes a skipped test for a failure.
"""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from numpy.typing import NDArray

from xbar_drivers.emulated.rack_file import load_rack_file
from xbar_drivers.emulated.served_array import make_arrays

INSTRUMENTS = """
[[instruments]]
name = "smu"
model = "2636B"
address = ["TCPIP::127.0.0.1::hislip0,0::INSTR", "TCPIP::127.0.0.1::0::SOCKET", "TCPIP::127.0.0.1,0::inst0::INSTR"]
noise = false

[[instruments]]
name = "switch"
model = "3706A"
address = ["TCPIP::127.0.0.1::hislip1,0::INSTR", "TCPIP::127.0.0.1::0::SOCKET"]
cards = ["3730"]

[[instruments]]
name = "meter"
model = "2450"
address = ["TCPIP::127.0.0.1::hislip2,0::INSTR", "TCPIP::127.0.0.1::0::SOCKET"]
noise = false

[[instruments]]
name = "old"
model = "2450"
address = ["TCPIP::127.0.0.1::hislip4,0::INSTR", "TCPIP::127.0.0.1::0::SOCKET"]
noise = false
language = "SCPI2400"

[[instruments]]
name = "analyzer"
model = "B1500A"
address = ["TCPIP::127.0.0.1,0::gpib0,17::INSTR", "TCPIP::127.0.0.1::0::SOCKET"]
cards = ["B1517A", "B1517A", "B1511B", "B1530A"]
noise = false

[[instruments]]
name = "matrix"
model = "B2201A"
address = ["TCPIP::127.0.0.1::hislip3,0::INSTR", "TCPIP::127.0.0.1::0::SOCKET"]
"""

RACK = (
    """
schema = "xbar-rack/1"
time_scale = "fast"

[array]
seed = 5
rows = 6
cols = 8
only = []
"""
    + INSTRUMENTS
    + """
[wires]
"smu.a" = "switch.1.row1"
"smu.b" = "switch.1.row2"
"meter.hi" = "switch.1.row3"
"old.hi" = "switch.1.row5"
"gnd" = ["switch.1.row4", "matrix.in12"]
"switch.1.col1-6" = "word0-5"
"switch.1.col7-14" = "bit0-7"
"analyzer.1" = "matrix.in1"
"analyzer.2" = "matrix.in2"
"matrix.out1-6" = "word0-5"
"matrix.out7-14" = "bit0-7"
"""
)

LIVING = (
    """
schema = "xbar-rack/1"
time_scale = "fast"
array = { card = "yakopcic_nbsto", seed = 5, rows = 5, cols = 1, only = [], cells = "low" }
"""
    + INSTRUMENTS
    + """
[wires]
"smu.a" = "word0"
"smu.b" = "word1"
"meter.hi" = "word2"
"old.hi" = "word3"
"analyzer.1" = "word4"
"gnd" = "bit0"
"""
)
"""A cell for each source, each of its own row: what one client does moves no other's cell."""


class RawClient:
    """A client of a raw socket, for what the tests themselves ask."""

    def __init__(self, address: str) -> None:
        port = int(re.findall(r"::(\d+)::SOCKET", address)[0])
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._file = self._socket.makefile("rwb")

    def write(self, text: str) -> None:
        self._file.write(text.encode("ascii") + b"\n")
        self._file.flush()

    def ask(self, text: str) -> str:
        self.write(text)
        return self._file.readline().decode("ascii").strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        self._socket.close()


class Bench:
    """`xbar serve` on a rack file, and the array that it serves, made once more here."""

    def __init__(self, rack: Path) -> None:
        file = load_rack_file(rack)
        self.arrays = make_arrays(file)
        command = [sys.executable, "-m", "xbar", "serve", str(rack)]
        with rack.with_suffix(".log").open("w") as told:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, text=True)
        assert self._process.stdout is not None
        count = sum(len(part.addresses) for part in file.instruments)
        lines = [self._process.stdout.readline().strip() for _ in range(count)]
        assert all(lines), rack.with_suffix(".log").read_text()
        self.addresses = [(name, address) for name, address in (line.split(": ", 1) for line in lines)]

    def address(self, name: str, part: str = "::") -> str:
        """Return the address of an instrument that contains `part`."""
        return next(text for owner, text in self.addresses if owner == name and part in text)

    def ask(self, name: str, *texts: str) -> str:
        """Send messages to an instrument over a connection of its own; return the answer to the last."""
        with RawClient(self.address(name, "SOCKET")) as client:
            for text in texts[:-1]:
                client.write(text)
            return client.ask(texts[-1])

    @property
    def cells(self) -> NDArray[np.float64]:
        """Get the conductances as they were when the server started (rows, cols) [S]."""
        return np.asarray(self.arrays.conductances(0))

    def row(self, word: int, source_row: int) -> float:
        """Tie a word line to a matrix row and all bit lines to ground; return the conductance between them [S]."""
        closed = ",".join([f"1{source_row}{word + 1:02d}", *(f"14{7 + j:02d}" for j in range(8))])
        assert self.ask("switch", "reset()", f"channel.close('{closed}') print(errorqueue.count)") == "0.00000e+00"
        return float(self.cells[word].sum())

    def stop(self) -> list[str]:
        """End the server as Ctrl-C does; return what its audit says."""
        if os.name == "nt":
            self._process.terminate()
        else:
            self._process.send_signal(signal.SIGINT)
        rest, _ = self._process.communicate(timeout=30)
        return rest.splitlines()


def _served(folder: Path, text: str) -> Iterator[Bench]:
    file = folder / "rack.toml"
    file.write_text(text, encoding="utf-8")
    bench = Bench(file)
    try:
        yield bench
    finally:
        report = bench.stop()
    # Nothing that a client did wrong, and no command that the emulation does not know.
    assert os.name == "nt" or report == ["audit: nothing left on, no faults"]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Serve `RACK` for all tests of a file; what its audit tells at the end fails the last of them."""
    yield from _served(tmp_path_factory.mktemp("bench"), RACK)


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Serve `LIVING`, cells that move, for all tests of a file."""
    yield from _served(tmp_path_factory.mktemp("living"), LIVING)


QUESTIONS = {
    "smu": "print(errorqueue.count)",
    "switch": "print(errorqueue.count)",
    "meter": "SYST:ERR:COUN?",
    "old": "SYST:ERR?",
    "analyzer": "ERRX?",
    "matrix": "SYST:ERR?",
}


@pytest.fixture
def no_errors(bench: Bench) -> Callable[[str], bool]:
    """Return whether the error queue of an instrument is empty."""
    return lambda name: float(bench.ask(name, QUESTIONS[name]).split(",")[0]) == 0


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Take a skipped test for a failure where the clients were installed to be tried."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("XBAR_INTEROP") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("skipped, although the clients were to be tried: this counts as a failure", red=True)
        session.exitstatus = 1
