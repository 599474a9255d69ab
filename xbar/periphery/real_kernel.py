"""Compiled passes of converters with errors over blocks of NumPy arrays; `real_codes.py` is their oracle, bit for bit.

fastmath stays off: contraction and reordering change bits.
"""

import numba as nb
import numpy as np

F64, I64 = np.float64, np.int64


@nb.njit(nogil=True, error_model="numpy", cache=True)
def look_up(codes, table, levels):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    """Fill `levels` (batch, rows) with what each word line's converter gives for `codes`: `table` (rows, codes)."""
    middle = (table.shape[1] - 1) // 2
    for b in range(codes.shape[0]):
        for i in range(codes.shape[1]):
            levels[b, i] = table[i, I64(codes[b, i]) + middle]


@nb.njit(nogil=True, error_model="numpy", cache=True)
def transition_codes(inputs, transitions, codes):  # type: ignore[no-untyped-def]  # compiled
    """Fill `codes` (batch, cols) float64: transitions `(cols, n)` at or below the input, less half of their number."""
    count = transitions.shape[1]
    middle = count // 2
    for b in range(inputs.shape[0]):
        for j in range(inputs.shape[1]):
            x = inputs[b, j]
            # From where an ideal converter would stand: a step or two away, for any but the worst.
            found = I64(min(max(np.floor(x + 0.5) + F64(middle), 0.0), F64(count)))
            while found < count and x >= transitions[j, found]:
                found += 1
            while found > 0 and x < transitions[j, found - 1]:
                found -= 1
            codes[b, j] = F64(found - middle)


@nb.njit(nogil=True, error_model="numpy", cache=True)
def pipeline_codes(inputs, gains, codes):  # type: ignore[no-untyped-def]  # compiled
    """Fill `codes` (batch, cols) float64 as `pipeline_adc.codes` does; `gains` (stages, cols)."""
    count = gains.shape[0]
    top = F64(2**count - 1)
    scale = 1.0 / F64(2**count)
    for b in range(inputs.shape[0]):
        for j in range(inputs.shape[1]):
            r = (inputs[b, j] + 0.5) * scale
            code, weight = 0.0, F64(2 ** (count - 1))
            for stage in range(count):
                decided = 0.0
                if r >= 0.25:
                    decided = 1.0
                elif r < -0.25:
                    decided = -1.0
                code += decided * weight
                weight *= 0.5
                r = gains[stage, j] * (r - decided * 0.5)
            if r < 0.0:
                code -= 1.0
            codes[b, j] = min(max(code, -top), top)
