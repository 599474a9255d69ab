"""`xbar characterise`: what a dry run says, the trace, its replay, and the card that is fitted to it."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import xbar
from xbar.errors import Interrupted
from xbar.programming.characterise import characterise, plan_steps
from xbar.programming.characterise_plan import parse_plan

Run = Callable[..., Any]

PLAN = """schema = "xbar-characterise/1"
retention.visits = 4
noise.readings = 16
noise.cells = 4
sweeps.cells = 4
"""


@pytest.fixture
def plan(tmp_path: Path) -> str:
    (tmp_path / "plan.toml").write_text(PLAN, encoding="utf-8")
    return "plan.toml"


def test_a_dry_run_says_what_would_be_done_and_does_nothing(run: Run, plan: str, tmp_path: Path) -> None:
    """Cells, pulses, voltage, readings and bench time of every step; no trace, no chip is written."""
    sim = ("--card", "reram_array_hfo2", "--size", "8x8", "--plan", plan)
    done = run("characterise", *sim, "-o", "t.h5", "--dry-run", "--json")
    assert done.code == 0
    said = json.loads(done.out)
    assert said["cells"] == 64
    assert said["pulses_per_cell"] == 160
    assert said["total"]["worst_voltage_V"] == 1.0
    assert said["total"]["bench_s"] > 1e5
    assert said["steps"]["levels"]["cells_written"] == 128
    assert not (tmp_path / "t.h5").exists()
    table = run("characterise", *sim, "-o", "t.h5", "--dry-run").out
    assert "64 cells, at most 160 pulses a cell" in table
    assert "worst voltage" in table


def test_the_trace_is_calibrated_and_replayed(run: Run, plan: str, tmp_path: Path) -> None:
    """The trace says which operation belongs to which step, replays by itself, and gives a card."""
    done = run("characterise", "--card", "pcm", "--size", "10x10", "--seed", 2, "--plan", plan, "-o", "t.h5", "--json")
    assert done.code == 0
    report = json.loads(done.out)
    assert report["left_out"] == {"pulses": "this bench does not take pulses"}
    with xbar.open_trace(tmp_path / "t.h5") as trace:
        assert trace.result is not None
        steps = trace.result["characterise"]["steps"]
        assert trace.provenance["characterise"]["plan"] == PLAN
        assert sum(step["count"] for step in steps) == len(trace.operations)
        first = next(step["first"] for step in steps if step["name"] == "products")
        assert [int(kind) for kind in trace.operations["kind"][first : first + 3]] == [3, 2, 2]
    assert run("characterise", "--bench", "replay:t.h5", "-o", "again.h5").code == 0
    assert run("trace", "diff", "t.h5", "again.h5").code == 0
    fitted = run("calibrate", "t.h5", "-o", "twin.toml", "--t-read", "250 ns", "--json")
    assert fitted.code == 0
    laws = {law["law"] for law in json.loads(fitted.out)["laws"]}
    assert {"read_noise", "programming_error", "drift", "flicker_noise"} <= laws


def test_one_that_was_cut_off_is_resumed(run: Run, plan: str, tmp_path: Path) -> None:
    """With the same command and the old trace the new one holds what an unbroken one holds, bit for bit."""
    sim = ("--card", "reram_array_hfo2", "--size", "6x6", "--seed", 4)
    assert run("characterise", *sim, "--plan", plan, "-o", "whole.h5").code == 0
    card = xbar.load_card("reram_array_hfo2")
    said = {"characterise": {"plan": PLAN, "array": 0, "card": card.text}}
    done = list[str]()

    def tell(step: str, count: int, total: int) -> None:
        done.append(step)
        if step == "pulses" and count == 20:
            signal.raise_signal(signal.SIGINT)

    bench = xbar.open_bench("sim", card=card, rows=6, cols=6, seed=4, record="cut.h5", level="full", provenance=said)
    found = plan_steps(parse_plan(PLAN), bench[0].capabilities, bench[0].limits, card, simulated=True)
    with pytest.raises(Interrupted), bench:
        characterise(bench[0], found, tell)
    resumed = run("characterise", *sim, "--resume", "cut.h5", "-o", "all.h5")
    assert resumed.code == 0, resumed.err
    assert run("trace", "diff", "whole.h5", "all.h5").code == 0
    with xbar.open_trace("all.h5") as trace:
        assert trace.provenance["resumed"]["operations"] == len(done)
        assert trace.status == "ok"
    assert "was" in run("characterise", *sim[:-1], 5, "--resume", "cut.h5", "-o", "other.h5").err


def test_mistakes_are_told_before_anything_is_measured(run: Run, plan: str, tmp_path: Path) -> None:
    """An existing trace, a missing plan, a wrong key and a replay of something else end with the reason."""
    (tmp_path / "t.h5").write_text("mine")
    done = run("characterise", "--size", "8x8", "-o", "t.h5")
    assert done.code != 0
    assert "exists" in done.err
    assert (tmp_path / "t.h5").read_text() == "mine"
    assert "does not exist" in run("characterise", "-o", "u.h5", "--plan", "none.toml").err
    (tmp_path / "bad.toml").write_text("pulse.cells = 3\n")
    assert "pulse: is not a key of this file" in run("characterise", "-o", "u.h5", "--plan", "bad.toml").err
    assert run("read", "--size", "4x4", "--trace", "r.h5").code == 0
    done = run("characterise", "--bench", "replay:r.h5", "-o", "u.h5")
    assert "holds no characterisation" in done.err
    assert not (tmp_path / "u.h5").exists()


def test_what_the_limits_forbid_leaves_no_trace(run: Run, tmp_path: Path) -> None:
    """A sweep above the limit is refused before the file is begun, so that the corrected command finds no file."""
    (tmp_path / "high.toml").write_text('schema = "xbar-characterise/1"\nsweeps.voltage = "9 V"\n', encoding="utf-8")
    done = run("characterise", "--card", "pcm", "--size", "8x8", "--plan", "high.toml", "-o", "t.h5")
    assert done.code == 5
    assert "above the limit of the bench" in done.err
    assert not (tmp_path / "t.h5").exists()
