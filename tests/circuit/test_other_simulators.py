"""Arrays against ngspice and Qucs: currents and node voltages, linear and sinh cells."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from xbar.circuit import Sinh, Status, Wires, effective_operator, solve

FOLDER = Path(__file__).parents[1] / "data" / "circuit"
LINEAR = sorted(path.stem for path in FOLDER.glob("lin*.npz"))
SINH = sorted(path.stem for path in FOLDER.glob("sinh*.npz"))
QUCS: dict[str, Any] = json.loads((FOLDER / "qucs_cases.json").read_text())


class Case:
    """One golden case."""

    def __init__(self, name: str) -> None:
        with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
            self.g, self.v, self.currents = file["G"], file["V"].T, file["I"]
            self.word, self.bit = file["w"], file["b"]
            self.wires = Wires(float(file["rwl"]), float(file["rbl"]))
            self.v0 = float(file["v0"])

    def error(self, currents: NDArray[Any]) -> float:
        return float((np.abs(currents - self.currents).max(1) / np.abs(self.currents).max(1)).max())

    def node_error(self, word: NDArray[Any], bit: NDArray[Any]) -> float:
        return float(max(np.abs(word - self.word).max(), np.abs(bit - self.bit).max()) / np.abs(self.v).max())


def test_all_cases_are_there() -> None:
    assert (len(LINEAR), len(SINH), len(QUCS)) == (20, 12, 33)


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("method", ["march", "dissection"])
def test_linear_arrays_equal_ngspice(name: str, method: Literal["march", "dissection"]) -> None:
    case = Case(name)
    op = effective_operator(case.g, case.wires, method=method)
    assert case.error(op.currents(case.v)) <= 1e-11
    assert np.array_equal(op.currents(case.v), case.v @ op.matrix)
    assert case.node_error(*op.node_voltages(case.v)) <= 1e-11


@pytest.mark.parametrize("name", LINEAR)
def test_ladder_pcg_equals_ngspice(name: str) -> None:
    case = Case(name)
    found = solve(case.g, case.wires, case.v).require()
    assert case.error(found.currents) <= 1e-11
    assert case.node_error(found.word, found.bit) <= 1e-11


@pytest.mark.parametrize("name", LINEAR)
def test_single_precision_is_as_exact_as_its_type(name: str) -> None:
    case = Case(name)
    op = effective_operator(case.g, case.wires, dtype=np.float32)
    assert op.dtype == np.float32
    assert case.error(op.currents(case.v)) <= 3e-6


@pytest.mark.parametrize("name", SINH)
def test_sinh_cells_equal_ngspice(name: str) -> None:
    case = Case(name)
    found = solve(case.g, case.wires, case.v, iv=Sinh(case.v0))
    assert (found.status == Status.CONVERGED).all()
    assert (found.residual <= 1e-11).all()
    assert case.error(found.currents) <= 1e-9
    assert case.node_error(found.word, found.bit) <= 1e-9


@pytest.mark.parametrize("name", sorted(QUCS))
def test_arrays_equal_qucs(name: str) -> None:
    """The reference cases of badcrossbar: currents, and node voltages of both kinds of lines."""
    resistances, v, word, bit, currents, *_, v_word, v_bit = (np.array(x, float) for x in QUCS[name])
    with np.errstate(divide="ignore"):
        g = 1 / resistances
    op = effective_operator(g, Wires(word, bit))
    scale, volts = np.abs(currents).max(), np.abs(v).max()
    assert np.abs(op.currents(v.T) - currents).max() <= 1e-11 * scale
    found = op.node_voltages(v.T)
    assert np.abs(found[0][0] - v_word).max() <= 1e-11 * volts
    assert np.abs(found[1][0] - v_bit).max() <= 1e-11 * volts
