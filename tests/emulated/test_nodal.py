"""The network of sources and cells against networks that can be solved by hand, and against energy balance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from xbar_drivers.emulated.nodal import Source, coupling, solve

GROUND = Source(True, 0.0, np.inf)


def network(conductances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Laplacian with every line a net of its own: rows first."""
    rows, cols = conductances.shape
    return coupling(conductances, np.arange(rows), rows + np.arange(cols), rows + cols)


def test_one_cell_follows_ohms_law() -> None:
    found = solve(network(np.array([[2e-5]])), [0, 1], [Source(True, 0.2, 1e-3), GROUND])
    assert found.currents == pytest.approx([4e-6, -4e-6])
    assert not found.limited.any()


def test_currents_of_several_rows_add_in_one_column() -> None:
    g = np.array([[1e-5], [2e-5], [4e-5]])
    sources = [Source(True, v, 1e-3) for v in (0.1, 0.2, 0.3)]
    found = solve(network(g), [0, 1, 2, 3], [*sources, GROUND])
    assert found.currents[3] == pytest.approx(-(g[:, 0] @ [0.1, 0.2, 0.3]))


def test_floating_line_divides_the_voltage() -> None:
    """Row 0 driven, row 1 grounded, the column between them floats."""
    found = solve(network(np.array([[1e-5], [3e-5]])), [0, 1], [Source(True, 0.4, 1e-3), GROUND])
    assert found.voltages[2] == pytest.approx(0.1, rel=1e-6)
    assert found.currents[0] == pytest.approx(0.4 * 0.75e-5, rel=1e-6)


def test_voltage_source_at_its_limit_gives_the_limit() -> None:
    found = solve(network(np.array([[1e-3]])), [0, 1], [Source(True, 0.5, 1e-4), GROUND])
    assert found.currents[0] == pytest.approx(1e-4)
    assert found.voltages[0] == pytest.approx(0.1)
    assert found.limited.tolist() == [True, False]


def test_current_source_at_its_limit_keeps_the_voltage() -> None:
    found = solve(network(np.array([[1e-6]])), [0, 1], [Source(False, 1e-5, 2.0), GROUND])
    assert found.voltages[0] == pytest.approx(2.0)
    assert found.currents[0] == pytest.approx(2e-6)
    assert found.limited[0]


def test_current_source_within_its_limit_keeps_the_current() -> None:
    found = solve(network(np.array([[1e-4]])), [0, 1], [Source(False, 1e-5, 2.0), GROUND])
    assert found.voltages[0] == pytest.approx(0.1)
    assert not found.limited[0]


def test_two_sources_on_one_net_fight_within_their_limits() -> None:
    """The weaker of two tied voltage sources gives way."""
    found = solve(network(np.array([[1e-6]])), [0, 0, 1], [Source(True, 1.0, 1e-3), Source(True, 0.5, 1e-2), GROUND])
    assert found.voltages[0] == pytest.approx(0.5, abs=1e-4)
    assert found.limited.tolist() == [True, False, False]


def test_cell_whose_lines_are_tied_carries_nothing() -> None:
    laplacian = coupling(np.array([[1e-5]]), np.array([0]), np.array([0]), 1)
    assert solve(laplacian, [0], [Source(True, 1.0, 1e-3)]).currents[0] == 0


def test_net_that_nothing_reaches_stands_at_ground() -> None:
    found = solve(network(np.zeros((1, 1))), [0], [Source(True, 1.0, 1e-3)])
    assert found.voltages.tolist() == [1.0, 0.0]


@given(
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(0, 2**32 - 1),
)
def test_currents_sum_to_zero_and_limits_hold(rows: int, cols: int, seed: int) -> None:
    """Whatever the sources: Kirchhoff's law, every limit kept, and nobody limited without need."""
    rng = np.random.default_rng(seed)
    g = rng.uniform(1e-6, 1e-4, (rows, cols))
    lines = rng.permutation(rows + cols)[: rng.integers(1, rows + cols + 1)]
    sources = [
        Source(True, float(rng.uniform(-1, 1)), float(rng.uniform(1e-7, 1e-4)))
        if rng.random() < 0.7
        else Source(False, float(rng.uniform(-1e-4, 1e-4)), float(rng.uniform(0.01, 2)))
        for _ in lines
    ]
    # A ground with no limit at one line, where the rest of the currents goes.
    sources[0] = GROUND
    found = solve(network(g), [int(line) for line in lines], sources)
    assert abs(found.currents.sum()) < 1e-9 * (1 + np.abs(found.currents).sum())
    for k, (line, source) in enumerate(zip(lines, sources, strict=True)):
        own, other = found.voltages[line], found.currents[k]
        if not source.voltage:
            own, other = other, own
        assert abs(other) <= source.limit * (1 + 1e-6)
        if not found.limited[k]:
            assert own == pytest.approx(source.level, rel=1e-6, abs=1e-12)
        else:
            assert np.sign(other) * (source.level - own) >= -1e-6 * abs(source.level)
