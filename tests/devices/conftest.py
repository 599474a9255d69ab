"""The array libraries that every law runs on, and the table of the card `pcm`."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray


@dataclass(frozen=True)
class Arrays:
    """One array library: how its arrays are made and brought back."""

    name: str
    make: Callable[[Any], Any]
    back: Callable[[Any], NDArray[Any]]


def _read_only(values: Any) -> NDArray[Any]:
    array = np.array(values)
    array.flags.writeable = False
    return array


def _strict() -> Arrays:
    xp = importlib.import_module("array_api_strict")
    device = xp.Device("device1")

    def make(values: Any) -> Any:
        array = np.asarray(values)
        return xp.asarray(array, dtype=getattr(xp, array.dtype.name), device=device)

    def back(array: Any) -> NDArray[Any]:
        assert array.device == device
        return np.asarray(array.to_device(xp.Device("CPU_DEVICE")))

    return Arrays("strict", make, back)


def _cupy() -> Arrays:
    cupy = importlib.import_module("cupy")
    return Arrays("cupy", cupy.asarray, cupy.asnumpy)


@pytest.fixture(params=["numpy", "read_only", "strict", pytest.param("cupy", marks=pytest.mark.gpu)])
def arrays(request: pytest.FixtureRequest) -> Arrays:
    """Take NumPy, NumPy that cannot be written to, array-api-strict on its second device, CuPy."""
    if request.param == "strict":
        return _strict()
    if request.param == "cupy":
        return _cupy()
    return Arrays(request.param, _read_only if request.param == "read_only" else np.array, np.asarray)


@pytest.fixture(scope="session")
def pcm() -> Any:
    """Load `pcm_table.py`, which stands beside this file."""
    spec = importlib.util.spec_from_file_location("pcm_table", Path(__file__).with_name("pcm_table.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["pcm_table"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def statistics() -> Any:
    """Load `statistics.py`, which stands beside this file."""
    spec = importlib.util.spec_from_file_location("device_statistics", Path(__file__).with_name("statistics.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
