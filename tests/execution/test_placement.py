"""Which layers stand on which drivers: the rules of a bench file, chips that stand there already, what does not fit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xbar
from xbar.bench.bench_file import load_bench_file
from xbar.bench.capabilities import Identity
from xbar.bench.chip import open_chip
from xbar.bench.placement_rule import PlacementRule
from xbar.errors import FormatError, InputError, UnknownNameError
from xbar.execution.placement import place
from xbar.mapping.map_file import map_hash
from xbar.mapping.mapped_network import MappedNetwork
from xbar_drivers.simulated import SimulatedDriver

DRIVER = """
[[drivers]]
name = "{name}"
driver = "sim"
card = "pcm"
{more}
[drivers.geometry]
arrays = {arrays}
rows = {rows}
cols = {cols}
"""


def lab(folder: Path, *drivers: dict[str, Any], placement: str = "", name: str = "lab.toml") -> Path:
    """Write a bench file of simulated drivers, each of 24 arrays of 24 x 32 cells but for what is given."""
    parts = [DRIVER.format(**{"arrays": 24, "rows": 24, "cols": 32, "more": "", **driver}) for driver in drivers]
    path = folder / name
    path.write_text('schema = "xbar-bench/1"\n' + "".join(parts) + placement, encoding="utf-8")
    return path


def rule(layers: str, driver: str, more: str = "") -> str:
    return f'[[placement]]\nlayers = ["{layers}"]\ndriver = "{driver}"\n{more}\n'


def test_layers_stand_where_the_file_says(digits_map: MappedNetwork) -> None:
    """The last layer takes the first driver's arrays, the rest those of the driver that no rule names."""
    last = len(digits_map.matrices) - 1
    tiles = digits_map.matrices[last].grid.tiles
    placed = place({"near": range(tiles), "far": range(tiles, 30)}, digits_map, [PlacementRule(("class*",), ("near",))])
    assert tuple(placed.matrices[last].arrays) == tuple(range(tiles))
    assert tuple(placed.matrices[0].arrays) == tuple(range(tiles, tiles + digits_map.matrices[0].grid.tiles))
    assert map_hash(placed) == map_hash(digits_map)
    assert place({"": range(30)}, digits_map, ()) is digits_map


def test_tiles_go_on_the_next_driver_of_a_rule(digits_map: MappedNetwork) -> None:
    """Two drivers in a rule: the first is filled, then the second."""
    count = digits_map.matrices[0].grid.tiles
    rules = [PlacementRule(("hidden",), ("b", "a")), PlacementRule(("*",), ("c",))]
    placed = place({"a": range(count), "b": range(count, count + 2), "c": range(count + 2, 40)}, digits_map, rules)
    assert tuple(placed.matrices[0].arrays) == (count, count + 1, *range(count - 2))


@pytest.mark.parametrize(
    ("text", "layer", "found"),
    [
        ("fc2", "fc2", True),
        ("fc2", "fc21", False),
        ("fc*", "fc21", True),
        ("*fc*", "/block/fc/Gemm", True),
        ("*a*b", "ab", True),
        ("*a*b", "ba", False),
        ("ab*ba", "aba", False),
        ("conv", "conv[3]", True),
        ("conv[3]", "conv[3]", True),
        ("conv[2]", "conv[3]", False),
    ],
)
def test_names_of_layers(text: str, layer: str, found: bool) -> None:
    """A star stands for any text, nothing else is special, and a node's name for all of its parts."""
    assert PlacementRule((text,), ("d",)).names(layer) is found


def test_rules_travel_as_json() -> None:
    rule = PlacementRule(("a", "b*"), ("x", "y"), False, "split")
    assert PlacementRule.from_dict(rule.to_dict()) == rule
    with pytest.raises(FormatError, match="damaged"):
        PlacementRule.from_dict({**rule.to_dict(), "too_large": "cut"})


