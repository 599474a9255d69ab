"""A characterisation through a rack: of an array that is served by instruments, pulses and all."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import xbar
from xbar.bench.readings import CellReadings
from xbar.cli.characterise import characterise as command
from xbar.cli.errors import reports_errors
from xbar.programming.characterise import characterise, plan_steps
from xbar.programming.characterise_plan import parse_plan
from xbar_calibration.calibrate import calibrate
from xbar_calibration.settings import Settings
from xbar_calibration.trace_observations import trace_observations

PLAN = """schema = "xbar-characterise/1"
noise = { cells = 2, readings = 8, settle = ["0 s"] }
sweeps = { cells = 2, points = 5 }
products.skip = true
pulses = { cells = 10, readings = 10, trains = 3, width = "50 ms" }
"""


def test_pulses_through_instruments_give_the_pulse_law(serve: Any, rack_texts: dict[str, str], tmp_path: Path) -> None:
    """The rack has no one-shot write: pulses, readings, curves are measured, and the step of the card comes back."""
    text = rack_texts["linked"].replace('card = "generic"', f'card = "{tmp_path.as_posix()}/slow.toml"')
    text = text.replace("only = []\n", "").replace("1 V", "2 V")
    (tmp_path / "slow.toml").write_text(SLOW, encoding="utf-8")
    rack = serve("linked", text=text)
    bench_file = rack.bench_file()
    bench_file.write_text(bench_file.read_text().replace("0.5 V", "1.5 V"), encoding="utf-8")
    path = tmp_path / "t.h5"
    with xbar.open_bench(bench_file, record=path, level="full") as bench:
        found = plan_steps(
            parse_plan(PLAN), bench[0].capabilities, bench[0].limits, xbar.load_card(tmp_path / "slow.toml")
        )
        assert set(dict(found.left_out)) == {"wires", "levels", "retention", "products"}
        characterise(bench[0], found)
    with xbar.open_trace(path) as trace:
        for operation in list(trace)[:4]:
            if isinstance(operation.readings, CellReadings):  # on the clock of the bench, as the operations are
                assert operation.started <= operation.readings.time.min() <= operation.ended
    observed = trace_observations(path)
    assert observed.ramps is not None
    assert observed.ramps.up.shape[1] == 8  # two trains up of four cells: the other lines stand at 0 V, so one a line
    fit = calibrate(observed, Settings(hold_out=0.0)).fit("pulse_response")
    assert fit.kind == "soft_bounds"
    for name in ("step_up", "step_down"):
        assert fit.parameter(name).value == pytest.approx(0.25, rel=0.1), name
    assert fit.parameter("lower_bound").value == pytest.approx(20e-6, rel=0.05)
    assert fit.parameter("upper_bound").value == pytest.approx(120e-6, rel=0.02)


def test_a_dry_run_sends_nothing_to_hardware(linked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rack file tells what the rack can do: cells, readings and bench time are said without a command."""
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    app.command("characterise")(reports_errors(command))
    before = linked.server.messages
    arguments = ["--bench", str(linked.bench_file()), "-o", "t.h5", "--dry-run", "--json"]
    ended = CliRunner().invoke(app, arguments)
    assert ended.exit_code == 0, ended.output
    said = json.loads(ended.stdout)
    assert linked.server.messages == before
    assert said["steps"]["visit"]["readings"] == 4 * 20
    assert said["total"]["bench_s"] > 1
    assert "no card tells the pulses" in said["left_out"]["pulses"]
    assert not (tmp_path / "t.h5").exists()


SLOW = """schema = "xbar-card/1"
name = "slow"
title = "Soft bounds, long pulses"
source = "Round numbers"
g_min = "20 uS"
g_max = "120 uS"
read_voltage = "0.2 V"
[pulse_response]
kind = "soft_bounds"
state_min = -1.0
state_max = 1.0
step = 0.25
step_noise = 0.05
source = "Round numbers"
[write]
kind = "threshold"
set_voltage = "1 V"
reset_voltage = "-1 V"
width = "50 ms"
voltage_max = "2 V"
width_max = "500 ms"
set_threshold = "0.6 V"
reset_threshold = "-0.6 V"
source = "Round numbers"
"""
