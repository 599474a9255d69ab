"""A growing dataset whose tail stays in memory and is written whole, unfiltered, so that a kill cannot tear it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar import hdf5


class GrowingColumn:
    """Append rows to a one-dimensional dataset; what was appended is on its way to the disk after `flush`.

    A chunk is written as a whole each time: old bytes are overwritten by equal bytes, so a cut harms nothing that was
    there before.
    """

    def __init__(
        self,
        group: Any,
        name: str,
        dtype: Any,
        chunk: int,
        units: str,
        long_name: str,
        filters: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the dataset; `filters` (keywords of h5py) compress it, for a file that nobody reads meanwhile."""
        self.dtype = np.dtype(dtype)
        self._filtered = bool(filters)
        dataset = group.create_dataset(name, (0,), self.dtype, chunks=(chunk,), maxshape=(None,), **(filters or {}))
        hdf5.describe(dataset, units, long_name)
        self.dataset, self.length = dataset, 0
        self._chunk, self._dirty = chunk, False
        self._tail: NDArray[Any] = np.zeros(chunk, self.dtype)

    def append(self, values: NDArray[Any]) -> int:
        """Append `(n,)` values of the column's dtype and return the index of the first."""
        start = self.length
        while len(values):
            used = self.length % self._chunk
            count = min(self._chunk - used, len(values))
            whole = count == self._chunk
            if not whole:
                self._tail[used : used + count] = values[:count]
            block = values[:count] if whole else self._tail
            self.length, values = self.length + count, values[count:]
            if used + count == self._chunk:
                self._put(block)
            else:
                self._dirty = True
        return start

    def _put(self, block: NDArray[Any]) -> None:
        self.dataset.id.set_extent((self.length,))
        first = (self.length - 1) // self._chunk * self._chunk
        if self._filtered:
            self.dataset[first : self.length] = block[: self.length - first]
        else:
            self.dataset.id.write_direct_chunk((first,), block, 0)
        self._dirty = False

    def flush(self) -> None:
        """Give the open tail to HDF5."""
        if self._dirty:
            self._put(self._tail)
