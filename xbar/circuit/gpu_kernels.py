"""MARCH and LADDER-PCG as CUDA kernels, compiled at run time through CuPy: many tiles, or vectors, in one launch.

The kernels are `march.cu` and `ladder_pcg.cu`. What launches them is a port: a CUDA device, or, in tests, the same
source compiled for the host.
"""

from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Protocol

import numpy as np
from array_api_compat import device

from xbar.circuit.boundary import Boundary, SideArrays
from xbar.circuit.ends import CUT, near_end
from xbar.circuit.march_namespace import Columns, State, effective_matrices
from xbar.circuit.network import FAR_LEAST, network
from xbar.circuit.newton import Status
from xbar.circuit.wires import Floats, Wires
from xbar.errors import InputError, Unsupported
from xbar.namespace import Array, namespace

LANES = 32
"""Lanes of a block of the march: a warp. Three numbers a row and lane fit into shared memory up to 300 rows."""

THREADS = 256
"""Threads of a block of LADDER-PCG at most; lines beyond are solved in turns."""

WORK = 1 << 28
"""Numbers of work space for the vectors that LADDER-PCG solves in one launch: 2 GiB in double precision."""

RESIDUAL = 1e-11
"""Largest residual of a vector that has converged; 1e-4 in single precision."""


class Launcher(Protocol):
    """What runs a kernel of this package."""

    @property
    def shared_bytes(self) -> int:
        """Get the shared memory that a block may have [bytes]."""
        ...

    def launch(self, kernel: str, blocks: int, threads: int, arguments: tuple[Any, ...], shared: int) -> None:
        """Run `kernel` on arrays of the device and NumPy scalars; `shared`: bytes of shared memory of each block."""
        ...


class CudaLauncher:
    """Kernels on the present CUDA device, compiled for one type of number."""

    def __init__(self, dtype: Any) -> None:
        """Compile for `dtype`, float64 or float32; raises `Unsupported` where CuPy is missing."""
        try:
            import cupy
        except ImportError as error:
            raise Unsupported("kernels for a GPU need CuPy: pip install 'xbar-emulator[gpu]'") from error
        options = (f"-DREAL={real(dtype)}",)
        self._modules = {name: cupy.RawModule(code=source(name), options=options) for name in ("march", "ladder_pcg")}
        self._limit = int(cupy.cuda.Device().attributes["MaxSharedMemoryPerBlockOptin"])

    @property
    def shared_bytes(self) -> int:
        """Get the shared memory that a block may have [bytes]."""
        return self._limit

    def launch(self, kernel: str, blocks: int, threads: int, arguments: tuple[Any, ...], shared: int) -> None:
        """Run `kernel` on CuPy arrays and NumPy scalars."""
        function = self._modules[kernel].get_function(kernel)
        # Above 48 KiB a kernel has to ask for it.
        function.max_dynamic_shared_size_bytes = shared
        function((blocks,), (threads,), arguments, shared_mem=shared)


def source(kernel: str) -> str:
    """Return the CUDA source of "march" or "ladder_pcg"."""
    return files("xbar.circuit").joinpath(f"{kernel}.cu").read_text(encoding="utf-8")


def real(dtype: Any) -> str:
    """Return the C name of float64 or float32; raises `InputError` for another type."""
    name = {"float64": "double", "float32": "float"}.get(np.dtype(dtype).name)
    if name is None:
        raise InputError(f"kernels for type {dtype}; float64 and float32 are possible")
    return name


class KernelMarch:
    """`march_columns` as one kernel: what `effective_matrices` takes as `march`."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher

    def __call__(self, columns: Columns, first: int, last: int, state: State) -> tuple[State, Array, Array]:
        """March as `March` of `march_namespace` says."""
        xp = namespace(columns.d)
        tiles, cols, rows = columns.d.shape
        # Copies: the kernel changes them in place, and asks for contiguous arrays.
        w, c = (xp.ascontiguousarray(a).copy() for a in state)
        lanes, size = w.shape[2], w.dtype.itemsize
        shared = 3 * rows * LANES * size
        inside = shared <= self._launcher.shared_bytes
        out = [xp.empty((tiles, last - first, lanes), dtype=w.dtype, device=device(w)) for _ in range(2)]
        scratch = xp.empty((1,) if inside else w.shape, dtype=w.dtype, device=device(w))
        arrays = [xp.ascontiguousarray(a) for a in columns]
        numbers = (np.int32(n) for n in (rows, cols, lanes, first, last, inside))
        blocks = tiles * -(-lanes // LANES)
        self._launcher.launch("march", blocks, LANES, (*arrays, w, c, scratch, *out, *numbers), shared if inside else 0)
        return (w, c), out[0], out[1]


def gpu_effective_matrices(g: Array, wires: Wires, boundary: Boundary | None = None) -> Array:
    """Return what `effective_matrices` returns for tiles `g` (tiles, rows, cols) on a CUDA device, by kernels."""
    return effective_matrices(g, wires, boundary, march=KernelMarch(CudaLauncher(g.dtype)))


@dataclass(frozen=True, eq=False)
class DeviceSolution:
    """Solution of linear arrays with conductances of each vector's own, on their device."""

    currents: Array
    """`(batch, cols)`: currents out of the sensed ends [A]; NaN where not converged."""
    word: Array
    """`(batch, rows, cols)`: voltages of the word nodes [V]; of any use only where converged."""
    bit: Array
    """`(batch, rows, cols)`: voltages of the bit nodes [V]."""
    status: Array
    """`(batch,)` int32, see `Status`."""
    iterations: Array
    """`(batch,)` int32."""
    residual: Array
    """`(batch,)`: sum of what Kirchhoff's law misses, relative to the largest current."""


