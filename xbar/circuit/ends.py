"""Ends of lines as coefficients, and which of their currents are the result."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.circuit.network import Network
from xbar.circuit.wires import Floats

CUT = 1e30
"""Stands for a broken segment in the bit-line ladders [ohm]: what it leaves of a current, 1e-26 of it, rounds away."""


def near_end(resistance: Floats) -> tuple[Floats, Floats]:
    """Return (ga, ro) of near ends: ga (source - voltage) = ro current, (1, R) connected, (0, 1) open."""
    loose = np.isinf(resistance)
    return np.where(loose, 0.0, 1.0), np.where(loose, 1.0, resistance)


def combine(net: Network, total: NDArray[Any], near: NDArray[Any]) -> NDArray[Any]:
    """Return the currents that leave at sensed ends from sums of cell currents and currents at bottom ends.

    With one connected end, and no broken segment, the sum is the current: it cancels nothing. `(cols, ...)` each.
    """
    bottom, top = net.bottom.port, net.top.port
    alone = np.isinf(net.top.resistance) & np.isfinite(net.bit).all(axis=0)
    shape = (-1,) + (1,) * (total.ndim - 1)
    if (bottom & (top | alone)).all():
        return total
    whole = (bottom & (top | alone)).reshape(shape)
    return np.where(whole, total, np.where(bottom.reshape(shape), near, np.where(top.reshape(shape), total - near, 0)))
