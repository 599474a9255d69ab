"""A header, some operations, and a trace made of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from xbar.bench.capabilities import Capabilities, Effect, Identity
from xbar.bench.limits import Limits
from xbar.bench.operation import DriverHeader, Header, Operation, OperationKind, Request
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.bench.settings import ReadConfig, Unselected, VectorConfig
from xbar.trace.recorder import TraceRecorder

MakeHeader = Callable[..., Header]
MakeOperation = Callable[..., Operation]
MakeTrace = Callable[..., Path]


def _header(*, hardware: bool = False, adc_bits: int | None = 8, native: tuple[str, ...] = ("read", "mvm")) -> Header:
    capabilities = Capabilities(
        arrays=4,
        rows=16,
        cols=8,
        voltage_max=1.0,
        current_max=1e-3,
        conductance_range=(0.0, 25e-6),
        adc_bits=adc_bits,
        native=frozenset(native),
        unselected=frozenset({Unselected.GROUND, Unselected.HALF}),
        hardware=hardware,
        effects=(Effect("drift", "applied", "law"),),
    )
    identity = Identity("fake", "sim:fake", "7", "1.0")
    return Header("sim", (DriverHeader("", identity, capabilities, {"seed": 3, "card": None}, Limits(0.5, 1e-3)),))


def _product(index: int = 0, *, batch: int = 5, k: int = 2, rows: int = 16, cols: int = 8) -> Operation:
    rng = np.random.default_rng(index)
    voltages = rng.uniform(-0.2, 0.2, (k, batch, rows)).astype(np.float32)
    events = np.arange(index * batch, (index + 1) * batch, dtype=np.uint64)
    config = VectorConfig(0.2, np.full((k, cols), 1e-4), cols)
    request = Request(OperationKind.MVM, tuple(range(k)), voltages=voltages, events=events, vector=config)
    codes = rng.integers(-128, 128, (k, batch, cols)).astype(np.int8)
    readings = VectorReadings(codes, np.full((k, cols), 1e-6), np.zeros((k, cols)), np.zeros((k, 1, cols), np.uint32))
    return Operation(request, float(index), index + 0.5, readings)


def _reading(index: int = 0, *, cells: int = 3, repeat: int = 2) -> Operation:
    rng = np.random.default_rng(index)
    places = rng.integers(0, 8, (cells, 2))
    shape = (cells, repeat)
    readings = CellReadings(
        time=np.full(shape, float(index)),
        applied=np.full(shape, 0.2),
        voltage=np.full(shape, np.nan),
        current=rng.uniform(0, 1e-5, shape),
        status=rng.integers(0, 4, shape).astype(np.uint32),
        range=np.full(shape, 1e-5),
    )
    request = Request(OperationKind.READ, (1,), cells=places, read=ReadConfig(repeat=repeat))
    return Operation(request, float(index), index + 0.25, readings)


@pytest.fixture(scope="session")
def make_header() -> MakeHeader:
    return _header


@pytest.fixture(scope="session")
def product() -> MakeOperation:
    return _product


@pytest.fixture(scope="session")
def reading() -> MakeOperation:
    return _reading


@pytest.fixture
def make_trace(tmp_path: Path) -> MakeTrace:
    """Return a function that records operations into a file and returns its path."""

    def make(*operations: Operation, header: Header | None = None, name: str = "t.h5", status: str = "ok") -> Path:
        recorder = TraceRecorder(tmp_path / name, provenance={"run": {"seed": 3}})
        recorder.start(header or _header())
        for operation in operations:
            recorder.record(operation)
        recorder.close(status)
        return tmp_path / name

    return make
