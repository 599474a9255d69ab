"""Every command does its work: results on standard output, the rest on standard error, JSON where it reports."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import xbar

Run = Callable[..., Any]
"""Runs `xbar` with arguments; returns exit code, standard output and standard error."""


def test_map_run_replay_budget_and_plot(run: Run, tmp_path: Path) -> None:
    mapped = run("map", "sample:digits", "-o", "m.h5", "--calibrate", "sample:digits", "--tile", "64x64", "--json")
    assert mapped.code == 0
    summary = json.loads(mapped.out)
    assert summary["arrays"] == sum(layer["tiles"] for layer in summary["layers"])
    assert summary["conductance_range_S"] == [0.0, 25e-6]
    assert "wrote m.h5" in mapped.err

    first = run(
        "run", "m.h5", "--data", "sample:digits", "--samples", 60, "--trace", "t.h5", "--json", "--outputs", "o.npz"
    )
    assert first.code == 0
    report = json.loads(first.out)
    assert {"digital", "analog", "difference", "ci95", "n"} <= report["accuracy"].keys()
    assert report["accuracy"]["n"] == 60
    assert {"name", "snr_db"} <= report["layers"][0].keys()
    assert {"name", "state", "note"} <= report["effects"][0].keys()
    assert report["wall_s"] > 0

    again = run(
        "run", "m.h5", "--data", "sample:digits", "--samples", 60, "--bench", "replay:t.h5", "--outputs", "p.npz"
    )
    assert again.code == 0
    assert f"analog {report['accuracy']['analog']:.2%}" in again.out
    with np.load("o.npz") as one, np.load("p.npz") as two:
        assert one.files == two.files == list(xbar.load_map("m.h5").network.outputs)
        for name in one.files:
            np.testing.assert_array_equal(one[name], two[name])

    budget = json.loads(run("budget", "m.h5", "--data", "sample:digits", "--samples", 40, "--json").out)
    names = [row["effect"] for row in budget["effects"]]
    assert names == ["programming_error", "drift", "flicker_noise", "read_noise", "dac", "adc"]
    alone = {row["effect"]: row["alone"]["layers"][0]["snr_db"] for row in budget["effects"]}
    assert alone["programming_error"] < budget["nothing"]["layers"][0]["snr_db"]

    for source in ("m.h5", "t.h5"):
        figure = run("plot", source, "-o", f"{source}.png")
        assert figure.code == 0
        assert figure.out == ""
        assert Path(f"{source}.png").read_bytes().startswith(b"\x89PNG")


def test_run_prints_tables(run: Run, digits_file: Path) -> None:
    shown = run("run", digits_file, "--data", "sample:digits", "--samples", 50, "--figure", "r.png")
    assert shown.code == 0
    for word in ("accuracy: digital", "95 % interval", "cumulative [dB]", "skipped", "samples/s"):
        assert word in shown.out
    assert Path("r.png").exists()


def test_repeat_is_over_chips(run: Run, digits_file: Path) -> None:
    """`--repeat` gives mean, spread and interval over chips with consecutive seeds, and a trace for each."""
    options = ("--samples", 50, "--repeat", 3, "--seed", 5, "--trace", "t.h5", "--json")
    report = json.loads(run("run", digits_file, "--data", "sample:digits", *options).out)
    assert [chip["seed"] for chip in report["runs"]] == [5, 6, 7]
    analog = [chip["accuracy"]["analog"] for chip in report["runs"]]
    assert report["analog"]["mean"] == pytest.approx(np.mean(analog))
    assert report["analog"]["std"] == pytest.approx(np.std(analog, ddof=1))
    assert sorted(path.name for path in Path().glob("t.*")) == ["t.chip0.h5", "t.chip1.h5", "t.chip2.h5"]


def test_the_level_of_a_trace(run: Run, digits_file: Path) -> None:
    """A full trace holds the input voltages and replays like any other; `off` writes none."""
    data = ("--data", "sample:digits", "--samples", 20)
    assert run("run", digits_file, *data, "--trace", "full.h5", "--record", "full", "--flush", "every").code == 0
    with xbar.open_trace("full.h5") as trace:
        volts = [operation.request.voltages for operation in trace]
        largest = [float(np.abs(v).max()) for v in volts if v is not None]
    assert max(largest) == pytest.approx(0.2, rel=1e-3)
    assert run("run", digits_file, *data, "--bench", "replay:full.h5").code == 0
    assert run("run", digits_file, *data, "--trace", "off.h5", "--record", "off").code == 0
    assert not Path("off.h5").exists()


def test_replay_needs_nothing_but_the_trace(run: Run, digits_file: Path) -> None:
    data = ("--data", "sample:digits", "--samples", 30)
    told = run("run", digits_file, *data, "--trace", "t.h5")
    assert "holds map, data and command line" in told.err
    shown = run("replay", "t.h5")
    assert shown.code == 0
    assert shown.out.splitlines()[-1] == "reproduced"
    report = json.loads(run("replay", "t.h5", "--json").out)
    assert report["reproduced"] is True
    assert run("run", digits_file, *data, "--trace", "bare.h5", "--no-embed").code == 0
    assert run("replay", "bare.h5").code == 3


def test_read_and_sweep(run: Run) -> None:
    read = run(
        "read", "--card", "pcm", "--size", "6x5", "--target", "10 uS", "--json", "-o", "r.png", "--trace", "r.h5"
    )
    assert read.code == 0
    values = json.loads(read.out)
    assert np.shape(values["conductance_S"]) == (6, 5)
    assert values["mean_S"] == pytest.approx(10e-6, rel=0.15)
    assert Path("r.png").exists()
    with h5py.File("r.h5") as trace:
        assert "xbar_schema" in trace.attrs
    sweep = json.loads(
        run("sweep", "--card", "ideal", "--size", "2x2", "--target", "50 uS", "--points", 3, "--json").out
    )
    np.testing.assert_allclose(np.ravel(sweep["current_A"]), np.array([-0.2, 0, 0.2]) * 50e-6, atol=1e-18)


def test_bare_weights_map_and_run(run: Run) -> None:
    rng = np.random.default_rng(0)
    weights, x = rng.standard_normal((70, 9)), rng.standard_normal((20, 70))
    np.savez("w.npz", w=weights)
    np.savez("d.npz", x=x)
    assert run("map", "--weights", "w.npz", "-o", "w.h5", "--card", "ideal", "--tile", "32x8").code == 0
    report = run(
        "run", "w.h5", "--data", "d.npz", "--outputs", "o.npz", "--without", "dac", "--without", "adc", "--json"
    )
    assert json.loads(report.out)["accuracy"] is None
    with np.load("o.npz") as outputs:
        np.testing.assert_allclose(outputs["y"], x @ weights, atol=5e-3)


def test_a_bench_file_gives_what_the_simulated_bench_gives(run: Run, digits_file: Path) -> None:
    """The same chip on a larger bench: seed and card come from the file, and the report names its seed."""
    Path("lab.toml").write_text(
        'schema = "xbar-bench/1"\ndriver = "sim"\ncard = "pcm"\nseed = 3\n'
        '[geometry]\narrays = 9\nrows = 128\ncols = 128\n[sample]\nname = "A1"\n',
        encoding="utf-8",
    )
    usual = json.loads(run("run", digits_file, "--data", "sample:digits", "--seed", 3, "--json").out)
    other = json.loads(run("run", digits_file, "--data", "sample:digits", "--bench", "lab.toml", "--json").out)
    assert other["seed"] == 3
    assert other["accuracy"] == usual["accuracy"]
    assert other["layers"] == usual["layers"]


def test_cards_are_listed(run: Run) -> None:
    names = [card["name"] for card in json.loads(run("cards", "--json").out)]
    assert names == list(xbar.card_names())
    assert "Joshi" in run("cards", "pcm").out


def test_demo_writes_map_trace_and_figures(run: Run) -> None:
    shown = run("demo", "--sample", "digits", "--no-budget")
    assert shown.code == 0
    assert {path.name for path in Path("xbar-demo").iterdir()} == {"mapped.h5", "trace.h5", "demo.png", "arrays.png"}
    assert "main job" in shown.out
    assert f"replay {Path('xbar-demo') / 'trace.h5'}" in shown.out
    again = run("demo", "--sample", "digits", "--no-budget", "--json")
    assert json.loads(again.out)["folder"] == "xbar-demo-2"
    assert run("demo", "xbar-demo", "--no-budget").code == 3


def test_help_and_version(run: Run) -> None:
    assert "budget" in run("--help").out
    assert run("--version").out.strip() == f"xbar {xbar.__version__}"


def test_a_chip_is_kept_between_commands(run: Run, digits_file: Path) -> None:
    """Programmed by one command, run by another a month later, compensated by what was measured when it was fresh."""
    first = run("run", digits_file, "--data", "sample:digits", "--chip", "c.h5", "--compensate", "global", "--json")
    options = ("--no-program", "--chip", "c.h5", "--json")
    later = run("run", digits_file, "--data", "sample:digits", *options, "--after", "30 days")
    again = run("run", digits_file, "--data", "sample:digits", *options, "--compensate", "global", "--trace", "t.h5")
    figures = [json.loads(done.out)["accuracy"]["analog"] for done in (first, later, again)]
    assert figures[1] < figures[0]
    assert figures[2] > figures[1]
    assert "reproduced" in run("replay", "t.h5").out
    told = json.loads(run("chip", "info", "c.h5", "--json").out)
    assert told["state"]["clock_s"] == pytest.approx(30 * 86400, rel=1e-3)
    assert told["arrays"] == 2
