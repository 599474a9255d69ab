"""The CUDA kernels: their source compiled for the host gives the numbers of the compiled CPU kernels.

The host build runs the threads of a block as threads that wait for each other, block after block: indices, order and
barriers are those of the GPU. Where nvcc is, the source is also compiled for a device, without running it.
"""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from xbar.circuit import Boundary, Status, Wires, biased, effective_operator, solve
from xbar.circuit import gpu_kernels as module
from xbar.circuit.gpu_kernels import CudaLauncher, DeviceLadder, KernelMarch, Launcher, gpu_effective_matrices, source
from xbar.circuit.ladder_pcg import LadderSolver
from xbar.circuit.march_namespace import effective_matrices
from xbar.circuit.network import network
from xbar.errors import InputError, Unsupported

Floats = NDArray[np.float64]

SHIM = """
#include <barrier>
#include <cstddef>
#include <thread>
#include <utility>
#include <vector>
struct Place { int x; };
static thread_local Place threadIdx, blockIdx;
static Place blockDim;
static std::barrier<> *waiting;
static void __syncthreads() { waiting->arrive_and_wait(); }
#define __global__
#define __device__
#define __shared__
extern "C" { REAL shared[1 << 20]; }
"""

RUN = """
template <class... A, std::size_t... I>
static void call(void (*kernel)(A...), void **arguments, std::index_sequence<I...>)
{
    kernel(*static_cast<A *>(arguments[I])...);
}
template <class... A>
static void run(void (*kernel)(A...), int blocks, int threads, void **arguments)
{
    blockDim.x = threads;
    for (int block = 0; block < blocks; ++block) {
        std::barrier<> all(threads);
        waiting = &all;
        std::vector<std::thread> team;
        for (int t = 0; t < threads; ++t)
            team.emplace_back([=] {
                threadIdx.x = t;
                blockIdx.x = block;
                call(kernel, arguments, std::index_sequence_for<A...>{});
            });
        for (auto &one : team) one.join();
    }
}
extern "C" void run_on_host(int blocks, int threads, void **arguments) { run(KERNEL, blocks, threads, arguments); }
"""


class HostLauncher:
    """Runs the kernels on NumPy arrays; `threads`: more than the hardware has only cost time, so few stand for many."""

    def __init__(self, folder: Path, dtype: Any, threads: int = 5, shared_bytes: int = 1 << 20) -> None:
        self._limit, self._threads = shared_bytes, threads
        self._kernels = {name: compiled(folder, name, module.real(dtype)) for name in ("march", "ladder_pcg")}

    @property
    def shared_bytes(self) -> int:
        return self._limit

    def launch(self, kernel: str, blocks: int, threads: int, arguments: tuple[Any, ...], shared: int) -> None:
        assert shared <= self._limit
        values = [ctypes.c_void_p(a.ctypes.data) if isinstance(a, np.ndarray) else scalar(a) for a in arguments]
        assert all(a.flags.c_contiguous for a in arguments if isinstance(a, np.ndarray))
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.cast(ctypes.pointer(v), ctypes.c_void_p) for v in values))
        # The march gives each thread its lane, LADDER-PCG shares the lines among as many as there are.
        self._kernels[kernel](blocks, threads if kernel == "march" else self._threads, pointers)


def scalar(value: Any) -> Any:
    kinds = {"int32": ctypes.c_int, "float64": ctypes.c_double, "float32": ctypes.c_float}
    return kinds[value.dtype.name](value)


def compiled(folder: Path, kernel: str, real: str) -> Any:
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None or os.name == "nt":  # there a library needs the compiler's own beside it
        pytest.skip("no C++ compiler: the kernels are not compiled for the host")
    code, library = folder / f"{kernel}_{real}.cpp", folder / f"{kernel}_{real}.so"
    if not library.exists():
        code.write_text(SHIM + source(kernel) + RUN, encoding="utf-8")
        options = ["-std=c++20", "-O1", "-shared", "-fPIC", "-pthread", f"-DREAL={real}", f"-DKERNEL={kernel}"]
        done = subprocess.run([compiler, *options, str(code), "-o", str(library)], capture_output=True, text=True)
        if "barrier" in done.stderr and "No such file" in done.stderr:
            pytest.skip("the C++ compiler lacks std::barrier (C++20): the kernels are not compiled for the host")
        assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(library)).run_on_host


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernels")


