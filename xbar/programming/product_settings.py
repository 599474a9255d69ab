"""How cells are written so that the products of their array come out right: inputs, tolerance, pulses, when it ends."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.programming.write_settings import WriteVerify


@dataclass(frozen=True, eq=False)
class ProductDescent:
    """How the error of products is brought down."""

    write: WriteVerify | None = None
    """Pulses that move cells, and their rules for giving up; its band is not asked. None writes in one shot."""
    inputs: NDArray[Any] | None = None
    """Input vectors `(n, rows)` [V] of which the products are to be right, at least three for each word line that is
    used; rows beyond them stand at 0 V. None draws them evenly within plus and minus `input_range`."""
    input_range: float = 0.2
    """Voltage of the DAC's largest code [V]."""
    vectors: int | None = None
    """Vectors of each round where `inputs` is None; None for 8 for each word line that is used."""
    tolerance: float | None = None
    """Error of a cell that is left alone [S]; None for half of what the noise of a product amounts to."""
    max_rounds: int = 200
    """Measurements of all products, each with a write of the cells that are off."""
    max_writes: int = 30
    """One-shot writes after which a cell is given up."""
    patience: int = 40
    """Rounds in a row that may pass without a smaller error."""
    output_range: float | None = None
    """Current of the ADC's largest code [A]; None takes for each bit line what its wanted products need."""
    seed: int = 0
    """Number of the drawn inputs."""

    @property
    def fields_at_least_one(self) -> dict[str, int]:
        """Get the numbers that must be 1 or more, by name."""
        return {name: int(getattr(self, name)) for name in ("max_rounds", "max_writes", "patience")}


def even_inputs(vectors: int, rows: int, largest: float, seed: int) -> NDArray[np.float64]:
    """Return vectors `(vectors, rows)` [V] drawn evenly within plus and minus `largest`."""
    return np.random.default_rng(seed).uniform(-largest, largest, (vectors, rows))