def test_a_network_runs_where_it_is_placed_and_replays(tmp_path: Path, digits: Any, digits_map: Any) -> None:
    """The classifier on the second chip, as where arrays in their order put it there; the trace knows the rules."""
    file = lab(tmp_path, {"name": "a"}, {"name": "b", "more": "seed = 9"}, placement=rule("classifier", "b"))
    run = xbar.run_network(digits_map, digits["x"], digits["y"], bench=file, trace=tmp_path / "t.h5")
    assert run.accuracy is not None
    assert run.accuracy.analog > 0.8
    where = {layer["layer"]: (layer["drivers"], layer["arrays"][0], layer["written"]) for layer in run.placed}
    assert where == {"hidden": (["a"], 0, True), "classifier": (["b"], 24, True)}
    again = xbar.run_network(digits_map, digits["x"], digits["y"], bench=f"replay:{tmp_path / 't.h5'}")
    name = digits_map.network.outputs[0]
    assert np.array_equal(run.outputs[name], again.outputs[name])
    plain = lab(tmp_path, {"name": "a", "arrays": 12}, {"name": "b", "more": "seed = 9"}, name="plain.toml")
    in_order = xbar.run_network(digits_map, digits["x"], digits["y"], bench=plain)
    assert np.array_equal(run.outputs[name], in_order.outputs[name])
    alone = xbar.run_network(digits_map, digits["x"], bench=lab(tmp_path, {"name": "a"}, name="alone.toml"))
    assert not np.array_equal(run.outputs[name], alone.outputs[name])


def test_a_chip_of_the_bench_file_is_run_as_it_stands(tmp_path: Path, digits: Any, digits_map: Any) -> None:
    """Written once with a chip file; then program = false runs on the same cells, and writes the other layers alone."""
    x, name = digits["x"], digits_map.network.outputs[0]
    chip = {"name": "b", "more": 'seed = 9\nchip = "chips/b.h5"\noptions = {without = ["read_noise"]}'}
    (tmp_path / "chips").mkdir()
    first = lab(tmp_path, {"name": "a"}, chip, placement=rule("classifier", "b"), name="first.toml")
    second = lab(tmp_path, {"name": "a"}, chip, placement=rule("classifier", "b", "program = false"))
    with pytest.raises(InputError, match="was not programmed with this map"):
        xbar.run_network(digits_map, x, bench=second)
    written = xbar.run_network(digits_map, x, bench=first)
    assert open_chip(tmp_path / "chips" / "b.h5", lock=False).notes["map"] == map_hash(digits_map)
    standing = xbar.run_network(digits_map, x, bench=second, trace=tmp_path / "t.h5")
    assert [layer["written"] for layer in standing.placed] == [True, False]
    with xbar.open_trace(tmp_path / "t.h5") as trace:
        programmed = [op.request.arrays[0] for op in trace if op.request.kind.name == "PROGRAM"]
    assert programmed == list(range(digits_map.matrices[0].grid.tiles))
    # Drift and 1/f noise go on between the two runs, and nothing else does.
    assert np.abs(standing.outputs[name] - written.outputs[name]).max() < 0.2 * np.abs(written.outputs[name]).max()
    assert not np.array_equal(standing.outputs[name], written.outputs[name])


def test_what_stands_nowhere_is_not_run(tmp_path: Path, digits: Any, digits_map: Any) -> None:
    """A simulated chip without a file is blank; drift of cells that were written earlier cannot be made up for."""
    x = digits["x"][:10]
    file = lab(tmp_path, {"name": "a"}, {"name": "b"}, placement=rule("classifier", "b", "program = false"))
    with pytest.raises(InputError, match=r"nothing stands on a new chip.*driver 'b'"):
        xbar.run_network(digits_map, x, bench=file)
    with pytest.raises(InputError, match="nothing stands on a new chip"):
        xbar.run_network(digits_map, x, bench=lab(tmp_path, {"name": "a"}), program=False)
    chip = {"name": "b", "more": 'chip = "b.h5"'}
    xbar.run_network(digits_map, x, bench=lab(tmp_path, {"name": "a"}, chip, placement=rule("classifier", "b")))
    file = lab(tmp_path, {"name": "a"}, chip, placement=rule("classifier", "b", "program = false"))
    with pytest.raises(InputError, match="leave --compensate out"):
        xbar.run_network(digits_map, x, bench=file, compensate="global", at=10.0)