Make = Callable[..., Launcher]
PLACES = ["host", pytest.param("gpu", marks=pytest.mark.gpu)]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, folder: Path) -> tuple[Make, Callable[[Any], Any], Callable[[Any], Any]]:
    """Return a maker of launchers, and copies to the device and back."""
    if request.param == "host":
        return lambda dtype=np.float64, **changed: HostLauncher(folder, dtype, **changed), np.asarray, np.asarray
    import cupy

    return lambda dtype=np.float64, **_: CudaLauncher(dtype), cupy.asarray, cupy.asnumpy


def tiles(*shape: int) -> Floats:
    g = 1e-4 * 10.0 ** np.random.default_rng(0).uniform(-2, 0, shape)
    g.flat[0] = 0.0
    return g


def volts(*shape: int) -> Floats:
    return np.random.default_rng(1).uniform(-0.2, 0.2, shape)


@pytest.mark.parametrize("shared", [1 << 20, 0])
@pytest.mark.parametrize("shape", [(2, 11, 9), (1, 9, 40), (2, 37, 40), (1, 1, 1)])
def test_march(place: Any, shape: tuple[int, int, int], shared: int) -> None:
    """State in shared or in global memory; one segment of the march, or several."""
    make, put, get = place
    g, march = tiles(*shape), KernelMarch(make(shared_bytes=shared))
    if shape == (1, 1, 1):
        g[:] = 1e-5
    for wires in (Wires(2.0, 3.0, source=4.0), Wires(0.0, 0.0), Wires(2000.0, 300.0)):
        want = effective_operator(g, wires).matrix
        found = get(effective_matrices(put(g), wires, march=march))
        assert np.abs(found - want).max() <= 1e-12 * want.max()


def test_march_with_currents_at_both_ends(place: Any) -> None:
    make, put, get = place
    g, wires, boundary = tiles(2, 12, 9), Wires(200.0, 300.0, sense=40.0), Boundary(top=biased(0.1, 9.0))
    want = effective_operator(g, wires, boundary).matrix
    found = get(effective_matrices(put(g), wires, boundary, march=KernelMarch(make())))
    assert np.abs(found - want).max() <= 1e-12 * want.max()


def test_march_in_single_precision(place: Any) -> None:
    make, put, get = place
    g = tiles(2, 20, 30)
    found = get(effective_matrices(put(g.astype(np.float32)), Wires(5.0, 5.0), march=KernelMarch(make(np.float32))))
    want = effective_operator(g, Wires(5.0, 5.0)).matrix
    assert found.dtype == np.float32
    assert np.abs(found - want).max() <= 1e-5 * want.max()


@pytest.mark.parametrize("wires", [Wires(2.0, 3.0, source=4.0, sense=1.0), Wires(0.0, 0.0), Wires(400.0, 300.0)])
@pytest.mark.parametrize("shape", [(3, 11, 9), (2, 5, 17), (2, 1, 1)])
def test_ladder_pcg(place: Any, shape: tuple[int, int, int], wires: Wires) -> None:
    """The solution, the iterations and the residual of the compiled kernel."""
    make, put, get = place
    d, v = tiles(*shape), volts(*shape[:2])
    d[0, 0, 0] = 1e-5
    found = DeviceLadder(shape[1:], wires, make()).solve(put(d), put(v))
    want = solve(d, wires, v).require()
    assert get(found.status).tolist() == [Status.CONVERGED] * len(d)
    assert np.abs(get(found.currents) - want.currents).max() <= 1e-12 * np.abs(want.currents).max()
    assert np.abs(get(found.word) - want.word).max() <= 1e-12
    assert np.abs(get(found.bit) - want.bit).max() <= 1e-12
    solver = LadderSolver(network((shape[1], shape[2]), wires))
    same = solver.solve(d, solver.sources(v), 1e-13)
    assert np.abs(get(found.iterations) - same.iterations).max() <= 1
    assert (get(found.residual) <= 1e-11).all()


