"""Replay: the recorded answers for the recorded questions, and an error that names the difference for any other."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from xbar.bench.bench import Bench
from xbar.bench.capabilities import Capabilities, Identity
from xbar.bench.driver import Driver, Unsafe
from xbar.bench.limits import Limits
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.bench.settings import Pulse, ReadConfig, Unselected, VectorConfig
from xbar.errors import DriverError, FileError, InputError, LimitError, ReplayError, Unsupported
from xbar.trace.recorder import TraceRecorder
from xbar_drivers.replay import ReplayDriver

Scenario = Callable[[Bench], Any]
RANGE = 0.2


class CountingDriver(Driver):
    """Answers every question with other numbers than the last; fails where the test says so."""

    hardware = True

    def __init__(self, failures: Mapping[int, Exception] | None = None) -> None:
        self.calls, self.failures, self.now = 0, dict(failures or {}), 10.0

    @classmethod
    def from_address(cls, rest: str, options: Mapping[str, Any]) -> Self:
        return cls()

    def open(self) -> Identity:
        unit = frozenset({"read", "sweep", "pulse", "mvm", "program"})
        modes = frozenset(Unselected)
        self.capabilities = Capabilities(
            4, 16, 8, 1.0, 1e-3, (0.0, 25e-6), adc_bits=8, native=unit, unselected=modes, hardware=True
        )
        return Identity("counting", "hw:counting", "42", "0.1")

    def close(self) -> None:
        return None

    def safe_off(self) -> Unsafe:
        return ()

    def clock(self) -> float:
        return self.now

    def settings(self) -> dict[str, Any]:
        return {"nplc": 1}

    def _call(self) -> np.random.Generator:
        self.calls += 1
        self.now += 0.125
        if self.calls in self.failures:
            raise self.failures[self.calls]
        return np.random.default_rng(self.calls)

    def read(self, array: int, cells: NDArray[np.int64], config: ReadConfig) -> CellReadings:
        rng, shape = self._call(), (len(cells), config.repeat)
        status = rng.integers(0, 4, shape).astype(np.uint32)
        time, applied, voltage, current, reach = (rng.random(shape) for _ in range(5))
        return CellReadings(time, applied, voltage, current, status, reach)

    def sweep(
        self, array: int, cell: tuple[int, int], voltages: NDArray[np.float64], config: ReadConfig
    ) -> CellReadings:
        return self.read(array, np.zeros((len(voltages), 2), np.int64), config)

    def pulse(self, array: int, cells: NDArray[np.int64], pulse: Pulse, count: int = 1) -> None:
        self._call()

    def mvm(
        self, arrays: tuple[int, ...], voltages: NDArray[Any], config: VectorConfig, events: NDArray[np.uint64] | None
    ) -> VectorReadings:
        rng, k = self._call(), len(arrays)
        codes = rng.integers(-128, 128, (k, voltages.shape[1], 8)).astype(np.int8)
        return VectorReadings(codes, rng.random((k, 8)), rng.random((k, 8)), np.zeros((k, 1, 1), np.uint32))

    def program(self, array: int, targets: NDArray[np.float64]) -> None:
        self._call()

    def wait(self, seconds: float) -> None:
        self._call()


TARGETS = np.full((16, 8), 1e-5)
TARGETS[3, 4] = np.nan
VOLTS = np.random.default_rng(1).uniform(-RANGE, RANGE, (2, 5, 16))
EVENTS = np.arange(5, dtype=np.uint64)
CONFIG = VectorConfig(np.full(2, RANGE), np.full((2, 8), 1e-4), 8)
CELLS = np.array([[0, 1], [3, 4]])
STEPS = np.linspace(0.0, 0.5, 4)
PULSE = Pulse(1.0, 1e-6)


def scenario(bench: Bench) -> list[Any]:
    """Do one of everything and return the answers."""
    bench.program(0, TARGETS)
    first = bench.mvm([0, 1], VOLTS, CONFIG, EVENTS)
    read = bench.read(2, CELLS, ReadConfig(repeat=2))
    sweep = bench.sweep(1, (3, 4), STEPS)
    bench.pulse(0, CELLS, PULSE, 3)
    bench.wait(86400.0)
    return [first, read, sweep, bench.mvm([0, 1], VOLTS, CONFIG, EVENTS + np.uint64(5))]


Record = Callable[..., Path]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Return a function that runs a scenario on the counting driver, recorded, and returns the trace."""

    def run(
        what: Scenario = scenario, *, failures: Mapping[int, Exception] | None = None, level: Any = "outputs"
    ) -> Path:
        recorder = TraceRecorder(tmp_path / "t.h5", provenance={"run": {"seed": 3}}, level=level)
        with Bench(CountingDriver(failures), recorder=recorder, limits=Limits(1.0, 1e-3)) as bench:
            what(bench)
        return tmp_path / "t.h5"

    return run


