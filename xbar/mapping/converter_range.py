"""Ranges of the converters: from calibration data, or from the conductances alone where there are none."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MARGIN = 1.05
"""Room above the largest calibration current, for programming error and read noise."""

SPREAD = 4.0
"""Standard deviations above the mean current that the rule without data leaves."""

CALIBRATED = (
    "inputs: one range for each layer, the largest calibration value; outputs: one range for each bit line, "
    f"the largest calibration current of the ideal product times {MARGIN}"
)
UNCALIBRATED = (
    "no calibration data. Inputs: each vector is scaled to the whole range; outputs: for inputs of one sign spread "
    f"evenly over the range, mean plus {SPREAD:g} standard deviations, at most the sum of a bit line. "
    "--calibrate DATA.npz measures them instead"
)


def expected_range(targets: Floats, read_voltage: float) -> Floats:
    """Return output ranges `(tiles, columns)` [A] for targets `(tiles, rows, columns)` [S], without data.

    Inputs are taken as independent and even over 0 to `read_voltage` [V]: mean V/2, variance V^2/12 each.
    """
    total = targets.sum(axis=1)
    spread = np.sqrt(np.square(targets).sum(axis=1) / 12)
    return _at_least(read_voltage * np.minimum(total / 2 + SPREAD * spread, total))


@dataclass
class RangeRecord:
    """Largest input and bit-line currents that a layer sees over the calibration data."""

    targets: NDArray[np.float32]
    """Conductances `(down, across, rows, columns)` [S] of the layer's tiles."""
    largest_input: float = 0.0
    """Largest |input| so far [network units]."""
    largest_sum: NDArray[np.float32] | None = None
    """Largest |sum of input x conductance| so far `(down, across, columns)` [network units x S]."""

    def see(self, inputs: NDArray[np.float32]) -> None:
        """Take a batch of inputs `(vectors, down * rows)` [network units] into account."""
        if not inputs.size:
            return
        self.largest_input = max(self.largest_input, float(np.abs(inputs).max()))
        down, across, rows, columns = self.targets.shape
        sums = np.empty((down, across, columns), np.float32)
        for d in range(down):
            for a in range(across):
                current = inputs[:, d * rows : (d + 1) * rows] @ self.targets[d, a]
                sums[d, a] = np.abs(current).max(axis=0)
        self.largest_sum = sums if self.largest_sum is None else np.maximum(self.largest_sum, sums)

    def ranges(self, read_voltage: float) -> tuple[float, Floats]:
        """Return the input that takes the whole read voltage, and output ranges `(tiles, columns)` [A]."""
        down, across, _, columns = self.targets.shape
        largest = self.largest_input or 1.0
        if self.largest_sum is None:
            return largest, expected_range(
                self.targets.reshape(-1, *self.targets.shape[2:]).astype(np.float64), read_voltage
            )
        current = self.largest_sum.reshape(down * across, columns).astype(np.float64) * (read_voltage / largest)
        return largest, _at_least(current * MARGIN)


def _at_least(ranges: Floats) -> Floats:
    """Return ranges above 0: a bit line that carried nothing still needs one, a thousandth of the layer's largest."""
    floored: Floats = np.maximum(ranges, max(float(ranges.max()) * 1e-3, 1e-15))
    return floored
