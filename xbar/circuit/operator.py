"""The effective operator of arrays with wires: what turns word-line voltages into bit-line currents, exactly."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from threadpoolctl import ThreadpoolController

from xbar.circuit.boundary import Boundary
from xbar.circuit.dissection import dissect
from xbar.circuit.ends import combine
from xbar.circuit.fields import ArrayMarch
from xbar.circuit.memory import require_memory
from xbar.circuit.network import Network, conductances, network, reached
from xbar.circuit.real_numbers import real_numbers
from xbar.circuit.sources import boundary_sources
from xbar.circuit.wires import Floats, Wires
from xbar.errors import InputError

Method: TypeAlias = Literal["auto", "march", "dissection"]

DISSECT = 200.0
"""Exponent of growth of a whole march above which `auto` takes nested dissection: it is the more accurate one there."""


@dataclass(frozen=True, eq=False)
class EffectiveOperator:
    """The operator of one array, or of many tiles with the same wires and boundary.

    currents = v @ matrix + offset. Shapes are those of one array; for tiles a first axis `tiles` comes before each.
    """

    g: Floats
    """Conductances `(rows, cols)` [S], in float64; shorted cells at 1e4 S."""
    wires: Wires
    boundary: Boundary
    matrix: NDArray[Any]
    """`(rows, cols)` [S]: without resistances it is `g`, bit for bit. Rows that are not driven are 0."""
    offset: NDArray[Any]
    """`(cols,)` [A]: currents at inputs of 0 V; 0 where nothing is biased."""
    method: Method
    threads: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """Get the type in which the operator was computed."""
        return self.matrix.dtype

    def currents(self, v: ArrayLike) -> NDArray[Any]:
        """Return the currents out of the sensed ends `(batch, cols)` [A] for inputs `v` (batch, rows) [V].

        For tiles `v` is `(batch, rows)`, the same for all, or `(tiles, batch, rows)`.
        """
        inputs = self._inputs(v)
        found = inputs @ self.matrix
        return np.asarray(found + self.offset[..., None, :] if self.offset.any() else found)

    def node_voltages(self, v: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the voltages of the nodes of word lines and of bit lines [V], each `(batch, rows, cols)`.

        Nodes that no source reaches stand at 0 V. Every call marches the array anew: give many vectors at once.
        Raises `InputError` where the result needs more than the memory of this machine.
        """
        inputs = self._inputs(v)
        net = network(self.g.shape[-2:], self.wires, self.boundary)
        if self.g.ndim == 2:
            with one_blas_thread():
                return _nodes(net, self.g, inputs, self.dtype)
        jobs = np.broadcast_to(inputs, (len(self.g), *inputs.shape[-2:]))
        with one_blas_thread(), ThreadPoolExecutor(self.threads) as pool:
            parts = list(pool.map(lambda k: _nodes(net, self.g[k], jobs[k], self.dtype), range(len(self.g))))
        return np.stack([part[0] for part in parts]), np.stack([part[1] for part in parts])

    def with_tiles(self, index: ArrayLike, g: ArrayLike) -> "EffectiveOperator":
        """Return the operator with the tiles `index` (k,) programmed to `g` (k, rows, cols); only these are built."""
        if self.g.ndim != 3:
            raise InputError("this operator has one array, not tiles; build it anew with effective_operator()")
        chosen = np.asarray(index)
        if chosen.shape == (0,):
            return self
        if chosen.ndim != 1 or not np.issubdtype(chosen.dtype, np.integer):
            raise InputError(f"tiles are chosen by a list of whole numbers, got {index!r}")
        if chosen.size and not (chosen.min() >= 0 and chosen.max() < len(self.g)):
            raise InputError(f"tiles {chosen.min()} to {chosen.max()} of {len(self.g)}; 0 to {len(self.g) - 1} exist")
        new = conductances(g, (3,))
        if new.shape != (chosen.size, *self.g.shape[1:]):
            raise InputError(f"conductances have the shape {new.shape}; give {(chosen.size, *self.g.shape[1:])}")
        built = effective_operator(
            new, self.wires, self.boundary, dtype=self.dtype, method=self.method, threads=self.threads
        )
        all_g, matrix, offset = self.g.copy(), self.matrix.copy(), self.offset.copy()
        all_g[chosen], matrix[chosen], offset[chosen] = built.g, built.matrix, built.offset
        return replace(self, g=all_g, matrix=matrix, offset=offset)

    def _inputs(self, v: ArrayLike) -> NDArray[Any]:
        inputs = real_numbers(v, "inputs", self.dtype)
        rows = self.g.shape[-2]
        tiled = inputs.ndim == 3 and self.g.ndim == 3 and len(inputs) == len(self.g)
        if (inputs.ndim != 2 and not tiled) or inputs.shape[-1] != rows:
            raise InputError(f"inputs have the shape {inputs.shape}; give (batch, {rows}), in volts")
        require_memory(float(inputs.size), f"{inputs.size // rows:.3g} inputs")
        if not np.isfinite(inputs).all():
            raise InputError("inputs hold NaN or infinity; give finite voltages")
        return inputs


