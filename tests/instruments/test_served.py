"""Native sweeps and properties of single instruments, on served ones: values against the array's conductances."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from xbar_drivers.emulated.rack_file import load_rack_file
from xbar_drivers.emulated.server import BenchServer
from xbar_drivers.emulated.tsp.lua_process import LuaLimits
from xbar_drivers.instruments.keithley_2450 import Keithley2450
from xbar_drivers.instruments.keithley_2600 import Keithley2600
from xbar_drivers.instruments.keysight_b1500 import KeysightB1500
from xbar_drivers.instruments.keysight_b2900 import KeysightB2900
from xbar_drivers.instruments.roles import Source, SourceSetup
from xbar_drivers.instruments.visa import VisaSession, open_session

RACK = """
schema = "xbar-rack/1"
time_scale = "fast"
[array]
rows = 4
cols = 2
only = []
[[instruments]]
name = "meter"
model = "2450"
address = "TCPIP::127.0.0.1::hislip0,0::INSTR"
noise = false
[[instruments]]
name = "pair"
model = "B2902A"
address = "TCPIP::127.0.0.1::hislip1,0::INSTR"
noise = false
[[instruments]]
name = "analyzer"
model = "B1500A"
address = "TCPIP::127.0.0.1::hislip2,0::INSTR"
cards = ["B1517A", "B1517A"]
noise = false
[[instruments]]
name = "smu"
model = "2636B"
address = "TCPIP::127.0.0.1::hislip3,0::INSTR"
noise = false
[wires]
"meter.hi" = "word0"
"smu.a" = "word3"
"pair.1" = "word1"
"analyzer.1" = "word2"
"analyzer.2" = "bit1"
"gnd" = "bit0"
"""

SETUP = SourceSetup(limit=1e-3, largest=0.2, nplc=1.0, current_range=None)

VOLTS = [0.0, 0.1, 0.2, -0.1, 0.05]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchServer]:
    path = tmp_path_factory.mktemp("bench") / "rack.toml"
    path.write_text(RACK, encoding="utf-8")
    with BenchServer(load_rack_file(path), limits=LuaLimits(memory=32 * 2**20, seconds=2.0)) as found:
        yield found


@pytest.fixture
def conductances(server: BenchServer) -> NDArray[np.float64]:
    return np.asarray(server.arrays.conductances(0), np.float64)


def session(server: BenchServer, name: str) -> VisaSession:
    return open_session(name, server.address(name))


def ready(source: Source) -> None:
    source.prepare(SETUP)
    source.switch_on()


def test_2450_list_sweep(server: BenchServer, conductances: NDArray[np.float64]) -> None:
    """Word line 0 against bit line 0 at ground; bit line 1 hangs on the analyzer, which is off and floats."""
    link = session(server, "meter")
    meter = Keithley2450(link, "meter")
    ready(meter)
    assert (meter.output, meter.limit, meter.terminals, meter.line_frequency) == (True, 1e-3, "front", 50.0)
    found = meter.list_sweep(VOLTS)
    meter.switch_off()
    assert meter.errors() == []
    link.close()
    slope = found[2] / 0.2
    assert found == pytest.approx(np.array(VOLTS) * slope, abs=2e-10)
    assert conductances[0, 0] <= slope <= conductances[0].sum()


def test_b2900_list_sweep(server: BenchServer, conductances: NDArray[np.float64]) -> None:
    link = session(server, "pair")
    pair = KeysightB2900(link, "pair")
    assert pair.model == "B2902A"
    channel = pair.channels[1]
    ready(channel)
    assert channel.output
    assert channel.limit == 1e-3
    found = channel.list_sweep(VOLTS)
    current, status = channel.measure_current()
    channel.switch_off()
    assert pair.errors() == []
    link.close()
    slope = found[2] / 0.2
    assert found == pytest.approx(np.array(VOLTS) * slope, abs=2e-10)
    assert conductances[1, 0] <= slope <= conductances[1].sum()
    assert (current, status) == (0.0, 0)


def test_2600_list_sweep_by_the_trigger_model(server: BenchServer, conductances: NDArray[np.float64]) -> None:
    """Longer than one line of a script may list; currents, voltages, flags."""
    link = session(server, "smu")
    smu = Keithley2600(link, "smu")
    channel = smu.channels["a"]
    ready(channel)
    volts = np.linspace(-0.2, 0.2, 61)
    current, voltage, status = channel.list_sweep(list(volts), threading.Event(), delay=1e-3)
    channel.switch_off()
    assert smu.errors() == []
    link.close()
    assert voltage == pytest.approx(volts, abs=3e-6)
    slope = current[-1] / 0.2
    assert current == pytest.approx(voltage * slope, abs=2e-10)
    assert conductances[3, 0] <= slope <= conductances[3].sum()
    assert (status == 0).all()


def test_b1500_staircase(server: BenchServer, conductances: NDArray[np.float64]) -> None:
    """Word line 2 swept, bit line 1 at 0 V measured: the cell between them, to five digits."""
    link = session(server, "analyzer")
    analyzer = KeysightB1500(link, "analyzer", ["B1517A", "B1517A"])
    assert analyzer.model == "B1500A"
    assert analyzer.cards()[:2] == ("B1517A", "B1517A")
    for source in analyzer.sources.values():
        ready(source)
    current, status = analyzer.staircase(1, 2, 0.0, 0.2, 5, limit=1e-3)
    for source in analyzer.sources.values():
        source.switch_off()
    assert analyzer.errors() == []
    link.close()
    assert -current == pytest.approx(np.linspace(0, 0.2, 5) * conductances[2, 1], rel=1e-4, abs=1e-10)
    assert (status == 0).all()


def test_nothing_is_left_on(server: BenchServer) -> None:
    assert all(not instrument.outputs_on() for instrument in server.instruments.values())
    assert not [line for line in server.report() if "unknown" in line or "left" in line]
