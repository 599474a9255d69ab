"""The SCPI parser and its tree, and the 2450 and B2201A behind it."""

import contextlib
import random
import string as letters
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbar_drivers.emulated.audit import FaultKind
from xbar_drivers.emulated.link import Link
from xbar_drivers.emulated.scpi.command_tree import Call, CommandTree
from xbar_drivers.emulated.scpi.program_message import ScpiError, units
from xbar_drivers.emulated.scpi.values import boolean, channel_list, number, string


def headers(message: str) -> list[tuple[str, ...]]:
    return [unit.header for unit in units(message)]


def test_compound_headers_keep_the_path() -> None:
    """IEEE 488.2 and SCPI-1999 6.2.4: a header after a semicolon goes on from the path of the one before."""
    assert headers(":SOUR:VOLT:RANG 2;ILIM 1") == [("SOUR", "VOLT", "RANG"), ("SOUR", "VOLT", "ILIM")]
    assert headers("SOUR:VOLT:RANG:AUTO 0;:SOUR:VOLT:RANG 2")[1] == ("SOUR", "VOLT", "RANG")
    assert headers("SOUR:VOLT:LEV 1;*WAI;RANG 2") == [("SOUR", "VOLT", "LEV"), ("*WAI",), ("SOUR", "VOLT", "RANG")]
    assert headers("*RST;:stat:pres;:*CLS;") == [("*RST",), ("stat", "pres"), ("*CLS",)]


def test_separators_inside_quotes_and_lists_do_not_separate() -> None:
    found = list(units(""":CLOS (@1,2:3);:DISP:TEXT "a;b,c",'d'"""))
    assert [unit.parameters for unit in found] == [("(@1,2:3)",), ('"a;b,c"', "'d'")]


def test_empty_parameters_stay() -> None:
    assert next(units(":TRACe:MAKE 'xb', 100, ")).parameters == ("'xb'", "100", "")


@pytest.mark.parametrize("message", ["SOUR:VOLT'x", '"open', "::A 1", "1:A", ":A:;", "*?"])
def test_text_that_is_no_message_is_a_command_error(message: str) -> None:
    with pytest.raises(ScpiError) as caught:
        list(units(message))
    assert -199 <= caught.value.code <= -100


@pytest.fixture
def tree() -> CommandTree:
    made = CommandTree()
    made.add("SOURce#:VOLTage[:LEVel][:IMMediate]", lambda call: None, lambda call: f"level of {call.suffixes}")
    made.add("SOURce#:VOLTage:RANGe", query=lambda call: "range")
    return made


def ask(tree: CommandTree, message: str) -> Any:
    handler, call = tree.find(next(units(message)))
    return handler(call)


@pytest.mark.parametrize(
    "message",
    ["SOUR:VOLT?", ":source:voltage?", "SOURce1:VOLT:LEV?", "sour1:VOLTAGE:level:IMM?", "SOUR:VOLT:IMMediate?"],
)
def test_long_short_optional_and_suffixed_forms_are_one_command(tree: CommandTree, message: str) -> None:
    assert ask(tree, message) == "level of (1,)"


@pytest.mark.parametrize("message", ["SOURC:VOLT?", "SOUR:VOLTA?", "VOLT?", "SOUR:VOLT:RANG 1", "SOUR:VOLT:LEV:X?"])
def test_other_forms_are_undefined(tree: CommandTree, message: str) -> None:
    with pytest.raises(ScpiError) as caught:
        ask(tree, message)
    assert caught.value.code == -113


SMALL = CommandTree()
SMALL.add("A#[:B]", lambda call: None)


@given(st.text(alphabet="aAbB1?:;,*'\" (@)", max_size=30))
def test_any_text_parses_or_is_an_error(message: str) -> None:
    with contextlib.suppress(ScpiError):
        for unit in units(message):
            _, call = SMALL.find(unit)
            assert len(call.suffixes) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1.0), ("-.5e-3", -5e-4), ("1 mA", 1e-3), ("2.5 kV", 2500.0), ("3MOHM", 3e6), ("10 us", 1e-5), ("MAX", 9e9),
     ("MINimum", -9e9), ("DEF", 7.0), ("#H1F", 31.0), ("#B101", 5.0), ("1E3", 1e3)],
)  # fmt: skip
def test_numbers_with_suffixes_and_words(text: str, value: float) -> None:
    assert number(text, -9e9, 9e9, 7.0) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "code"), [("abc", -104), ("", -104), ("1 parsec", -131), ("1e99", -222), ("nan", -104), ("#B2", -104)]
)
def test_other_numbers_are_errors(text: str, code: int) -> None:
    with pytest.raises(ScpiError) as caught:
        number(text, -9e9, 9e9)
    assert caught.value.code == code


