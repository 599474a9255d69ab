"""Every boundary against nodal analysis: ends, floating and biased lines, 0 ohm, broken wires, open cells."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from xbar.circuit import Boundary, End, Sinh, Status, Wires, biased, driven, effective_operator, sensed, solve
from xbar.errors import InputError

Floats = NDArray[np.float64]
WORD_KINDS = ["driven", "driven", "biased", "open"]
BIT_KINDS = ["sensed", "sensed", "biased", "open"]


@dataclass(frozen=True)
class Drawn:
    """An array as both sides take it: ends of xbar, and the same as (resistance, volts) for the oracle."""

    g: Floats
    word: Floats
    bit: Floats
    ends: dict[str, list[End]]
    v: Floats

    @property
    def wires(self) -> Wires:
        return Wires(self.word, self.bit)

    @property
    def boundary(self) -> Boundary:
        return Boundary(**self.ends)

    @property
    def kappa(self) -> float:
        """Size of the voltage drops: r G n^2."""
        rows, cols = self.g.shape
        word, bit = (np.where(np.isinf(x), 0, x) for x in (self.word, self.bit))
        return float(max((word[:, :-1] * self.g).max() * cols**2, (bit[1:] * self.g).max() * rows**2))

    @property
    def broken(self) -> bool:
        return bool(np.isinf(self.word).any() or np.isinf(self.bit).any())

    @property
    def rounding(self) -> float:
        """What the rounding of 0.3 V drives through all cells, and through bit lines that are held at both ends [A]."""
        total = self.bit.sum(axis=0)
        for side in ("top", "bottom"):
            total = total + [
                np.inf if end.kind == "open" else float(np.asarray(end.resistance)) for end in self.ends[side]
            ]
        loops = 1 / total[total > 0]
        return float(5e-16 * (self.g.sum() + loops.sum()) + 1e-30)

    def oracle(self, nodal: type[Any]) -> tuple[list[Any], Floats]:
        """Return the solved arrays of all vectors, and the currents out of the sensed ends (batch, cols)."""
        sides = {side: [self._pair(end) for end in ends] for side, ends in self.ends.items()}
        is_sensed = {side: [end.kind == "sensed" for end in ends] for side, ends in self.ends.items()}
        arrays = [nodal(self.g, self.word, self.bit, sides, v) for v in self.v]
        return arrays, np.array([array.current_out(sides, is_sensed) for array in arrays])

    @staticmethod
    def _pair(end: End) -> tuple[float, float | None] | None:
        if end.kind == "open":
            return None
        assert end.resistance is not None
        return float(np.asarray(end.resistance)), None if end.kind == "driven" else float(np.asarray(end.volts))


@st.composite
def arrays(draw: st.DrawFn, decades: tuple[int, int] = (-5, 5), breaks: bool = True) -> Drawn:
    """Draw an array up to 5 x 5: wires over ten decades and of 0 ohm, open cells, any ends."""
    rows, cols = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    zero = draw(st.sampled_from([0.0, 0.2, 1.0]))
    broken = draw(st.sampled_from([0.0, 0.1])) if breaks else 0.0

    def ohms(shape: tuple[int, ...]) -> Floats:
        found = 10.0 ** rng.uniform(*decades, shape)
        chance = rng.random(shape)
        found[chance < zero] = 0.0
        found[chance > 1 - broken] = np.inf
        return found

    def side(lines: int, kinds: list[str]) -> list[End]:
        chosen = [draw(st.sampled_from(kinds)) for _ in range(lines)]
        at = [draw(st.sampled_from([0.0, 0.13, -0.3])) for _ in range(lines)]
        ends = []
        for kind, volts in zip(chosen, at, strict=True):
            ohm = float(10.0 ** rng.uniform(*decades)) if rng.random() > zero else 0.0
            made = {"driven": driven(ohm), "biased": biased(volts, ohm), "sensed": sensed(volts, ohm)}
            ends.append(made.get(kind, End("open")))
        return ends

    far = draw(st.booleans())
    g = 10.0 ** rng.uniform(-8, -3, (rows, cols))
    g[rng.random((rows, cols)) < draw(st.sampled_from([0.0, 0.3]))] = 0.0
    ends = {
        "left": side(rows, WORD_KINDS),
        "right": side(rows, WORD_KINDS if far else ["open"]),
        "top": side(cols, BIT_KINDS if far else ["open"]),
        "bottom": side(cols, BIT_KINDS),
    }
    return Drawn(g, ohms((rows, cols + 1)), ohms((rows + 1, cols)), ends, rng.uniform(-0.2, 0.2, (2, rows)))


def built(array: Drawn, **options: Any) -> Any:
    try:
        return effective_operator(array.g, array.wires, array.boundary, **options)
    except InputError as error:
        # A line of 0 ohm between two sources is refused; anything else that is refused is a mistake.
        if "is not determined" not in str(error):
            raise
    assume(False)
    return None


def check(
    array: Drawn, nodal: type[Any], currents: Floats, nodes: tuple[Floats, Floats] | None, iterated: bool = False
) -> None:
    """Compare with the oracle: currents relative to the largest of any wire or cell, voltages to the largest.

    Voltages are known to their rounding, and so is what that drives through cells and wires. An iteration that stops
    by currents knows the voltage of a line that floats behind a weak cell less well: `iterated`.
    """
    solved, expected = array.oracle(nodal)
    limit = 1e-11 if array.kappa <= 1e4 else 1e-7
    weak = limit / array.g[array.g > 0].min() if iterated and array.g.any() else 0.0
    for k, one in enumerate(solved):
        assert np.abs(currents[k] - expected[k]).max() <= limit * one.largest_current() + array.rounding
        if nodes is not None:
            volts = max(np.abs(one.word()).max(), np.abs(one.bit()).max(), 0.05)
            error = max(np.abs(nodes[0][k] - one.word()).max(), np.abs(nodes[1][k] - one.bit()).max())
            assert error <= 100 * limit * volts + weak * one.largest_current()


@given(array=arrays())
@hypothesis_settings(max_examples=80)
def test_march_solves_every_boundary(nodal: type[Any], array: Drawn) -> None:
    op = built(array, method="march")
    check(array, nodal, op.currents(array.v), op.node_voltages(array.v))


@given(array=arrays())
@hypothesis_settings(max_examples=60)
def test_ladder_pcg_solves_every_boundary(nodal: type[Any], array: Drawn) -> None:
    built(array)
    found = solve(array.g, array.wires, array.v, boundary=array.boundary)
    assert array.kappa > 1e4 or (found.status == Status.CONVERGED).all()
    if (found.status == Status.CONVERGED).all():
        check(array, nodal, found.currents, (found.word, found.bit), iterated=True)


@given(array=arrays(decades=(-3, 3), breaks=False))
@hypothesis_settings(max_examples=60)
def test_dissection_solves_every_boundary(nodal: type[Any], array: Drawn) -> None:
    op = built(array, method="dissection")
    check(array, nodal, op.currents(array.v), None)


@given(array=arrays(decades=(-2, 3)))
@hypothesis_settings(max_examples=40)
def test_currents_superpose(array: Drawn) -> None:
    """currents(v) less those of 0 V are linear in v: twice the input, and the sum of two inputs."""
    op = built(array)
    rest = op.currents(0 * array.v)
    one, two, both = (op.currents(v[None])[0] - rest[0] for v in (array.v[0], array.v[1], array.v.sum(0)))
    scale = np.abs(op.matrix).max() * 0.4 + np.abs(rest).max()
    assert np.abs(one + two - both).max() <= 1e-13 * scale + 1e-16 * array.g.sum()


@given(array=arrays(decades=(-1, 3), breaks=False))
@hypothesis_settings(max_examples=30)
def test_sinh_cells_satisfy_kirchhoff_on_every_boundary(nodal: type[Any], array: Drawn) -> None:
    """A linear array whose cells have the solved ratio of current to voltage has the same node voltages."""
    built(array)
    law = Sinh(0.08)
    found = solve(array.g, array.wires, array.v, boundary=array.boundary, iv=law).require()
    for k in range(len(array.v)):
        u = found.word[k] - found.bit[k]
        secant = np.where(u == 0, array.g, law.current(array.g, u) / np.where(u == 0, 1, u))
        linear = Drawn(secant, array.word, array.bit, array.ends, array.v[k : k + 1])
        nodes = found.word[k : k + 1], found.bit[k : k + 1]
        check(linear, nodal, found.currents[k : k + 1], nodes, iterated=True)


def test_a_single_cell_is_ohms_law() -> None:
    op = effective_operator([[1e-3]], Wires(100.0, 300.0, source=20.0, sense=80.0))
    assert op.matrix[0, 0] == pytest.approx(1 / 1500, rel=1e-15)


def test_two_sided_drive_halves_the_way() -> None:
    """A word line driven from both ends is two lines of half the length, by symmetry."""
    g = np.full((1, 6), 1e-4)
    both = effective_operator(g, Wires(50.0, 0.0), Boundary("driven", "driven")).matrix
    half = effective_operator(g[:, :3], Wires(50.0, 0.0)).matrix
    assert np.allclose(both[:, :3], half, rtol=1e-14)
    assert np.allclose(both[:, 3:], half[:, ::-1], rtol=1e-14)


def test_two_sided_sensing_collects_the_whole_current() -> None:
    g = np.full((6, 1), 1e-4)
    both = effective_operator(g, Wires(0.0, 50.0), Boundary(top="sensed")).matrix
    half = effective_operator(g[3:], Wires(0.0, 50.0)).matrix
    assert np.allclose(both[3:], half, rtol=1e-14)


def test_one_cell_among_floating_lines_reads_with_its_sneak_paths() -> None:
    """Equal cells, no wire resistance, all other lines floating: g + g (n - 1)^2 / (2 n - 1), the textbook's result."""
    n, g = 9, 2e-5
    boundary = Boundary(
        left=["driven", *["floating"] * (n - 1)],
        bottom=["sensed", *["floating"] * (n - 1)],
    )
    op = effective_operator(np.full((n, n), g), Wires(0.0, 0.0), boundary)
    assert op.matrix[0, 0] == pytest.approx(g + g * (n - 1) ** 2 / (2 * n - 1), rel=1e-13)
    assert not op.matrix[1:].any()
    assert not op.matrix[:, 1:].any()


