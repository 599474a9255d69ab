"""Derivatives against differences, for linear and non-linear cells and all parameters of the wires."""

from typing import Any

import numpy as np
import pytest

from xbar.circuit import (
    Boundary,
    Gradients,
    Ohmic,
    PooleFrenkel,
    Resistor,
    Selector,
    Series,
    Sinh,
    Wires,
    biased,
    driven,
    effective_operator,
    gradients,
    sensed,
    solution_gradients,
    solve,
)
from xbar.circuit.cell_law import CellLaw
from xbar.errors import InputError, Unsupported

BOUNDARIES = {
    "plain": Boundary(),
    "all four sides": Boundary("driven", "driven", "sensed", "sensed"),
    "some floating": Boundary(
        ["driven", "open", "grounded", "driven", "driven"],
        ["open", biased(0.1), "open", "driven", "open"],
        "open",
        ["sensed", "open", sensed(0.05)],
    ),
    "own resistances": Boundary("driven", driven(7.0), biased(0.1), ["open", "sensed", "sensed"]),
}
LAWS: dict[str, CellLaw | None] = {
    "linear": None,
    "sinh": Sinh(0.1),
    "Poole-Frenkel": PooleFrenkel(2.0, limit=1.0),
    "sinh and transistor": Series(Sinh(0.2), Resistor(1e3)),
    "selector": Series(Ohmic(), Selector(2e-5, 0.1)),
}


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("law", LAWS)
def test_derivatives_equal_differences(boundary: str, law: str) -> None:
    rng = np.random.default_rng(8)
    iv, side = LAWS[law], BOUNDARIES[boundary]
    values: dict[str, Any] = {
        "g": rng.uniform(1e-5, 1e-3, (5, 3)),
        "word": rng.uniform(1, 30, (5, 4)),
        "bit": rng.uniform(1, 30, (6, 3)),
        "source": rng.uniform(1, 9, 5),
        "sense": rng.uniform(1, 9, 3),
        "v": rng.uniform(-0.3, 0.3, (2, 5)),
    }
    weights = rng.standard_normal((2, 3))

    def loss(**changed: Any) -> tuple[float, Any, Wires]:
        now = values | changed
        wires = Wires(now["word"], now["bit"], now["source"], now["sense"])
        if iv is None:
            op = effective_operator(now["g"], wires, side)
            return float((weights * op.currents(now["v"])).sum()), op, wires
        found = solve(now["g"], wires, now["v"], iv=iv, boundary=side, tolerance=1e-13)
        return float((weights * found.currents).sum()), found, wires

    _, solved, wires = loss()
    if iv is None:
        exact: Gradients = gradients(solved, values["v"], weights)
    else:
        exact = solution_gradients(solved, values["g"], wires, values["v"], weights, iv=iv, boundary=side)
    for name, value in values.items():
        slope = getattr(exact, name)
        assert slope.shape == value.shape
        assert np.abs(slope).max() > 0
        index = np.unravel_index(np.argmax(np.abs(slope * value)), value.shape)
        step = 1e-4 * abs(value[index])
        up, down = value.copy(), value.copy()
        up[index] += step
        down[index] -= step
        difference = (loss(**{name: up})[0] - loss(**{name: down})[0]) / (2 * step)
        assert slope[index] == pytest.approx(difference, rel=1e-4)


def test_linear_cells_give_the_same_both_ways() -> None:
    rng = np.random.default_rng(2)
    g, v, weights = rng.uniform(1e-5, 1e-3, (12, 7)), rng.uniform(-0.3, 0.3, (4, 12)), rng.standard_normal((4, 7))
    wires = Wires(5.0, 2.0, 1.0, 3.0)
    one = gradients(effective_operator(g, wires), v, weights)
    two = solution_gradients(solve(g, wires, v), g, wires, v, weights)
    for name in ("g", "word", "bit", "source", "sense", "v", "cells"):
        a, b = getattr(one, name), getattr(two, name)
        assert np.abs(a - b).max() <= 1e-11 * np.abs(a).max()


def test_derivatives_by_the_inputs_are_the_operator() -> None:
    g, v = np.random.default_rng(2).uniform(1e-5, 1e-3, (6, 4)), np.ones((1, 6))
    op = effective_operator(g, Wires(5.0, 2.0))
    for j in range(4):
        assert np.allclose(gradients(op, v, np.eye(4)[j : j + 1]).v[0], op.matrix[:, j], rtol=1e-12)


def test_open_and_dead_cells_have_finite_derivatives() -> None:
    """An open cell has a derivative: what a conductance there would add. A line that nothing reaches has none."""
    g = np.full((3, 3), 1e-4)
    g[1, 1] = 0.0
    g[2] = 0.0
    boundary = Boundary(left=["driven", "driven", "floating"])
    op = effective_operator(g, Wires(1.0, 1.0), boundary)
    v, weights = np.array([[0.1, 0.2, 0.3]]), np.ones((1, 3))
    found = gradients(op, v, weights)
    more = g.copy()
    more[1, 1] = 1e-9
    change = effective_operator(more, Wires(1.0, 1.0), boundary).currents(v).sum() - op.currents(v).sum()
    assert found.g[1, 1] == pytest.approx(change / 1e-9, rel=1e-4)
    assert not found.g[2].any()


def test_what_did_not_converge_has_no_derivatives() -> None:
    g, v = np.full((3, 3), 1e-4), np.full((1, 3), 0.5)
    wires = Wires(10.0, 10.0)
    found = solve(g, wires, v, iv=Sinh(0.02), max_iterations=1)
    with pytest.raises(Unsupported, match="did not converge"):
        solution_gradients(found, g, wires, v, np.ones((1, 3)), iv=Sinh(0.02))


def test_weights_of_another_shape_are_refused() -> None:
    op = effective_operator(np.full((3, 2), 1e-4), Wires(1.0, 1.0))
    with pytest.raises(InputError, match="one batch"):
        gradients(op, np.ones((2, 3)), np.ones((1, 2)))
