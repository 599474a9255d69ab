"""Where two traces part: the first operation, the field, the numbers."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from xbar.bench.operation import Operation, OperationKind, Request
from xbar.bench.readings import CellReadings
from xbar.bench.settings import ReadConfig
from xbar.errors import DriverError, FormatError
from xbar.trace.difference import compare, to_json
from xbar.trace.field_difference import LONGEST, difference
from xbar.trace.recorder import TraceRecorder

Make = Callable[..., Any]


def changed_request(operation: Operation, **fields: Any) -> Operation:
    return dataclasses.replace(operation, request=dataclasses.replace(operation.request, **fields))


def changed_readings(operation: Operation, **fields: Any) -> Operation:
    return dataclasses.replace(operation, readings=dataclasses.replace(operation.readings, **fields))  # type: ignore[type-var]  # these have readings


def moved(values: Any, place: Any, by: float) -> Any:
    copy = values.copy()
    copy[place] += by
    return copy


CHANGES: dict[str, tuple[Callable[[Operation], Operation], str, str, str, tuple[int, ...] | None]] = {
    # name: change of the reading or product, field, values in the first and the second trace, place
    "current": (
        lambda o: changed_readings(o, current=np.where(np.arange(6).reshape(3, 2) == 3, 1e-6, o.readings.current)),  # type: ignore[union-attr]
        "readings.current",
        "A",
        "1e-06 A",
        (1, 1),
    ),
    "status": (lambda o: changed_readings(o, status=o.readings.status | 64), "readings.status", "", "", (0, 0)),  # type: ignore[union-attr]
    "nan": (
        lambda o: changed_readings(o, voltage=moved(np.nan_to_num(o.readings.voltage), (2, 0), 0.5)),  # type: ignore[union-attr]
        "readings.voltage",
        "nan V",
        "0.0 V",
        (0, 0),
    ),
    "array": (lambda o: changed_request(o, arrays=(2,)), "arrays", "(1,)", "(2,)", None),
    "cells": (lambda o: changed_request(o, cells=moved(o.request.cells, (2, 1), 1)), "cells", "", "", (2, 1)),
    "settings": (
        lambda o: changed_request(o, read=ReadConfig(repeat=2, settle=1e-3)),
        "read.settle",
        "0.0 s",
        "0.001 s",
        None,
    ),
    "kind": (
        lambda o: Operation(Request(OperationKind.WAIT, seconds=1.0), o.started, o.ended),
        "kind",
        "READ",
        "WAIT",
        None,
    ),
    "clock": (lambda o: dataclasses.replace(o, ended=9.5), "ended", "1.25 s", "9.5 s", None),
    "error": (
        lambda o: dataclasses.replace(o, readings=None, error=DriverError("no answer")),
        "error",
        "none",
        "DriverError: no answer",
        None,
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_field_of_a_reading_is_named(make_trace: Make, reading: Make, name: str) -> None:
    change, field, first, second, place = CHANGES[name]
    one = make_trace(reading(0), reading(1), reading(2))
    two = make_trace(reading(0), change(reading(1)), reading(2), name="u.h5")
    found = compare(one, two)
    assert not found.equal
    assert found.difference is not None
    assert (found.same, found.difference.operation, found.operations) == (1, 1, None)
    assert (found.difference.field, found.difference.place) == (field, place)
    assert found.difference.first.endswith(first)
    assert found.difference.second.endswith(second)
    assert found.head == ()


def test_codes_are_counted(make_trace: Make, product: Make) -> None:
    """The first element that differs, how many do and by how much at most."""
    changed = product(1).readings.codes.astype(np.int16)
    before = int(changed[1, 0, 3])
    changed[1, 0, 3] += 5 if before < 100 else -5
    changed[1, 4, 0] += 2 if changed[1, 4, 0] < 100 else -2
    one = make_trace(product(0), product(1))
    two = make_trace(product(0), changed_readings(product(1), codes=changed.astype(np.int8)), name="u.h5")
    found = compare(one, two).difference
    assert found is not None
    assert (found.field, found.place, found.differing, found.largest) == ("readings.codes", (1, 0, 3), 2, 5)
    assert found.first == str(before)
    assert "(2 elements differ)" in found.text


def test_the_type_in_which_codes_are_kept_does_not_matter(make_trace: Make, product: Make) -> None:
    wide = changed_readings(product(0), codes=product(0).readings.codes.astype(np.int32))
    assert compare(make_trace(product(0)), make_trace(wide, name="u.h5")).equal


def test_equal_traces_may_have_other_heads(make_trace: Make, make_header: Make, product: Make) -> None:
    """What differs in card, seed, limits and identity is told, and is no difference of the operations."""
    header = make_header()
    part = header.drivers[0]
    other = dataclasses.replace(
        part,
        settings={"seed": 4, "card": None},
        identity=dataclasses.replace(part.identity, serial="8"),
        limits=dataclasses.replace(part.limits, cell_voltage=0.4),
    )
    one = make_trace(*(product(n) for n in range(5)))
    two = make_trace(*(product(n) for n in range(5)), header=dataclasses.replace(header, drivers=(other,)), name="u.h5")
    found = compare(one, two)
    assert (found.equal, found.same, found.operations) == (True, 5, (5, 5))
    heads = {head.field: (head.first, head.second) for head in found.head}
    assert heads == {
        "drivers.0.settings.seed": ("3", "4"),
        "drivers.0.identity.serial": ("7", "8"),
        "drivers.0.limits.cell_voltage": ("0.5", "0.4"),
    }
    assert to_json(found)["equal"] is True


def test_the_shorter_trace_is_told(make_trace: Make, product: Make, reading: Make) -> None:
    one, two = make_trace(product(0), reading(1)), make_trace(product(0), name="u.h5")
    found = compare(one, two)
    assert (found.same, found.operations) == (1, (2, 1))
    assert found.difference is not None
    assert (found.difference.first, found.difference.second) == ("read", "no operation")


def test_the_bench_clock_may_be_left_out(make_trace: Make, reading: Make, product: Make) -> None:
    """Two runs on hardware never agree in time; --ignore-time leaves out start, end and times of readings alone."""
    later = changed_readings(dataclasses.replace(reading(0), started=5.0, ended=6.0), time=reading(0).readings.time + 5)
    one = make_trace(reading(0), product(1))
    two = make_trace(later, dataclasses.replace(product(1), ended=9.0), name="u.h5")
    assert not compare(one, two).equal
    assert compare(one, two, ignore_time=True).equal
    other = changed_readings(later, current=later.readings.current + 1e-6)  # type: ignore[union-attr]
    assert not compare(one, make_trace(other, product(1), name="v.h5"), ignore_time=True).equal


@pytest.mark.parametrize("levels", [("outputs", "full"), ("full", "full"), ("outputs", "outputs")])
def test_voltages_are_compared_as_far_as_both_have_them(
    tmp_path: Path, make_header: Make, product: Make, levels: tuple[str, str]
) -> None:
    """A trace with voltages equals one with their projections alone; a changed voltage shows in either form."""

    def record(name: str, level: Any, operation: Operation) -> Path:
        recorder = TraceRecorder(tmp_path / name, provenance={}, level=level)
        recorder.start(make_header())
        recorder.record(operation)
        recorder.close()
        return tmp_path / name

    one = record("a.h5", levels[0], product(0))
    assert compare(one, record("b.h5", levels[1], product(0))).equal
    other = changed_request(product(0), voltages=moved(product(0).request.voltages, (1, 2, 3), 0.01))
    found = compare(one, record("c.h5", levels[1], other)).difference
    assert found is not None
    assert (found.field, found.place) == (
        ("voltages", (1, 2, 3)) if levels == ("full", "full") else ("projections", (1, 2))
    )
    assert found.first.endswith(" V")


def test_damage_is_not_a_difference(make_trace: Make, reading: Make) -> None:
    """A trace that stops because of damage is told from one that ends earlier."""
    one, two = (make_trace(*(reading(n) for n in range(6)), name=name) for name in ("a.h5", "b.h5"))
    with h5py.File(two, "r+") as file:
        file["run/cells/current"][20] = 7.0
    with pytest.raises(FormatError, match=r"b\.h5 is damaged at operation 3: the checksum of cells/current"):
        compare(one, two)


def test_a_running_trace_is_compared_as_far_as_it_goes(
    tmp_path: Path, make_trace: Make, make_header: Make, reading: Make
) -> None:
    recorder = TraceRecorder(tmp_path / "live.h5", provenance={"run": {"seed": 3}}, flush_every=0)
    recorder.start(make_header())
    for n in range(3):
        recorder.record(reading(n))
    # A copy, as a kill would leave it: HDF5 shares a file that is opened twice in one process.
    (tmp_path / "killed.h5").write_bytes((tmp_path / "live.h5").read_bytes())
    recorder.close()
    found = compare(make_trace(*(reading(n) for n in range(5))), tmp_path / "killed.h5")
    assert (found.same, found.operations) == (3, (5, 3))


def test_progress_is_told(make_trace: Make) -> None:
    wait = Operation(Request(OperationKind.WAIT, seconds=1.0), 0.0, 1.0)
    path = make_trace(*[wait] * 2100)
    told: list[int] = []
    assert compare(path, path, progress=told.append).same == 2100
    assert told == [2100]


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (1.0, 1.0, True),
        (float("nan"), float("nan"), True),
        (np.array([np.nan, 1.0]), np.array([np.nan, 1.0]), True),
        (np.array([0.0]), np.array([-0.0]), False),
        (np.array([1.0]), np.array([np.nextafter(1.0, 2)]), False),
        (np.zeros((2, 3)), np.zeros((3, 2)), False),
        (None, np.zeros(2), False),
        (None, 0.0, False),
        ((1, 2), (1, 3), False),
    ],
)
def test_values_are_equal_to_the_last_bit(a: Any, b: Any, same: bool) -> None:
    found = difference(3, "readings.current", a, b)
    assert (found is None) == same
    if found is not None:
        assert found.first != found.second


def test_long_texts_are_shown_where_they_part() -> None:
    found = difference(None, "card_text", "a" * 1000 + "x" + "b" * 500, "a" * 1000 + "y" + "b" * 500)
    assert found is not None
    assert found.first != found.second
    assert len(found.first) <= LONGEST


def test_no_readings_equal_no_readings(make_trace: Make) -> None:
    wait = Operation(Request(OperationKind.WAIT, seconds=1.0), 0.0, 1.0)
    longer = Operation(Request(OperationKind.WAIT, seconds=2.0), 0.0, 1.0)
    found = compare(make_trace(wait), make_trace(longer, name="u.h5")).difference
    assert found is not None
    assert (found.field, found.first, found.second) == ("seconds", "1.0 s", "2.0 s")


def test_a_reading_is_told_from_none(make_trace: Make, reading: Make) -> None:
    empty = dataclasses.replace(reading(0), readings=None)
    found = compare(make_trace(reading(0)), make_trace(empty, name="u.h5")).difference
    assert found is not None
    assert (found.field, found.first, found.second) == ("readings", CellReadings.__name__, "none")
