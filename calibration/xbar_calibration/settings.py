"""What a calibration is told beside the data."""

from dataclasses import dataclass

import numpy as np

from xbar.errors import InputError


@dataclass(frozen=True)
class Settings:
    """What a calibration is told beside the data; None is taken from the data."""

    hold_out: float = 0.3
    """Share of the cells that no fit sees, 0 to below 1."""
    g_min: float | None = None
    """[S]."""
    g_max: float | None = None
    """[S]."""
    read_voltage: float | None = None
    """[V]."""
    t_read: float | None = None
    """Duration of one reading, for 1/f noise [s]."""
    t0: float | None = None
    """Constant of the drift law [s]; None fits it."""
    seed: int = 0
    """Of the choice which cells are held out."""

    def __post_init__(self) -> None:
        if not 0 <= self.hold_out < 1:
            raise InputError(
                f"hold-out {self.hold_out:g}: give a share of the cells from 0 to below 1, for example 0.3"
            )
        for name in ("g_max", "read_voltage", "t_read", "t0"):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value > 0):
                raise InputError(f"{name} is {value:g}; it must be above 0")
