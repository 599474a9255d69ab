"""The exact commands of the instrument classes, their checks before anything is sent, and what they make of answers."""

import math
import struct
import threading
from typing import Any

import numpy as np
import pytest

from xbar.bench.status import Status
from xbar.errors import DriverError, InputError
from xbar_drivers.instruments.keithley_707b import Keithley707B
from xbar_drivers.instruments.keithley_2450 import Keithley2450
from xbar_drivers.instruments.keithley_2600 import Channel, Keithley2600
from xbar_drivers.instruments.keithley_3706a import Keithley3706A
from xbar_drivers.instruments.keysight_b1500 import KeysightB1500
from xbar_drivers.instruments.keysight_b2201 import KeysightB2201
from xbar_drivers.instruments.roles import SourceSetup
from xbar_drivers.instruments.tsp import Stopped, TspInstrument

SETUP = SourceSetup(limit=1e-3, largest=0.2, nplc=0.5, current_range=None)

NO_ERROR = "0.00000e+00\tQueue Is Empty\t0.00000e+00\t1.00000e+00"


def test_2600_prepares_a_channel_with_its_limit_read_back(scripted: Any) -> None:
    session = scripted(
        {
            r"smua\.source\.levelv = 0\.0 print\(smua\.source\.levelv\)": "0",
            r"print\(smua\.source\.limiti\)": "1e-3",
        }
    )
    Keithley2600(session, "smu").sources["a"].prepare(SETUP)
    assert session.written == [
        "smua.source.levelv = 0.0 print(smua.source.levelv)",
        "smua.source.func = 1",
        "smua.source.rangev = 0.2",
        "smua.source.limiti = 0.001",
        "print(smua.source.limiti)",
        "smua.measure.nplc = 0.5",
        "smua.measure.autorangei = 1",
    ]


def test_2600_limit_that_reads_back_as_another(scripted: Any) -> None:
    channel = Keithley2600(scripted({r"print\(smua\.source\.limiti\)": "1e-1"}), "smu").channels["a"]
    with pytest.raises(DriverError, match=r"limit was set to 0\.001 A and reads back as 0\.1 A"):
        channel.limit = 1e-3


def test_2600_node_of_a_link_is_named_by_its_number(scripted: Any) -> None:
    session = scripted({r"print\(node\[3\]\.smub\.source\.output\)": "0.00000e+00"})
    Keithley2600(session, "smu", node=3).sources["b"].switch_off()
    assert session.written == ["node[3].smub.source.output = 0", "print(node[3].smub.source.output)"]


def test_2600_output_that_stays_on_is_an_error(scripted: Any) -> None:
    smu = Keithley2600(scripted({r"print\(smua\.source\.output\)": "1.00000e+00"}), "smu")
    with pytest.raises(DriverError, match=r"smu\.a is still ON"):
        smu.sources["a"].switch_off()


@pytest.mark.parametrize(
    ("name", "value"),
    [("level", 201.0), ("level", math.nan), ("limit", 2.0), ("limit", 0.0), ("nplc", 30.0), ("source_range", -1.0)],
)
def test_2600_checks_before_it_sends(scripted: Any, name: str, value: float) -> None:
    session = scripted()
    channel = Keithley2600(session, "smu").channels["a"]
    with pytest.raises(InputError, match=rf"smu\.a: {name} .* is outside"):
        setattr(channel, name, value)
    assert session.written == []


def test_2600_properties_read(scripted: Any) -> None:
    session = scripted(
        {
            r"print\(smua\.source\.levelv\)": "2.00000e-01",
            r"print\(smua\.source\.output\)": "1.00000e+00",
            r"print\(smua\.measure\.i\(\)\)": "9.91000e+37",
            r"print\(smua\.source\.compliance\)": "true",
        }
    )
    channel = Keithley2600(session, "smu").channels["a"]
    assert channel.level == 0.2
    assert channel.output is True
    assert math.isnan(channel.current)
    assert channel.in_compliance
    assert isinstance(Channel.level, object)
    with pytest.raises(InputError, match="none of"):
        channel.output = 2


@pytest.mark.parametrize(
    ("answer", "value", "status"),
    [
        ("1.0e-06\t0.00000e+00", 1e-6, Status.OK),
        ("1.0e-06\t2.00000e+00", 1e-6, Status.COMPLIANCE),
        ("9.91000e+37\t1.28000e+02", math.nan, Status.OVERRANGE),
        ("-9.90000e+37\t0.00000e+00", math.nan, Status.OVERRANGE),
    ],
)
def test_2600_status_bits(scripted: Any, answer: str, value: float, status: Status) -> None:
    smu = Keithley2600(scripted({r"print\(smua\.measure\.i.*": answer}), "smu")
    found, flags = smu.sources["a"].measure_current()
    assert found == pytest.approx(value, nan_ok=True)
    assert flags == status


