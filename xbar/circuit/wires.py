"""Wires: the resistance of line segments, of the sources and of the sensing."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbar.circuit.real_numbers import real_numbers
from xbar.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Wires:
    """Resistances of an array's wires [ohm]: 0 is exact, infinity a broken segment or an end without connection.

    A number holds for every segment, those between an end and its nearest cell among them. An array gives each
    segment its own value; arrays are copied. Raises `InputError` for a negative resistance, NaN, or a wrong number of
    axes; shapes are checked where the array's is known.
    """

    word: ArrayLike
    """Word-line segments: a number, or `(rows, cols)`: `word[i, j]` lies left of cell (i, j), or `(rows, cols + 1)`
    with the segment right of the last cell behind them; an array needs that one where a right end is connected."""
    bit: ArrayLike
    """Bit-line segments: a number, or `(rows, cols)`: `bit[i, j]` lies below cell (i, j), or `(rows + 1, cols)` with
    the segment above the first cell before them; an array needs that one where a top end is connected."""
    source: ArrayLike = 0.0
    """Resistance between a source and its word line: a number or `(rows,)`."""
    sense: ArrayLike = 0.0
    """Resistance between a bit line and what senses or biases it: a number or `(cols,)`."""

    def __post_init__(self) -> None:
        """Copy and check every value."""
        for name, axes in (("word", 2), ("bit", 2), ("source", 1), ("sense", 1)):
            object.__setattr__(self, name, resistances(getattr(self, name), name, axes))

    def word_segments(self, rows: int, cols: int, far: bool) -> Floats:
        """Return the word-line segments `(rows, cols + 1)`; `far`: some right end is connected.

        Raises `InputError` where the array has another shape.
        """
        return _segments(np.asarray(self.word, float), (rows, cols), 1, far)

    def bit_segments(self, rows: int, cols: int, far: bool) -> Floats:
        """Return the bit-line segments `(rows + 1, cols)`; `far`: some top end is connected.

        Raises `InputError` where the array has another shape.
        """
        return _segments(np.asarray(self.bit, float), (rows, cols), 0, far)


def resistances(value: Any, name: str, axes: int) -> Floats:
    """Return resistances [ohm] as a read-only copy: a number, or an array of `axes` axes.

    Raises `InputError` for anything else, for NaN and for negative values.
    """
    try:
        array: Floats = np.array(real_numbers(value, f"resistances `{name}`"))
    except InputError as error:
        raise InputError(f"resistance `{name}` is {value!r}; give numbers in ohm") from error
    if array.ndim not in (0, axes):
        raise InputError(f"resistance `{name}` has {array.ndim} axes; give a number or an array of {axes} axes [ohm]")
    if np.isnan(array).any() or (array < 0).any():
        bad = array[np.isnan(array) | (array < 0)].flat[0]
        raise InputError(f"resistance `{name}` holds {bad:g} ohm; 0 to infinity (a broken wire) is possible")
    array.flags.writeable = False
    return array


def _segments(array: Floats, shape: tuple[int, int], axis: int, far: bool) -> Floats:
    full = (shape[0], shape[1] + 1) if axis == 1 else (shape[0] + 1, shape[1])
    name, side, last = ("word", "right", "right of the last cells") if axis == 1 else ("bit", "top", "above the first")
    if array.ndim == 0 or array.shape == full:
        return np.broadcast_to(array, full)
    if array.shape != shape:
        raise InputError(f"`{name}` has the shape {array.shape}; for {shape} cells it is {shape} or {full}")
    if far:
        raise InputError(
            f"`{name}` has the shape {shape}, but a {side} end is connected: the segments {last} are missing; "
            f"give {full}"
        )
    gap = np.zeros((shape[0], 1) if axis == 1 else (1, shape[1]))
    return np.concatenate([array, gap] if axis == 1 else [gap, array], axis=axis)
