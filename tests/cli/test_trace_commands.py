"""`xbar trace`: what a trace holds, whether it is right, and what can be saved of one that is not."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

import xbar

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
    assert (values["card"], values["seed"], values["level"], values["stops"]) == ("pcm", 0, "outputs", None)
    assert values["arrays"] == {"0": 5, "1": 5}
    assert values["tables"]["operations"]["values"] == 11
    assert values["units"]["cells/current"] == "A"
    assert values["first_operation"] <= values["last_operation"]
    assert values["first_operation"].endswith("+00:00")
    assert values["complete"] is True
    assert values["run"]["samples"] == 40
    assert sorted(values["embedded"]) == ["data.npz", "map.h5"]
    assert all(size > 1000 for size in values["embedded"].values())
    assert values["result"]["samples"] == 40
    shown = run("trace", "info", trace)
    for word in ("mvm", "sim:pcm", "card pcm, seed 0", "0 (5), 1 (5)", "status ok, complete", "map.h5 (0.08 MB)"):
        assert word in shown.out


def test_verify_finds_a_changed_bit(run: Run, trace: str) -> None:
    assert run("trace", "verify", trace).out == "all 10 operations are right; status ok\n"
    with h5py.File(trace, "r+") as file:
        codes = file["run/data/codes"]
        codes[-1] ^= 1
    found = run("trace", "verify", trace, "--json")
    assert found.code == 3
    values = json.loads(found.out)
    assert (values["operations"], values["complete"], values["status"], values["damaged"]) == (9, False, "ok", True)
    assert (values["fault"]["operation"], values["fault"]["column"]) == (9, "data/codes")
    assert "number 9 is not: the checksum of data/codes" in run("trace", "verify", trace).out
    assert run("trace", "verify", trace, "--timeout", 0).code == 2


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


def test_info_says_where_a_trace_stops(run: Run, trace: str) -> None:
    with h5py.File(trace, "r+") as file:
        file["run/data/codes"][-1] ^= 1
    shown = run("trace", "info", trace)
    assert shown.code == 0
    assert "damaged, stops after 9 operations: the checksum of data/codes" in shown.out
    assert json.loads(run("trace", "info", trace, "--json").out)["operations"] == {"mvm": 7, "program": 2}


def test_a_packed_trace_replays(run: Run, trace: str) -> None:
    done = run("trace", "pack", trace, "-o", "p.h5", "--json")
    values = json.loads(done.out)
    assert values["operations"] == 10
    assert values["ratio"] == values["source_bytes"] / values["target_bytes"] > 2
    assert "10 operations packed, " in run("trace", "pack", trace, "-o", "p.h5", "--force").out
    assert run("replay", "p.h5").code == 0
    assert run("trace", "verify", "p.h5").out == "all 10 operations are right; status ok\n"
    assert run("trace", "diff", trace, "p.h5").out == "equal: 10 operations\n"
    assert run("trace", "pack", trace, "-o", "p.h5").code == 3
    assert run("trace", "pack", trace, "-o", trace, "--force").code == 2


def test_diff_names_the_first_operation_that_differs(run: Run, trace: str, digits_file: Path) -> None:
    """Another chip programs the same targets and gives other codes; the code of the end says that they differ."""
    options = ("--data", "sample:digits", "--samples", 40, "--batch", 10, "--seed", 1, "--trace", "u.h5")
    assert run("run", digits_file, *options).code == 0
    found = run("trace", "diff", trace, "u.h5")
    assert found.code == 6
    assert "head, drivers.0.settings.seed: 0 | 1\n" in found.out
    assert "2 operations are equal; they part in number 2:\n  readings.codes[0, 0, " in found.out
    values = json.loads(run("trace", "diff", trace, "u.h5", "--json").out)
    assert (values["equal"], values["same"], values["difference"]["field"]) == (False, 2, "readings.codes")
    assert run("trace", "diff", trace, trace).code == 0


def test_watch_shows_a_trace_that_has_ended(run: Run, trace: str) -> None:
    shown = run("trace", "watch", trace)
    assert (shown.code, shown.err) == (0, "")
    assert re.fullmatch(r"10 operations, \S+ per second, last mvm, bench time \S+ ms, ok\n", shown.out)
    values = json.loads(run("trace", "watch", trace, "--once", "--json").out)
    assert (values["operations"], values["new"], values["status"]) == (10, 10, "ok")


def test_watch_keeps_a_figure_in_a_file(run: Run, trace: str) -> None:
    assert run("trace", "watch", trace, "-o", "w.png").code == 0
    assert Path("w.png").read_bytes().startswith(b"\x89PNG")
    assert run("trace", "watch", trace, "-o", "w.png").code == 3
    assert run("trace", "watch", trace, "-o", "w.png", "--force").code == 0
    assert Path("w.1.png").exists()
    assert run("trace", "watch", trace, "-o", "w.txt").code == 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there always is a display")
def test_watch_says_that_there_is_no_display(run: Run, trace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    ended = run("trace", "watch", trace, "--figure")
    assert ended.code == 4
    assert "no display" in ended.err
    assert "-o FIGURE.png" in ended.err


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to a whole console")
def test_ctrl_c_ends_watching_without_complaint(tmp_path: Path, killed: bytes) -> None:
    """A viewer that is closed has done what was asked: exit code 0."""
    (tmp_path / "t.h5").write_bytes(killed)
    command = [sys.executable, "-m", "xbar", "trace", "watch", "t.h5", "--interval", "60"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline().endswith("running\n")
        watching.send_signal(signal.SIGINT)
        _, err = watching.communicate(timeout=30)
    assert (watching.returncode, err) == (0, "")


@pytest.fixture
def killed(tmp_path: Path) -> bytes:
    """Return a trace as its writer left it: it says that this process, which runs, writes it."""
    with xbar.open_bench("sim", card="pcm", rows=4, cols=3, record=tmp_path / "live.h5", flush=0.0) as bench:
        bench[0].read_all()
        return (tmp_path / "live.h5").read_bytes()


def test_a_trace_that_was_not_closed(run: Run, killed: bytes) -> None:
    """Looked at, verified and copied without waiting for a writer that will not come back."""
    Path("t.h5").write_bytes(killed)
    assert "status open, its writer runs; stops after 1 operations" in run("trace", "info", "t.h5").out
    assert run("trace", "verify", "t.h5").code == 0
    assert run("trace", "recover", "t.h5", "-o", "r.h5").out == "1 operations recovered\n"
    packed = run("trace", "pack", "t.h5", "-o", "p.h5")
    assert "what is behind these operations is left out" in packed.out
    assert run("trace", "diff", "r.h5", "p.h5").code == 0
    assert run("trace", "plot", "t.h5", "-o", "t.png").code == 0
    assert Path("t.h5").read_bytes() == killed


def test_plot_is_that_of_xbar_plot(run: Run, trace: str) -> None:
    assert run("trace", "plot", trace, "-o", "a.svg").code == 0
    assert run("plot", trace, "-o", "b.svg").code == 0
    texts = [
        re.sub(r'[a-z0-9]{11}|id="[^"]*"', "", Path(name).read_text(encoding="utf-8")) for name in ("a.svg", "b.svg")
    ]
    assert len(texts[0]) == len(texts[1]) > 10_000
    assert run("trace", "plot", trace, "-o", "a.svg").code == 3
    assert run("trace", "plot", trace, "-o", "c.svg", "--array", 99).code == 2


def test_export_writes_a_table(run: Run, trace: str) -> None:
    done = run("trace", "export", trace, "--table", "vectors", "--array", 1, "-o", "v.csv", "--json")
    rows = json.loads(done.out)["rows"]
    lines = Path("v.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("operation,time [s],array,vector,event,col,code,current [A]")
    assert len(lines) == rows + 1 == 40 * 20 + 1
    assert run("trace", "export", trace, "-o", "v.xls").code == 2
    assert run("trace", "export", trace, "--table", "all", "-o", "w.csv").code == 2
