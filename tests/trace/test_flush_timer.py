"""What was recorded becomes safe within the flush time also when nothing follows, and no interrupt cuts a write."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xbar.errors import InputError, TraceWriteError
from xbar.trace.flush_timer import LONGEST, thread_timer
from xbar.trace.reader import open_trace
from xbar.trace.recorder import TraceRecorder


class Timers:
    """Timers that the test lets run out, and the clock that they go by."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waiting: list[tuple[float, Callable[[], None]]] = []
        self.cancelled = 0
        self.refuse = False

    def clock(self) -> float:
        return self.now

    def make(self, seconds: float, call: Callable[[], None]) -> "Timers.One":
        return Timers.One(self, seconds, call)

    class One:
        """One timer."""

        def __init__(self, timers: "Timers", seconds: float, call: Callable[[], None]) -> None:
            self.timers, self.entry = timers, (timers.now + seconds, call)

        def start(self) -> None:
            if self.timers.refuse:
                raise RuntimeError("can't start new thread")
            self.timers.waiting.append(self.entry)

        def cancel(self) -> None:
            self.timers.cancelled += 1
            if self.entry in self.timers.waiting:
                self.timers.waiting.remove(self.entry)

    def run_out(self) -> None:
        """Go to the time of the only timer and call."""
        ((self.now, call),) = self.waiting
        self.waiting.clear()
        call()


@pytest.fixture
def timers() -> Timers:
    return Timers()


@pytest.fixture
def recorder(tmp_path: Path, make_header: Any, timers: Timers) -> TraceRecorder:
    made = TraceRecorder(tmp_path / "t.h5", provenance={}, clock=timers.clock, timer=timers.make)
    made.start(make_header())
    return made


def test_the_last_operation_is_flushed_when_nothing_follows(
    recorder: TraceRecorder, timers: Timers, reading: Any
) -> None:
    recorder.record(reading(0))
    assert (recorder.recorded, recorder.acknowledged) == (1, 0)
    timers.run_out()
    assert timers.now == 0.25
    assert recorder.acknowledged == 1
    with open_trace(recorder.path) as live:
        assert len(live) == 1
    assert timers.waiting == []
    recorder.close()


def test_a_timer_that_comes_too_early_waits_for_the_rest(recorder: TraceRecorder, timers: Timers, reading: Any) -> None:
    """A flush by another way came in between: what was recorded since then has its own quarter of a second."""
    recorder.record(reading(0))
    timers.now = 0.2
    recorder.flush()
    recorder.record(reading(1))
    assert len(timers.waiting) == 1
    timers.run_out()
    assert (timers.now, recorder.acknowledged) == (0.25, 1)
    timers.run_out()
    assert (round(timers.now, 9), recorder.acknowledged) == (0.45, 2)
    recorder.close()


def test_nothing_is_flushed_twice(recorder: TraceRecorder, timers: Timers, reading: Any) -> None:
    recorder.record(reading(0))
    recorder.flush()
    timers.run_out()
    assert timers.waiting == []
    recorder.close()


def test_a_closed_trace_is_left_alone(recorder: TraceRecorder, timers: Timers, reading: Any) -> None:
    """Closing cancels the timer; one that had begun already does nothing."""
    recorder.record(reading(0))
    ((_, call),) = timers.waiting
    recorder.close()
    assert (timers.cancelled, timers.waiting) == (1, [])
    call()
    with open_trace(recorder.path) as trace:
        assert (len(trace), trace.complete, trace.state) == (1, True, "closed")


def test_hardware_needs_no_timer(tmp_path: Path, make_header: Any, timers: Timers, reading: Any) -> None:
    recorder = TraceRecorder(tmp_path / "t.h5", provenance={}, clock=timers.clock, timer=timers.make)
    recorder.start(make_header(hardware=True))
    recorder.record(reading(0))
    assert timers.waiting == []
    recorder.close()