def replay(path: Path) -> tuple[Bench, ReplayDriver]:
    driver = ReplayDriver.from_address(str(path), {})
    return Bench(driver, address=f"replay:{path}"), driver


def assert_same(given: Any, expected: Any) -> None:
    assert type(given) is type(expected)
    for name in vars(expected):
        a, b = getattr(given, name), getattr(expected, name)
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("level", ["outputs", "full"])
def test_the_same_questions_get_the_same_answers(record: Record, level: Any) -> None:
    """Readings are equal bit for bit, the clock is the recorded one, and nothing is left."""
    answers: list[Any] = []
    path = record(lambda bench: answers.extend(scenario(bench)), level=level)
    bench, driver = replay(path)
    with bench:
        assert driver.remaining == 7
        for given, expected in zip(scenario(bench), answers, strict=True):
            assert_same(given, expected)
        assert (driver.remaining, driver.position) == (0, 7)
        assert bench.clock == 7 * 0.125


def test_a_replay_says_what_it_is(record: Record) -> None:
    path = record()
    bench, driver = replay(path)
    with bench:
        assert bench.identity == Identity("replay", "replay:hw:counting", "42", "0.1")
        assert bench.capabilities == replace(driver.trace.header.capabilities, hardware=False)
        assert bench.settings == {
            "replay_of": "t.h5",
            "trace": driver.trace.uuid,
            "recorded": {"nplc": 1},
            "remaining": 7,
            "run": {"seed": 3},
        }
    assert driver.remaining == 0


def test_a_replay_is_recorded_and_replayed_again(record: Record, tmp_path: Path) -> None:
    """The trace of a replay replays as well as the first one."""
    recorder = TraceRecorder(tmp_path / "second.h5", provenance={})
    with Bench(ReplayDriver(str(record())), recorder=recorder) as bench:
        first = scenario(bench)
    bench, _ = replay(tmp_path / "second.h5")
    with bench:
        for given, expected in zip(scenario(bench), first, strict=True):
            assert_same(given, expected)
        assert bench.identity.model == "replay:replay:hw:counting"


# ---- voltages
@pytest.mark.parametrize("level", ["outputs", "full"])
def test_rounding_of_another_machine_still_replays(record: Record, level: Any) -> None:
    """Voltages that moved by float32 rounding are the recorded ones."""
    path = record(lambda bench: bench.mvm([0, 1], VOLTS.astype(np.float32), CONFIG, EVENTS), level=level)
    bench, _ = replay(path)
    with bench:
        bench.mvm([0, 1], VOLTS * (1 + 1e-7), CONFIG, EVENTS)


@pytest.mark.parametrize("level", ["outputs", "full"])
def test_one_converter_step_in_one_input_is_a_miss(record: Record, level: Any) -> None:
    path = record(lambda bench: bench.mvm([0, 1], VOLTS, CONFIG, EVENTS), level=level)
    changed = VOLTS.copy()
    changed[1, 3, 9] -= np.copysign(RANGE / 127, changed[1, 3, 9])
    bench, _ = replay(path)
    with (
        bench,
        pytest.raises(ReplayError, match=r"operation 1: .*by their projection.*vector 3, array 1.*allowed 20 uV"),
    ):
        bench.mvm([0, 1], changed, CONFIG, EVENTS)


# ---- misses
def _mvm(bench: Bench, **changes: Any) -> Any:
    given: dict[str, Any] = {"arrays": [0, 1], "voltages": VOLTS, "config": CONFIG, "events": EVENTS}
    return bench.mvm(**(given | changes))


OTHER_TARGETS = TARGETS.copy()
OTHER_TARGETS[5, 6] *= 1 + 2**-52
NO_GAP = np.where(np.isnan(TARGETS), 0.0, TARGETS)