def effective_operator(
    g: ArrayLike,
    wires: Wires,
    boundary: Boundary | None = None,
    *,
    dtype: DTypeLike = np.float64,
    method: Method = "auto",
    threads: int = 1,
) -> EffectiveOperator:
    """Return the exact operator of linear arrays with conductances `g` (rows, cols) or (tiles, rows, cols) [S].

    `g`: 0 is an open cell, infinity a shorted one (taken as 1e4 S). `boundary`: by default word lines are driven at
    the left, bit lines sensed at the bottom. `method`: "march"; "dissection", slower and more accurate where wires
    take nearly the whole signal; "auto" chooses by that. `threads`: tiles at a time. The bits do not depend on
    threads or on the other tiles. `dtype`: float64 or float32.

    Raises `InputError` for conductances, shapes or boundaries that cannot be.
    """
    cells = conductances(g)
    try:
        kind = np.dtype(dtype)
    except TypeError as error:
        raise InputError(f"type {dtype!r}; float64 and float32 are possible") from error
    if kind not in (np.dtype(np.float64), np.dtype(np.float32)):
        raise InputError(f"type {kind}; float64 and float32 are possible")
    if method not in ("auto", "march", "dissection"):
        raise InputError(f"method {method!r}; auto, march and dissection are possible")
    if threads < 1:
        raise InputError(f"{threads} threads; 1 or more are possible")
    side = Boundary() if boundary is None else boundary
    net = network((cells.shape[-2], cells.shape[-1]), wires, side)
    tiles = cells.reshape(-1, *cells.shape[-2:])
    matrix, offset = np.empty(tiles.shape, kind), np.empty((len(tiles), tiles.shape[2]), kind)

    def build(k: int) -> None:
        matrix[k], offset[k] = _build(net, tiles[k], kind, method)

    with one_blas_thread():
        if threads == 1 or len(tiles) == 1:
            for k in range(len(tiles)):
                build(k)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(build, range(len(tiles))))
    shape = cells.shape[:-2]
    return EffectiveOperator(
        cells,
        wires,
        side,
        matrix.reshape(cells.shape),
        offset.reshape(*shape, cells.shape[-1]),
        method,
        threads,
    )


def _build(net: Network, g: Floats, dtype: np.dtype[Any], method: Method) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return operator and offset of one array."""
    broken = bool(np.isinf(net.word).any() or np.isinf(net.bit).any())
    if method == "dissection" or (method == "auto" and not broken and growth(net, g) > DISSECT):
        found = reached(net, g > 0)
        return dissect(net, g if found is None else np.where(found.cells, g, 0.0), dtype)
    march = ArrayMarch(net, g, dtype)
    matrix = march.matrix()
    if not any(side.volts.any() for side in (net.left, net.right, net.top, net.bottom)):
        return matrix, np.zeros(g.shape[1], dtype)
    # What both ends of a bit line sense together is what its cells give. Marched the other way, only their nodes tell
    # it: the currents at the two ends may be so large that their difference would be rounding.
    both = march.turned and bool((net.top.port & net.bottom.port).any())
    fields = march.fields(boundary_sources(net, np.zeros((1, g.shape[0]))), keep=both)
    total = (march.cells * (fields.word[0] - fields.bit[0])).sum(axis=0) if both else fields.total[0]
    return matrix, combine(net, total.astype(dtype), fields.bottom[0])


def growth(net: Network, g: Floats) -> float:
    """Return the exponent of growth of the shorter march: the size of the voltage drops, sqrt(r G) lines long."""
    with np.errstate(invalid="ignore"):
        word = np.where(np.isinf(net.word), 0, net.word) * g
        bit = np.where(np.isinf(net.bit), 0, net.bit) * g
    if g.shape[0] > g.shape[1]:
        return float(np.arccosh(1 + 0.5 * bit.max(axis=1)).sum())
    return float(np.arccosh(1 + 0.5 * word.max(axis=0)).sum())


def _nodes(net: Network, g: Floats, inputs: NDArray[Any], dtype: np.dtype[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the node voltages of one array, each `(batch, rows, cols)`."""
    require_memory(4.0 * len(inputs) * g.size * dtype.itemsize, f"node voltages of {len(inputs)} vectors")
    if not len(inputs):
        return np.empty((0, *g.shape), dtype), np.empty((0, *g.shape), dtype)
    fields = ArrayMarch(net, g, dtype).fields(boundary_sources(net, inputs), keep=True)
    return fields.word, fields.bit


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def one_blas_thread() -> Any:
    """Limit BLAS to one thread: the bits of its factorisations depend on the number, and tiles run in threads."""
    return _controller().limit(limits=1, user_api="blas")
