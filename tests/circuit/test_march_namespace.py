"""MARCH in the array namespace gives the operators of the compiled one, and nothing leaves the device."""

from collections.abc import Callable
from typing import Any

import array_api_strict
import numpy as np
import pytest
from numpy.typing import NDArray

from xbar.array.device import Device, gpu
from xbar.circuit import Boundary, Wires, biased, effective_operator
from xbar.circuit import march_namespace as module
from xbar.circuit.march_namespace import effective_matrices
from xbar.errors import InputError, Unsupported

Floats = NDArray[np.float64]


def strict() -> Device:
    """Return a device whose arrays refuse to mix with the host's: what breaks on a GPU breaks here."""
    other = array_api_strict.Device("device1")
    return Device(
        "strict",
        lambda a: array_api_strict.asarray(np.array(a), device=other),
        lambda a: np.asarray(array_api_strict.asarray(a, device=array_api_strict.Device("CPU_DEVICE"))),
    )


def read_only(a: NDArray[Any]) -> NDArray[Any]:
    copy = np.array(a)
    copy.flags.writeable = False
    return copy


@pytest.fixture(params=["numpy", "strict", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> Device:
    made: dict[str, Callable[[], Device]] = {
        "numpy": lambda: Device("numpy", read_only, np.asarray),
        "strict": strict,
        "gpu": gpu,
    }
    return made[request.param]()


def tiles(*shape: int) -> Floats:
    g = 1e-4 * 10.0 ** np.random.default_rng(0).uniform(-2, 0, shape)
    g.flat[0] = 0.0
    return g


WIRES = [
    Wires(1.0, 2.0),
    Wires(0.0, 0.0),
    Wires(30.0, 10.0, source=20.0, sense=5.0),
    Wires(3000.0, 2000.0, sense=7.0),
    Wires(np.linspace(1, 9, 99).reshape(11, 9), 4.0, source=np.arange(11.0)),
]


@pytest.mark.parametrize("wires", WIRES)
@pytest.mark.parametrize("shape", [(3, 11, 9), (2, 11, 20), (2, 11, 1)])
def test_operators_are_those_of_the_compiled_march(device: Device, wires: Wires, shape: tuple[int, int, int]) -> None:
    """To 1e-12 of the largest element, also where the march takes many segments."""
    if np.ndim(wires.word) and np.shape(wires.word) != shape[1:]:
        wires = Wires(np.ones(shape[1:]), 4.0, source=wires.source)
    g = tiles(*shape)
    found = effective_matrices(device.put(g), wires)
    want = effective_operator(g, wires).matrix
    assert np.abs(device.get(found) - want).max() <= 1e-12 * want.max()


BOUNDARIES = [
    Boundary(top="sensed"),
    Boundary(top=biased(0.1, 9.0)),
    Boundary(right="driven"),
    Boundary(left=["grounded", *["driven"] * 11], bottom=["sensed"] * 6 + [biased(0.1)] * 3),
]


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_other_ends(device: Device, boundary: Boundary) -> None:
    g, wires = tiles(2, 12, 9), Wires(200.0, 300.0, source=5.0, sense=40.0)
    want = effective_operator(g, wires, boundary).matrix
    assert np.abs(device.get(effective_matrices(device.put(g), wires, boundary)) - want).max() <= 1e-12 * want.max()


def test_columns_are_solved_in_blocks(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    g, wires = tiles(2, 8, 13), Wires(20.0, 30.0)
    whole = device.get(effective_matrices(device.put(g), wires))
    monkeypatch.setattr(module, "BUDGET", 2 * 8 * 8 * 3)
    assert np.allclose(device.get(effective_matrices(device.put(g), wires)), whole, rtol=1e-14)


def test_single_precision_stays_single(device: Device) -> None:
    g = tiles(2, 30, 40)
    found = device.get(effective_matrices(device.put(g.astype(np.float32)), Wires(5.0, 5.0)))
    want = effective_operator(g, Wires(5.0, 5.0)).matrix
    assert found.dtype == np.float32
    assert np.abs(found - want).max() <= 1e-5 * want.max()


def test_shorted_cells_are_limited(device: Device) -> None:
    g = tiles(1, 4, 5)
    g[0, 1, 2] = np.inf
    found = device.get(effective_matrices(device.put(g), Wires(3.0, 2.0)))
    want = effective_operator(g, Wires(3.0, 2.0)).matrix
    assert np.abs(found - want).max() <= 1e-10 * want.max()


CALLS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: effective_matrices(tiles(3, 4), Wires(1.0, 1.0)), InputError, r"give \(tiles, rows, cols\)"),
    (lambda: effective_matrices(np.ones((1, 2, 2), int), Wires(1.0, 1.0)), InputError, "floating point"),
    (lambda: effective_matrices(-tiles(1, 3, 4), Wires(1.0, 1.0)), InputError, "0 S or more"),
    (lambda: effective_matrices(np.full((1, 2, 2), np.nan), Wires(1.0, 1.0)), InputError, "NaN"),
    (
        lambda: effective_matrices(tiles(1, 3, 4), Wires(1.0, 1.0), Boundary(bottom="open")),
        Unsupported,
        "float or are broken",
    ),
    (
        lambda: effective_matrices(tiles(1, 3, 4), Wires(1.0, 1.0), Boundary(right="driven", top="sensed")),
        Unsupported,
        "both connected",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), CALLS)
def test_what_cannot_be_is_refused(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