@pytest.mark.parametrize("seconds", [3600.0, 1e300])
def test_long_flush_times_are_kept(
    tmp_path: Path, make_header: Any, timers: Timers, reading: Any, seconds: float
) -> None:
    """No thread can wait for 1e300 s: the timer looks again after a day."""
    recorder = TraceRecorder(
        tmp_path / "t.h5", provenance={}, flush_every=seconds, clock=timers.clock, timer=timers.make
    )
    recorder.start(make_header())
    recorder.record(reading(0))
    timers.run_out()
    assert timers.now == min(seconds, LONGEST)
    assert recorder.acknowledged == (1 if seconds < LONGEST else 0)
    recorder.close()


def test_an_error_of_the_timer_is_told_by_the_next_operation(
    recorder: TraceRecorder, timers: Timers, reading: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is appended after it."""

    def broken(self: TraceRecorder, trace: Any) -> None:
        raise OSError(28, "No space left on device")

    recorder.record(reading(0))
    with monkeypatch.context() as patch:
        patch.setattr(TraceRecorder, "_flush", broken)
        timers.run_out()
    with pytest.raises(TraceWriteError, match=r"No space left on device.* holds 0 operations"):
        recorder.record(reading(1))
    assert recorder.recorded == 1
    recorder.close()
    with open_trace(recorder.path) as trace:
        assert (len(trace), trace.status) == (0, "failed")


def test_where_no_thread_starts_every_operation_is_flushed(
    recorder: TraceRecorder, timers: Timers, reading: Any
) -> None:
    timers.refuse = True
    recorder.record(reading(0))
    assert recorder.acknowledged == 1
    recorder.close()


def test_the_thread_waits_for_an_operation_that_is_being_recorded(
    tmp_path: Path, make_header: Any, reading: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timer's thread never touches the file while the main one does."""
    order: list[str] = []
    ran, late = threading.Event(), Timers()
    recorder = TraceRecorder(tmp_path / "t.h5", provenance={}, clock=late.clock, timer=late.make)
    recorder.start(make_header())
    recorder.record(reading(0))
    ((late.now, call),) = late.waiting
    late.waiting.clear()
    append = TraceRecorder._append

    def run_out() -> None:
        call()
        order.append("timer")
        ran.set()

    def slow(self: TraceRecorder, *parts: Any) -> None:
        thread_timer(0.0, run_out).start()
        assert not ran.wait(0.05)  # it has begun, and cannot get on
        append(self, *parts)
        order.append("recorded")

    monkeypatch.setattr(TraceRecorder, "_append", slow)
    recorder.record(reading(1))
    assert ran.wait(10)
    monkeypatch.undo()
    assert order == ["recorded", "timer"]
    recorder.close()


def test_the_thread_does_not_keep_the_process_alive() -> None:
    timer = thread_timer(1e6, lambda: None)
    assert isinstance(timer, threading.Thread)
    assert timer.daemon


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_cannot_write_into_the_trace(recorder: TraceRecorder, reading: Any) -> None:
    """It is refused at once, also where the lock was held while the process was forked; the parent goes on."""
    recorder.record(reading(0))
    with recorder._lock:
        pid = os.fork()
        if pid == 0:
            try:
                recorder.close()  # does nothing
                recorder.record(reading(1))
            except InputError as error:
                os._exit(3 if "belongs to the process" in str(error) else 4)
            os._exit(5)
    assert os.WEXITSTATUS(os.waitpid(pid, 0)[1]) == 3
    recorder.record(reading(1))
    recorder.close()
    with open_trace(recorder.path) as trace:
        assert (len(trace), trace.complete) == (2, True)


@pytest.mark.parametrize("moment", ["_append", "_flush"])
def test_ctrl_c_waits_for_the_write(
    recorder: TraceRecorder, reading: Any, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """It comes when the operation is recorded, and the trace goes on: also with Python's own handler."""
    whole = getattr(TraceRecorder, moment)

    def interrupted(self: TraceRecorder, *arguments: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        whole(self, *arguments)
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(TraceRecorder, moment, interrupted)
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012 -- either of the two calls does what is to be interrupted
            recorder.record(reading(0))
            recorder.flush()
    recorder.record(reading(1))
    with monkeypatch.context() as patch:
        patch.setattr(TraceRecorder, moment, interrupted)
        with pytest.raises(KeyboardInterrupt):
            recorder.close("aborted")
    with open_trace(recorder.path) as trace:
        assert (len(trace), trace.status, trace.complete, trace.state) == (2, "aborted", True, "closed")
