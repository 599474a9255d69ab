"""Nodal analysis in 50-digit decimals: the truth of the circuit tests, by another route than xbar's.

Nodes joined by 0 ohm are one node, the others go into one dense admittance matrix, which is eliminated without
rounding that matters. Nodes that no source reaches are left out and stand at 0 V.
"""

from decimal import Decimal, localcontext
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Node: TypeAlias = tuple[Any, ...]
End: TypeAlias = tuple[float, float | None] | None
"""Resistance [ohm] and voltage [V] (None: the input of the line); None: open."""


class Nodal:
    """An array as resistors between named nodes, and its solution for one vector."""

    def __init__(self, g: Floats, word: Floats, bit: Floats, sides: dict[str, list[End]], v: Floats) -> None:
        """`word` (rows, cols + 1) and `bit` (rows + 1, cols): all segments from left to right, from top to bottom."""
        self.g = g
        self.rows, self.cols = g.shape
        self._root: dict[Node, Node] = {}
        self._elements: list[tuple[Node, Node, Decimal]] = []
        self._fixed: dict[Node, float] = {}
        for i in range(self.rows):
            line: list[Node] = [("left", i), *(("w", i, j) for j in range(self.cols)), ("right", i)]
            for k in range(self.cols + 1):
                self._join(line[k], line[k + 1], word[i, k])
        for j in range(self.cols):
            line = [("top", j), *(("b", i, j) for i in range(self.rows)), ("bottom", j)]
            for k in range(self.rows + 1):
                self._join(line[k], line[k + 1], bit[k, j])
        for i, j in np.argwhere(g > 0):
            self._elements.append((("w", i, j), ("b", i, j), Decimal(g[i, j])))
        for side, ends in sides.items():
            for k, end in enumerate(ends):
                if end is not None:
                    self._fixed["source", side, k] = v[k] if end[1] is None else end[1]
                    self._join(("source", side, k), (side, k), end[0])
        with localcontext() as context:
            context.prec = 50
            self._volts = self._solve()

    def word(self) -> Floats:
        return self._nodes("w")

    def bit(self) -> Floats:
        return self._nodes("b")

    def current_out(self, sides: dict[str, list[End]], sensed: dict[str, list[bool]]) -> Floats:
        """Return the currents that leave each bit line through its sensed ends: exact through the sum of its cells."""
        out = np.zeros(self.cols)
        with localcontext() as context:
            context.prec = 50
            for j in range(self.cols):
                total = Decimal(0)
                both = sensed["top"][j] and sensed["bottom"][j]
                one_node = self._find(("source", "top", j)) == self._find(("source", "bottom", j))
                for side in ("bottom",) if both and one_node else ("top", "bottom"):
                    if sensed[side][j]:
                        total += self._through(side, j, sides)
                out[j] = float(total)
        return out

    def largest_current(self) -> float:
        """Return the largest current of any cell or segment [A]: what rounding errors are measured against."""
        with localcontext() as context:
            context.prec = 50
            return float(max((y * abs(self._at(a) - self._at(b)) for a, b, y in self._elements), default=Decimal(0)))

    def _through(self, side: str, j: int, sides: dict[str, list[End]]) -> Decimal:
        """Return the current out of one end: all cell currents of its line less what leaves at the other end."""
        source = self._find(("source", side, j))
        other = "top" if side == "bottom" else "bottom"
        whole = sum(
            (
                Decimal(self.g[i, j]) * (self._at(("w", i, j)) - self._at(("b", i, j)))
                for i in range(self.rows)
                if self.g[i, j] > 0
            ),
            Decimal(0),
        )
        if sides[other][j] is None:
            return whole
        total = Decimal(0)
        for a, b, y in self._elements:
            one, two = self._find(a), self._find(b)
            if a[0] in ("w",) and b[0] == "b":
                if b[2] == j and two == source:
                    total += y * (self._at(a) - self._at(b))
            elif source in (one, two) and one != two:
                inner = b if one == source else a
                total += y * (self._at(inner) - self._volts[source])
        return total

    def _at(self, node: Node) -> Decimal:
        return self._volts.get(self._find(node), Decimal(0))

    def _nodes(self, kind: str) -> Floats:
        return np.array([[float(self._at((kind, i, j))) for j in range(self.cols)] for i in range(self.rows)])

    def _find(self, node: Node) -> Node:
        while self._root.get(node, node) != node:
            node = self._root[node]
        return node

    def _join(self, a: Node, b: Node, ohm: float) -> None:
        if np.isinf(ohm):
            return
        if ohm == 0:
            self._root[self._find(a)] = self._find(b)
        else:
            self._elements.append((a, b, 1 / Decimal(float(ohm))))

    def _solve(self) -> dict[Node, Decimal]:
        volts: dict[Node, Decimal] = {}
        for source, value in self._fixed.items():
            volts[self._find(source)] = Decimal(float(value))
        edges: dict[Node, list[tuple[Node, Decimal]]] = {}
        for a, b, y in self._elements:
            one, two = self._find(a), self._find(b)
            if one != two:
                edges.setdefault(one, []).append((two, y))
                edges.setdefault(two, []).append((one, y))
        reached, stack = set(volts), list(volts)
        while stack:
            for other, _ in edges.get(stack.pop(), []):
                if other not in reached:
                    reached.add(other)
                    stack.append(other)
        unknown = [node for node in reached if node not in volts]
        place = {node: k for k, node in enumerate(unknown)}
        n = len(unknown)
        system = np.full((n, n + 1), Decimal(0), dtype=object)
        for node, k in place.items():
            for other, y in edges[node]:
                system[k, k] += y
                if other in place:
                    system[k, place[other]] -= y
                else:
                    system[k, n] += y * volts[other]
        for k in range(n):
            below = np.flatnonzero([value != 0 for value in system[k + 1 :, k]]) + k + 1
            for i in below:
                system[i, k:] = system[i, k:] - (system[i, k] / system[k, k]) * system[k, k:]
        for k in range(n - 1, -1, -1):
            volts[unknown[k]] = (
                system[k, n] - sum(system[k, i] * volts[unknown[i]] for i in range(k + 1, n))
            ) / system[k, k]
        return volts


@pytest.fixture(scope="session")
def nodal() -> type[Any]:
    """Return the class of exact arrays; see its constructor."""
    return Nodal
