"""A bench that goes on with a run: nothing is sent for what was recorded, pulses count once, the clock is honest."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from xbar.bench.bench import Bench
from xbar.bench.capabilities import Capabilities, Identity
from xbar.bench.chip import open_chip
from xbar.bench.driver import Driver, Unsafe
from xbar.bench.limits import Limits
from xbar.bench.readings import CellReadings
from xbar.bench.settings import Pulse, ReadConfig, Unselected
from xbar.bench.status import Status
from xbar.errors import DriverError, LimitError, ReplayError
from xbar.trace.reader import open_trace
from xbar.trace.recorded_run import RecordedRun
from xbar.trace.recorder import TraceRecorder

PULSE = Pulse(0.3, 1e-6, current_limit=1e-4, unselected=Unselected.GROUND)


class Board(Driver):
    """A board of real cells that notes what it is asked for; its clock is set by hand."""

    hardware = True
    passing_settings = frozenset({"queue"})

    def __init__(self, serial: str = "7", gain: float = 1.0) -> None:
        self.serial, self.gain = serial, gain
        self.calls: list[str] = []
        self.now, self.stop_at = 1000.0, -1

    @classmethod
    def from_address(cls, rest: str, options: Mapping[str, Any]) -> Self:
        return cls()

    def open(self) -> Identity:
        self.capabilities = Capabilities(1, 3, 2, 1.0, 1e-3, native=frozenset({"read", "pulse"}), hardware=True)
        return Identity("board", "a board", self.serial)

    def settings(self) -> dict[str, Any]:
        return {"gain": self.gain, "queue": self.calls}

    def clock(self) -> float:
        return self.now

    def close(self) -> None:
        return None

    def safe_off(self) -> Unsafe:
        return ()

    def read(self, array: int, cells: NDArray[np.int64], config: ReadConfig) -> CellReadings:
        self.calls.append("read")
        self.now += 1.0
        shape = (len(cells), config.repeat)
        status = np.zeros(shape, np.uint32)
        if len(self.calls) == self.stop_at:
            status[-1] = Status.ABORTED
        fill = np.full(shape, self.now)
        return CellReadings(fill, np.full(shape, config.voltage), fill, fill * 1e-9, status, np.full(shape, np.nan))

    def pulse(self, array: int, cells: NDArray[np.int64], pulse: Pulse, count: int = 1) -> None:
        self.calls.append(f"pulse {count}")

    def wait(self, seconds: float) -> None:
        self.calls.append(f"wait {seconds:g}")
        self.now += seconds


Open = Callable[..., Bench]


@pytest.fixture
def begin(tmp_path: Path) -> Open:
    """Return what opens a bench on a board, recorded in a file, with its chip file, going on with a trace or not."""

    def opened(board: Board, record: str, resume: str | None = None, limits: Limits | None = None) -> Bench:
        past = None if resume is None else RecordedRun(tmp_path / resume)
        provenance = {"chips": {"": 0.0}}
        return Bench(
            board,
            recorder=TraceRecorder(tmp_path / record, provenance=provenance),
            limits=limits or Limits(0.5, 1e-3, pulses_per_cell=12),
            chip=open_chip(tmp_path / "chip.h5"),
            past=past,
        )

    return opened


def pulses(folder: Path) -> int:
    return int(open_chip(folder / "chip.h5", lock=False).cells(0).pulses[0, 1])


def measure(bench: Bench, rounds: int) -> list[float]:
    found = []
    for _ in range(rounds):
        bench.pulse(0, [(0, 1)], PULSE, 4)
        found.append(float(bench.read(0, [(0, 1)]).current[0, 0]))
        bench.wait(10.0)
    return found


def test_nothing_is_sent_for_what_was_recorded(begin: Open, tmp_path: Path) -> None:
    """Two rounds are recorded, the third is measured; the chip file has counted 3 x 4 pulses, not 5 x 4."""
    with begin(Board(), "old.h5") as bench:
        first = measure(bench, 2)
    board = Board()
    board.calls.append("an old error")
    with begin(board, "new.h5", "old.h5") as bench:
        again = measure(bench, 3)
    assert again[:2] == first
    assert board.calls[1:] == ["pulse 4", "read", "wait 10"]
    assert pulses(tmp_path) == 12
    with open_trace(tmp_path / "new.h5") as trace:
        assert len(trace) == 9
        started, ended = trace.operations["started"], trace.operations["ended"]
    assert (started[1:] >= ended[:-1]).all()
    # The board's own clock begins anew; the bench's goes on behind 2 x 11 s and what passed on the wall.
    assert 22.0 <= started[6] < 23.0
    assert ended[-1] - started[6] == pytest.approx(11.0)


def test_the_limit_of_pulses_holds_over_both_parts(begin: Open, tmp_path: Path) -> None:
    with begin(Board(), "old.h5") as bench:
        measure(bench, 3)
    with begin(Board(), "new.h5", "old.h5") as bench:
        measure(bench, 3)
        with pytest.raises(LimitError, match="12"):
            bench.pulse(0, [(0, 1)], PULSE, 1)
    assert pulses(tmp_path) == 12


def test_an_operation_that_was_stopped_is_done_again(begin: Open, tmp_path: Path) -> None:
    """The reading with the flag, and all behind it, are measured; what was whole before is not."""
    broken = Board()
    broken.stop_at = 5
    with begin(broken, "old.h5") as bench:
        measure(bench, 2)
        with pytest.raises(DriverError, match="go on with --resume"):
            bench.check_whole()
    board = Board()
    with begin(board, "new.h5", "old.h5") as bench:
        measure(bench, 2)
        bench.check_whole()
    assert board.calls == ["read", "wait 10"]
    with open_trace(tmp_path / "new.h5") as trace:
        assert not any((np.asarray(op.readings.status) != 0).any() for op in trace if op.readings is not None)


@pytest.mark.parametrize(
    ("board", "message"),
    [
        (Board(serial="8"), "bench, serial was '7', it is '8' now"),
        (Board(gain=2.0), "bench, settings, gain was 1.0, it is 2.0 now"),
    ],
)
def test_another_board_is_refused(board: Board, message: str, begin: Open, tmp_path: Path) -> None:
    """Before the new trace is made, and before anything is sent."""
    with begin(Board(), "old.h5") as bench:
        measure(bench, 1)
    with pytest.raises(ReplayError, match=message):
        begin(board, "new.h5", "old.h5")
    assert board.calls == []
    assert not (tmp_path / "new.h5").exists()


def test_another_request_is_refused_and_nothing_is_sent(begin: Open) -> None:
    with begin(Board(), "old.h5") as bench:
        measure(bench, 1)
    board = Board()
    with begin(board, "new.h5", "old.h5") as bench:
        with pytest.raises(ReplayError, match="number of pulses differs: recorded 4, asked 5"):
            bench.pulse(0, [(0, 1)], PULSE, 5)
        assert board.calls == []
        assert bench.resuming
