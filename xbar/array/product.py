"""The product of one array in one read epoch: DAC codes times conductances, per-cell read noise, ADC codes.

Exact path (the default): float64 sums on a binary grid and whole-number variances, so the same codes come out for any
batch, thread count and BLAS. Float32 path: about half the cost; per product at most 1e-4 of the codes differ, by one
step.
"""

import threading
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.array.exact_grid import SQUARES_LIMIT, mean_bits, snap, snap_variance
from xbar.array.periphery import Periphery
from xbar.normals_kernel import fill_normals
from xbar.periphery import converter_kernel as kernel
from xbar.random import Purpose, check_counter, key

BLOCK = 256
"""Input vectors in work at once: their sums stay in the second-level cache."""

FLOAT32, UINT64 = np.dtype(np.float32), np.dtype(np.uint64)
Floats = NDArray[np.float64]


class ArrayProduct:
    """The effective conductances of one array, ready to multiply.

    Args:
        conductances: `(rows, cols)` [S], or the effective operator of an array with linear wires.
        sigma: standard deviation of the read noise of each cell `(rows, cols)` [S], or None.
        array: number of the array, part of every noise counter.
        periphery: converters, path and seed.

    """

    def __init__(
        self, conductances: NDArray[np.float64], sigma: NDArray[np.float64] | None, array: int, periphery: Periphery
    ) -> None:
        self.array, self.periphery = array, periphery
        rows = conductances.shape[0]
        real = np.float64 if periphery.exact else np.float32
        if periphery.exact:
            conductances = snap(conductances, mean_bits(periphery.level_max, rows))
        self.conductances = np.ascontiguousarray(conductances, real)
        self.variances: NDArray[np.float32] | None = None
        if sigma is not None:
            variance = np.square(sigma)
            if periphery.exact:
                self.variances, step = snap_variance(variance, periphery.seed, array)
            else:
                largest = max(float(variance.max(initial=0.0)), 1e-300)
                self.variances, step = (variance / largest).astype(np.float32), np.full(variance.shape[1], largest)
            self.spread = np.sqrt(step)
        self.parts: dict[tuple[int, int], ArrayProduct] = {}
        # What every product needs, in the kernels' types: looking it up costs more than a small product.
        check_counter(array, conductances.shape[1])
        self._counter = self._noise_counter(0)
        self._code_max, self.half = np.float32(periphery.dac.code_max), rows // 2
        self._scaled: tuple[Any, tuple[Any, ...]] = (None, ())
        self._top = None if periphery.adc is None else float(periphery.adc.code_max)

    def part(self, rows: int, cols: int) -> "ArrayProduct":
        """Return the product of the first `rows` word lines and `cols` bit lines; the other word lines stand at 0 V."""
        if (rows, cols) == self.conductances.shape:
            return self
        if (rows, cols) not in self.parts:
            part = copy(self)
            part.parts = {}
            part.conductances = np.ascontiguousarray(self.conductances[:rows, :cols])
            if self.variances is not None:
                part.variances, part.spread = np.ascontiguousarray(self.variances[:rows, :cols]), self.spread[:cols]
            self.parts[rows, cols] = part
        return self.parts[rows, cols]

    def convert(
        self,
        volts: NDArray[Any],
        input_step: float,
        output_step: NDArray[np.float64],
        events: NDArray[np.uint64],
        out: NDArray[Any],
    ) -> None:
        """Fill `out` (batch, cols) with the codes of `volts` (batch, rows) [V]; steps [V], [A]; events (batch,)."""
        batch = len(volts)
        if not batch:
            return
        work = _work_space(self.conductances, min(BLOCK, batch))
        inverse, gain, spread = self._scales(input_step, output_step)
        for first in range(0, batch, BLOCK):
            n = min(BLOCK, batch - first)
            block, target = _plain(volts[first : first + n], FLOAT32), out[first : first + n]
            w = work.first(n)
            if self.variances is not None and self.periphery.exact:
                kernel.dac_with_squares(
                    block, inverse, self._code_max, SQUARES_LIMIT, self.half, w.codes, w.squares, w.factors
                )
            else:
                kernel.dac(block, inverse, self._code_max, w.codes)
            np.dot(w.codes, self.conductances, out=w.sums)
            if self.variances is not None:
                if not self.periphery.exact:
                    np.multiply(w.codes, w.codes, out=w.squares)
                np.dot(w.squares, self.variances, out=w.variances)
                fill_normals(_plain(events[first : first + n], UINT64), *self._counter, w.normals)
            self._finish(w, gain, spread, target)

    def _noise_counter(self, draw: int) -> tuple[np.uint64, ...]:
        return tuple(np.uint64(n) for n in (self.array, draw, *key(self.periphery.seed, Purpose.READ_NOISE)))

    def currents(
        self,
        levels: NDArray[np.float32],
        unit: float,
        steps: NDArray[np.float64],
        events: NDArray[np.uint64],
        plane: int = 0,
    ) -> NDArray[np.float64]:
        """Return currents (batch, cols) in converter `steps` [A], read noise included, for converters with errors.

        Args:
            levels: whole numbers (batch, rows), at most those of `Periphery.level_max`.
            unit: voltage of one level [V].
            steps: current of one step (cols,) [A].
            events: (batch,).
            plane: of the input: each has read noise of its own.

        """
        w = _work_space(self.conductances, len(levels))
        gain, levels = unit / steps, _plain(levels, FLOAT32)
        if self.variances is not None and self.periphery.exact:
            # Levels are whole numbers already: a converter of one volt a step and no end hands them on.
            one, end = np.float32(1), np.float32(1 << 22)
            kernel.dac_with_squares(levels, one, end, SQUARES_LIMIT, self.half, w.codes, w.squares, w.factors)
        else:
            w.codes[:] = levels
        np.dot(w.codes, self.conductances, out=w.sums)
        found: NDArray[np.float64] = w.sums * gain
        if self.variances is not None:
            if not self.periphery.exact:
                np.multiply(w.codes, w.codes, out=w.squares)
            np.dot(w.squares, self.variances, out=w.variances)
            fill_normals(_plain(events, UINT64), *self._noise_counter(plane), w.normals)
            spread = (self.spread * gain).astype(np.float32)
            found += (np.sqrt(w.variances * w.factors[:, None]) * spread) * w.normals
        return found

    def _scales(self, input_step: float, output_step: Floats) -> tuple[Any, ...]:
        """Return what volts, sums and noise are multiplied by; kept, since steps seldom change between products."""
        asked = (input_step, output_step.tobytes())
        # One tuple, taken and put at once: threads may share a product.
        kept = self._scaled
        if kept[0] != asked:
            gain = input_step / output_step
            spread = None if self.variances is None else (self.spread * gain).astype(np.float32)
            kept = self._scaled = (asked, (np.float32(1 / input_step), gain, spread))
        return kept[1]

    def _finish(self, w: "_Work", gain: Floats, spread: NDArray[np.float32] | None, out: NDArray[Any]) -> None:
        if self._top is None:
            np.multiply(w.sums, gain, out=out)
            if spread is not None:
                out += (np.sqrt(w.variances * w.factors[:, None]) * spread) * w.normals
        elif spread is None:
            kernel.adc(w.sums, gain, self._top, out)
        else:
            kernel.adc_with_noise(w.sums, w.variances, w.factors, spread, w.normals, gain, self._top, out)


