"""The effective operator: limits, symmetries, tiles, precision, high voltage drops, and what it refuses."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from xbar.circuit import Boundary, Wires, biased, effective_operator, gradients, memory, sensed, solve
from xbar.circuit.march import March
from xbar.circuit.network import network
from xbar.circuit.operator import growth
from xbar.errors import InputError, Unsupported

Floats = NDArray[np.float64]


def cells(rows: int, cols: int, seed: int = 0, g_max: float = 1e-4) -> Floats:
    """Return conductances spread evenly over two decades of the logarithm."""
    return g_max * 10.0 ** np.random.default_rng(seed).uniform(-2, 0, (rows, cols))


@given(arrays(float, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.floats(0, 1e-2)))
def test_without_resistance_the_operator_is_the_conductances(g: Floats) -> None:
    """Bit for bit: r = 0 is no limit that is only approached."""
    assert np.array_equal(effective_operator(g, Wires(0.0, 0.0)).matrix, g)


@pytest.mark.parametrize("shape", [(12, 7), (7, 12)])
def test_small_resistances_approach_the_conductances(shape: tuple[int, int]) -> None:
    g = cells(*shape)
    for r in (1e-3, 1e-6, 1e-9):
        assert np.abs(effective_operator(g, Wires(r, r)).matrix / g - 1).max() <= 0.1 * r


@pytest.mark.parametrize("shape", [(24, 9), (9, 24), (1, 30), (30, 1), (17, 17)])
@pytest.mark.parametrize("boundary", [None, Boundary(right="driven", top="sensed")], ids=["one side", "both sides"])
def test_exchanging_sources_and_sensing_changes_nothing(shape: tuple[int, int], boundary: Boundary | None) -> None:
    """Reciprocity: the array turned over its diagonal, driven where it was sensed, has the transposed operator."""
    rng = np.random.default_rng(1)
    rows, cols = shape
    g, word, bit = cells(rows, cols), rng.uniform(1, 30, (rows, cols + 1)), rng.uniform(1, 30, (rows + 1, cols))
    source, sense = rng.uniform(0, 90, rows), rng.uniform(0, 90, cols)
    one = effective_operator(g, Wires(word, bit, source, sense), boundary)
    turn = (slice(None, None, -1), slice(None, None, -1))
    other = effective_operator(g[turn].T, Wires(bit[turn].T, word[turn].T, sense[::-1], source[::-1]), boundary)
    assert np.abs(other.matrix[turn].T - one.matrix).max() <= 1e-14 * one.matrix.max()


@pytest.mark.parametrize("resistance", [1.0, 300.0, 1e5])
@pytest.mark.parametrize("method", ["march", "dissection"])
def test_an_array_is_passive(resistance: float, method: Any) -> None:
    """No current is larger than without wires, none has the wrong sign, the sources only give power."""
    g = cells(20, 14, g_max=1e-3)
    matrix = effective_operator(g, Wires(resistance, resistance), method=method).matrix
    assert (matrix >= 0).all()
    assert (matrix.sum(0) <= g.sum(0)).all()
    assert (matrix.sum(1) <= g.sum(1)).all()


def unassembled(g: Floats, r: float, v: Floats, word: Floats, bit: Floats) -> float:
    """Return the largest current that a node misses, without ever adding conductances, relative to the largest."""
    flow = g * (word - bit)
    left = np.concatenate([v[:, None], word], axis=1)
    right = (left[:, :-1] - left[:, 1:]) / r
    into_word = right - np.concatenate([right[:, 1:], np.zeros((len(g), 1))], axis=1) - flow
    down = (bit - np.concatenate([bit[1:], np.zeros((1, g.shape[1]))])) / r
    into_bit = flow + np.concatenate([np.zeros((1, g.shape[1])), down[:-1]]) - down
    return float(max(np.abs(into_word).max(), np.abs(into_bit).max()) / np.abs(flow.sum(0)).max())


@pytest.mark.parametrize(("n", "r", "g_max"), [(64, 1.0, 1e-4), (64, 20.0, 1e-3), (100, 100.0, 1e-3)])
def test_kirchhoffs_residual_is_rounding(n: int, r: float, g_max: float) -> None:
    g, v = cells(n, n, g_max=g_max), np.random.default_rng(1).uniform(0, 0.2, (1, n))
    op = effective_operator(g, Wires(r, r))
    word, bit = op.node_voltages(v)
    scale = np.abs(op.currents(v)).max()
    rounding = 0.2 * 2.0**-52 / r / scale
    assert unassembled(g, r, v[0], word[0], bit[0]) <= 8 * rounding + 1e-13
    assert np.abs((g * (word - bit)[0]).sum(0) - op.currents(v)[0]).max() <= 1e-13 * scale


@pytest.mark.parametrize(
    ("shape", "r", "segments"), [((40, 64), 1.0, 1), ((40, 64), 100.0, 3), ((64, 40), 2e3, 8), ((64, 64), 2e4, 20)]
)
def test_large_voltage_drops_start_the_march_anew(shape: tuple[int, int], r: float, segments: int) -> None:
    """Up to where wires take all but 1e-3 of the signal the march agrees with nested dissection to 1e-11."""
    g = cells(*shape, g_max=1e-3)
    wires = Wires(r, 2 * r)
    march = effective_operator(g, wires, method="march")
    exact = effective_operator(g, wires, method="dissection")
    net = network(shape, wires)
    turned = shape[0] > shape[1]
    net, seen = (net.transposed(), g[::-1, ::-1].T) if turned else (net, g)
    assert March(net, np.ascontiguousarray(seen)).segments >= segments
    assert np.abs(march.matrix - exact.matrix).max() <= 1e-11 * exact.matrix.max()
    v = np.random.default_rng(0).uniform(-0.2, 0.2, (2, shape[0]))
    word, bit = march.node_voltages(v)
    assert np.abs((g * (word - bit)).sum(1) - exact.currents(v)).max() <= 1e-10 * np.abs(exact.currents(v)).max()


def test_growth_decides_for_dissection() -> None:
    g = cells(16, 16, g_max=1e-2)
    net = network((16, 16), Wires(1e10, 1e10))
    assert growth(net, g) > 200
    chosen = effective_operator(g, Wires(1e10, 1e10))
    assert np.array_equal(chosen.matrix, effective_operator(g, Wires(1e10, 1e10), method="dissection").matrix)


@pytest.mark.parametrize("short", [np.inf, 1e9, 1e4])
def test_shorted_cells_are_wires_of_their_own(short: float) -> None:
    """A shorted cell joins its two lines: it takes the current that the wires let through, and no NaN comes out."""
    g = cells(12, 12)
    g[4, 7] = short
    op = effective_operator(g, Wires(2.0, 3.0))
    assert op.matrix[4, 7] == pytest.approx(1 / (8 * 2.0 + 8 * 3.0 + 1e-4), rel=1e-2)
    exact = effective_operator(g, Wires(2.0, 3.0), method="dissection")
    assert np.abs(op.matrix - exact.matrix).max() <= 1e-10 * exact.matrix.max()


def test_open_cells_carry_nothing() -> None:
    g = cells(20, 16)
    g[np.random.default_rng(5).random(g.shape) < 0.7] = 0.0
    g[3], g[:, 5] = 0.0, 0.0
    matrix = effective_operator(g, Wires(1.0, 2.0)).matrix
    assert not matrix[3].any()
    assert not matrix[:, 5].any()
    assert np.abs(matrix - effective_operator(g, Wires(1.0, 2.0), method="dissection").matrix).max() <= 1e-18


@pytest.mark.parametrize("boundary", [None, Boundary(right=biased(0.1), bottom=sensed(0.05))])
def test_tiles_equal_single_arrays_for_any_threads(boundary: Boundary | None) -> None:
    """Bit for bit: operators, offsets, currents and node voltages."""
    g = np.stack([cells(10, 13, seed) for seed in range(5)])
    wires = Wires(2.0, 8.0, 1.0, 3.0)
    one, two = (effective_operator(g, wires, boundary, threads=threads) for threads in (1, 2))
    single = [effective_operator(tile, wires, boundary) for tile in g]
    v = np.random.default_rng(0).uniform(-0.2, 0.2, (3, 10))
    for op in (one, two):
        assert op.matrix.shape == (5, 10, 13)
        assert np.array_equal(op.matrix, np.stack([s.matrix for s in single]))
        assert np.array_equal(op.offset, np.stack([s.offset for s in single]))
        assert op.currents(v).shape == (5, 3, 13)
        nodes = op.node_voltages(v)
        assert np.array_equal(nodes[0], np.stack([s.node_voltages(v)[0] for s in single]))
        assert np.array_equal(nodes[1], np.stack([s.node_voltages(v)[1] for s in single]))
    each = np.stack([v * (k + 1) for k in range(5)])
    assert np.array_equal(one.currents(each)[3], single[3].currents(each[3]))


def test_only_changed_tiles_are_built_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    g = np.stack([cells(6, 8, seed) for seed in range(4)])
    op = effective_operator(g, Wires(2.0, 8.0))
    built: list[tuple[int, ...]] = []
    original: Callable[..., Any] = March.matrix

    def counted(self: March) -> Any:
        built.append((self.rows, self.cols))
        return original(self)

    monkeypatch.setattr(March, "matrix", counted)
    new = np.stack([cells(6, 8, 90), cells(6, 8, 91)])
    changed = op.with_tiles([3, 1], new)
    assert len(built) == 2
    expected = g.copy()
    expected[[3, 1]] = new
    assert np.array_equal(changed.matrix, effective_operator(expected, Wires(2.0, 8.0)).matrix)
    assert np.array_equal(changed.g, expected)
    assert np.array_equal(op.g, g)


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
@hypothesis_settings(max_examples=20)
def test_node_voltages_do_not_depend_on_the_batch(batch: int, seed: int) -> None:
    g = cells(9, 11)
    op = effective_operator(g, Wires(20.0, 8.0))
    v = np.random.default_rng(seed).uniform(-0.2, 0.2, (batch, 9))
    word, bit = op.node_voltages(v)
    assert word.shape == bit.shape == (batch, 9, 11)
    last = op.node_voltages(v[-1:])
    # The bits of a solution with many right sides are those of the library; the march's own do not change.
    assert np.abs(word[-1] - last[0][0]).max() <= 1e-15
    assert np.abs(bit[-1] - last[1][0]).max() <= 1e-15


@pytest.mark.parametrize(("r", "g_max", "limit"), [(1.0, 1e-4, 1e-6), (20.0, 1e-3, 1e-5)])
def test_single_precision(r: float, g_max: float, limit: float) -> None:
    g, v = cells(96, 128, g_max=g_max), np.random.default_rng(0).uniform(0.05, 0.2, (4, 96))
    exact = effective_operator(g, Wires(r, r)).currents(v)
    found = effective_operator(g, Wires(r, r), dtype=np.float32)
    assert found.matrix.dtype == found.offset.dtype == np.float32
    assert np.abs(found.currents(v) / exact - 1).max() <= limit
    assert found.node_voltages(v)[0].dtype == np.float32


def test_inputs_are_not_changed() -> None:
    g = cells(5, 4)
    g.flags.writeable = False
    kept = g.copy()
    word = np.full((5, 4), 2.0)
    wires = Wires(word, 1.0)
    word[:] = 99.0
    op = effective_operator(g, wires)
    assert np.array_equal(g, kept)
    assert np.array_equal(op.matrix, effective_operator(g, Wires(2.0, 1.0)).matrix)


BAD_CALLS: list[tuple[Callable[[], Any], str]] = [
    (lambda: effective_operator([[1e-4, np.nan]], Wires(1, 1)), r"cell \(0, 1\) is nan S"),
    (lambda: effective_operator([[1e-4], [-1e-5]], Wires(1, 1)), r"cell \(1, 0\) is -1e-05 S"),
    (lambda: effective_operator(np.ones((0, 4)), Wires(1, 1)), r"shape \(0, 4\)"),
    (lambda: effective_operator(np.ones(4), Wires(1, 1)), "shape"),
    (lambda: effective_operator(np.ones((2, 2)), Wires(-1, 1)), "`word` holds -1 ohm"),
    (lambda: effective_operator(np.ones((2, 2)), Wires(1, np.nan)), "`bit` holds nan ohm"),
    (lambda: effective_operator(np.ones((2, 2)), Wires(1, np.ones((3, 3)))), r"`bit` has the shape \(3, 3\)"),
    (lambda: effective_operator(np.ones((2, 2)), Wires([1.0, 2.0], 1)), "`word` has 1 axes"),
    (lambda: effective_operator(np.ones((2, 2)), Wires("1 ohm", 1)), "give numbers in ohm"),
    (lambda: effective_operator(np.ones((2, 2)), Wires(1, 1, source=[1, 2, 3])), "left: resistance of 3 values"),
    (
        lambda: effective_operator(np.ones((2, 2)), Wires(np.ones((2, 2)), 1), Boundary(right="driven")),
        "right of the last cells are missing",
    ),
    (lambda: effective_operator(np.ones((2, 2)), Wires(0, 0), Boundary(right=biased(0.1))), "word line 0 has 0 ohm"),
    (lambda: effective_operator(np.ones((2, 2)), Wires(0, 0), Boundary(top="grounded")), "bit line 0 has 0 ohm"),
    (lambda: effective_operator(np.ones((2, 2)), Wires(1, 1), Boundary(left=["driven"] * 3)), "3 ends for 2 lines"),
    (lambda: effective_operator(np.ones((2, 2)), Wires(1, 1), dtype=np.float16), "float16"),
    (lambda: effective_operator(np.ones((2, 2)), Wires(1, 1), threads=0), "0 threads"),
    (lambda: effective_operator(np.ones((2, 2)), Wires(1, 1), method="magic"), "magic"),  # type: ignore[arg-type]  # bad on purpose
    (lambda: Boundary(left="sensed"), "word lines are driven"),
    (lambda: Boundary(bottom="driven"), "bit lines are sensed"),
    (lambda: Boundary(left="diven"), "'diven'; possible: driven"),
    (lambda: biased(np.nan), "finite"),
    (lambda: effective_operator(np.ones((2, 2)), Wires(1, 1)).currents([[0.1, np.nan]]), "NaN"),
    (lambda: effective_operator(np.ones((2, 2)), Wires(1, 1)).currents([0.1, 0.1]), r"give \(batch, 2\)"),
    (lambda: effective_operator(np.ones((2, 2)), Wires(1, 1)).node_voltages(np.ones((1, 3))), r"give \(batch, 2\)"),
    (lambda: effective_operator(np.ones((2, 2)), Wires(1, 1)).with_tiles([0], np.ones((1, 2, 2))), "not tiles"),
    (lambda: effective_operator(np.ones((2, 2, 2)), Wires(1, 1)).with_tiles([2], np.ones((1, 2, 2))), "0 to 1 exist"),
    (lambda: effective_operator(np.ones((2, 2, 2)), Wires(1, 1)).with_tiles([1], np.ones((1, 2, 3))), "shape"),
    (lambda: effective_operator("hello", Wires(1, 1)), "conductances are 'hello'; give an array of real numbers"),
    (lambda: effective_operator([[1.0, 2.0], [3.0]], Wires(1, 1)), "conductances are"),
    (lambda: effective_operator(np.ones((2, 2)) + 0j, Wires(1, 1)), "real numbers"),
    (lambda: effective_operator(np.ma.masked_equal([[1e-5, 0.0]], 0.0), Wires(1, 1)), "masked in 1 places"),
    (lambda: effective_operator(np.ones((2, 2)), 1.0), "wires are 1.0; give a Wires"),  # type: ignore[arg-type]  # bad on purpose
    (lambda: effective_operator(np.ones((2, 2)), Wires(1, 1), "driven"), "give a Boundary"),  # type: ignore[arg-type]  # bad on purpose
    (lambda: effective_operator(np.ones((2, 2)), Wires(1, 1), dtype="junk"), "type 'junk'"),
    (lambda: Boundary(left=3), "ends of one side are 3"),  # type: ignore[arg-type]  # bad on purpose
    (lambda: biased("0.5 V"), "volts of an end 'biased' are '0.5 V'"),
    (lambda: effective_operator(np.ones((2, 2)), Wires(1, 1)).currents("a"), "inputs are 'a'"),
    (lambda: effective_operator(np.ones((2, 2)), Wires(1, 1)).currents(np.ones((1, 2)) * 1j), "real numbers"),
    (
        lambda: gradients(effective_operator(np.ones((2, 2)), Wires(1, 1)), np.ones((1, 2)), np.full((1, 2), np.nan)),
        "NaN",
    ),
    (
        lambda: gradients(effective_operator(np.ones((2, 2, 2)), Wires(1, 1)), np.ones((1, 2)), np.ones((1, 2))),
        "one array",
    ),
]


@pytest.mark.parametrize(("call", "message"), BAD_CALLS)
def test_what_cannot_be_is_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_more_memory_than_the_machine_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    op = effective_operator(np.ones((4, 512)), Wires(1.0, 1.0))
    monkeypatch.setattr(memory, "physical_memory", lambda: 2.0**20)
    assert op.node_voltages(np.zeros((10, 4)))[0].shape == (10, 4, 512)
    with pytest.raises(InputError, match=r"100 vectors need 0\.0061 GiB, this machine has 0\.000977 GiB"):
        op.node_voltages(np.zeros((100, 4)))
    with pytest.raises(InputError, match="GiB"):
        solve(op.g, op.wires, np.zeros((100, 4)))


def test_cells_beyond_the_memory_are_refused_before_anything_is_made() -> None:
    """The view declares 10^12 cells and holds one."""
    g = np.broadcast_to(1e-5, (10**6, 10**6))
    for call in (lambda: effective_operator(g, Wires(1, 1)), lambda: solve(g, Wires(1, 1), np.zeros((1, 10**6)))):
        with pytest.raises(InputError, match=r"arrays of 1e\+12 cells need 2.98e\+04 GiB"):
            call()
    with pytest.raises(InputError, match=r"1e\+13 inputs need"):
        effective_operator(np.ones((2, 2)), Wires(1, 1)).currents(np.broadcast_to(0.1, (10**13, 2)))


def test_a_batch_without_vectors_gives_no_vectors() -> None:
    op = effective_operator(np.ones((3, 2)), Wires(1.0, 1.0))
    assert op.currents(np.zeros((0, 3))).shape == (0, 2)
    assert [nodes.shape for nodes in op.node_voltages(np.zeros((0, 3)))] == [(0, 3, 2)] * 2


def test_no_changed_tile_changes_nothing() -> None:
    op = effective_operator(np.ones((2, 3, 2)), Wires(1.0, 1.0))
    assert op.with_tiles([], np.zeros((0, 3, 2))) is op


@pytest.mark.parametrize("shape", [(2, 3), (7, 3)])
def test_a_current_from_end_to_end_of_a_bit_line_does_not_hide_the_cells(shape: tuple[int, int]) -> None:
    """1.5 kA flow through the bit line, 1e-5 A through its cells: what both ends sense together is of the cells."""
    g = cells(*shape)
    lines = Boundary(left=biased(0.2), top=sensed(0.3), bottom=sensed(0.0))
    found = effective_operator(g, Wires(0.0, 6e-5), lines)
    across = 0.2 - 0.3 * (1 - np.arange(1, shape[0] + 1) / (shape[0] + 1))  # equal segments divide the 0.3 V
    expected = g.T @ across
    assert np.abs(found.offset - expected).max() <= 1e-7 * np.abs(expected).max()  # cells hardly load the line
    by_nodes = np.subtract(*found.node_voltages(np.zeros((1, shape[0]))))[0]
    assert np.abs(found.offset - (g * by_nodes).sum(0)).max() <= 1e-14 * np.abs(found.offset).max()


def test_dissection_takes_no_broken_wires() -> None:
    word = np.ones((3, 3))
    word[1, 1] = np.inf
    with pytest.raises(Unsupported, match="march"):
        effective_operator(np.ones((3, 3)), Wires(word, 1.0), method="dissection")
