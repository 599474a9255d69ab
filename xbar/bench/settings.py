"""How a read, a product or a pulse is to be done: what travels with an operation."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray


class Unselected(Enum):
    """What the lines that an operation does not use are tied to."""

    FLOAT = "float"
    GROUND = "ground"
    HALF = "half"
    THIRD = "third"


@dataclass(frozen=True)
class ReadConfig:
    """How single cells are read."""

    voltage: float = 0.2
    """Read voltage across the cell, row minus column [V]."""
    repeat: int = 1
    """Readings of each cell, at least 1."""
    settle: float = 0.0
    """Wait between applying the voltage and measuring [s]."""
    current_limit: float | None = None
    """Compliance [A]; None takes the bench's limit."""
    current_range: float | None = None
    """Measuring range [A]; None lets the bench choose."""
    unselected: Unselected = Unselected.GROUND


@dataclass(frozen=True, eq=False)
class VectorConfig:
    """Ranges of the converters for a product; each a scalar, `(k,)` or, for the output, `(k, columns)`."""

    input_range: float | NDArray[np.float64] = 0.2
    """Voltage of the DAC's largest code [V]."""
    output_range: float | NDArray[np.float64] | None = None
    """Current of the ADC's largest code [A]; None takes the largest that the bench can measure."""
    columns: int | None = None
    """Bit lines to convert, counted from the first; None converts all of them."""


@dataclass(frozen=True)
class Pulse:
    """A write pulse on one cell."""

    voltage: float
    """Amplitude across the cell, row minus column [V]."""
    width: float
    """Width at half amplitude [s]."""
    rise: float = 0.0
    """Rise time [s]."""
    fall: float = 0.0
    """Fall time [s]."""
    current_limit: float = 1e-3
    """Compliance during the pulse [A]."""
    gate: float | None = None
    """Gate voltage of the access transistor [V]; None where there is none."""
    unselected: Unselected = Unselected.HALF
