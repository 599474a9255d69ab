"""What goes wrong on the wire and at the desk: it ends safely, says what happened, and keeps what was measured."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

import xbar
from xbar.bench.bench import Bench
from xbar.bench.limits import Limits
from xbar.bench.readings import CellReadings
from xbar.bench.settings import Pulse, ReadConfig, Unselected
from xbar.bench.status import Status
from xbar.cli.errors import reports_errors
from xbar.errors import DriverError, FileError, Interrupted, LimitError, UnsafeError
from xbar.trace.reader import open_trace
from xbar.trace.recorder import TraceRecorder
from xbar_drivers.instruments.session import Session
from xbar_drivers.instruments.visa import open_session
from xbar_drivers.rack.rack_driver import RackDriver
from xbar_drivers.rack.rack_file import RackInstrument

ALL = np.argwhere(np.ones((4, 5), bool))

LIMITS = Limits(cell_voltage=0.5, current=1e-3)


class Wire:
    """A session that breaks at a message, the way it is told to.

    Args:
        inner: the true session.
        breaks: called with the number of the message and its text before it is sent.

    """

    def __init__(self, inner: Session, breaks: Callable[[int, str], None]) -> None:
        self._inner, self._breaks, self.count = inner, breaks, 0
        self.address = inner.address
        self.garbage: str | None = None

    def write(self, text: str) -> None:
        self.count += 1
        self._breaks(self.count, text)
        self._inner.write(text)

    def read(self) -> str:
        answer = self._inner.read()
        if self.garbage is not None:
            answer, self.garbage = self.garbage, None
        return answer

    def read_bytes(self, count: int) -> bytes:
        found = self._inner.read_bytes(count)
        if self.garbage is not None:
            found, self.garbage = b"\x00" * count, None
        return found

    def ready(self, seconds: float) -> bool:
        return self._inner.ready(seconds)

    def clear(self) -> None:
        self._inner.clear()

    def close(self) -> None:
        self._inner.close()


class WiredDriver(RackDriver):
    """A rack driver whose wires can break."""

    wires: list[Wire]
    breaks: Callable[[Wire, int, str], None]
    connects = 0

    def _session(self, part: RackInstrument) -> Session:
        self.connects += 1
        holder: list[Wire] = []
        inner = open_session(part.name, part.address, timeout=2.0)
        wire = Wire(inner, lambda count, text: self.breaks(holder[0], count, text))
        holder.append(wire)
        self.wires.append(wire)
        return wire


def nothing(wire: Wire, count: int, text: str) -> None:
    """Leave the wire as it is."""


def wired(rack: Any) -> WiredDriver:
    driver = WiredDriver(rack.file)
    driver.wires, driver.breaks = [], nothing
    return driver


def on_scan(number: int, act: Callable[[Wire], None]) -> Callable[[Wire, int, str], None]:
    """Do something before the scan script of a number, counted over all connections."""
    seen = [0]

    def breaks(wire: Wire, count: int, text: str) -> None:
        if text.startswith("loadandrunscript"):
            seen[0] += 1
            if seen[0] == number:
                act(wire)

    return breaks


def drop(wire: Wire) -> None:
    wire._inner.close()


@pytest.fixture
def traced(tmp_path: Path) -> Callable[..., Bench]:
    def begin(driver: RackDriver) -> Bench:
        recorder = TraceRecorder(tmp_path / "trace.h5", provenance={})
        return Bench(driver, address="rack:test", recorder=recorder, limits=LIMITS)

    return begin


@pytest.fixture
def short_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a scan hold four readings."""
    monkeypatch.setattr("xbar_drivers.rack.tsp_scan.MOST_STEPS", 4)


@pytest.mark.usefixtures("short_scans")
def test_lost_connection_is_made_once_more(linked: Any, traced: Any) -> None:
    """A read goes on where it was; the readings are those of an undisturbed one."""
    driver = wired(linked)
    with traced(driver) as bench:
        driver.breaks = on_scan(3, drop)
        found = bench.read(0, ALL)
    assert driver.connects == 2
    assert found.current[:, 0] == pytest.approx(0.2 * linked.conductances.ravel(), abs=0.51e-10)
    assert (found.status == 0).all()


