"""Levels of input converters and codes of output converters with errors, as array operations.

The oracle of the compiled passes in `real_kernel.py`, and the way on a GPU.
"""

from typing import Any

import numpy as np

from xbar.namespace import namespace
from xbar.periphery import pipeline_adc


def look_up(codes: Any, table: Any) -> Any:
    """Return what each word line's converter gives for whole-number `codes` (batch, rows), in the type of `codes`.

    `table` (rows, n) holds the levels of the codes -(n - 1) / 2 to (n - 1) / 2.
    """
    if isinstance(codes, np.ndarray):
        from xbar.periphery import real_kernel as kernel

        found = np.empty(codes.shape, codes.dtype)
        kernel.look_up(codes, table, found)
        return found
    return array_look_up(codes, table)


def array_look_up(codes: Any, table: Any) -> Any:
    """Return what `look_up` does, by array operations."""
    xp = namespace(codes)
    rows, count = table.shape
    first = xp.arange(rows, dtype=xp.int64, device=codes.device)[None, :] * count + (count - 1) // 2
    places = xp.reshape(xp.astype(codes, xp.int64) + first, (-1,))
    return xp.astype(xp.reshape(xp.take(xp.reshape(table, (-1,)), places), codes.shape), codes.dtype)


def transition_codes(inputs: Any, transitions: Any) -> Any:
    """Return float64 codes of `inputs` (batch, cols) float64 [LSB]: from -n / 2 to n / 2 for `n` transitions.

    `transitions` (cols, n) never fall along a row; the code grows by 1 at each.
    """
    if isinstance(inputs, np.ndarray):
        from xbar.periphery import real_kernel as kernel

        found = np.empty(inputs.shape)
        kernel.transition_codes(inputs, transitions, found)
        return found
    return array_transition_codes(inputs, transitions)


def array_transition_codes(inputs: Any, transitions: Any) -> Any:
    """Return what `transition_codes` does, by array operations: a binary search of all inputs at once."""
    xp = namespace(inputs)
    cols, count = transitions.shape
    flat = xp.reshape(transitions, (-1,))
    first = xp.arange(cols, dtype=xp.int64, device=inputs.device)[None, :] * count
    found = xp.astype(inputs * 0.0, xp.int64)
    step = 1 << (count.bit_length() - 1)
    while step:
        probe = found + step
        inside = xp.where(probe <= count, probe, found * 0 + count)
        at = xp.reshape(xp.take(flat, xp.reshape(first + inside - 1, (-1,))), inputs.shape)
        found = xp.where((probe <= count) & (inputs >= at), probe, found)
        step //= 2
    return xp.astype(found, xp.float64) - float(count // 2)


def pipeline_codes(inputs: Any, gains: Any) -> Any:
    """Return float64 codes of a pipeline converter for `inputs` (batch, cols) [LSB] and `gains` (stages, cols)."""
    if isinstance(inputs, np.ndarray):
        from xbar.periphery import real_kernel as kernel

        found = np.empty(inputs.shape)
        kernel.pipeline_codes(inputs, gains, found)
        return found
    return pipeline_adc.codes(inputs, gains)
