"""Closed-loop programming on the error of products: measure them, tell the cells that are off, write those, again.

The aim is that of gradient-descent programming, min ||X (G - G_target)|| over an array: products are what a network
needs, they take all cells in parallel, and what the periphery and the wires make of a cell is in them. The method is
known; the way it is done here is this emulator's own. Instead of one gradient step for all cells, which their write
noise would undo, the errors of single cells are estimated (`product_estimate`), and only those are written that are
surely off: by one pulse of a staircase, or in one shot with a new draw of the write error, the target moved by a part
of what the last write missed. Where cells are given up, those of the same bit line make up for them, as far as the
inputs have a mean or correlations.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbar.bench.crossbar import Crossbar
from xbar.bench.settings import ReadConfig, VectorConfig
from xbar.bench.status import Status
from xbar.errors import InputError, Unsupported
from xbar.programming.product_estimate import ProductEstimate, compensation, second_moments
from xbar.programming.product_report import ProductReport
from xbar.programming.product_settings import ProductDescent, even_inputs
from xbar.programming.product_writers import Writer, writer
from xbar.programming.write_verify import checked_targets
from xbar.units import show

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

HEADROOM = 1.3
"""Output range over the largest wanted product."""

PER_ROW = 8
"""Vectors of a round for each word line."""

LEAST_PER_ROW = 3

TEST_SHARE = 3
"""One vector in so many of the caller's is kept to test with."""

SURE = 1.5
"""Standard errors by which a cell must be off before it is written."""

SHARE_OF_FLOOR = 0.5
"""The tolerance, where none is given, as a share of what the noise of a product amounts to for each cell."""

OTHERS_REPEAT = 4
"""Readings, averaged, of a cell that has no target."""

SMALLER = 0.99
"""An error that is smaller than the best so far by this factor is a step forward; so are fewer cells that are off."""

WORSE = 1.02
"""Products whose error is larger than the best by this factor are written back, where cells are written in one shot."""

LAST_CHANCE = 0.8
"""Mean distance of a normal number from its mean, in standard deviations: what one more write leaves on average."""

NORMAL = 1.4826
"""Standard deviation of normal numbers over the median of their sizes."""


def descend(crossbar: Crossbar, targets: ArrayLike, settings: ProductDescent) -> ProductReport:
    """Write cells until the products of their array have the error of their noise, or nothing helps any more.

    Begins with what the cells are: write them first (`write_verify`, or `crossbar.program`).

    Args:
        crossbar: the array.
        targets: `(rows, cols)` [S]; NaN leaves a cell as it is. Products are wanted of the cells as they should be, and
            of those without target as a reading finds them.
        settings: inputs, tolerance, pulses, when it ends.

    Raises:
        InputError: targets of another shape or out of the range of the array, no target, inputs of another shape, too
            few of them, or settings that cannot be; before anything is written.
        LimitError: amplitudes or inputs beyond what the bench gives.
        Unsupported: the bench does not multiply, or does not write in the way asked for.

    """
    wanted = checked_targets(crossbar, targets, "programming on products")
    used = _used(wanted)
    inputs, test = _inputs(crossbar, settings, used[0])
    moves = writer(crossbar, settings, wanted, used)
    loop = _Loop(crossbar, settings, wanted[: used[0], : used[1]], inputs, moves)
    before = loop.error(test)
    loop.all_rounds()
    loop.go_back()
    return loop.report(wanted, before, loop.error(test))


def _used(wanted: Floats) -> tuple[int, int]:
    """Return how many of the first rows and columns hold all targets."""
    asked = ~np.isnan(wanted)
    if not asked.any():
        raise InputError("programming on products: no cell has a target; give at least one")
    return int(np.flatnonzero(asked.any(axis=1))[-1]) + 1, int(np.flatnonzero(asked.any(axis=0))[-1]) + 1