MISSES: dict[str, tuple[Scenario, Scenario, str]] = {
    "kind": (
        lambda b: b.wait(1.0),
        lambda b: b.read(0, CELLS),
        r"recorded was wait of 1 s, asked for is read of 2 cells on array 0",
    ),
    "arrays": (_mvm, lambda b: _mvm(b, arrays=[0, 2]), r"arrays 0, 1, asked for is mvm of 5 vectors on arrays 0, 2"),
    "batch": (
        _mvm,
        lambda b: _mvm(b, voltages=VOLTS[:, :3], events=EVENTS[:3]),
        r"recorded 5 vectors, asked 3; give the same --batch",
    ),
    "events": (
        _mvm,
        lambda b: _mvm(b, events=EVENTS + np.uint64(1)),
        r"events: 5 of 5 differ, first at \(0,\): recorded 0",
    ),
    "no events": (_mvm, lambda b: _mvm(b, events=None), r"events: recorded shape \(5,\), asked none"),
    "input range": (
        _mvm,
        lambda b: _mvm(b, config=replace(CONFIG, input_range=0.3)),
        r"input range \[V\]: recorded shape \(2,\), asked \(\)",
    ),
    "output range": (
        _mvm,
        lambda b: _mvm(b, config=replace(CONFIG, output_range=np.full((2, 8), 2e-4))),
        r"output range \[A\]: 16 of 16 differ, first at \(0, 0\): recorded 0.0001, asked 0.0002",
    ),
    "columns": (
        _mvm,
        lambda b: _mvm(b, config=replace(CONFIG, columns=None)),
        r"columns to convert differ: recorded 8",
    ),
    "targets": (
        lambda b: b.program(0, TARGETS),
        lambda b: b.program(0, OTHER_TARGETS),
        r"target conductances: 1 of 128 differ, first at \(5, 6\): recorded 1e-05, asked 1\.00",
    ),
    "gap": (
        lambda b: b.program(0, TARGETS),
        lambda b: b.program(0, NO_GAP),
        r"first at \(3, 4\): recorded nan, asked 0.0",
    ),
    "cells": (
        lambda b: b.read(0, CELLS),
        lambda b: b.read(0, CELLS[::-1]),
        r"cells \(row, column\): 4 of 4 differ, first at \(0, 0\): recorded 0, asked 3",
    ),
    "number of cells": (
        lambda b: b.read(0, CELLS),
        lambda b: b.read(0, CELLS[:1]),
        r"recorded shape \(2, 2\), asked \(1, 2\)",
    ),
    "read voltage": (
        lambda b: b.read(0, CELLS),
        lambda b: b.read(0, CELLS, ReadConfig(voltage=0.1)),
        r"read setting voltage differs: recorded 0.2, asked 0.1",
    ),
    "sweep": (
        lambda b: b.sweep(0, (1, 1), STEPS),
        lambda b: b.sweep(0, (1, 1), STEPS * 2),
        r"swept voltages: 3 of 4 differ, first at \(1,\)",
    ),
    "sweep's cell": (
        lambda b: b.sweep(0, (1, 1), STEPS),
        lambda b: b.sweep(0, (1, 2), STEPS),
        r"cells .*recorded 1, asked 2",
    ),
    "pulse": (
        lambda b: b.pulse(0, CELLS, PULSE),
        lambda b: b.pulse(0, CELLS, replace(PULSE, width=2e-6)),
        r"pulse setting width differs: recorded 1e-06, asked 2e-06",
    ),
    "count": (
        lambda b: b.pulse(0, CELLS, PULSE, 2),
        lambda b: b.pulse(0, CELLS, PULSE, 3),
        r"number of pulses .*recorded 2",
    ),
    "seconds": (lambda b: b.wait(1.0), lambda b: b.wait(2.0), r"time \[s\] differs: recorded 1.0, asked 2.0"),
}


@pytest.mark.parametrize("name", MISSES)
def test_a_miss_names_the_step_and_the_difference(record: Record, name: str) -> None:
    """The message tells the operation, what was recorded and what was asked; the trace does not move on."""
    recorded, asked, message = MISSES[name]
    bench, driver = replay(record(recorded))
    with bench:
        with pytest.raises(ReplayError, match=message) as caught:
            asked(bench)
        assert "t.h5, operation 1: " in str(caught.value)
        assert driver.remaining == 1
        recorded(bench)
        assert driver.remaining == 0


