"""Compliance plateaus of I-V curves: points where the instrument's limit, not the cell, sets the current."""

from typing import Final

import numpy as np

from xbar_calibration.fit import Bools, Floats

SHORTEST: Final = 3
"""Points of the shortest plateau."""
FLAT: Final = 2e-3
"""Change of the current from point to point, relative to the largest, that counts as none."""


def plateaus(voltage: Floats, current: Floats, good: Bools) -> Bools:
    """Return which points `(n,)` lie on a plateau at the largest current of either sign, the voltage still changing."""
    limited = np.zeros(len(good), np.bool_)
    for sign in (1, -1):
        mine = good & (current * sign > 0)
        if mine.sum() < SHORTEST:
            continue
        top = float((current[mine] * sign).max())
        near = mine & (current * sign > (1 - FLAT) * top)
        steady = near & (np.r_[False, np.diff(voltage) != 0] | np.r_[np.diff(voltage) != 0, False])
        edges = np.flatnonzero(np.diff(np.r_[False, steady, False].astype(np.int8)))
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            # A linear cell rises by as much as the voltage does: a plateau rises by far less.
            rise = np.ptp(np.abs(voltage[start:end])) / max(float(np.abs(voltage[start:end]).max()), 1e-300)
            if end - start >= SHORTEST and rise > 5 * FLAT:
                limited[start:end] = True
    return limited
