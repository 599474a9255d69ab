"""The constant matrix of an analog node: what is stored in cells."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Matrix:
    """Weights of one matrix product, y = x @ weights.

    Equal weights have equal keys, so that weights shared by several nodes are stored once.
    """

    key: str
    """SHA-256 of shape and values, in hexadecimal."""
    weights: NDArray[np.float32]
    """(inputs, outputs), C-contiguous and read-only."""

    @classmethod
    def of(cls, weights: NDArray[np.float32]) -> "Matrix":
        """Make a matrix from finite weights (inputs, outputs)."""
        held = np.array(weights, np.float32, order="C")
        held.setflags(write=False)
        content = hashlib.sha256(repr(held.shape).encode())
        content.update(held.astype("<f4", copy=False).tobytes())
        return cls(content.hexdigest(), held)
