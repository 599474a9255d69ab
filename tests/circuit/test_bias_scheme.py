"""Bias schemes: what an ammeter sees of one cell, and what the other cells get meanwhile."""

from typing import Any, get_args

import numpy as np
import pytest

from xbar.circuit import Wires, effective_operator
from xbar.circuit.bias_scheme import BiasScheme, apparent_conductances, boundary, cell_voltages
from xbar.circuit.port_admittance import port_admittance
from xbar.errors import InputError

SCHEMES: tuple[BiasScheme, ...] = get_args(BiasScheme)
WIRES = {"ideal": Wires(0.0, 0.0), "unequal": Wires(5.0, 9.0), "with ends": Wires(5.0, 9.0, 3.0, 20.0)}


def cells(rows: int = 7, cols: int = 5, seed: int = 0) -> Any:
    g = 10 ** np.random.default_rng(seed).uniform(-6, -4, (rows, cols))
    g[2, 1] = 0.0
    return g


@pytest.mark.parametrize("wires", WIRES.values(), ids=WIRES)
def test_ports_obey_kirchhoff_and_reciprocity(wires: Wires) -> None:
    """The admittance is symmetric, lets nothing flow at equal voltages, and takes power for all others."""
    ports = port_admittance(cells(), wires)
    y = ports.matrix
    assert np.array_equal(y, y.T)
    assert np.abs(y.sum(axis=1)).max() < 1e-14 * np.abs(y).max()
    assert np.linalg.eigvalsh(y)[0] > -1e-14 * np.abs(y).max()
    v = np.random.default_rng(1).uniform(-0.2, 0.2, (3, 7))
    into = ports.currents(v, np.zeros((3, 5)))
    want = effective_operator(cells(), wires).currents(v)
    np.testing.assert_allclose(-into[1], want, rtol=1e-13)
    assert np.abs(into[0].sum(axis=-1) + into[1].sum(axis=-1)).max() < 1e-13 * np.abs(want).max()


def test_ports_of_segments_that_differ() -> None:
    """Each segment has its own resistance: from the bit lines the array is the same circuit."""
    rng = np.random.default_rng(4)
    wires = Wires(rng.uniform(1, 30, (7, 5)), rng.uniform(1, 30, (7, 5)), rng.uniform(1, 9, 7), rng.uniform(1, 9, 5))
    g = cells()
    ports = port_admittance(g, wires)
    side = boundary("ground", (7, 5), (0, 3), 0.0)
    bits = np.array([0.0, 0.1, 0.0, 0.0, -0.2])
    from xbar.circuit import Boundary, sensed

    op = effective_operator(g, wires, Boundary(left=side.left, bottom=[sensed(float(v)) for v in bits]))
    np.testing.assert_allclose(-ports.currents(np.zeros(7), bits)[1], op.currents(np.zeros((1, 7)))[0], rtol=1e-12)


@pytest.mark.parametrize("wires", WIRES.values(), ids=WIRES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_cell_is_seen_as_the_circuit_says(scheme: BiasScheme, wires: Wires) -> None:
    """The same current as one solution of the circuit with these lines tied so, for each cell by itself."""
    g = cells()
    places = np.argwhere(np.ones(g.shape, bool))
    found = apparent_conductances(port_admittance(g, wires), places, scheme)
    for seen, (row, col) in zip(found, places, strict=True):
        op = effective_operator(g, wires, boundary(scheme, (7, 5), (row, col), 1.0))
        v = np.zeros((1, 7))
        v[0, row] = 1.0
        assert seen == pytest.approx(op.currents(v)[0, col], rel=1e-9, abs=1e-18)


def test_four_resistors() -> None:
    """In a 2 x 2 array with floating lines the other three cells are a path in series beside the one that is read."""
    g = np.array([[1e-5, 2e-5], [4e-5, 5e-5]])
    ports = port_admittance(g, Wires(0.0, 0.0))
    sneak = 1 / (1 / 2e-5 + 1 / 5e-5 + 1 / 4e-5)
    found = [apparent_conductances(ports, np.array([[0, 0]]), scheme)[0] for scheme in ("ground", "half", "float")]
    assert found == pytest.approx([1e-5, 1e-5 + 4e-5 / 2, 1e-5 + sneak])


@pytest.mark.parametrize(("scheme", "most"), [("ground", 1.0), ("half", 0.5), ("third", 1 / 3)])
def test_what_the_others_get(scheme: BiasScheme, most: float) -> None:
    """Without wires the selected cell has all of V; no other more than V/2 or V/3, none at all beside its lines."""
    v = cell_voltages(cells(), Wires(0.0, 0.0), (3, 2), 1.2, scheme)
    assert v[3, 2] == pytest.approx(1.2)
    others = np.abs(np.delete(v.ravel(), 3 * 5 + 2))
    assert others.max() == pytest.approx(1.2 * most)
    if scheme != "third":
        apart = np.delete(np.delete(v, 3, axis=0), 2, axis=1)
        assert np.abs(apart).max() < 1e-12


def test_lines_that_nothing_is_connected_to() -> None:
    """A floating line of open cells carries nothing and does no harm."""
    g = np.array([[1e-5, 0.0], [0.0, 0.0]])
    ports = port_admittance(g, Wires(1.0, 1.0))
    places = np.argwhere(np.ones((2, 2), bool))
    seen = apparent_conductances(ports, places, "float")
    assert seen[0] == pytest.approx(1 / (1e5 + 1 + 2), rel=1e-9)
    assert np.abs(seen[1:]).max() < 1e-15


def test_bad_input() -> None:
    with pytest.raises(InputError, match="scheme 'quarter'"):
        apparent_conductances(port_admittance(cells(), Wires(0.0, 0.0)), np.array([[0, 0]]), "quarter")  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(InputError, match=r"cell \(7, 0\) does not exist"):
        boundary("half", (7, 5), (7, 0), 1.0)
