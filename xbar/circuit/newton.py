"""Arrays of non-linear cells: inexact Newton over LADDER-PCG, and linear ones with conductances of each vector's own.

Every step solves a linear array with the cells' differential conductances. What is solved for is the correction, from
the currents that the nodes are short of, and these are carried along exactly: the inner iteration may be coarse and
the result is still right to rounding. A law that increases makes the problem convex: the solution is unique, and a
step is shortened where the co-content would rise along it, which cell currents alone decide.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbar.circuit.boundary import Boundary
from xbar.circuit.cell_law import CellLaw, Ohmic
from xbar.circuit.ends import combine
from xbar.circuit.ladder_pcg import LadderSolver
from xbar.circuit.law import require_law
from xbar.circuit.memory import require_memory
from xbar.circuit.network import Network, conductances, network, reached
from xbar.circuit.real_numbers import real_numbers
from xbar.circuit.wire_currents import bottom_currents
from xbar.circuit.wires import Floats, Wires
from xbar.errors import InputError, Unsupported

INNER = 1e-2
"""Energy norm to which the inner iteration reduces a correction."""

ROUNDING = 2.0**-51
"""Relative rounding of a difference of two voltages."""

BLOCK = 1 << 15
"""Cells of the vectors that are solved together: their fields stay in the cache."""

SHORTEST = 20
"""Times that a step is shortened at most."""


class Status(IntEnum):
    """How the solution of a vector ended."""

    CONVERGED = 0
    NOT_CONVERGED = 1
    """Currents and node voltages are NaN."""
    OUT_OF_RANGE = 2
    """Converged, but the voltage of a cell lies beyond the limit of its law, where the law is continued linearly."""


@dataclass(frozen=True, eq=False)
class Solution:
    """Solution of a batch of vectors."""

    currents: Floats
    """`(batch, cols)`: currents out of the sensed ends [A]; NaN where not converged."""
    word: Floats
    """`(batch, rows, cols)`: voltages of the word nodes [V]; 0 where no source reaches a node."""
    bit: Floats
    """`(batch, rows, cols)`: voltages of the bit nodes [V]."""
    status: NDArray[np.int8]
    """`(batch,)`, see `Status`."""
    iterations: NDArray[np.int64]
    """`(batch,)`: Newton steps."""
    inner_iterations: NDArray[np.int64]
    """`(batch,)`: iterations of the linear solver in all steps."""
    residual: Floats
    """`(batch,)`: sum of what Kirchhoff's law misses at all nodes beyond the rounding of their voltages, relative to
    the largest current: the error of no output is larger, relative to that current, but for this rounding, which a
    cell of 1e4 S (shorted) turns into 1e-12 A. The voltage of a line that floats
    behind a cell of small conductance is less well known."""

    def require(self) -> "Solution":
        """Return the solution itself; raise `Unsupported` where a vector did not converge or left the law's range."""
        for status, words in (
            (Status.NOT_CONVERGED, "did not converge: raise max_iterations, or lower the voltages"),
            (Status.OUT_OF_RANGE, "left the range of the cells' law: lower the voltages, or use a law measured there"),
        ):
            bad = np.flatnonzero(self.status == status)
            if bad.size:
                worst = float(self.residual[bad].max())
                raise Unsupported(
                    f"{bad.size} of {self.status.size} vectors (the first: {int(bad[0])}; residual {worst:.1e}) {words}"
                )
        return self


def solve(
    g: ArrayLike,
    wires: Wires,
    v: ArrayLike,
    *,
    iv: CellLaw | None = None,
    boundary: Boundary | None = None,
    tolerance: float = 1e-11,
    max_iterations: int = 100,
    threads: int = 1,
) -> Solution:
    """Solve arrays whose cells are not linear, or differ from vector to vector.

    `g`: conductances at 0 V (rows, cols), or (batch, rows, cols) one array for each vector [S]. `v`: inputs
    (batch, rows) [V]. `iv`: law of the cells; None: linear. `tolerance`: of `Solution.residual`. Each vector stops by
    its own residual, so its bits do not depend on the batch or on `threads`. A vector that does not converge has the
    status `NOT_CONVERGED` and NaN for numbers.

    Raises `InputError` for shapes, conductances or voltages that cannot be, and where the memory does not suffice.
    """
    cells = conductances(g)
    inputs = np.ascontiguousarray(real_numbers(v, "inputs"))
    rows, cols = cells.shape[-2:]
    if inputs.ndim != 2 or inputs.shape[1] != rows or (cells.ndim == 3 and len(cells) != len(inputs)):
        batch = len(cells) if cells.ndim == 3 else "batch"
        raise InputError(f"inputs have the shape {inputs.shape}; give ({batch}, {rows}), in volts")
    if not np.isfinite(inputs).all():
        raise InputError("inputs hold NaN or infinity; give finite voltages")
    if not 0 < tolerance < 1:
        raise InputError(f"tolerance {tolerance:g}; between 0 and 1 is possible, 1e-12 is near what rounding allows")
    if max_iterations < 1 or threads < 1:
        raise InputError(f"{max_iterations} iterations, {threads} threads; 1 or more are possible")
    require_memory(160.0 * len(inputs) * rows * cols, f"the fields of {len(inputs)} vectors")
    net = network((rows, cols), wires, boundary)
    law = Ohmic() if iv is None else iv
    require_law(law, "`iv`")
    size = max(1, BLOCK // (rows * cols))

    def part(first: int) -> Solution:
        span = slice(first, first + size)
        newton = _Newton(net, law, cells if cells.ndim == 2 else cells[span], inputs[span])
        for _ in range(max_iterations):
            if not newton.step(tolerance):
                break
        return newton.solution()

    starts = range(0, len(inputs), size)
    if threads == 1 or len(starts) < 2:
        parts = [part(first) for first in starts]
    else:
        with ThreadPoolExecutor(threads) as pool:
            parts = list(pool.map(part, starts))
    if not parts:
        raise InputError("inputs hold no vector; give (batch, rows) with one or more")
    return Solution(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Solution)))


