"""QCoDeS' simulated instruments (its YAML files, through PyVISA-sim): our drivers read them, our instruments know them.

The files are those of the installed QCoDeS (MIT licence, `qcodes/instrument/sims`); nothing of them is kept here.
"""

import importlib.util
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from xbar.bench.status import Status
from xbar.errors import DriverError
from xbar_drivers.instruments.flex_data import parse_data
from xbar_drivers.instruments.keithley_2450 import Keithley2450
from xbar_drivers.instruments.keithley_2600 import Channel, Keithley2600
from xbar_drivers.instruments.keithley_3706a import Keithley3706A
from xbar_drivers.instruments.keysight_b1500 import KeysightB1500
from xbar_drivers.instruments.keysight_b2201 import KeysightB2201
from xbar_drivers.instruments.session import Session
from xbar_drivers.instruments.visa import open_session

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("pyvisa_sim", reason="PyVISA-sim is not installed")
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
_found = importlib.util.find_spec("qcodes")
if _found is None or _found.origin is None:
    pytest.skip("QCoDeS is not installed", allow_module_level=True)
SIMS = Path(_found.origin).parent / "instrument" / "sims"

pytestmark = pytest.mark.filterwarnings("default")
"""Warnings of others are not ours."""

Open = Callable[[str, int], Session]


@pytest.fixture
def simulated() -> Iterator[Open]:
    """Connect to a simulated instrument by file and GPIB address."""
    opened: list[Session] = []

    def start(file: str, address: int) -> Session:
        opened.append(open_session("theirs", f"GPIB::{address}::INSTR", timeout=1.0, backend=f"{SIMS / file}.yaml@sim"))
        return opened[-1]

    yield start
    for session in opened:
        session.close()


def test_2600(simulated: Open) -> None:
    session = simulated("Keithley_2600", 1)
    smu = Keithley2600(session, "smu")
    assert smu.model == "2601B"
    assert smu.line_frequency == 50
    channel = smu.sources["a"]
    session.write("smua.source.leveli=2.5e-06")
    assert channel.measure_current() == (2.5e-6, Status.OK)
    session.write("smua.measure.nplc=0.5")
    session.write("smua.source.limiti=0.001")
    session.write("smua.source.output=1")
    assert isinstance(channel, Channel)
    assert (channel.nplc, channel.limit, channel.output) == (0.5, 1e-3, True)


@pytest.mark.parametrize(("address", "cards"), [(11, ("3730",) * 3 + ("",) * 3), (6, ("3730",) * 6)])
def test_3706a(simulated: Open, address: int, cards: tuple[str, ...]) -> None:
    matrix = Keithley3706A(simulated("Keithley_3706A", address), "switch")
    assert matrix.model == "3706A-SNFP"
    assert matrix.cards() == cards


def test_2450(simulated: Open) -> None:
    meter = Keithley2450(simulated("Keithley_2450", 2), "meter")
    assert meter.firmware == "v0.01"
    meter.check_language()
    meter.session.write(":OUTP 1")
    assert meter.output is True
    wrong = Keithley2450(simulated("Keithley_2450", 1), "meter")
    with pytest.raises(DriverError, match="SCPI2400"):
        wrong.check_language()


def test_b220x(simulated: Open) -> None:
    matrix = KeysightB2201(simulated("keysight_b220x", 1), "matrix")
    assert matrix.model == "B2200A"
    assert matrix.closed == {"00248", "01012"}
    assert matrix.errors() == []


def test_b1500(simulated: Open) -> None:
    session = simulated("keysight_b1500", 1)
    # The simulation takes no other end; a B1500A takes both (programming guide, 1-10).
    session._resource.write_termination = "\r\n"  # type: ignore[attr-defined]  # a VisaSession
    analyzer = KeysightB1500(session, "b1500", ["B1511B", "B1517A"])
    session.write("*RST")
    assert analyzer.errors() == []
    assert analyzer.cards() == ("B1511B", "B1517A", "B1520A", "B1511B", "B1517A", "B1530A", "", "", "", "")
    (found,) = parse_data(analyzer.ask("TI 1,-16"), "b1500")
    assert (found.status, found.channel, found.kind, found.value) == ("N", 1, "I", 0.0)


# ---- the other way round: what they ask, asked of ours

FILES = {
    "smu": ("Keithley_2600", "Keithley"),
    "switch": ("Keithley_3706A", "Keithley"),
    "meter": ("Keithley_2450", "device 1"),
    "matrix": ("keysight_b220x", "KeysightB2200"),
    "analyzer": ("keysight_b1500", "KeysightB1500"),
}
LEFT_OUT = (
    r"print\(slot\[[2-6]\]",  # the served mainframe has one card
    r".*[ ,]([03-9]|1[01])(,|$)",  # slots without a source
    r"\*LRN\? (72|100)",  # other modules
    r"(ADJ|WDCV|WTDCV|ACT|IMP|LMN|DI|WV [45]|TV|TI)",  # other modules; ranges that need an output
    r":(BIAS|AGND|COUP|CONN)\S* [1-4]",  # cards that count as one
    r"channel\.\w+\(",  # needs a channel
    r".*gpib",
)


def exchanges(file: str, device: str) -> list[tuple[str, str | None]]:
    """Return (command, answer) of a device of a file, None where it does not answer; settings at their defaults."""
    content = yaml.safe_load((SIMS / f"{file}.yaml").read_text(encoding="utf-8"))["devices"][device]
    found = [(str(d["q"]), d.get("r")) for d in content.get("dialogues", [])]
    properties = [("", content.get("properties", {}))]
    for group in content.get("channels", {}).values():
        for name in map(str, group["ids"]):
            properties.append((name, group["properties"]))
            found += [(str(d["q"]).replace("{ch_id}", name), d.get("r")) for d in group.get("dialogues", [])]
    for name, group in properties:
        for each in group.values():
            default = each.get("default")
            if "setter" in each and default is not None and "{" in each["setter"]["q"]:
                question = each["setter"]["q"].replace("{ch_id}", name)
                # Their zeros for times, ranges and limits are no settings of an instrument.
                value = "1" if re.search("nplc|range|limit", question) and not default else str(default)
                found.append((question.replace("{}", value), None))
            if "getter" in each:
                found.append((each["getter"]["q"].replace("{ch_id}", name), str(each["getter"]["r"])))
    return [(q, None if r is None else str(r)) for q, r in found]


@pytest.mark.parametrize("name", FILES)
def test_our_instruments_know_what_theirs_know(bench: Any, no_errors: Callable[[str], bool], name: str) -> None:
    """Every command is taken, every question has an answer with as many parts."""
    asked = 0
    for command, answer in exchanges(*FILES[name]):
        if any(re.match(pattern, command) for pattern in LEFT_OUT):
            continue
        asked += 1
        if answer is None:
            bench.ask(name, command, "*OPC?" if name != "smu" else "print(1)")
        else:
            found = bench.ask(name, command)
            assert found, command
            if not command.startswith(("*IDN?", "*LRN?", "UNT?", ":TRAC")) and "'" not in answer:
                assert len(re.split(r"[\t,]", found)) == len(re.split(r"[\t,]", answer)), (command, found)
        assert no_errors(name), command
    assert asked >= 7
    bench.ask(name, "*RST", "*OPC?" if name != "smu" else "print(1)")
