"""LADDER-PCG: linear arrays whose conductances differ from vector to vector.

Conjugate gradients on the word nodes: S = M - D C D with M = A_word + D and C = (A_bit + D)^-1 solved exactly line by
line (ladders of additions of positive numbers), M the preconditioner. Four sweeps over the array an iteration, 1 to 5
iterations at usual voltage drops. One array with many inputs is better marched.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xbar.circuit.boundary import SideArrays
from xbar.circuit.ends import CUT, near_end
from xbar.circuit.ladder_kernel import Lines, Results, Sources, pcg
from xbar.circuit.network import FAR_LEAST, Network
from xbar.circuit.wires import Floats

MOST = 1000
"""Iterations of one linear solution at most; the worst patterns at 512 x 512 need 104 to 1e-10."""


@dataclass(frozen=True, eq=False)
class LinearSolution:
    """Solution of a batch of linear arrays: each `(batch, rows, cols)`."""

    word: Floats
    """Voltages of the word nodes [V]."""
    bit: Floats
    """Voltages of the bit nodes [V]."""
    short: Floats
    """Currents that the word nodes are short of [A]: Kirchhoff's residual; bit nodes have none."""
    iterations: NDArray[np.int64]
    """`(batch,)`"""


class LadderSolver:
    """Solver of all linear arrays with the same wires and boundary."""

    def __init__(self, net: Network) -> None:
        """Prepare the lines of `net`."""
        self.net = net
        self._words = _lines(net.word.T, net.right, net.left, net.word[:, 0], -1)
        self._bits = _lines(net.bit, net.top, net.bottom, net.bit[-1], 1)

    def sources(self, v: Floats) -> Sources:
        """Return the sources of a batch of inputs `v` (batch, rows) [V] and of the boundary's constant voltages."""
        net, (rows, cols) = self.net, self.net.shape
        batch = len(v)
        word, bit = np.zeros((batch, rows, cols)), np.zeros((batch, rows, cols))
        word[:, :, -1] = self._words.far * (net.right.volts + net.right.port * v)
        bit[:, 0, :] = self._bits.far * net.top.volts
        bottom = net.bottom.volts + np.zeros((batch, cols))
        return Sources(net.left.volts + net.left.port * v, bottom, word, bit)

    def sensed(self, volts: Floats) -> Sources:
        """Return sources of `volts` (batch, cols) [V] behind the sensed ends, and 0 V behind all others."""
        net, (rows, cols) = self.net, self.net.shape
        batch = len(volts)
        bit = np.zeros((batch, rows, cols))
        bit[:, 0, :] = self._bits.far * net.top.port * volts
        zero = np.zeros((batch, rows, cols))
        return Sources(np.zeros((batch, rows)), net.bottom.port * volts, zero, bit)

    def injected(self, word: Floats, bit: Floats) -> Sources:
        """Return sources that are currents into the nodes alone, each `(batch, rows, cols)` [A]."""
        rows, cols = self.net.shape
        return Sources(np.zeros((len(word), rows)), np.zeros((len(word), cols)), word, bit)

    def solve(self, d: Floats, sources: Sources, tolerance: float, most: int = MOST) -> LinearSolution:
        """Solve arrays with conductances `d` (batch, rows, cols) [S]; the energy of the error falls to tolerance^2.

        Each vector's bits are the same in every batch.
        """
        # A new array: kernels are compiled once more for arrays that are read only, as broadcast ones are.
        d = np.array(d, order="C")
        results = Results(np.empty(d.shape), np.empty(d.shape), np.empty(d.shape), np.zeros(len(d), np.int64))
        pcg(d, self._words, self._bits, sources, tolerance, most, results)
        return LinearSolution(*results)


def _lines(ohm: Floats, far: SideArrays, near: SideArrays, nearest: Floats, order: int) -> Lines:
    with np.errstate(divide="ignore"):
        conductance = 1 / np.maximum(far.resistance, FAR_LEAST)
    ga, ro = near_end(near.resistance + nearest)
    return Lines(np.ascontiguousarray(np.minimum(ohm, CUT)), np.ascontiguousarray(conductance), ga, ro, order)
