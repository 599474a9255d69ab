"""Long trains of pulses, compiled: each pulse begins where the last one ended."""

import numba
import numpy as np

from xbar_calibration.fit import Floats


@numba.njit(cache=True)
def curved_train(power: bool, p: Floats, w0: Floats, sign: int, pulses: int, every: int) -> Floats:
    """Return the states `(pulses + 1, trains)` of power steps or exponential ones from `w0` `(trains,)`."""
    found = np.empty((pulses + 1, len(w0)))
    for k in range(len(w0)):
        w = w0[k]
        found[0, k] = w
        for i in range(pulses):
            for _ in range(every):
                seen = sign * w
                if power:
                    step = p[0] * max((1 - seen) / 2, 0.0) ** p[1]
                else:
                    step = p[0] * (1 - p[2] * np.exp(min(max(p[1] * seen, -50.0), 50.0)))
                w = min(max(w + sign * max(step, 0.0), -1.0), 1.0)
            found[i + 1, k] = w
    return found
