"""The guard: no operation that passes a limit, and no argument that cannot be meant, reaches the driver."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from xbar.bench.bench import Bench
from xbar.bench.capabilities import Capabilities
from xbar.bench.checks import targets
from xbar.bench.limits import Limits
from xbar.bench.settings import Pulse, ReadConfig, Unselected, VectorConfig
from xbar.errors import DriverError, InputError, LimitError, Unsupported

NAN, INF = float("nan"), float("inf")
LIMITS = Limits(cell_voltage=0.2, current=1e-4, pulse_energy=2e-11, pulses_per_cell=5)
PULSE = Pulse(0.2, 1e-6, current_limit=1e-4)
VOLTS = np.full((1, 2, 6), 0.1)


@pytest.fixture
def driver(make_driver: Any) -> Any:
    return make_driver()


@pytest.fixture
def recorder(make_recorder: Any) -> Any:
    return make_recorder()


@pytest.fixture
def bench(driver: Any, recorder: Any) -> Bench:
    return Bench(driver, recorder=recorder, limits=LIMITS)


def with_one(value: float, dtype: Any = np.float64) -> Any:
    volts = np.full((1, 2, 6), 0.1, dtype)
    volts[0, 1, 3] = value
    return volts


@pytest.mark.parametrize("voltage", [0.2001, -0.2001, 5.0, INF, -INF, NAN])
@pytest.mark.parametrize("verb", ["mvm", "mvm float32", "read", "sweep", "pulse"])
def test_voltages_above_the_limit_or_not_finite_do_not_leave(
    voltage: float, verb: str, bench: Bench, driver: Any, recorder: Any
) -> None:
    """One bad voltage among good ones is enough; nothing is recorded, because nothing was done."""
    do: dict[str, Callable[[], Any]] = {
        "mvm": lambda: bench.mvm((0,), with_one(voltage)),
        "mvm float32": lambda: bench.mvm((0,), with_one(voltage, np.float32)),
        "read": lambda: bench.read(0, [[0, 0]], ReadConfig(voltage)),
        "sweep": lambda: bench.sweep(0, (0, 0), [0.1, voltage]),
        "pulse": lambda: bench.pulse(0, [[0, 0]], replace(PULSE, voltage=voltage)),
    }
    with pytest.raises((LimitError, InputError), match=verb.split()[0] if verb != "sweep" else "read|sweep"):
        do[verb]()
    assert driver.operations == []
    assert recorder.operations == []


def test_exactly_the_limit_is_allowed(bench: Bench, driver: Any) -> None:
    """Also in float32, whose 0.2 is a little above 0.2."""
    assert float(np.float32(0.2)) > 0.2
    bench.mvm((0,), np.full((1, 1, 6), 0.2, np.float32))
    bench.mvm((0,), np.full((1, 1, 6), -0.2, np.float32))
    bench.read(0, [[0, 0]], ReadConfig(0.2, current_limit=1e-4))
    bench.sweep(0, (0, 0), [-0.2, 0.2])
    bench.pulse(0, [[0, 0]], PULSE)
    assert driver.operations == ["mvm", "mvm", "read", "read", "read", "pulse"]


def test_the_smaller_of_limit_and_range_counts(make_driver: Any) -> None:
    """The message says whose limit it is."""
    wide = Bench(make_driver(), limits=Limits(3.0, 1e-3))
    with pytest.raises(LimitError, match="range of the source, 1 V"):
        wide.read(0, [[0, 0]], ReadConfig(1.5))
    narrow = Bench(make_driver(), limits=Limits(0.3, 1e-3))
    with pytest.raises(LimitError, match="limit of the bench, 300 mV"):
        narrow.read(0, [[0, 0]], ReadConfig(0.4))
    free = Bench(make_driver())
    assert free.limits == Limits(1.0, 1e-3)
    with pytest.raises(LimitError):
        free.read(0, [[0, 0]], ReadConfig(1.1))


def test_an_empty_batch_has_no_voltage_to_refuse(bench: Bench, driver: Any) -> None:
    bench.mvm((0,), np.zeros((1, 0, 6)))
    assert driver.operations == ["mvm"]


@pytest.mark.parametrize("current", [0.0, -1e-6, 1.01e-4, INF, NAN])
def test_a_compliance_above_the_limit_does_not_leave(current: float, bench: Bench, driver: Any) -> None:
    with pytest.raises(LimitError, match="compliance"):
        bench.read(0, [[0, 0]], ReadConfig(0.1, current_limit=current))
    with pytest.raises(LimitError, match="compliance"):
        bench.sweep(0, (0, 0), [0.1], ReadConfig(0.1, current_limit=current))
    with pytest.raises(LimitError, match="compliance"):
        bench.pulse(0, [[0, 0]], replace(PULSE, current_limit=current))
    assert driver.operations == []


@pytest.mark.parametrize("change", [{"width": 1.1e-6}, {"rise": 1e-7}, {"fall": 1e-7}])
def test_the_energy_of_a_pulse_counts_its_edges(change: dict[str, Any], bench: Bench, driver: Any) -> None:
    """|V| x compliance x (rise + width + fall) = 2e-11 J is the limit."""
    bench.pulse(0, [[0, 0]], PULSE)
    bench.pulse(0, [[0, 0]], replace(PULSE, voltage=-0.2))
    with pytest.raises(LimitError, match="energy"):
        bench.pulse(0, [[0, 0]], replace(PULSE, **change))
    assert driver.operations == ["pulse", "pulse"]


@pytest.mark.parametrize(
    "change",
    [{name: value} for name in ("width", "rise", "fall") for value in (-1e-9, NAN, INF)]
    + [{"width": 0.0}, {"gate": NAN}, {"gate": INF}],
)
def test_a_pulse_without_a_shape_does_not_leave(change: dict[str, Any], make_driver: Any) -> None:
    """Also where no limit of energy is set."""
    driver = make_driver()
    bench = Bench(driver, limits=Limits(1.0, 1e-3))
    with pytest.raises(LimitError):
        bench.pulse(0, [[0, 0]], replace(PULSE, **change))
    assert driver.operations == []


def test_pulses_are_counted_cell_by_cell(bench: Bench, driver: Any) -> None:
    """Five for each cell of each array, over all operations; what is refused is not counted."""
    bench.pulse(0, [[0, 0], [1, 1]], PULSE, 3)
    with pytest.raises(LimitError, match="6 pulses"):
        bench.pulse(0, [[2, 2], [1, 1]], PULSE, 3)
    bench.pulse(0, [[2, 2]], PULSE, 5)
    bench.pulse(1, [[1, 1]], PULSE, 5)
    bench.pulse(0, [[1, 1]], PULSE, 2)
    for cell in ([0, 0], [1, 1], [2, 2]):
        with pytest.raises(LimitError):
            bench.pulse(0, [cell], PULSE, 3)
    assert driver.operations == ["pulse"] * 4


def test_a_cell_that_is_named_twice_gets_the_pulses_twice(bench: Bench, driver: Any) -> None:
    with pytest.raises(LimitError, match="6 pulses"):
        bench.pulse(0, [[0, 0], [1, 1], [0, 0]], PULSE, 3)
    assert driver.operations == []
    bench.pulse(0, [[0, 0], [0, 0]], PULSE, 2)
    with pytest.raises(LimitError, match="6 pulses"):
        bench.pulse(0, [[0, 0]], PULSE, 2)


def test_pulses_are_counted_before_they_leave(make_driver: Any) -> None:
    """A pulse that failed on its way may have been given: it counts."""
    driver = make_driver(fail={"pulse": OSError("timeout")})
    bench = Bench(driver, limits=LIMITS)
    with pytest.raises(DriverError):
        bench.pulse(0, [[0, 0]], PULSE, 5)
    with pytest.raises(LimitError):
        bench.pulse(0, [[0, 0]], PULSE)


def test_no_cells_get_no_pulses(bench: Bench, driver: Any) -> None:
    bench.pulse(0, np.zeros((0, 2), int), PULSE, 5)
    assert driver.operations == ["pulse"]


BAD: dict[str, Callable[[Bench], Any]] = {
    "array below 0": lambda b: b.read(-1, [[0, 0]]),
    "array too large": lambda b: b.read(2, [[0, 0]]),
    "array no whole number": lambda b: b.read(0.5, [[0, 0]]),  # type: ignore[arg-type]  # what is to be refused
    "program: array": lambda b: b.program(2, np.full((6, 4), 5e-6)),
    "program: shape": lambda b: b.program(0, np.full((4, 6), 5e-6)),
    "program: below range": lambda b: b.program(0, np.full((6, 4), 0.9e-6)),
    "program: above range": lambda b: b.program(0, np.full((6, 4), 101e-6)),
    "program: infinite": lambda b: b.program(0, np.full((6, 4), INF)),
    "program: text": lambda b: b.program(0, [["a"] * 4] * 6),
    "program: ragged": lambda b: b.program(0, [[1e-5], [1e-5, 1e-5]]),
    "program: complex": lambda b: b.program(0, np.full((6, 4), 5e-6 + 0j)),
    "cells: one-dimensional": lambda b: b.read(0, [0, 0]),
    "cells: three numbers": lambda b: b.read(0, [[0, 0, 0]]),
    "cells: not whole": lambda b: b.read(0, [[0.0, 1.0]]),
    "cells: row": lambda b: b.read(0, [[0, 0], [6, 0]]),
    "cells: column": lambda b: b.read(0, [[0, 4]]),
    "cells: below 0": lambda b: b.read(0, [[-1, 0]]),
    "cells: ragged": lambda b: b.read(0, [[0], [0, 1]]),
    "read: repeat": lambda b: b.read(0, [[0, 0]], ReadConfig(repeat=0)),
    "read: half a repeat": lambda b: b.read(0, [[0, 0]], ReadConfig(repeat=1.5)),  # type: ignore[arg-type]  # refused
    "read: settle": lambda b: b.read(0, [[0, 0]], ReadConfig(settle=-1e-6)),
    "read: settle NaN": lambda b: b.read(0, [[0, 0]], ReadConfig(settle=NAN)),
    "read: settle for ever": lambda b: b.read(0, [[0, 0]], ReadConfig(settle=INF)),
    "read: range": lambda b: b.read(0, [[0, 0]], ReadConfig(current_range=0.0)),
    "read: range NaN": lambda b: b.read(0, [[0, 0]], ReadConfig(current_range=NAN)),
    "sweep: cell": lambda b: b.sweep(0, (6, 0), [0.1]),
    "sweep: no voltages": lambda b: b.sweep(0, (0, 0), []),
    "sweep: one number": lambda b: b.sweep(0, (0, 0), 0.1),
    "sweep: NaN": lambda b: b.sweep(0, (0, 0), [0.1, NAN]),
    "sweep: text": lambda b: b.sweep(0, (0, 0), ["x"]),
    "sweep: repeat": lambda b: b.sweep(0, (0, 0), [0.1], ReadConfig(repeat=0)),
    "pulse: array": lambda b: b.pulse(2, [[0, 0]], PULSE),
    "pulse: cells": lambda b: b.pulse(0, [[0, 9]], PULSE),
    "pulse: count": lambda b: b.pulse(0, [[0, 0]], PULSE, 0),
    "pulse: half a count": lambda b: b.pulse(0, [[0, 0]], PULSE, 1.5),  # type: ignore[arg-type]  # refused
    "wait: back": lambda b: b.wait(-1),
    "wait: NaN": lambda b: b.wait(NAN),
    "wait: for ever": lambda b: b.wait(INF),
    "mvm: no arrays": lambda b: b.mvm((), np.zeros((0, 2, 6))),
    "mvm: array twice": lambda b: b.mvm((0, 0), np.zeros((2, 2, 6))),
    "mvm: array": lambda b: b.mvm((2,), VOLTS),
    "mvm: half an array": lambda b: b.mvm((0.5,), VOLTS),  # type: ignore[arg-type]  # refused
    "mvm: two axes": lambda b: b.mvm((0,), VOLTS[0]),
    "mvm: arrays do not fit": lambda b: b.mvm((0, 1), VOLTS),
    "mvm: too many rows": lambda b: b.mvm((0,), np.zeros((1, 2, 7))),
    "mvm: no rows": lambda b: b.mvm((0,), np.zeros((1, 2, 0))),
    "mvm: text": lambda b: b.mvm((0,), [[["x"] * 6]]),
    "mvm: ragged": lambda b: b.mvm((0,), [[[0.1], [0.1, 0.1]]]),
    "mvm: no columns": lambda b: b.mvm((0,), VOLTS, VectorConfig(columns=0)),
    "mvm: too many columns": lambda b: b.mvm((0,), VOLTS, VectorConfig(columns=5)),
    "mvm: half a column": lambda b: b.mvm((0,), VOLTS, VectorConfig(columns=1.5)),  # type: ignore[arg-type]  # refused
    "mvm: input range 0": lambda b: b.mvm((0,), VOLTS, VectorConfig(0.0)),
    "mvm: input range NaN": lambda b: b.mvm((0,), VOLTS, VectorConfig(NAN)),
    "mvm: input range too large": lambda b: b.mvm((0,), VOLTS, VectorConfig(1.1)),
    "mvm: input range shape": lambda b: b.mvm((0,), VOLTS, VectorConfig(np.full((1, 4), 0.2))),
    "mvm: output range below 0": lambda b: b.mvm((0,), VOLTS, VectorConfig(0.2, -1e-4)),
    "mvm: output range too large": lambda b: b.mvm((0,), VOLTS, VectorConfig(0.2, 2e-3)),
    "mvm: output range shape": lambda b: b.mvm((0,), VOLTS, VectorConfig(0.2, np.full((1, 3), 1e-4))),
    "mvm: one output range of many": lambda b: b.mvm((0,), VOLTS, VectorConfig(0.2, np.array([[1e-4] * 3 + [0.0]]))),
    "mvm: events do not fit": lambda b: b.mvm((0,), VOLTS, events=[1, 2, 3]),
    "mvm: events not whole": lambda b: b.mvm((0,), VOLTS, events=[1.0, 2.0]),
    "mvm: events below 0": lambda b: b.mvm((0,), VOLTS, events=[-1, 2]),
    "mvm: events too large": lambda b: b.mvm((0,), VOLTS, events=[2**64, 2]),
}


@pytest.mark.parametrize("what", BAD)
def test_arguments_that_cannot_be_meant_reach_no_driver(what: str, bench: Bench, driver: Any, recorder: Any) -> None:
    with pytest.raises(InputError):
        BAD[what](bench)
    assert driver.operations == []
    assert recorder.operations == []


def test_targets_at_the_ends_of_the_range_and_nan_are_allowed(bench: Bench, driver: Any) -> None:
    """Rounding of a float32 map is no target out of range; the driver gets a copy in float64."""
    wanted = np.full((6, 4), 100e-6, np.float32)
    wanted[0, 0], wanted[0, 1], wanted[1, 1] = 1e-6, np.nextafter(np.float32(100e-6), np.float32(1)), np.nan
    assert float(wanted[0, 0]) < 1e-6
    assert float(wanted[0, 1]) > 100e-6
    bench.program(0, wanted)
    given = driver.seen[-1][1]
    assert given.dtype == np.float64
    assert (given[0, 0], given[0, 1]) == (1e-6, 100e-6)
    assert np.isnan(given[1, 1])


def test_the_message_names_how_many_targets_and_the_worst(bench: Bench) -> None:
    wanted = np.full((6, 4), 5e-6)
    wanted[0, 0], wanted[3, 2], wanted[4, 1] = 120e-6, 300e-6, 0.5e-6
    with pytest.raises(InputError, match=r"3 of 24 .* 1 uS to 100 uS \(worst: 300 uS\)"):
        bench.program(0, wanted)


def test_arrays_without_a_one_shot_write_say_so() -> None:
    plain = Capabilities(arrays=1, rows=6, cols=4, voltage_max=1.0, current_max=1e-3)
    with pytest.raises(Unsupported, match="pulses"):
        targets(np.zeros((6, 4)), 0, plain)


@pytest.mark.parametrize("shape", [(), (2,), (2, 4)])
def test_ranges_may_be_one_for_all_or_one_each(shape: tuple[int, ...], bench: Bench, driver: Any) -> None:
    inputs = np.full(shape[:1], 0.2)
    bench.mvm((0, 1), np.zeros((2, 1, 6)), VectorConfig(inputs, np.full(shape, 1e-4)))
    assert driver.operations == ["mvm"]


def test_volts_and_events_arrive_in_the_drivers_form(bench: Bench, driver: Any) -> None:
    """float32 stays float32, whole numbers become float64, events uint64 up to the largest."""
    bench.mvm((0,), VOLTS.astype(np.float32), events=np.array([0, 2**64 - 1], np.uint64))
    assert driver.seen[-1][1].dtype == np.float32
    assert driver.seen[-1][3].dtype == np.uint64
    assert driver.seen[-1][3].tolist() == [0, 2**64 - 1]
    bench.mvm(np.array([1]).tolist(), np.zeros((1, 2, 6), np.int64), events=None)
    assert driver.seen[-1][0] == (1,)
    assert type(driver.seen[-1][0][0]) is int
    assert driver.seen[-1][1].dtype == np.float64
    assert driver.seen[-1][3] is None


@pytest.mark.parametrize("verb", ["read", "sweep", "pulse"])
def test_lines_that_cannot_be_left_as_asked(verb: str, make_driver: Any) -> None:
    """A bench without the sources for V/3, or that cannot let lines float, refuses before anything leaves."""
    driver = make_driver()
    bench = Bench(driver)
    calls: dict[str, Any] = {
        "read": lambda mode: bench.read(0, [[0, 0]], ReadConfig(0.1, unselected=mode)),
        "sweep": lambda mode: bench.sweep(0, (0, 0), [0.1], ReadConfig(unselected=mode)),
        "pulse": lambda mode: bench.pulse(0, [[0, 0]], Pulse(0.1, 1e-6, current_limit=1e-6, unselected=mode)),
    }
    for mode in (Unselected.THIRD, Unselected.FLOAT):
        with pytest.raises(Unsupported, match=f"{mode.value}'; it can: ground, half"):
            calls[verb](mode)
    assert driver.operations == []
    calls[verb](Unselected.HALF)
    assert driver.operations == ["read" if verb == "sweep" else verb]
