"""Served instruments for unmodified third-party clients; these tests are skipped where a client is not installed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from xbar_drivers.emulated.rack_file import load_rack_file
from xbar_drivers.emulated.server import BenchServer

RACK = """
schema = "xbar-rack/1"
time_scale = "fast"

[array]
seed = 5
rows = 6
cols = 8
only = []

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
name = "analyzer"
model = "B1500A"
address = ["TCPIP::127.0.0.1,0::gpib0,17::INSTR", "TCPIP::127.0.0.1::0::SOCKET"]
cards = ["B1517A", "B1517A", "B1511B", "B1530A"]
noise = false

[[instruments]]
name = "matrix"
model = "B2201A"
address = ["TCPIP::127.0.0.1::hislip3,0::INSTR", "TCPIP::127.0.0.1::0::SOCKET"]

[wires]
"smu.a" = "switch.1.row1"
"smu.b" = "switch.1.row2"
"meter.hi" = "switch.1.row3"
"gnd" = ["switch.1.row4", "matrix.in12"]
"switch.1.col1-6" = "word0-5"
"switch.1.col7-14" = "bit0-7"
"analyzer.1" = "matrix.in1"
"analyzer.2" = "matrix.in2"
"matrix.out1-6" = "word0-5"
"matrix.out7-14" = "bit0-7"
"""


class Bench:
    """A served bench with what tests ask of it."""

    def __init__(self, server: BenchServer) -> None:
        self.server = server

    def address(self, name: str, part: str = "::") -> str:
        """Return the address of an instrument that contains `part`."""
        return next(text for owner, text in self.server.addresses if owner == name and part in text)

    @property
    def cells(self) -> NDArray[np.float64]:
        """Get the conductances (6, 8) [S]."""
        return np.asarray(self.server.arrays.conductances(0))

    def row(self, word: int, source_row: int) -> float:
        """Tie a word line to a matrix row and all bit lines to ground; return the conductance between them [S]."""
        matrix = self.server.instruments["switch"].matrix  # type: ignore[attr-defined]  # a SwitchMainframe
        matrix.move(set(matrix.closed), set())
        matrix.move(set(), {(1, source_row, word + 1)} | {(1, 4, 7 + j) for j in range(8)})
        return float(self.cells[word].sum())


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Serve `RACK`."""
    file = tmp_path / "rack.toml"
    file.write_text(RACK, encoding="utf-8")
    with BenchServer(load_rack_file(file)) as server:
        yield Bench(server)


@pytest.fixture
def unread(bench: Bench) -> Callable[[str], int]:
    """Return how many errors an instrument has that nobody read."""
    return lambda name: len(bench.server.instruments[name].errors)
