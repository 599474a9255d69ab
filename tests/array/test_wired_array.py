"""Arrays with wires: products and readings are those of the circuit; operators are made for what changed alone."""

from typing import Any

import numpy as np
import pytest

import xbar
from xbar.array.wired_array import WiredArray
from xbar.bench.bench import Bench
from xbar.bench.settings import Unselected
from xbar.circuit import Wires, effective_operator
from xbar.circuit.bias_scheme import boundary
from xbar.errors import InputError
from xbar.execution.open_bench import open_bench
from xbar_drivers.simulated import SCHEMES

ROWS, COLS = 24, 16
IDEAL_CELLS: dict[str, Any] = {"card": "ideal", "rows": ROWS, "cols": COLS, "arrays": 3}


def targets(bench: Bench, seed: int = 1) -> Any:
    low, high = bench.capabilities.conductance_range or (0.0, 0.0)
    return np.random.default_rng(seed).uniform(low, high, (ROWS, COLS))


def volts(batch: int = 7) -> Any:
    return np.random.default_rng(2).uniform(-0.2, 0.2, (batch, ROWS))


def test_products_are_those_of_the_circuit() -> None:
    """With continuous converters the currents are v @ W to the grid's 1e-8, far from v @ G."""
    with open_bench("sim", **IDEAL_CELLS, wires="word=20 ohm, bit=40 ohm, source=100 ohm, sense=50 ohm") as bench:
        g = targets(bench)
        bench[0].program(g)
        codes = open_codes(bench, 0, volts())
    with open_bench("sim", **IDEAL_CELLS, only=("ir_drop",), wires={"word": 20.0, "bit": 40.0, "source": 100.0}) as b:
        b[0].program(g)
        found = b[0].mvm(volts(), xbar.VectorConfig(0.2)).current[0]
        plain = volts() @ g
        want = effective_operator(g, Wires(20.0, 40.0, 100.0)).currents(volts())
        assert np.abs(found - want).max() < 5e-5 * np.abs(want).max()
        assert np.abs(found - plain).max() > 0.01 * np.abs(plain).max()
    assert codes.dtype == np.int8


def open_codes(bench: Bench, array: int, inputs: Any) -> Any:
    return bench[array].mvm(inputs, xbar.VectorConfig(0.2, 1e-3)).codes


def test_the_same_bits_for_any_grouping_and_threads() -> None:
    """Codes of three arrays at once on two threads are those of one array after the other on one."""
    how = {**IDEAL_CELLS, "card": "pcm", "wires": "5 ohm"}
    config = xbar.VectorConfig(0.2, 50e-6)
    numbers = np.arange(7, dtype=np.uint64)
    with open_bench("sim", **how, threads=2) as bench, open_bench("sim", **how) as other:
        for b in (bench, other):
            for array in range(3):
                b[array].program(targets(bench, array))
        together = bench.mvm([0, 1, 2], np.stack([volts()] * 3), config, numbers).codes
        single = [other.mvm([k], volts()[None], config, numbers).codes[0] for k in range(3)]
    assert np.array_equal(together, np.stack(single))


def test_a_part_of_an_array_sees_the_whole_array() -> None:
    """Word lines that are not driven stand at 0 V, bit lines that are not converted are sensed all the same."""
    with open_bench("sim", **IDEAL_CELLS, only=("ir_drop",), wires="30 ohm") as bench:
        g = targets(bench)
        bench[0].program(g)
        part = bench.mvm([0], volts()[None, :, :10], xbar.VectorConfig(0.2, columns=6)).current[0]
    padded = np.zeros((7, ROWS))
    padded[:, :10] = volts()[:, :10]
    want = effective_operator(g, Wires(30.0, 30.0)).currents(padded)[:, :6]
    assert np.abs(part - want).max() < 5e-5 * np.abs(want).max()


def test_a_cell_read_loses_what_the_wires_take() -> None:
    """The far cell reads lower than the near one of the same conductance, by the operator's share."""
    with open_bench("sim", **IDEAL_CELLS, wires="30 ohm") as bench:
        high = (bench.capabilities.conductance_range or (0.0, 0.0))[1]
        g = np.full((ROWS, COLS), high)
        bench[0].program(g)
        read = bench[0].read_all().conductance.reshape(ROWS, COLS)
    want = effective_operator(g, Wires(30.0, 30.0)).matrix
    assert read == pytest.approx(want, rel=1e-12)
    assert read[0, -1] < read[-1, 0] < high


