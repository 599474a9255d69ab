"""The closed forms of the pulse response, as functions of a state between -1 and 1, and the trains that they give."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from xbar_calibration.fit import Floats
from xbar_calibration.pulse_train_kernel import curved_train


@dataclass(frozen=True)
class PulseForm:
    """Steps up and down at states w in units where the bounds are -1 and 1."""

    kind: str
    up: Callable[[Floats, Floats], Floats]
    """Step of a SET pulse, above 0, by the parameters of SET and w."""
    names: tuple[str, ...]
    """Parameters of one direction; the first is the step at w = 0."""
    start: tuple[float, ...]
    """First values of the parameters behind the step."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    free_bounds: bool
    """Whether the bounds shape the steps: they are then fitted, else they are the ends of the data."""

    def step(self, p: Floats, w: Floats, sign: int) -> Floats:
        """Return the change of w by one pulse; a RESET is a SET seen from the other end."""
        return np.asarray(sign * np.maximum(self.up(p, sign * w), 0.0))


def _power(p: Floats, w: Floats) -> Floats:
    return np.asarray(p[0] * np.clip((1 - w) / 2, 0.0, None) ** p[1])


FORMS: tuple[PulseForm, ...] = (
    PulseForm("constant_step", lambda p, w: p[0] + 0 * w, ("step",), (), (), (), False),
    PulseForm("soft_bounds", lambda p, w: p[0] * (1 - w), ("step",), (), (), (), True),
    PulseForm("linear_step", lambda p, w: p[0] * (1 - p[1] * w), ("step", "gamma"), (0.5,), (0.0,), (10.0,), False),
    PulseForm("power_step", _power, ("step", "gamma"), (1.0,), (0.0,), (12.0,), True),
    PulseForm(
        "exponential_step",
        lambda p, w: p[0] * (1 - p[2] * np.exp(np.clip(p[1] * w, -50, 50))),
        ("step", "gamma", "amplitude"),
        (1.0, 0.3),
        (-8.0, -500.0),
        (8.0, 0.999),
        False,
    ),
)
"""The forms of xbar's cards; their source is named in `xbar.devices.pulse_shapes`."""


def train(form: PulseForm, p: Floats, w0: Floats, sign: int, pulses: int, every: int = 1) -> Floats:
    """Return the states `(pulses + 1, trains)` of trains of pulses without noise that begin at `w0` `(trains,)`."""
    found = np.empty((pulses + 1, len(w0)))
    found[0] = w0
    if form.kind in ("constant_step", "soft_bounds", "linear_step"):
        # Affine maps: w -> w + s (1 - g w sign) sign has the closed form of a geometric series.
        slope = {"constant_step": 0.0, "soft_bounds": 1.0}.get(form.kind, float(p[-1]))
        count = every * np.arange(1, pulses + 1)[:, None]
        ratio = 1 - p[0] * slope
        if abs(slope) > 1e-9:
            end = sign / slope
            found[1:] = end + (w0 - end) * np.clip(ratio, 0.0, None) ** count
        else:
            found[1:] = w0 + sign * p[0] * count
        return found if form.free_bounds else np.clip(found, -1.0, 1.0)
    power = form.kind == "power_step"
    return np.asarray(curved_train(power, p, np.asarray(w0, np.float64), sign, pulses, every))