def test_answer_that_is_no_number(scripted: Any) -> None:
    smu = Keithley2600(scripted({r"print\(smua\.source\.levelv\)": "garbage"}), "smu")
    with pytest.raises(DriverError, match=r"'garbage'.*no number"):
        _ = smu.channels["a"].level


def test_tsp_error_queue_is_drained(scripted: Any) -> None:
    entries = ["-2.86000e+02\tTSP Runtime error\t2.00000e+01\t1.00000e+00", NO_ERROR]
    smu = TspInstrument(scripted({r"print\(errorqueue\.next\(\)\)": entries}), "smu")
    assert smu.errors() == ["smu: -286, TSP Runtime error"]


def test_tsp_block_is_read_to_its_last_byte(scripted: Any) -> None:
    """Numbers whose bytes are line feeds: the count decides, no terminator."""
    values = np.array([struct.unpack("<d", b"\n" * 8)[0], 1.0, -2.0, np.nan])
    session = scripted()
    session.blocks = [b"#0" + values.tobytes() + b"\n"]
    found = TspInstrument(session, "smu").fetch(2, ["smua.nvbuffer1.readings", "smua.nvbuffer1.statuses"])
    assert found.ravel() == pytest.approx(values, nan_ok=True)
    shape = "format.data = format.REAL64 format.byteorder = format.LITTLEENDIAN"
    assert session.written == [f"{shape} printbuffer(1, 2, smua.nvbuffer1.readings, smua.nvbuffer1.statuses)"]


def test_tsp_script_is_aborted_when_the_user_stops(scripted: Any) -> None:
    """Answers that were on their way are thrown away until the instrument is in step again."""
    session = scripted({r'print\("in step 1"\)': "in step 1", r"print\(errorqueue\.next\(\)\)": NO_ERROR})
    session.ready = lambda seconds: False
    stop = threading.Event()
    stop.set()
    smu = TspInstrument(session, "smu")
    clear = session.clear

    def cleared() -> None:
        clear()
        session.waiting.append("an old answer")

    session.clear = cleared
    with pytest.raises(Stopped):
        smu.run(["delay(1000)"], stop, 10.0)
    assert session.waiting == []


def test_tsp_script_that_takes_too_long(scripted: Any) -> None:
    session = scripted({r'print\("in step 1"\)': "in step 1", r"print\(errorqueue\.next\(\)\)": NO_ERROR})
    session.ready = lambda seconds: False
    with pytest.raises(DriverError, match=r"did not end within 0\.0 s and was aborted"):
        TspInstrument(session, "smu").run(["delay(1000)"], threading.Event(), 0.0)


def test_matrix_names_many_channels_in_short_lines(scripted: Any) -> None:
    session = scripted({r"waitcomplete\(\) print\(1\)": "1"})
    names = [Keithley3706A.channel(1, 1, c) for c in range(1, 17)]
    Keithley3706A(session, "switch").move(["1301"], names)
    assert session.written[0] == 'channel.open("1301")'
    assert session.written[1] == f'channel.close("{",".join(names)}")'
    assert all(len(text) < 300 for text in session.written)


def test_707b_writes_rows_as_letters() -> None:
    found = dict((pair[:2], pair[2]) for pair in Keithley707B.crosspoints("sw", ["7174A"], False))  # noqa: C402  # pairs of three
    assert found["sw.1.rowB", "sw.1.col3"] == "1B03"
    assert len(found) == 8 * 12


def test_relays_that_do_not_open_are_named(scripted: Any) -> None:
    switch = Keithley3706A(scripted({r'print\(channel\.getclose\("allslots"\)\)': "1102;1204"}), "switch")
    with pytest.raises(DriverError, match="1102, 1204 are still closed"):
        switch.open_all()


def test_2450_level_is_acknowledged(scripted: Any) -> None:
    session = scripted({r":SOUR:VOLT 0\.2;:SOUR:VOLT\?": "0.2"})
    Keithley2450(session, "meter").set_level(0.2)
    assert session.written == [":SOUR:VOLT 0.2;:SOUR:VOLT?"]


