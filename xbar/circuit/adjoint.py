"""The adjoint: derivatives of anything computed from the currents, by conductances and by wire resistances.

For L with dL/dI given, one more solution with -dL/dI behind the sensed ends and 0 V behind all others gives cell
voltages lambda and segment currents mu; with the voltages u and currents c of the solution itself

    dL/dG = sum over the batch of u lambda,    dL/dr = -(sum over the batch of c mu)

(Tellegen's theorem). For cells that are not linear the second array has their differential conductances, and
dL/d(parameter) = sum of lambda di/d(parameter).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xbar.circuit.boundary import Boundary, End, Ends
from xbar.circuit.cell_law import CellLaw, Ohmic
from xbar.circuit.fields import ArrayMarch
from xbar.circuit.ladder_pcg import LadderSolver
from xbar.circuit.network import Network, conductances, network, reached
from xbar.circuit.newton import Solution
from xbar.circuit.operator import EffectiveOperator, one_blas_thread
from xbar.circuit.real_numbers import real_numbers
from xbar.circuit.sources import boundary_sources, sensed_sources
from xbar.circuit.wire_currents import bottom_currents, right_currents
from xbar.circuit.wires import Floats, Wires
from xbar.errors import InputError, Unsupported

INNER = 1e-13
"""Energy norm of the error of the adjoint solution of cells that are not linear."""

MISSING = 1e-8
"""Largest sum of what Kirchhoff's law misses, relative to the largest current, with which derivatives are given."""


@dataclass(frozen=True, eq=False)
class Gradients:
    """Derivatives of a scalar L, summed over the batch, per SI unit of each parameter."""

    g: Floats
    """`(rows, cols)`: by the conductances at 0 V [1/S]."""
    word: Floats
    """`(rows, cols + 1)`: by the word-line segments from left to right [1/ohm]."""
    bit: Floats
    """`(rows + 1, cols)`: by the bit-line segments from top to bottom [1/ohm]."""
    source: Floats
    """`(rows,)`: by the resistances between sources and word lines, both ends together [1/ohm]."""
    sense: Floats
    """`(cols,)`: by the resistances between bit lines and what senses or biases them, both ends together [1/ohm]."""
    v: Floats
    """`(batch, rows)`: by the inputs [1/V]."""
    cells: Floats
    """`(batch, rows, cols)`: by a current added to each cell's own, from word to bit line [1/A]."""


def gradients(op: EffectiveOperator, v: ArrayLike, weights: ArrayLike) -> Gradients:
    """Return the derivatives of L = sum(weights * op.currents(v)) of one linear array.

    `v` (batch, rows) [V], `weights` (batch, cols): dL/d(current) [1/A]. Raises `InputError` for other shapes, and
    for an operator of many tiles.
    """
    if op.g.ndim != 2:
        raise InputError("gradients are those of one array; build an operator of one tile")
    inputs, outward = _batch(v, weights, op.g.shape)
    net = network((op.g.shape[0], op.g.shape[1]), op.wires, op.boundary)
    with one_blas_thread():
        march = ArrayMarch(net, op.g)
        ahead = march.fields(boundary_sources(net, inputs), keep=True)
        back = march.fields(sensed_sources(net, -outward), keep=True)
    u, slopes = ahead.word - ahead.bit, back.word - back.bit
    cells = op.g if march.found is None else np.where(march.found.cells, op.g, 0.0)
    if march.found is not None:
        u, slopes = u * march.found.cells, slopes * march.found.cells
    word_a, bit_a = _segment_currents(cells * u, ahead.right, ahead.bottom)
    word_b, bit_b = _segment_currents(cells * slopes, back.right, back.bottom)
    by_word, by_bit = -(word_a * word_b).sum(0), -(bit_a * bit_b).sum(0)
    return _gradients(((u * slopes).sum(0), by_word, by_bit, _into_driven(net, word_b), slopes), op.boundary)