def on_measurement(number: int, act: Callable[[Wire], None]) -> Callable[[Wire, int, str], None]:
    """Do something before a measurement of the host, counted over all connections."""
    seen = [0]

    def breaks(wire: Wire, count: int, text: str) -> None:
        seen[0] += ".measure.i()" in text
        if ".measure.i()" in text and seen[0] == number:
            act(wire)

    return breaks


def test_host_goes_on_after_a_lost_connection(serve: Any, traced: Any) -> None:
    """Step by step: the cells that were read are not read again."""
    rack = serve("unlinked")
    driver = wired(rack)
    measured = [0]
    with traced(driver) as bench:
        lose = on_measurement(5, drop)

        def counted(wire: Wire, count: int, text: str) -> None:
            measured[0] += ".measure.i()" in text
            lose(wire, count, text)

        driver.breaks = counted
        found = bench.read(0, ALL)
    assert driver.connects == 4
    assert measured[0] == len(ALL) + 1
    assert found.current[:, 0] == pytest.approx(0.2 * rack.conductances.ravel(), abs=0.51e-10)
    assert (np.diff(found.time[:, 0]) >= 0).all()


def test_host_keeps_what_it_measured(serve: Any, traced: Any) -> None:
    """A sweep, which is never repeated: four points, then NaN, and the error when the bench closes."""
    rack = serve("unlinked")
    driver = wired(rack)
    found: list[CellReadings] = []

    def session(bench: Bench) -> None:
        with bench:

            def fail(wire: Wire) -> None:
                raise DriverError("the meter says no")

            driver.breaks = on_measurement(5, fail)
            found.append(bench.sweep(0, (1, 1), np.linspace(0, 0.2, 9)))

    with pytest.raises(DriverError, match="the meter says no"):
        session(traced(driver))
    assert np.isfinite(found[0].current[:4]).all()
    assert (found[0].status[4:] == Status.ABORTED).all()
    assert rack.server.report() == []


@pytest.mark.parametrize("kind", ["linked", "unlinked"])
def test_stopped_pulses_say_so_and_are_not_repeated(serve: Any, traced: Any, kind: str) -> None:
    rack = serve(kind)
    driver = wired(rack)
    pulse = Pulse(0.2, 1.0, current_limit=1e-4, unselected=Unselected.GROUND)

    def session(bench: Bench) -> None:
        with bench:
            seen = on_scan(2, lambda wire: driver.stop.set())
            driver.breaks = seen
            bench.pulse(0, ALL[:1], pulse, count=20)

    with pytest.raises(Interrupted, match=r"pulse: stopped"):
        session(traced(driver))
    assert rack.server.report() == []


def test_real_time_waits_look_at_stop(serve: Any, rack_texts: dict[str, str]) -> None:
    rack = serve("linked", "hislip", rack_texts["linked"].replace('"fast"', "100.0"))
    driver = rack.driver()
    driver.stop = threading.Event()
    driver.open()
    before = driver.clock()
    driver.wait(5.0)
    assert driver.clock() - before >= 5.0
    driver.stop.set()
    began = time.monotonic()
    driver.wait(1000.0)
    assert time.monotonic() - began < 1.0
    driver.close()


@pytest.mark.usefixtures("short_scans")
def test_connection_lost_for_good_keeps_the_readings(linked: Any, traced: Any, tmp_path: Path) -> None:
    """What was measured is returned and in the trace, the rest is NaN and ABORTED, and closing says what is unsafe."""
    driver = wired(linked)
    dead = threading.Event()

    def breaks(wire: Wire, count: int, text: str) -> None:
        if dead.is_set():
            raise DriverError("the cable is out")

    cut = on_scan(3, lambda wire: dead.set())

    def both(wire: Wire, count: int, text: str) -> None:
        cut(wire, count, text)
        breaks(wire, count, text)

    found: list[CellReadings] = []

    def session(bench: Bench) -> None:
        with bench:
            driver.breaks = both
            found.append(bench.read(0, ALL))
            with pytest.raises(DriverError, match="the cable is out"):
                bench.read(0, ALL)

    with pytest.raises(UnsafeError, match=r"may still be ON: output smu\.a, output smu\.b, relays of switch"):
        session(traced(driver))
    current, status = found[0].current, found[0].status
    assert np.isfinite(current[:8]).all()
    assert np.isnan(current[8:]).all()
    assert (status[8:] == Status.ABORTED).all()
    with open_trace(tmp_path / "trace.h5") as trace:
        kept = list(trace)
        assert trace.status == "failed"
    assert np.array_equal(kept[0].readings.current, current, equal_nan=True)  # type: ignore[union-attr]  # a read has some
    assert "the cable is out" in str(kept[1].error)


