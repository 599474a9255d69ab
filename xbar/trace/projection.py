"""One number for each input vector by which a replay tells that the same voltages were asked for."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.random import Purpose, uniforms

TOLERANCE = 1e-4
"""How far a projection may move between record and replay, in parts of the input range.

Rounding in digital segments moves it by 1e-6 V; one step of an 8-bit input converter at 0.2 V by at least 8e-4 V.
"""


@lru_cache(maxsize=64)
def weights(rows: int) -> NDArray[np.float64]:
    """Return the fixed weights of word lines 0 to rows - 1: random signs, magnitudes from 1/2 to 1.

    No weight is small, so no change of a single input is overlooked; all differ, so swapped inputs are seen.
    """
    spread = 2.0 * np.asarray(uniforms(np.zeros(1, np.uint64), 0, rows, 0, Purpose.PROJECTION))[0] - 1.0
    result: NDArray[np.float64] = np.copysign(0.5 + 0.5 * np.abs(spread), spread)
    result.flags.writeable = False
    return result


def project(voltages: NDArray[Any]) -> NDArray[np.float32]:
    """Return the projections `(k, batch)` [V] of voltages `(k, batch, rows)` [V] on the fixed weights.

    float32 voltages are summed in float32: its rounding is about 6e-8 x range x sqrt(rows), far below `TOLERANCE`.
    """
    w = weights(voltages.shape[-1]).astype(np.float32 if voltages.dtype == np.float32 else np.float64)
    # One dot product a vector. A matrix-vector product over the whole batch is no faster on one thread, up to twenty
    # times slower on a busy machine (measured: 0.05 to 1.2 s for 3.4 million vectors, vecdot 0.04 to 0.12 s), and its
    # bits depend on batch and threads.
    return np.asarray(np.vecdot(voltages, w), np.float32)