class _Newton:
    """The state of all vectors; a step advances those that have not converged."""

    def __init__(self, net: Network, law: CellLaw, g: Floats, v: Floats) -> None:
        self.net, self.law, self.g, self.v = net, law, g, v
        self.solver = LadderSolver(net)
        start = law.evaluate(g, np.zeros_like(g))[1]
        conducts = start > 0
        # One graph for all vectors where they share the cells; else what any of them joins, which may hold more.
        self.found = reached(net, conducts if g.ndim == 2 else conducts.any(axis=0))
        self.mask = 1.0 if self.found is None else self.found.cells.astype(float)
        batch = len(v)
        self.active = np.arange(batch)
        self.iterations, self.inner = np.zeros(batch, np.int64), np.zeros(batch, np.int64)
        self.residual = np.full(batch, np.inf)
        d = np.broadcast_to(start * self.mask, (batch, *net.shape))
        first = self.solver.solve(d, self.solver.sources(v), INNER)
        self.inner += first.iterations
        self.word, self.bit = first.word, first.bit
        # The wires' currents into the nodes: what the cells' currents must become.
        linear = d * (self.word - self.bit)
        self.into_word, self.into_bit = linear + first.short, linear
        self.current, self.slope = self._cells(self.active, self.word - self.bit)

    def step(self, tolerance: float) -> bool:
        """Advance the vectors that have not converged; return whether there were any."""
        n = self.active
        missing_word, missing_bit = self.current - self.into_word[n], self.current - self.into_bit[n]
        axes = (1, 2)
        scale = np.maximum(np.abs(self.current).max(axes), np.abs(self.current.sum(1)).max(1))
        missing = np.abs(missing_word).sum(axes) + np.abs(missing_bit).sum(axes)
        # Node voltages are rounded, and so is what they drive through the cells: in an array near equilibrium that
        # is all there is.
        volts = np.maximum(np.abs(self.word[n]).max(axes), np.abs(self.bit[n]).max(axes))
        missing = np.maximum(missing - ROUNDING * volts * self.slope.sum(axes), 0.0)
        self.residual[n] = missing / np.where(scale > 0, scale, 1.0)
        left = ~(self.residual[n] <= tolerance)
        self.active = n = n[left]
        if not n.size:
            return False
        current, slope = self.current[left], self.slope[left]
        missing_word, missing_bit = missing_word[left], missing_bit[left]
        found = self.solver.solve(slope, self.solver.injected(-missing_word, missing_bit), INNER)
        self.iterations[n] += 1
        self.inner[n] += found.iterations
        du = found.word - found.bit
        t = self._damped(n, current, slope, du)[:, None, None]
        self.word[n] += t * found.word
        self.bit[n] += t * found.bit
        linear = slope * du
        self.into_word[n] += t * (missing_word + linear + found.short)
        self.into_bit[n] += t * (missing_bit + linear)
        return True

    def _damped(self, n: NDArray[Any], current: Floats, slope: Floats, du: Floats) -> Floats:
        """Return how much of the step each vector takes, and evaluate the cells there.

        The derivative of the co-content along the step is at most sum (i(t) - i(0) - D du) du: a convex function, so
        that a step is too long where that is as large as sum D du^2, by which it fell at the start.
        """
        t = np.ones(len(n))
        start = self.word[n] - self.bit[n]
        fall = (slope * du * du).sum((1, 2))
        for _ in range(SHORTEST):
            self.current, self.slope = self._cells(n, start + t[:, None, None] * du)
            rise = ((self.current - current - slope * du) * du).sum((1, 2))
            far = rise > 0.9 * fall
            if not far.any():
                break
            t = np.where(far, t * np.clip(fall / (fall + np.maximum(rise, fall)), 0.1, 0.5), t)
        return t

    def _cells(self, n: NDArray[Any], u: Floats) -> tuple[Floats, Floats]:
        g = self.g if self.g.ndim == 2 else self.g[n]
        current, slope = self.law.evaluate(g, u)
        if self.found is None:
            return np.asarray(current), np.asarray(np.broadcast_to(slope, u.shape))
        return current * self.mask, slope * self.mask

    def solution(self) -> Solution:
        """Return what was found, with the status of every vector."""
        everything = np.arange(len(self.v))
        u = self.word - self.bit
        current, _ = self._cells(everything, u)
        status = np.full(len(self.v), Status.CONVERGED, np.int8)
        status[np.abs(u).max((1, 2)) > self.law.limit] = Status.OUT_OF_RANGE
        status[self.active] = Status.NOT_CONVERGED
        at_bottom = bottom_currents(self.net, current, (self.net.top.volts, self.net.bottom.volts))
        outputs = combine(self.net, current.sum(1).T, at_bottom.T).T
        word, bit = self.word, self.bit
        if self.found is not None:
            word, bit = np.where(self.found.word, word, 0), np.where(self.found.bit, bit, 0)
        outputs = np.ascontiguousarray(outputs)
        for values in (outputs, word, bit):
            values[status == Status.NOT_CONVERGED] = np.nan
        return Solution(outputs, word, bit, status, self.iterations, self.inner, self.residual)
