"""Ctrl-C: a flag between operations at first, an interrupt at once the second time."""

import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from xbar.bench.bench import Bench
from xbar.bench.interrupt import HeldSignals, stop_on_signal
from xbar.errors import ExitCode, Interrupted

HANDLED = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Check that every handler is what it was, and put it back for the next test."""
    before = {number: signal.getsignal(number) for number in HANDLED}
    yield
    after = {number: signal.getsignal(number) for number in HANDLED}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert after == before


@pytest.mark.parametrize("number", HANDLED)
def test_the_first_signal_stops_at_the_next_operation(number: int, make_driver: Any, make_recorder: Any) -> None:
    """The code between operations goes on, the next operation does not reach the driver, the trace is "aborted"."""
    driver, recorder = make_driver(), make_recorder()
    went_on = False
    with pytest.raises(Interrupted) as raised, Bench(driver, recorder=recorder) as bench:  # noqa: PT012  # the block is the test
        bench.wait(1)
        signal.raise_signal(number)
        went_on = True
        assert driver.stop.is_set()
        bench.wait(2)
    assert went_on
    assert isinstance(raised.value, KeyboardInterrupt)
    assert raised.value.exit_code == ExitCode.INTERRUPTED
    assert driver.calls == ["open", "wait", "safe_off", "close"]
    assert recorder.status == ["aborted"]


def test_an_operation_under_way_is_finished_and_recorded(make_driver: Any, make_recorder: Any) -> None:
    driver, recorder = make_driver(), make_recorder()
    driver.on_call = lambda name: signal.raise_signal(signal.SIGINT) if name == "read" else None
    with pytest.raises(Interrupted), Bench(driver, recorder=recorder) as bench:  # noqa: PT012  # the block is the test
        assert bench.read(0, [[0, 0]]).current.shape == (1, 1)
        bench.wait(1)
    assert [operation.error for operation in recorder.operations] == [None]


def test_a_signal_during_the_last_operation_is_not_lost(make_driver: Any, make_recorder: Any) -> None:
    """No operation follows that would raise: leaving the block does."""
    driver, recorder = make_driver(), make_recorder()
    driver.on_call = lambda name: signal.raise_signal(signal.SIGINT) if name == "wait" else None
    with pytest.raises(Interrupted), Bench(driver, recorder=recorder) as bench:
        bench.wait(1)
    assert driver.calls == ["open", "wait", "safe_off", "close"]
    assert recorder.status == ["aborted"]


def test_the_second_signal_stops_at_once(make_driver: Any, make_recorder: Any) -> None:
    driver, recorder = make_driver(), make_recorder()
    reached = []
    with pytest.raises(KeyboardInterrupt) as raised, Bench(driver, recorder=recorder):  # noqa: PT012  # the block is the test
        signal.raise_signal(signal.SIGINT)
        reached.append(1)
        signal.raise_signal(signal.SIGINT)
        reached.append(2)
    assert reached == [1]
    assert not isinstance(raised.value, Interrupted)
    assert driver.calls == ["open", "safe_off", "close"]
    assert recorder.status == ["aborted"]


def test_a_driver_that_aborts_itself_is_recorded(make_driver: Any, make_recorder: Any) -> None:
    """A driver that sees `stop` in a long operation raises Interrupted: what was asked stands in the trace."""
    driver, recorder = make_driver(fail={"wait": Interrupted("aborted by the driver")}), make_recorder()
    with pytest.raises(Interrupted, match="aborted by the driver"), Bench(driver, recorder=recorder) as bench:
        bench.wait(1e6)
    assert isinstance(recorder.operations[0].error, Interrupted)
    assert recorder.status == ["aborted"]


def test_two_benches_both_stop(make_driver: Any) -> None:
    """The inner one hears the signal and tells the outer one."""
    one, two = make_driver(), make_driver()
    with pytest.raises(Interrupted), Bench(one) as outer:  # noqa: PT012  # the block is the test
        with pytest.raises(Interrupted), Bench(two) as inner:  # noqa: PT012  # the block is the test
            signal.raise_signal(signal.SIGINT)
            inner.wait(1)
        outer.wait(1)
    assert one.operations == two.operations == []


def test_a_bench_works_outside_the_main_thread(make_driver: Any, make_recorder: Any) -> None:
    """Python takes signals in the main thread alone: handlers stay as they are, everything else works."""
    driver, recorder = make_driver(), make_recorder()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            with Bench(driver, recorder=recorder) as bench:
                bench.wait(1)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert errors == []
    assert driver.calls == ["open", "wait", "safe_off", "close"]
    assert recorder.status == ["ok"]


def test_without_a_with_block_signals_stay_the_users(make_driver: Any) -> None:
    bench = Bench(make_driver())
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    bench.wait(1)
    bench.close()


def test_a_handler_that_python_does_not_know_becomes_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """`getsignal` says None for a handler of C code; it cannot be put back."""
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(signal, "getsignal", lambda number: None)
    with stop_on_signal(threading.Event()):
        pass
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
    signal.signal(signal.SIGINT, before)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_held_signals_are_delivered_afterwards(make_driver: Any) -> None:
    """Each kind once, to the handler that stood before: of a bench, the first still is a flag."""
    driver, reached = make_driver(), []
    with pytest.raises(Interrupted), Bench(driver) as bench:  # noqa: PT012  # the block is the test
        with HeldSignals():
            for _ in range(3):
                signal.raise_signal(signal.SIGINT)
            reached.append(driver.stop.is_set())
        reached.append(driver.stop.is_set())
        bench.wait(1)
    assert reached == [False, True]


def test_a_held_second_ctrl_c_comes_after_the_block() -> None:
    """Also where the block fails: the interrupt wins, and the error is its context."""
    done = []
    with stop_on_signal(threading.Event()):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt) as raised, HeldSignals():  # noqa: PT012  # the block is the test
            signal.raise_signal(signal.SIGINT)
            done.append(1)
            raise OSError
    assert done == [1]
    assert isinstance(raised.value.__context__, OSError)


def test_held_signals_may_be_nested() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), HeldSignals():  # noqa: PT012  # the block is the test
        with HeldSignals():
            signal.raise_signal(signal.SIGINT)
            done.append("inner")
        done.append("outer")
    assert done == ["inner", "outer"]


def test_what_the_system_does_by_itself_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ignored signal stays ignored, and a handler that Python does not know is not replaced."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    with HeldSignals():
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)
    with monkeypatch.context() as patch:
        patch.setattr(signal, "getsignal", lambda number: None)
        held = HeldSignals()
        held.__enter__()
    assert signal.getsignal(signal.SIGINT) is before
    held.__exit__(None, None, None)
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_hold_nothing() -> None:
    seen = []

    def work() -> None:
        with HeldSignals():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


@pytest.mark.parametrize("name", ["safe_off", "close"])
def test_a_second_ctrl_c_while_closing_waits(make_driver: Any, make_recorder: Any, name: str) -> None:
    """Outputs are off, the trace is closed and the driver disconnected before it comes."""
    driver, recorder = make_driver(), make_recorder()
    driver.on_call = lambda called: signal.raise_signal(signal.SIGINT) if called == name else None
    with pytest.raises(KeyboardInterrupt), Bench(driver, recorder=recorder) as bench:  # noqa: PT012  # the block is the test
        signal.raise_signal(signal.SIGINT)
        bench.wait(1)
    assert driver.calls == ["open", "safe_off", "close"]
    assert recorder.status == ["aborted"]
