"""The product of one array whose read noise goes through the wires exactly: every vector sees cells of its own.

The default of a bench with wires, `wire_noise="output"`, draws one normal for each bit line, with a standard deviation
that is 2 / 8 / 27 % too large where the wires take 6 / 19 / 53 % of the signal. This one, `"exact"`, draws one for
each cell and solves the array of every vector: 0.7 ms for 128x128 cells, where a product takes 2 us.
"""

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xbar.array.periphery import Periphery
from xbar.circuit.wires import Wires
from xbar.errors import Unsupported
from xbar.periphery import converter_kernel as kernel

Floats = NDArray[np.float64]
WireNoise: TypeAlias = Literal["output", "exact"]

BLOCK = 256
"""Input vectors in work at once."""


class WiredNoiseProduct:
    """The product of one array behind wires in one read epoch; used as `ArrayProduct` is.

    Args:
        conductances: of the cells `(rows, cols)` [S], not of the effective operator.
        sigma: standard deviation of the read noise of each cell `(rows, cols)` [S].
        wires: resistances; driven at the left, sensed at the bottom, the other ends open.
        array: number of the array, part of every noise counter.
        periphery: converters and seed.

    """

    def __init__(self, conductances: Floats, sigma: Floats, wires: Wires, array: int, periphery: Periphery) -> None:
        from xbar.circuit.operator import effective_operator
        from xbar.circuit.read_noise import ReadNoise

        self.array, self.periphery = array, periphery
        # The operator's own conductances count: shorted cells are limited there.
        self._noise = ReadNoise(effective_operator(conductances, wires), sigma)
        self._shape = self._noise.op.g.shape

    def part(self, rows: int, cols: int) -> "WiredNoiseProduct":
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

        Word lines beyond `rows` stand at 0 V, their cells load the bit lines. Raises `Unsupported` where a vector did
        not converge.
        """
        cols = out.shape[1]
        gain, adc = input_step / output_step, self.periphery.adc
        for first in range(0, len(volts), BLOCK):
            block = slice(first, first + BLOCK)
            asked = np.require(volts[block], np.float32, ["C", "W"])
            codes = np.empty(asked.shape, np.float64)
            kernel.dac(asked, np.float32(1 / input_step), np.float32(self.periphery.dac.code_max), codes)
            sums = self._sums(codes, cols, events[block])
            if adc is None:
                np.multiply(sums, gain, out=out[block])
            else:
                kernel.adc(sums, gain, float(adc.code_max), out[block])

    def currents(
        self, levels: NDArray[Any], unit: float, steps: Floats, events: NDArray[np.uint64], plane: int = 0
    ) -> Floats:
        """Return currents (batch, cols) in converter steps, as `ArrayProduct.currents`.

        Raises `Unsupported` for a second plane: the cells' noise has one draw for a vector.
        """
        if plane:
            raise Unsupported("exact read noise through wires has no bit-serial inputs; drive whole codes")
        return self._sums(levels.astype(np.float64), len(steps), events) * (unit / steps)

    def _sums(self, codes: Floats, cols: int, events: NDArray[np.uint64]) -> Floats:
        """Return currents (batch, cols) for inputs of whole-number `codes` (batch, rows) volts."""
        from xbar.circuit.read_noise import NoiseStream

        inputs = np.zeros((len(codes), self._shape[0]))
        inputs[:, : codes.shape[1]] = codes
        stream = NoiseStream(events, self.array, self.periphery.seed)
        # Inputs in codes: a linear array gives currents in amperes for steps of 1 V.
        return np.ascontiguousarray(self._noise.currents(inputs, stream).require().currents[:, :cols])