@pytest.mark.usefixtures("short_scans")
def test_failure_that_nobody_saw_is_told_at_the_end(linked: Any, traced: Any) -> None:
    """An operation that ended early is the last one: closing raises, though everything could be switched off."""
    driver = wired(linked)

    seen = [0]

    def garble(wire: Wire, count: int, text: str) -> None:
        seen[0] += text.startswith("loadandrunscript")
        if seen[0] in (3, 4) and text.startswith("loadandrunscript"):
            raise DriverError("garbled")

    found: list[CellReadings] = []

    def session(bench: Bench) -> None:
        with bench:
            driver.breaks = garble
            found.append(bench.read(0, ALL))

    with pytest.raises(DriverError, match="garbled"):
        session(traced(driver))
    assert np.isfinite(found[0].current[:8]).all()
    assert np.isnan(found[0].current[8:]).all()


def test_garbage_is_an_error_and_never_a_number(linked: Any, traced: Any) -> None:
    driver = wired(linked)
    with traced(driver) as bench:

        def garble(wire: Wire, count: int, text: str) -> None:
            if "printbuffer" in text:
                wire.garbage = "x"

        driver.breaks = garble
        with pytest.raises(DriverError, match="begins with"):
            bench.read(0, ALL[:1])
        driver.breaks = nothing
        assert bench.read(0, ALL[:1]).current[0, 0] > 0


def test_error_of_the_instrument_names_it(linked: Any, traced: Any) -> None:
    """What the queue says is in the message; sources are at 0 V afterwards."""
    driver = wired(linked)
    with traced(driver) as bench:

        def spoil(wire: Wire, count: int, text: str) -> None:
            if text.startswith("loadandrunscript"):
                wire._inner.write("smua.source.nosuchthing = 1")

        driver.breaks = spoil
        with pytest.raises(DriverError, match=r"smu.*nosuchthing"):
            bench.read(0, ALL[:1])
        driver.breaks = nothing
        assert all(not i.outputs_on() for i in linked.server.instruments.values())


def test_errors_of_earlier_users_do_not_count(serve: Any, traced: Any) -> None:
    """They are drained when the rack opens, and stand in the settings that the trace keeps."""
    rack = serve("linked")
    link = open_session("smu", rack.server.address("smu"))
    link.write("nosuchfunction()")
    link.close()
    with traced(rack.driver()) as bench:
        assert "nosuchfunction" in " ".join(bench.settings["errors_at_open"])
        assert bench.read(0, ALL[:1]).status[0, 0] == 0


def test_limit_that_reads_back_as_another_switches_nothing_on(linked: Any, traced: Any) -> None:
    """The script compares before it switches an output on."""
    driver = wired(linked)
    with traced(driver) as bench:
        original = Wire.write

        def cheat(wire: Wire, text: str) -> None:
            original(wire, text.replace("x.source.limiti = wanted", "x.source.limiti = 2 * wanted"))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Wire, "write", cheat)
            with pytest.raises(DriverError, match="reads back as"):
                bench.read(0, ALL[:1], ReadConfig(current_limit=1e-4))
        assert linked.server.report() == []


