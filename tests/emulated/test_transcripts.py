"""What third-party drivers send, from wire transcripts, against our instruments: answers of one form."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from xbar_drivers.emulated.link import Link
from xbar_drivers.emulated.server import BenchServer

TRANSCRIPTS = Path(__file__).parents[1] / "data" / "transcripts"

RACK = """
schema = "xbar-rack/1"
time_scale = "fast"
[array]
card = "generic"
seed = 3
rows = 4
cols = 4
cells = "low"
[[instruments]]
name = "smu"
model = "2636B"
address = "TCPIP::127.0.0.1::0::SOCKET"
[[instruments]]
name = "switch"
model = "3706A"
address = "TCPIP::127.0.0.1::0::SOCKET"
cards = ["3730"]
[[instruments]]
name = "meter"
model = "2450"
address = "TCPIP::127.0.0.1::0::SOCKET"
[[instruments]]
name = "analyzer"
model = "B1500A"
address = "TCPIP::127.0.0.1::0::SOCKET"
cards = ["B1517A", "B1517A", "B1511B", "B1530A"]
[[instruments]]
name = "matrix"
model = "B2201A"
address = "TCPIP::127.0.0.1::0::SOCKET"
[wires]
"smu.a" = "word0"
"meter.hi" = "word1"
"analyzer.1" = "word2"
"analyzer.2" = "word3"
"gnd" = ["bit0", "bit1", "bit2", "bit3"]
"""

CASES = [
    ("pyvisa_socket_2636B", "smu"),
    ("pymeasure_keithley2600", "smu"),
    ("qcodes_keithley_2636B", "smu"),
    ("keithley2600_package", "smu"),
    ("qcodes_keithley_3706A", "switch"),
    ("qcodes_keithley_2450", "meter"),
    ("pymeasure_keithley2450", "meter"),
    ("qcodes_keysight_b1500", "analyzer"),
    ("pymeasure_agilentB1500", "analyzer"),
    ("qcodes_keysight_b2201a", "matrix"),
]

WRONG_ON_PURPOSE = {b"garbage(", b"FOO 1"}
"""Messages that the clients sent to see an error."""

INTROSPECTION = re.compile(rb"print\(next\(|mt\b|print\(mt")
"""Lua introspection asks for what the answer before named: it cannot be replayed, and is tested elsewhere."""

UNKNOWN = re.compile(rb"DELay:USERNone")
"""A header that QCoDeS forms by mistake; no instrument knows it."""


@dataclass
class Exchange:
    sent: bytes
    answers: list[bytes] = field(default_factory=list)


def exchanges(name: str) -> Iterator[Exchange]:
    """Read a transcript: each message with the answers that followed it."""
    found: Exchange | None = None
    for line in (TRANSCRIPTS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        match = re.match(r"\s*[\d.]+ \[\d+\] (C>|S<)\s+(b['\"].*)$", line)
        if match is None:
            continue
        data = ast.literal_eval(match[2])
        if match[1] == "C>":
            if found is not None:
                yield found
            found = Exchange(data.rstrip(b"\r\n\0"))
        elif found is not None:
            found.answers.append(data)
    if found is not None:
        yield found


def shape(answer: bytes) -> str:
    """Reduce an answer to its form: numbers to their format, addresses and serial numbers out."""
    text = answer.decode("latin-1")
    if text.startswith("#0"):
        return f"#0 and {len(text) - 3} bytes"
    text = re.sub(r"(table|function): (builtin: )?\S+", r"\1", text)
    text = re.sub(r"[+-]?\d\.(\d+)([eE])[+-]\d+", lambda m: f"<{len(m[1])}{m[2]}>", text)
    text = re.sub(r"(XBAR\d+|\b0?\d{7,8}\b|(?<=,)0(?=,A\.0))", "<serial>", text)
    return text.rstrip("\r\n")


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchServer]:
    from xbar_drivers.emulated.rack_file import load_rack_file

    file = tmp_path_factory.mktemp("rack") / "rack.toml"
    file.write_text(RACK, encoding="utf-8")
    with BenchServer(load_rack_file(file)) as server:
        yield server


@pytest.mark.parametrize(("name", "instrument"), CASES)
def test_answers_have_the_form_that_the_client_took(rack: BenchServer, name: str, instrument: str) -> None:
    """Message by message, as a connection would bring them; after each the queue is as long as the toy server's."""
    device = rack.instruments[instrument]
    device.reset()
    device.errors.clear()
    link = Link("replay")
    compared = 0
    for exchange in exchanges(name):
        if INTROSPECTION.match(exchange.sent) or UNKNOWN.search(exchange.sent):
            continue
        device.message(link, exchange.sent)
        answers = link.take()
        told = f"{exchange.sent!r} -> {answers!r}, recorded {exchange.answers!r}"
        if exchange.sent not in WRONG_ON_PURPOSE:
            assert not len(device.errors), f"{told}: {device.errors.next()}"
        # A toy that failed recorded no answer, or one that its client could not use.
        if exchange.answers and not tolerated(name, exchange):
            assert [shape(answer) for answer in answers] == [shape(answer) for answer in exchange.answers], told
            compared += 1
    assert compared > 0


def tolerated(name: str, exchange: Exchange) -> bool:
    """Say where the recorded toy answered otherwise than an instrument, or than the array here can."""
    sent = exchange.sent
    if name == "qcodes_keysight_b1500":
        return sent.startswith((b"*LRN? 32", b"*LRN? 46", b"CL"))
    if name == "pymeasure_agilentB1500":
        return sent.startswith((b"XE", b"*LRN"))
    if name == "pymeasure_keithley2600":
        return b"errorqueue" in sent and any(b"2.85" in answer for answer in exchange.answers)
    if name.endswith("2450"):
        return sent == b":TRAC:DATA?" or b"ROUTe:TERMinals?" in sent or b"RANGe" in sent
    return b"blender[" in sent and b"next" in sent


def test_every_transcript_is_read(tmp_path: Any) -> None:
    names = {path.stem for path in TRANSCRIPTS.glob("*.txt")}
    assert names == {name for name, _ in CASES}
    assert sum(1 for _ in exchanges("keithley2600_package")) == 567
