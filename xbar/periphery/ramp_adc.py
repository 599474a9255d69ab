"""Transitions of a ramp converter: one ramp for all columns of an array, a comparator and a counter for each.

A ramp from a current source with a finite output resistance is V(u) = (1 - exp(-e u)) / e = u - e u**2 / 2 + ... for
the part u of the sweep: a parabola, in its first term. Its slope and its bow are what errs here; comparators have
offsets of their own (`offset_sigma` of the converter).

Source: the two terms of that series; that ramp and generator are shared by an array, and comparators are not: M. Spear
et al., IEEE JXCDC 2023, doi 10.1109/JXCDC.2023.3315134.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def transitions(code_max: int, slope_error: float, curvature: float) -> Floats:
    """Return the inputs `(2 * code_max,)` [LSB] at which the code becomes -code_max + 1, ..., code_max.

    Args:
        code_max: largest code.
        slope_error: relative error of the slope; the ramp starts half a step below the smallest code.
        curvature: bow in the middle of the ramp, from the line through its ends [LSB].

    """
    ideal = np.arange(-code_max + 1, code_max + 1) - 0.5
    swept = ideal + code_max + 0.5
    part = swept / (2 * code_max + 1)
    return np.asarray(ideal + slope_error * swept + 4 * curvature * part * (1 - part))
