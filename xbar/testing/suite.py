"""What the conformance suite is made of: what authors set and override, and how a scenario is done and recorded."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import final

import numpy as np
import pytest
from numpy.typing import NDArray

from xbar.bench.bench import Bench
from xbar.bench.driver import Driver
from xbar.bench.limits import Limits
from xbar.bench.operation import Header, Operation
from xbar.bench.settings import Pulse, VectorConfig
from xbar.errors import InputError
from xbar.testing.checks import check_same
from xbar.trace.reader import open_trace
from xbar.trace.recorder import TraceRecorder

Scenario = Callable[[Bench], None]
"""Something that is done on an open bench, with checks of what it answers."""


class KeepingRecorder(TraceRecorder):
    """A trace recorder that also keeps in memory what it was given, in full."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, provenance={}, level="full")
        self.header: Header | None = None
        self.operations: list[Operation] = []

    def start(self, header: Header) -> None:
        """Keep the header too."""
        self.header = header
        super().start(header)

    def record(self, operation: Operation) -> None:
        """Keep the operation too."""
        self.operations.append(operation)
        super().record(operation)


class Suite:
    """Settings of a suite and its means. See `DriverTests`, which authors inherit."""

    address: str = ""
    """What the bench was opened by; stands in the traces."""
    limits: Limits | None = None
    """Limits of the bench; hardware must have some."""
    array: int = 0
    """The array that is used."""
    cells: Sequence[tuple[int, int]] | None = None
    """Cells (row, column) that may be used, at least one; None takes the first and the last one."""
    voltage: float = 0.2
    """Read voltage, input range of products and amplitude of pulses [V]."""
    zero_current: float | None = None
    """Largest |current| of a bit line without voltage [A]; None is two output codes, or 0.1 % of the largest current
    where the bench gives amperes."""
    code_slack: int = 0
    """Output codes by which two groupings of the same vectors may differ, on benches that are not hardware."""
    writes_hardware: bool = False
    """Whether cells of real hardware may be programmed and pulsed."""
    folder: Path
    """Folder of the present test, where traces are written."""

    # ---- what authors override

    def make_driver(self) -> Driver:
        """Return a new driver, not yet open; called at least once for each test."""
        raise InputError(f"{type(self).__name__} must override make_driver and return a new driver")

    def on_bench(self, scenario: Scenario) -> Path:
        """Do the scenario on a new bench and return the trace of it.

        Override it where a scenario must be done otherwise, as on replay, where it is recorded first.
        """
        return self.record(self.make_driver(), self.folder / "trace.h5", scenario)

    # ---- what the tests use

    @pytest.fixture(autouse=True)
    def _set_folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    @final
    def record(self, driver: Driver, path: Path, scenario: Scenario) -> Path:
        """Do the scenario on a bench with this driver, check that its trace reads back bit for bit; return `path`."""
        recorder = KeepingRecorder(path)
        with Bench(driver, address=self.address, recorder=recorder, limits=self.limits) as bench:
            scenario(bench)
        with open_trace(path) as trace:
            assert trace.status == "ok"
            assert trace.complete
            assert trace.header == recorder.header
            assert len(trace) == len(recorder.operations)
            for kept, happened in zip(trace, recorder.operations, strict=True):
                check_same(kept, happened, trace.header.capabilities.dac_bits)
        return path

    @final
    @contextmanager
    def opened(self) -> Iterator[Driver]:
        """Give a new driver, open, without a bench; off and closed at the end."""
        driver = self.make_driver()
        driver.stop = threading.Event()
        driver.open()
        try:
            yield driver
        finally:
            driver.safe_off()
            driver.close()

    @final
    def places(self, bench: Bench) -> NDArray[np.int64]:
        """Return the cells to use, `(n, 2)`, each once."""
        has = bench.capabilities
        chosen = [(0, 0), (has.rows - 1, has.cols - 1)] if self.cells is None else list(self.cells)
        return np.array(list(dict.fromkeys(chosen)), np.int64)

    def _need(self, bench: Bench, verb: str) -> None:
        if verb not in bench.capabilities.native:
            pytest.skip(f"the driver has no {verb} of its own")
        if verb != "mvm" and bench.capabilities.hardware and not self.writes_hardware:
            pytest.skip("hardware is written only with writes_hardware = True")

    def _volts(self, bench: Bench, batch: int, k: int = 1) -> NDArray[np.float64]:
        shape = (k, batch, bench.capabilities.rows)
        return np.random.default_rng(1).uniform(-self.voltage, self.voltage, shape)

    def _vector(self, columns: int | None = None) -> VectorConfig:
        return VectorConfig(input_range=self.voltage, columns=columns)

    def _pulse(self, bench: Bench, voltage: float) -> Pulse:
        return Pulse(voltage, width=1e-6, current_limit=min(1e-3, bench.limits.current))
