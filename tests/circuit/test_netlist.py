"""Netlists: the golden ones line by line, and what ngspice itself finds for fresh random arrays."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from xbar.circuit import (
    Boundary,
    End,
    Ohmic,
    Polynomial,
    PooleFrenkel,
    Resistor,
    Selector,
    Series,
    Sinh,
    Wires,
    biased,
    driven,
    effective_operator,
    floating,
    sensed,
    solve,
)
from xbar.circuit.cell_law import CellLaw
from xbar.circuit.netlist import netlist
from xbar.errors import InputError, Unsupported

GOLDEN = Path(__file__).parents[1] / "data" / "golden"

Floats = NDArray[np.float64]
Found = dict[str, float]

NODAL = 1e-16
"""What rounding of 0.2 V leaves of a current through a segment of 1 ohm [A]: nodal analysis knows none smaller."""

needs_ngspice = pytest.mark.skipif(
    shutil.which("ngspice") is None, reason="no ngspice: install it (Debian, Ubuntu: apt install ngspice)"
)


def simulate(text: str, folder: Path) -> Found:
    """Return what ngspice finds: node voltages `v(node)` and source currents `i(source)`, all digits of them."""
    (folder / "array.cir").write_text(text, encoding="ascii")
    command = ["ngspice", "-b", "-r", "found.raw", "array.cir"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    said = done.stdout + done.stderr
    assert "singular" not in said.lower(), said
    head, _, body = (folder / "found.raw").read_bytes().partition(b"Binary:\n")
    lines = head.decode("ascii").splitlines()
    count = int(next(line for line in lines if line.startswith("No. Variables")).split(":")[1])
    first = lines.index("Variables:") + 1
    names = [line.split()[1] for line in lines[first : first + count]]
    values = np.frombuffer(body[: 8 * count])
    return {n if "(" in n else f"v({n})": float(x) for n, x in zip(names, values, strict=True)}


def line_currents(found: Found, cols: int) -> Floats:
    """Return the currents that leave each bit line: into the ground at its bottom, and at its top if that is held."""
    return np.array([sum(found.get(f"i({name}{j})", 0.0) for name in ("vo", "vt")) for j in range(cols)])


def nodes(found: Found, kind: str, shape: tuple[int, int]) -> Floats:
    """Return node voltages (rows, cols); nodes that are not in the netlist stand at 0 V."""
    return np.array([[found.get(f"v({kind}{i}_{j})", 0.0) for j in range(shape[1])] for i in range(shape[0])])


def elements(text: str) -> list[str]:
    """Return the lines that are no comments, the title among these."""
    return [line for line in text.splitlines() if not line.startswith("*")]


@pytest.mark.parametrize("name", ["lin_8x8_rw2_rb8", "lin_fault_8x8_rw20_rb20"])
def test_golden_netlists_line_by_line(name: str) -> None:
    """The golden netlists, faults among them, are written again with every digit."""
    with np.load(GOLDEN / f"{name}.npz") as z:
        text = netlist(z["G"], Wires(float(z["rwl"]), float(z["rbl"])), z["V"][:, 0], title=name)
    assert text.startswith(f"* {name}\n")
    assert elements(text) == elements((GOLDEN / f"{name}.cir").read_text("ascii"))


def test_zero_ohm_is_a_source_of_zero_volts() -> None:
    """SPICE has no resistor of 0 ohm."""
    text = netlist(np.full((2, 2), 1e-5), Wires(0.0, 3.0), [0.1, 0.2])
    assert "Vw1_1 w1_0 w1_1 0" in text.splitlines()
    assert "Rb0_1 b0_1 b1_1 3.0" in text.splitlines()
    assert not re.search(r"^R\S+ \S+ \S+ 0(\.0)?$", text, re.MULTILINE)


def test_open_cells_broken_segments_and_dead_nodes_are_left_out() -> None:
    """A floating line without a cell that conducts would make the equations singular."""
    g = np.array([[1e-5, 0.0, 1e-5], [0.0, 0.0, 0.0]])
    word = np.array([[1.0, 1.0, np.inf], [1.0, 1.0, 1.0]])
    text = netlist(g, Wires(word, 1.0), [0.1, 0.2], Boundary(left=["driven", "floating"]))
    assert "Rd0_0 w0_0 b0_0 99999.99999999999" in text
    assert not re.search(r"Rd0_1|w0_2 |w1_|Vs1", text.replace("Rd0_2 w0_2 b0_2", ""))
    assert "left out: 3 nodes" in text


def test_a_title_cannot_add_elements() -> None:
    text = netlist([[1e-5]], Wires(1.0, 1.0), [0.1], title="one\nVx 1 0 5\r.include other")
    assert text.splitlines()[0] == "* one Vx 1 0 5 .include other"
    assert "\nVx" not in text


@pytest.mark.parametrize(
    ("g", "v", "says"),
    [
        ([[1e-5, -1e-5]], [0.1], "conductance of cell"),
        ([[1e-5]], [0.1, 0.2], r"shape \(2,\)"),
        ([[1e-5]], [np.nan], "finite"),
        ([[[1e-5]]], [0.1], "rows, cols"),
    ],
)
def test_bad_input(g: Any, v: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        netlist(g, Wires(1.0, 1.0), v)


def test_elements_that_do_not_depend_on_g_are_written_where_g_is_0() -> None:
    """`solve` lets them conduct there, and the netlist is of the same array."""
    text = netlist(np.array([[0.0, 1e-5]]), Wires(1.0, 1.0), np.array([0.1]), iv=Resistor(2e4))
    assert text.count("20000.0") == 2
    assert "Bd0_0 " in netlist(np.zeros((1, 1)), Wires(1.0, 1.0), np.array([0.1]), iv=Selector(1e-8, 0.05))


def test_a_law_without_expression() -> None:
    with pytest.raises(Unsupported, match="no expression in SPICE"):
        netlist([[1e-5]], Wires(1.0, 1.0), [0.1], iv=Series(Series(Ohmic(), Resistor(1e3)), Resistor(1e3)))


def test_a_golden_netlist_of_sinh_cells() -> None:
    name = "sinh_v00.05_8x8_rw5_rb5"
    with np.load(GOLDEN / f"{name}.npz") as z:
        text = netlist(z["G"], Wires(float(z["rwl"]), float(z["rbl"])), z["V"][:, 0], iv=Sinh(float(z["v0"])))
    assert elements(text) == elements((GOLDEN / f"{name}.cir").read_text("ascii"))


def test_open_cells_of_any_law_are_left_out() -> None:
    """A selector conducts whatever `g` is, but not in series with an open device."""
    law = Series(Ohmic(), Selector(1e-7, 0.04))
    text = netlist([[1e-5, 0.0]], Wires(1.0, 1.0), [0.1], iv=law)
    assert "Rd0_0 w0_0 x0_0 99999.99999999999" in text.splitlines()
    assert "Ba0_0 x0_0 b0_0 I=1e-07*sinh(v(x0_0,b0_0)/0.04)" in text.splitlines()
    assert "0_1 w0_1 x0_1" not in text


LAWS = {
    "sinh": Sinh(0.05),
    "polynomial": Polynomial((0.5, 3.0)),
    "Poole-Frenkel": PooleFrenkel(1.5),
    "transistor": Series(Ohmic(), Resistor(2e4)),
    "selector": Series(Sinh(0.1), Selector(1e-6, 0.04)),
}


@needs_ngspice
@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_ngspice_agrees_on_nonlinear_cells(law: CellLaw, tmp_path: Path) -> None:
    """Currents and node voltages to 1e-9, what is left of ngspice's 11 digits; one line floats, one is biased."""
    rng = np.random.default_rng(3)
    g, v = np.round(rng.uniform(1e-6, 1e-4, (6, 5)), 9), rng.uniform(-0.2, 0.2, 6)
    wires = Wires(5.0, 8.0, 20.0, 3.0)
    boundary = Boundary(["driven", "floating", biased(0.05), *["driven"] * 3])
    found = simulate(netlist(g, wires, v, boundary, law), tmp_path)
    mine = solve(g, wires, v[None], iv=law, boundary=boundary)
    largest = float(np.abs(mine.currents).max())
    np.testing.assert_allclose(line_currents(found, 5), mine.currents[0], rtol=0, atol=1e-9 * largest)
    np.testing.assert_allclose(nodes(found, "w", g.shape), mine.word[0], rtol=0, atol=1e-9 * 0.2)


