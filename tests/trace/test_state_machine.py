"""Any history of a trace - operations, errors, aborts, kills, reopenings, replays - against a plain list."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from numpy.typing import NDArray

from xbar.bench.bench import Bench
from xbar.bench.capabilities import Capabilities, Identity
from xbar.bench.driver import Driver, Unsafe
from xbar.bench.limits import Limits
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.bench.settings import Pulse, ReadConfig, Unselected, VectorConfig
from xbar.errors import DriverError, ReplayError, XbarError
from xbar.execution.open_bench import open_bench
from xbar.trace.reader import Trace, open_trace
from xbar.trace.recorder import TraceRecorder

ROWS, COLS = 4, 3


class Scripted(Driver):
    """A driver with numbers of its own, which raises `fails` once where that is given."""

    hardware = True

    def __init__(self) -> None:
        self.fails: BaseException | None = None
        self._count = 0

    @classmethod
    def from_address(cls, rest: str, options: Mapping[str, Any]) -> Self:
        return cls()

    def open(self) -> Identity:
        native = frozenset({"read", "pulse", "mvm", "program"})
        self.capabilities = Capabilities(
            2,
            ROWS,
            COLS,
            1.0,
            1e-3,
            (0.0, 1e-4),
            dac_bits=6,
            adc_bits=8,
            native=native,
            unselected=frozenset({Unselected.GROUND, Unselected.HALF}),
            hardware=True,
        )
        return Identity("scripted", "emulated:scripted")

    def close(self) -> None: ...

    def safe_off(self) -> Unsafe:
        return ()

    def clock(self) -> float:
        return 0.5 * self._count

    def _answer(self) -> int:
        self._count += 1
        fails, self.fails = self.fails, None
        if fails is not None:
            raise fails
        return self._count

    def read(self, array: int, cells: NDArray[np.int64], config: ReadConfig) -> CellReadings:
        values = np.arange(len(cells) * config.repeat, dtype=float).reshape(len(cells), -1) + self._answer() / 7
        return CellReadings(values, values, values, 1e-6 * values, np.zeros(values.shape, np.uint32), values)

    def pulse(self, array: int, cells: NDArray[np.int64], pulse: Pulse, count: int = 1) -> None:
        self._answer()

    def program(self, array: int, targets: NDArray[np.float64]) -> None:
        self._answer()

    def wait(self, seconds: float) -> None:
        self._answer()

    def mvm(self, arrays: tuple[int, ...], voltages: NDArray[Any], config: VectorConfig, events: Any) -> VectorReadings:
        shape = (len(arrays), voltages.shape[1], COLS)
        codes = (np.arange(np.prod(shape)).reshape(shape) + self._answer()) % 128
        step = np.full((shape[0], COLS), 1e-8 * self._count)
        return VectorReadings(codes.astype(np.int8), step, 0 * step, np.zeros((), np.uint32))


Ask = Callable[[Bench], Any]


@dataclass(frozen=True)
class Done:
    """One operation of the plain list."""

    ask: Ask
    """Asks for it again."""
    answer: Any
    """What came back: readings, None or an error."""


def asked(draw: Callable[[Any], Any]) -> Ask:
    """Return some operation."""
    kind = draw(st.sampled_from(["read", "sweep", "pulse", "program", "wait", "mvm"]))
    array = draw(st.integers(0, 1))
    size = draw(st.integers(1, 3))
    number = draw(st.integers(1, 9))
    cells = [(n, number % COLS) for n in range(size)]
    if kind == "read":
        return lambda bench: bench.read(array, cells, ReadConfig(0.1, number % 3 + 1))
    if kind == "sweep":
        return lambda bench: bench.sweep(array, cells[0], 0.01 * np.arange(size + 1))
    if kind == "pulse":
        return lambda bench: bench.pulse(array, cells, Pulse(0.1 * number, 1e-6), size)
    if kind == "program":
        return lambda bench: bench.program(array, np.full((ROWS, COLS), 1e-6 * number))
    if kind == "wait":
        return lambda bench: bench.wait(0.25 * number)
    volts = np.random.default_rng(number).uniform(-0.2, 0.2, (2, size, ROWS)).astype(np.float32)
    return lambda bench: bench.mvm([array, 1 - array], volts, VectorConfig(0.2, 1e-4), np.arange(size))


def outcome(call: Callable[[], Any]) -> Any:
    """Return what a call gave or raised."""
    try:
        return call()
    except XbarError as error:
        return error


def assert_same(found: Any, expected: Any) -> None:
    """Compare answers bit for bit."""
    assert type(found) is type(expected)
    if isinstance(expected, Exception):
        assert str(found) == str(expected)
    elif expected is not None:
        for field in fields(expected):
            one, two = getattr(found, field.name), getattr(expected, field.name)
            assert (one.dtype, one.shape, one.tobytes()) == (two.dtype, two.shape, two.tobytes())


class History(RuleBasedStateMachine):
    """One trace after another in a folder, each beside the list of what it must hold."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.made = 0
        self.bench: Bench | None = None
        self.reader: Trace | None = None

    @initialize(every=st.booleans(), level=st.sampled_from(["outputs", "full"]))
    def begin(self, every: bool, level: Any) -> None:
        self.made += 1
        self.path = Path(self.folder.name) / f"{self.made}.h5"
        self.driver, self.list = Scripted(), list[Done]()
        self.recorder = TraceRecorder(self.path, provenance={}, level=level, flush_every=0.0 if every else 1e6)
        self.every = every
        self.bench = Bench(self.driver, recorder=self.recorder, limits=Limits(1.0, 1e-3))

    @precondition(lambda self: self.bench is not None)
    @rule(data=st.data(), fails=st.sampled_from([None, None, None, DriverError("cable µ"), OSError("off")]))
    def operate(self, data: Any, fails: Exception | None) -> None:
        bench = self.bench
        assert bench is not None
        self.driver.fails = fails
        ask = asked(data.draw)
        self.list.append(Done(ask, outcome(lambda: ask(bench))))

    @precondition(lambda self: self.bench is not None)
    @rule()
    def flush(self) -> None:
        self.recorder.flush()
        assert self.recorder.acknowledged == len(self.list)

    @precondition(lambda self: self.bench is not None)
    @rule(data=st.data())
    def abort(self, data: Any) -> None:
        """Ctrl-C in the middle of an operation: that one did not happen, all before it did."""
        bench, ask = self.bench, asked(data.draw)
        assert bench is not None
        self.driver.fails = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt), bench:
            ask(bench)
        self._ended("aborted")

    @precondition(lambda self: self.bench is not None)
    @rule(status=st.sampled_from(["ok", "failed"]))
    def end(self, status: str) -> None:
        assert self.bench is not None
        self.bench.close(status)
        self._ended(status)

    @precondition(lambda self: self.bench is not None)
    @rule()
    def kill(self) -> None:
        """Look at the file as a kill leaves it: all that was acknowledged is there."""
        killed = self.path.with_suffix(".killed.h5")
        killed.write_bytes(self.path.read_bytes())
        least = self.recorder.acknowledged
        with open_trace(killed) as trace:
            self._compare(trace, least)
            assert not trace.damaged
        killed.unlink()

    @precondition(lambda self: self.bench is None)
    @rule(every=st.booleans(), level=st.sampled_from(["outputs", "full"]))
    def begin_again(self, every: bool, level: Any) -> None:
        """Go on with a new file."""
        self._close_reader()
        self.begin(every, level)

    @rule()
    def reopen(self) -> None:
        """See by a new reader at least what was acknowledged, and nothing that was not done."""
        self._close_reader()
        self.reader = open_trace(self.path)
        self._compare(self.reader, self.recorder.acknowledged)

    @precondition(lambda self: self.reader is not None)
    @rule()
    def refresh(self) -> None:
        """See the same by a reader that was open all the time."""
        assert self.reader is not None
        before = len(self.reader)
        self.reader.refresh()
        assert len(self.reader) >= before
        if self.reader.state == "open":
            self._compare(self.reader, self.recorder.acknowledged if self.bench is not None else before)

    @rule(more=st.booleans(), data=st.data())
    def replay(self, more: bool, data: Any) -> None:
        """Every acknowledged operation replays with its answer or error; one that is not there does not."""
        copy = self.path.with_suffix(".copy.h5")
        copy.write_bytes(self.path.read_bytes())
        with open_trace(copy) as trace:
            count = len(trace)
        with open_bench(f"replay:{copy}") as bench:
            for done in self.list[:count]:
                assert_same(outcome(lambda done=done: done.ask(bench)), _replayed(done.answer))  # type: ignore[misc]  # bound now
            if more:
                ask = asked(data.draw)
                with pytest.raises(ReplayError, match=f"operation {count + 1}"):
                    ask(bench)
        copy.unlink()

    @invariant()
    def acknowledges_what_it_should(self) -> None:
        if self.bench is not None and self.every:
            assert self.recorder.acknowledged == len(self.list)

    def _ended(self, status: str) -> None:
        self.bench = None
        with open_trace(self.path) as trace:
            assert (trace.complete, trace.status, len(trace)) == (True, status, len(self.list))
            self._compare(trace, len(self.list))

    def _compare(self, trace: Trace, least: int) -> None:
        assert least <= len(trace) <= len(self.list)
        for operation, done in zip(trace, self.list, strict=False):
            assert_same(operation.readings if operation.error is None else operation.error, _replayed(done.answer))

    def _close_reader(self) -> None:
        if self.reader is not None:
            self.reader.close()
            self.reader = None

    def teardown(self) -> None:
        self._close_reader()
        if self.bench is not None:
            self.bench.close()
        self.folder.cleanup()


def _replayed(answer: Any) -> Any:
    """Return what stands in a trace: an error of the driver's own is kept by its class and words."""
    if isinstance(answer, DriverError) and isinstance(answer.__cause__, OSError):
        return DriverError(f"OSError: {answer.__cause__}")
    return answer


TestHistory = History.TestCase
TestHistory.settings = settings(
    max_examples=12, stateful_step_count=15, deadline=None, phases=(Phase.explicit, Phase.generate)
)
