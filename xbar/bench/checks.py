"""Arguments of operations, checked before anything reaches the driver; each returns them in the driver's form."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbar.bench.capabilities import Capabilities
from xbar.bench.settings import ReadConfig, Unselected, VectorConfig
from xbar.errors import InputError, Unsupported
from xbar.units import show


def array(number: int, arrays: int) -> int:
    """Return the number of an array; raise `InputError` for one that a bench of so many does not have."""
    index = _whole(number, "array")
    if not 0 <= index < arrays:
        raise InputError(f"array {index} does not exist; the bench has arrays 0 to {arrays - 1}")
    return index


def _whole(number: Any, what: str) -> int:
    try:
        return operator.index(number)
    except TypeError as error:
        raise InputError(f"{what} {number!r} must be a whole number") from error


def _numbers(values: ArrayLike, what: str) -> NDArray[np.float64]:
    """Return a copy in float64."""
    try:
        found = np.asarray(values)
        if found.dtype.kind not in "biuf":
            raise TypeError(f"{found.dtype}")
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} must be an array of real numbers ({error})") from error
    return np.array(found, dtype=np.float64)


def targets(values: ArrayLike, number: int, capabilities: Capabilities) -> NDArray[np.float64]:
    """Return targets `(rows, cols)` [S] as float64, within the range of the array; NaN is allowed."""
    array(number, capabilities.arrays)
    if capabilities.conductance_range is None:
        raise Unsupported("the arrays of this bench have no one-shot write; program the cells with pulses")
    wanted = _numbers(values, "program: targets")
    if wanted.shape != (capabilities.rows, capabilities.cols):
        raise InputError(
            f"program: targets are {wanted.shape}, the array is {(capabilities.rows, capabilities.cols)}; "
            "pad them with NaN"
        )
    low, high = capabilities.conductance_range
    # float32 targets at exactly the ends of the range must pass.
    slack = 1e-7 * high
    outside = (wanted < low - slack) | (wanted > high + slack)
    if outside.any():
        worst = wanted[outside][np.argmax(np.abs(wanted[outside] - (low + high) / 2))]
        raise InputError(
            f"program: {int(outside.sum())} of {wanted.size} targets lie outside the range of the card, "
            f"{show(low, 'S')} to {show(high, 'S')} (worst: {show(float(worst), 'S')}); map with this card, or clip"
        )
    clipped: NDArray[np.float64] = np.clip(wanted, low, high)
    return clipped


def cells(places: ArrayLike, number: int, capabilities: Capabilities) -> NDArray[np.int64]:
    """Return cells as `(n, 2)` int64, each inside the array."""
    array(number, capabilities.arrays)
    found = _array(places, "cells")
    if found.ndim != 2 or found.shape[1] != 2 or not (found.size == 0 or np.issubdtype(found.dtype, np.integer)):
        raise InputError(
            f"cells must be integers (row, column) of shape (n, 2), not {found.dtype} of shape {found.shape}"
        )
    size = np.array([capabilities.rows, capabilities.cols])
    wrong = ((found < 0) | (found >= size)).any(axis=1)
    if wrong.any():
        row, col = (int(n) for n in found[wrong][0])
        raise InputError(f"cell ({row}, {col}) does not exist; rows are 0 to {size[0] - 1}, columns 0 to {size[1] - 1}")
    return found.astype(np.int64)


def _array(values: ArrayLike, what: str) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except ValueError as error:
        raise InputError(f"{what} must have one length along each axis ({error})") from error


def voltages(values: ArrayLike, what: str) -> NDArray[np.float64]:
    """Return a list of voltages `(n,)` [V], n >= 1, all finite."""
    steps = _numbers(values, f"{what}: voltages")
    if steps.ndim != 1 or not steps.size or not np.isfinite(steps).all():
        raise InputError(f"{what}: voltages must be a list of at least one finite number, not shape {steps.shape}")
    return steps


def read_config(config: ReadConfig) -> None:
    """Raise `InputError` for a repeat below 1 or a settling time below 0."""
    if _whole(config.repeat, "read: repeat") < 1:
        raise InputError(f"read: repeat {config.repeat} must be at least 1")
    if not 0 <= config.settle < float("inf"):
        raise InputError(f"read: settling time {config.settle} s must be finite and not below 0")
    if config.current_range is not None and not 0 < config.current_range < float("inf"):
        raise InputError(f"read: current range {config.current_range} A must be finite and above 0")


def unselected(mode: Unselected, capabilities: Capabilities, what: str) -> None:
    """Raise `Unsupported` where the bench cannot tie the lines that an operation does not use to what is asked."""
    if mode not in capabilities.unselected:
        known = ", ".join(sorted(m.value for m in capabilities.unselected))
        # A driver tells why as an effect of that name.
        why = next((f" ({e.note})" for e in capabilities.effects if e.name == f"unselected_{mode.value}"), "")
        raise Unsupported(
            f"{what}: this bench cannot leave unselected lines at {mode.value!r}{why}; it can: {known}. Choose one of "
            "them as `unselected`"
        )


def count(pulses: int) -> None:
    """Raise `InputError` for a pulse count below 1."""
    if _whole(pulses, "pulse: count") < 1:
        raise InputError(f"pulse: count {pulses} must be at least 1")


def seconds(duration: float) -> None:
    """Raise `InputError` for a wait that is negative or not finite."""
    if not 0 <= duration < float("inf"):
        raise InputError(f"wait: {duration} s must be finite and not below 0")


def product(
    arrays: Sequence[int],
    volts: ArrayLike,
    config: VectorConfig,
    events: ArrayLike | None,
    capabilities: Capabilities,
) -> tuple[tuple[int, ...], NDArray[Any], NDArray[np.uint64] | None]:
    """Return the arguments of a product in the driver's form; see `Bench.mvm` for their meaning."""
    numbers = tuple(array(number, capabilities.arrays) for number in arrays)
    if not numbers or len(set(numbers)) != len(numbers):
        raise InputError(f"mvm: arrays {numbers} must be at least one, each named once")
    values = _array(volts, "mvm: voltages")
    if values.dtype not in (np.float32, np.float64):
        values = _numbers(values, "mvm: voltages")
    if values.ndim != 3 or values.shape[0] != len(numbers) or not 0 < values.shape[2] <= capabilities.rows:
        raise InputError(
            f"mvm: voltages of shape {values.shape} do not fit; give (arrays, batch, rows) = "
            f"({len(numbers)}, any, 1 to {capabilities.rows})"
        )
    columns = capabilities.cols if config.columns is None else _whole(config.columns, "mvm: columns")
    if not 0 < columns <= capabilities.cols:
        raise InputError(f"mvm: {columns} columns asked for; the array has 1 to {capabilities.cols}")
    k = len(numbers)
    _range("input range", config.input_range, ((), (k,)), capabilities.voltage_max, "V")
    output_range = capabilities.current_max if config.output_range is None else config.output_range
    _range("output range", output_range, ((), (k,), (k, columns)), capabilities.current_max, "A")
    return numbers, values, None if events is None else _events(events, values.shape[1])


def _range(name: str, value: ArrayLike, shapes: tuple[tuple[int, ...], ...], largest: float, unit: str) -> None:
    found = _numbers(value, f"mvm: {name}")
    if found.shape not in shapes:
        raise InputError(f"mvm: {name} has shape {found.shape}; it may be one of {shapes}")
    if not (found > 0).all() or not (found <= largest * (1 + 1e-9)).all():
        raise InputError(
            f"mvm: {name} {show(float(found.min()), unit)} to {show(float(found.max()), unit)} must be above 0 and "
            f"at most the converter's {show(largest, unit)}"
        )


def _events(events: ArrayLike, batch: int) -> NDArray[np.uint64]:
    found = _array(events, "mvm: events")
    if found.shape != (batch,) or not np.issubdtype(found.dtype, np.integer) or (found.size and found.min() < 0):
        raise InputError(f"mvm: events must be {batch} integers of 0 or more, not {found.dtype} of shape {found.shape}")
    return found.astype(np.uint64)
