"""The bench: every operation is checked, given to the driver, recorded once, and returned; off at every exit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from xbar.bench.bench import Bench
from xbar.bench.driver import Driver
from xbar.bench.limits import Limits
from xbar.bench.operation import OperationKind
from xbar.bench.settings import Pulse, ReadConfig, VectorConfig
from xbar.errors import (
    DriverError,
    InputError,
    Interrupted,
    LimitError,
    TraceWriteError,
    UnsafeError,
    Unsupported,
)

VOLTS = np.full((1, 3, 6), 0.1)
CELLS = [[0, 0], [5, 3]]
TARGETS = np.full((6, 4), 5e-6)
PULSE = Pulse(0.5, 1e-6)
NAMES = ("program", "mvm", "read", "sweep", "pulse", "wait")

DO: dict[str, Callable[[Bench], Any]] = {
    "program": lambda bench: bench.program(1, TARGETS),
    "mvm": lambda bench: bench.mvm((1,), VOLTS, events=[4, 5, 6]),
    "read": lambda bench: bench.read(1, CELLS, ReadConfig(repeat=2)),
    "sweep": lambda bench: bench.sweep(1, (5, 3), [0.1, -0.2]),
    "pulse": lambda bench: bench.pulse(1, CELLS, PULSE, 3),
    "wait": lambda bench: bench.wait(2),
}
"""One good call of each operation."""


@pytest.mark.parametrize("name", NAMES)
def test_an_operation_reaches_the_driver_and_is_recorded_once(name: str, make_driver: Any, make_recorder: Any) -> None:
    """With the clock before and after it; readings come back as the driver gave them and as they are recorded."""
    driver, recorder = make_driver(), make_recorder()
    bench = Bench(driver, address="here", recorder=recorder)
    bench.wait(0)
    found = DO[name](bench)
    calls = 2 if name == "sweep" else 1  # the default sweep is a loop of reads
    assert driver.operations == ["wait"] + ["read" if name == "sweep" else name] * calls
    assert len(recorder.operations) == 2
    operation = recorder.operations[1]
    assert operation.request.kind.name == name.upper()
    assert (operation.started, operation.ended) == (1.0, 1.0 + calls)
    assert operation.error is None
    assert operation.readings is found


def test_requests_hold_what_was_asked(make_driver: Any, make_recorder: Any) -> None:
    recorder = make_recorder()
    bench = Bench(make_driver(), recorder=recorder)
    for name in NAMES:
        DO[name](bench)
    by_kind = {operation.request.kind: operation.request for operation in recorder.operations}
    assert list(by_kind) == [OperationKind[name.upper()] for name in NAMES]
    assert all(request.arrays == (1,) for kind, request in by_kind.items() if kind != OperationKind.WAIT)
    np.testing.assert_array_equal(by_kind[OperationKind.PROGRAM].targets, TARGETS)
    product = by_kind[OperationKind.MVM]
    np.testing.assert_array_equal(product.voltages, VOLTS)
    assert product.events is not None
    assert product.events.dtype == np.uint64
    assert product.events.tolist() == [4, 5, 6]
    assert by_kind[OperationKind.READ].cells.tolist() == CELLS
    assert by_kind[OperationKind.READ].read == ReadConfig(repeat=2)
    assert by_kind[OperationKind.SWEEP].voltages.tolist() == [0.1, -0.2]
    assert (by_kind[OperationKind.PULSE].pulse, by_kind[OperationKind.PULSE].count) == (PULSE, 3)
    assert by_kind[OperationKind.WAIT].seconds == 2.0


def test_the_header_says_who_answers_before_anything_is_done(make_driver: Any, make_recorder: Any) -> None:
    driver, recorder = make_driver(), make_recorder()
    limits = Limits(0.3, 1e-4)
    bench = Bench(driver, address="lab.toml", recorder=recorder, limits=limits)
    header = recorder.header
    assert driver.operations == []
    assert (header.address, header.identity, header.settings, header.limits) == (
        "lab.toml",
        bench.identity,
        {"seed": 7},
        limits,
    )
    assert header.capabilities is bench.capabilities
    assert (bench.clock, len(bench), bench.settings) == (0.0, 2, {"seed": 7})


def test_codes_and_currents_have_one_formula(make_driver: Any) -> None:
    readings = Bench(make_driver()).mvm((0, 1), np.zeros((2, 3, 6)))
    assert readings.current.dtype == np.float64
    np.testing.assert_array_equal(readings.current, np.full((2, 3, 4), 1 * 2e-6 + 1e-9))


def test_conductance_of_a_reading_at_0_volts_is_not_a_number(make_driver: Any) -> None:
    bench = Bench(make_driver())
    assert np.isnan(bench.read(0, CELLS, ReadConfig(0.0)).conductance).all()
    np.testing.assert_allclose(bench.read(0, CELLS, ReadConfig(0.1)).conductance, 1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_an_error_of_the_driver_is_recorded_and_raised_as_ours(name: str, make_driver: Any, make_recorder: Any) -> None:
    cause = OSError("cable off")
    called = "read" if name == "sweep" else name
    driver, recorder = make_driver(fail={called: cause}), make_recorder()
    bench = Bench(driver, recorder=recorder)
    with pytest.raises(DriverError, match=f"FakeDriver failed in {name}: cable off") as raised:
        DO[name](bench)
    assert raised.value.__cause__ is cause
    assert [(o.error, o.readings) for o in recorder.operations] == [(cause, None)]
    DO[name](bench)  # the bench goes on
    assert recorder.operations[1].error is None


def test_our_own_errors_pass_the_bench_as_they_are(make_driver: Any, make_recorder: Any) -> None:
    cause = Unsupported("no")
    recorder = make_recorder()
    bench = Bench(make_driver(fail={"read": cause}), recorder=recorder)
    with pytest.raises(Unsupported) as raised:
        DO["read"](bench)
    assert raised.value is cause
    assert recorder.operations[0].error is cause


def test_after_a_trace_cannot_be_written_outputs_are_off_and_nothing_more_is_done(
    make_driver: Any, make_recorder: Any
) -> None:
    cause = TraceWriteError("disk full")
    driver, recorder = make_driver(), make_recorder(fail={"record": cause})
    bench = Bench(driver, recorder=recorder)
    with pytest.raises(TraceWriteError, match="disk full") as raised:
        DO["read"](bench)
    assert raised.value is cause
    assert driver.calls == ["open", "read", "safe_off"]
    for name in NAMES:
        with pytest.raises(TraceWriteError, match="disk full"):
            DO[name](bench)
    assert driver.operations == ["read"]


def test_an_error_of_the_driver_that_cannot_be_recorded_is_an_error_of_the_trace(
    make_driver: Any, make_recorder: Any
) -> None:
    driver = make_driver(fail={"read": OSError("cable off")})
    bench = Bench(driver, recorder=make_recorder(fail={"record": TraceWriteError("disk full")}))
    with pytest.raises(TraceWriteError):
        DO["read"](bench)
    assert driver.calls[-1] == "safe_off"


# ---- opening


def test_hardware_needs_limits_and_a_trace(make_hardware: Any, make_recorder: Any) -> None:
    """Nothing is opened without both."""
    driver = make_hardware()
    with pytest.raises(LimitError, match=r"\[limits\]"):
        Bench(driver, address="lab", recorder=make_recorder())
    with pytest.raises(InputError, match="trace"):
        Bench(driver, address="lab", limits=Limits(0.5, 1e-3))
    assert driver.calls == []
    Bench(driver, recorder=make_recorder(), limits=Limits(0.5, 1e-3)).close()
    assert driver.calls == ["open", "safe_off", "close"]


def test_a_driver_that_does_not_open_is_switched_off_and_closed(make_driver: Any, make_recorder: Any) -> None:
    driver, recorder = make_driver(fail={"open": OSError("nobody answers")}), make_recorder()
    with pytest.raises(DriverError, match="FakeDriver did not open: nobody answers"):
        Bench(driver, recorder=recorder)
    assert driver.calls == ["open", "safe_off", "close"]
    assert recorder.header is None


def test_a_trace_that_cannot_be_made_closes_the_driver(make_driver: Any, make_recorder: Any) -> None:
    driver = make_driver()
    with pytest.raises(TraceWriteError):
        Bench(driver, recorder=make_recorder(fail={"start": TraceWriteError("disk full")}))
    assert driver.calls == ["open", "safe_off", "close"]


def test_outputs_left_on_by_a_failed_opening_are_named(make_driver: Any) -> None:
    driver = make_driver(fail={"open": OSError("half open")}, unsafe=[("SMU 1",), ("SMU 1",)])
    with pytest.raises(UnsafeError, match="SMU 1"):
        Bench(driver)


# ---- the end


def test_closing_twice_closes_once(make_driver: Any, make_recorder: Any) -> None:
    driver, recorder = make_driver(), make_recorder()
    bench = Bench(driver, recorder=recorder)
    bench.close()
    bench.close("failed")
    assert driver.calls == ["open", "safe_off", "close"]
    assert recorder.status == ["ok"]


@pytest.mark.parametrize("name", NAMES)
def test_a_closed_bench_does_nothing(name: str, make_driver: Any) -> None:
    driver = make_driver()
    bench = Bench(driver)
    bench.close()
    with pytest.raises(InputError, match="closed"):
        DO[name](bench)
    assert driver.operations == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, "ok"),
        (RuntimeError("mistake"), "failed"),
        (KeyboardInterrupt(), "aborted"),
        (Interrupted("stop"), "aborted"),
        (SystemExit(1), "failed"),
    ],
)
def test_every_exit_switches_off_and_closes_the_trace(
    error: BaseException | None, status: str, make_driver: Any, make_recorder: Any
) -> None:
    driver, recorder = make_driver(), make_recorder()

    def block() -> None:
        with Bench(driver, recorder=recorder) as bench:
            DO["read"](bench)
            if error is not None:
                raise error

    if error is None:
        block()
    else:
        with pytest.raises(type(error)):
            block()
    assert driver.calls == ["open", "read", "safe_off", "close"]
    assert recorder.status == [status]


def test_outputs_that_stay_on_are_named_after_one_reconnect(make_driver: Any, make_recorder: Any) -> None:
    driver, recorder = make_driver(unsafe=[("SMU 1", "SMU 2"), ("SMU 2",)]), make_recorder()
    bench = Bench(driver, recorder=recorder)
    with pytest.raises(UnsafeError, match="may still be ON: SMU 2;"):
        bench.close()
    assert driver.calls == ["open", "safe_off", "close", "open", "safe_off", "close"]
    assert recorder.status == ["failed"]


def test_a_reconnect_that_switches_off_is_enough(make_driver: Any) -> None:
    driver = make_driver(unsafe=[("SMU 1",)])
    Bench(driver).close()
    assert driver.calls == ["open", "safe_off", "close", "open", "safe_off", "close"]


def test_a_reconnect_that_fails_names_what_was_left(make_driver: Any) -> None:
    driver = make_driver(unsafe=[("SMU 1",)])
    bench = Bench(driver)
    driver.fail["open"] = OSError("gone")
    with pytest.raises(UnsafeError, match="SMU 1"):
        bench.close()
    assert driver.calls[-1] == "close"


def test_unsafe_outputs_are_told_whatever_else_fails(make_driver: Any, make_recorder: Any) -> None:
    """The trace does not close, the driver does not close: what may still be ON is the message."""
    driver = make_driver(unsafe=[("SMU 1",), ("SMU 1",)])
    bench = Bench(driver, recorder=make_recorder(fail={"close": TraceWriteError("disk full")}))
    closes: list[str] = []

    def second_close_fails(name: str) -> None:
        closes.append(name)
        if closes.count("close") == 2 and name == "close":
            raise OSError("gone")

    driver.on_call = second_close_fails
    with pytest.raises(UnsafeError, match="SMU 1"):
        bench.close()


def test_a_driver_that_breaks_its_promise_in_safe_off_counts_as_on(make_driver: Any) -> None:
    driver = make_driver()
    bench = Bench(driver)
    driver.fail = {"safe_off": OSError("bus error"), "open": OSError("gone")}
    with pytest.raises(UnsafeError, match="bus error"):
        bench.close()


def test_a_trace_that_cannot_be_closed_still_closes_the_driver(make_driver: Any, make_recorder: Any) -> None:
    driver = make_driver()
    bench = Bench(driver, recorder=make_recorder(fail={"close": TraceWriteError("disk full")}))
    with pytest.raises(TraceWriteError):
        bench.close()
    assert driver.calls == ["open", "safe_off", "close"]


def test_a_driver_that_does_not_close_is_a_driver_error(make_driver: Any) -> None:
    driver = make_driver()
    bench = Bench(driver)
    driver.fail = {"close": OSError("gone")}
    with pytest.raises(DriverError, match="did not close: gone"):
        bench.close()
    ours = Unsupported("ours")
    bench = Bench(make_driver())
    bench._drivers[0].driver.fail = {"close": ours}  # type: ignore[attr-defined]  # the fake driver has it
    with pytest.raises(Unsupported) as raised:
        bench.close()
    assert raised.value is ours


# ---- one array


@pytest.mark.parametrize("name", NAMES[:-1])
def test_a_crossbar_asks_what_the_bench_asks(name: str, make_driver: Any, make_recorder: Any) -> None:
    """The same request, without the number of the array."""
    recorder = make_recorder()
    bench = Bench(make_driver(), recorder=recorder)
    DO[name](bench)
    crossbar = bench[1]
    again: dict[str, Callable[[], Any]] = {
        "program": lambda: crossbar.program(TARGETS),
        "mvm": lambda: crossbar.mvm(VOLTS[0], events=[4, 5, 6]),
        "read": lambda: crossbar.read(CELLS, ReadConfig(repeat=2)),
        "sweep": lambda: crossbar.sweep((5, 3), [0.1, -0.2]),
        "pulse": lambda: crossbar.pulse(CELLS, PULSE, 3),
    }
    again[name]()
    one, two = (operation.request for operation in recorder.operations)
    assert (one.kind, one.arrays, one.read, one.pulse, one.count) == (
        two.kind,
        two.arrays,
        two.read,
        two.pulse,
        two.count,
    )
    for field in ("targets", "voltages", "events", "cells"):
        np.testing.assert_equal(getattr(one, field), getattr(two, field))


def test_a_crossbar_reads_all_its_cells_row_by_row(make_driver: Any, make_recorder: Any) -> None:
    recorder = make_recorder()
    bench = Bench(make_driver(), recorder=recorder)
    assert bench[0].capabilities is bench.capabilities
    assert bench[0].read_all().current.shape == (24, 1)
    cells = recorder.operations[0].request.cells
    np.testing.assert_array_equal(cells, [[row, col] for row in range(6) for col in range(4)])


@pytest.mark.parametrize("array", [-1, 2, 0.5])
def test_an_array_that_does_not_exist_has_no_crossbar(array: Any, make_driver: Any) -> None:
    with pytest.raises(InputError, match="array"):
        Bench(make_driver())[array]


def test_what_a_driver_need_not_do_is_unsupported(make_driver: Any) -> None:
    """The default bodies of a driver that can only read."""

    class ReadOnly(make_driver):  # type: ignore[misc]  # the base comes from a fixture
        pulse, mvm, program = Driver.pulse, Driver.mvm, Driver.program

    bench = Bench(ReadOnly())
    for name in ("pulse", "mvm", "program"):
        with pytest.raises(Unsupported, match="ReadOnly"):
            DO[name](bench)


def test_columns_may_be_fewer_than_the_array_has(make_driver: Any) -> None:
    readings = Bench(make_driver()).mvm((1,), np.zeros((1, 2, 3)), VectorConfig(columns=2))
    assert readings.codes.shape == (1, 2, 2)