def test_2450_list_sweep_in_parts_of_100(scripted: Any) -> None:
    volts = [0.001 * k for k in range(150)]
    session = scripted(
        {
            r"\*OPC\?": "1",
            r":TRAC:ACT\? 'defbuffer1'": "150",
            r":TRAC:DATA\? 1, 150, 'defbuffer1', READ": ", ".join(["1e-6"] * 149 + ["9.9E37"]),
        }
    )
    found = Keithley2450(session, "meter").list_sweep(volts)
    assert (found[:149] == 1e-6).all()
    assert math.isnan(found[149])
    assert [text.split(" ")[0] for text in session.written[:5]] == [
        ":TRAC:CLE",
        ":SOUR:LIST:VOLT",
        ":SOUR:LIST:VOLT:APP",
        ":SOUR:SWE:VOLT:LIST",
        ":INIT",
    ]


def test_2450_sweep_that_does_not_end(scripted: Any) -> None:
    """It is aborted, and no old answer is left on the way."""
    session = scripted({r"\*OPC\?": "1"})
    session.ready = lambda seconds: False
    with pytest.raises(DriverError, match="did not end within 0 s"):
        Keithley2450(session, "meter").list_sweep([0.1], timeout=0.0)
    assert session.written[-1] == ":ABOR"
    assert session.waiting == []


def test_2450_that_speaks_another_language(scripted: Any) -> None:
    with pytest.raises(DriverError, match="speaks TSP; set SYSTEM"):
        Keithley2450(scripted({r"\*LANG\?": "TSP"}), "meter").check_language()


def test_b1500_forces_with_its_limit_and_looks_for_errors(scripted: Any) -> None:
    session = scripted({r"ERRX\?": '+0,"No Error."', r"\*LRN\? 2": "DV2,0,+0.0000,1.0000E-03"})
    source = KeysightB1500(session, "b1500", ["B1517A", "B1517A"]).sources["2"]
    source.prepare(SETUP)
    source.switch_on()
    source.set_level(0.2)
    assert session.written == [
        "AAD 2,1",
        "AIT 1,2,1",
        "ERRX?",
        "CN 2",
        "ERRX?",
        "DV 2,0,0.0,0.001",
        "ERRX?",
        "*LRN? 2",
        "DV 2,0,0.2,0.001",
        "ERRX?",
    ]


def test_b1500_limit_that_reads_back_as_another_is_switched_off(scripted: Any) -> None:
    session = scripted(
        {r"ERRX\?": '+0,"No Error."', r"\*LRN\? 1": ["DV1,0,+0.0000,1.0000E-01", "CL1"]},
    )
    source = KeysightB1500(session, "b1500", ["B1517A"]).sources["1"]
    source.prepare(SETUP)
    with pytest.raises(DriverError, match=r"reads back as 0\.1 A"):
        source.switch_on()
    assert session.written[-4:] == ["DZ 1", "CL 1", "ERRX?", "*LRN? 1"]


def test_b1500_error_names_the_command(scripted: Any) -> None:
    session = scripted({r"ERRX\?": ['+203,"Channel output switch must be ON."', '+0,"No Error."']})
    analyzer = KeysightB1500(session, "b1500", ["B1517A"])
    with pytest.raises(DriverError, match=r"203, Channel output switch must be ON\. \(after DV 1,0,0\.2,0\.0001\)"):
        analyzer.sources["1"].set_level(0.2)


def test_b1500_staircase(scripted: Any) -> None:
    data = "NAI+1.00000E-06,CAI+2.00000E-06,VAI+199.999E+99"
    session = scripted({r"ERRX\?": '+0,"No Error."', "XE": data})
    analyzer = KeysightB1500(session, "b1500", ["B1517A", "B1517A"])
    current, status = analyzer.staircase(2, 1, 0.0, 0.2, 3, limit=1e-3)
    assert current[:2].tolist() == [1e-6, 2e-6]
    assert math.isnan(current[2])
    assert status.tolist() == [0, Status.COMPLIANCE, Status.OVERRANGE | Status.ABORTED]
    assert "WV 2,1,0,0.0,0.2,3,0.001" in session.written
    with pytest.raises(InputError, match="1 to 1001 steps"):
        analyzer.staircase(2, 1, 0.0, 0.2, 2000, limit=1e-3)


def test_b2201a_opens_before_it_closes(scripted: Any) -> None:
    session = scripted({r"\*OPC\?": "1"})
    KeysightB2201(session, "matrix").move(["00103"], ["00204", "00101"])
    assert session.written == [":OPEN (@00103)", ":CLOS (@00101,00204)", "*OPC?"]
