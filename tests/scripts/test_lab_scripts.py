"""The lab scripts: measured on the simulated bench, replayed from their traces, run on a served rack."""

import importlib
import io
import re
import runpy
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import xbar
from xbar.bench.bench import Bench
from xbar.bench.capabilities import Identity
from xbar.bench.cell_life import CellFlag
from xbar.bench.chip import open_chip
from xbar.bench.limits import Limits
from xbar.errors import DriverError, InputError, ReplayError
from xbar.trace.recorder import TraceRecorder
from xbar_drivers.emulated.server import BenchServer, open_server
from xbar_drivers.simulated import SimulatedDriver

LAB = Path(__file__).resolve().parents[2] / "scripts" / "lab"
sys.path.append(str(LAB))

SMALL = {
    "iv_sweep": ["--size", "2x2", "--points", "12", "--cycles", "2"],
    "forming": ["--size", "4x4", "--step", "0.1 V"],
    "program_verify": ["--size", "4x4", "--band", "10 uS"],
    "retention": ["--size", "4x4", "--points", "4"],
    "endurance": ["--size", "2x2", "--cells", "2", "--cycles", "12"],
    "read_disturb": ["--size", "2x2", "--stress", "0.4 V", "--stress", "0.6 V", "--readings", "100"],
    "mvm_characterisation": ["--size", "8x4", "--vectors", "16"],
}
"""Arguments that make a run short."""

