"""Accuracy of a classifier, and the paired difference between two runs of it on the same samples."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.errors import InputError

Z95 = 1.959963984540054
"""97.5 % quantile of the standard normal."""


@dataclass(frozen=True)
class Accuracy:
    """Share of samples that the digital and the analog network classify right, on the same samples."""

    digital: float
    analog: float
    difference: float
    """analog - digital."""
    ci95: tuple[float, float]
    """95 % confidence interval of the difference over samples: each sample counts as a pair (normal approximation)."""
    n: int
    """Samples."""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "digital": self.digital,
            "analog": self.analog,
            "difference": self.difference,
            "ci95": list(self.ci95),
            "n": self.n,
        }


def correct(outputs: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which samples are classified right: `outputs` (samples, classes), `labels` (samples,) whole numbers.

    Raises `InputError` where shapes do not fit or a label is not a class.
    """
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"labels must be whole numbers of shape (samples,), not {labels.dtype} of shape {labels.shape}"
        )
    if outputs.ndim != 2 or len(outputs) != len(labels):
        raise InputError(
            f"labels {labels.shape} do not fit the network's first output {outputs.shape}; accuracy needs "
            "(samples, classes). Leave `y` out of the data to run without accuracy"
        )
    if labels.size and not 0 <= int(labels.min()) <= int(labels.max()) < outputs.shape[1]:
        raise InputError(
            f"labels go from {labels.min()} to {labels.max()}; the network has classes 0 to {outputs.shape[1] - 1}"
        )
    return np.asarray(outputs.argmax(axis=1) == labels)


def compare(digital: NDArray[np.bool_], analog: NDArray[np.bool_]) -> Accuracy:
    """Return both accuracies and their paired difference; both arrays are (samples,)."""
    pairs = analog.astype(np.float64) - digital.astype(np.float64)
    n = len(pairs)
    mean = float(pairs.mean())
    half = Z95 * float(pairs.std(ddof=1)) / math.sqrt(n) if n > 1 else float("nan")
    return Accuracy(float(digital.mean()), float(analog.mean()), mean, (mean - half, mean + half), n)


@dataclass(frozen=True)
class Spread:
    """Mean of a figure over chips, its standard deviation, and the 95 % interval of the mean (Student's t)."""

    mean: float
    std: float
    ci95: tuple[float, float]
    chips: int

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; what one chip cannot tell is None."""
        several = self.chips > 1
        return {
            "mean": self.mean,
            "std": self.std if several else None,
            "ci95": list(self.ci95) if several else None,
            "chips": self.chips,
        }


def spread(values: Sequence[float]) -> Spread:
    """Return mean, standard deviation and interval of a figure over chips (at least one)."""
    from scipy.special import stdtrit  # half a second of import that a single chip does not need

    array = np.asarray(values, np.float64)
    n = len(array)
    if n < 2:
        return Spread(float(array[0]), float("nan"), (float("nan"), float("nan")), n)
    std = float(array.std(ddof=1))
    half = float(stdtrit(n - 1, 0.975)) * std / math.sqrt(n)
    return Spread(float(array.mean()), std, (float(array.mean()) - half, float(array.mean()) + half), n)
