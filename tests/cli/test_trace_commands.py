"""`xbar trace`: what a trace holds, whether it is right, and what can be saved of one that is not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

Run = Callable[..., Any]
"""Runs `xbar` with arguments; returns exit code, standard output and standard error."""


@pytest.fixture
def trace(run: Run, digits_file: Path) -> str:
    """Return the trace of a short run."""
    options = ("--data", "sample:digits", "--samples", 40, "--batch", 10, "--trace", "t.h5")
    assert run("run", digits_file, *options).code == 0
    return "t.h5"


def test_info_tells_what_is_in_it(run: Run, trace: str) -> None:
    values = json.loads(run("trace", "info", trace, "--json").out)
    assert values["operations"] == {"mvm": 8, "program": 2}
    assert values["complete"] is True
    assert values["run"]["samples"] == 40
    assert values["embedded"] == ["data.npz", "map.h5"]
    assert values["result"]["samples"] == 40
    shown = run("trace", "info", trace)
    assert "mvm" in shown.out
    assert "sim:pcm" in shown.out


def test_verify_finds_a_changed_bit(run: Run, trace: str) -> None:
    assert run("trace", "verify", trace).out == "all 10 operations are right; status ok\n"
    with h5py.File(trace, "r+") as file:
        codes = file["run/data/codes"]
        codes[-1] ^= 1
    found = run("trace", "verify", trace, "--json")
    assert found.code == 3
    assert json.loads(found.out) == {"operations": 9, "complete": False, "status": "ok", "damaged": True}


def test_what_is_recovered_replays_until_it_ends(run: Run, trace: str) -> None:
    """A copy of a whole trace replays; one that lacks its end is refused at the operation that it lacks."""
    assert run("trace", "recover", trace, "-o", "whole.h5").code == 0
    assert run("replay", "whole.h5").code == 0
    with h5py.File(trace, "r+") as file:
        file["run/data/codes"][-1] ^= 1
    done = run("trace", "recover", trace, "-o", "part.h5", "--json")
    assert json.loads(done.out) == {"operations": 9, "complete": False}
    assert run("trace", "verify", "part.h5").code == 0
    assert run("replay", "part.h5").code == 6
    assert run("trace", "recover", trace, "-o", "part.h5").code == 3


def test_other_files_are_refused(run: Run, digits_file: Path) -> None:
    for command in ("info", "verify"):
        ended = run("trace", command, digits_file)
        assert ended.code == 3
        assert "no trace" in ended.err
    assert run("trace", "info", "none.h5").code == 3


def test_export_writes_a_table(run: Run, trace: str) -> None:
    done = run("trace", "export", trace, "--table", "vectors", "--array", 1, "-o", "v.csv", "--json")
    rows = json.loads(done.out)["rows"]
    lines = Path("v.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "operation,time [s],array,vector,event,col,code,current [A]"
    assert len(lines) == rows + 1 == 40 * 20 + 1
    assert run("trace", "export", trace, "-o", "v.parquet").code == 2
    assert run("trace", "export", trace, "--table", "all", "-o", "w.csv").code == 2
