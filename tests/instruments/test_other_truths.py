"""What PyMeasure's tests expect of instruments (tests/data/exchanges): for our drivers and our instruments."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from xbar.errors import DriverError
from xbar_drivers.emulated.link import Link
from xbar_drivers.emulated.rack_file import load_rack_file
from xbar_drivers.emulated.server import BenchServer
from xbar_drivers.instruments.flex_data import parse_data
from xbar_drivers.instruments.keysight_b1500 import KeysightB1500
from xbar_drivers.instruments.scpi import ScpiInstrument

DATA = Path(__file__).parents[1] / "data" / "exchanges" / "pymeasure.json"
SAID: dict[str, Any] = json.loads(DATA.read_text(encoding="utf-8"))

RACK = """
schema = "xbar-rack/1"
time_scale = "fast"
array = { rows = 2, cols = 2, only = [] }
[[instruments]]
name = "smu"
model = "2636B"
address = "TCPIP::127.0.0.1::0::SOCKET"
[[instruments]]
name = "meter"
model = "2450"
address = "TCPIP::127.0.0.1::0::SOCKET"
language = "SCPI2400"
[[instruments]]
name = "spa"
model = "B1500A"
address = "TCPIP::127.0.0.1::0::SOCKET"
[wires]
"smu.a" = "word0"
"spa.1" = "word1"
"gnd" = ["bit0", "bit1"]
"""


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchServer]:
    file = tmp_path_factory.mktemp("truths") / "rack.toml"
    file.write_text(RACK, encoding="utf-8")
    with BenchServer(load_rack_file(file)) as server:
        yield server


def ask(rack: BenchServer, name: str, *messages: str) -> str:
    """Give messages to an instrument; return what it says to the last."""
    link = Link(name)
    for message in messages:
        link.take()
        rack.instruments[name].message(link, message.encode("latin-1"))
    return b"".join(link.take()).decode("latin-1").strip()


@pytest.mark.parametrize(("command", "answer", "values"), SAID["B1500A"])
def test_measured_data_mean_what_they_assert(command: str, answer: str, values: dict[str, float]) -> None:
    found = parse_data(answer, "b1500")
    assert {value.kind: value.value for value in found} == values
    assert all((value.status, value.channel) == ("N", 1) for value in found)


@pytest.mark.parametrize(("command", "answer", "values"), SAID["B1500A"])
def test_our_b1500_answers_in_that_form(rack: BenchServer, command: str, answer: str, values: dict[str, float]) -> None:
    """Letters and length: the point has one of three places (programming guide), the numbers are another array's."""
    ask(rack, "spa", "*RST", "FMT 1, 0", "CN 1", "DV 1,0,0.1,1e-3")
    found = ask(rack, "spa", command)
    assert [part[:3] for part in found.split(",")] == [part[:3] for part in answer.split(",")]
    assert all(re.fullmatch(r"[+-]\d{1,3}\.\d{3,5}E[+-]\d\d", part[3:]) for part in found.split(","))
    assert len(found) == len(answer)
    assert ask(rack, "spa", "CL 1", "ERRX?") == SAID["errors"][1][1]


def test_errors_are_told_as_their_drivers_read_them(rack: BenchServer, scripted: Any) -> None:
    (scpi, text, code), (flex, none, _) = SAID["errors"]
    (found,) = ScpiInstrument(scripted({re.escape(f":{scpi}"): [text, '0,"No error"']}), "m").errors()
    assert re.fullmatch(rf"m: {code},\W*Undefined header\W*", found)
    session = scripted({re.escape(flex): none})
    assert KeysightB1500(session, "b").errors() == []
    with pytest.raises(DriverError, match="no measured value"):
        parse_data(none, "b")
    assert ask(rack, "meter", "*CLS", "NONSENSE", scpi).startswith(f'{code},"Undefined header')


@pytest.mark.parametrize(("put", "question", "answer"), SAID["2400"])
def test_our_2450_keeps_what_a_2400_keeps(rack: BenchServer, put: str, question: str, answer: str) -> None:
    found = ask(rack, "meter", "*RST", "*CLS", put, question)
    assert ask(rack, "meter", "SYST:ERR?").startswith("0"), put
    if put.startswith((":SENS", ":SOUR")) and put.endswith("RANG 0.5"):
        assert 0.5 <= float(found) <= 2  # theirs says what it was told, an instrument the range that holds it
    elif re.fullmatch(r"[\d.]+", answer):
        assert float(found) == pytest.approx(float(answer))
    else:
        assert found == answer


@pytest.mark.parametrize(("put", "question", "answer"), SAID["2600"])
def test_our_2636b_keeps_what_a_2600_keeps(rack: BenchServer, put: str, question: str, answer: str) -> None:
    assert float(ask(rack, "smu", put, question)) == float(answer)
