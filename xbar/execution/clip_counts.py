"""How many conversions clipped, layer by layer: of the input converters and of the output converters.

An input clips where more than half a step beyond the largest code was asked for. An output is counted where its
reading is flagged `OVERRANGE`; where the flag tells of a bit line for a whole batch, those of its readings count whose
code is at an end of the range. A converter that clipped cannot be told from one that stands just at its end: with few
bits some of the latter are counted. Both follow from what was asked for and what came back: a replay counts the same.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.bench.readings import VectorReadings
from xbar.bench.status import Status


@dataclass(frozen=True)
class Clipped:
    """Conversions of one layer, and how many of them clipped."""

    name: str
    inputs: int
    inputs_clipped: int
    outputs: int
    outputs_clipped: int

    @property
    def input_share(self) -> float:
        """Get the share of input conversions that clipped, 0 to 1."""
        return self.inputs_clipped / max(self.inputs, 1)

    @property
    def output_share(self) -> float:
        """Get the share of output conversions that clipped, 0 to 1."""
        return self.outputs_clipped / max(self.outputs, 1)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        names = ("name", "inputs", "inputs_clipped", "outputs", "outputs_clipped")
        return {name: getattr(self, name) for name in names}


@dataclass
class ClipCount:
    """Counts conversions of one layer while it runs."""

    name: str
    _counts: list[int] = field(default_factory=lambda: [0, 0, 0, 0])

    def reset(self) -> None:
        """Begin again."""
        self._counts = [0, 0, 0, 0]

    def see_inputs(self, volts: NDArray[Any], full_scale: float, bits: int | None) -> None:
        """Count input voltages (any shape) [V] for converters of `bits` bits and a range [V]; None: no converter."""
        if bits is None or not volts.size:
            return
        top = (1 << (bits - 1)) - 1
        limit = full_scale * (top + 0.5) / top
        self._counts[0] += volts.size
        # Mostly one side clips, behind a ReLU always.
        if volts.max() > limit:
            self._counts[1] += int(np.count_nonzero(volts > limit))
        if volts.min() < -limit:
            self._counts[1] += int(np.count_nonzero(volts < -limit))

    def see_outputs(self, answer: VectorReadings, bits: int | None) -> None:
        """Count the readings of a product by converters of `bits` bits; None: the bench gives amperes."""
        codes, flags = answer.codes, (answer.status & np.uint32(Status.OVERRANGE)) != 0
        self._counts[2] += codes.size
        if not flags.any():
            return
        axis = codes.ndim - flags.ndim
        whole = axis > 1 or flags.shape[1 - axis] < codes.shape[1]
        where = np.broadcast_to(flags, codes.shape)
        if whole and bits is not None and codes.dtype.kind in "iu":
            top = (1 << (bits - 1)) - 1
            where = where & ((codes >= top) | (codes <= -top))
        self._counts[3] += int(np.count_nonzero(where))

    def result(self) -> Clipped:
        """Return the counts."""
        return Clipped(self.name, *self._counts)
