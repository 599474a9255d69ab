"""`xbar map --bench`: each layer is cut for the arrays that the bench file gives it, or refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

import xbar
from xbar.bench.bench_file import load_bench_file
from xbar.cli import map as map_cli
from xbar.cli.errors import reports_errors
from xbar.errors import InputError
from xbar.execution.bench_sizes import ArraySize, array_sizes, tiles_of

FILE = """
schema = "xbar-bench/1"
[[drivers]]
name = "small"
driver = "sim"
card = "pcm"
[drivers.geometry]
arrays = 6
rows = 32
cols = 20
[[drivers]]
name = "large"
driver = "sim"
card = "pcm"
[drivers.geometry]
arrays = 2
[[placement]]
layers = ["classifier"]
driver = {driver}
too_large = "{too_large}"
"""


def lab(folder: Path, too_large: str = "split", driver: str = '"small"', more: str = "") -> Path:
    path = folder / "lab.toml"
    path.write_text(FILE.format(too_large=too_large, driver=driver) + more, encoding="utf-8")
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)
    app = typer.Typer(rich_markup_mode=None)
    app.command()(reports_errors(map_cli.map_command))
    return lambda *arguments: CliRunner().invoke(app, ["sample:digits", "-o", "m.h5", *map(str, arguments)])


def test_a_layer_is_split_for_its_arrays(tmp_path: Path, digits: Any, run: Any) -> None:
    """64 x 10 weights on arrays of 32 x 20: two tiles; the hidden layer stays whole; the map runs on that bench."""
    ended = run("--bench", lab(tmp_path), "--json")
    assert ended.exit_code == 0, ended.output
    layers = {layer["name"]: layer for layer in json.loads(ended.stdout)["layers"]}
    assert (layers["classifier"]["tiles"], layers["classifier"]["tile_size"]) == (2, [32, 20])
    assert layers["hidden"]["tiles"] == 1
    mapped = xbar.load_map(tmp_path / "m.h5")
    assert mapped.tile == (128, 128)
    ran = xbar.run_network(mapped, digits["x"], digits["y"], bench=tmp_path / "lab.toml")
    assert ran.accuracy is not None
    assert ran.accuracy.analog > 0.8
    assert [layer["drivers"] for layer in ran.placed] == [["large"], ["small"]]


def test_a_layer_that_may_not_be_split_is_refused(tmp_path: Path, run: Any) -> None:
    ended = run("--bench", lab(tmp_path, "refuse"))
    assert ended.exit_code == 2
    assert "layer classifier takes 2 tiles of 32 x 20 cells: it does not fit an array of small" in ended.output
    assert not (tmp_path / "m.h5").exists()
    assert run("--bench", lab(tmp_path), "--tile", "64x64").exit_code == 2


def test_the_smallest_array_of_a_rule_decides(tmp_path: Path) -> None:
    """Tiles that may lie on either driver fit both; layers without a rule take the other drivers."""
    sizes = array_sizes(load_bench_file(lab(tmp_path)))
    assert sizes == {"small": ArraySize(6, 32, 20), "large": ArraySize(2, 128, 128)}
    assert tiles_of(["hidden", "classifier"], load_bench_file(lab(tmp_path)), sizes) == {
        "hidden": (128, 128),
        "classifier": (32, 20),
    }
    both = load_bench_file(lab(tmp_path, driver='["large", "small"]'))
    assert tiles_of(["classifier"], both, sizes) == {"classifier": (32, 20)}
    with pytest.raises(InputError, match=r"no rule of \[\[placement\]\] names layer hidden"):
        tiles_of(["hidden"], both, sizes)
