"""The product of one array whose cells follow the card's I-V law: each current at the voltage that its cell sees.

Without wires the current of a bit line is the sum over its cells at the voltages of the word lines. With wires the
voltages across the cells are found by Newton's method for every vector (`circuit.newton`), each cell with read noise of
its own. The other way, `iv="linear"`, takes every cell as a conductance, its current over voltage at the read voltage.

Slow, and the same bits for any batch and thread count: the law is evaluated once for each input code of a word line,
and the sums run over the word lines in their order. One thread, 128 x 128 cells, batch 1024: 26 to 46 us a vector, 30
to 45 times as long as the linear product, and several hundred times for a vector alone; through wires 5 ms a vector.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xbar.array.nonlinear_kernel import add_currents, add_currents_with_noise
from xbar.array.periphery import Periphery
from xbar.circuit.law import Law
from xbar.circuit.wires import Wires
from xbar.devices.iv_law import IvLaw, at_read
from xbar.errors import Unsupported
from xbar.namespace import Array
from xbar.normals_kernel import fill_normals
from xbar.periphery import converter_kernel as kernel
from xbar.random import Purpose, check_counter, key, normals

Floats = NDArray[np.float64]
IvWay: TypeAlias = Literal["linear", "exact"]

TABLE = 2**22
"""Numbers of the tables in work at once: 32 MiB."""

LANES = 8
"""Codes are evaluated in whole numbers of these: a law's bits then do not depend on how many there are."""

SOLVED = 64
"""Vectors in work at once where the circuit is solved."""

CELL_DRAW = 1
"""Draw number of the normals of single cells, as in products with exact read noise through wires."""

LEAST = 1e-6
"""Smallest factor that read noise leaves of a cell's current."""


@dataclass(frozen=True, eq=False)
class _Cells(Law):
    """The cells of an array as the circuit takes them: factors in the place of conductances."""

    law: IvLaw
    own: Floats
    """Parameters of the law `(rows, cols)` [S]."""
    limit: float
    """Largest |voltage| for which the law is meant [V]."""

    def evaluate(self, g: Array, v: Array) -> tuple[Array, Array]:
        """Return currents [A] and differential conductances [S] of cells whose currents are `g` times the law's."""
        return g * self.law.current(v, self.own), g * self.law.conductance(v, self.own)

    def by_g(self, g: Array, v: Array) -> Array:
        """Return the derivative of the current by the factor [A]."""
        return self.law.current(v, self.own) + 0 * g


@dataclass(frozen=True)
class NonlinearDevice:
    """What the I-V law of a card says of all its cells."""

    law: IvLaw
    read_voltage: float
    """Voltage at which the conductance of a cell is its current over voltage [V]."""
    limit: float = np.inf
    """Largest |voltage| for which the law is meant [V]."""


