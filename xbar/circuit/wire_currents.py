"""How lines carry given cell currents to their two ends: the wires alone, without solving the array."""

import numpy as np

from xbar.circuit.ends import near_end
from xbar.circuit.network import FAR_LEAST, Network
from xbar.circuit.wires import Floats


def bottom_currents(net: Network, cells: Floats, volts: tuple[Floats, Floats]) -> Floats:
    """Return the currents that leave bit lines at the bottom `(batch, cols)` [A].

    `cells` (batch, rows, cols): currents from word to bit lines [A]; `volts`: behind the top and the bottom ends,
    each `(cols,)` or `(batch, cols)` [V].
    """
    far, near = net.top.resistance, net.bottom.resistance + net.bit[-1]
    return _near_currents(cells, net.bit, (far, near), volts)


def right_currents(net: Network, cells: Floats, volts: tuple[Floats, Floats]) -> Floats:
    """Return the currents that leave word lines at the right `(batch, rows)` [A].

    `volts`: behind the right and the left ends, each `(rows,)` or `(batch, rows)` [V].
    """
    injected = -cells.transpose(0, 2, 1)[:, ::-1]
    far, near = net.right.resistance, net.left.resistance + net.word[:, 0]
    left = _near_currents(injected, net.word.T[::-1], (far, near), volts)
    found = injected.sum(1) - left
    return np.where(np.isinf(far), 0.0, found)


def _near_currents(injected: Floats, ohm: Floats, ends: tuple[Floats, Floats], volts: tuple[Floats, Floats]) -> Floats:
    """Return what leaves at the near ends of lines: axis 1 of `injected` and axis 0 of `ohm` run from far to near."""
    far, near = ends
    loose = np.isinf(far) & np.isfinite(ohm).all(axis=0)
    if loose.all():
        return np.where(np.isinf(near), 0.0, injected.sum(1))
    with np.errstate(divide="ignore"):
        x = 1 / np.maximum(far, FAR_LEAST)
    flow = injected[:, 0] + x * volts[0]
    for k in range(injected.shape[1] - 1):
        broken = np.isinf(ohm[k])
        share = np.where(broken, 0.0, 1 / (1 + np.where(broken, 0.0, ohm[k]) * x))
        x, flow = share * x, injected[:, k + 1] + share * flow
    ga, ro = near_end(near)
    total = ga + ro * x
    shared = ga * (flow - x * volts[1]) / np.where(total > 0, total, 1.0)
    return np.where(loose, np.where(np.isinf(near), 0.0, injected.sum(1)), shared)
