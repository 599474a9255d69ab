"""Served racks of several kinds, and the rack files with which the driver reaches them."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar_drivers.emulated.rack_file as emulated
from xbar_drivers.emulated.server import BenchServer
from xbar_drivers.emulated.tsp.lua_process import LuaLimits
from xbar_drivers.rack.rack_driver import RackDriver
from xbar_drivers.rack.rack_file import RackFile, load_rack_file

HEAD = """
schema = "xbar-rack/1"
time_scale = "fast"

[array]
card = "generic"
seed = 3
rows = 4
cols = 5
only = []

[limits]
cell_voltage = "1 V"
current = "1 mA"
"""

SMU = """
[[instruments]]
name = "smu"
model = "2636B"
address = "{smu}"
node = 1
noise = false
"""

THIRD = """
[[instruments]]
name = "more"
model = "2602B"
address = "{more}"
node = 3
noise = false
"""

SWITCH = """
[[instruments]]
name = "switch"
model = "3706A"
address = "{switch}"
node = 2
cards = ["3730"]
"""

WIRES = """
[wires]
"smu.a" = "switch.1.row1"
"smu.b" = "switch.1.row2"
"gnd" = "switch.1.row3"
"switch.1.col1-4" = "word0-3"
"switch.1.col5-9" = "bit0-4"
"""

ROLES = """
[rack]
drive = "smu.a"
sense = "smu.b"
nplc = 0.1
"""

LINKED = HEAD + SMU + SWITCH + WIRES + ROLES

UNLINKED = LINKED.replace("node = 1\n", "").replace("node = 2\n", "")

FOUR_SOURCES = (
    HEAD
    + SMU
    + THIRD
    + SWITCH
    + WIRES
    + '"more.a" = "switch.1.row4"\n"more.b" = "switch.1.row5"\n'
    + ROLES
    + 'bias = ["more.a", "more.b"]\n'
)

TWO_2450 = (
    HEAD
    + """
[[instruments]]
name = "first"
model = "2450"
address = "{first}"
noise = false

[[instruments]]
name = "second"
model = "2450"
address = "{second}"
noise = false

[[instruments]]
name = "switch"
model = "707B"
address = "{switch}"
cards = ["7174A"]

[wires]
"first.hi" = "switch.1.rowA"
"second.hi" = "switch.1.rowB"
"gnd" = "switch.1.rowC"
"switch.1.col1-4" = "word0-3"
"switch.1.col5-9" = "bit0-4"

[rack]
drive = "first.hi"
sense = "second.hi"
"""
)

KEYSIGHT = (
    HEAD
    + """
[[instruments]]
name = "b1500"
model = "B1500A"
address = "{b1500}"
cards = ["B1517A", "B1517A", "B1517A"]
noise = false

[[instruments]]
name = "matrix"
model = "B2201A"
address = "{matrix}"

[wires]
"b1500.1" = "matrix.in1"
"b1500.2" = "matrix.in2"
"b1500.3" = "matrix.in3"
"gnd" = "matrix.in12"
"matrix.out1-4" = "word0-3"
"matrix.out5-9" = "bit0-4"

[rack]
drive = "b1500.1"
sense = "b1500.2"
bias = ["b1500.3"]
"""
)

B2902 = KEYSIGHT.replace(
    """name = "b1500"
model = "B1500A"
address = "{b1500}"
cards = ["B1517A", "B1517A", "B1517A"]
""",
    """name = "b2902"
model = "B2902A"
address = "{b2902}"
""",
)
B2902 = re.sub(r'"b1500.3".*\n|bias = .*\n', "", B2902).replace("b1500", "b2902")

LETTERS = (
    LINKED.replace("3706A", "707B")
    .replace("3730", "7174A")
    .replace("row1", "rowA")
    .replace("row2", "rowB")
    .replace("row3", "rowC")
)

LARGE = (
    LINKED.split("[wires]")[0]
    .replace("rows = 4", "rows = 48")
    .replace("cols = 5", "cols = 48")
    .replace('cards = ["3730"]', f"cards = {['3730'] * 6}\ncommon_rows = true")
    + """
[wires]
"smu.a" = "switch.row1"
"smu.b" = "switch.row2"
"gnd" = "switch.row3"
"switch.1.col1-16" = "word0-15"
"switch.2.col1-16" = "word16-31"
"switch.3.col1-16" = "word32-47"
"switch.4.col1-16" = "bit0-15"
"switch.5.col1-16" = "bit16-31"
"switch.6.col1-16" = "bit32-47"
"""
    + ROLES
)

TEXTS = {
    "large": LARGE,
    "linked": LINKED,
    "unlinked": UNLINKED,
    "four": FOUR_SOURCES,
    "2450": TWO_2450,
    "keysight": KEYSIGHT,
    "b2902": B2902,
    "letters": LETTERS,
}
"""Rack files by kind; addresses stand as the name of their instrument in braces."""

TRANSPORTS = {
    "socket": "TCPIP::127.0.0.1::0::SOCKET",
    "hislip": "TCPIP::127.0.0.1::hislip{k},0::INSTR",
    "vxi11": "TCPIP::127.0.0.1,0::inst{k}::INSTR",
}


@dataclass
class ServedRack:
    """A served rack and the rack file of the driver."""

    server: BenchServer
    file: RackFile
    path: Path
    folder: Path

    def driver(self, **changes: object) -> RackDriver:
        """Return a driver, not yet open."""
        return RackDriver(replace(self.file, **changes))  # type: ignore[arg-type]  # fields of the rack file

    def bench_file(self) -> Path:
        """Return a bench file with limits."""
        path = self.path.with_name("lab.toml")
        path.write_text(
            f'schema = "xbar-bench/1"\ndriver = "rack"\naddress = "{self.path.name}"\n'
            '[limits]\ncell_voltage = "0.5 V"\ncurrent = "1 mA"\n',
            encoding="utf-8",
        )
        return path

    @property
    def conductances(self) -> NDArray[np.float64]:
        """Get the array's own conductances [S]."""
        return np.asarray(self.server.arrays.conductances(0), np.float64)


def start(folder: Path, kind: str, transport: str, text: str | None = None) -> ServedRack:
    """Serve a rack."""
    found = TEXTS[kind] if text is None else text
    names = [line.split('"')[1] for line in found.splitlines() if line.startswith("name = ")]
    wanted = {name: TRANSPORTS[transport].format(k=k) for k, name in enumerate(names)}
    # Braces of the file's own do not occur.
    served, reached = folder / f"{kind}-served.toml", folder / f"{kind}.toml"
    served.write_text(found.format(**wanted), encoding="utf-8")
    server = BenchServer(emulated.load_rack_file(served), limits=LuaLimits(memory=32 * 2**20, seconds=2.0))
    reached.write_text(found.format(**dict(server.addresses)), encoding="utf-8")
    return ServedRack(server, load_rack_file(reached), reached, folder)


Start = Callable[..., ServedRack]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Start]:
    """Serve racks for one test: kind, then transport."""
    opened: list[ServedRack] = []

    def begin(kind: str = "linked", transport: str = "hislip", text: str | None = None) -> ServedRack:
        opened.append(start(tmp_path, kind, transport, text))
        return opened[-1]

    yield begin
    for rack in opened:
        rack.server.close()


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRack]:
    """Serve the linked rack for all tests of a file."""
    rack = start(tmp_path_factory.mktemp("linked"), "linked", "hislip")
    yield rack
    rack.server.close()


@pytest.fixture(scope="session")
def rack_texts() -> dict[str, str]:
    return TEXTS