Run = Callable[..., str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs a script in an empty folder and gives what it printed as its result."""
    monkeypatch.chdir(tmp_path)

    def call(name: str, *arguments: str) -> str:
        importlib.import_module(name).main(arguments)
        return capsys.readouterr().out

    return call


def column(text: str, number: int) -> list[float]:
    """Return the numbers of a column of a table whose cells stand two spaces apart, in SI units."""
    cells = [re.split(r" {2,}", line.strip())[number] for line in text.splitlines()[1:]]
    return [float(cell.split()[0]) * {"n": 1e-9, "u": 1e-6, "m": 1e-3}.get(cell.split()[-1][0], 1.0) for cell in cells]


@pytest.mark.parametrize("name", SMALL)
def test_a_replay_of_its_trace_prints_the_same(name: str, run: Run) -> None:
    """Each script logs, draws, and gives the same numbers from its trace."""
    found = run(name, *SMALL[name], "--trace", "t.h5", "--figure", "f.png")
    assert Path("f.png").read_bytes().startswith(b"\x89PNG")
    with xbar.open_trace("t.h5") as trace:
        assert len(trace.select("operations")) > 1
    assert len(found.splitlines()) > 2
    assert "nan" not in found
    assert run(name, *SMALL[name], "--bench", "replay:t.h5", "--figure", "again.svg") == found
    assert Path("again.svg").exists()


def test_all_scripts_are_tested() -> None:
    scripts = {path.stem for path in LAB.glob("*.py")} - {"lab_bench"}
    assert scripts == set(SMALL)
    text = (LAB / "README.md").read_text(encoding="utf-8")
    assert all(f"python scripts/lab/{name}.py" in text for name in scripts)


def test_a_sweep_has_hysteresis_and_stands_in_the_trace(run: Run) -> None:
    """The way back of the first cycle conducts more; the trace has every voltage of both cycles."""
    found = run("iv_sweep", *SMALL["iv_sweep"], "--trace", "t.h5")
    assert column(found, 5)[0] > 1.3
    with xbar.open_trace("t.h5") as trace:
        reads = trace.reads(array=0, cell=(0, 0))
        assert len(reads) == 2 * (4 * 12 - 3)
        at = np.flatnonzero(np.isclose(reads["applied"], 1.0))
        assert len(at) == 2


def test_a_cell_that_does_not_move_has_no_hysteresis(run: Run) -> None:
    found = run("iv_sweep", "--card", "reram_milo", "--amplitude", "0.2 V", "--size", "2x2", "--points", "5")
    assert column(found, 5) == [1.0] * 6


def test_forming_flags_the_cells_in_the_chip_file(run: Run) -> None:
    """All cells conduct in the end, the file says so, and a second run leaves them alone."""
    first = run("forming", *SMALL["forming"], "--seed", "1", "--chip", "chip.h5")
    assert "not formed    0 of 16" in first
    kept = open_chip("chip.h5", lock=False).cells(0)
    assert (kept.flags & CellFlag.FORMED).all()
    again = run("forming", "--chip", "chip.h5")
    assert "conducted before  16 of 16" in again
    assert np.array_equal(open_chip("chip.h5", lock=False).cells(0).pulses, kept.pulses)


def test_a_pattern_is_reached(run: Run) -> None:
    found = run("program_verify", *SMALL["program_verify"], "--pattern", "gradient")
    assert found.startswith("16 of 16 cells: 100.00 % reached")


def test_retention_finds_the_drift_of_the_card(run: Run) -> None:
    """Levels of phase-change memory drift with an exponent of some percent; ideal cells keep them."""
    assert all(0.02 < e < 0.08 for e in column(run("retention", *SMALL["retention"]), 5))
    ideal = run("retention", *SMALL["retention"], "--card", "ideal")
    assert column(ideal, 1) == column(ideal, 3) == pytest.approx([20e-6, 40e-6, 60e-6, 80e-6])


def test_the_window_closes_with_the_cycles(run: Run) -> None:
    window = column(run("endurance", *SMALL["endurance"]), 3)
    assert window[1] > window[-1] > 1  # the first cycle begins at a fresh cell


def test_only_a_high_voltage_disturbs(run: Run) -> None:
    """Nb:STO moves above 0.5 V alone."""
    low, high = column(run("read_disturb", *SMALL["read_disturb"]), 3)
    assert low == 0
    assert high > 0.1


def test_products_of_an_ideal_array_are_those_of_its_cells(run: Run) -> None:
    """Converters of 8 bits alone leave an error below one step; phase-change cells leave more."""

    def share(card: str) -> float:
        found = run("mvm_characterisation", *SMALL["mvm_characterisation"], "--card", card)
        match = re.search(r"of full scale +([\d.]+) %", found)
        assert match is not None
        return float(match[1])

    assert share("ideal") < 1.0 < share("pcm")


def test_another_request_than_the_recorded_one_is_refused(run: Run) -> None:
    run("retention", *SMALL["retention"], "--trace", "t.h5")
    with pytest.raises(ReplayError):
        run("retention", *SMALL["retention"], "--to", "1 h", "--bench", "replay:t.h5")


def test_a_measurement_that_was_cut_off_goes_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off in the middle of its waits, then resumed: the same table, and one trace of all of it."""
    whole = run("retention", *SMALL["retention"])
    wait, seen = SimulatedDriver.wait, [0]

    def cut(driver: SimulatedDriver, seconds: float) -> None:
        seen[0] += 1
        if seen[0] == 3:
            raise OSError("the power went")
        wait(driver, seconds)

    with monkeypatch.context() as patch:
        patch.setattr(SimulatedDriver, "wait", cut)
        with pytest.raises(DriverError, match="the power went"):
            run("retention", *SMALL["retention"], "--trace", "old.h5")
    found = run("retention", *SMALL["retention"], "--resume", "old.h5", "--trace", "new.h5")
    assert found == whole
    with xbar.open_trace("new.h5") as new, xbar.open_trace("old.h5") as old:
        assert new.provenance["resumed"]["done_again"] == 1
        assert len(new) > len(old)


def test_errors_are_one_line_and_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A trace that exists is not overwritten: exit code 3; a card without pulses cannot form: 2."""
    monkeypatch.chdir(tmp_path)
    Path("t.h5").write_bytes(b"mine")
    for name, arguments, code in (("iv_sweep", ["--trace", "t.h5"], 3), ("forming", ["--card", "pcm"], 2)):
        monkeypatch.setattr(sys, "argv", [str(LAB / f"{name}.py"), *arguments])
        with pytest.raises(SystemExit) as caught:
            runpy.run_path(str(LAB / f"{name}.py"), run_name="__main__")
        assert caught.value.code == code
        assert capsys.readouterr().err.startswith(f"{name}: ")
    assert Path("t.h5").read_bytes() == b"mine"


# ---- on a rack

RACK = """
schema = "xbar-rack/1"
time_scale = "fast"

[array]
card = "reram_array_hfo2"
rows = 2
cols = 3

[limits]
cell_voltage = "2 V"
current = "5 mA"

[[instruments]]
name = "smu"
model = "2636B"
address = "{smu}"
node = 1

[[instruments]]
name = "switch"
model = "3706A"
address = "{switch}"
node = 2
cards = ["3730"]

[wires]
"smu.a" = "switch.1.row1"
"smu.b" = "switch.1.row2"
"gnd" = "switch.1.row3"
"switch.1.col1-2" = "word0-1"
"switch.1.col3-5" = "bit0-2"

[rack]
drive = "smu.a"
sense = "smu.b"
"""

BENCH = """
schema = "xbar-bench/1"
driver = "rack"
address = "rack.toml"

[limits]
cell_voltage = "2 V"
current = "5 mA"
"""

ON_A_RACK = {
    "iv_sweep": ["--amplitude", "0.4 V", "--points", "5", "--cycles", "1"],
    "forming": ["--width", "1 ms", "--step", "0.3 V", "--unselected", "ground", "--yes"],
    "program_verify": ["--width", "1 ms", "--max-pulses", "3", "--unselected", "ground", "--yes"],
    "retention": ["--card", "reram_array_hfo2", "--write", "none", "--points", "2", "--from", "1 ms", "--to", "2 ms"],
    "endurance": [
        *["--card", "reram_array_hfo2", "--cycles", "2", "--pulses", "1", "--width", "1 ms"],
        *["--unselected", "ground", "--yes"],
    ],
    "read_disturb": ["--write", "none", "--stress", "0.3 V", "--readings", "4"],
    "mvm_characterisation": ["--card", "reram_array_hfo2", "--write", "none", "--vectors", "3", "--repeat", "1"],
}


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[BenchServer]:
    """Serve a rack; `lab.toml` in the test's folder reaches it."""
    addresses = {"smu": "TCPIP::127.0.0.1::hislip0,0::INSTR", "switch": "TCPIP::127.0.0.1::hislip1,0::INSTR"}
    (tmp_path / "served.toml").write_text(RACK.format(**addresses))
    (tmp_path / "lab.toml").write_text(BENCH)
    server = open_server(tmp_path / "served.toml", {})
    with server:
        (tmp_path / "rack.toml").write_text(RACK.format(**dict(server.addresses)))
        yield server


def test_every_script_runs_on_a_rack(rack: BenchServer, run: Run) -> None:
    """The same scripts drive instruments, leave nothing on, and replay."""
    for name, arguments in ON_A_RACK.items():
        found = run(name, *arguments, "--bench", "lab.toml", "--trace", f"{name}.h5")
        assert "nan" not in found, name
        assert run(name, *arguments, "--bench", f"replay:{name}.h5") == found, name
    rack.close()
    assert rack.report() == []


class RealCells(SimulatedDriver):
    """Simulated cells that pass for real ones."""

    hardware = True

    def open(self) -> Identity:
        """Open, and say that the cells are real."""
        who = super().open()
        self.capabilities = replace(self.capabilities, hardware=True)
        return who


def real_bench(*_: object, record: Path, **__: object) -> Bench:
    """Return a bench of cells that pass for real ones."""
    driver = RealCells("reram_array_hfo2", rows=2, cols=2)
    return Bench(driver, recorder=TraceRecorder(record, provenance={}), limits=Limits(2.0, 5e-3))


@pytest.mark.parametrize(
    ("name", "arguments", "answer", "message"),
    [
        ("forming", [], "n", "not confirmed"),
        ("program_verify", [], "", "not confirmed"),
        ("endurance", ["--card", "reram_array_hfo2"], "no", "not confirmed"),
        ("retention", ["--card", "reram_array_hfo2", "--write", "pulses"], "n", "not confirmed"),
        ("retention", ["--write", "once"], "n", "not confirmed"),
        ("mvm_characterisation", [], "y", "say --write"),
        ("read_disturb", [], "y", "say --write"),
    ],
)
def test_real_cells_are_written_only_when_told(
    name: str, arguments: list[str], answer: str, message: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --yes a script asks; without --write nothing is written before a measurement; no operation is done."""
    monkeypatch.setattr(xbar, "open_bench", real_bench)
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{answer}\n"))
    with pytest.raises(InputError, match=message):
        run(name, *arguments, "--trace", "t.h5")
    with xbar.open_trace("t.h5") as trace:
        assert len(trace.select("operations")) == 0


def test_real_cells_are_written_after_a_yes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xbar, "open_bench", real_bench)
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert "of 4 cells" in run("program_verify", "--trace", "t.h5")
