"""Read noise through the wires: every cell's conductance fluctuates, and the wires mix what reaches the outputs.

Each input vector sees conductances G' = G + sigma xi with normals xi of its own. `noisy_currents` solves every such
array, or takes one of the named approximations. Their rms error over all outputs, relative to the rms change that the
noise makes, at 6 / 19 / 53 % of the signal lost in the wires (r = 1, 1, 5 ohm, 64x64 and twice 128x128 cells of 1 to
100 uS, sigma 1 % of each; docs/explanation/noise-through-wires.md):

    method       error                   time     what it does
    exact        below 1e-11             1        solves each array by LADDER-PCG; with status and residual
    first_order  2e-4 / 4e-4 / 1e-3      1.7      derivatives of each current by each conductance; grows with sigma
    frozen       0.04 / 0.13 / 0.5       1        node voltages are those without noise
    ratio        0.03 / 0.10 / 0.35      1/20     W' = W G'/G: each cell keeps its share of the current
    output       none: other normals     1/45     one normal for each bit line, with the variance of "ratio"

The standard deviation of "ratio" and "output" is too large, by 2 / 8 / 27 %; they count the noise of what the inputs
drive, not of what biased lines do. A warm start of "exact" from the node voltages without noise does not pay: it saves
one iteration of four, and the voltages cost as much as the whole solution.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbar.circuit.ends import combine
from xbar.circuit.ladder_pcg import LadderSolver
from xbar.circuit.network import network, reached
from xbar.circuit.newton import Status
from xbar.circuit.noise_approximations import NoiseApproximations
from xbar.circuit.operator import EffectiveOperator, one_blas_thread
from xbar.circuit.real_numbers import real_numbers
from xbar.circuit.wire_currents import bottom_currents
from xbar.circuit.wires import Floats
from xbar.errors import InputError, Unsupported
from xbar.random import Purpose, normals

NoiseMethod: TypeAlias = Literal["exact", "first_order", "frozen", "ratio", "output"]

INNER = 1e-13
"""Energy norm of the error at which the solver stops; currents are then right to some 1e-15."""

RESIDUAL = 1e-11
"""Largest residual of a vector that has converged."""

ROUNDS = 3
"""Times that a solution is corrected by the currents its nodes are short of, at most."""

BLOCK = 1 << 16
"""Cells of the vectors in work at once."""

CELL_DRAW = 1
"""Draw number of the normals of single cells; those of bit lines are draw 0, as in products without wires."""


@dataclass(frozen=True, eq=False)
class NoiseStream:
    """Normals by counter: those of a vector belong to its event, never to the call."""

    events: NDArray[np.uint64]
    """`(batch,)`, see `xbar.random.event`."""
    array: int = 0
    seed: int = 0


@dataclass(frozen=True, eq=False)
class NoisyCurrents:
    """Currents of a batch of vectors, each with read noise of its own."""

    currents: Floats
    """`(batch, cols)`: currents out of the sensed ends [A]; NaN where not converged."""
    status: NDArray[np.int8]
    """`(batch,)`, see `Status`; the approximations solve nothing and are always `CONVERGED`."""
    iterations: NDArray[np.int64]
    """`(batch,)`: of the linear solver."""
    residual: Floats
    """`(batch,)`: sum of what Kirchhoff's law misses, relative to the largest current; NaN for approximations."""

    def require(self) -> "NoisyCurrents":
        """Return the currents themselves; raise `Unsupported` where a vector did not converge."""
        bad = np.flatnonzero(self.status != Status.CONVERGED)
        if bad.size:
            raise Unsupported(
                f"{bad.size} of {self.status.size} noisy vectors (the first: {int(bad[0])}; residual "
                f"{float(self.residual[bad].max()):.1e}) did not converge: lower the wires' resistance or the noise"
            )
        return self


