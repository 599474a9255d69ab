"""FLEX and the B1500A: messages in all their spellings, data formats, sweeps, sampling, compliance, errors."""

import contextlib
import random
import string
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbar_drivers.emulated.audit import FaultKind
from xbar_drivers.emulated.flex.commands import Command, FlexError, commands
from xbar_drivers.emulated.link import Link

ANALYZER = """
[[instruments]]
name = "spa"
model = "B1500A"
address = "TCPIP::127.0.0.1::0::SOCKET"
cards = ["B1517A", "B1517A", "", "B1530A"]
noise = false
[wires]
"spa.1" = "word2"
"spa.2" = ["bit0", "bit1", "bit2", "bit3", "bit4", "bit5", "bit6", "bit7"]
"gnd" = ["word0", "word1", "word3", "word4", "word5"]
"""


@pytest.fixture
def rack(serve: Any, rack_text: dict[str, str]) -> Any:
    return serve(rack_text["array"] + ANALYZER)


@pytest.fixture
def spa(rack: Any, connect: Any) -> Any:
    client = connect(rack, "spa")
    client.write("*RST")
    client.write("CN 1,2")
    client.write("DV 2,0,0,0.1;DV 1,0,0.2,0.01")
    return client


@pytest.fixture
def total(rack: Any) -> float:
    """Conductance between SMU 1 and SMU 2."""
    return float(np.asarray(rack.arrays.conductances(0))[2].sum())


@pytest.mark.parametrize("text", ["DV1,0,0.2,0.001", "DV 1, 0, 0.2, 0.001", " dv 1,0 ,0.2,1e-3; ", "DV 1,0,0.2,.001,"])
def test_spellings_of_a_command(text: str) -> None:
    found = commands(text)
    assert len(found) == 1
    assert (found[0].name, [float(p) for p in found[0].parameters]) == ("DV", [1, 0, 0.2, 0.001])


def test_queries_and_several_commands() -> None:
    found = commands("*LRN? 33;ERRX?;XE")
    assert found == [Command("*LRN?", ("33",)), Command("ERRX?", ()), Command("XE", ())]


@given(st.text(max_size=40))
def test_any_text_parses_or_is_an_error(text: str) -> None:
    with contextlib.suppress(FlexError):
        for command in commands(text):
            assert command.name == command.name.upper()
            for k in range(len(command.parameters)):
                assert -10 <= command.whole(k, -10, 10) <= 10


def test_spot_measurement(spa: Any, total: float) -> None:
    answer = spa.ask("TI 1,0")
    assert answer[:3] == "NAI"
    assert float(answer[3:]) == pytest.approx(0.2 * total, rel=1e-5)
    assert float(spa.ask("TI2")[3:]) == pytest.approx(-0.2 * total, rel=1e-5)
    assert spa.ask("TV 1") == "NAV+2.00000E-01"
    assert [part[:3] for part in spa.ask("TTIV 1").split(",")] == ["NAT", "NAI", "NAV"]
    assert spa.ask("ERRX?") == '+0,"No Error."'


def test_compliance_is_told_in_the_status(spa: Any) -> None:
    """C on the channel at its limit, T on the other."""
    spa.write("DV 1,0,0.2,1E-6")
    own, other = spa.ask("TI 1"), spa.ask("TI 2")
    assert own[:3] == "CAI"
    assert float(own[3:]) == pytest.approx(1e-6, rel=1e-4)
    assert other[:3] == "TBI"
    spa.write("FMT 21")
    assert spa.ask("TI 1")[:5] == "  8AI"


@pytest.mark.parametrize(
    ("code", "pattern"),
    [(1, "NAI+3"), (11, "NAI+3"), (21, "  0AI+3"), (2, "+3"), (12, "+3"), (22, "+3")],
)
def test_data_formats(spa: Any, code: int, pattern: str, total: float) -> None:
    spa.write(f"FMT {code}")
    answer = spa.ask(f"DV 1,0,{3.5e-6 / total},0.01;TI 1")
    assert answer.startswith(pattern)
    width = {1: 15, 11: 16, 21: 18, 2: 12, 12: 13, 22: 13}[code]
    assert len(answer) == width


def test_staircase_sweep(spa: Any, total: float) -> None:
    spa.write("FMT 1,1;MM 2,1,2;WT 0,0.01;WV 1,3,0,0,0.4,5,0.01")
    parts = spa.ask("XE").split(",")
    assert len(parts) == 10 * 3
    volts = np.array([float(part[3:]) for part in parts[2::3]])
    assert volts == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.4, 0.3, 0.2, 0.1, 0])
    assert [part[0] for part in parts[2::3]] == ["W"] * 9 + ["E"]
    assert np.array([float(p[3:]) for p in parts[::3]]) == pytest.approx(total * volts, rel=2e-5, abs=1e-12)
    assert spa.ask("*LRN? 33") == "WM1,1;WT0,0.01,0,0,0;WV1,3,0,0,0.4,5,0.01"


