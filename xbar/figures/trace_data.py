"""What a trace tells about one array, collected in one pass: targets, readings of cells, products, the time line."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from xbar.bench.operation import Operation, OperationKind, Request
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.errors import FormatError
from xbar.figures.array_figure import mean_of_repeats

Floats = NDArray[np.float64]

SAMPLES = 4096
"""Codes of one array and one product that its distribution is taken from; all are looked at for the ends."""
QUANTILES = (0.05, 0.5, 0.95)
"""Quantiles of the output currents of one product."""
BINS = 41
"""Bins of output codes over the range of the converter; odd, so that code 0 has a bin of its own."""
MAX_CELLS = 2**26
"""Most cells of one array that is drawn: a file may claim any size."""


@dataclass(frozen=True, eq=False)
class Reads:
    """One read operation: the mean over the repeats of each cell, readings with a status left out."""

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    time: Floats
    """Bench clock `(n,)` [s]."""
    conductance: Floats
    """Read conductance `(n,)` [S]."""


@dataclass(eq=False)
class CellHistory:
    """What happened to the cells of one array."""

    shape: tuple[int, int]
    target: Floats
    """Last target (rows, cols) [S], NaN where there is none."""
    written: Floats
    """Bench clock at the end of the last write or pulse (rows, cols) [s], NaN where there was none."""
    reads: list[Reads] = field(default_factory=list)
    sweeps: list[tuple[tuple[int, int], CellReadings]] = field(default_factory=list)

    def first_reads(self) -> tuple[Floats, Floats]:
        """Return the first reading of each cell after its last write (rows, cols) [S] and its age then [s].

        NaN where a cell was not read since, and for the age where its write is not in the trace.
        """
        found, age = np.full(self.shape, np.nan), np.full(self.shape, np.nan)
        for reads in reversed(self.reads):
            since, fresh = self.since_write(reads)
            where = (reads.row[fresh], reads.column[fresh])
            found[where], age[where] = reads.conductance[fresh], since[fresh]
        return found, age

    def since_write(self, reads: Reads) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the time since the last write `(n,)` [s], and which readings came after it and are numbers."""
        since = reads.time - self.written[reads.row, reads.column]
        return since, np.isfinite(reads.conductance) & ~(since < 0)


@dataclass(eq=False)
class ProductHistory:
    """What the converters of one array gave."""

    time: list[float] = field(default_factory=list)
    """Bench clock at the end of each product [s]."""
    quantiles: list[Floats] = field(default_factory=list)
    """`QUANTILES` of the output currents of each product [A]."""
    bins: Floats = field(default_factory=lambda: np.zeros(BINS))
    """Sampled codes in `BINS` bins over the range of the converter; zeros where the bench gives amperes."""
    at_end: int = 0
    """Codes at the ends of the converter."""
    codes: int = 0


@dataclass(eq=False)
class TraceData:
    """A trace, collected."""

    size: tuple[int, int]
    """Word lines and bit lines of an array."""
    code_max: int | None
    """Largest output code; None where the bench gives amperes."""
    cells: dict[int, CellHistory] = field(default_factory=dict)
    products: dict[int, ProductHistory] = field(default_factory=dict)
    times: list[tuple[OperationKind, float, float]] = field(default_factory=list)
    """Kind, start and end on the bench clock [s] of every operation."""

    @property
    def arrays(self) -> list[int]:
        """Get the arrays that were programmed, read, swept or multiplied on."""
        return sorted(self.cells.keys() | self.products.keys())

    def most_told(self) -> int | None:
        """Return the array with the most readings of cells, else the most targets, else codes; None without any."""

        def told(array: int) -> tuple[int, int, int, int]:
            cells, products = self.cells.get(array), self.products.get(array)
            read = 0 if cells is None else sum(len(r.row) for r in cells.reads) + len(cells.sweeps)
            aimed = 0 if cells is None else int(np.isfinite(cells.target).sum())
            return read, aimed, 0 if products is None else products.codes, -array

        return max(self.arrays, key=told, default=None)


def collect(operations: Iterable[Operation], size: tuple[int, int], adc_bits: int | None) -> TraceData:
    """Go through the operations of a trace and keep what figures need.

    Args:
        operations: a trace.
        size: word lines and bit lines of an array.
        adc_bits: bits of the output converters, sign included; None where the bench gives amperes.

    Raises:
        FormatError: an array too large to draw, or cells beyond it.

    """
    if size[0] * size[1] > MAX_CELLS:
        raise FormatError(
            f"arrays of {size[0]} x {size[1]} cells are too large to draw; the limit is {MAX_CELLS} cells"
        )
    data = TraceData(size, None if adc_bits is None else 2 ** (adc_bits - 1) - 1)
    for operation in operations:
        data.times.append((operation.request.kind, operation.started, operation.ended))
        if operation.error is None:
            _take(data, operation)
    return data


def _take(data: TraceData, operation: Operation) -> None:
    request, readings = operation.request, operation.readings
    if isinstance(readings, VectorReadings):
        for place, array in enumerate(request.arrays):
            history = data.products.setdefault(array, ProductHistory())
            _take_product(history, readings, place, operation.ended, data.code_max)
        return
    if not request.arrays:
        return
    cells = _history(data, request.arrays[0])
    if request.targets is not None:
        if request.targets.shape != cells.shape:
            raise FormatError(
                f"targets {request.targets.shape} do not fit arrays of {cells.shape}; the trace is damaged"
            )
        aimed = ~np.isnan(request.targets)
        cells.target[aimed], cells.written[aimed] = request.targets[aimed], operation.ended
        return
    places = _places(request, cells.shape)
    if request.kind is OperationKind.PULSE:
        cells.written[places] = operation.ended
    elif isinstance(readings, CellReadings) and request.kind is OperationKind.SWEEP and len(places[0]):
        cells.sweeps.append(((int(places[0][0]), int(places[1][0])), readings))
    elif isinstance(readings, CellReadings):
        good = np.where(readings.status == 0, readings.conductance, np.nan)
        cells.reads.append(Reads(*places, mean_of_repeats(readings.time), mean_of_repeats(good)))


def _history(data: TraceData, array: int) -> CellHistory:
    if array not in data.cells:
        data.cells[array] = CellHistory(data.size, np.full(data.size, np.nan), np.full(data.size, np.nan))
    return data.cells[array]


def _places(request: Request, shape: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    cells = np.zeros((0, 2), np.int64) if request.cells is None else np.asarray(request.cells, np.int64)
    if ((cells < 0) | (cells >= np.asarray(shape))).any():
        raise FormatError(f"a cell lies beyond the array of {shape[0]} x {shape[1]} cells; the trace is damaged")
    return cells[:, 0], cells[:, 1]


def _take_product(
    history: ProductHistory, readings: VectorReadings, place: int, ended: float, code_max: int | None
) -> None:
    codes = readings.codes[place]
    if not codes.size:
        return
    step = -(-len(codes) // max(1, SAMPLES // codes.shape[1]))
    some = codes[::step].astype(np.float64)
    currents = some * readings.step[place] + readings.offset[place]
    history.time.append(ended)
    history.quantiles.append(np.quantile(currents, QUANTILES))
    history.codes += codes.size
    if code_max is not None:
        history.at_end += int(np.count_nonzero((codes >= code_max) | (codes <= -code_max)))
        relative = np.clip(some / code_max, -1.0, 1.0)
        history.bins += np.histogram(relative, BINS, (-1.0, 1.0))[0]
