"""`xbar export-spice`: a tile or conductances of a file as a netlist."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from xbar.circuit import Wires, effective_operator
from xbar.mapping.array_targets import array_targets
from xbar.mapping.map_file import load_map


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


def test_a_tile_of_a_map(run: Run, digits_file: Path, tmp_path: Path) -> None:
    """The netlist holds the tile's cells, and the printed currents are those of the effective operator."""
    ended = run("export-spice", digits_file, "--array", 1, "--wires", "word=1 ohm, bit=2 ohm", "-o", "t.cir", "--json")
    assert ended.code == 0, ended.err
    mapped = load_map(digits_file)
    tile = array_targets(mapped, 1)
    g, v = tile.conductances, np.where(np.arange(128) < tile.rows, mapped.card.read_voltage, 0.0)
    text = (tmp_path / "t.cir").read_text("ascii")
    assert text.startswith("* layer ")
    assert sum(line.startswith("Rd") for line in text.splitlines()) == np.count_nonzero(g)
    assert f"Vs{tile.rows} s{tile.rows} 0 0\n" in text
    assert "Rw0_0 s0 w0_0 1.0\n" in text
    assert f"Vs0 s0 0 {mapped.card.read_voltage!r}\n" in text
    exact = effective_operator(g, Wires(1.0, 2.0)).currents(v[None])[0]
    assert json.loads(ended.out)["current_A"] == exact.tolist()


def test_conductances_and_inputs_of_files(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    g, v = rng.uniform(1e-6, 1e-4, (3, 4)), rng.uniform(0, 0.2, (5, 3))
    np.savez(tmp_path / "g.npz", g=g)
    np.savez(tmp_path / "v.npz", v=v)
    ended = run("export-spice", "--conductances", "g.npz", "--inputs", "v.npz", "--sample", 4, "-o", "t.cir")
    assert ended.code == 0, ended.err
    text = (tmp_path / "t.cir").read_text("ascii")
    assert f"Vs2 s2 0 {float(v[4, 2])!r}\n" in text
    assert f"Rd2_3 w2_3 b2_3 {1 / float(g[2, 3])!r}\n" in text
    assert f"{float(effective_operator(g, Wires(1.0, 1.0)).currents(v[4:])[0, 0]):.9g}" in ended.out
    assert "ngspice -b t.cir" in ended.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "either a map"),
        (["--conductances", "g.npz", "--inputs", "g.npz"], r"voltages of shape (3, 4); the tile takes (vectors, 3)"),
        (["--conductances", "g.npz", "--inputs", "v.npz", "--sample", "9"], "it holds 0 to 4"),
        (["--conductances", "g.npz", "--inputs", "v.npz", "--voltage", "1 V"], "exclude each other"),
        (["--conductances", "cube.npz"], "shape (1, 1, 1)"),
        (["--conductances", "text.npz"], "save numbers"),
        (["--conductances", "g.npz", "--wires", "-1 ohm"], "0 to 1e+12 ohm"),
    ],
)
def test_mistakes(run: Run, tmp_path: Path, arguments: list[str], says: str) -> None:
    """A mistake is told, and nothing is written."""
    np.savez(tmp_path / "g.npz", g=np.full((3, 4), 1e-5))
    np.savez(tmp_path / "v.npz", v=np.zeros((5, 3)))
    np.savez(tmp_path / "cube.npz", g=np.ones((1, 1, 1)))
    np.savez(tmp_path / "text.npz", g=np.array([["a"]]))
    ended = run("export-spice", *arguments, "-o", "t.cir")
    assert ended.code == 2
    assert says in ended.err
    assert not (tmp_path / "t.cir").exists()


def test_an_array_that_is_not_there(run: Run, digits_file: Path) -> None:
    ended = run("export-spice", digits_file, "--array", 99, "-o", "t.cir")
    assert (ended.code, "array 99 does not exist" in ended.err) == (2, True)


def test_an_old_netlist_is_kept(run: Run, digits_file: Path, tmp_path: Path) -> None:
    """Without --force an existing file is refused; with it the old one is renamed."""
    (tmp_path / "t.cir").write_text("old")
    assert run("export-spice", digits_file, "-o", "t.cir").code == 3
    assert (tmp_path / "t.cir").read_text() == "old"
    assert run("export-spice", digits_file, "-o", "t.cir", "--force").code == 0
    assert (tmp_path / "t.1.cir").read_text() == "old"