def test_sweep_stops_at_compliance_where_asked(spa: Any) -> None:
    """WM 2: the points after the one that reached the limit are dummies, and the source goes to its start."""
    spa.write("FMT 1,1;MM 2,1;WM 2,2;WV 1,1,0,0,0.4,5,2E-6")
    parts = spa.ask("XE").split(",")
    assert parts[2][:3] == "CAI"
    assert parts[4] == "VAI+199.999E+99"
    assert spa.ask("*LRN? 1").startswith("DV1,0,+0.0000")


def test_synchronous_source_sweeps_along(rack: Any, spa: Any, total: float) -> None:
    """Bit lines at -v, word line 2 at +v, the other word lines at 0."""
    whole = float(np.asarray(rack.arrays.conductances(0)).sum())
    spa.write("FMT 1,2;MM 2,2;WV 1,1,0,0,0.4,3,0.01;WSV 2,0,0,-0.4,0.01")
    parts = spa.ask("XE").split(",")
    expected = [-v * (whole + total) for v in (0, 0.2, 0.4)]
    assert [float(p[3:]) for p in parts[::3]] == pytest.approx(expected, rel=1e-5, abs=1e-12)
    assert [p[:3] for p in parts[:3]] == ["NBI", "WAV", "WBV"]


def test_sampling_takes_its_time(rack: Any, spa: Any, total: float) -> None:
    spa.write("MT 0,0.05,4;MM 10,1;TSC 1;TSR")
    start = rack.clock.now()
    parts = spa.ask("XE").split(",")
    assert len(parts) == 8
    times = [float(p[3:]) for p in parts[::2]]
    assert np.diff(times) == pytest.approx(0.05, rel=1e-3)
    assert rack.clock.now() - start > 0.15
    assert [float(p[3:]) for p in parts[1::2]] == pytest.approx([0.2 * total] * 4, rel=1e-5)


def test_zero_and_recovery(spa: Any) -> None:
    spa.write("DZ")
    assert spa.ask("TV 1") == "NAV+0.00000E+00"
    spa.write("RZ 1")
    assert spa.ask("TV 1") == "NAV+2.00000E-01"
    assert spa.ask("*LRN? 0") == "CN1,2"
    spa.write("CL")
    assert spa.ask("*LRN? 0") == "CL"


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("FOO 1", '+100,"Undefined GPIB command."'),
        ("DV 3,0,0.1,1E-3", '+121,"Channel number must be correct."'),
        ("DV 1,0,1000,1E-3", '+120,"Incorrect parameter value."'),
        ("DV 1,0,x,1E-3", '+102,"Incorrect numeric data value."'),
        ("DV 1,0", '+123,"Number of parameters must be correct."'),
        ("CL;TI 1", '+203,"Channel output switch must be ON."'),
        ("FMT 3", '+120,"Incorrect parameter value."'),
        ("MM 99,1", '+120,"Incorrect parameter value."'),
        ("XE", '+260,"Measurement channel must be specified by MM."'),
        ("=", '+100,"Undefined GPIB command."'),
    ],
)
def test_errors_enter_the_queue_once(spa: Any, message: str, error: str) -> None:
    spa.write(message)
    assert spa.ask("ERRX?") == error
    assert spa.ask("ERR?") == "0,0,0,0"


def test_settings_are_told_as_clients_read_them(spa: Any) -> None:
    assert spa.ask("*LRN? 30") == "FL0"
    spa.write("FL 1,2;RI 1,-15;AAD 2,1;AV -2;SSR 1,1")
    assert spa.ask("*LRN? 30") == "FL0,1;FL1,2"
    assert spa.ask("*LRN? 32").split(";")[:2] == ["RI 1,-15", "RI1,-15"]
    assert spa.ask("*LRN? 55") == "AAD1,0;AAD2,1"
    assert spa.ask("*LRN? 56") == "AIT0,2,2;AIT1,0,6;AZ0"
    assert spa.ask("*LRN? 53") == "SSR1,1;SSR2,0"
    assert spa.ask("ERRX?") == '+0,"No Error."'


def test_modules_are_listed_by_slot(spa: Any) -> None:
    assert spa.ask("UNT? 0") == "B1517A,0;B1517A,0;0,0;B1530A,0;" + ";".join(["0,0"] * 6)


def test_fuzzed_messages_leave_the_instrument_alive(rack: Any, fuzz_count: int) -> None:
    rng = random.Random(11)
    words = ["CN", "DV", "TI", "XE", "WV", "MM 2,1", "MT 0,0.001,3", "FMT", "*LRN?", "WSV", "1", "0.2", "-5", ",", ";",
             " ", "1e400", "ERRX?", "AV", "WT", "RI 1,", "*RST", "nan", "\xff", "*"]  # fmt: skip
    instrument, link = rack.instruments["spa"], Link("fuzz")
    for _ in range(fuzz_count):
        parts = rng.choices(words, k=rng.randint(1, 9)) + rng.choices(string.printable, k=rng.randint(0, 3))
        rng.shuffle(parts)
        instrument.message(link, "".join(parts).encode("latin-1"))
        link.take()
    instrument.message(link, b"*RST")
    instrument.message(link, b"ERRX?")
    assert link.take() == [b'+0,"No Error."\r\n']
    assert [fault for fault in rack.audit.faults if fault.kind == FaultKind.INTERNAL] == []