def test_what_does_not_fit(tmp_path: Path, digits: Any, digits_map: Any) -> None:
    """Arrays that are too small or too few, names that are not there: told before anything is written."""
    x = digits["x"][:2]
    small = lab(tmp_path, {"name": "a"}, {"name": "b", "rows": 20}, placement=rule("classifier", "b"))
    with pytest.raises(InputError, match=r"layer classifier has tiles of 22 x 20 cells; .*driver 'b' has 20 x 32"):
        xbar.run_network(digits_map, x, bench=small)
    few = lab(tmp_path, {"name": "a"}, {"name": "b", "arrays": 2}, placement=rule("classifier", "b"))
    with pytest.raises(InputError, match="layer classifier needs 3 arrays; b has 2 free"):
        xbar.run_network(digits_map, x, bench=few)
    none = lab(tmp_path, {"name": "a"}, placement=rule("classifier", "a"))
    with pytest.raises(InputError, match="layer hidden needs 12 arrays; no driver has 0 free"):
        xbar.run_network(digits_map, x, bench=none)
    other = lab(tmp_path, {"name": "a"}, placement=rule("fc7", "a"))
    with pytest.raises(UnknownNameError, match="names the layers fc7; the map has hidden, classifier"):
        xbar.run_network(digits_map, x, bench=other)


def test_layers_that_share_weights_share_their_driver(digits_map: MappedNetwork) -> None:
    one, two = digits_map.layers
    shared = replace(digits_map, layers=(one, replace(two, matrix=one.matrix)))
    rules = [PlacementRule(("hidden",), ("a",)), PlacementRule(("*",), ("b",))]
    with pytest.raises(InputError, match="hidden and classifier share their weights"):
        place({"a": range(20), "b": range(20, 40)}, shared, rules)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ('layers = []\ndriver = "a"', r"placement\[0\].layers"),
        ('layers = ["x"]\ndriver = "c"', "placement: .*names the driver 'c'; the file has a"),
        ('layers = ["x"]\ndriver = []', "names the driver nothing"),
        ('layers = ["x"]\ndriver = "a"\ntoo_large = "cut"', "too_large"),
        ('layers = ["x"]\ndriver = "a"\nlayer = 1', "is not a key of this file"),
    ],
)
def test_mistakes_in_the_file(tmp_path: Path, section: str, message: str) -> None:
    path = lab(tmp_path, {"name": "a"}, placement=f"[[placement]]\n{section}\n")
    with pytest.raises(FormatError, match=message):
        load_bench_file(path)


def test_one_chip_for_several_drivers_is_refused(tmp_path: Path) -> None:
    """`--chip` does not say of which driver; the file is not begun, and no lock is left."""
    file = lab(tmp_path, {"name": "a"}, {"name": "b"})
    with pytest.raises(InputError, match="name it under `chip` in the bench file"):
        xbar.open_bench(file, chip=tmp_path / "c.h5")
    open_chip(tmp_path / "c.h5").close()


def test_each_driver_counts_the_pulses_of_its_own_chip(tmp_path: Path) -> None:
    """The second driver's array 0 is array 1 of the bench, and array 0 of its chip file."""
    card = "reram_array_hfo2"
    parts = [{"name": n, "arrays": 1, "rows": 3, "cols": 2, "more": f'chip = "{n}.h5"'} for n in "ab"]
    text = lab(tmp_path, *parts).read_text(encoding="utf-8").replace('"pcm"', f'"{card}"')
    (tmp_path / "lab.toml").write_text(text, encoding="utf-8")
    with xbar.open_bench(tmp_path / "lab.toml") as bench:
        assert bench.chip is None
        assert sorted(bench.chips) == ["a", "b"]
        assert bench.parts == {"a": range(1), "b": range(1, 2)}
        bench.pulse(1, [(2, 1)], xbar.Pulse(1.0, 1e-6), 4)
        bench.read(0, [(0, 0)])
    near, far = (open_chip(tmp_path / f"{name}.h5", lock=False).cells(0) for name in "ab")
    assert far.pulses[2, 1] == 4
    assert near.pulses.sum() == 0
    assert np.isfinite(near.last_read[0, 0])


def test_the_clock_of_real_arrays_is_the_walls(
    tmp_path: Path, digits: Any, digits_map: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time since programming cannot be asked of cells that pass for real ones: nothing is written."""
    opened = SimulatedDriver.open

    def real(driver: SimulatedDriver) -> Identity:
        who = opened(driver)
        driver.capabilities = replace(driver.capabilities, hardware=True)
        return who

    monkeypatch.setattr(SimulatedDriver, "open", real)
    file = lab(tmp_path, {"name": "a", "more": 'limits = {cell_voltage = "1 V", current = "1 mA"}'})
    with pytest.raises(InputError, match="leave --at out"):
        xbar.run_network(digits_map, digits["x"][:2], bench=file, at=10.0, trace=tmp_path / "t.h5")
    with xbar.open_trace(tmp_path / "t.h5") as trace:
        assert len(trace) == 0
