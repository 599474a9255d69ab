"""Hashes of data, by which a replay knows them again."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]


def data_hash(inputs: Arrays, labels: NDArray[Any] | None) -> str:
    """Return a hash of names, types, shapes and values of the data."""
    digest = hashlib.sha256()
    for name, array in sorted({**inputs, **({} if labels is None else {"y": labels})}.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