def solution_gradients(
    solution: Solution,
    g: ArrayLike,
    wires: Wires,
    v: ArrayLike,
    weights: ArrayLike,
    *,
    iv: CellLaw | None = None,
    boundary: Boundary | None = None,
) -> Gradients:
    """Return the derivatives of L = sum(weights * solution.currents), the solution of `solve` with these arguments.

    Where each vector has conductances of its own, those by `g` are summed over the batch all the same; take
    `Gradients.cells` for them one by one. Raises `Unsupported` where the solution or its adjoint did not converge.
    """
    solution.require()
    law = Ohmic() if iv is None else iv
    cells = conductances(g)
    rows, cols = cells.shape[-2:]
    side = Boundary() if boundary is None else boundary
    net = network((rows, cols), wires, side)
    inputs, outward = _batch(v, weights, (rows, cols))
    u = solution.word - solution.bit
    start = law.evaluate(cells, np.zeros_like(cells))[1] > 0
    found = reached(net, start if cells.ndim == 2 else start.any(axis=0))
    mask: Any = 1.0 if found is None else found.cells.astype(float)
    current, slope = law.evaluate(cells, u)
    solver = LadderSolver(net)
    d = np.broadcast_to(slope * mask, u.shape)
    back = solver.solve(d, solver.sensed(-outward), INNER)
    slopes = (back.word - back.bit) * mask
    flow = d * slopes
    scale = np.abs(flow.sum(1)).max(1)
    if (np.abs(back.short).sum((1, 2)) > MISSING * np.maximum(scale, np.finfo(float).tiny)).any():
        raise Unsupported("the adjoint did not converge: the wires take nearly the whole signal; lower resistances")
    volts = (net.right.volts + net.right.port * inputs, net.left.volts + net.left.port * inputs)
    ahead_word, ahead_bit = _segment_currents(
        current * mask,
        right_currents(net, current * mask, volts),
        bottom_currents(net, current * mask, (net.top.volts, net.bottom.volts)),
    )
    none = np.zeros(rows), np.zeros(rows)
    sensed = net.top.port * -outward, net.bottom.port * -outward
    back_word, back_bit = _segment_currents(flow, right_currents(net, flow, none), bottom_currents(net, flow, sensed))
    by_g = (slopes * law.by_g(cells, u) * mask).sum(0)
    by_v = _into_driven(net, back_word)
    by_word, by_bit = -(ahead_word * back_word).sum(0), -(ahead_bit * back_bit).sum(0)
    return _gradients((by_g, by_word, by_bit, by_v, slopes), side)


def _batch(v: ArrayLike, weights: ArrayLike, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    inputs, outward = real_numbers(v, "inputs"), real_numbers(weights, "weights")
    rows, cols = shape
    if inputs.ndim != 2 or inputs.shape[1] != rows or outward.shape != (len(inputs), cols):
        raise InputError(
            f"inputs {inputs.shape} and weights {outward.shape}; give (batch, {rows}) and (batch, {cols}) of one batch"
        )
    if not (np.isfinite(inputs).all() and np.isfinite(outward).all()):
        raise InputError("inputs or weights hold NaN or infinity; give finite numbers")
    return inputs, outward


def _segment_currents(cells: Floats, right: Floats, bottom: Floats) -> tuple[Floats, Floats]:
    """Return the currents of all segments, word lines to the right, bit lines downwards, from the cell currents."""
    batch, rows, cols = cells.shape
    word = np.empty((batch, rows, cols + 1))
    word[:, :, cols] = right
    word[:, :, :cols] = np.cumsum(cells[:, :, ::-1], axis=2)[:, :, ::-1] + right[:, :, None]
    bit = np.empty((batch, rows + 1, cols))
    bit[:, rows] = bottom
    bit[:, :rows] = bottom[:, None] - np.cumsum(cells[:, ::-1], axis=1)[:, ::-1]
    return word, bit


def _into_driven(net: Network, word: Floats) -> Floats:
    """Return dL/dv `(batch, rows)`: in the adjoint solution, the currents that enter at the driven ends."""
    return net.left.port * word[:, :, 0] - net.right.port * word[:, :, -1]


def _gradients(found: tuple[Floats, Floats, Floats, Floats, Floats], side: Boundary) -> Gradients:
    by_g, by_word, by_bit, by_v, slopes = found
    rows, cols = by_g.shape
    source = _wires_own(side.left, rows) * by_word[:, 0] + _wires_own(side.right, rows) * by_word[:, -1]
    sense = _wires_own(side.bottom, cols) * by_bit[-1] + _wires_own(side.top, cols) * by_bit[0]
    return Gradients(by_g, by_word, by_bit, source, sense, by_v, slopes)


def _wires_own(ends: Ends, lines: int) -> Floats:
    """Return 1 for the lines of a side that are connected through the resistance of the wires, 0 for the others."""
    each = [ends] * lines if isinstance(ends, End) else list(ends)
    return np.array([float(isinstance(e, End) and e.kind != "open" and e.resistance is None) for e in each])
