"""Queries to served instruments beside a bare one, and an array of 48 x 48 cells read over TSP-Link.

    python benchmarks/served_bench.py [--queries 500] [--json]

The bare query asks a socket server that answers a fixed text, with the same client (PyVISA-py) in the same process.
Told are the medians for each transport: an identity (no script), an attribute (through the Lua process), a reading of
one terminal of a 6 x 8 array with read noise. A sweep of 81 points on the 6 x 8 array of a dynamic model, up to the
limit of the source, tells what a point costs whose cells move. Then one script on the master reads 48 x 48 cells
through a 2636B and a 3706A with six 6 x 16 cards: seconds, messages, and round trips that cell by cell would take.
Exit code 1 where a served query is more than 0.5 ms above the bare one on HiSLIP or a socket, or the scan takes more
than 100 round trips.
"""

import argparse
import json
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyvisa

from xbar_drivers.emulated.rack_file import load_rack_file
from xbar_drivers.emulated.server import BenchServer

ALLOWED = 0.5e-3
"""Largest difference of a served query to a bare one [s]."""

MOST_TRIPS = 100

SMALL = """
schema = "xbar-rack/1"
time_scale = "fast"
[array]
rows = 6
cols = 8
[[instruments]]
name = "smu"
model = "2636B"
address = ["TCPIP::127.0.0.1::hislip0,0::INSTR", "TCPIP::127.0.0.1::0::SOCKET", "TCPIP::127.0.0.1,0::inst0::INSTR"]
[wires]
"smu.a" = "word0"
"smu.b" = "bit0"
"""