@pytest.mark.parametrize("kind", ["linked", "unlinked"])
def test_ctrl_c_keeps_what_was_measured(serve: Any, traced: Any, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """The stop event, set in the middle of a read: readings so far, then `Interrupted`, outputs off."""
    monkeypatch.setattr("xbar_drivers.rack.tsp_scan.MOST_STEPS", 4)
    rack = serve(kind)
    driver = wired(rack)
    seen, found = [0], list[CellReadings]()

    def press(wire: Wire, count: int, text: str) -> None:
        seen[0] += text.startswith("loadandrunscript") or ".measure.i()" in text
        if seen[0] == 3:
            driver.stop.set()

    def session(bench: Bench) -> None:
        with bench:
            driver.breaks = press
            found.append(bench.read(0, ALL))
            bench.read(0, ALL)

    with pytest.raises(Interrupted):
        session(traced(driver))
    measured = np.isfinite(found[0].current[:, 0])
    assert 0 < measured.sum() < len(ALL)
    assert (found[0].status[~measured] == Status.ABORTED).all()
    assert rack.server.report() == []


def test_ctrl_c_aborts_a_script_that_runs(serve: Any, rack_texts: dict[str, str]) -> None:
    """A script of seconds on instruments in real time ends at once, and the rack answers again."""
    rack = serve("linked", "hislip", rack_texts["linked"].replace('"fast"', '"real"'))
    driver = rack.driver()
    driver.stop = threading.Event()
    driver.open()
    timer = threading.Timer(0.5, driver.stop.set)
    timer.start()
    found = driver.read(0, ALL, ReadConfig(voltage=0.2, settle=0.2))
    measured = np.isfinite(found.current[:, 0])
    assert 0 < measured.sum() < len(ALL)
    assert found.current[measured, 0] == pytest.approx(0.2 * rack.conductances.ravel()[measured], abs=0.51e-10)
    assert driver.safe_off() == ()
    driver.close()


def test_one_process_owns_an_instrument(linked: Any, traced: Any) -> None:
    second = linked.driver()
    second.stop = threading.Event()
    with traced(linked.driver()), pytest.raises(FileError, match="is in use by process"):
        second.open()


def test_another_instrument_than_the_file_says(linked: Any) -> None:
    """Model and card are compared before anything is switched."""
    file = linked.file
    parts = [replace(p, model="2602B") if p.name == "smu" else p for p in file.instruments]
    cards = [replace(p, cards=("3731",)) if p.name == "switch" else p for p in file.instruments]
    for changed, message in ((parts, "says that it is a '2636B'"), (cards, "slot 1 holds '3730'")):
        driver = RackDriver(replace(file, instruments=tuple(changed)))
        driver.stop = threading.Event()
        with pytest.raises(DriverError, match=message):
            driver.open()
        driver.close()


def test_nobody_answers(linked: Any) -> None:
    parts = tuple(replace(p, address="TCPIP::127.0.0.1::1::SOCKET") for p in linked.file.instruments)
    driver = RackDriver(replace(linked.file, instruments=parts), timeout=0.5)
    driver.stop = threading.Event()
    with pytest.raises(DriverError, match=r"smu.*TCPIP::127\.0\.0\.1::1::SOCKET"):
        driver.open()


def test_limits_are_mandatory_until_it_is_known_to_be_emulated(linked: Any, tmp_path: Path) -> None:
    with pytest.raises(LimitError, match="has no limits"):
        Bench(linked.driver(), recorder=TraceRecorder(tmp_path / "t.h5", provenance={}))


def test_guard_refuses_before_anything_is_sent(linked: Any, traced: Any) -> None:
    driver = wired(linked)
    with traced(driver) as bench:
        before = driver.wires[0].count
        with pytest.raises(LimitError):
            bench.read(0, ALL, ReadConfig(voltage=0.6))
        with pytest.raises(LimitError):
            bench.pulse(0, ALL, Pulse(0.6, 1e-3, unselected=Unselected.GROUND))
        assert driver.wires[0].count == before


def test_bench_file_opens_the_rack(linked: Any, tmp_path: Path) -> None:
    """The address of the rack file is seen from the folder of the bench file; the trace says emulated."""
    with xbar.open_bench(linked.bench_file(), record=tmp_path / "t.h5") as bench:
        assert bench.identity.model == "emulated:2636B+3706A"
        assert bench.identity.serial.startswith("XBAR")
        assert not bench.capabilities.hardware


def test_second_ctrl_c_in_the_middle_of_a_question(linked: Any) -> None:
    """An interrupt while an answer is on its way: switching off is not answered by that old answer."""
    driver = wired(linked)
    driver.stop = threading.Event()
    driver.open()
    read = Wire.read

    def interrupted(wire: Wire) -> str:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Wire, "read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            driver.read(0, ALL[:2], ReadConfig())
    assert Wire.read is read
    assert driver.safe_off() == ()
    assert driver.read(0, ALL[:1], ReadConfig()).current[0, 0] > 0
    driver.close()
    assert linked.server.report() == []


def test_reply_past_the_time_out(linked: Any, traced: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script is aborted, tried once on a new connection, then given up; outputs are off."""
    monkeypatch.setattr("xbar_drivers.rack.tsp_scan.PATIENCE", 0.0)
    monkeypatch.setattr("xbar_drivers.rack.tsp_scan.SLOWNESS", 0.0)
    monkeypatch.setattr(Wire, "ready", lambda wire, seconds: False)
    driver = wired(linked)
    with traced(driver) as bench:
        with pytest.raises(DriverError, match=r"smu at TCPIP.* did not end within 0\.0 s and was aborted"):
            bench.read(0, ALL[:2])
        assert driver.connects == 2
    assert all(not instrument.outputs_on() for instrument in linked.server.instruments.values())


def test_signal_ends_a_read(serve: Any, traced: Any, rack_texts: dict[str, str], tmp_path: Path) -> None:
    """Ctrl-C as the system sends it, in a script that runs: `Interrupted`, and the trace holds the readings so far."""
    rack = serve("linked", "hislip", rack_texts["linked"].replace('"fast"', '"real"'))
    timer = threading.Timer(0.4, signal.raise_signal, [signal.SIGINT])

    def session(bench: Bench) -> None:
        with bench:
            timer.start()
            bench.read(0, ALL, ReadConfig(settle=0.2))

    with pytest.raises(Interrupted):
        session(traced(rack.driver()))
    with open_trace(tmp_path / "trace.h5") as trace:
        assert trace.status == "aborted"
        readings = next(iter(trace)).readings
    assert isinstance(readings, CellReadings)
    assert 0 < np.isfinite(readings.current).sum() < len(ALL)
    assert rack.server.report() == []


CLIENT = """
import sys, threading
import numpy as np
from xbar.bench.settings import ReadConfig
from xbar_drivers.rack.rack_driver import RackDriver
from xbar_drivers.rack.rack_file import load_rack_file

driver = RackDriver(load_rack_file(sys.argv[1]))
driver.stop = threading.Event()
driver.open()
print("open", flush=True)
driver.read(0, np.array([[0, 0]] * 1000), ReadConfig(settle=0.05))
"""


def test_killed_client_is_reported(serve: Any, rack_texts: dict[str, str]) -> None:
    """Kill -9 while sources are on: the served bench names the outputs that were left on, and the lock is free."""
    rack = serve("unlinked", "hislip", rack_texts["unlinked"].replace('"fast"', '"real"'))
    client = subprocess.Popen([sys.executable, "-c", CLIENT, str(rack.path)], stdout=subprocess.PIPE, text=True)
    try:
        assert client.stdout is not None
        assert client.stdout.readline() == "open\n"
        smu = rack.server.instruments["smu"]
        deadline = time.monotonic() + 10
        while "smua" not in smu.outputs_on() and time.monotonic() < deadline:
            threading.Event().wait(0.005)
    finally:
        client.kill()
        client.communicate()
    deadline = time.monotonic() + 10
    while not rack.server.report() and time.monotonic() < deadline:
        threading.Event().wait(0.005)
    assert any("output left on: smu.smub ON at 0 V" in line or "smu.smua ON" in line for line in rack.server.report())
    driver = rack.driver()
    driver.stop = threading.Event()
    driver.open()
    assert not smu.outputs_on()
    driver.close()


@pytest.mark.usefixtures("short_scans")
def test_why_a_bench_ended_is_told_before_what_may_be_on(
    linked: Any, traced: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A read that kept its readings ended early, and nothing could be switched off: both are said, in this order."""
    driver = wired(linked)
    dead = threading.Event()
    cut = on_scan(3, lambda wire: dead.set())

    def breaks(wire: Wire, count: int, text: str) -> None:
        cut(wire, count, text)
        if dead.is_set():
            raise DriverError("the cable is out")

    def session() -> None:
        with traced(driver) as bench:
            driver.breaks = breaks
            bench.read(0, ALL)

    with pytest.raises(typer.Exit) as ended:
        reports_errors(session)()
    assert ended.value.exit_code == 8
    reason, last = capsys.readouterr().err.strip().splitlines()
    assert "the cable is out" in reason
    assert "these outputs may still be ON: output smu.a, output smu.b" in last