def test_a_biased_bit_line_gives_the_offset() -> None:
    """At inputs of 0 V the current is that of the bias through all cells; the operator itself is that without bias."""
    g = np.array([[1e-4, 2e-4], [3e-4, 4e-4]])
    op = effective_operator(g, Wires(0.0, 0.0), Boundary(bottom=sensed([0.1, 0.0])))
    assert np.array_equal(op.matrix, g)
    assert op.offset == pytest.approx([-0.1 * 4e-4, 0.0])
    assert op.currents([[1.0, 0.0]])[0] == pytest.approx([1e-4 - 4e-5, 2e-4])


def test_half_select_voltages_follow_the_scheme() -> None:
    """V/2: the selected cell sees V, those of its lines V/2, the others nothing."""
    boundary = Boundary(left=["driven", "grounded", "grounded"], bottom=[biased(-0.5), "grounded", "grounded"])
    op = effective_operator(np.full((3, 3), 1e-5), Wires(0.0, 0.0), boundary)
    word, bit = op.node_voltages([[0.5, 0.0, 0.0]])
    assert np.array_equal((word - bit)[0], [[1.0, 0.5, 0.5], [0.5, 0.0, 0.0], [0.5, 0.0, 0.0]])
    assert not op.matrix.any()


@pytest.mark.parametrize("far", [0.0, 25.0])
def test_a_broken_word_line_feeds_only_what_is_before_the_break(far: float) -> None:
    word = np.full((2, 5), 10.0)
    word[0, 2] = np.inf
    g = np.full((2, 4), 1e-3)
    boundary = Boundary(right=["open", driven(far)])
    op = effective_operator(g, Wires(word, 0.0), boundary)
    alone = effective_operator(g[:1, :2], Wires(10.0, 0.0))
    assert np.allclose(op.matrix[0, :2], alone.matrix[0], rtol=1e-14)
    assert not op.matrix[0, 2:].any()


