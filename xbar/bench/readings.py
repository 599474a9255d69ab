"""What a driver answers: readings of single cells, and of whole bit lines by the converters."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CellReadings:
    """Readings of single cells, every field of shape `(n, repeat)`; NaN means not measured."""

    time: Floats
    """Bench clock at the reading [s]."""
    applied: Floats
    """Voltage asked for across the cell, row minus column [V]."""
    voltage: Floats
    """Voltage measured, NaN where the bench does not measure it [V]."""
    current: Floats
    """Current measured [A]."""
    status: NDArray[np.uint32]
    """Flags of `Status`."""
    range: Floats
    """Current range in use, NaN where it is unknown [A]."""

    @property
    def conductance(self) -> Floats:
        """Read conductance, current over applied voltage [S]; NaN where the applied voltage is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.applied == 0, np.nan, self.current / self.applied)


@dataclass(frozen=True, eq=False)
class VectorReadings:
    """What the converters gave for a batch of input vectors on `k` arrays."""

    codes: NDArray[Any]
    """Output codes `(k, batch, cols)`: integers of the converters, or float64 amperes with step 1 and offset 0."""
    step: Floats
    """Current of one code `(k, cols)` [A]."""
    offset: Floats
    """Current of code 0 `(k, cols)` [A]."""
    status: NDArray[np.uint32]
    """Flags of `Status`, a shape that broadcasts to `(k, batch, cols)`."""

    @property
    def current(self) -> Floats:
        """Bit-line currents `codes * step + offset` in float64 `(k, batch, cols)` [A]; the one formula everywhere."""
        return self.codes.astype(np.float64) * self.step[:, None, :] + self.offset[:, None, :]