def test_a_miss_names_the_nearest_operations(record: Record) -> None:
    """What was skipped or done twice is found before and after the place."""

    def waits(bench: Bench) -> None:
        bench.wait(1.0)
        bench.read(0, CELLS)
        bench.read(1, CELLS)
        bench.wait(3.0)

    path = record(waits)
    bench, _ = replay(path)
    with bench:
        bench.wait(1.0)
        with pytest.raises(ReplayError, match=r"operation 1 \(wait of 1 s\) and operation 4 \(this very one\)"):
            bench.wait(3.0)
        with pytest.raises(ReplayError, match="no operation of this kind on these arrays is near"):
            bench.program(0, TARGETS)


def test_an_operation_too_many_is_an_error(record: Record) -> None:
    bench, _ = replay(record(lambda b: b.wait(1.0)))
    with bench:
        bench.wait(1.0)
        with pytest.raises(
            ReplayError, match=r"operation 2: asked for wait of 2 s, but the trace has 1 operations .*ended"
        ):
            bench.wait(2.0)


def test_a_damaged_trace_says_so_at_its_end(record: Record) -> None:
    path = record()
    with h5py.File(path, "r+") as file:
        codes = file["run/data/codes"][:]
        codes[100] ^= 1
        file["run/data/codes"][:] = codes
    bench, _ = replay(path)
    with bench, pytest.raises(ReplayError, match=r"operation 7: .* has 6 operations .*the file is damaged"):
        scenario(bench)


# ---- errors
def test_recorded_errors_are_raised_again(record: Record) -> None:
    """Errors of ours come back as the same class, others as driver errors that name the class; then it goes on."""
    failures = {1: Unsupported("not on this board"), 2: TimeoutError("no answer"), 4: DriverError("queue full")}
    calls: list[tuple[Scenario, Any, str]] = [
        (lambda b: b.program(0, TARGETS), Unsupported, r"^not on this board$"),
        (lambda b: b.wait(1.0), DriverError, "TimeoutError: no answer"),
        (lambda b: b.wait(2.0), None, ""),
        (lambda b: b.mvm([0], VOLTS[:1]), DriverError, r"^queue full$"),
        (lambda b: b.read(0, CELLS), None, ""),
    ]

    def run(bench: Bench, *, recording: bool) -> None:
        for call, kind, message in calls:
            if kind is None:
                call(bench)
            else:
                with pytest.raises(kind, match=None if recording else message):
                    call(bench)

    path = record(lambda bench: run(bench, recording=True), failures=failures)
    bench, driver = replay(path)
    with bench:
        run(bench, recording=False)
        assert driver.remaining == 0


def test_the_guard_stands_before_a_replay(record: Record) -> None:
    """What the recorded sources could not give is refused by the guard, not by the trace."""
    bench, _ = replay(record())
    with bench, pytest.raises(LimitError):
        bench.read(0, CELLS, ReadConfig(voltage=1.5))


# ---- opening
def test_options_are_refused() -> None:
    with pytest.raises(InputError, match="no option 'seed'"):
        ReplayDriver.from_address("t.h5", {"seed": 1})
    with pytest.raises(InputError, match="always strict"):
        ReplayDriver.from_address("t.h5", {"strict": False})
    with pytest.raises(InputError, match="replay:FILE"):
        ReplayDriver.from_address("", {"strict": True})


def test_a_missing_trace_is_refused(tmp_path: Path) -> None:
    driver = ReplayDriver(str(tmp_path / "none.h5"))
    with pytest.raises(FileError, match="does not exist"):
        Bench(driver)
    with pytest.raises(FileError, match="not open"):
        driver.settings()


def test_opening_again_begins_again(record: Record) -> None:
    path = record()
    driver = ReplayDriver(str(path))
    for _ in range(2):
        with Bench(driver) as bench:
            scenario(bench)


def test_no_simulator_is_loaded() -> None:
    """A trace replays where no physics is: neither the simulated array nor its driver is imported."""
    code = (
        "import sys, xbar_drivers.replay\n"
        "physics = ('xbar.array', 'xbar.devices', 'xbar.periphery', 'xbar.circuit', 'xbar_drivers.simulated')\n"
        "print(*[name for name in sys.modules if name.startswith(physics)])"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, [], "")
