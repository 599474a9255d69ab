"""Our instrument classes against answers that other drivers got: command by command from wire transcripts."""

from typing import Any

import pytest

from xbar.bench.status import Status
from xbar.errors import DriverError
from xbar_drivers.instruments.flex_data import parse_data
from xbar_drivers.instruments.keithley_2450 import Keithley2450
from xbar_drivers.instruments.keithley_2600 import Keithley2600
from xbar_drivers.instruments.keithley_3706a import Keithley3706A
from xbar_drivers.instruments.keysight_b1500 import KeysightB1500
from xbar_drivers.instruments.keysight_b2201 import KeysightB2201


def test_2636b(recorded: Any) -> None:
    session = recorded("qcodes_keithley_2636B", "pymeasure_keithley2600")
    smu = Keithley2600(session, "smu")
    assert smu.model == "2636B"
    assert smu.line_frequency in (50.0, 60.0)
    assert smu.errors() == []
    current, status = smu.sources["a"].measure_current()
    assert current == pytest.approx(3.75593e-06)
    assert status == Status.OK


def test_3706a(recorded: Any) -> None:
    matrix = Keithley3706A(recorded("qcodes_keithley_3706A"), "switch")
    cards = matrix.cards()
    assert cards[0] == "3730"
    assert len(cards) == 6
    assert set(cards) <= {"3730", ""}


def test_2450(recorded: Any) -> None:
    meter = Keithley2450(recorded("qcodes_keithley_2450", "pymeasure_keithley2450"), "meter")
    assert (meter.model, meter.serial, meter.firmware) == ("2450", "04096331", "1.7.12b")
    meter.check_language()
    assert meter.language == "SCPI"


def test_b1500(recorded: Any) -> None:
    session = recorded("qcodes_keysight_b1500")
    analyzer = KeysightB1500(session, "b1500", ["B1517A", "B1517A", "B1511B", "B1530A"])
    assert analyzer.model == "B1500A"
    assert analyzer.cards()[:4] == ("B1517A", "B1517A", "B1511B", "B1530A")
    assert analyzer.cards()[4:] == ("",) * 6
    assert sorted(analyzer.sources) == ["1", "2", "3"]
    assert analyzer.errors() == []


def test_b2201a(recorded: Any) -> None:
    session = recorded("qcodes_keysight_b2201a")
    matrix = KeysightB2201(session, "matrix")
    assert matrix.model == "B2201A"
    assert matrix.closed == {"00103", "00204", "00305"}
    session.answers[":SYST:ERR?"] = ['+0,"No error"']
    assert matrix.errors() == []


@pytest.mark.parametrize(
    ("text", "status", "channel", "kind", "value"),
    [
        ("NAI+3.75678E-06", "N", 1, "I", 3.75678e-06),
        ("CBI-1.00000E-06", "C", 2, "I", -1e-6),
        ("WAV+0.40000E+00", "W", 1, "V", 0.4),
        ("VJI+199.999E+99", "V", 10, "I", 199.999e99),
    ],
)
def test_measured_data_of_a_b1500(text: str, status: str, channel: int, kind: str, value: float) -> None:
    found = parse_data(text, "b1500")[0]
    assert (found.status, found.channel, found.kind, found.value) == (status, channel, kind, value)


@pytest.mark.parametrize("text", ["", "garbage", "NAI", "NAI+1.0E-06;", "nan", "NAI+3.7E-06,,"])
def test_what_is_no_measured_data(text: str) -> None:
    with pytest.raises(DriverError, match="no measured value"):
        parse_data(text, "b1500")
