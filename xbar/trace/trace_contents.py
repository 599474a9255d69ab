"""What a trace holds besides its operations one by one: tables of readings, outputs and targets, embedded files."""

from abc import ABC, abstractmethod
from typing import Any

from numpy.typing import NDArray

from xbar import hdf5
from xbar.trace.checked_columns import CheckedColumns
from xbar.trace.embedded import embedded_files, embedded_sizes, recorded_result
from xbar.trace.selection import Filters, Selection

TimeWindow = tuple[float | None, float | None]
"""Start and end on the bench clock [s]; None is an open end."""


class TraceContents(ABC):
    """Tables and files of a trace, read when they are asked for."""

    _file: Any
    _checked: CheckedColumns

    @property
    def embedded(self) -> dict[str, bytes]:
        """The files that travel with the trace, by name."""
        return embedded_files(hdf5.find(self._file, "run"))

    @property
    def result(self) -> dict[str, Any] | None:
        """What the recorded run gave (JSON values), None where it did not end."""
        return recorded_result(hdf5.find(self._file, "run"))

    @property
    def embedded_sizes(self) -> dict[str, int]:
        """Sizes [bytes] of the files that travel with the trace, by name; the files are not read."""
        return embedded_sizes(hdf5.find(self._file, "run"))

    # ---- tables

    @abstractmethod
    def trusted_rows(self, start: int, count: int) -> NDArray[Any]:
        """Return rows of the operations table from `start` on, at most `count`; none behind the last operation."""

    def reads(
        self, array: int | None = None, cell: tuple[int, int] | None = None, time: TimeWindow | None = None
    ) -> Selection:
        """Return the readings of single cells, those of sweeps included, lazily.

        Args:
            array: readings of this array alone.
            cell: readings of this (row, column) alone.
            time: readings from a start on and before an end, bench clock [s]; None in its place is an open end.

        Raises `InputError` for negative numbers and a time window that ends before it starts.
        """
        return self.select("reads", Filters(array, cell, time))

    def vectors(self, array: int | None = None, time: TimeWindow | None = None, event: int | None = None) -> Selection:
        """Return the output codes of products and the currents that they mean, lazily.

        Args:
            array: outputs of this array alone.
            time: as in `reads`; the time of a product is that of its end.
            event: outputs of the input vector with this event number alone.

        """
        return self.select("vectors", Filters(array, None, time, event))

    def targets(
        self, array: int | None = None, cell: tuple[int, int] | None = None, time: TimeWindow | None = None
    ) -> Selection:
        """Return the cells that program operations were to write, lazily; see `reads` for the arguments."""
        return self.select("targets", Filters(array, cell, time))

    def select(self, table: str, filters: Filters | None = None) -> Selection:
        """Return rows of "operations", "reads", "vectors" or "targets", lazily.

        Raises `UnknownNameError` for another table, `InputError` for filters that it has no column for.
        """
        return Selection(table, self.trusted_rows, self._checked, filters or Filters())
