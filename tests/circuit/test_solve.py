"""Non-linear cells: uniqueness, damping, status, ranges, and bits that do not depend on the batch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from xbar.circuit import (
    Boundary,
    Ohmic,
    Polynomial,
    PooleFrenkel,
    Resistor,
    Selector,
    Series,
    Sinh,
    Status,
    Wires,
    biased,
    effective_operator,
    sensed,
    solve,
)
from xbar.circuit.cell_law import CellLaw
from xbar.errors import InputError, Unsupported

Floats = NDArray[np.float64]
LAWS: list[CellLaw] = [
    Ohmic(),
    Sinh(0.04),
    PooleFrenkel(4.0, limit=1.0),
    Polynomial((0.0, 3.0, 0.0, 7.0), limit=1.0),
    Series(Sinh(0.1), Resistor(2e4)),
    Series(Ohmic(), Selector(1e-7, 0.03)),
]


def cells(rows: int, cols: int, seed: int = 0) -> Floats:
    return 1e-4 * 10.0 ** np.random.default_rng(seed).uniform(-2, 0, (rows, cols))


def inputs(batch: int, rows: int, most: float = 0.3) -> Floats:
    return np.random.default_rng(4).uniform(-most, most, (batch, rows))


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
@pytest.mark.parametrize("r", [0.0, 1.0, 300.0])
def test_solved_cells_satisfy_their_law_and_kirchhoff(law: CellLaw, r: float) -> None:
    """With each cell replaced by its ratio of current to voltage, the linear operator gives the same currents."""
    g, v = cells(14, 11), inputs(2, 14)
    found = solve(g, Wires(r, 2 * r, source=r, sense=r), v, iv=law).require()
    assert (found.residual <= 1e-11).all()
    u = found.word - found.bit
    current = law.evaluate(g, u)[0]
    for k in range(2):
        linear = effective_operator(current[k] / u[k], Wires(r, 2 * r, source=r, sense=r))
        scale = np.abs(found.currents[k]).max()
        assert np.abs(linear.currents(v[k : k + 1])[0] - found.currents[k]).max() <= 1e-9 * scale
        assert np.abs(current[k].sum(0) - found.currents[k]).max() <= 1e-13 * scale


@given(st.integers(1, 7), st.permutations(range(7)), st.sampled_from([1, 2]))
@hypothesis_settings(max_examples=15)
def test_bits_do_not_depend_on_batch_order_or_threads(count: int, order: list[int], threads: int) -> None:
    """Every vector stops by its own residual."""
    g, v = cells(9, 12), inputs(7, 9)
    alone = [solve(g, Wires(5.0, 3.0), v[k : k + 1], iv=Sinh(0.05)) for k in range(7)]
    chosen = order[:count]
    found = solve(g, Wires(5.0, 3.0), v[chosen], iv=Sinh(0.05), threads=threads)
    for place, k in enumerate(chosen):
        assert np.array_equal(found.currents[place], alone[k].currents[0])
        assert np.array_equal(found.word[place], alone[k].word[0])
        assert found.iterations[place] == alone[k].iterations[0]


def test_blocks_of_large_arrays_are_solved_in_threads() -> None:
    g, v = cells(96, 128), inputs(5, 96)
    one, two = (solve(g, Wires(1.0, 1.0), v, iv=Sinh(0.1), threads=threads) for threads in (1, 2))
    assert np.array_equal(one.currents, two.currents)
    assert np.array_equal(one.bit, two.bit)


@pytest.mark.parametrize("r", [0.0, 2.0])
def test_conductances_of_each_vector_s_own(r: float) -> None:
    g = np.stack([cells(8, 6, seed) for seed in range(4)])
    v = inputs(4, 8)
    found = solve(g, Wires(r, r), v).require()
    for k in range(4):
        expected = effective_operator(g[k], Wires(r, r)).currents(v[k : k + 1])[0]
        assert np.abs(found.currents[k] - expected).max() <= 1e-13 * np.abs(expected).max()


@pytest.mark.parametrize("boundary", [None, Boundary(top=sensed(0.02), right=biased(0.05))])
def test_large_voltage_drops(boundary: Boundary | None) -> None:
    """A kappa of 1300: 99 % of the signal lost."""
    g, v = 10 * cells(64, 64), inputs(2, 64)
    found = solve(g, Wires(300.0, 300.0), v, boundary=boundary).require()
    expected = effective_operator(g, Wires(300.0, 300.0), boundary)
    assert np.abs(found.currents - expected.currents(v)).max() <= 1e-11 * np.abs(found.currents).max()
    word, bit = expected.node_voltages(v)
    assert max(np.abs(found.word - word).max(), np.abs(found.bit - bit).max()) <= 1e-11


def test_a_steep_law_needs_shorter_steps_and_converges() -> None:
    """25 times the scale of the exponential from the small-signal solution: the first step goes far too high."""
    g, v = 1e-5 * cells(12, 12), np.full((1, 12), 1.0)
    found = solve(g, Wires(5.0, 5.0), v, iv=Sinh(0.04)).require()
    u = found.word - found.bit
    assert u.min() > 0.2
    assert np.abs(u).max() <= 1.0
    assert (Sinh(0.04).evaluate(g, u)[0] > 0).all()


def test_half_selected_cells_of_a_selector_array_carry_little() -> None:
    """V/2: one row at +0.5 V, one column at -0.5 V, the rest at 0; the selector blocks what sees half."""
    boundary = Boundary(
        left=[biased(0.5), *["grounded"] * 7], bottom=["grounded", "grounded", biased(-0.5), *["grounded"] * 5]
    )
    g, law = np.full((8, 8), 1e-4), Series(Ohmic(), Selector(1e-15, 0.025))
    found = solve(g, Wires(5.0, 5.0), np.zeros((1, 8)), iv=law, boundary=boundary).require()
    current = np.abs(law.evaluate(g, (found.word - found.bit)[0])[0])
    assert current[0, 2] > 1e-5
    half = np.r_[current[0, :2], current[0, 3:], current[1:, 2]]
    assert half.max() < 0.02 * current[0, 2]
    assert not found.currents.any()


def test_a_vector_that_does_not_converge_is_no_number() -> None:
    g = cells(6, 6)
    v = np.concatenate([np.full((1, 6), 0.5), np.zeros((1, 6))])
    found = solve(g, Wires(50.0, 50.0), v, iv=Sinh(0.02), max_iterations=2)
    assert found.status.tolist() == [Status.NOT_CONVERGED, Status.CONVERGED]
    assert np.isnan(found.currents[0]).all()
    assert np.isnan(found.word[0]).all()
    assert np.isnan(found.bit[0]).all()
    assert found.residual[0] > 1e-11
    assert not found.currents[1].any()
    with pytest.raises(Unsupported, match=r"1 of 2 vectors \(the first: 0; residual .*raise max_iterations"):
        found.require()


def test_a_solution_beyond_the_law_is_reported() -> None:
    g = cells(3, 3)
    found = solve(g, Wires(1.0, 1.0), [[0.1] * 3, [0.8] * 3], iv=PooleFrenkel(2.0, limit=0.5))
    assert found.status.tolist() == [Status.CONVERGED, Status.OUT_OF_RANGE]
    assert np.isfinite(found.currents).all()
    with pytest.raises(Unsupported, match="left the range"):
        found.require()


def test_small_signals_are_linear() -> None:
    g, v = cells(7, 9), inputs(2, 7, 1e-6)
    found = solve(g, Wires(3.0, 4.0), v, iv=Sinh(0.1)).require()
    assert np.allclose(found.currents, effective_operator(g, Wires(3.0, 4.0)).currents(v), rtol=1e-9)


def test_shorted_and_open_cells() -> None:
    g = cells(6, 6)
    g[1, 2], g[4] = np.inf, 0.0
    found = solve(g, Wires(2.0, 2.0), inputs(2, 6)).require()
    expected = effective_operator(g, Wires(2.0, 2.0)).currents(inputs(2, 6))
    assert np.abs(found.currents - expected).max() <= 1e-10 * np.abs(expected).max()


BAD_CALLS: list[tuple[Callable[[], Any], str]] = [
    (lambda: solve(cells(3, 3), Wires(1, 1), np.ones((2, 4))), r"give \(batch, 3\)"),
    (lambda: solve(np.ones((3, 2, 2)), Wires(1, 1), np.ones((2, 2))), r"give \(3, 2\)"),
    (lambda: solve(cells(3, 3), Wires(1, 1), np.full((1, 3), np.nan)), "NaN"),
    (lambda: solve(cells(3, 3), Wires(1, 1), np.ones((0, 3))), "no vector"),
    (lambda: solve(cells(3, 3), Wires(1, 1), np.ones((1, 3)), tolerance=0.0), "tolerance 0"),
    (lambda: solve(cells(3, 3), Wires(1, 1), np.ones((1, 3)), max_iterations=0), "0 iterations"),
    (lambda: solve(cells(3, 3), Wires(1, 1), np.ones((1, 3)), iv="sinh"), "`iv` is 'sinh'; give a law of cells"),  # type: ignore[arg-type]  # bad on purpose
    (lambda: solve(cells(3, 3), Wires(1, 1), np.ones((1, 3)), iv=Sinh), "give a law of cells"),  # type: ignore[arg-type]  # bad on purpose
    (lambda: solve(cells(3, 3), Wires(1, 1), "volts"), "inputs are 'volts'"),
    (lambda: solve(-cells(3, 3), Wires(1, 1), np.ones((1, 3))), "conductance of cell"),
]


@pytest.mark.parametrize(("call", "message"), BAD_CALLS)
def test_what_cannot_be_is_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
