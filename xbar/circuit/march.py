"""MARCH: the exact effective operator of an array with wires, by marching its columns from the open end.

The word-line voltages at the far end of the rows, M numbers, determine everything else: column by column towards the
drivers, two sweeps along the bit line give its node voltages, their cell currents add to the currents of the word
lines, and these to the voltages at the next column. All M unit vectors are marched at once; the drivers' conditions
then give M equations for M unknowns. Cost: 10 M^2 N + 2.7 M^3 operations, where nested dissection takes 77 n^3.

The lanes grow at most by exp(sum_j acosh(1 + r_j G_j / 2)). Where the exponent would pass a limit, a new segment of
the march starts from the admittance seen there, a Riccati step; the same step cuts broken word lines exactly.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xbar.circuit.ends import CUT, combine, near_end
from xbar.circuit.march_kernel import Columns, Results, factor_columns, march
from xbar.circuit.march_lanes import march_lanes
from xbar.circuit.march_segment import Part, Segment
from xbar.circuit.network import FAR_LEAST, Network
from xbar.circuit.sources import Sources
from xbar.circuit.wires import Floats

GROWTH = {"float64": 7.0, "float32": 2.5}
"""Largest exponent of a segment's growth: rounding errors grow by its exponential."""

STIFF = 1.0
"""Resistance to a held right end [ohm] up to which a word line is continued by its current instead of its voltage."""


@dataclass(eq=False)
class Fields:
    """Solution of an array for a batch of sources."""

    near: NDArray[Any]
    """`(cols, batch)`: currents that leave at the bottom ends [A]."""
    total: NDArray[Any]
    """`(cols, batch)`: sums of the cell currents of each bit line [A]."""
    left: NDArray[Any]
    """`(rows, batch)`: currents that enter at the left ends [A]."""
    right: NDArray[Any]
    """`(rows, batch)`: currents that leave at the right ends [A]."""
    nodes: NDArray[Any] | None
    """`(2, cols, rows, batch)`: node voltages of word lines, of bit lines [V]."""


_State: TypeAlias = tuple[NDArray[Any], NDArray[Any]]