def _inputs(crossbar: Crossbar, settings: ProductDescent, rows: int) -> tuple[Floats, Floats]:
    """Return the vectors to fit and those to test with, on the steps of the input converters [V]."""
    has, largest = crossbar.capabilities, settings.input_range
    if "mvm" not in has.native:
        raise Unsupported("programming on products: this bench does not multiply; write cell by cell (write_verify)")
    if not 0 < largest < np.inf:
        raise InputError(f"programming on products: input range {show(largest, 'V')} must be above 0 V and finite")
    for name, value in settings.fields_at_least_one.items():
        if value < 1:
            raise InputError(f"programming on products: {name} is {value}; give at least 1")
    tolerance = settings.tolerance
    if tolerance is not None and not 0 < tolerance < np.inf:
        raise InputError(f"programming on products: tolerance {show(tolerance, 'S')} must be above 0 S and finite")
    if settings.inputs is None:
        count = PER_ROW * rows if settings.vectors is None else settings.vectors
        found = even_inputs(count + count // 2, rows, largest, settings.seed)
        fit, test = found[:count], found[count:]
    else:
        found = np.array(settings.inputs, np.float64)
        if found.ndim != 2 or found.shape[1] < rows or not np.isfinite(found).all():
            raise InputError(
                f"programming on products: inputs of shape {found.shape} must be finite, (vectors, {rows} or more rows)"
            )
        kept = np.arange(len(found)) % TEST_SHARE == 0
        fit, test = found[~kept, :rows], found[kept, :rows]
    if len(fit) < LEAST_PER_ROW * rows:
        raise InputError(
            f"programming on products: {len(fit)} vectors to fit {rows} word lines are too few; give at least "
            f"{LEAST_PER_ROW} for each, and half as many to test with"
        )
    if has.dac_bits is not None:
        step = largest / (2 ** (has.dac_bits - 1) - 1)
        fit, test = (np.clip(np.round(part / step) * step, -largest, largest) for part in (fit, test))
    return fit, test


class _Loop:
    """The rounds of one programming; cells are the used ones `(rows, cols)`."""

    def __init__(
        self, crossbar: Crossbar, settings: ProductDescent, target: Floats, inputs: Floats, writer: Writer
    ) -> None:
        self._crossbar, self._how, self._writer, self._inputs = crossbar, settings, writer, inputs
        self._begun, self._vectors = crossbar.clock, 0
        self._asked = ~np.isnan(target)
        self._target = np.where(self._asked, target, self._others(target))
        self._range = self._ranges()
        self._estimate = ProductEstimate(inputs, target.shape[1])
        self._moments = second_moments(inputs)
        self._goal = np.zeros_like(self._target)
        """Errors that cells should have, to make up for those of others [S]."""
        self._errors: list[float] = []
        self._lost = ~self._asked
        self._spread = 0.0
        """Standard deviation of what a write leaves [S]."""

    def _others(self, target: Floats) -> Floats:
        """Return the conductances of cells that have no target [S]."""
        found, others = np.zeros_like(target), np.argwhere(~self._asked)
        if len(others):
            config = ReadConfig(voltage=self._how.input_range, repeat=OTHERS_REPEAT)
            found[~self._asked] = self._crossbar.read(others, config).conductance.mean(axis=1)
        return found

    def _ranges(self) -> Floats:
        most, cols = self._crossbar.capabilities.current_max, self._target.shape[1]
        if self._how.output_range is not None:
            return np.full((1, cols), self._how.output_range)
        needed = HEADROOM * np.abs(self._inputs @ self._target).max(axis=0)
        return np.asarray(np.clip(needed, 1e-6 * most, most)[None], np.float64)

    def measure(self, inputs: Floats) -> Floats:
        """Return the errors of products `(n, cols)` [A]; bit lines that leave their range get a larger one."""
        cols = self._target.shape[1]
        found = self._crossbar.mvm(inputs, VectorConfig(self._how.input_range, self._range, cols))
        self._vectors += len(inputs)
        over = (np.broadcast_to(found.status, found.codes.shape) & np.uint32(Status.OVERRANGE)) != 0
        if self._how.output_range is None:
            wider = np.where(over[0].any(axis=0), 2.0, 1.0)
            self._range = np.minimum(self._range * wider, self._crossbar.capabilities.current_max)
        return np.asarray(found.current[0] - inputs @ self._target, np.float64)

    def error(self, inputs: Floats) -> float:
        """Return the error of products, relative to the wanted ones."""
        return self._relative(self.measure(inputs), inputs)

    def _relative(self, errors: Floats, inputs: Floats) -> float:
        size = float(np.sqrt(np.mean((inputs @ self._target) ** 2)))
        return float(np.sqrt(np.mean(errors**2))) / size if size > 0 else float("nan")

    def all_rounds(self) -> None:
        """Measure and write until no cell is surely off, or nothing gets better."""
        best, fewest, last = np.inf, self._target.size + 1, 0
        for number in range(self._how.max_rounds + 1):
            errors = self.measure(self._inputs)
            self._errors.append(self._relative(errors, self._inputs))
            self._estimate.add(errors)
            if self._errors[-1] <= min(self._errors):
                self._writer.mark()
            self._make_up()
            left = self._how.max_rounds - number
            off = self._off(self._last_chance(left)) & ~self._lost
            count = int(off.sum())
            if self._errors[-1] < SMALLER * best or count < fewest:
                best, fewest, last = min(best, self._errors[-1]), min(fewest, count), number
            # The last round only measures: what was written is known.
            if not count or not left or number - last >= self._how.patience:
                return
            self._writer.write(off, self._estimate.mean - self._goal)
            self._estimate.forget(off)

    def go_back(self) -> None:
        """Write the cells as they stood when products were best, where they have become worse for good."""
        if self._errors[-1] > WORSE * min(self._errors) and (written := self._writer.restore()).any():
            self._estimate.forget(written)
            errors = self.measure(self._inputs)
            self._errors.append(self._relative(errors, self._inputs))
            self._estimate.add(errors)

    def _last_chance(self, rounds: int) -> Floats:
        """Return which error of a cell the writes and rounds that it has left would not better, in the mean [S]."""
        left = np.clip(self._writer.most - self._writer.writes, 1, max(rounds, 1))
        new = (self._estimate.count == 1) & (self._writer.writes > 0)
        if new.any():
            self._spread = NORMAL * float(np.median(np.abs(self._estimate.mean - self._goal)[new]))
        return np.asarray(LAST_CHANCE * self._spread / left)

    def _make_up(self) -> None:
        """Give the others of a bit line the errors that make up for a cell that was given up."""
        lost = self._writer.given_up() & self._off()
        if (lost & ~self._lost).any():
            self._lost = self._lost | lost
            errors = np.where(self._asked, self._estimate.mean, 0.0)
            goal = compensation(self._moments, errors, ~self._lost)
            low, high = self._crossbar.capabilities.conductance_range or (0.0, np.inf)
            self._goal = np.where(self._lost, 0.0, np.clip(self._target + goal, low, high) - self._target)

    def _tolerance(self) -> Floats:
        if self._how.tolerance is not None:
            return np.asarray(self._how.tolerance)
        return SHARE_OF_FLOOR * self._estimate.floor()

    def _off(self, least: ArrayLike = 0.0) -> Bools:
        """Return which cells have an error beyond the tolerance, and beyond `least` [S], surely."""
        limit = np.maximum(self._tolerance(), least) + SURE * self._estimate.standard_error()
        return np.asarray(self._asked & (np.abs(self._estimate.mean - self._goal) > limit))

    def report(self, wanted: Floats, before: float, after: float) -> ProductReport:
        """Return what came of it."""
        used = (slice(self._target.shape[0]), slice(self._target.shape[1]))
        conductance, reached, given_up = np.full(wanted.shape, np.nan), np.zeros(wanted.shape, bool), None
        conductance[used] = np.where(self._asked, self._target + self._estimate.mean, np.nan)
        lost = self._lost & self._asked
        reached[used] = self._asked & ~lost & ~self._off()
        given_up, writes = np.zeros(wanted.shape, bool), np.zeros(wanted.shape, np.int64)
        given_up[used], writes[used] = lost, self._writer.writes
        size = np.sqrt(np.mean((self._inputs @ self._target) ** 2))
        noise = float(np.sqrt(np.mean(self._estimate.noise**2)) / size) if size > 0 else float("nan")
        effort = (tuple(self._errors), self._vectors, self._crossbar.clock - self._begun)
        return ProductReport(wanted, conductance, reached, given_up, writes, before, after, noise, *effort)