def test_ladder_pcg_with_biased_ends(place: Any) -> None:
    make, put, get = place
    boundary = Boundary(right=biased(0.05, 30.0), bottom=["sensed", biased(0.1), *["sensed"] * 4])
    d, v, wires = tiles(3, 8, 6), volts(3, 8), Wires(40.0, 20.0)
    found = DeviceLadder((8, 6), wires, make(), boundary).solve(put(d), put(v))
    want = solve(d, wires, v, boundary=boundary).require()
    assert np.abs(get(found.currents) - want.currents).max() <= 1e-12 * np.abs(want.currents).max()


def test_ladder_pcg_bits_do_not_depend_on_the_batch(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    make, put, get = place
    d, v, wires = tiles(5, 8, 6), volts(5, 8), Wires(40.0, 20.0)
    ladder = DeviceLadder((8, 6), wires, make())
    whole = get(ladder.solve(put(d), put(v)).currents)
    monkeypatch.setattr(module, "WORK", 2 * (6 * 48 + 28))
    assert np.array_equal(get(ladder.solve(put(d), put(v)).currents), whole)
    assert np.array_equal(get(ladder.solve(put(d[3:4]), put(v[3:4])).currents), whole[3:4])


def test_ladder_pcg_in_single_precision(place: Any) -> None:
    make, put, get = place
    d, v, wires = tiles(2, 12, 10), volts(2, 12), Wires(4.0, 2.0)
    single = DeviceLadder((12, 10), wires, make(np.float32))
    found = single.solve(put(d.astype(np.float32)), put(v.astype(np.float32)), tolerance=1e-6)
    want = solve(d, wires, v).require().currents
    assert not get(found.status).any()
    assert np.abs(get(found.currents) - want).max() <= 1e-5 * np.abs(want).max()


def test_ladder_pcg_says_what_did_not_converge(place: Any) -> None:
    make, put, get = place
    d = tiles(2, 12, 12)
    v = np.concatenate([volts(1, 12), np.zeros((1, 12))])
    found = DeviceLadder((12, 12), Wires(400.0, 400.0), make()).solve(put(d), put(v), most=1)
    assert get(found.status).tolist() == [Status.NOT_CONVERGED, Status.CONVERGED]
    assert np.isnan(get(found.currents)[0]).all()
    assert not get(found.currents)[1].any()


@pytest.mark.parametrize("real", ["double", "float"])
@pytest.mark.parametrize("kernel", ["march", "ladder_pcg"])
def test_nvcc_compiles_the_source(kernel: str, real: str, tmp_path: Path) -> None:
    if shutil.which("nvcc") is None or os.name == "nt":  # there nvcc needs the shell of another compiler
        pytest.skip("nvcc is not installed: the kernels are not compiled for a device")
    code, out = tmp_path / "kernel.cu", tmp_path / "kernel.ptx"
    code.write_text(source(kernel), encoding="utf-8")
    options = ["-ptx", f"-DREAL={real}", "-Werror", "all-warnings"]
    done = subprocess.run(["nvcc", *options, str(code), "-o", str(out)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f".entry {kernel}(" in out.read_text(encoding="utf-8")


def test_what_the_kernels_cannot_do_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nobody:
        shared_bytes = 0

        def launch(self, *_: Any) -> None:
            raise AssertionError("launched all the same")

    for boundary in (Boundary(bottom="open"), Boundary(top="sensed")):
        with pytest.raises(Unsupported, match=r"take xbar\.circuit\.solve"):
            DeviceLadder((3, 4), Wires(1.0, 1.0), Nobody(), boundary)
    ladder = DeviceLadder((3, 4), Wires(1.0, 1.0), Nobody())
    with pytest.raises(InputError, match=r"give \(batch, \(3, 4\)\)"):
        ladder.solve(tiles(2, 3, 5), volts(2, 3))
    with pytest.raises(InputError, match="float64 and float32"):
        module.real(np.int32)
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    with pytest.raises(Unsupported, match="xbar-emulator\\[gpu\\]"):
        gpu_effective_matrices(tiles(1, 2, 2), Wires(1.0, 1.0))
