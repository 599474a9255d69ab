"""What the conformance suite expects of capabilities and of answers; each raises `AssertionError`."""

import math
from dataclasses import fields
from typing import get_args

import numpy as np

from xbar.bench.capabilities import Capabilities, EffectState
from xbar.bench.operation import Operation, Request
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.bench.settings import Unselected

VERBS = frozenset({"read", "sweep", "pulse", "mvm", "program"})
"""Verbs that `Capabilities.native` may name."""


def check_capabilities(has: Capabilities) -> None:
    """Check counts, ranges, names of verbs, line modes, effects and times."""
    for name in ("arrays", "rows", "cols", "parallel_sense"):
        assert isinstance(getattr(has, name), int), f"{name} must be an int"
        assert getattr(has, name) >= 1, f"{name} must be at least 1"
    assert has.parallel_sense <= has.cols, "parallel_sense: not more bit lines at once than there are"
    for name in ("voltage_max", "current_max"):
        assert 0 < getattr(has, name) < math.inf, f"{name} must be above 0 and finite"
    assert has.native <= VERBS, f"native names unknown verbs: {sorted(has.native - VERBS)}"
    assert "read" in has.native, "every driver reads"
    assert ("program" in has.native) == (has.conductance_range is not None), "program needs conductance_range"
    if has.conductance_range is not None:
        low, high = has.conductance_range
        assert 0 <= low < high < math.inf, "conductance_range must rise from 0 S or more"
    for bits in (has.dac_bits, has.adc_bits):
        assert bits is None or bits >= 1, "bits are None or at least 1"
    assert has.unselected, "unselected names at least one line mode"
    assert has.unselected <= frozenset(Unselected), "unselected names members of Unselected"
    assert len({effect.name for effect in has.effects}) == len(has.effects), "each effect is named once"
    assert all(effect.state in get_args(EffectState) for effect in has.effects)
    times = (has.timings.product, has.timings.read, has.timings.write)
    assert all(0 <= t < math.inf for t in times), "timings must be finite and not below 0"


def check_cells(readings: CellReadings, shape: tuple[int, int]) -> None:
    """Check readings of `(n, repeat)`: shapes, dtypes, currents that are numbers, times that do not fall."""
    assert isinstance(readings, CellReadings)
    for field in fields(readings):
        values = getattr(readings, field.name)
        assert isinstance(values, np.ndarray), f"{field.name} must be an array"
        assert values.shape == shape, f"{field.name} must be (n, repeat) = {shape}"
        assert values.dtype == (np.uint32 if field.name == "status" else np.float64), f"{field.name}: wrong dtype"
    assert np.isfinite(readings.current).all(), "currents must be numbers"
    assert np.isfinite(readings.time).all(), "times must be numbers"
    assert (np.diff(readings.time.ravel()) >= 0).all(), "times must not fall from reading to reading"


def check_vectors(readings: VectorReadings, shape: tuple[int, int, int]) -> None:
    """Check products of `(k, batch, cols)`: shapes, dtypes, steps above 0, the one formula for currents."""
    assert isinstance(readings, VectorReadings)
    k, _, cols = shape
    assert readings.codes.shape == shape, f"codes must be (k, batch, cols) = {shape}"
    assert readings.codes.dtype.kind in "iuf", "codes must be numbers"
    for name in ("step", "offset"):
        values = getattr(readings, name)
        assert values.shape == (k, cols), f"{name} must be (k, cols) = {(k, cols)}"
        assert values.dtype == np.float64, f"{name} must be float64"
        assert np.isfinite(values).all(), f"{name} must be numbers"
    assert (readings.step > 0).all(), "step must be above 0"
    assert readings.status.dtype == np.uint32, "status must be uint32"
    assert np.broadcast_shapes(readings.status.shape, shape) == shape, "status must broadcast to the codes"
    current = np.multiply(readings.codes, readings.step[:, None, :], dtype=np.float64) + readings.offset[:, None, :]
    assert np.array_equal(readings.current, current), "current is codes * step + offset"
    assert np.isfinite(current).all(), "currents must be numbers"


def check_same(first: Operation, second: Operation, dac_bits: int | None = None) -> None:
    """Check that two operations are equal bit for bit: what was asked, what came back, and in which error it ended.

    The voltages of a product may be those of the nearest codes of input converters of `dac_bits`: a trace keeps these.
    """
    assert first.request.kind is second.request.kind
    assert first.request.arrays == second.request.arrays
    _check_voltages(first.request, second.request, dac_bits)
    for name in ("targets", "events", "cells"):
        _check_equal(name, getattr(first.request, name), getattr(second.request, name))
    assert first.request.read == second.request.read
    assert first.request.seconds == second.request.seconds
    assert type(first.error) is type(second.error), f"{first.error!r} became {second.error!r}"
    assert str(first.error) == str(second.error)
    assert type(first.readings) is type(second.readings)
    if first.readings is not None:
        for field in fields(first.readings):
            _check_equal(field.name, getattr(first.readings, field.name), getattr(second.readings, field.name))


def _check_voltages(first: Request, second: Request, dac_bits: int | None) -> None:
    if dac_bits is None or first.vector is None or first.voltages is None or second.voltages is None:
        _check_equal("voltages", first.voltages, second.voltages)
        return
    assert first.voltages.dtype == second.voltages.dtype, "voltages"
    assert first.voltages.shape == second.voltages.shape, "voltages"
    k = len(first.arrays)
    step = np.broadcast_to(np.asarray(first.vector.input_range, np.float64), (k,)) / (2 ** (dac_bits - 1) - 1)
    apart = np.abs(first.voltages.astype(np.float64) - second.voltages)
    assert (apart <= (0.5 + 1e-4) * step[:, None, None]).all(), "voltages"


def _check_equal(name: str, first: object, second: object) -> None:
    if first is None or second is None:
        assert first is second, name
        return
    one, two = np.asarray(first), np.asarray(second)
    assert one.dtype == two.dtype, name
    assert one.shape == two.shape, name
    assert np.array_equal(one, two, equal_nan=one.dtype.kind == "f"), name