def test_read_noise_comes_through_the_wires() -> None:
    """The spread of a bit line's current is that of sigma W / g of its cells, to four standard errors of 4000 draws."""
    how = {**IDEAL_CELLS, "card": "generic", "only": ("ir_drop", "read_noise"), "wires": "30 ohm"}
    with open_bench("sim", **how) as bench:
        g = targets(bench)
        bench[0].program(g)
        inputs = np.full((4000, ROWS), 0.2)
        current = bench[0].mvm(inputs, xbar.VectorConfig(0.2)).current[0]
    card = xbar.load_card("generic")
    assert card.read_noise is not None
    share = effective_operator(g, Wires(30.0, 30.0)).matrix / g
    want = np.sqrt((np.square(card.read_noise.sigma(g) * share) * 0.2**2).sum(axis=0))
    assert np.abs(current.std(axis=0) / want - 1).max() < 4 / np.sqrt(2 * 4000) + 0.01


def test_only_what_changed_is_solved_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programming one array of three, or a wait of cells that do not drift, builds no operator of the others."""
    built: list[int] = []
    operator = WiredArray._build  # to count

    def counted(self: WiredArray, g: Any) -> Any:
        built.append(1)
        return operator(self, g)

    monkeypatch.setattr(WiredArray, "_build", counted)
    with open_bench("sim", **IDEAL_CELLS, wires="5 ohm") as bench:
        for array in range(3):
            bench[array].program(targets(bench, array))
        every = np.zeros((3, 1, ROWS))
        bench.mvm([0, 1, 2], every)
        assert len(built) == 3
        bench.wait(100.0)
        bench.mvm([0, 1, 2], every)
        assert len(built) == 3
        bench[1].program(targets(bench, 9))
        bench.mvm([0, 1, 2], every)
        assert len(built) == 4


def test_the_effect_tells_the_wires() -> None:
    """Applied with its resistances; skipped without wires, or where the caller left it out."""
    for how, state, word in (
        ({"wires": "22nm-1t1r"}, "applied", "word 1.856 ohm, bit 5.569 ohm"),
        ({"wires": "1 ohm", "without": ["ir_drop"]}, "skipped", "switched off"),
        ({}, "skipped", "no wires are named"),
    ):
        with open_bench("sim", rows=4, cols=4, **how) as bench:
            found = {effect.name: effect for effect in bench.capabilities.effects}["ir_drop"]
            assert found.state == state
            assert word in found.note
            assert (bench.settings["wires"] is None) == (state == "skipped")


@pytest.mark.parametrize("wires", [None, "25 ohm"])
@pytest.mark.parametrize("mode", list(Unselected))
def test_a_reading_holds_the_sneak_currents_of_its_scheme(mode: Unselected, wires: str | None) -> None:
    """Each cell's current is that of the whole circuit with the other lines tied as the scheme says."""
    with open_bench("sim", card="ideal", rows=5, cols=4, wires=wires) as bench:
        low, high = bench.capabilities.conductance_range or (0.0, 0.0)
        g = np.random.default_rng(3).uniform(low, high, (5, 4))
        bench[0].program(g)
        read = bench[0].read_all(xbar.ReadConfig(voltage=0.2, unselected=mode)).current.reshape(5, 4)
    ohm = 0.0 if wires is None else 25.0
    for row, col in np.ndindex(5, 4):
        side = boundary(SCHEMES[mode], (5, 4), (row, col), 0.2)
        volts_in = np.zeros((1, 5))
        volts_in[0, row] = 0.2
        want = effective_operator(g, Wires(ohm, ohm), side).currents(volts_in)[0, col]
        assert read[row, col] == pytest.approx(want, rel=1e-9)
    if mode is Unselected.FLOAT:
        assert (read > 1.05 * g * 0.2).any(), "floating lines give sneak paths"


def test_exact_noise_through_wires_can_be_chosen() -> None:
    """Every cell of every vector has a draw of its own; the spread is below that of one draw for each bit line."""
    how = {**IDEAL_CELLS, "card": "generic", "only": ("ir_drop", "read_noise"), "wires": "200 ohm", "arrays": 1}
    spread = {}
    for way in ("exact", "output"):
        with open_bench("sim", **how, wire_noise=way) as bench:
            bench[0].program(targets(bench))
            current = bench[0].mvm(np.full((600, ROWS), 0.2), xbar.VectorConfig(0.2)).current[0]
            spread[way] = current.std(axis=0).mean()
            assert bench.settings["wire_noise"] == way
    assert 0.5 * spread["output"] < spread["exact"] < 0.97 * spread["output"]


@pytest.mark.parametrize(
    ("how", "word"),
    [({"wire_noise": "half", "wires": "1 ohm"}, "'half'"), ({"wire_noise": "exact"}, "needs wires")],
)
def test_wire_noise_that_cannot_be_meant(how: dict[str, Any], word: str) -> None:
    with pytest.raises(InputError, match=word):
        open_bench("sim", **how)
