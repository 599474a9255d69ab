"""The order of commands: relays never move hot, limits stand before outputs are on, lines never meet two sources."""

import re
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xbar.bench.settings import Unselected
from xbar_drivers.instruments.keithley_2600 import Keithley2600
from xbar_drivers.instruments.keithley_3706a import Keithley3706A
from xbar_drivers.rack.connection import matrix_of
from xbar_drivers.rack.host_scan import HostScanner
from xbar_drivers.rack.plan import ScanSettings, read_steps
from xbar_drivers.rack.rack_file import load_rack_file
from xbar_drivers.rack.tsp_scan import TspScanner
from xbar_drivers.rack.wiring import Wiring, find_wiring

SETTINGS = ScanSettings(limit=1e-3, largest=0.2, current_range=None, nplc=0.1, settle=0.001)


class Rack2600:
    """A 2636B and a 3706A that answer what the scanner asks and note every move of a hot relay."""

    address = "SCRIPTED"

    def __init__(self) -> None:
        self.written: list[str] = []
        self._answers: list[str] = []
        self.values: dict[str, str] = {"smua.source.levelv": "0", "smub.source.levelv": "0"}
        self.closed: set[str] = set()
        self.hot: list[str] = []

    def write(self, text: str) -> None:
        self.written.append(text)
        for name, value in re.findall(r"(smu[ab]\.[\w.]+) = ([-\w.]+)", text):
            self.values[name] = value
        for verb, names in re.findall(r'channel\.(open|close)\("([\w,]+)"\)', text):
            levels = [float(self.values[f"smu{x}.source.levelv"]) for x in "ab"]
            if any(levels) and any(self.values.get(f"smu{x}.source.output") == "1" for x in "ab"):
                self.hot.append(text)
            chosen = set(names.split(","))
            self.closed = self.closed | chosen if verb == "close" else self.closed - chosen
            if names == "allslots":
                self.closed = set()
        for asked in re.findall(r"print\((.*)\)$", text):
            self._answers.append(self._answer(asked))

    def _answer(self, asked: str) -> str:
        if asked.startswith("errorqueue.next"):
            return "0.00000e+00\tQueue Is Empty\t0.00000e+00\t1.00000e+00"
        if "measure.i()" in asked:
            return "-1.00000e-06\t0.00000e+00"
        if "getclose" in asked:
            return ";".join(sorted(self.closed)) or "nil"
        if asked.endswith("compliance"):
            return "false"
        return self.values.get(asked, "1")

    def read(self) -> str:
        return self._answers.pop(0)

    def read_bytes(self, count: int) -> bytes:
        raise AssertionError("the host scans without blocks")

    def ready(self, seconds: float) -> bool:
        return True

    def clear(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture(scope="module")
def wirings(tmp_path_factory: pytest.TempPathFactory, rack_texts: dict[str, str]) -> dict[str, Wiring]:
    folder, found = tmp_path_factory.mktemp("files"), {}
    for kind, text in rack_texts.items():
        path = folder / f"{kind}.toml"
        path.write_text(re.sub(r"\{(\w+)\}", r"TCPIP::\1::INSTR", text), encoding="utf-8")
        file = load_rack_file(path)
        found[kind] = find_wiring(file, *matrix_of(file))
    return found


def host(wire: Rack2600) -> HostScanner:
    smu, switch = Keithley2600(wire, "smu"), Keithley3706A(wire, "switch")
    a, b = smu.sources["a"], smu.sources["b"]
    return HostScanner((smu, switch), switch, a, b, (), 50.0, lambda: 0.0)


def test_every_command_of_one_reading(wirings: dict[str, Wiring]) -> None:
    """From unknown relays to one reading and back to 0 V with outputs off."""
    wire = Rack2600()
    steps = read_steps(wirings["linked"], [(0, 0)], [0.2], Unselected.FLOAT)
    found = host(wire).scan(steps, SETTINGS, threading.Event())
    assert found.current.tolist() == [[1e-6]]
    zero = [f"smu{x}.source.levelv = 0.0 print(smu{x}.source.levelv)" for x in "ab"]
    off = [text for x in "ab" for text in (f"smu{x}.source.output = 0", f"print(smu{x}.source.output)")]
    prepare = [
        text
        for x, first in zip("ab", zero, strict=True)
        for text in (
            first,
            f"smu{x}.source.func = 1",
            f"smu{x}.source.rangev = 0.2",
            f"smu{x}.source.limiti = 0.001",
            f"print(smu{x}.source.limiti)",
            f"smu{x}.measure.nplc = 0.1",
            f"smu{x}.measure.autorangei = 1",
        )
    ]
    assert wire.written == [
        *zero,
        *off,
        'channel.open("allslots")',
        'print(channel.getclose("allslots"))',
        *prepare,
        'channel.close("1101,1205")',
        "waitcomplete() print(1)",
        "smub.source.output = 1",
        "smua.source.output = 1",
        *zero,
        "smua.source.levelv = 0.2 print(smua.source.levelv)",
        "print(smub.measure.i(), status.measurement.instrument.smub.condition)",
        "print(smua.measure.v())",
        "print(smua.source.compliance)",
        *zero,
        *off,
        "print(errorqueue.next())",
        "print(errorqueue.next())",
    ]


CELLS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=8)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=CELLS, mode=st.sampled_from([Unselected.FLOAT, Unselected.GROUND]))
def test_host_never_moves_a_hot_relay(wirings: dict[str, Wiring], cells: list[Any], mode: Unselected) -> None:
    wire = Rack2600()
    scanner = host(wire)
    steps = read_steps(wirings["linked"], cells, [0.2] * len(cells), mode)
    for _ in range(2):
        scanner.scan(steps, SETTINGS, threading.Event())
        assert wire.hot == []
        assert wire.closed == steps[-1].closed
        assert wire.values["smua.source.output"] == "0"
        assert float(wire.values["smua.source.levelv"]) == 0


