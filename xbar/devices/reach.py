"""Which targets the devices of a card can reach: bounds that differ from device to device, devices that do not move."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbar.devices.card import DeviceCard

DEVICES = 2**16
"""Devices that are drawn: a share is then known to 0.002."""

CLOSE = 1e-9
"""How near a bound still counts as within, relative to the range of the state: rounding."""


def out_of_reach(card: DeviceCard, g: ArrayLike) -> NDArray[np.float64] | None:
    """Return for each target conductance [S] the share of devices, 0 to 1, that cannot be brought to it.

    Those whose own bounds do not enclose it, and those that no pulse moves. None where the card says nothing of it: it
    has no pulse response, or a law of the write error, which was measured on written cells. Before write noise, which
    can make a reading of a device beyond its bounds look right.
    """
    law = card.pulse_response
    if law is None or "programming_error" in dict(card.valid):
        return None
    rng = np.random.default_rng(0)
    z = rng.standard_normal((law.device_normals, DEVICES))
    devices = law.devices(z, rng.random((law.device_uniforms, DEVICES)))
    low, high = (np.asarray(bound, np.float64) for bound in (devices.w_min, devices.w_max))
    # A device that does not move has equal bounds; its place in the middle of the range counts for no target.
    moves = low < high
    wanted = np.asarray(law.state(np.maximum(np.asarray(g, np.float64), 1e-3 * card.g_min)))
    slack = CLOSE * float(abs(law.state(np.array([card.g_max]))[0] - law.state(np.array([card.g_min]))[0]))
    above = np.searchsorted(np.sort(low[moves]), wanted + slack, side="right")
    below = np.searchsorted(np.sort(high[moves]), wanted - slack, side="left")
    return np.asarray(1.0 - (above - below) / DEVICES)
