"""Rows of a column of any length through a small block in memory."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar import hdf5
from xbar.errors import FormatError
from xbar.trace.schema import CODE_TYPES, COLUMNS, FORMAT, INPUT_CODE_TYPES, OPERATION, VERSION

_TYPES = {"data/codes": CODE_TYPES, "data/input_codes": INPUT_CODE_TYPES}
"""Columns that may have several types."""
AHEAD_BYTES = 2**18
"""What is read at once where less is asked for: neighbours come next."""


class Window:
    """Read rows of a one-dimensional dataset as it was when the window was made."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.length = int(dataset.shape[0])
        self.dtype = np.dtype(dataset.dtype)
        self._first = 0
        self._block: NDArray[Any] = np.zeros(0, self.dtype)

    def refresh(self) -> None:
        """See rows that the writer added since, and what was read before as it is now."""
        self.dataset.refresh()
        self.length = int(self.dataset.shape[0])
        self._block = np.zeros(0, self.dtype)

    def read(self, start: int, count: int) -> NDArray[Any]:
        """Return rows `start` to `start + count`, which must exist. The array may be shared: copy it to keep it.

        Raises `OSError` or `RuntimeError` where the file is damaged.
        """
        stop = start + count
        ahead = AHEAD_BYTES // self.dtype.itemsize
        if count >= ahead:
            return np.asarray(self.dataset[start:stop])
        if not self._first <= start <= stop <= self._first + len(self._block):
            end = min(self.length, start + ahead)
            try:
                self._block = self.dataset[start:end]
            except (OSError, RuntimeError):  # a damaged chunk further on must not hide the rows before it
                self._block = self.dataset[start:stop]
            self._first = start
        return self._block[start - self._first : stop - self._first]


def open_windows(path: Path, run: Any) -> tuple[dict[str, Window], Window]:
    """Return a window on each column below `/run` and on the operations table.

    Raises `FormatError` for a column that is missing, lies outside the file or has another type than the schema says.
    """
    windows = {}
    for column in COLUMNS:
        window = Window(hdf5.find_dataset(run, column.path, kinds="iuf", ndim=1))
        allowed = _TYPES.get(column.path, (column.dtype,))
        if window.dtype not in [np.dtype(dtype) for dtype in allowed]:
            raise FormatError(f"{path}: {column.path} is {window.dtype}; expected is {' or '.join(allowed)}")
        windows[column.path] = window
    operations = Window(hdf5.find_dataset(run, "operations", kinds="V", ndim=1))
    if operations.dtype != OPERATION:
        raise FormatError(f"{path}: operations has other fields than schema {FORMAT}{VERSION}; the file is damaged")
    return windows, operations