class NonlinearProduct:
    """The product of one array in one read epoch; used as `ArrayProduct` is.

    Args:
        conductances: of the cells at the read voltage `(rows, cols)` [S].
        sigma: standard deviation of the read noise of each cell at the read voltage `(rows, cols)` [S], or None. At
            another voltage it keeps its share of the current.
        device: the I-V law.
        array: number of the array, part of every noise counter.
        periphery: converters and seed.
        wires: resistances; driven at the left, sensed at the bottom, the other ends open. None for ideal ones.

    """

    def __init__(
        self,
        conductances: Floats,
        sigma: Floats | None,
        device: NonlinearDevice,
        array: int,
        periphery: Periphery,
        wires: Wires | None = None,
    ) -> None:
        self.array, self.periphery, self._wires = array, periphery, wires
        own = np.asarray(at_read(device.law, conductances, device.read_voltage), np.float64)
        self._cells = _Cells(device.law, own, device.limit)
        self._relative: Floats | None = None
        if sigma is not None:
            conducts = conductances > 0
            self._relative = np.where(conducts, sigma / np.where(conducts, conductances, 1.0), 0.0)
        check_counter(array, conductances.size if wires is not None else conductances.shape[1])

    def part(self, rows: int, cols: int) -> "NonlinearProduct":
        """Return the product itself: `convert` takes any number of the first word and bit lines."""
        return self

    def convert(
        self,
        volts: NDArray[Any],
        input_step: float,
        output_step: Floats,
        events: NDArray[np.uint64],
        out: NDArray[Any],
    ) -> None:
        """Fill `out` (batch, cols) with the codes of `volts` (batch, rows) [V]; steps [V], [A]; events (batch,).

        Word lines beyond `rows` stand at 0 V. Raises `Unsupported` where the circuit of a vector was not solved.
        """
        if not len(volts):
            return
        asked = np.require(volts, np.float32, ["C", "W"])
        codes = np.empty(asked.shape, np.float64)
        kernel.dac(asked, np.float32(1 / input_step), np.float32(self.periphery.dac.code_max), codes)
        found, adc = self._amperes(codes, input_step, out.shape[1], events, 0), self.periphery.adc
        if adc is None:
            out[:] = found / output_step
        else:
            kernel.adc(found, 1 / output_step, float(adc.code_max), out)

    def currents(
        self, levels: NDArray[Any], unit: float, steps: Floats, events: NDArray[np.uint64], plane: int = 0
    ) -> Floats:
        """Return currents (batch, cols) in converter steps, as `ArrayProduct.currents`.

        Raises `Unsupported` for a second plane behind wires: the cells' noise has one draw for a vector.
        """
        if plane and self._wires is not None:
            raise Unsupported("non-linear cells behind wires have no bit-serial inputs; drive whole codes")
        return self._amperes(levels.astype(np.float64), unit, len(steps), events, plane) / steps

    def _amperes(self, codes: Floats, unit: float, cols: int, events: NDArray[np.uint64], plane: int) -> Floats:
        """Return the currents (batch, cols) [A] of whole-number codes (batch, rows) of `unit` volts."""
        if self._wires is not None:
            return self._through_wires(codes * unit, cols, events)
        return self._summed(codes, unit, cols, events, plane)

    def _summed(self, codes: Floats, unit: float, cols: int, events: NDArray[np.uint64], plane: int) -> Floats:
        batch, rows = codes.shape
        width = self._cells.own.shape[1]
        sums = np.zeros((batch, cols))
        variances = np.zeros((batch, cols)) if self._relative is not None else None
        # As many word lines at once as the tables have room for.
        most = min(2 * self.periphery.level_max + 1, batch) + LANES
        step = max(1, TABLE // (width * most))
        for first in range(0, rows, step):
            lines = range(first, min(first + step, rows))
            tables, index = self._tables(codes[:, lines.start : lines.stop], unit, lines)
            if variances is None:
                add_currents(tables, index, sums)
            else:
                assert self._relative is not None
                add_currents_with_noise(tables, index, self._relative[lines.start : lines.stop], sums, variances)
        if variances is None:
            return sums
        counter = tuple(np.uint64(n) for n in (self.array, plane, *key(self.periphery.seed, Purpose.READ_NOISE)))
        z = np.empty((batch, cols), np.float32)
        fill_normals(np.require(events, np.uint64, ["C", "W"]), *counter, z)
        return np.asarray(sums + np.sqrt(variances) * z)

    def _tables(self, codes: Floats, unit: float, lines: range) -> tuple[Floats, NDArray[np.int64]]:
        """Return currents (lines, codes, cols) [A] for the different codes of some word lines, and where each stands.

        `codes` are those of all vectors (batch, lines); the places are of the same shape.
        """
        found = [_codes(codes[:, k]) for k in range(len(lines))]
        tables = np.zeros((len(lines), max(len(known) for known, _ in found), self._cells.own.shape[1]))
        for k, (known, _) in enumerate(found):
            own = self._cells.own[lines[k]][None]
            tables[k, : len(known)] = self._cells.law.current((known * unit)[:, None], own)
        return tables, np.ascontiguousarray(np.stack([places for _, places in found], axis=1))

    def _through_wires(self, volts: Floats, cols: int, events: NDArray[np.uint64]) -> Floats:
        from xbar.circuit.newton import solve

        assert self._wires is not None
        shape = self._cells.own.shape
        inputs = np.zeros((len(volts), shape[0]))
        inputs[:, : volts.shape[1]] = volts
        found = np.empty((len(volts), cols))
        for first in range(0, len(volts), SOLVED):
            block = slice(first, first + SOLVED)
            factors = np.ones(shape)
            if self._relative is not None:
                size, seed = shape[0] * shape[1], self.periphery.seed
                z = normals(np.asarray(events[block]), self.array, size, seed, Purpose.READ_NOISE, CELL_DRAW)
                factors = np.maximum(1.0 + self._relative * z.reshape(-1, *shape).astype(np.float64), LEAST)
            solved = solve(factors, self._wires, inputs[block], iv=self._cells).require()
            found[block] = solved.currents[:, :cols]
        return found


def _codes(codes: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Return the different codes of a word line, filled up to whole lanes, and the place of each vector's."""
    known, places = np.unique(codes, return_inverse=True)
    missing = -len(known) % LANES
    return np.concatenate([known, np.full(missing, known[-1])]), places.astype(np.int64).ravel()