def _ends(rng: np.random.Generator, lines: int, kinds: str) -> list[End]:
    made = {
        "d": lambda: driven(float(rng.choice([0.0, 20.0]))),
        "s": lambda: sensed(resistance=float(rng.choice([0.0, 5.0]))),
        "b": lambda: biased(float(rng.uniform(-0.1, 0.1)), float(rng.choice([1.0, 300.0]))),
        "f": floating,
    }
    return [made[kind]() for kind in rng.choice(list(kinds), lines)]


def _random_case(seed: int) -> tuple[Floats, Wires, Boundary, Floats]:
    """Return an array of random shape, wires (some of 0 ohm, some broken), faults, and ends of every kind."""
    rng = np.random.default_rng(seed)
    rows, cols = (int(n) for n in rng.integers(1, 9, 2))
    g = 10 ** rng.uniform(-6, -4, (rows, cols))
    g[rng.random(g.shape) < 0.1] = 0
    g[rng.random(g.shape) < 0.05] = 1e-2
    word, bit = 10 ** rng.uniform(0, 2, (rows, cols + 1)), 10 ** rng.uniform(0, 2, (rows + 1, cols))
    for segments in (word, bit):
        segments[rng.random(segments.shape) < 0.1] = 0
        segments[rng.random(segments.shape) < 0.05] = np.inf
    boundary = Boundary(_ends(rng, rows, "ddbf"), _ends(rng, rows, "fffb"), _ends(rng, cols, "ffb"), "sensed")
    if seed % 2:
        boundary = Boundary(_ends(rng, rows, "df"), "open", "open", _ends(rng, cols, "ssf"))
    return g, Wires(word, bit, source=7.0, sense=3.0), boundary, rng.uniform(-0.2, 0.2, rows)


