"""`xbar program`: cells of a map written by pulses, kept on a chip, and run on without programming again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xbar
from xbar.bench.chip import open_chip

Run = Callable[..., Any]


@pytest.fixture
def matrix(run: Run, tmp_path: Path) -> str:
    """Return a map of a 12 x 4 matrix for a card that takes pulses, and data for it."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "w.npz", w=rng.uniform(-1, 1, (12, 4)))
    np.savez(tmp_path / "x.npz", x=rng.uniform(0, 1, (40, 12)).astype(np.float32))
    done = run("map", "--weights", "w.npz", "-o", "m.h5", "--card", "reram_array_hfo2", "--tile", "12x8")
    assert done.code == 0
    return "m.h5"


def test_a_chip_is_programmed_and_then_run(run: Run, matrix: str) -> None:
    """What the report says of the cells stands in the chip file, the trace replays, and a run meets these cells."""
    options = ("--band", "5 uS", "--readings", 2, "--trace", "p.h5")
    done = run("program", matrix, "--chip", "c.h5", *options, "--json")
    assert done.code == 0
    report = json.loads(done.out)
    assert report["cells"] == 12 * 8
    assert 0.6 < report["reached"] / report["cells"] < 1.0
    chip = open_chip("c.h5", lock=False)
    assert int(chip.cells(0).pulses.sum()) == report["pulses"]
    assert int((chip.cells(0).flags != 0).sum()) == report["cells"] - report["reached"]
    with xbar.open_trace("p.h5") as trace:
        assert {int(kind) for kind in trace.operations["kind"]} == {3, 5}
    ran = run("run", matrix, "--data", "x.npz", "--chip", "c.h5", "--no-program", "--json")
    assert ran.code == 0
    layer = json.loads(ran.out)["layers"][0]
    fresh = json.loads(run("run", matrix, "--data", "x.npz", "--json").out)["layers"][0]
    assert layer["snr_db"] > 5
    assert layer["snr_db"] != fresh["snr_db"]


def test_a_second_time_takes_few_pulses(run: Run, matrix: str) -> None:
    """Cells that are in the band already are left alone; only those that were given up are tried again."""
    first = json.loads(run("program", matrix, "--chip", "c.h5", "--band", "5 uS", "--json").out)
    again = json.loads(run("program", matrix, "--chip", "c.h5", "--band", "5 uS", "--json").out)
    given_up = first["cells"] - first["reached"]
    assert again["pulses"] <= 100 * given_up + 20
    assert again["reached"] >= first["reached"]


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        (("--band", "5"), 2, "unit"),
        (("--band", "5 uS", "--method", "magic"), 2, "known is ispp"),
        (("--band", "-1 uS"), 2, "above 0 S"),
        (("--band", "5 uS", "--bench", "replay:none.h5"), 3, "none.h5"),
    ],
    ids=str,
)
def test_mistakes(run: Run, matrix: str, options: tuple[str, ...], code: int, word: str) -> None:
    done = run("program", matrix, "--chip", "c.h5", *options)
    assert done.code == code
    assert word in done.err


def test_a_card_without_pulses_is_refused(run: Run, digits_file: Path) -> None:
    done = run("program", digits_file, "--chip", "c.h5", "--band", "1 uS")
    assert done.code == 2
    assert "names no write pulses" in done.err