@given(st.floats(-1e8, 1e8))
def test_numbers_round_trip(value: float) -> None:
    assert number(repr(value), -1e9, 1e9) == value


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=20))
def test_strings_round_trip(text: str) -> None:
    assert string('"' + text.replace('"', '""') + '"') == text


def test_booleans_and_channel_lists() -> None:
    assert [boolean(text) for text in ("ON", "off", "1", "0.2", "-3")] == [True, False, True, False, True]
    assert channel_list("(@00103, 00204:00206)") == ["00103", "00204:00206"]
    with pytest.raises(ScpiError):
        channel_list("(@(1))")


def test_missing_parameter_is_told() -> None:
    with pytest.raises(ScpiError) as caught:
        Call(("",), ()).text(0)
    assert caught.value.code == -109


METER = """
[[instruments]]
name = "meter"
model = "2450"
address = "TCPIP::127.0.0.1::0::SOCKET"
noise = false
[[instruments]]
name = "matrix"
model = "B2201A"
address = "TCPIP::127.0.0.1::0::SOCKET"
[wires]
"meter.hi" = "matrix.in1"
"gnd" = ["matrix.in12"]
"matrix.out1-6" = "word0-5"
"matrix.out7-14" = "bit0-7"
"""


@pytest.fixture
def rack(serve: Any, rack_text: dict[str, str]) -> Any:
    return serve(rack_text["array"] + METER)


def test_meter_reads_a_cell_through_the_matrix(rack: Any, connect: Any) -> None:
    """Bias of nothing, ground mode on: all outputs without an input stand at 0 V."""
    meter, matrix = connect(rack, "meter"), connect(rack, "matrix")
    matrix.write(":AGND:PORT 0,12;:AGND 0,ON;:CLOS (@00102)")
    assert matrix.ask("*ESR?;:SYST:ERR?") == '128;+0,"No error"'
    meter.write("*RST;:SOUR:FUNC VOLT;:SOUR:VOLT 0.2;:SOUR:VOLT:ILIM 1e-3;:SENS:FUNC 'CURR';:OUTP ON")
    expected = 0.2 * np.asarray(rack.arrays.conductances(0))[1].sum()
    assert float(meter.ask(":READ?")) == pytest.approx(expected, rel=2e-6)
    meter.write(":SOUR:VOLT:ILIM 1e-6")
    assert float(meter.ask(":MEAS:CURR?")) == pytest.approx(1e-6, rel=1e-5)
    assert meter.ask(":SOUR:VOLT:ILIM:TRIP?") == "1"


def test_sweep_into_a_buffer(rack: Any, connect: Any) -> None:
    meter, matrix = connect(rack, "meter"), connect(rack, "matrix")
    matrix.ask(":AGND 0,1;:CLOS (@00101);*OPC?")
    meter.write(":SOUR:VOLT:ILIM 1e-2;:TRAC:MAKE 'x', 100;:SOUR:SWE:VOLT:LIN 0,0.4,5,0.01,1,AUTO,ON,OFF,'x'")
    meter.write(":INIT;*WAI")
    total = np.asarray(rack.arrays.conductances(0))[0].sum()
    rows = np.array(meter.numbers(":TRAC:DATA? 1,5,'x',SOUR,READ,REL")).reshape(5, 3)
    assert rows[:, 0] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert rows[:, 1] == pytest.approx(total * rows[:, 0], rel=1e-5, abs=1e-12)
    assert np.diff(rows[:, 2]) == pytest.approx(0.01 + 1e-4 + 0.02 + 4e-5, rel=1e-3)
    meter.write(":FORM:DATA REAL,32")
    meter.write(":TRAC:DATA? 1,5,'x'")
    block = meter.read_exactly(2 + 20 + 1)
    assert np.frombuffer(block[2:-1], "<f4") == pytest.approx(rows[:, 1], rel=1e-5)


def test_several_queries_of_one_message_answer_in_one_line(rack: Any, connect: Any) -> None:
    meter = connect(rack, "meter")
    meter.write("*CLS;*ESE 255;:SOUR:VOLT 0.5")
    assert meter.ask(":SOUR:VOLT?;:OUTP?;*ESE?") == "5.000000E-01;0;255"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (":SOUR:VOLT? MAX", "2.100000E+02"),
        (":SOUR:VOLT? MINimum", "-2.100000E+02"),
        (":SOUR:VOLT? DEF", "0.000000E+00"),
        (":SENS:CURR:NPLC? MAX", "1.000000E+01"),
        (":SENS:COUN? MIN", "1"),
        (":SENS:CURR:RANG:AUTO:LLIM?", "1.000000E-08"),
    ],
)
def test_a_query_tells_the_bounds_of_its_command(rack: Any, connect: Any, question: str, answer: str) -> None:
    """And changes nothing: the level stays (SCPI-1999, 7.2.1)."""
    meter = connect(rack, "meter")
    meter.write("*CLS;:SOUR:VOLT 0.5")
    assert meter.ask(question) == answer
    assert meter.ask(":SOUR:VOLT?;:SYST:ERR?") == '5.000000E-01;0,"No error"'
    meter.write(":OUTP? MAX")
    assert meter.ask(":SYST:ERR?").startswith("-224")