class DeviceLadder:
    """LADDER-PCG on a device, for all linear arrays with the same wires and boundary.

    Raises `Unsupported` for lines that float or are broken and for connected top ends: `xbar.circuit.solve` does these.
    """

    def __init__(
        self, shape: tuple[int, int], wires: Wires, launcher: Launcher, boundary: Boundary | None = None
    ) -> None:
        self.net, self._launcher = network(shape, wires, boundary), launcher
        if self.net.floats or np.isfinite(self.net.top.resistance).any():
            raise Unsupported("lines that float or are broken, and connected top ends: take xbar.circuit.solve")

    def solve(self, d: Array, v: Array, tolerance: float = 1e-13, most: int = 1000) -> DeviceSolution:
        """Solve arrays of conductances `d` (batch, rows, cols) [S] for inputs `v` (batch, rows) [V].

        `tolerance`: energy norm of the error at which a vector stops; `most`: iterations at most. A vector's bits do
        not depend on the batch. Raises `InputError` for other shapes.
        """
        xp = namespace(d, v)
        if d.ndim != 3 or d.shape[1:] != self.net.shape or v.shape != d.shape[:2] or v.dtype != d.dtype:
            raise InputError(f"conductances {d.shape} and inputs {v.shape}; give (batch, {self.net.shape}) of one type")
        rows, cols = self.net.shape
        at_once = max(1, WORK // (6 * rows * cols + 2 * rows + 2 * cols))
        blocks = range(0, d.shape[0], at_once)
        parts = [self._solve(xp, d[k : k + at_once, ...], v[k : k + at_once, :], tolerance, most) for k in blocks]
        return DeviceSolution(*(xp.concat([part[k] for part in parts], axis=0) for k in range(6)))

    def _solve(self, xp: Any, d: Array, v: Array, tolerance: float, most: int) -> tuple[Array, ...]:
        net, (rows, cols), batch, kind = self.net, self.net.shape, d.shape[0], d.dtype

        def put(values: Any) -> Array:
            return xp.asarray(np.ascontiguousarray(values, np.float64), dtype=kind, device=device(d))

        def make(*shape: int, dtype: Any = kind) -> Array:
            return xp.zeros(shape, dtype=dtype, device=device(d))

        left = put(net.left.volts) + put(net.left.port) * v
        bottom = put(net.bottom.volts) + make(batch, cols)
        into_word, into_bit = make(batch, rows, cols), make(batch, rows, cols)
        words = _lines(net.word, net.right, net.left.resistance + net.word[:, 0])
        into_word[:, :, -1] = put(words[1]) * (put(net.right.volts) + put(net.right.port) * v)
        bits = _lines(net.bit, net.top, net.bottom.resistance + net.bit[-1])
        word, bit, short = (make(batch, rows, cols) for _ in range(3))
        counts = make(batch, dtype=xp.int32)
        work = make(batch, 6 * rows * cols + 2 * rows + 2 * cols)
        ends = (put(a) for a in (*words, *bits))
        sources = (xp.ascontiguousarray(a) for a in (left, bottom, into_word, into_bit))
        real_type = np.dtype(kind)
        numbers = (np.int32(rows), np.int32(cols), np.int32(most), real_type.type(tolerance))
        threads = min(THREADS, 32 * -(-max(rows, cols) // 32))
        arguments = (xp.ascontiguousarray(d), *ends, *sources, word, bit, short, counts, work, *numbers)
        self._launcher.launch("ladder_pcg", batch, threads, arguments, threads * real_type.itemsize)
        return self._judged(xp, d * (word - bit), word, bit, short, counts)

    def _judged(self, xp: Any, cells: Array, word: Array, bit: Array, short: Array, counts: Array) -> tuple[Array, ...]:
        """Return currents with status and residual of every vector."""
        total = xp.sum(cells, axis=1)
        scale = xp.maximum(xp.max(xp.abs(cells), axis=(1, 2)), xp.max(xp.abs(total), axis=1))
        residual = xp.sum(xp.abs(short), axis=(1, 2)) / xp.where(scale > 0, scale, xp.ones_like(scale))
        limit = RESIDUAL if np.dtype(cells.dtype) == np.float64 else 1e-4
        good = residual <= limit
        port = xp.asarray(self.net.bottom.port, dtype=cells.dtype, device=device(cells))
        currents = xp.where(good[:, None], total * port, xp.nan * xp.ones_like(total))
        status = xp.astype(xp.where(good, int(Status.CONVERGED), int(Status.NOT_CONVERGED)), xp.int32)
        return currents, word, bit, status, counts, residual


def _lines(ohm: Floats, far: SideArrays, near: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return segments, conductances of the far ends, and the two coefficients of the near ends."""
    return np.minimum(ohm, CUT), 1 / np.maximum(far.resistance, FAR_LEAST), *near_end(near)
