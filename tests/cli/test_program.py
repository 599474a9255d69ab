"""`xbar program`: cells of a map written by pulses, kept on a chip, and run on without programming again."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xbar
from xbar.bench.cell_life import CellFlag
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
        (("--band", "5 uS", "--method", "magic"), 2, "known are form, ispp, gdp"),
        (("--band", "-1 uS"), 2, "above 0 S"),
        ((), 2, "needs the band"),
        (("--method", "form"), 2, "no law of forming"),
        (("--method", "gdp", "--tolerance", "-1 uS"), 2, "tolerance"),
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


def test_fresh_cells_are_formed_and_then_written(run: Run, tmp_path: Path) -> None:
    """A one-shot run refuses fresh cells; after forming the chip file flags them, and write-verify reaches them."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "w.npz", w=rng.uniform(-1, 1, (6, 4)))
    np.savez(tmp_path / "x.npz", x=rng.uniform(0, 1, (10, 6)).astype(np.float32))
    assert run("map", "--weights", "w.npz", "-o", "m.h5", "--card", "generic_forming", "--tile", "6x8").code == 0
    refused = run("run", "m.h5", "--data", "x.npz")
    assert refused.code == 2
    assert "--method form" in refused.err
    too_high = run("program", "m.h5", "--chip", "w.h5", "--method", "form", "--to", "9 V")
    assert too_high.code == 5
    assert "9 V" in too_high.err
    weak = json.loads(run("program", "m.h5", "--chip", "w.h5", "--method", "form", "--to", "2.9 V", "--json").out)
    flags = open_chip("w.h5", lock=False).cells(0).flags
    assert 0 < weak["reached"] == int((flags & CellFlag.FORMED != 0).sum()) < 48
    assert int((flags & CellFlag.GAVE_UP != 0).sum()) == 48 - weak["reached"]
    done = run("program", "m.h5", "--chip", "c.h5", "--method", "form", "--compliance", "20 uA", "--json")
    assert done.code == 0
    found = json.loads(done.out)
    assert (found["cells"], found["reached"]) == (48, 48)
    assert found["arrays"][0]["conductance_mean_S"] == pytest.approx(40e-6, rel=0.1)
    assert int((open_chip("c.h5", lock=False).cells(0).flags & 1).sum()) == 48
    again = run("program", "m.h5", "--chip", "c.h5", "--method", "form", "--sweep")
    assert "48 of 48 cells formed, 0 pulses" in again.out
    written = run("program", "m.h5", "--chip", "c.h5", "--band", "4 uS", "--max-pulses", "300", "--json")
    assert json.loads(written.out)["reached"] >= 36
    assert run("run", "m.h5", "--data", "x.npz", "--chip", "c.h5", "--no-program").code == 0


def test_products_are_brought_to_their_noise(run: Run, matrix: str) -> None:
    """After write-verify on cells that take pulses; in one shot on those that do not, and only once."""
    done = run(
        "program",
        matrix,
        "--chip",
        "c.h5",
        "--method",
        "gdp",
        "--band",
        "5 uS",
        "--max-pulses",
        40,
        "--positive",
        "--json",
    )
    assert done.code == 0
    (array,) = json.loads(done.out)["arrays"]
    assert array["error_after_dB"] < array["error_before_dB"] + 1
    assert array["rounds"] > 5
    assert run("map", "--weights", "w.npz", "-o", "p.h5", "--card", "pcm", "--tile", "12x8").code == 0
    table = run("program", "p.h5", "--chip", "d.h5", "--method", "gdp")
    assert table.code == 0
    before, after = (float(found) for found in re.findall(r"(-[\d.]+) dB", table.out)[:2])
    assert after < before - 1
    again = json.loads(run("program", "p.h5", "--chip", "d.h5", "--method", "gdp", "--json").out)["arrays"][0]
    assert again["error_before_dB"] == pytest.approx(after, abs=1.5)


ONE = """
schema = "xbar-bench/1"
driver = "sim"
card = "reram_array_hfo2"
[geometry]
rows = 64
cols = 128
"""

SEVERAL = """
schema = "xbar-bench/1"
[[drivers]]
name = "chip"
driver = "sim"
card = "reram_array_hfo2"
chip = "c.h5"
[drivers.geometry]
rows = 64
cols = 128
[[drivers]]
name = "body"
driver = "sim"
card = "reram_array_hfo2"
[[placement]]
layers = ["{layer}"]
driver = "chip"
program = false
"""


def test_one_layer_is_written_and_the_network_run_around_it(run: Run, tmp_path: Path) -> None:
    """The chip holds that layer alone and says so; a bench of several drivers runs on it as it stands."""
    card = ("--card", "reram_array_hfo2")
    assert run("map", "sample:digits", "-o", "d.h5", *card, "--calibrate", "sample:digits").code == 0
    (tmp_path / "one.toml").write_text(ONE, encoding="utf-8")
    asked = ("program", "d.h5", "--chip", "c.h5", "--bench", "one.toml", "--band", "10 uS", "--max-pulses", 8, "--json")
    unknown = run(*asked, "--layer", "last")
    assert unknown.code == 2
    assert "layer 'last' is not in the map; it has hidden, classifier" in unknown.err
    done = run(*asked, "--layer", "class*")
    assert done.code == 0, done.err
    assert json.loads(done.out)["cells"] == 64 * 20
    notes = open_chip("c.h5", lock=False).notes
    assert notes["layers"] == ["classifier"]

    (tmp_path / "several.toml").write_text(SEVERAL.format(layer="classifier"), encoding="utf-8")
    pulses = int(open_chip("c.h5", lock=False).cells(0).pulses.sum())
    ran = run("run", "d.h5", "--data", "sample:digits", "--samples", 40, "--bench", "several.toml", "--json")
    assert ran.code == 0, ran.err
    placed = {entry["layer"]: entry for entry in json.loads(ran.out)["placed"]}
    assert placed["classifier"] == {"layer": "classifier", "drivers": ["chip"], "arrays": [0], "written": False}
    assert int(open_chip("c.h5", lock=False).cells(0).pulses.sum()) == pulses

    (tmp_path / "other.toml").write_text(SEVERAL.format(layer="hidden"), encoding="utf-8")
    other = run("run", "d.h5", "--data", "sample:digits", "--samples", 4, "--bench", "other.toml")
    assert other.code == 2
    assert "holds the layers classifier, not hidden; write it with xbar program --layer" in other.err