def _plain(values: NDArray[Any], kind: np.dtype[Any]) -> NDArray[Any]:
    """Return `values` contiguous and writeable: a kernel is compiled once, not again for each kind of view."""
    return values if values.dtype == kind and values.flags.carray else np.require(values, kind, ["C", "W"])


@dataclass
class _Work:
    """Work space of a block of vectors, `n` rows each."""

    codes: NDArray[Any]
    sums: NDArray[Any]
    squares: NDArray[np.float32]
    variances: NDArray[np.float32]
    normals: NDArray[np.float32]
    factors: NDArray[np.float32]
    """Ones on the float32 path."""

    def first(self, n: int) -> "_Work":
        """Return the part for `n` vectors."""
        if n == len(self.factors):
            return self
        parts = (self.codes, self.sums, self.squares, self.variances, self.normals, self.factors)
        return _Work(*(part[:n] for part in parts))


class _Space(threading.local):
    """The work space that a thread used last: new pages for each product would cost more than a small product."""

    key: tuple[Any, ...] = ()
    work: _Work


_SPACE = _Space()


def _work_space(conductances: NDArray[Any], n: int) -> _Work:
    rows, cols = conductances.shape
    real = conductances.dtype
    key = (n, rows, cols, real)
    if _SPACE.key != key:
        f32 = np.float32
        _SPACE.work = _Work(
            np.empty((n, rows), real),
            np.empty((n, cols), real),
            np.empty((n, rows), f32),
            np.empty((n, cols), f32),
            np.empty((n, cols), f32),
            np.ones(n, f32),
        )
        _SPACE.key = key
    return _SPACE.work
