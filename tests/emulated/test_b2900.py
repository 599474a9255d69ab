"""The B2902A: spot readings, staircase and list sweeps of both channels, status, binary data."""

from typing import Any

import numpy as np
import pytest

RACK = """
[[instruments]]
name = "b"
model = "B2902A"
address = "TCPIP::127.0.0.1::0::SOCKET"
noise = false
[wires]
"b.1" = "word2"
"b.2" = ["bit0", "bit1", "bit2", "bit3", "bit4", "bit5", "bit6", "bit7"]
"gnd" = ["word0", "word1", "word3", "word4", "word5"]
"""


@pytest.fixture
def rack(serve: Any, rack_text: dict[str, str]) -> Any:
    return serve(rack_text["array"] + RACK)


@pytest.fixture
def smu(rack: Any, connect: Any) -> Any:
    client = connect(rack, "b")
    client.write("*RST;*CLS;:SENS1:CURR:PROT 1e-2;:SENS2:CURR:PROT 1e-2;:SOUR1:VOLT 0.2;:OUTP1 ON;:OUTP2 ON")
    return client


@pytest.fixture
def total(rack: Any) -> float:
    """Conductance between the two channels."""
    return float(np.asarray(rack.arrays.conductances(0))[2].sum())


def test_spot_reading_of_one_and_of_both_channels(smu: Any, total: float) -> None:
    assert smu.numbers(":MEAS:CURR? (@1)") == pytest.approx([0.2 * total], rel=1e-5)
    assert smu.numbers(":MEAS:CURR? (@1,2)") == pytest.approx([0.2 * total, -0.2 * total], rel=1e-5)
    smu.write(":FORM:ELEM:SENS CURR,VOLT,SOUR")
    assert smu.numbers(":MEAS? (@1)") == pytest.approx([0.2, 0.2 * total, 0.2], rel=1e-4)
    assert smu.ask("SYST:ERR?") == '+0,"No error"'


def test_staircase_sweep_runs_and_ends(smu: Any, total: float) -> None:
    """The operation register is idle, busy at the first poll after INIT, idle again."""
    smu.write(":SOUR1:VOLT:MODE SWE;:SOUR1:VOLT:STAR 0;STOP 0.4;:SOUR1:SWE:POIN 5;:TRIG1:ALL:COUN 5;SOUR AINT")
    assert smu.ask(":STAT:OPER:COND?") == "1170"
    smu.write(":INIT (@1)")
    assert smu.ask(":STAT:OPER:COND?") == "1152"
    assert smu.ask(":STAT:OPER:COND?") == "1170"
    smu.write(":FORM:ELEM:SENS SOUR,CURR")
    found = np.array(smu.numbers(":FETC:ARR? (@1)")).reshape(5, 2)
    assert found[:, 1] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4], abs=1e-9)
    assert found[:, 0] == pytest.approx(total * found[:, 1], rel=1e-5, abs=1e-12)


def test_lists_of_both_channels_run_together(smu: Any, total: float, rack: Any) -> None:
    whole = float(np.asarray(rack.arrays.conductances(0)).sum())
    smu.write(":SOUR1:VOLT:MODE LIST;:SOUR2:VOLT:MODE LIST;:SOUR1:LIST:VOLT 0.1,0.3;:SOUR2:LIST:VOLT 0.2,0")
    smu.write(":FORM:ELEM:SENS CURR;:FORM REAL,64;:FORM:BORD SWAP;:INIT (@1,2)")
    smu.write(":FETC:ARR? (@1,2)")
    block = smu.read_exactly(4 + 4 * 8 + 1)
    assert block[:4] == b"#232"
    first = [total * 0.1 - total * 0.2, total * 0.3]
    second = [whole * 0.2 - total * 0.1, -total * 0.3]
    assert np.frombuffer(block[4:-1], "<f8").reshape(2, 2) == pytest.approx(np.array([first, second]).T, rel=1e-5)


def test_limit_is_kept_and_told(smu: Any) -> None:
    smu.write(":SENS1:CURR:PROT 1e-6;:FORM:ELEM:SENS CURR,STAT")
    assert smu.numbers(":MEAS? (@1)") == pytest.approx([1e-6, 8], rel=1e-4)
    assert smu.ask(":SENS1:CURR:PROT:TRIP?") == "1"


def test_no_data_is_the_overflow_number(smu: Any) -> None:
    assert smu.ask(":FETC:ARR:VOLT? (@2)") == "+9.910000E+37"


def test_bus_trigger_starts_what_waits(smu: Any) -> None:
    smu.write(":TRIG1:ALL:SOUR BUS;COUN 3;:INIT (@1)")
    assert smu.ask(":STAT:OPER:COND?") == "1170"
    smu.write("*TRG")
    assert len(smu.numbers(":FETC:ARR:CURR? (@1)")) == 3


@pytest.mark.parametrize(
    ("message", "code"),
    [(":SOUR3:VOLT 1", "-114"), (":MEAS? (@3)", "-222"), (":SOUR1:VOLT 999", "-222"), (":FOO", "-113")],
)
def test_errors_are_told_once(smu: Any, message: str, code: str) -> None:
    smu.write(message)
    assert smu.ask("SYST:ERR?").startswith(code)
    assert smu.ask("SYST:ERR?") == '+0,"No error"'