class March:
    """A marched array: its operator, and its node voltages for any sources."""

    def __init__(self, net: Network, g: Floats, dtype: Any = np.float64, growth: float | None = None) -> None:
        """March `g` (rows, cols) [S], whose unreached cells are 0; best with no more rows than columns."""
        self.net = net
        self.rows, self.cols = g.shape
        self.dtype = np.dtype(dtype)
        self._bit, self._below = self._bit_lines()
        self._columns = self._factor(g)
        self._alone = bool(np.isinf(net.top.resistance).all() and np.isfinite(net.bit).all())
        self._ga, self._ro = (self._cast(v) for v in near_end(net.left.resistance))
        self._totals = np.empty((self.cols, self.rows), self.dtype)
        self._nears = self._totals if self._alone else np.empty((self.cols, self.rows), self.dtype)
        self._segments = self._march(self._ranges(GROWTH[self.dtype.name] if growth is None else growth))

    @property
    def segments(self) -> int:
        """Get the number of segments that the march took."""
        return len(self._segments)

    def matrix(self) -> NDArray[Any]:
        """Return the operator `(rows, cols)` [S]: currents out of sensed ends for 1 V at the driven ends of a line."""
        net = self.net
        if net.right.port.any():
            unit, none = np.eye(self.rows), np.zeros((self.cols, self.rows))
            sources = Sources(net.left.port[:, None] * unit, net.right.port[:, None] * unit, none, none)
            return np.ascontiguousarray(output(net, self.fields(sources)).T)
        response = combine(net, self._totals, self._nears)
        chain = self._ga * net.left.port
        if len(self._segments) == 1:
            weights = self._segments[0].solve_transposed(response)
            return np.ascontiguousarray((weights * chain).T)
        chain = np.diag(chain)
        found = np.empty((self.cols, self.rows), self.dtype)
        for segment in reversed(self._segments):
            chain = segment.solve(chain)
            found[segment.first : segment.last] = response[segment.first : segment.last] @ chain
            chain = np.where(segment.cut_right[:, None], 0, chain)
        return np.ascontiguousarray(found.T)

    def fields(self, sources: Sources, keep: bool = False) -> Fields:
        """Return the solution for a batch of sources; `keep`: with all node voltages."""
        count = sources.left.shape[1]
        far = [self._cast(v) for v in (sources.right, sources.top, sources.bottom)]
        parts = self._particular(*far) if any(v.any() for v in far) else None
        bits = (far[1], far[2]) if parts else (far[1][:, :0], far[2][:, :0])
        shape = (2, self.cols, self.rows, count) if keep else (2, 1, 1, 1)
        fields = Fields(
            np.empty((self.cols, count), self.dtype),
            np.empty((self.cols, count), self.dtype),
            np.empty(0, self.dtype),
            np.empty(0, self.dtype),
            np.empty(shape, self.dtype),
        )
        rhs = self._ga[:, None] * self._cast(sources.left)
        for q in range(len(self._segments) - 1, -1, -1):
            segment = self._segments[q]
            if parts:
                rhs = rhs - self._condition(segment, parts[q].end_w, parts[q].end_c)
            x = segment.solve(rhs)
            w, c = segment.start_w @ x, segment.start_c @ x
            if parts:
                w, c = w + parts[q].start_w, c + parts[q].start_c
            w, c = np.ascontiguousarray(w), np.ascontiguousarray(c)
            if q == 0:
                fields.right = c.copy()
            self._run((segment.first, segment.last), (w, c), bits, fields)
            if segment.first == 0:
                fields.left = c
            rhs = np.where(segment.cut_right[:, None], 0, x)
        if not keep:
            fields.nodes = None
        return fields

    def _march(self, ranges: list[tuple[int, int]]) -> list[Segment]:
        """March the unit vectors through every segment, factor its condition, and start the next one from it."""
        far = self.net.right.resistance
        loose = np.isinf(far)
        start_w = self._cast(np.diag(np.where(loose, 1, np.minimum(far, 1))))
        with np.errstate(divide="ignore", invalid="ignore"):
            start_c = self._cast(np.diag(np.where(loose, 0, np.where(far > 1, 1 / far, 1))))
        cut_right = np.zeros(self.rows, bool)
        found = []
        fields = Fields(self._nears, self._totals, self._nears, self._nears, np.empty((2, 1, 1, 1), self.dtype))
        none = np.empty((self.cols, 0), self.dtype)
        behind = np.full(self.rows, np.inf)
        for first, last in ranges:
            a, b = start_w.copy(), start_c.copy()
            if self._alone:
                march_lanes(self._columns, self._bit, self._below, first, last, a, b, self._totals)
            else:
                self._run((first, last), (a, b), (none, none), fields)
            behind = np.where(cut_right, np.inf, far if last == self.cols else behind)
            behind = behind + self.net.word[:, first:last].sum(axis=1)
            cut = np.isinf(self.net.word[:, first])
            segment = Segment(first, last, start_w, start_c, a, b, cut, behind <= STIFF, cut_right)
            currents = np.isinf(self.net.left.resistance) if first == 0 else np.logical_or(cut, segment.stiff)
            segment.factor(self._condition(segment, a, b), currents)
            found.append(segment)
            if first:
                start_w, start_c = segment.next_start()
                cut_right = cut
        return found

    def _particular(self, right: NDArray[Any], top: NDArray[Any], bottom: NDArray[Any]) -> list[Part]:
        """March the sources alone, every segment from the unknowns at 0."""
        held = np.isfinite(self.net.right.resistance)
        w, c = np.where(held[:, None], right, 0), np.zeros_like(right)
        shape = (self.cols, right.shape[1])
        void = np.empty((2, 1, 1, 1), self.dtype)
        fields = Fields(np.empty(shape, self.dtype), np.empty(shape, self.dtype), c, c, void)
        found = []
        for segment in self._segments:
            start_w, start_c = w.copy(), c.copy()
            self._run((segment.first, segment.last), (w, c), (top, bottom), fields)
            found.append(Part(start_w, start_c, w, c))
            if segment.first:
                x = segment.solve(self._condition(segment, w, c))
                w = np.where(segment.stiff[:, None], w - segment.a @ x, 0)
                c = np.where(np.logical_or(segment.stiff, segment.cut)[:, None], 0, c - segment.b @ x)
        return found

    def _condition(self, segment: Segment, w: NDArray[Any], c: NDArray[Any]) -> NDArray[Any]:
        """Return what is prescribed at the left of a segment: voltages, no current where broken, or the drivers."""
        if segment.first == 0:
            return np.asarray(self._ga[:, None] * w + self._ro[:, None] * c)
        currents: NDArray[np.bool_] = np.logical_or(segment.cut, segment.stiff)
        return np.where(currents[:, None], c, w)

    def _ranges(self, limit: float) -> list[tuple[int, int]]:
        """Return the segments (first, last) from the open end: broken word lines end one, and so does growth."""
        broken: NDArray[np.bool_] = np.asarray(np.isinf(self.net.word).any(axis=0))
        steps = np.arccosh(1 + 0.5 * (self._columns.word.astype(float) * self._columns.d).max(axis=1))
        ends, growth = [self.cols], 0.0
        for j in range(self.cols - 1, 0, -1):
            growth += steps[j]
            if broken[j] or growth + steps[j - 1] > limit:
                ends.append(j)
                growth = 0.0
        ends.append(0)
        return list(zip(ends[1:], ends[:-1], strict=True))

    def _factor(self, g: Floats) -> Columns:
        """Return the columns with the coefficients of their bit-line ladders."""
        d = self._cast(g.T)
        with np.errstate(divide="ignore"):
            g_top = self._cast(1 / np.maximum(self.net.top.resistance, FAR_LEAST))
        word = self._cast(np.where(np.isinf(self.net.word), 0, self.net.word).T)
        columns = Columns(d, word, np.zeros_like(d), np.zeros_like(d), np.empty((3, self.cols), self.dtype), g_top)
        ga, ro = (self._cast(v) for v in near_end(self.net.bottom.resistance + self.net.bit[-1]))
        factor_columns(columns, self._bit, ga, ro)
        return columns

    def _bit_lines(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the segments below the cells `(cols, rows)` and the resistances below the last ones `(cols,)` [ohm].

        An open end stands at `CUT`.
        """
        below = np.minimum(self.net.bottom.resistance + self.net.bit[-1], CUT)
        return self._cast(np.minimum(self.net.bit, CUT).T), self._cast(below)

    def _run(self, ends: tuple[int, int], state: _State, sources: _State, fields: Fields) -> None:
        """March the lanes of `state` (voltages, currents), changed in place, under `sources` (top, bottom)."""
        w, c = state
        nodes = fields.nodes
        assert nodes is not None
        keep = nodes.shape[1:] == (self.cols, self.rows, w.shape[1])
        results = Results(fields.total, fields.near, nodes)
        march(self._columns, sources[1], sources[0], ends[0], ends[1], w, c, results, keep)

    def _cast(self, values: NDArray[Any]) -> NDArray[Any]:
        # Kernels are compiled once more for arrays that are read only.
        cast = np.ascontiguousarray(values, self.dtype)
        return cast if cast.flags.writeable else cast.copy()


def output(net: Network, fields: Fields) -> NDArray[Any]:
    """Return the currents out of sensed ends `(cols, batch)` [A]."""
    return combine(net, fields.total, fields.near)
