"""The same lab script on the simulated bench and on a rack in front of `xbar serve`, with the same chip."""

import importlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.bench.operation import Operation, OperationKind
from xbar.bench.readings import CellReadings
from xbar_drivers.emulated.server import open_server

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts" / "lab"))

Floats = NDArray[np.float64]

RACK = """
schema = "xbar-rack/1"
time_scale = "fast"

[array]
card = "{card}"
seed = 7
rows = 4
cols = 5
without = {without}

[limits]
cell_voltage = "1 V"
current = "5 mA"

[[instruments]]
name = "smu"
model = "2636B"
address = "{{smu}}"
node = 1
noise = false

[[instruments]]
name = "switch"
model = "3706A"
address = "{{switch}}"
node = 2
cards = ["3730"]

[wires]
"smu.a" = "switch.1.row1"
"smu.b" = "switch.1.row2"
"gnd" = "switch.1.row3"
"switch.1.col1-4" = "word0-3"
"switch.1.col5-9" = "bit0-4"

[rack]
drive = "smu.a"
sense = "smu.b"
"""

LAB = """
schema = "xbar-bench/1"
driver = "rack"
address = "rack.toml"
[limits]
cell_voltage = "1 V"
current = "5 mA"
"""

SIM = """
schema = "xbar-bench/1"
driver = "sim"
options = {{ without = {without} }}
"""

Both = Callable[..., tuple[list[Operation], list[Operation]]]


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Both:
    """Return what writes a chip of a card, runs a script on both benches, and gives what both traces hold."""
    monkeypatch.chdir(tmp_path)

    def run(name: str, card: str, sim: str, without: list[str], *arguments: str) -> tuple[Any, Any]:
        low, high = xbar.load_card(card).g_min, xbar.load_card(card).g_max
        with xbar.open_bench("sim", card=card, rows=4, cols=5, seed=7, chip="chip.h5") as bench:
            bench[0].program(np.random.default_rng(1).uniform(low, high, (4, 5)))
        shutil.copyfile("chip.h5", "served.h5")  # a script on the one moves the clock of the other
        Path("sim.toml").write_text(SIM.format(without=json.dumps([*without, "adc"])), encoding="utf-8")
        Path("lab.toml").write_text(LAB, encoding="utf-8")
        text = RACK.format(card=card, without=json.dumps(without))
        addresses = {"smu": "TCPIP::127.0.0.1::hislip0,0::INSTR", "switch": "TCPIP::127.0.0.1::hislip1,0::INSTR"}
        Path("served.toml").write_text(text.format(**addresses), encoding="utf-8")
        script = importlib.import_module(name)
        script.main(["--bench", sim, "--card", card, "--chip", "chip.h5", "--trace", "sim.h5", *arguments])
        with open_server(Path("served.toml"), {"chip": Path("served.h5")}) as server:
            Path("rack.toml").write_text(text.format(**dict(server.addresses)), encoding="utf-8")
            capsys.readouterr()
            script.main(["--bench", "lab.toml", "--card", card, "--trace", "lab.h5", *arguments])
        assert server.report() == []
        printed = capsys.readouterr().out
        script.main(["--bench", "replay:lab.h5", "--card", card, *arguments])
        assert capsys.readouterr().out == printed
        with xbar.open_trace("sim.h5") as one, xbar.open_trace("lab.h5") as two:
            return list(one), list(two)

    return run


def current_of(operation: Operation) -> Floats:
    """Return the currents of an operation [A]."""
    assert operation.readings is not None
    return np.asarray(operation.readings.current, np.float64)


def digits(current: Floats) -> Floats:
    """Return half a last digit of the range that a current is measured in [A]: ranges are decades, digits 1e-6."""
    return np.asarray(0.51e-6 * 10.0 ** np.ceil(np.log10(np.maximum(np.abs(current), 1e-10))))


def test_iv_sweep_on_both(both: Both) -> None:
    """Cells with an I-V law: every point within the last digit, at the same voltages."""
    points = ["--cell", "1,3", "--amplitude", "0.2 V", "--points", "9", "--cycles", "2"]
    simulated, measured = both("iv_sweep", "reram_milo", "sim", [], *points)
    assert [len(current_of(operation)) for operation in measured] == 2 * [4 * 9 - 3]
    for one, two in zip(simulated, measured, strict=True):
        assert isinstance(one.readings, CellReadings)
        assert isinstance(two.readings, CellReadings)
        assert np.array_equal(one.readings.applied, two.readings.applied)
        assert (two.readings.status == 0).all()
        assert (np.abs(current_of(two) - current_of(one)) <= digits(current_of(one))).all()
        low, high = (two.readings.current[k, 0] / two.readings.applied[k, 0] for k in (1, 8))
        assert abs(high / low - 1) > 1e-3, "the cell is not linear"


def test_mvm_characterisation_on_both(both: Both) -> None:
    """Readings within the last digit, products within those of the planes of both signs that are added up."""
    quiet = ["read_noise", "flicker_noise", "drift"]
    arguments = ["--write", "none", "--vectors", "5", "--repeat", "2"]
    simulated, measured = both("mvm_characterisation", "pcm", "sim.toml", quiet, *arguments)
    assert [operation.request.kind for operation in measured] == [OperationKind.READ, OperationKind.MVM]
    (cells, products), (read, added) = map(current_of, simulated), map(current_of, measured)
    assert (np.abs(read - cells) <= digits(cells)).all()
    assert np.abs(added - products).max() <= 2 * digits(np.array(1e-4))
    assert np.abs(added).max() > 5e-6