LARGE = """
schema = "xbar-rack/1"
time_scale = "fast"
[array]
rows = 48
cols = 48
only = []
[[instruments]]
name = "smu"
model = "2636B"
address = "TCPIP::127.0.0.1::hislip0,0::INSTR"
node = 1
noise = false
[[instruments]]
name = "switch"
model = "3706A"
address = "TCPIP::127.0.0.1::hislip1,0::INSTR"
node = 2
cards = ["3730", "3730", "3730", "3730", "3730", "3730"]
common_rows = true
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

SCAN = """loadscript scan
local sw = node[2].channel
local function at(row, line) return string.format("%d%d%02d", math.floor(line / 16) + 1, row, line % 16 + 1) end
smua.source.limiti = 1e-3 smub.source.limiti = 1e-3 smub.source.rangev = 0.2
smua.measure.nplc = 0.01 smub.measure.nplc = 0.01
smub.nvbuffer1.clear() smub.nvbuffer1.appendmode = 1
sw.open("allslots")
local all = {}
for line = 0, 95 do all[#all + 1] = at(3, line) end
sw.close(table.concat(all, ","))
smua.source.output = 1 smub.source.output = 1
for i = 0, 47 do
  sw.open(at(3, i)) sw.close(at(1, i))
  for j = 48, 95 do
    sw.open(at(3, j)) sw.close(at(2, j))
    smua.source.levelv = 0.2
    smub.measure.i(smub.nvbuffer1)
    smua.source.levelv = 0
    sw.open(at(2, j)) sw.close(at(3, j))
  end
  sw.open(at(1, i)) sw.close(at(3, i))
end
smua.source.output = 0 smub.source.output = 0
sw.open("allslots")
endscript"""


def bare_server() -> socket.socket:
    """Start a server that answers every line with one text."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while connection.recv(4096):
            connection.sendall(b"1.00000e+00\n")

    threading.Thread(target=serve, daemon=True).start()
    return listening


def median(client: Any, question: str, count: int) -> float:
    """Return the median time of a query [s]."""
    client.query(question)
    times = []
    for _ in range(count):
        start = time.perf_counter()
        client.query(question)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def queries(manager: Any, folder: Path, count: int) -> dict[str, float]:
    """Return medians by name [s]."""
    ends = {"read_termination": "\n", "write_termination": "\n"}
    listening = bare_server()
    bare = manager.open_resource(f"TCPIP::127.0.0.1::{listening.getsockname()[1]}::SOCKET", **ends)
    found = {"bare": median(bare, "?", count)}
    bare.close()
    listening.close()
    rack = folder / "small.toml"
    rack.write_text(SMALL, encoding="utf-8")
    with BenchServer(load_rack_file(rack)) as server:
        for name, (_, address) in zip(("HiSLIP", "socket", "VXI-11"), server.addresses, strict=True):
            client = manager.open_resource(address, **(ends if name == "socket" else {}))
            client.write("smua.source.levelv = 0.1 smua.source.output = 1 smub.source.output = 1")
            for kind, text in (
                ("identity", "*IDN?"),
                ("attribute", "print(smua.source.levelv)"),
                ("measurement", "print(smub.measure.i())"),
            ):
                found[f"{name} {kind}"] = median(client, text, count)
            client.close()
    return found


def living(manager: Any, folder: Path, card: str) -> float:
    """Return the time of one point of a sweep of cells of a dynamic model [s], in one script."""
    rack = folder / f"{card}.toml"
    rack.write_text(SMALL.replace("[array]", f'[array]\ncard = "{card}"\ncells = "low"'), encoding="utf-8")
    with BenchServer(load_rack_file(rack)) as server:
        client = manager.open_resource(server.address("smu"), timeout=120_000)
        client.write("smua.source.limiti = 1.5e-3 smub.source.limiti = 1 smua.measure.nplc = 0.01")
        client.write("smua.nvbuffer1.appendmode = 1 smua.source.output = 1 smub.source.output = 1")
        start = time.perf_counter()
        client.query(
            "for k = 0, 80 do local x = k % 40 smua.source.levelv = (k < 40 and 1 or -1) * 0.1 * math.min(x, 40 - x) "
            "delay(1e-3) smua.measure.i(smua.nvbuffer1) end smua.source.levelv = 0 print(1)"
        )
        seconds = time.perf_counter() - start
        client.close()
        return seconds / 81


def scan(manager: Any, folder: Path) -> dict[str, float]:
    """Read 48 x 48 cells; return seconds, messages, and the largest difference to the array [S]."""
    rack = folder / "large.toml"
    rack.write_text(LARGE, encoding="utf-8")
    with BenchServer(load_rack_file(rack)) as server:
        client = manager.open_resource(server.address("smu"), timeout=120_000)
        start = time.perf_counter()
        client.write(SCAN)
        client.write("scan()")
        client.write("format.data = format.REAL32")
        client.write("printbuffer(1, 2304, smub.nvbuffer1)")
        block = client.read_bytes(2 + 4 * 2304 + 1)
        seconds = time.perf_counter() - start
        found = -np.frombuffer(block[2:-1], "<f4").reshape(48, 48) / 0.2
        wrong = float(np.abs(found - server.arrays.conductances(0)).max())
        client.close()
        return {
            "seconds": seconds,
            "round trips": float(server.messages),
            "bench seconds": server.clock.now(),
            "wrong_S": wrong,
        }


def main() -> int:
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    manager = pyvisa.ResourceManager("@py")
    with tempfile.TemporaryDirectory() as name:
        found = queries(manager, Path(name), options.queries)
        points = {card: living(manager, Path(name), card) for card in ("yakopcic_nbsto", "stanford_pku")}
        read = scan(manager, Path(name))
    manager.close()
    if options.json:
        print(json.dumps({"queries_s": found, "points_s": points, "scan": read}, indent=2))
    else:
        for kind, seconds in found.items():
            print(f"{kind:20} {seconds * 1e6:7.0f} us   {(seconds - found['bare']) * 1e6:+7.0f} us")
        for card, seconds in points.items():
            print(f"a point of a sweep, {card}: {seconds * 1e3:.1f} ms")
        print(f"48 x 48 cells: {read['seconds']:.1f} s, {read['round trips']:.0f} messages (cell by cell: 4608)")
        print(f"{read['bench seconds']:.0f} s on the bench, largest difference {read['wrong_S'] * 1e9:.2g} nS")
    slow = [k for k, s in found.items() if not k.startswith("VXI-11") and s - found["bare"] > ALLOWED]
    return int(bool(slow) or read["round trips"] > MOST_TRIPS)


if __name__ == "__main__":
    sys.exit(main())