def test_a_parameter_too_many_is_refused_before_anything_happens(rack: Any, connect: Any) -> None:
    meter = connect(rack, "meter")
    meter.write("*CLS;:SOUR:VOLT 0.5;:SOUR:VOLT 1,2")
    assert meter.ask(":SYST:ERR?") == '-108,"Parameter not allowed;SOUR:VOLT"'
    assert meter.ask(":SOUR:VOLT?") == "5.000000E-01"


def test_error_ends_the_message_and_sets_the_status(rack: Any, connect: Any) -> None:
    meter = connect(rack, "meter")
    meter.write("*CLS;*ESE 32;*SRE 32;:SOUR:VOLT 0.1;:FOO 1;:SOUR:VOLT 0.9")
    assert meter.ask("*STB?") == str(0x04 | 0x20 | 0x40)
    assert meter.ask(":SOUR:VOLT?") == "1.000000E-01"
    assert meter.ask("SYST:ERR?").startswith('-113,"Undefined header')
    assert meter.ask("*ESR?;*ESR?;SYST:ERR?") == '32;0;0,"No error"'


def test_language_changes_between_scpi_and_tsp(rack: Any, connect: Any) -> None:
    meter = connect(rack, "meter")
    assert meter.ask("*LANG?") == "SCPI"
    meter.write("*LANG TSP")
    meter.write("smu.source.level = 0.25 smu.measure.func = smu.FUNC_DC_VOLTAGE smu.source.output = smu.ON")
    assert float(meter.ask("print(smu.measure.read())")) == pytest.approx(0.25, abs=1e-5)
    assert meter.ask("print(localnode.version)") == "1.7.12b"
    read = meter.ask("print(defbuffer1[1] == defbuffer1.readings[1], defbuffer1.relativetimestamps[1])")
    assert read == "true\t0"
    meter.write("*LANG SCPI")
    assert meter.ask(":OUTP?") == "0"


def test_bias_port_takes_the_unconnected_outputs(rack: Any, connect: Any) -> None:
    """All outputs on the bias port with the meter on it: the array hangs between nothing and nothing."""
    meter, matrix = connect(rack, "meter"), connect(rack, "matrix")
    matrix.ask(":BIAS:PORT 0,1;:BIAS 0,1;*OPC?")
    meter.write(":SOUR:VOLT 0.2;:OUTP 1")
    assert meter.ask("*OPC?") == "1"
    word, bit = rack.lines.line_voltages()
    assert [*word, *bit] == pytest.approx([0.2] * 14)
    matrix.ask(":BIAS:CHAN:DIS (@00101);*OPC?")
    assert matrix.ask(":BIAS:CHAN:ENAB? (@00101,00102)") == "0,1"


def test_single_route_breaks_what_was_connected(rack: Any, connect: Any) -> None:
    matrix = connect(rack, "matrix")
    matrix.write(":CONN:RULE 0,SROU;:CLOS (@00101);:CLOS (@00102)")
    assert matrix.ask(":CLOS:CARD? 0") == "(@00102)"
    matrix.write(":CONN:RULE 0,FREE;:CLOS (@00103:00105)")
    assert matrix.ask(":CLOS? (@00102,00103,00106)") == "1,1,0"


def test_fuzzed_messages_leave_the_instruments_alive(rack: Any, fuzz_count: int) -> None:
    """Commands cut, joined and filled with rubbish: each is executed or is an error; the next one is answered."""
    rng = random.Random(7)
    words = [":SOUR:VOLT", ":SENS:CURR:RANG", ":TRAC:DATA?", ":CLOS", "*STB?", ":SYST:ERR?", "INIT", ":OUTP", "*RST",
             "(@00101:01448)", "'x'", "1e999", "-0", ";", ",", " ", "?", ":", '"', "MAX", "#0", "NaN"]  # fmt: skip
    for name in ("meter", "matrix"):
        instrument, link = rack.instruments[name], Link("fuzz")
        for _ in range(fuzz_count):
            parts = rng.choices(words, k=rng.randint(1, 8)) + rng.choices(letters.printable, k=rng.randint(0, 5))
            rng.shuffle(parts)
            instrument.message(link, "".join(parts).encode("latin-1"))
            link.take()
        instrument.message(link, b"*RST")
        instrument.message(link, b"*CLS")
        instrument.message(link, b"*ESE?")
        assert b"".join(link.take()).strip().isdigit()
    assert [fault for fault in rack.audit.faults if fault.kind == FaultKind.INTERNAL] == []
