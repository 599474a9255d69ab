"""Networks of cells that are not linear: against linear ones, the circuit's own solver, and results by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from xbar.circuit.boundary import Boundary, biased, sensed
from xbar.circuit.cell_law import Sinh
from xbar.circuit.newton import solve as solve_circuit
from xbar.circuit.wires import Wires
from xbar.devices.card_file import load_card
from xbar.devices.dynamics import limit, respond
from xbar.devices.iv_law import CubicIv, SinhIv
from xbar_drivers.emulated.array_network import ArrayNetwork
from xbar_drivers.emulated.cell_laws import IvCells, ModelCells, rising_limit
from xbar_drivers.emulated.cells import SeenCells
from xbar_drivers.emulated.motion import move_together
from xbar_drivers.emulated.nodal import Solution, Source, coupling, solve
from xbar_drivers.emulated.operating_point import solve_array

GROUND = Source(True, 0.0, np.inf)
Floats = NDArray[np.float64]


def network(g: Floats, law: SinhIv | None, wires: Wires | None = None) -> ArrayNetwork:
    """Return cells whose lines are nets of their own, word lines first."""
    seen = SeenCells(g) if law is None else SeenCells(np.ones(g.shape), IvCells(law, g))
    return ArrayNetwork(seen, np.arange(sum(g.shape)), sum(g.shape), wires)


def some_sources(rng: np.random.Generator, lines: int) -> tuple[list[int], list[Source]]:
    places = [int(k) for k in rng.permutation(lines)[: rng.integers(1, lines + 1)]]
    sources = [
        Source(True, float(rng.uniform(-1, 1)), float(rng.uniform(1e-7, 1e-4)))
        if rng.random() < 0.7
        else Source(False, float(rng.uniform(-1e-4, 1e-4)), float(rng.uniform(0.01, 2)))
        for _ in places
    ]
    return places, [GROUND, *sources[1:]]


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_linear_cells_are_solved_as_by_elimination(rows: int, cols: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    g = rng.uniform(1e-6, 1e-4, (rows, cols))
    places, sources = some_sources(rng, rows + cols)
    lines = np.arange(rows + cols)
    expected = solve(coupling(g, lines[:rows], lines[rows:], rows + cols), places, sources)
    found = solve_array(network(g, None), places, sources)
    assert found.currents == pytest.approx(expected.currents, rel=1e-6, abs=1e-15)
    assert found.voltages == pytest.approx(expected.voltages, rel=1e-6, abs=1e-9)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_currents_sum_to_zero_and_limits_hold(rows: int, cols: int, seed: int) -> None:
    """Exponential cells, whatever the sources: Kirchhoff's law, every limit kept, nobody limited without need."""
    rng = np.random.default_rng(seed)
    g = rng.uniform(1e-6, 1e-4, (rows, cols))
    places, sources = some_sources(rng, rows + cols)
    cells = network(g, SinhIv(0.2))
    found = solve_array(cells, places, sources)
    _check(found, places, sources)
    again = solve_array(cells, places, sources, found)
    assert again.voltages == pytest.approx(found.voltages, abs=1e-9)


def _check(found: Solution, places: list[int], sources: list[Source]) -> None:
    assert abs(found.currents.sum()) < 1e-9 * np.abs(found.currents).sum() + 1e-13
    for k, (line, source) in enumerate(zip(places, sources, strict=True)):
        own, other = found.voltages[line], found.currents[k]
        if not source.voltage:
            own, other = other, own
        assert abs(other) <= source.limit * (1 + 1e-6)
        if not found.limited[k]:
            assert own == pytest.approx(source.level, rel=1e-6, abs=1e-12)
        else:
            assert np.sign(other) * (source.level - own) >= -1e-6 * abs(source.level)


def test_floating_line_between_equal_cells_stands_at_half() -> None:
    cells = network(np.full((2, 1), 1e-5), SinhIv(0.1))
    found = solve_array(cells, [0, 1], [Source(True, 2.0, 1.0), GROUND])
    assert found.voltages[2] == pytest.approx(1.0, rel=1e-9)
    assert found.currents[0] == pytest.approx(1e-5 * 0.1 * np.sinh(10.0), rel=1e-9)


def test_limit_of_a_source_ends_the_rise_of_an_exponential_cell() -> None:
    """At 5 V without a limit the cell would take 1e16 A; the voltage is that of the limit's current."""
    found = solve_array(network(np.full((1, 1), 1e-5), SinhIv(0.1)), [0, 1], [Source(True, 5.0, 1e-3), GROUND])
    assert found.currents[0] == pytest.approx(1e-3)
    assert found.voltages[0] == pytest.approx(0.1 * np.arcsinh(1e-3 / 1e-6), rel=1e-9)
    assert found.limited.tolist() == [True, False]


