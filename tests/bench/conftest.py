"""A driver and a recorder that keep count of what reaches them."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from xbar.bench.capabilities import Capabilities, Identity
from xbar.bench.driver import Driver, Unsafe
from xbar.bench.operation import Header, Operation
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.bench.settings import Pulse, ReadConfig, Unselected, VectorConfig

ROWS, COLS = 6, 4


class FakeDriver(Driver):
    """Two arrays of 6 x 4 cells; its clock moves by 1 s with every operation.

    `fail` maps the name of a call to what it raises, once; `unsafe` is what each `safe_off` leaves, in order.
    """

    hardware: ClassVar[bool] = False

    def __init__(self, fail: Mapping[str, BaseException] | None = None, unsafe: list[Unsafe] | None = None) -> None:
        self.calls: list[str] = []
        self.seen: list[tuple[Any, ...]] = []
        self.fail = dict(fail or {})
        self.unsafe = list(unsafe or [])
        self.time = 100.0
        self.on_call: Callable[[str], None] = lambda name: None

    def _call(self, name: str, *arguments: Any) -> None:
        self.calls.append(name)
        self.seen.append(arguments)
        self.on_call(name)
        if name in self.fail:
            raise self.fail.pop(name)

    def _operation(self, name: str, *arguments: Any) -> None:
        self.time += 1.0
        self._call(name, *arguments)

    @property
    def operations(self) -> list[str]:
        """Calls that do something to the arrays."""
        return [name for name in self.calls if name not in ("open", "close", "safe_off")]

    @classmethod
    def from_address(cls, rest: str, options: Mapping[str, Any]) -> Self:
        made = cls()
        made.seen.append((rest, dict(options)))
        return made

    def open(self) -> Identity:
        self._call("open")
        self.capabilities = Capabilities(
            arrays=2,
            rows=ROWS,
            cols=COLS,
            voltage_max=1.0,
            current_max=1e-3,
            conductance_range=(1e-6, 100e-6),
            native=frozenset({"read", "pulse", "mvm", "program"}),
            hardware=self.hardware,
            unselected=frozenset({Unselected.GROUND, Unselected.HALF}),
        )
        return Identity("fake", "sim:fake", "7")

    def close(self) -> None:
        self._call("close")

    def safe_off(self) -> Unsafe:
        self._call("safe_off")
        return self.unsafe.pop(0) if self.unsafe else ()

    def clock(self) -> float:
        return self.time

    def settings(self) -> dict[str, Any]:
        return {"seed": 7}

    def read(self, array: int, cells: NDArray[np.int64], config: ReadConfig) -> CellReadings:
        self._operation("read", array, cells, config)
        shape = (len(cells), config.repeat)
        applied = np.full(shape, config.voltage)
        none = np.full(shape, np.nan)
        return CellReadings(np.full(shape, self.time), applied, none, 1e-5 * applied, np.zeros(shape, np.uint32), none)

    def pulse(self, array: int, cells: NDArray[np.int64], pulse: Pulse, count: int = 1) -> None:
        self._operation("pulse", array, cells, pulse, count)

    def mvm(
        self,
        arrays: tuple[int, ...],
        voltages: NDArray[Any],
        config: VectorConfig,
        events: NDArray[np.uint64] | None,
    ) -> VectorReadings:
        self._operation("mvm", arrays, voltages, config, events)
        cols = COLS if config.columns is None else config.columns
        k, batch, _ = voltages.shape
        codes = np.ones((k, batch, cols), np.int8)
        return VectorReadings(codes, np.full((k, cols), 2e-6), np.full((k, cols), 1e-9), np.zeros((1, 1, 1), np.uint32))

    def program(self, array: int, targets: NDArray[np.float64]) -> None:
        self._operation("program", array, targets)

    def wait(self, seconds: float) -> None:
        self._operation("wait", seconds)


class FakeHardware(FakeDriver):
    """The same, as if it moved real charge."""

    hardware: ClassVar[bool] = True


class FakeRecorder:
    """Keep what is recorded; `fail` maps the name of a call to what it raises, every time."""

    def __init__(self, fail: Mapping[str, BaseException] | None = None) -> None:
        self.fail = dict(fail or {})
        self.header: Header | None = None
        self.operations: list[Operation] = []
        self.status: list[str] = []

    def _may_fail(self, name: str) -> None:
        if name in self.fail:
            raise self.fail[name]

    def start(self, header: Header) -> None:
        self._may_fail("start")
        self.header = header

    def record(self, operation: Operation) -> None:
        self._may_fail("record")
        self.operations.append(operation)

    def flush(self) -> None:
        """Do nothing."""

    def close(self, status: str) -> None:
        self._may_fail("close")
        self.status.append(status)


@pytest.fixture(scope="session")
def make_driver() -> type[FakeDriver]:
    return FakeDriver


@pytest.fixture(scope="session")
def make_hardware() -> type[FakeHardware]:
    return FakeHardware


@pytest.fixture(scope="session")
def make_recorder() -> type[FakeRecorder]:
    return FakeRecorder