def noisy_currents(
    op: EffectiveOperator,
    v: ArrayLike,
    sigma: ArrayLike,
    noise: ArrayLike | NoiseStream,
    *,
    method: NoiseMethod = "exact",
    threads: int = 1,
) -> NoisyCurrents:
    """Return the currents of one array for inputs `v` (batch, rows) [V], with read noise in every vector.

    `sigma` (rows, cols) [S]: standard deviation of each cell's conductance. `noise`: standard normals (batch, rows,
    cols), for the method "output" (batch, cols), or a `NoiseStream` that draws them. Noise may take a cell below 0 S,
    as in the linear model without wires. The bits of a vector depend neither on the batch nor on `threads`.

    Raises `InputError` for shapes and values that cannot be, and where the memory does not suffice.
    """
    return ReadNoise(op, sigma).currents(v, noise, method=method, threads=threads)


class ReadNoise:
    """The read noise of one array behind wires; keeps what the vectors share.

    Args:
        op: operator of one array; its wires, boundary and conductances count.
        sigma: standard deviation of each cell's conductance `(rows, cols)` [S], 0 or more.

    """

    def __init__(self, op: EffectiveOperator, sigma: ArrayLike) -> None:
        spread = np.array(real_numbers(sigma, "values of sigma"))
        if op.g.ndim != 2:
            raise InputError("read noise is that of one array; build an operator of one tile")
        if spread.shape != op.g.shape or not np.isfinite(spread).all() or (spread < 0).any():
            raise InputError(f"sigma of the shape {spread.shape}; give {op.g.shape} in siemens, 0 or more")
        self.op, self.net = op, network((op.g.shape[0], op.g.shape[1]), op.wires, op.boundary)
        found = reached(self.net, op.g > 0)
        mask = True if found is None else found.cells
        # A cell that no source reaches carries no current, and its noise none either.
        self._cells, self._sigma = np.where(mask, op.g, 0.0), np.where(mask, spread, 0.0)
        self._solver = LadderSolver(self.net)

    def currents(
        self, v: ArrayLike, noise: ArrayLike | NoiseStream, *, method: NoiseMethod = "exact", threads: int = 1
    ) -> NoisyCurrents:
        """Return what `noisy_currents` returns."""
        inputs = self._inputs(v)
        if method not in get_args(NoiseMethod):
            raise InputError(f"method {method!r}; possible: {', '.join(get_args(NoiseMethod))}")
        _check_noise(noise, (len(inputs), *self._normals_shape(method)), method)

        def part(span: slice) -> NoisyCurrents:
            block = np.ascontiguousarray(inputs[span])
            z = self._draw(noise, span, method) if isinstance(noise, NoiseStream) else np.asarray(noise, float)[span]
            return self._exact(block, z) if method == "exact" else self._approximate(block, z, method)

        size = max(1, BLOCK // self.op.g.size)
        spans = [slice(k, k + size) for k in range(0, len(inputs), size)]
        # A product's bits depend on the number of BLAS threads.
        with one_blas_thread():
            if threads == 1 or len(spans) < 2:
                parts = [part(span) for span in spans]
            else:
                with ThreadPoolExecutor(threads) as pool:
                    parts = list(pool.map(part, spans))
        return NoisyCurrents(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(NoisyCurrents)))

    def variance(self, v: ArrayLike, method: Literal["first_order", "output"] = "first_order") -> Floats:
        """Return the variance of each current `(batch, cols)` [A^2] for inputs `v` (batch, rows) [V].

        "first_order": the limit of small noise. "output": what the methods "ratio" and "output" have; it is too large.
        """
        inputs, known = self._inputs(v), self._approximations
        return known.output_variance(inputs) if method == "output" else known.first_order_variance(inputs)

    @cached_property
    def _approximations(self) -> NoiseApproximations:
        return NoiseApproximations(self.net, self._cells, np.asarray(self.op.matrix, float), self._sigma)

    def _inputs(self, v: ArrayLike) -> Floats:
        inputs = real_numbers(v, "inputs")
        if inputs.ndim != 2 or not len(inputs) or inputs.shape[1] != self.op.g.shape[0]:
            raise InputError(f"inputs have the shape {inputs.shape}; give (batch, {self.op.g.shape[0]}), in volts")
        if not np.isfinite(inputs).all():
            raise InputError("inputs hold NaN or infinity; give finite voltages")
        return inputs

    def _normals_shape(self, method: NoiseMethod) -> tuple[int, ...]:
        return self.op.g.shape[1:] if method == "output" else self.op.g.shape

    def _draw(self, stream: NoiseStream, span: slice, method: NoiseMethod) -> Floats:
        shape = self._normals_shape(method)
        events = np.asarray(stream.events, np.uint64)[span]
        draw = 0 if method == "output" else CELL_DRAW
        z = normals(events, stream.array, math.prod(shape), stream.seed, Purpose.READ_NOISE, draw)
        return np.asarray(z, float).reshape(len(events), *shape)

    def _exact(self, v: Floats, z: Floats) -> NoisyCurrents:
        d = self._cells + self._sigma * z
        found = self._solver.solve(d, self._solver.sources(v), INNER)
        iterations, u, short = found.iterations, found.word - found.bit, found.short
        residual, currents = self._outputs(d * u, short)
        for _ in range(ROUNDS):
            bad = np.flatnonzero(~(residual <= RESIDUAL))
            if not bad.size:
                break
            lacking = self._solver.injected(short[bad], np.zeros_like(short[bad]))
            more = self._solver.solve(d[bad], lacking, INNER)
            iterations[bad] += more.iterations
            u[bad] += more.word - more.bit
            short[bad] = more.short
            residual[bad], currents[bad] = self._outputs(d[bad] * u[bad], short[bad])
        status = np.where(residual <= RESIDUAL, Status.CONVERGED, Status.NOT_CONVERGED).astype(np.int8)
        currents[status != Status.CONVERGED] = np.nan
        return NoisyCurrents(currents, status, iterations, residual)

    def _outputs(self, cells: Floats, short: Floats) -> tuple[Floats, Floats]:
        """Return residuals (batch,) and currents (batch, cols) for cell currents (batch, rows, cols) [A]."""
        net, residual, currents = self.net, np.empty(len(cells)), np.empty((len(cells), cells.shape[2]))
        for k in range(len(cells)):
            total = cells[k].sum(0)
            scale = max(float(np.abs(cells[k]).max()), float(np.abs(total).max()))
            residual[k] = np.abs(short[k]).sum() / (scale if scale > 0 else 1.0)
            bottom = bottom_currents(net, cells[k : k + 1], (net.top.volts, net.bottom.volts))
            currents[k] = combine(net, total[:, None], bottom.T)[:, 0]
        return residual, currents

    def _approximate(self, v: Floats, z: Floats, method: NoiseMethod) -> NoisyCurrents:
        matrix, n = np.asarray(self.op.matrix, float), len(v)
        without = np.stack([one @ matrix for one in v]) + self.op.offset
        change = self._approximations.change(v, z, method)
        return NoisyCurrents(without + change, np.zeros(n, np.int8), np.zeros(n, np.int64), np.full(n, np.nan))


def _check_noise(noise: ArrayLike | NoiseStream, shape: tuple[int, ...], method: NoiseMethod) -> None:
    """Raise `InputError` where the normals are not of `shape`, or the events not one for each vector."""
    if isinstance(noise, NoiseStream):
        if np.shape(noise.events) != shape[:1]:
            raise InputError(f"events of the shape {np.shape(noise.events)} for {shape[0]} vectors; give one for each")
        return
    given = real_numbers(noise, "normals")
    if given.shape != shape:
        raise InputError(f"normals have the shape {given.shape}; the method {method!r} needs {shape}")
    if not np.isfinite(given).all():
        raise InputError("normals hold NaN or infinity; give finite numbers")
