"""The command as people start it: in a process of its own, from any folder, also where it is misused."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import xbar

Run = Callable[..., Any]
"""Runs `xbar` with arguments; returns exit code, standard output and standard error."""


def start(folder: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run `python -m xbar` in a folder, without a terminal."""
    environment = {name: value for name, value in os.environ.items() if name != "XBAR_DEBUG"}
    command = [sys.executable, "-m", "xbar", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, encoding="utf-8")


def test_the_module_is_the_command(tmp_path: Path) -> None:
    done = start(tmp_path, "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"xbar {xbar.__version__}\n", "")


def test_results_and_remarks_go_different_ways(tmp_path: Path, digits_file: Path) -> None:
    """Standard output is JSON and nothing else; without a terminal no progress is shown."""
    options = ("--data", "sample:digits", "--samples", 20, "--trace", "t.h5", "--json")
    done = start(tmp_path, "run", digits_file, *options)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {"accuracy", "layers", "effects", "wall_s", "seed", "bench_s"} <= report.keys()
    assert report["accuracy"].keys() == {"digital", "analog", "difference", "ci95", "n"}
    assert len(report["accuracy"]["ci95"]) == 2
    assert "wrote t.h5" in done.stderr
    assert "\x1b" not in done.stderr


def test_without_arguments_there_is_help(run: Run) -> None:
    """Nothing was asked, so it is a mistake (2); what there is to ask stands in the message."""
    for arguments in ((), ("trace",)):
        shown = run(*arguments)
        assert shown.code == 2
        assert "Usage: xbar" in shown.out + shown.err
        assert "Traceback" not in shown.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("frobnicate",), 2, ["frobnicate"]),
        (("demo", "--card", "unobtainium"), 2, ["unobtainium", "pcm"]),
        (("demo", "--sample", "letters"), 2, ["letters", "digits"]),
        (("demo", "--seed", "-1"), 2, ["--seed"]),
        (("sweep", "--cell", "99,99"), 2, ["(99, 99)", "0 to 31"]),
        (("sweep", "--cell", "a"), 2, ["ROW,COLUMN"]),
        (("sweep", "--from", "abc"), 2, ["abc", "unit"]),
        (("sweep", "--points", "0"), 2, ["--points"]),
        (("sweep", "--to", "50 V", "--trace", "t.h5"), 5, ["50 V", "1 V"]),
        (("read", "--voltage", "50 V"), 5, ["50 V", "1 V"]),
        (("read", "--size", "99999x1"), 2, ["8192"]),
        (("read", "--array", "3"), 2, ["array 3"]),
        (("read", "--target", "none.npz"), 3, ["none.npz"]),
        (("cards", "unobtainium"), 2, ["unobtainium", "pcm"]),
        (("plot", "none.h5", "-o", "p.png"), 3, ["none.h5"]),
        (("budget", "none.h5", "--data", "sample:digits"), 3, ["none.h5"]),
        (("replay", "none.h5"), 3, ["none.h5"]),
        (("map", "sample:digits", "-o", "m.h5", "--keep", "0"), 2, ["quantile"]),
        (("map", "sample:digits", "-o", "m.h5", "--encoding", "pairs"), 2, ["pairs", "differential", "offset-slices"]),
        (("map", "sample:digits", "-o", "m.h5", "--slice-bits", "2"), 2, ["differential", "no slices"]),
        (("map", "sample:digits", "-o", "m.h5", "--encoding", "slices", "--slice-bits", "9"), 2, ["9 bits", "1 to 8"]),
        (("map", "sample:digits", "-o", "m.h5", "--encoding", "slices", "--weight-bits", "17"), 2, ["17", "2 to 16"]),
        (
            ("map", "sample:digits", "-o", "m.h5", "--card", "mram", "--encoding", "slices", "--slice-bits", "2"),
            2,
            ["mram", "2 states", "2 bits", "at most 1 bit"],
        ),
        (
            ("map", "sample:digits", "-o", "m.h5", "--card", "mram", "--encoding", "offset"),
            2,
            ["mram", "no state", "offset-slices"],
        ),
        (("map", "sample:digits", "-o", "m.h5", "--tile", "32x4", "--encoding", "slices"), 2, ["4 bit lines", "8"]),
        (("map", "sample:digits", "-o", "m.h5", "--calibrate", "none.npz"), 3, ["none.npz"]),
    ],
    ids=str,
)
def test_mistakes_leave_nothing_behind(run: Run, arguments: tuple[str, ...], code: int, words: list[str]) -> None:
    """One message and the documented code; what was to be written is not there, not even an empty folder."""
    ended = run(*arguments)
    assert ended.code == code, ended.err
    assert ended.out == ""
    assert "Traceback" not in ended.err
    for word in words:
        assert word in ended.err
    # A trace is begun before the guard sees the first operation: it says that nothing was done.
    assert [path.name for path in Path().iterdir()] == (["t.h5"] if "--trace" in arguments else [])


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--seed", "-1"), 2, ["--seed"]),
        (("--only", "gravity"), 2, ["gravity", "programming_error"]),
        (("--dtype", "float16"), 2, ["float16"]),
        (("--card", "unobtainium"), 2, ["unobtainium"]),
        (("--outputs", "t.h5"), 2, ["same file"]),
        (("--figure", "t.h5"), 2, ["same file"]),
        (("--outputs", "no/o.npz"), 3, ["no"]),
    ],
    ids=str,
)
def test_a_run_that_is_refused_begins_no_trace(
    run: Run, digits_file: Path, options: tuple[str, ...], code: int, words: list[str]
) -> None:
    ended = run("run", digits_file, "--data", "sample:digits", "--trace", "t.h5", *options)
    assert ended.code == code, ended.err
    assert ended.out == ""
    for word in words:
        assert word in ended.err
    assert list(Path().iterdir()) == []