@needs_ngspice
@pytest.mark.parametrize("seed", range(16))
def test_ngspice_agrees_on_fresh_arrays(seed: int, tmp_path: Path) -> None:
    """Currents and all node voltages of random arrays, floating and biased lines among them, to 1e-11."""
    g, wires, boundary, v = _random_case(seed)
    found = simulate(netlist(g, wires, v, boundary), tmp_path)
    op = effective_operator(g, wires, boundary)
    word, bit = op.node_voltages(v[None])
    np.testing.assert_allclose(nodes(found, "w", g.shape), word[0], rtol=0, atol=1e-11 * 0.2)
    np.testing.assert_allclose(nodes(found, "b", g.shape), bit[0], rtol=0, atol=1e-11 * 0.2)
    largest = float(np.abs(g * (word[0] - bit[0])).max())
    held = [end.kind == "sensed" for end in boundary.bottom] if isinstance(boundary.bottom, tuple) else True
    currents = np.where(held, [found.get(f"i(vo{j})", 0.0) for j in range(g.shape[1])], 0.0)
    np.testing.assert_allclose(currents, op.currents(v[None])[0], rtol=0, atol=1e-11 * largest + NODAL)


@needs_ngspice
def test_ngspice_agrees_where_all_four_sides_are_connected(tmp_path: Path) -> None:
    """Both ends driven, both sensed: the current is the sum of what leaves at the two ends."""
    rng = np.random.default_rng(5)
    g, v = rng.uniform(1e-6, 1e-4, (7, 5)), rng.uniform(0, 0.2, 7)
    wires, boundary = Wires(2.0, 8.0, 10.0, 5.0), Boundary("driven", "driven", "sensed", "sensed")
    found = simulate(netlist(g, wires, v, boundary), tmp_path)
    exact = effective_operator(g, wires, boundary).currents(v[None])[0]
    np.testing.assert_allclose(line_currents(found, 5), exact, rtol=0, atol=1e-11 * float(np.abs(exact).max()))
