"""Sources: the voltages behind the ends of all lines."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.circuit.network import Network
from xbar.circuit.wires import Floats


@dataclass(frozen=True, eq=False)
class Sources:
    """Voltages behind the ends of lines, one column for each vector: `(rows, batch)` and `(cols, batch)` [V]."""

    left: Floats
    right: Floats
    top: Floats
    bottom: Floats


def boundary_sources(net: Network, v: NDArray[Any]) -> Sources:
    """Return the voltages behind all ends for inputs `v` (batch, rows) [V] and the boundary's constant voltages."""
    ones = np.ones(len(v))
    return Sources(
        net.left.volts[:, None] + net.left.port[:, None] * v.T,
        net.right.volts[:, None] + net.right.port[:, None] * v.T,
        net.top.volts[:, None] * ones,
        net.bottom.volts[:, None] * ones,
    )


def sensed_sources(net: Network, volts: NDArray[Any]) -> Sources:
    """Return sources of `volts` (batch, cols) [V] behind the sensed ends and 0 V behind all others."""
    zero = np.zeros((net.shape[0], len(volts)))
    return Sources(zero, zero, net.top.port[:, None] * volts.T, net.bottom.port[:, None] * volts.T)