def test_a_gpu_that_is_not_there(run: Run, digits_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without CuPy the message says what to install (4), before a trace is begun."""
    monkeypatch.setitem(sys.modules, "cupy", None)
    ended = run("run", digits_file, "--data", "sample:digits", "--device", "gpu", "--trace", "t.h5")
    assert ended.code == 4
    assert "xbar-emulator[gpu]" in ended.err
    assert list(Path().iterdir()) == []


def test_the_trace_of_a_chip_that_exists(run: Run, digits_file: Path) -> None:
    """Every name is checked before the first chip runs; the name without a number is not written and may exist."""
    Path("t.h5").write_text("other", encoding="utf-8")
    Path("t.chip1.h5").write_text("mine", encoding="utf-8")
    command = ("run", digits_file, "--data", "sample:digits", "--samples", 20, "--repeat", 2, "--trace", "t.h5")
    ended = run(*command)
    assert ended.code == 3
    assert "t.chip1.h5 exists" in ended.err
    assert sorted(path.name for path in Path().iterdir()) == ["t.chip1.h5", "t.h5"]
    Path("t.chip1.h5").unlink()
    assert run(*command).code == 0
    assert sorted(path.name for path in Path().iterdir()) == ["t.chip0.h5", "t.chip1.h5", "t.h5"]
    assert Path("t.h5").read_text(encoding="utf-8") == "other"


def test_outputs_of_an_earlier_run_are_renamed_when_forced(run: Run, digits_file: Path) -> None:
    command = ("run", digits_file, "--data", "sample:digits", "--samples", 5, "--outputs", "o.npz")
    assert run(*command).code == 0
    first = Path("o.npz").read_bytes()
    assert run(*command).code == 3
    assert run(*command, "--force").code == 0
    assert Path("o.1.npz").read_bytes() == first
    assert sorted(path.name for path in Path().iterdir()) == ["o.1.npz", "o.npz"]


def test_one_sample_has_no_interval(run: Run, digits_file: Path) -> None:
    """What one sample cannot tell is unknown in words and null in JSON, never NaN."""
    command = ("run", digits_file, "--data", "sample:digits", "--samples", 1)
    shown = run(*command)
    assert "95 % interval unknown" in shown.out
    assert "nan" not in shown.out.lower()
    assert json.loads(run(*command, "--json").out)["accuracy"]["ci95"] == [None, None]


def test_data_with_something_else_in_them(run: Run, digits_file: Path) -> None:
    import zipfile

    with zipfile.ZipFile("d.npz", "w") as file:
        file.writestr("readme.txt", "hello")
    ended = run("run", digits_file, "--data", "d.npz")
    assert ended.code == 3
    assert "readme.txt" in ended.err