@dataclass
class Walk:
    """What a script does, line by line."""

    closed: set[str] = field(default_factory=set)
    hot: bool = False
    on: bool = False
    limited: int = 0
    seen: list[frozenset[str]] = field(default_factory=list)

    def line(self, text: str) -> None:
        if text.startswith("limit("):
            assert not self.on, "limits before outputs"
            self.limited += 1
        elif text.startswith("step("):
            self.hot = True
            self.seen.append(frozenset(self.closed))
        elif text.startswith(("zero()", "off()")):
            self.hot = False
        elif (found := re.fullmatch(r'M\.(open|close)\("([\w,]+)"\)', text)) is not None:
            assert not self.hot, "a relay moves while a source is on"
            chosen = set(found[2].split(","))
            if found[2] == "allslots":
                self.closed = set()
            elif found[1] == "open":
                assert chosen <= self.closed
                self.closed -= chosen
            else:
                assert not chosen & self.closed
                self.closed |= chosen
        elif "source.output = 1" in text:
            assert not self.hot
            self.on = True


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=CELLS, mode=st.sampled_from(list(Unselected)), known=st.booleans())
def test_scripts_never_move_a_hot_relay(
    wirings: dict[str, Wiring], cells: list[Any], mode: Unselected, known: bool
) -> None:
    """Line by line: limits, then outputs at 0 V, then per step zero, relays, level; never another order."""
    wire = Rack2600()
    smu, more = Keithley2600(wire, "smu"), Keithley2600(wire, "more", 3, "2602B")
    switch = Keithley3706A(wire, "switch", 2)
    bias = (more.channels["a"], more.channels["b"])
    scanner = TspScanner(smu, switch, smu.channels["a"], smu.channels["b"], bias, 50.0)
    scanner.closed = frozenset() if known else None
    steps = read_steps(wirings["four"], cells, [0.2] * len(cells), mode)
    lines = scanner._script([*scanner._set_up(SETTINGS), *scanner._steps(steps, SETTINGS)], SETTINGS)
    walk = Walk()
    for text in lines[lines.index("local function body()") :]:
        walk.line(text)
    assert walk.seen == [step.closed for step in steps]
    assert walk.limited == 4
    assert "zero() off()" in lines[lines.index("local ok, message = pcall(body)") :]
    assert max(map(len, lines)) < 300


@pytest.mark.parametrize("kind", ["linked", "four", "2450", "keysight"])
@pytest.mark.parametrize("mode", list(Unselected))
def test_no_line_meets_two_sources(wirings: dict[str, Wiring], kind: str, mode: Unselected) -> None:
    """Every line is tied to at most one source, and in the modes that hold lines each to exactly one."""
    wiring = wirings[kind]
    if wiring.modes()[mode]:
        return
    columns: dict[str, set[str]] = {}
    sides = (wiring.drive, wiring.sense, wiring.ground_word, wiring.ground_bit, wiring.bias_word, wiring.bias_bit)
    for name, side in enumerate(sides):
        for k, channel in enumerate(side or ()):
            columns.setdefault(channel, set()).add(f"{'word' if name in (0, 2, 4) else 'bit'}{k}")
    for step in read_steps(wiring, np.argwhere(np.ones((4, 5), bool)), [0.2] * 20, mode):
        lines = [line for channel in step.closed for line in columns[channel]]
        assert len(lines) == len(set(lines))
        assert len(lines) == (2 if mode == Unselected.FLOAT else 9)