def test_broken_wires_equal_very_resistive_ones() -> None:
    """A break is the limit of a large resistance, in every solver."""
    rng = np.random.default_rng(3)
    g = rng.uniform(1e-5, 1e-3, (7, 6))
    word, bit = np.full((7, 6), 5.0), np.full((7, 6), 5.0)
    word[2, 3], word[5, 0], bit[3, 1], bit[6, 4] = (np.inf,) * 4
    exact = effective_operator(g, Wires(word, bit))
    near = effective_operator(g, Wires(np.minimum(word, 1e12), np.minimum(bit, 1e12)))
    assert np.abs(exact.matrix - near.matrix).max() <= 1e-11
    v = rng.uniform(0, 0.2, (3, 7))
    assert np.abs(solve(g, Wires(word, bit), v).require().currents - exact.currents(v)).max() <= 1e-15


def test_isolated_lines_stand_at_zero() -> None:
    """What no source reaches carries no current and has 0 V, by definition; the rest does not notice."""
    g = np.full((3, 3), 1e-4)
    g[1] = 0.0
    op = effective_operator(g, Wires(1.0, 1.0), Boundary(left=["driven", "floating", "driven"]))
    word, _ = op.node_voltages(np.ones((1, 3)))
    assert not word[0, 1].any()
    assert np.isfinite(op.matrix).all()
    island = np.diag([1e-4, 1e-4, 1e-4])
    op = effective_operator(island, Wires(1.0, 1.0), Boundary(left=["driven", "floating", "driven"], bottom=[
        "sensed", "floating", "sensed"
    ]))  # fmt: skip
    word, bit = op.node_voltages(np.ones((1, 3)))
    assert not word[0, 1].any()
    assert not bit[0, :, 1].any()
    found = solve(island, Wires(1.0, 1.0), np.ones((1, 3)), boundary=op.boundary)
    assert np.allclose(found.currents, op.currents(np.ones((1, 3))), rtol=1e-12)