def test_both_sources_of_a_cell_may_have_a_limit() -> None:
    """The tighter one acts; that of the other is not reached then."""
    found = solve_array(
        network(np.full((1, 1), 1e-5), SinhIv(0.1)), [0, 1], [Source(True, 5.0, 1e-3), Source(True, 0.0, 1e-4)]
    )
    assert found.currents == pytest.approx([1e-4, -1e-4])
    assert found.limited.tolist() == [False, True]


def test_wires_between_cells_and_nets_are_those_of_the_circuit() -> None:
    g, wires = np.random.default_rng(1).uniform(1e-5, 1e-4, (4, 5)), Wires(50.0, 80.0)
    levels = np.array([0.3, -0.1, 0.5, 0.2])
    found = solve_array(
        network(g, SinhIv(0.25), wires), list(range(9)), [Source(True, float(v), 1.0) for v in (*levels, *[0.0] * 5)]
    )
    boundary = Boundary(left=biased(levels), bottom=sensed())
    expected = solve_circuit(g, wires, np.zeros((1, 4)), iv=Sinh(0.25), boundary=boundary).require()
    assert -found.currents[4:] == pytest.approx(expected.currents[0], rel=1e-8)
    assert found.currents[:4].sum() == pytest.approx(expected.currents.sum(), rel=1e-8)


def test_floating_line_behind_wires_takes_no_current() -> None:
    g, wires = np.random.default_rng(2).uniform(1e-5, 1e-4, (3, 3)), Wires(100.0, 100.0)
    cells = network(g, SinhIv(0.25), wires)
    found = solve_array(cells, [0, 3, 4, 5], [Source(True, 0.6, 1e-2), *[Source(True, 0.0, 1.0)] * 3])
    assert np.abs(cells.through(found.voltages)[[1, 2]]).max() < 1e-12
    assert found.currents.sum() == pytest.approx(0, abs=1e-11)


def test_law_that_turns_goes_on_by_its_tangent() -> None:
    """A cubic law of negative coefficient falls beyond 1 / sqrt(3 c): there the current goes on rising."""
    law, own = CubicIv(-1.0), np.full((1, 1), 1e-5)
    end = rising_limit(law, own)
    assert 0.45 < end < 1 / np.sqrt(3)
    cells = IvCells(law, own, end)
    at = np.linspace(0, 3, 50).reshape(-1, 1, 1)
    current, slope = cells.evaluate(np.ones((1, 1)), at)
    assert (np.diff(np.asarray(current).ravel()) > 0).all()
    assert (np.asarray(slope) > 0).all()


@pytest.mark.parametrize("name", ["vteam", "yakopcic_nbsto", "stanford_pku", "ion_drift"])
def test_slope_of_a_model_is_the_derivative_of_its_current(name: str) -> None:
    model = load_card(name).dynamics
    assert model is not None
    cells = ModelCells(model, np.full((1, 1), 0.3 * model.low + 0.7 * model.high), np.zeros((1, 1), bool))
    for volts in (-0.7, 0.3, 12.0):
        at = np.full((1, 1), volts)
        low, high = (np.asarray(cells.evaluate(np.ones((1, 1)), at + d)[0]) for d in (-1e-4, 1e-4))
        assert np.asarray(cells.evaluate(np.ones((1, 1)), at)[1]) == pytest.approx((high - low) / 2e-4, rel=1e-4)


def test_states_that_move_together_move_as_each_alone_where_nothing_couples_them() -> None:
    model = load_card("yakopcic_nbsto").dynamics
    assert model is not None
    start, volts = np.array([0.1, 0.4, 0.9]), np.array([0.7, 0.8, -0.75])
    found = move_together(model, start, np.array([True, True, True]), 2e-3, lambda x: volts)
    expected = np.asarray(respond(model, start, volts[None], np.array([2e-3])).state[-1])
    assert found == pytest.approx(expected, abs=2e-6)


def test_states_that_share_a_limit_share_it_by_their_conductances() -> None:
    """Two equal cells at one source of 2 mA end where one cell at 1 mA ends; a stuck one stays."""
    model = load_card("stanford_pku").dynamics
    assert model is not None
    start = np.full(2, 1.6e-9)
    calls = []

    def volts(x: Floats) -> Floats:
        calls.append(1)
        # Equal cells: half of the current each.
        return np.asarray(limit(model, x, np.full(2, 1.6), 1e-3)[0])

    found = move_together(model, start, np.array([True, False]), 1e-3, volts)
    expected = np.asarray(respond(model, start[:1], np.array([[1.6]]), np.array([1e-3]), 1e-3).state[-1])
    assert found[0] == pytest.approx(expected[0], abs=1e-13)
    assert found[1] == start[1]
    assert len(calls) < 1000
